"""What a run does about saved results: what is known before it starts, and what it remembers when it is done.

The executors load and save (`task/cache/map_results.py`), wherever they are. Here is the side of the client: whether
results are saved at all, which inputs need not even be read since they have not changed, cuts that stay where they
were (so that content that was read before is recognised), and afterwards the record of what was read. Nothing here
is needed for an answer: what goes wrong with the folder is a reason to save nothing, and a warning.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.options import RunOptions
from mrframe.core.model.spec import MIB, Split
from mrframe.engines.protocol import Done, Engine, Outcome, Plan, cores
from mrframe.errors import MrframeError, NotPrivate, UsageError
from mrframe.formats.inputs.files import InputFile
from mrframe.store.file_index import NOWHERE, Piece, Seen, SeenFiles, State, now_s
from mrframe.store.private import home_folder
from mrframe.store.result_store import Results
from mrframe.task.code.package import Saving

BYTES_MIN = 64 * MIB
"""Inputs smaller than this are read again sooner than they are looked up, with cache="auto"."""


def cache_folder(options: RunOptions) -> str:
    """Where results are saved. NotPrivate when the user has no home."""
    return os.path.abspath(options.cache_dir or os.path.join(home_folder("XDG_CACHE_HOME", ".cache"), "mrframe"))


def folders(options: RunOptions) -> tuple[Results, SeenFiles]:
    """The saved results, and the records of files, that these options name."""
    folder = cache_folder(options)
    return Results(os.path.join(folder, "results")), SeenFiles(os.path.join(folder, "seen"))


def open_cache(options: RunOptions, files: Sequence[InputFile], total_bytes: int) -> Cache | None:
    """What there is to know about these inputs; None when nothing is to be saved."""
    if options.cache == "off" or (options.cache == "auto" and total_bytes < BYTES_MIN):
        return None
    return Cache(options, files)


@dataclass(frozen=True, slots=True)
class _Input:
    """An input file as it was when the run began; `seen` is what was recorded of its path earlier."""

    file: InputFile
    state: State | None
    seen: Seen | None

    @property
    def same(self) -> bool:
        return self.seen is not None and self.state is not None and self.seen.state == self.state


class Cache:
    """The saved results that a run may use and add to.

    `reason` says why there are none ("": there are), `fault` what is wrong with their folder ("": nothing).
    """

    def __init__(self, options: RunOptions, files: Sequence[InputFile]) -> None:
        self._options = options
        self._began_s = now_s()
        self._split_bytes = 0
        self.reason = self.fault = ""
        try:
            self._results, self._files = folders(options)
        except (NotPrivate, OSError) as error:
            self._results, self._files = Results(os.devnull), SeenFiles(os.devnull)
            self._failed(str(error))
        self._inputs = [
            _Input(file, None, None)
            if not file.state
            else _Input(file, State(*file.state), self._files.look_up(file.path))
            for file in files
        ]

    def split_bytes(self) -> int | None:
        """The length of splits with which most of these inputs were read before; None when they were not."""
        votes: Counter[int] = Counter()
        for one in self._inputs:
            if one.seen is not None:
                votes[one.seen.split_bytes] += one.file.bytes
        return max(votes, key=lambda length: (votes[length], length)) if votes else None

    def apply(self, plan: Plan, *, waits: bool = False) -> Plan:
        """The plan with what is known of its inputs; as it was, with a `reason`, when its results cannot be saved.

        With `waits`, compressed files are decoded even where the results of all their blocks are saved, and what
        has changed is read by the tasks alone.
        """
        from mrframe.task.cache.fingerprint import fingerprint
        from mrframe.task.cache.purity import Unsaved
        from mrframe.task.cache.time_spans import shares
        from mrframe.task.isolation import surroundings

        self._split_bytes = plan.options.split_bytes or 0
        if self.fault:
            return replace(plan, cache=self)
        try:
            windowed = shares(plan.job, plan.settings)
            settings = replace(plan.settings, window=None) if windowed else plan.settings
            job = fingerprint(plan.job, settings, plan.file, plan.job_options)
            self._results.use()
        except Unsaved as error:
            self.reason = str(error)
            return replace(plan, cache=self)
        except (NotPrivate, OSError) as error:
            self._failed(str(error))
            return replace(plan, cache=self)
        except MrframeError:
            raise
        except Exception as error:  # a fault of ours in judging a job costs no more than what is saved
            self._failed(f"the job cannot be judged: {type(error).__name__}: {error}")
            return replace(plan, cache=self)
        share = _share(plan.options.verify)
        name = plan.job.name or "job"
        watched = plan.job.pure is None
        known = self._results.knows(job)
        saving = Saving(self._results.path, job, name, known, share, windowed, watched, surroundings.digest())
        plan = replace(plan, settings=replace(plan.settings, saving=saving), cache=self)
        splits = [known for split in plan.splits for known in self._known(plan, split, waits=waits)]
        if saving.known and not (waits or share or plan.settings.keep_rejects):
            splits = self._looked(plan, splits)
        return replace(plan, splits=tuple(splits), estimated_bytes=self._work_bytes(plan, splits))

    def _known(self, plan: Plan, split: Split, *, waits: bool) -> Iterable[Split]:
        """The split with its content; a compressed file as its blocks, when the results of all of them are saved."""
        seen = self._inputs[split.order[0]]
        if not seen.same or seen.seen is None or seen.seen.split_bytes != self._split_bytes:
            return (split,)
        if split.kind == "file":
            contents = {(at, length): content for at, length, content in seen.seen.pieces}
            return (replace(split, content=contents.get((split.offset, split.length), "")),)
        if waits or plan.settings.keep_rejects:  # whose malformed lines themselves are wanted, and are not saved
            return (split,)
        blocks = [
            replace(split, kind="saved", length=length, order=(split.order[0], at), content=content)
            for at, length, content in seen.seen.pieces
        ]
        return blocks if all(self._needs_no_reading(plan, block) for block in blocks) else (split,)

    def _looked(self, plan: Plan, splits: list[Split]) -> list[Split]:
        """The splits with the content of inputs that changed, where the results of it are saved."""
        if all(split.content or split.kind == "stored" for split in splits):
            return splits
        from mrframe.engines.cache.content_scan import look

        def is_saved(split: Split) -> bool:
            return self._needs_no_reading(plan, split)

        return look(splits, is_saved, block_bytes=self._split_bytes, threads=cores())

    def _needs_no_reading(self, plan: Plan, split: Split) -> bool:
        """Whether the result of mapping this split is saved, or known to be nothing."""
        settings = plan.settings
        assert settings.saving is not None
        if settings.saving.windowed:
            from mrframe.formats.readers.time_window import INSIDE

            if self._is_outside(plan, split):
                return not settings.keep_rejects
            if self._place(plan, split) != INSIDE:
                return False
        return self._saved_bytes(plan, split, judge=True) is not None

    def _place(self, plan: Plan, split: Split) -> int:
        """Where a split of known content lies with regard to the window of time that is asked for."""
        from mrframe.task.cache.map_results import spans_of

        return spans_of(split, plan.settings, self._results).place(split, split.content)

    def _is_outside(self, plan: Plan, split: Split) -> bool:
        """Whether a window of time leaves out the whole split, so that it need not be read."""
        from mrframe.formats.readers.time_window import OUTSIDE

        return self._place(plan, split) == OUTSIDE and plan.job.map_batch is None

    def _saved_bytes(self, plan: Plan, split: Split, *, judge: bool = False) -> int | None:
        """Bytes of the saved result of mapping a split; None when there is none (`judge`: or it is damaged)."""
        from mrframe.task.cache.map_results import identity

        saving = plan.settings.saving
        assert saving is not None
        key = identity(plan.job.sources()[split.input_name], split, plan.steps[0].partitions, split.content)
        if judge and self._results.load(saving.job, key, None) is None:
            return None
        return self._results.size_bytes(saving.job, key)

    def _work_bytes(self, plan: Plan, splits: Sequence[Split]) -> int:
        """What executors could share: splits without a result, but for the longest, and the results of the others.

        The longest takes one of them as long as it takes this process, so a cluster saves no more than the rest.
        """
        if plan.settings.saving is None or not plan.settings.saving.known:
            return plan.estimated_bytes
        work = longest = 0
        windowed = plan.settings.saving.windowed
        for split in splits:
            if windowed and split.content and self._is_outside(plan, split):
                continue
            size = self._saved_bytes(plan, split) if split.content else None
            work += size if size is not None else split.length * (8 if split.kind == "gzip" else 1)
            if size is None and split.kind == "file":  # the blocks of a compressed one are shared
                longest = max(longest, split.length)
        return max(1, work - longest)  # 1: `inline_bytes_max=0` is never inline

    def answer(self, plan: Plan) -> Engine | None:
        """What gives the whole answer without any work; None when that is not saved."""
        from mrframe.engines.cache.answers import load_answer

        return load_answer(plan, self._results)

    def remember(self, plan: Plan, outcome: Outcome, *, answered: bool) -> None:
        """Record the files as they were read, and let go what is too much. To be called once, when all is done.

        `answered` says that the whole answer was saved before. What goes wrong is a `fault`: the answer is there.
        """
        try:
            self._remember(plan, outcome, answered=answered)
        except (MrframeError, OSError, ValueError) as error:
            self._failed(str(error))
        finally:
            self.close()

    def _failed(self, said: str) -> None:
        """Note what is wrong with the folder, once."""
        self.fault = self.fault or f"the results of this run are not saved: {said}"
        self.reason = self.reason or self.fault

    def _remember(self, plan: Plan, outcome: Outcome, *, answered: bool) -> None:
        from mrframe.engines.cache.answers import save_answer
        from mrframe.task.cache.purity import REMEDY

        for one in outcome.done:
            if one.report.save_fault:
                self._failed(one.report.save_fault)
            self.reason = self.reason or (f"{one.report.effect}{REMEDY}" if one.report.effect else "")
        if self.fault or plan.settings.saving is None:
            return
        if not answered and not self.reason and (said := save_answer(plan, outcome, self._results)):
            self._failed(said)
        done = outcome.done
        by_input: dict[int, list[Done]] = {}
        added = False
        for one in done:
            if one.step == 0 and one.split is not None and one.split.kind != "gzip":
                by_input.setdefault(one.split.order[0], []).append(one)
                added = added or not one.report.saved
        for index, some in by_input.items():
            self._record(self._inputs[index], some)
        if added:
            self._files.trim()
            self._results.evict(self._options.cache_bytes_max)

    def _record(self, one: _Input, done: list[Done]) -> None:
        if one.same and one.seen is not None and one.seen.split_bytes == self._split_bytes:
            return
        pieces = sorted((d.split.order[1], d.split.length, d.report.content) for d in done if d.split)
        state = one.state if self._is_sure(one, pieces) else None
        seen = (
            Seen(NOWHERE, self._split_bytes, ()) if state is None else Seen(state, self._split_bytes, tuple(pieces))
        )
        if said := self._files.record(one.file.path, seen):
            self._failed(said)

    def _is_sure(self, one: _Input, pieces: Sequence[Piece]) -> bool:
        """Whether the file has these pieces, and is what it was before it was read, so that it can be known again."""
        ends = [0, *(at + length for at, length, _ in pieces)]
        whole = all(content for _, _, content in pieces) and ends[:-1] == [at for at, _, _ in pieces]
        if not whole or one.state is None or not one.state.settled(self._began_s):
            return False
        if not one.file.compression and ends[-1] != one.state.size_bytes:
            return False
        return State.of(one.file.path) == one.state

    def close(self) -> None:
        """Let others evict."""
        self._results.close()


def _share(text: str) -> float:
    """2% as 0.02; UsageError for what is no share."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--verify {text}: give a share of the saved results, such as 2%")
    return share
