"""One accepted job: its steps, the tasks that exist, the inputs of each, and when the job is over.

Every change of a submission follows from a fact, and the same methods are used live and in recovery, so that
`Scheduler.recover` arrives at the same tasks with the same ids. It knows no nodes' state, no time and no messages.

Rules. Indexes of tasks run on across steps, in order of creation, which the facts determine. A reduce task exists
once all map tasks of its step have been committed, the map tasks of the next step once all reduce tasks of this one
have. Output that is lost later is made again only if an unfinished task needs it (`reopen_needed`): the lineage is
walked backwards from the last step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mrframe.core.model.error_limits import too_many, too_many_failed
from mrframe.core.model.ids import Kind, task_id
from mrframe.core.model.reports import TaskReport
from mrframe.core.model.spec import Failure, Split, StepSpec
from mrframe.core.model.states import JOB, JobStatus, TaskState
from mrframe.core.state.tasks import Step, Task

Holder = tuple[str, str]  # (attempt, node)


class SubmissionRecord:
    """A job that the scheduler has accepted.

    rank     its position among all, by time of submission
    live     number of its attempts that are under way
    ended_s  when it ended first, by the clock on the wall, 0 when it has not or that is not known
    """

    def __init__(self, job: str, specs: tuple[StepSpec, ...], rank: int, priority: int = 0) -> None:
        self.job = job
        self.rank = rank
        self.priority = priority
        self.live = 0
        self.state = JOB.start
        self.failure: Failure | None = None
        self.ended_s = 0.0
        self.steps = [Step(number, spec, planned=number == 0) for number, spec in enumerate(specs)]
        self.tasks: dict[str, Task] = {}
        self.decodes: dict[tuple[int, int], Task] = {}
        self.by_position: dict[tuple[int, int], Task] = {}
        self.added = 0
        self.closed_at: int | None = None
        self.unknown_decodes = 0
        self.fetch_reports: dict[Holder, int] = {}
        self._next: dict[Kind, int] = {"map": 0, "reduce": 0, "decode": 0}

    @property
    def last(self) -> Step:
        """The last step."""
        return self.steps[-1]

    @property
    def rows(self) -> int:
        """The rows of its result, as far as they were ever made."""
        return sum(task.last_report.records_out for task in self.last.reduces if task.last_report)

    def move(self, cause: str) -> None:
        """Change the state by the table in `core/model/states.py`."""
        self.state = JOB.move(self.state, cause)

    # ---- tasks come to be ------------------------------------------------------------------------

    def _make(self, kind: Kind, step: int, split: Split | None, partition: int = -1) -> Task:
        index = self._next[kind]
        self._next[kind] = index + 1
        blocks: list[Task] | tuple[()] = [] if kind == "decode" else ()
        task = Task(self.job, task_id(self.job, kind, index), kind, step, index, split, partition, blocks=blocks)
        self.tasks[task.id] = task
        return task

    def _make_map(self, step: Step, split: Split) -> Task:
        task = self._make("map", step.index, split)
        step.maps.append(task)
        step.open_maps += 1
        return task

    def unknown_splits(self, splits: Iterable[Split]) -> tuple[Split, ...]:
        """Return the splits that are new, each once."""
        new: dict[tuple[bool, tuple[int, int]], Split] = {}
        for split in splits:
            gzip = split.is_compressed
            if split.order not in (self.decodes if gzip else self.by_position):
                new.setdefault((gzip, split.order), split)
        return tuple(new.values())

    def add_splits(self, splits: Iterable[Split]) -> list[Task]:
        """Make and return a task for each of these splits, which are all new."""
        return [self._add_split(split) for split in splits]

    def _add_split(self, split: Split) -> Task:
        self.added += 1
        if split.is_compressed:
            task = self.decodes[split.order] = self._make("decode", 0, split)
            self.unknown_decodes += 1
        else:
            task = self.by_position[split.order] = self._make_map(self.steps[0], split)
        return task

    def add_block(self, decode: Task, split: Split) -> Task:
        """Make the map task over a block that a decode task has made for the first time."""
        task = self.by_position[split.order] = self._make_map(self.steps[0], replace(split, held_by=()))
        task.decode_task = decode
        assert isinstance(decode.blocks, list)
        decode.blocks.append(task)
        return task

    def close(self, splits: int) -> None:
        """The client adds no more than `splits` splits in all (-1: than it has added)."""
        self.closed_at = self.added if splits < 0 else splits

    @property
    def closed(self) -> bool:
        """Whether all splits that the client will ever add are known."""
        return self.closed_at is not None and self.added >= self.closed_at

    # ---- results come and go -----------------------------------------------------------------------

    def commit(self, task: Task, holder: Holder, report: TaskReport, cause: str) -> None:
        """Make `holder` the result of the task. `cause` is "commit", or "recall" from the journal."""
        task.move(cause)
        task.commit = task.last_commit = holder
        task.report = task.last_report = report
        if task.kind != "decode" and not report.ledger.quarantined and task.first_report is None:
            task.first_report = report
        self.steps[task.step].count(task, holder[1], report, 1)
        if task.kind == "decode":
            if not task.was_committed:
                self.unknown_decodes -= 1
            self.hold_blocks(task, holder)
        task.was_committed = True

    def lose(self, task: Task) -> None:
        """Revoke the result of a committed task. A job that was done runs again if it needs the result."""
        assert task.commit is not None
        assert task.report is not None
        self.steps[task.step].count(task, task.commit[1], task.report, -1)
        if task.kind == "decode":
            self.drop_blocks(task, task.commit[0])
        task.move("lose")
        task.commit = task.report = None
        if self.state is JobStatus.DONE and task.kind == "reduce" and task.step == self.last.index:
            self.move("reopen")

    def hold_blocks(self, decode: Task, holder: Holder) -> None:
        """All blocks of the decode task are held by `holder` from now on."""
        for task in decode.blocks:
            assert task.split is not None
            task.split = replace(task.split, held_by=(holder,))

    def drop_blocks(self, decode: Task, attempt: str) -> None:
        """Record that no node holds the blocks of this attempt any more."""
        for task in decode.blocks:
            assert task.split is not None
            if task.split.held_by and task.split.held_by[0][0] == attempt:
                task.split = replace(task.split, held_by=())

    # ---- consequences ------------------------------------------------------------------------------

    def advance(self) -> tuple[list[Task], Failure | None]:
        """Make the tasks that can exist now: (the new ones, why the job fails instead or None)."""
        new: list[Task] = []
        for step in self.steps:
            if not step.reduces and self._maps_known(step):
                failure = too_many(step.spec.max_bad, step.malformed, step.lines) or too_many_failed(
                    step.spec.max_failed, step.quarantined, step.records
                )
                if failure is not None:
                    return new, failure
                new += self._plan_reduces(step)
            following = self.steps[step.index + 1] if step is not self.last else None
            if following and not following.planned and step.reduces and not step.open_reduces:
                new += self._plan_maps(step, following)
        return new, None

    @property
    def complete(self) -> bool:
        """Whether all reduces of the last step, and all maps with rejects to be shown, are committed."""
        if not self.last.reduces or self.last.open_reduces:
            return False
        return not any(step.spec.keeps_maps and step.open_maps for step in self.steps)

    def _maps_known(self, step: Step) -> bool:
        if step.index == 0 and (not self.closed or self.unknown_decodes):
            return False
        return step.planned and not step.open_maps

    def _plan_reduces(self, step: Step) -> list[Task]:
        step.reduces = [self._make("reduce", step.index, None, p) for p in range(step.spec.partitions)]
        step.open_reduces = len(step.reduces)
        return step.reduces

    def _plan_maps(self, step: Step, following: Step) -> list[Task]:
        following.planned = True
        partitions = [-1] if following.spec.gather else range(step.spec.partitions)
        name = f"step {step.index}"
        splits = [Split("pairs", name, "part.mrf", 0, 0, (max(p, 0), 0), partition=p) for p in partitions]
        return [self._make_map(following, split) for split in splits]

    # ---- inputs of tasks ---------------------------------------------------------------------------

    def upstream_reduces(self, task: Task) -> list[Task]:
        """Return the reduce tasks of the step before that a map task over pairs reads."""
        assert task.split is not None
        reduces = self.steps[task.step - 1].reduces
        return reduces if task.split.partition < 0 else [reduces[task.split.partition]]

    def readers(self, task: Task) -> Sequence[Task]:
        """The tasks that read this task's output, as far as they exist."""
        step = self.steps[task.step]
        if task.kind == "decode":
            return task.blocks
        if task.kind == "map":
            return step.reduces if not step.open_maps else []
        if step is self.last:
            return []
        maps = self.steps[task.step + 1].maps
        return maps if len(maps) <= 1 else [maps[task.partition]]

    def inputs_ready(self, task: Task) -> bool:
        """Whether everything that the task reads is committed (a block: sealed)."""
        if task.kind == "reduce":
            return not self.steps[task.step].open_maps
        if task.step > 0:
            return all(feeder.commit is not None for feeder in self.upstream_reduces(task))
        return task.decode_task is None or bool(task.split and task.split.held_by)

    def inputs(self, task: Task) -> tuple[Holder, ...]:
        """Return (attempt, node) of all inputs of the task, in order, without maps that have no pairs for it."""
        if task.kind == "reduce":
            maps = self.steps[task.step].in_order()
            p = task.partition
            return tuple(m.commit for m in maps if m.commit and m.report and p in m.report.partitions)
        if task.step > 0:
            return tuple(feeder.commit for feeder in self.upstream_reduces(task) if feeder.commit)
        return task.split.held_by if task.split else ()

    def reopen_needed(self) -> list[Task]:
        """Move the lost tasks that an unfinished task reads, from the last step backwards, and return them."""
        again: list[Task] = []
        if self.state is not JobStatus.RUNNING:
            return again
        following: Step | None = None
        for step in reversed(self.steps):
            wanted = step.reduces
            if following is not None and following.planned:
                wanted = [f for m in following.maps if _open(m) for f in self.upstream_reduces(m)]
            again += _reopen(wanted)
            if not step.reduces or step.spec.keeps_maps or any(_open(task) for task in wanted):
                again += _reopen(step.maps)
            following = step
        blocks = [m for m in self.steps[0].maps if m.decode_task and _open(m) and not self.inputs_ready(m)]
        return again + _reopen([m.decode_task for m in blocks if m.decode_task])

    def committed(self) -> list[Task]:
        """Return the committed tasks by step, kind (decode, map, reduce) and position."""
        return [task for task in self._in_order() if task.commit is not None]

    def ever_committed(self) -> list[Task]:
        """Return the same, and tasks with lost output that nothing needed any more."""
        return [task for task in self._in_order() if task.last_report is not None]

    def _in_order(self) -> list[Task]:
        tasks = sorted(self.decodes.values(), key=lambda task: task.index)
        for step in self.steps:
            tasks += [*step.in_order(), *step.reduces]
        return tasks


def _open(task: Task) -> bool:
    return task.state is not TaskState.COMMITTED and task.state is not TaskState.LOST


def _reopen(tasks: Iterable[Task]) -> list[Task]:
    again = [task for task in dict.fromkeys(tasks) if task.state is TaskState.LOST]
    for task in again:
        task.move("need")
    return again
