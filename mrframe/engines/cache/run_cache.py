"""The cache of one run: find the results that are saved before it starts, and record its inputs when it is done.

The executors load and save map results (`task/cache/map_results.py`), wherever they are. Here is the client's side:
`consult` gives a plan the content of inputs that need no reading, `whole_result` gives the whole result where it is
cached, and `remember` records the inputs as they were read. A run does not need any of it: after a fault of the
folder nothing is cached, and there is a warning. Not here: the records of inputs (`input_records.py`), which splits
have results (`saved_maps.py`), hashing changed inputs (`content_scan.py`), whole results (`whole_results.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mrframe.core.model.spec import MIB, Split
from mrframe.core.settings.options import RunOptions
from mrframe.core.settings.setting_kinds import parse_share
from mrframe.engines.protocol import CommittedAttempt, Engine, Outcome, Plan, cores
from mrframe.errors import MrframeError, NotPrivate
from mrframe.formats.inputs.files import InputFile
from mrframe.store.file_index import FileIndex
from mrframe.store.private import user_folder
from mrframe.store.result_store import ResultStore
from mrframe.task.code.settings import Saving

if TYPE_CHECKING:
    from mrframe.engines.cache.saved_maps import SavedMaps

BYTES_MIN = 64 * MIB
"""With cache="auto", smaller inputs are not looked up: reading them again is faster."""


def cache_folder(options: RunOptions) -> str:
    """Where results are saved. NotPrivate when the user has no home."""
    return os.path.abspath(options.cache_dir or os.path.join(user_folder("XDG_CACHE_HOME", ".cache"), "mrframe"))


def folders(options: RunOptions) -> tuple[ResultStore, FileIndex]:
    """The saved results, and the records of files, that these options name."""
    folder = cache_folder(options)
    return ResultStore(os.path.join(folder, "results")), FileIndex(os.path.join(folder, "seen"))


def open_cache(options: RunOptions, files: Sequence[InputFile], total_bytes: int) -> NoCache:
    """The cache for a run over these inputs, a `NoCache` when nothing is to be saved."""
    if options.cache == "off" or (options.cache == "auto" and total_bytes < BYTES_MIN):
        return NoCache()
    return RunCache(options, files)


class NoCache:
    """A cache that knows nothing and remembers nothing, and the interface of `RunCache`.

    reason  why results of this run are not saved, "" when they are, or are not wanted
    fault   of the folder of saved results, "" for none
    """

    def __init__(self) -> None:
        self.reason = self.fault = ""

    def cut_as_before(self, options: RunOptions) -> RunOptions:
        """The options with the length of splits at which the inputs were read before, unless they name one."""
        return options

    def consult(self, plan: Plan, *, later: bool = False) -> Plan:  # noqa: ARG002  (see RunCache)
        """The plan with everything that is known of its inputs.

        With `later` it may be carried out long after, so all inputs stay in it, even those with saved results.
        """
        return plan

    def whole_result(self, plan: Plan) -> Engine | None:  # noqa: ARG002  (see RunCache)
        """An engine that gives the whole cached result without any work, None when it is not cached."""
        return None

    def remember(self, plan: Plan, outcome: Outcome, *, from_cache: bool) -> None:
        """Record the inputs, save the result, and evict old results. Call it once, at the end; it closes the cache.

        `from_cache` says that the whole result came from `whole_result`. Faults are only noted: the result is there.
        """

    def close(self) -> None:
        """Allow other runs to evict."""


class RunCache(NoCache):
    """The saved results that a run may use and add to."""

    def __init__(self, options: RunOptions, files: Sequence[InputFile]) -> None:
        from mrframe.engines.cache.input_records import InputRecords

        super().__init__()
        self._options = options
        try:
            self._results, records = folders(options)
        except (NotPrivate, OSError) as error:
            self._results, records = ResultStore(os.devnull), FileIndex(os.devnull)
            self._failed(str(error))
        self._records = InputRecords(files, records)

    def cut_as_before(self, options: RunOptions) -> RunOptions:
        """See `NoCache`."""
        if options.split_bytes is not None:
            return options
        return replace(options, split_bytes=self._records.split_bytes() or None)

    def consult(self, plan: Plan, *, later: bool = False) -> Plan:
        """See `NoCache`. The plan stays as it was, with a `reason`, when its results cannot be saved."""
        saving = self._saving(plan)
        if saving is None:
            return plan
        from mrframe.engines.cache.saved_maps import SavedMaps

        plan = replace(plan, settings=replace(plan.settings, saving=saving))
        maps = SavedMaps(plan, saving, self._results)
        splits = [self._with_content(split, plan.options) for split in plan.splits]
        if not (later or plan.settings.keep_rejects):  # malformed lines are not saved: reading them takes all inputs
            splits = self._without_known(splits, maps, plan.options)
            if saving.known and not saving.verify:
                splits = self._scanned(splits, maps, plan.options)
        work_bytes = maps.work_bytes(splits) if saving.known else plan.estimated_bytes
        return replace(plan, splits=tuple(splits), estimated_bytes=work_bytes)

    def _saving(self, plan: Plan) -> Saving | None:
        """Where the results of this plan are saved. None, with a `reason`, when they cannot be."""
        if self.fault:
            return None
        from mrframe.task.cache.fingerprint import fingerprint
        from mrframe.task.cache.purity import Unsaved
        from mrframe.task.cache.time_spans import shares
        from mrframe.task.isolation import surroundings

        try:
            windowed = shares(plan.job, plan.settings, plan.readers)
            settings = replace(plan.settings, window=None) if windowed else plan.settings
            job = fingerprint(plan.job, settings, plan.file, plan.job_options)
            self._results.use()
        except Unsaved as error:
            self.reason = str(error)
            return None
        except (NotPrivate, OSError) as error:
            self._failed(str(error))
            return None
        except MrframeError:
            raise
        except Exception as error:  # a bug of mrframe here costs no more than the cached results
            self._failed(f"the job cannot be analysed: {type(error).__name__}: {error}")
            return None
        return Saving(
            self._results.path,
            job,
            plan.job.name or "job",
            self._results.knows(job),
            parse_share(plan.options.verify) or 0.0,
            windowed,
            watched=plan.job.pure is None,
            surroundings=surroundings.digest(),
        )

    def _with_content(self, split: Split, options: RunOptions) -> Split:
        """A split of a plain file with its recorded content, where the file has not changed."""
        pieces = self._records.pieces(split.order[0], options.split_bytes or 0) if split.is_file else None
        if pieces is None:
            return split
        contents = {(at, length): content for at, length, content in pieces}
        return replace(split, content=contents.get((split.offset, split.length), ""))

    def _without_known(self, splits: Sequence[Split], maps: SavedMaps, options: RunOptions) -> list[Split]:
        """The splits, an unchanged compressed file as its blocks, when the results of all of them are saved."""
        found: list[Split] = []
        for split in splits:
            pieces = self._records.pieces(split.order[0], options.split_bytes or 0) if split.is_compressed else None
            blocks = [
                replace(split, kind="saved", length=length, order=(split.order[0], at), content=content)
                for at, length, content in pieces or ()
            ]
            known = pieces is not None and all(map(maps.has_whole, blocks))
            found += blocks if known else [split]
        return found

    def _scanned(self, splits: list[Split], maps: SavedMaps, options: RunOptions) -> list[Split]:
        """The splits with the content of changed inputs, where the results for it are saved."""
        if all(split.content or split.is_stored for split in splits):
            return splits
        from mrframe.engines.cache.content_scan import scan

        return scan(splits, maps.has_whole, block_bytes=options.split_bytes or 0, threads=cores())

    def whole_result(self, plan: Plan) -> Engine | None:
        """See `NoCache`."""
        from mrframe.engines.cache.whole_results import load_whole_result

        return load_whole_result(plan, self._results)

    def remember(self, plan: Plan, outcome: Outcome, *, from_cache: bool) -> None:
        """See `NoCache`."""
        try:
            self._remember(plan, outcome, from_cache=from_cache)
        except (MrframeError, OSError, ValueError) as error:
            self._failed(str(error))
        finally:
            self.close()

    def _failed(self, fault: str) -> None:
        """Note a fault of the folder, the first one only."""
        self.fault = self.fault or f"the results of this run are not cached: {fault}"
        self.reason = self.reason or self.fault

    def _remember(self, plan: Plan, outcome: Outcome, *, from_cache: bool) -> None:
        from mrframe.engines.cache.whole_results import save_whole_result
        from mrframe.task.cache.purity import REMEDY

        for one in outcome.done:
            if one.report.save_fault:
                self._failed(one.report.save_fault)
            self.reason = self.reason or (f"{one.report.effect}{REMEDY}" if one.report.effect else "")
        if self.fault or plan.settings.saving is None:
            return
        if not from_cache and not self.reason and (fault := save_whole_result(plan, outcome, self._results)):
            self._failed(fault)
        by_input: dict[int, list[CommittedAttempt]] = {}
        added = False
        for one in outcome.done:
            if one.step == 0 and one.split is not None and not one.split.is_compressed:
                by_input.setdefault(one.split.order[0], []).append(one)
                added = added or not one.report.saved
        for index, maps in by_input.items():
            if fault := self._records.record(index, maps, plan.options.split_bytes or 0):
                self._failed(fault)
        if added:
            self._records.trim()
            self._results.evict(self._options.cache_bytes_max)

    def close(self) -> None:
        """See `NoCache`."""
        self._results.close()
