"""Running a job from Python: `run` gives a `Result`. The command line is a thin layer over this.

A result's rows are read from the sealed output of the reduce tasks; small output is held in memory, so that
the scratch directory and the cluster are gone when `run` returns; large output keeps them until `close()`.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain, islice, starmap
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import msgpack

from mrframe.bootstrap import claim_process
from mrframe.core.job.job import Job
from mrframe.core.model.options import RunOptions
from mrframe.core.model.spec import Split
from mrframe.engines.cache.run_cache import NoCache, open_cache
from mrframe.engines.history.kept_runs import keep_failure, keep_run
from mrframe.engines.history.summary import MalformedSample, Summary, first_lines, input_maps, summarise
from mrframe.engines.named_engines import check_engine, engine_for
from mrframe.engines.plan.job_inputs import GivenInputs, find_inputs
from mrframe.engines.plan.planning import make_plan, with_name
from mrframe.engines.protocol import Engine, OnProgress, Outcome, Plan, Progress
from mrframe.errors import CorruptData, OutputError, ResultClosed, UserCodeError
from mrframe.shuffle.columns import decode, lines_of
from mrframe.shuffle.keys import order
from mrframe.shuffle.merge import merge
from mrframe.shuffle.run_file.run_writer import Block, RunReader
from mrframe.store.file_pool import FilePool
from mrframe.store.output import check_inputs_stay, whole_file
from mrframe.store.scratch import Scratch, sweep_stale
from mrframe.task.code.job_file import JobFile, find, made, ready_names
from mrframe.task.isolation import effects

if TYPE_CHECKING:
    from mrframe.formats.output.value_text import Text
    from mrframe.formats.output.writing import Stream

__all__ = [
    "MalformedSample",
    "Progress",
    "Result",
    "Summary",
    "claim_process",
    "job_parameters",
    "load_job",
    "ready_names",
    "run",
]

HELD_BYTES_MAX = 64 << 20  # output up to this size is held in memory


class Result:
    """The answer of a run: iterate it for (key, value) rows in key order (a `top` step: in rank order).

    A context manager; `close()` frees what large output still holds: a scratch directory, a cluster.
    """

    def __init__(self, parts: Sequence[str | bytes], summary: Summary, stack: ExitStack, *, ranked: bool) -> None:
        self._parts = parts
        self._closed = False
        self._ranked = ranked
        self._stack = stack
        self.summary = summary

    @property
    def counters(self) -> dict[str, int]:
        """The job's own counters (`mrframe.increment`)."""
        return self.summary.counters

    def rows(self) -> Iterator[tuple[Any, Any]]:
        """All rows, as often as asked for until `close()`; ResultClosed afterwards."""
        return chain.from_iterable(starmap(zip, self.blocks()))

    def blocks(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """The same as columns: some keys and their values at a time, for those who have many rows to go through."""
        self._check_open()
        return self._blocks()

    def _blocks(self) -> Iterator[tuple[list[Any], list[Any]]]:
        self._check_open()
        with ExitStack() as stack:
            files = _opened(self._parts, stack)
            for _, keys, values in _merged(files, ranked=self._ranked):
                yield keys, values
                self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise ResultClosed(
                "the result is closed, so its rows cannot be read any more; read them before close(), or before the "
                "end of its `with` block"
            )

    def write(self, stream: Stream, form: str, *, escape: bool = False, text: Text | None = None) -> None:
        """All rows to a binary stream as "table", "jsonl", "csv", "tsv" or "text"; `escape` for a terminal.

        `text` says what becomes of bytes of a log that are not UTF-8: with "escape" `\\xe9` in four characters, with
        "replace" U+FFFD, with "bytes" themselves, which other programs may refuse. By default it is "escape", and for
        the form "text" it is "bytes".

        Raises ValueRefused for what the form cannot hold, ResultClosed.
        """
        from mrframe.formats.output.writing import write_blocks

        self._check_open()
        if form != "text" or escape:
            write_blocks(self.blocks(), stream, form, escape=escape, text=text)
            return
        with ExitStack() as stack:
            files = _opened(self._parts, stack)
            readers = _readers(files)
            if not self._ranked and not _follow(readers):
                write_blocks(self.blocks(), stream, form, text=text)
                return
            for reader in readers:
                for _, keys, values in reader.encoded(0):
                    lines = lines_of(keys, values)
                    if lines is not None:
                        stream.write(lines)
                    else:
                        columns = decode(keys, unpickle=False), decode(values, unpickle=False)
                        write_blocks([columns], stream, form, text=text)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self.rows()

    def close(self) -> None:
        """Free everything; rows cannot be read afterwards, while those that were taken, and `summary`, stay."""
        self._parts = ()
        self._closed = True
        self._stack.close()

    def __repr__(self) -> str:
        return f"<Result of {self.summary.job!r}: {self.summary.rows:,} rows{', closed' if self._closed else ''}>"

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _opened(parts: Sequence[str | bytes], stack: ExitStack) -> list[BinaryIO]:
    files = stack.enter_context(FilePool())
    return [io.BytesIO(part) if isinstance(part, bytes) else files.open(part) for part in parts]


def _merged(files: Sequence[BinaryIO], *, ranked: bool) -> Iterator[Block]:
    readers = _readers(files)
    streams = [stream for reader in readers for stream in reader.streams(0)]
    if ranked or len(streams) == 1 or _follow(readers):
        return (block for stream in streams for block in stream)
    return merge(streams, make_file=TemporaryFile)


def _readers(files: Sequence[BinaryIO]) -> list[RunReader]:
    return [RunReader(file, f"part {number}", unpickle=False) for number, file in enumerate(files)]


def _follow(readers: Sequence[RunReader]) -> bool:
    """Whether each part is in order, and ends before the next begins: output in total order."""
    last: Any = None
    for reader in readers:
        if reader.runs > 1:
            return False
        ends = reader.some_blocks(0, 2)
        if ends:
            first = order(ends[0][1][0])
            if last is not None and first < last:
                return False
            last = order(ends[-1][1][-1])
    return True


def run(
    job: Job | Callable[..., Job] | str,
    inputs: GivenInputs,
    options: RunOptions = RunOptions(),  # noqa: B008  (frozen)
    *,
    job_options: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
    rejects: str | None = None,
    quarantine: str | None = None,
    text: Text = "escape",
    targets: Sequence[str] = (),
    keep: Mapping[str, Any] | None = None,
) -> Result:
    """Run a job over inputs and wait for its answer.

    job          a Job, a function that makes one of `job_options`, or what JOB is on the command line
    inputs       paths, globs, directories, `-`; of a join {source: such a list}, or texts NAME=PATH
    on_progress  called with a `Progress`, at most ten times a second
    rejects      a file for all malformed lines, as JSON lines {source, line, offset, reason, text}
    quarantine   the same for all records that were left out because the job's code failed on them (max_failed)
    text         what becomes of bytes that are not UTF-8 in those two files: see `Result.write`
    targets      files and folders that will be written with the answer: an error when one of the inputs is among them
    keep         when given, the run is kept for a week in the user's state directory, for `mrframe replay` and `why`;
                 its id is in `summary.kept`, or in the error's `kept`. It is what `mrframe count` was asked, or empty

    Raises errors of `mrframe.errors`: UsageError and its kin before anything runs, UserCodeError with the user's
    own traceback, TooManyMalformed, TimedOut, JobFailed, ClusterUnreachable.
    """
    check_engine(options.engine)
    started_s, warnings = time.monotonic(), list[str]()
    file, made_job = _resolve(job, job_options or {})
    with ExitStack() as stack:
        scratch = _scratch(options, stack, warnings)
        keeps: Any = {"keep_rejects": rejects is not None, "keep_quarantine": quarantine is not None}
        found = find_inputs(made_job, inputs)
        cache = open_cache(options, found.files, found.estimated_bytes)
        stack.callback(cache.close)
        cut = cache.cut_as_before(options)
        made = make_plan(made_job, found, cut, scratch=scratch, file=file, job_options=job_options, **keeps)
        plan = cache.consult(made)
        check_inputs_stay([*targets, *filter(None, (rejects, quarantine))], plan.paths)
        chosen = cache.answer(plan) or engine_for(plan)
        try:
            outcome = _carried_out(chosen, plan, on_progress, keep=keep is not None)
        except CorruptData as error:
            if not _counts_on_saved(plan):
                raise
            again = partial(run, job_options=job_options, on_progress=on_progress, rejects=rejects, keep=keep)
            result = again(job, inputs, replace(options, cache="off"), quarantine=quarantine, text=text)
            result.summary.warnings.append(f"saved results were gone, so all of the input was read: {error}")
            return result
        stack.callback(outcome.close)
        summary = _summarised(plan, outcome, chosen, cache, warnings)
        for path, kept in ((rejects, outcome.rejects), (quarantine, outcome.quarantine)):
            if path is not None:
                write_rejects(path, outcome, kept, text)
        summary.seconds["total"] = round(time.monotonic() - started_s, 4)
        if keep is not None:
            keep_run(plan, outcome, summary, keep)
        return _result(plan, outcome, summary, stack)


def _summarised(plan: Plan, outcome: Outcome, engine: Engine, cache: NoCache, warnings: list[str]) -> Summary:
    """The summary of a run, of which remembered is what can be; it has the list itself, to which more may come."""
    summary = summarise(plan, outcome, engine.name)
    summary.warnings = warnings
    cache.remember(plan, outcome, answered=engine.name == "saved")
    summary.not_saved = cache.reason or summary.not_saved
    if cache.fault:
        warnings.append(cache.fault)
    return summary


def _result(plan: Plan, outcome: Outcome, summary: Summary, stack: ExitStack) -> Result:
    """The rows, held in memory unless they are many; then the result has what is to be freed."""
    ranked = plan.job.steps()[-1].top is not None
    size = sum(os.path.getsize(part) for part in outcome.parts)
    if size > HELD_BYTES_MAX:
        return Result(outcome.parts, summary, stack.pop_all(), ranked=ranked)
    return Result([_read(part) for part in outcome.parts], summary, ExitStack(), ranked=ranked)


def _scratch(options: RunOptions, stack: ExitStack, warnings: list[str]) -> Scratch:
    """A scratch directory that is removed with the stack, after those that others have left."""
    sweep_stale(options.scratch_dir)
    scratch = Scratch(options.scratch_dir, later=True)
    stack.callback(_remove, scratch, warnings)
    return scratch


def _remove(scratch: Scratch, warnings: list[str]) -> None:
    """Remove the scratch directory; what goes wrong must not take the answer with it."""
    try:
        scratch.close()
    except OutputError as error:
        warnings.append(str(error))


def _counts_on_saved(plan: Plan) -> bool:
    """Whether parts of the input are not to be read, as what their maps made is saved, and all can be read again."""
    return plan.feed is None and any(split.kind == "saved" for split in plan.splits)


def _carried_out(engine: Engine, plan: Plan, on_progress: OnProgress | None, *, keep: bool) -> Outcome:
    try:
        return engine.run(plan, on_progress)
    except UserCodeError as error:
        if keep:
            keep_failure(plan, error)
        raise


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _resolve(job: Job | Callable[..., Job] | str, options: Mapping[str, Any]) -> tuple[JobFile | None, Job]:
    """The job, and the file to ship it from when it is named by one."""
    effects.forget()
    if isinstance(job, str):
        file = find(job)
        return file, with_name(file.make(options), os.path.basename(file.path).removesuffix(".py"))
    place = getattr(job, "__qualname__", "this call")
    target = made(job, options, place)
    return None, with_name(target, getattr(job, "__name__", ""))


def write_rejects(path: str, outcome: Outcome, files: Sequence[tuple[Split, str]], how: Text = "escape") -> None:
    """Malformed lines, or failed records, of a run to a file, in input order, whole or not at all; OutputError."""
    from mrframe.formats.output.value_text import as_utf8

    before = {split.order: lines for split, lines in first_lines(input_maps(outcome.done))}
    with whole_file(path, overwrite=True) as target:
        for split, kept in files:
            for rows in _batches(_kept_lines(kept), 1000):
                lines = [
                    json.dumps(
                        {
                            "source": as_utf8(split.source, how),
                            "line": before[split.order] + line + 1,
                            "offset": offset,
                            "reason": as_utf8(reason, how),
                            "text": as_utf8(data.decode("utf-8", "surrogateescape"), how),
                        }
                    )
                    for line, offset, data, reason in rows
                ]
                target.write("".join([f"{line}\n" for line in lines]).encode())


def _kept_lines(path: str) -> Iterator[tuple[int, int, bytes, str]]:
    with open(path, "rb") as file:
        yield from msgpack.Unpacker(file, max_buffer_size=1 << 30)


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while some := list(islice(items, size)):
        yield some


def load_job(job: Job | Callable[..., Job] | str, options: Mapping[str, Any]) -> Job:
    """The job that `run` would run; JobError or UserCodeError when it cannot be made."""
    return _resolve(job, options)[1]


def job_parameters(text: str) -> list[inspect.Parameter]:
    """The parameters of a job that is a function, which are its options; [] for a plain job."""
    target = find(text).target()
    return [] if isinstance(target, Job) else list(inspect.signature(target).parameters.values())
