"""A client of a standing cluster: submissions, their results, and datasets.

Rules.
- One session, one thread: a client is used by the thread that made it, and is closed.
- The master reports the end of a submission to a session once. It is remembered here, so that one can wait for a
  submission, and fetch its result, any number of times.
- Removal deletes the files that the client kept first, and then has the cluster forget the submission. If it is
  killed between the two, the cluster still lists the submission, and it can be removed again. In the other order the
  files would be left, and nothing would name them. An id is never reused (`cluster/client/cluster_dir.py`), since the
  journal has it as ended.

Not here: starting and stopping a cluster (`clusters.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from mrframe.api.found_job import JobLike, resolve
from mrframe.api.html_table import Listing
from mrframe.api.result import Result, held
from mrframe.api.standing.dataset_client import DatasetClient
from mrframe.api.standing.rows import CancelledSubmission, ClusterStatus, SubmissionInfo, state_text, status_of
from mrframe.api.standing.session_calls import REPLY_S, Pace, ended, replay_named, submitted_maps
from mrframe.api.standing.submission_handle import Submission
from mrframe.api.tracebacks import trimmed
from mrframe.cluster.client.cluster_dir import ClusterDir, default_cluster_dir
from mrframe.cluster.client.standing_session import StandingSession
from mrframe.core.model.actions import JobEnded
from mrframe.core.settings.options import RunOptions
from mrframe.engines import submissions
from mrframe.engines.datasets.datasets import inputs_of
from mrframe.engines.plan.job_inputs import GivenInputs
from mrframe.engines.protocol import OnProgress
from mrframe.engines.submission_record import RecordedPlan, recorded_plan
from mrframe.errors import CorruptData, MrframeError, TimedOut, UsageError
from mrframe.store.scratch import Scratch

if TYPE_CHECKING:
    from mrframe.api.explain.input_lines import InputLine
    from mrframe.wire.messages import JobState

WITHDRAW_S = 2.0
"""Seconds to wait for the cluster to remove a failed submission."""


class Client(DatasetClient):
    """A session with a standing cluster: `mrframe.connect()` makes one. It is a context manager, and `close` ends it.

        >>> with mrframe.connect(directory) as client:
        ...     submission = client.submit("status_codes", ["sample_logs/access.log"])
        ...     with submission.result(timeout_s=60) as result:
        ...         rows = dict(result)
        >>> rows[404]
        7

    A submission outlives the client: it ends, once, whatever is killed meanwhile. Methods raise ClusterUnreachable
    when the cluster does not answer or is stopped, and UsageError for ids that it does not know.
    """

    def __init__(self, cluster_dir: ClusterDir, reply_s: float) -> None:
        self._dir = cluster_dir
        self._ends: dict[str, JobEnded] = {}
        with ExitStack() as stack:
            scratch = stack.enter_context(Scratch(later=True))  # holds fetched files until the session ends
            session = stack.enter_context(StandingSession(cluster_dir, scratch.path))
            super().__init__(session, cluster_dir.blocks, reply_s)
            self._stack = stack.pop_all()

    @property
    def directory(self) -> str:
        """Where the cluster lives."""
        return self._dir.path

    # ---- submissions --------------------------------------------------------------------------------

    @trimmed
    def submit(
        self,
        job: JobLike,
        inputs: GivenInputs,
        options: RunOptions = RunOptions(),  # noqa: B008  (frozen)
        *,
        job_options: Mapping[str, Any] | None = None,
        priority: int = 0,
    ) -> Submission:
        """Submit a job, and return once the cluster has it in its journal.

        job       as for `mrframe.run`. One without a file travels by value
        inputs    as for `mrframe.run`, but for standard input. Also datasets: `mrfs:access`, `mrfs:access@3`
        options   those about engines, nodes and time limits mean nothing here: the cluster has its own
        priority  tasks of submissions with a higher one go first. Those with the same share the cluster

        The keys of a job in total order are sampled first, by another submission, which is waited for and removed.
        """
        file, made = resolve(job, job_options or {})
        planned = submissions.prepare(
            made,
            file,
            inputs,
            options,
            job_options or {},
            executors=self._session.access.nodes * self._session.access.slots,
            sampled=self._sampled,
            stored=inputs_of(self._session),
        )
        for abandoned in self._dir.take_abandoned():
            self._withdraw(abandoned)
        name = self._added(planned)
        try:
            submissions.submit(planned, self._session, name, self._reply_s, priority=priority)
            self._dir.confirm(name)
        except BaseException:
            self._withdraw(name)
            raise
        return Submission(self, name, planned.notes)

    def submission(self, id: str) -> Submission:  # noqa: A002  (the word of the commands)
        """A handle on a submission that was made before. The cluster is not asked."""
        return Submission(self, self._dir.job(id))

    def jobs(self) -> Listing[SubmissionInfo]:
        """The submissions that are not removed, by id."""
        return Listing(self._info(one) for one in self._session.state(self._reply_s).jobs)

    def status(self) -> ClusterStatus:
        """The nodes and submissions of the cluster."""
        return status_of(self.directory, self._dir.log, self._session.state(self._reply_s))

    @trimmed
    def wait(
        self,
        id: str,  # noqa: A002
        timeout_s: float | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> SubmissionInfo:
        """Wait until a submission has ended, and return what is known of it.

        `on_progress` is called as by `mrframe.run`. Raises its failure, TimedOut when it goes on for longer.
        """
        name = self._dir.job(id)
        plan = self._plan(name)
        pace = Pace(plan.bytes_total if plan else 0, on_progress) if on_progress else None
        event = ended(self._session, name, timeout_s, self._ends, pace)
        if event.failure is not None:
            with replay_named(name):
                submissions.raise_failure_of(event, self._dir.record(name))
        one = self._seen(name)
        return SubmissionInfo(name, None, "removed", "", 0, 0) if one is None else self._info(one)

    @trimmed
    def result(self, id: str, timeout_s: float = 0.0) -> Result:  # noqa: A002
        """Return the result of a submission. Waits up to `timeout_s` seconds for its end. May be called again.

        Large results are read from the client's own files, so they end with it. Output that is missing or damaged is
        produced again first. Raises the submission's failure, UsageError while it still runs, TimedOut when output
        that is produced again takes longer than the cluster may take to reply.
        """
        name = self._dir.job(id)
        if timeout_s:
            self._ended(name, timeout_s)
        one = self._seen(name)
        if one is not None and one.state == "running":
            raise UsageError(f"{_still_runs(one)}; wait for it with: mrframe wait {name}")
        event = self._ended(name, self._reply_s)
        session = self._session
        with replay_named(name):
            outcome, summary, job = submissions.gather(
                session, event, self._dir.record(name), session.access.nodes, lambda: self._ends_again(name)
            )
        parts = [os.fspath(part) for part in outcome.parts]
        return held(parts, summary, ExitStack(), ranked=job.ranked, columns=job.columns)

    def why(self, id: str, key: str) -> Iterator[InputLine]:  # noqa: A002
        """The input lines behind a key of the result, in input order. `key` as the result writes it.

        The job's code runs in this process, as the inline engine has it.
        """
        from mrframe.api.explain.input_lines import InputLines

        name = self._dir.job(id)
        return InputLines(name, submitted_maps(self._dir, self._session, name, self._reply_s, self._ends)).lines(key)

    def cancel(self, id: str) -> CancelledSubmission:  # noqa: A002
        """End a submission now: its tasks are stopped, and it has no result. One that has ended stays as it is."""
        name = self._dir.job(id)
        before = self._seen(name)
        if before is None:
            raise self._unknown(name)
        self._session.cancel(name)
        self._session.settle(self._reply_s)
        after = self._seen(name)
        if after is None:
            return CancelledSubmission(name, "removed", now=False)
        state = state_text(after)
        return CancelledSubmission(name, state, now=before.state == "running" and state == "cancelled")

    def rm(self, id: str) -> None:  # noqa: A002
        """Remove an ended submission: its result, its record, and all else that was kept for it.

        UsageError for one that still runs. Removing it again is no error.
        """
        name = self._dir.job(id)
        for abandoned in self._dir.take_abandoned():
            self._withdraw(abandoned)
        one = self._seen(name)
        if one is not None and one.state == "running":
            raise UsageError(
                f"{_still_runs(one)} and is not removed; "
                f"wait for it with: mrframe wait {name}, or end it with: mrframe cancel {name}"
            )
        if one is None and not self._dir.was_given(name):
            raise self._unknown(name)
        if one is None and self._dir.submitted_s(name) is not None:
            raise UsageError(
                f"the cluster in {self.directory} has not accepted {name} yet; if no `mrframe submit` runs any more, "
                f"it never will, and what is left of it can be deleted by hand: {self._dir.submissions}/{name}"
            )
        self._dir.forget(name)
        self._ends.pop(name, None)
        if one is not None:
            self._session.forget(name)
            self._session.settle(self._reply_s)

    # ---- the session --------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave. The cluster goes on."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of the cluster in {self.directory}>"

    def _seen(self, job: str) -> JobState | None:
        """The state of this submission as the master reports it. None when it has none of this id."""
        return next((one for one in self._session.state(self._reply_s).jobs if one.job == job), None)

    def _unknown(self, job: str) -> UsageError:
        return UsageError(f"the cluster in {self.directory} has no submission {job}; `mrframe jobs` lists them")

    def _info(self, one: JobState) -> SubmissionInfo:
        at_s, plan = self._dir.submitted_s(one.job), self._plan(one.job)
        return SubmissionInfo(
            one.job,
            plan.job.name if plan else None,
            state_text(one),
            one.stage,
            one.tasks_done,
            one.tasks_total,
            None if at_s is None else datetime.fromtimestamp(at_s).astimezone(),
            one.error_slug,
            one.message,
            datetime.fromtimestamp(one.ended_s).astimezone() if one.ended_s else None,
            plan.inputs if plan else (),
            one.rows if one.rows >= 0 else None,
        )

    def _plan(self, job: str) -> RecordedPlan | None:
        try:
            return recorded_plan(self._dir.record(job))
        except (CorruptData, UsageError):
            return None  # a removal broke off, or the record is damaged, as `result` will say

    def _ended(self, job: str, timeout_s: float | None) -> JobEnded:
        return ended(self._session, job, timeout_s, self._ends)

    def _ends_again(self, job: str) -> JobEnded:
        """Wait for the next end of a submission of which output was reported unreadable."""
        self._session.settle(self._reply_s)
        self._ends.pop(job, None)
        try:
            return self._ended(job, self._reply_s)
        except TimedOut:
            raise TimedOut(
                f"the output of {job} is missing or damaged, and is being produced again; wait for it with: "
                f"mrframe wait {job}"
            ) from None

    def _added(self, planned: submissions.PreparedSubmission) -> str:
        """Give a submission an id that the cluster has never had, even if the records of the others are gone."""
        above = self._session.state(self._reply_s).last_number
        return self._dir.add_submission(planned.record, planned.package, above=above)

    def _sampled(self, planned: submissions.PreparedSubmission) -> list[bytes]:
        """Have the cluster sample keys, and return the files of its output. The sampling submission is removed."""
        name = self._added(planned)
        try:
            submissions.submit(planned, self._session, name, self._reply_s)
            parts = []
            for path in submissions.parts_of(self._session, self._ended(name, None)):
                with open(path, "rb") as file:
                    parts.append(file.read())
            return parts
        finally:
            self._withdraw(name)

    def _withdraw(self, job: str) -> None:
        """Delete a pending submission here and in the cluster. If it is not reached, the next submission does it."""
        self._ends.pop(job, None)
        forgotten = False
        try:
            self._session.forget(job)
            self._session.settle(WITHDRAW_S)
            forgotten = True
        except MrframeError:
            pass  # the reason of the failure is reported already
        finally:
            (self._dir.forget if forgotten else self._dir.abandon)(job)


def connect(directory: str | None = None, *, reply_s: float = REPLY_S) -> Client:
    """A client of the standing cluster of this user, or of the one that lives in `directory`.

        >>> with mrframe.connect(directory) as client:
        ...     [job.name for job in client.jobs()]
        []

    `reply_s` is how long its master may take to answer, its restart included. Raises ClusterUnreachable when no
    cluster runs there, NotPrivate when others may write to the directory.
    """
    return Client(ClusterDir(directory or default_cluster_dir()), reply_s)


def _still_runs(one: JobState) -> str:
    return f"{one.job} still runs ({one.stage}, {one.tasks_done} of {one.tasks_total} tasks)"
