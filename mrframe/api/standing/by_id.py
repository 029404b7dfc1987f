"""From an id to a kept run (`run-7`) or a submission (`job-7`), and the ids that came last."""

from __future__ import annotations

from contextlib import ExitStack

from mrframe.api.explain.input_lines import InputLines, lines_of_run
from mrframe.api.explain.kept_failures import KeptFailures, failures_of_run
from mrframe.api.standing.session_calls import REPLY_S, ended, submitted_maps
from mrframe.cluster.client.cluster_dir import ClusterDir, default_cluster_dir
from mrframe.cluster.client.standing_session import StandingSession
from mrframe.engines.history.kept_runs import capsule_of
from mrframe.engines.protocol import raise_failure
from mrframe.errors import UsageError, UserCodeError
from mrframe.store.run_records import RunRecords, default_folder
from mrframe.store.scratch import Scratch
from mrframe.task.debug.capsule import Capsule


def input_lines(id: str, directory: str | None = None) -> InputLines:  # noqa: A002  (the word of the commands)
    """The inputs of this run or submission, in which the lines behind a key are found.

    UsageError when there is none of this id, when it is not done, or read standard input. No connection is left open.
    """
    if not id.startswith("job-"):
        return lines_of_run(id)
    cluster_dir = ClusterDir(directory or default_cluster_dir())
    name = cluster_dir.job(id)
    with ExitStack() as stack:
        copies = stack.enter_context(Scratch(later=True))  # they stay until the lines were read, the sockets do not
        with StandingSession(cluster_dir, copies.path) as session:
            maps = submitted_maps(cluster_dir, session, name, REPLY_S, {})
        return InputLines(name, maps, stack.pop_all().close)


def kept_failures(id: str, directory: str | None = None) -> KeptFailures:  # noqa: A002
    """The failures of this run or submission that can be run again. UsageError when a submission has none."""
    if not id.startswith("job-"):
        return failures_of_run(id)
    cluster_dir = ClusterDir(directory or default_cluster_dir())
    name = cluster_dir.job(id)
    package = cluster_dir.package(name)
    with Scratch(later=True) as copies, StandingSession(cluster_dir, copies.path) as session:
        event = ended(session, name, REPLY_S, {})
    if event.failure is None:
        raise UsageError(f"{name} did not fail")
    capsule: Capsule | None = None
    try:
        raise_failure(event.failure)
    except UserCodeError as error:
        capsule = capsule_of(error)
    if capsule is None:
        raise UsageError(f"{name} failed on no single record or group: {event.failure.message}")
    found = capsule
    return KeptFailures(name, [lambda: found], lambda: package)


def last_id(directory: str | None = None) -> str:
    """The id of the last thing that this user ran or submitted, for `@`. UsageError when there is none."""
    run, job = _last_run(), _last_submission(directory)
    if run is None and job is None:
        raise UsageError(
            f"no run is kept in {default_folder()} and nothing was submitted, so there is no last one (@)"
        )
    return max(filter(None, (run, job)))[1]


def last_submission_id(directory: str | None = None) -> str:
    """The same where only a submission will do. UsageError when the last thing is a run."""
    run, job = _last_run(), _last_submission(directory)
    if job is None:
        raise UsageError(f"{directory or default_cluster_dir()} has no submission, so there is no last one (@)")
    if run is not None and run > job:
        raise UsageError(
            f"@ is the last thing that was run or submitted, {run[1]}, and this command takes submissions alone; the "
            f"last of these is {job[1]}"
        )
    return job[1]


def kept_run_ids() -> list[str]:
    """The ids of the runs that are kept (`run-7`), the last one first."""
    return RunRecords(default_folder()).ids()


def submission_id(text: str, directory: str | None = None) -> str:
    """The text, if it can be the id of a submission, else UsageError. The cluster is not asked."""
    return ClusterDir(directory or default_cluster_dir()).job(text)


def _last_run() -> tuple[float, str] | None:
    return RunRecords(default_folder()).last()


def _last_submission(directory: str | None) -> tuple[float, str] | None:
    return ClusterDir(directory or default_cluster_dir()).last()
