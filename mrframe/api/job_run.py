"""Run a job here and now, in this process or on a private cluster, and wait for its result.

The standing cluster, to which jobs are submitted, is in `standing/`.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgpack

from mrframe.api.found_job import JobLike, resolve
from mrframe.api.result import Result, held
from mrframe.api.tracebacks import trimmed
from mrframe.core.job.job import Job
from mrframe.core.job.result_columns import result_columns
from mrframe.core.model.spec import Split
from mrframe.core.settings.options import RunOptions
from mrframe.engines.cache.run_cache import NoCache, open_cache
from mrframe.engines.history.kept_runs import keep_failure, keep_run
from mrframe.engines.history.summary import Summary, first_lines, input_maps, summarise
from mrframe.engines.named_engines import check_engine, engine_for
from mrframe.engines.plan.job_inputs import GivenInputs, find_inputs
from mrframe.engines.plan.planning import make_plan
from mrframe.engines.protocol import Engine, OnProgress, Outcome, Plan
from mrframe.errors import CorruptData, OutputError, TooManyFailed, TooManyMalformed, UserCodeError
from mrframe.store.output import check_inputs_stay, whole_file
from mrframe.store.scratch import Scratch, sweep_stale
from mrframe.task.isolation import stdout

if TYPE_CHECKING:
    from mrframe.formats.output.value_text import Text

ROWS_AT_ONCE = 1000


def expect_job_code() -> None:
    """Prepare a command's process for the code of a job, before any of it runs here.

    Standard output is reserved for data. What is imported by now (this module imports what a run needs) stays to the
    end, so garbage collections leave it out. The one at exit would otherwise walk over all of it.
    """
    if stdout.claim():
        gc.freeze()


@trimmed
def run(
    job: JobLike,
    inputs: GivenInputs,
    options: RunOptions = RunOptions(),  # noqa: B008  (frozen)
    *,
    job_options: Mapping[str, Any] | None = None,
    on_progress: OnProgress | None = None,
    rejects: str | None = None,
    quarantine: str | None = None,
    text: Text = "escape",
    targets: Sequence[str] = (),
    keep: Mapping[str, Any] | bool = True,
) -> Result:
    """Run a job over inputs and wait for its result.

        >>> dict(mrframe.run("status_codes", ["sample_logs/access.log"]))[404]
        7

    job          a Job, a function that makes one of `job_options`, or the text of JOB on the command line
    inputs       paths, globs, directories, `-`. Of a join {source: such a list}, or texts NAME=PATH
    on_progress  called with a `Progress`, at most ten times a second
    rejects      a file for all malformed lines, as JSON lines {source, line, offset, reason, text}
    quarantine   the same for all records that were left out because the job's code failed on them (max_failed)
    text         how those two files hold bytes that are not UTF-8: see `Result.write`
    targets      files and folders that will be written with the result: an error when one of the inputs is among them
    keep         whether a failure is kept for a week, for `mrframe replay` (its id is in the error's `kept`). With a
                 mapping, such as the question of `mrframe count`, the run is kept too (`summary.kept`)

    Raises errors of `mrframe.errors`: UsageError and its kin before anything runs, then UserCodeError and others.
    """
    check_engine(options.engine)
    started_s, warnings = time.monotonic(), list[str]()
    file, made_job = resolve(job, job_options or {})
    with ExitStack() as stack:
        scratch = _scratch(options, stack, warnings)
        keeps: Any = {"keep_rejects": rejects is not None, "keep_quarantine": quarantine is not None}
        found = find_inputs(made_job, inputs)
        stack.enter_context(_left_out_kept(rejects, quarantine, text, found.paths, targets))
        cache = open_cache(options, found.files, found.estimated_bytes)
        stack.callback(cache.close)
        cut = cache.cut_as_before(options)
        plan = make_plan(made_job, found, cut, scratch=scratch, file=file, job_options=job_options, **keeps)
        plan = cache.consult(plan)
        chosen = cache.whole_result(plan) or engine_for(plan)
        try:
            outcome = _carried_out(chosen, plan, on_progress, keep=keep is not False)
        except CorruptData as error:
            if not _counts_on_saved(plan):
                raise
            more: Any = {"rejects": rejects, "quarantine": quarantine, "text": text, "keep": keep}
            more |= {"job_options": job_options, "on_progress": on_progress}
            result = run(job, inputs, replace(options, cache="off"), **more)
            return _with_warning(result, f"cached results were gone, so all of the input was read: {error}")
        stack.callback(outcome.close)
        summary = _summarised(plan, outcome, chosen, cache, warnings)
        _write_left_out(outcome, rejects, quarantine, text)
        summary.seconds["total"] = round(time.monotonic() - started_s, 4)
        if isinstance(keep, Mapping):
            keep_run(plan, outcome, summary, keep)
        return _held(plan.job, outcome, summary, stack)


def _held(job: Job, outcome: Outcome, summary: Summary, stack: ExitStack) -> Result:
    ranked = job.steps()[-1].top is not None
    return held(outcome.parts, summary, stack, ranked=ranked, columns=result_columns(job))


def _with_warning(result: Result, text: str) -> Result:
    result.summary.warnings.append(text)
    return result


def _write_left_out(outcome: Outcome, rejects: str | None, quarantine: str | None, text: Text) -> None:
    """Write the files that were asked for: malformed lines, and records on which the job's code failed."""
    for path, kept in ((rejects, outcome.rejects), (quarantine, outcome.quarantine)):
        if path is not None:
            write_rejects(path, outcome, kept, text)


@contextmanager
def _left_out_kept(
    rejects: str | None, quarantine: str | None, text: Text, inputs: Sequence[str], targets: Sequence[str]
) -> Iterator[None]:
    """Write the same files when a run ends because it left out too much: then they show why.

    Raises OutputError first if one of them, or another target, is an input.
    """
    check_inputs_stay([*targets, *filter(None, (rejects, quarantine))], inputs)
    try:
        yield
    except (TooManyMalformed, TooManyFailed) as error:
        if error.outcome is not None:
            with closing(error.outcome):
                _write_left_out(error.outcome, rejects, quarantine, text)
        elif isinstance(error, TooManyMalformed) and rejects is not None:
            rows = ((one.source, one.line, one.offset, one.reason, one.text) for one in error.lines)
            _write_rows(rejects, rows, text)
        raise


def _summarised(plan: Plan, outcome: Outcome, engine: Engine, cache: NoCache, warnings: list[str]) -> Summary:
    """Save the results of a run and return its summary, which shares the list of warnings."""
    summary = summarise(plan, outcome, engine.name)
    summary.warnings = warnings
    cache.remember(plan, outcome, from_cache=engine.name == "saved")
    summary.not_saved = cache.reason or summary.not_saved
    if cache.fault:
        warnings.append(cache.fault)
    return summary


def _scratch(options: RunOptions, stack: ExitStack, warnings: list[str]) -> Scratch:
    """A scratch directory that is removed with the stack, after those that others have left."""
    sweep_stale(options.scratch_dir)
    scratch = Scratch(options.scratch_dir, later=True)
    stack.callback(_remove, scratch, warnings)
    stack.push(lambda _kind, error, _tb: scratch.raise_fault(error))
    return scratch


def _remove(scratch: Scratch, warnings: list[str]) -> None:
    """Remove the scratch directory. A fault must not take the result with it."""
    try:
        scratch.close()
    except OutputError as error:
        warnings.append(str(error))


def _counts_on_saved(plan: Plan) -> bool:
    """Return whether saved map results stand for parts of the input, and all of it can be read again."""
    return plan.feed is None and any(split.is_saved for split in plan.splits)


def _carried_out(engine: Engine, plan: Plan, on_progress: OnProgress | None, *, keep: bool) -> Outcome:
    try:
        return engine.run(plan, on_progress)
    except UserCodeError as error:
        if keep:
            keep_failure(plan, error)
            if error.kept:
                error.add_note(f"  replay  mrframe replay {error.kept}")
        raise


def write_rejects(path: str, outcome: Outcome, files: Sequence[tuple[Split, str]], how: Text = "escape") -> None:
    """Malformed lines, or failed records, of a run to a file, in input order, whole or not at all. OutputError."""
    before = {split.order: lines for split, lines in first_lines(input_maps(outcome.done))}
    rows = (
        (split.source, before[split.order] + line + 1, offset, reason, data.decode("utf-8", "surrogateescape"))
        for split, kept in files
        for line, offset, data, reason in _kept_lines(kept)
    )
    _write_rows(path, rows, how)


def _write_rows(path: str, rows: Iterator[tuple[str, int, int, str, str]], how: Text) -> None:
    """Write (source, line, offset, reason, text) of lines."""
    from mrframe.formats.output.value_text import as_utf8

    with whole_file(path, overwrite=True) as target:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            lines = [
                json.dumps(
                    {
                        "source": as_utf8(source, how),
                        "line": line,
                        "offset": offset,
                        "reason": as_utf8(reason, how),
                        "text": as_utf8(data, how),
                    }
                )
                for source, line, offset, reason, data in some
            ]
            target.write("".join([f"{line}\n" for line in lines]).encode())


def _kept_lines(path: str) -> Iterator[tuple[int, int, bytes, str]]:
    with open(path, "rb") as file:
        yield from msgpack.Unpacker(file, max_buffer_size=1 << 30)
