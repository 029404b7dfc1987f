"""`python -m mrframe.testing.differential.differential --cases 5000`: compare random jobs with a few lines of plain
Python.

A case is a job file, its inputs and how they are cut, all from one seed (`random_cases.py`). mrframe runs it, and so
does `reference.py`. Rows with their types, figures, rejected lines, counters, exit codes and the output of a command
must be the same. If the job is wrong, there must be an error of the right kind that names the right record. If it is
right, there must be none. A case that fails is shown whole. `--seed N --cases 1` plays it again, alone.

Not here: generating a case (`random_*.py`), working out its answer (`reference*.py`).
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any, NoReturn
from unittest.mock import patch

import mrframe
from mrframe.core.settings.options import RunOptions
from mrframe.errors import ClusterUnreachable, MrframeError, UserCodeError
from mrframe.formats.inputs.splits import read_split
from mrframe.shuffle import buffers, top
from mrframe.shuffle.run_file import run_writer
from mrframe.task.map import kernel_pairs, map_input, map_output, map_split
from mrframe.task.reduce import kernel_reduce, merged_states, reduce_task, sorted_output
from mrframe.testing.differential.random_cases import RandomCase, case
from mrframe.testing.differential.random_inputs import packed
from mrframe.testing.differential.random_worlds import SIDE, OuterWorld, entered
from mrframe.testing.differential.reference import Expected, Pair, expect
from mrframe.testing.differential.reference_readers import Input
from mrframe.testing.differential.reference_values import identity
from mrframe.testing.warm_cluster import WarmCluster

FAILED_MAX = 10
SHOWN_CHARS = 3000
END_PROCESS = os._exit  # which a command may replace in its process
LEDGER = ("outside_time", "without_time")


class Differs(Exception):
    """A run differs from the reference. `silently`: without any error message."""

    def __init__(self, text: str, *, silently: bool) -> None:
        super().__init__(text)
        self.silently = silently


@dataclass
class CaseOutcome:
    """The result of a run: rows, or an error."""

    rows: list[Pair] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    rejects: list[tuple[str, int, int, str]] | None = None
    error: BaseException | None = None


# ---- one case ------------------------------------------------------------------------------------------


class Player:
    """Plays cases in a folder of its own, and counts answers, errors and rows."""

    def __init__(self, folder: str, cluster: WarmCluster | None = None) -> None:
        self._folder = folder
        self._cluster = cluster
        self.results = self.errors = self.rows = 0

    def play(self, one: RandomCase) -> None:
        """Run a case in each of its worlds. Raises Differs."""
        folder = tempfile.mkdtemp(prefix="case-", dir=self._folder)
        job, side = os.path.join(folder, "job.py"), os.path.join(folder, "side")
        text = one.job.replace(SIDE, side)
        _write(job, text.encode("utf-8", "surrogatepass"))
        for number, world in enumerate(one.worlds):
            inputs = self._inputs(one, folder, world)
            with entered(world, one.kind, side):
                expected = expect(text, [known for known, _ in inputs], one.options)
            with entered(world, one.kind, side), _tight(one):
                outcome = self._run(one, folder, job, [path for _, path in inputs])
            prefix = f"in world {number}: " if len(one.worlds) > 1 else ""
            _compare(expected, outcome, prefix)
            self.results += outcome.error is None
            self.errors += outcome.error is not None
            self.rows += len(outcome.rows)
        if one.command:
            with _tight(one):
                _compare_command(expected, outcome, *command(one, folder, job))

    def _inputs(self, one: RandomCase, folder: str, world: OuterWorld) -> list[tuple[Input, str]]:
        """Write the inputs. Returns each as the reference reads it, and as an argument of a run."""
        found = []
        for number, file in enumerate(one.files):
            path = os.path.join(folder, file.name)
            content = file.content + (world.more if number == 0 else b"")
            _write(path, packed(content) if file.is_packed else content)
            found.append((Input(file.source, path, content), f"{file.source}={path}" if file.source else path))
        return found

    def _run(self, one: RandomCase, folder: str, job: str, paths: list[str]) -> CaseOutcome:
        rejects = os.path.join(folder, "rejects") if one.rejects else None
        engine = "local" if one.local else "inline"
        folders = {"scratch_dir": folder, "cache_dir": os.path.join(folder, "cache")}
        settings: dict[str, Any] = {"cache": "off", **one.options, **folders, "engine": engine}
        with ExitStack() as stack:
            if one.local and self._cluster is not None:
                stack.enter_context(self._cluster.used())
            try:
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # jobs may print
                    options = RunOptions(**settings)
                    started = mrframe.run(job, paths, options, rejects=rejects, keep=False)
                    result = stack.enter_context(started)
                outcome = CaseOutcome(list(result), result.summary.to_plain())
            except (Exception, SystemExit, GeneratorExit) as error:  # a job's code may raise anything
                if isinstance(error, ClusterUnreachable) and self._cluster is not None:
                    self._cluster.end()
                return CaseOutcome(error=error)
        outcome.rejects = _rejected(rejects) if rejects else None
        return outcome


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _rejected(path: str) -> list[tuple[str, int, int, str]]:
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    texts = [escaped(row["text"].encode("utf-8", "surrogateescape")) for row in rows]
    return [(row["source"], row["line"], row["offset"], text) for row, text in zip(rows, texts, strict=True)]


def escaped(line: bytes) -> str:
    """Return a line as text, with bytes that are not UTF-8 spelled out."""
    return line.decode("utf-8", "backslashreplace")


@contextmanager
def _tight(one: RandomCase) -> Iterator[None]:
    """Make a run of few records take the paths that otherwise only large ones take."""
    with ExitStack() as stack:
        if one.tight:
            short = partial(_short_blocks, read_split)
            stack.enter_context(patch.object(map_input, "read_split", short))
            for module, name, value in TIGHT:
                stack.enter_context(patch.object(module, name, value))
        yield


TIGHT = (
    (buffers, "_PENDING_BYTES_MAX", 100),
    (buffers, "STATE_ITEMS_MAX", 2),
    (run_writer, "BLOCK_RECORDS_MAX", 3),
    (run_writer, "_FIRST_GUESS", 2),
    (reduce_task, "ROWS_AT_ONCE", 2),
    (sorted_output, "ROWS_AT_ONCE", 2),
    (merged_states, "STATES_AT_ONCE", 2),
    (top, "BUFFER_ROWS", 1),
    (map_split, "PAIRS_AT_ONCE", 2),
    (map_output, "SPILL_CHECK_BYTES", 1),
    (map_output, "SPILL_CHECK_PAIRS", 1),
    (map_output, "SPILL_CHECK_PAIRS_FOLDED", 1),
    (map_output, "TABLE_ROWS_MIN", 1),
    (kernel_pairs, "FEW_PAIRS", 1),
    (kernel_reduce, "OTHERS_MAX", 2),
)
"""Limits that choose between code paths: a module, the name there, and a value that a run of few records reaches."""


def _short_blocks(read: Any, *rest: Any, block_bytes: int, **more: Any) -> Any:
    return read(*rest, block_bytes=min(block_bytes, 50), **more)


# ---- comparing -----------------------------------------------------------------------------------------


def _compare(expected: Expected, outcome: CaseOutcome, prefix: str) -> None:
    """Raise Differs if a run does not match the reference."""
    if outcome.error is not None:
        _compare_error(expected, outcome.error, prefix)
        return
    if expected.rows is None:
        raise Differs(
            f"{prefix}an answer, where an error must be: {sorted(expected.slugs)}\n{_listed(outcome.rows)}",
            silently=True,
        )
    if not _same_rows(expected, outcome.rows):
        raise Differs(f"{prefix}must be\n{_listed(expected.rows)}\nand is\n{_listed(outcome.rows)}", silently=True)
    figures = {**outcome.figures, **{name: outcome.figures["ledger"].get(name, 0) for name in LEDGER}}
    for name, must in expected.figures.items():
        if figures[name] != must:
            raise Differs(f"{prefix}{name} must be {must!r} and is {figures[name]!r}", silently=True)
    rejects = [(*location, escaped(line)) for *location, line in expected.rejects]
    if outcome.rejects is not None and outcome.rejects != rejects:
        raise Differs(f"{prefix}rejects must be\n{rejects}\nand are\n{outcome.rejects}", silently=True)


def _compare_error(expected: Expected, error: BaseException, prefix: str) -> None:
    shown = f"{type(error).__name__}: {_text(error)}"
    if not isinstance(error, MrframeError):
        raise Differs(f"{prefix}not an error of mrframe: {shown}", silently=False)
    if error.slug not in expected.slugs:
        must = "an answer" if expected.rows is not None and not expected.slugs else f"one of {sorted(expected.slugs)}"
        raise Differs(f"{prefix}{error.slug} ({shown}), and must be {must}", silently=False)
    if isinstance(error, UserCodeError) and error.source is not None and not expected.folds:
        location = (error.source, error.line)
        if location not in {(source, line) for source, line, _ in expected.failing_records}:
            raise Differs(
                f"{prefix}{shown} is said of {location}; only {expected.failing_records} fail", silently=False
            )


def _same_rows(expected: Expected, rows: Sequence[Pair]) -> bool:
    must = list(map(shown, expected.rows or ()))
    found = list(map(shown, rows))
    if must == found or not expected.any_order:
        return must == found
    same = sorted(must) == sorted(found)
    return same and [identity(key) for key, _ in rows] == [identity(key) for key, _ in expected.rows or ()]


def shown(value: Any) -> str:
    """A text that is equal for values that are the same in type and kind, all the way down."""
    if type(value) in (set, frozenset):
        return f"{type(value).__name__}({sorted(map(shown, value))})"
    if type(value) is dict:
        return f"{{{', '.join(f'{shown(k)}: {shown(v)}' for k, v in value.items())}}}"
    if type(value) in (list, tuple):
        return f"{type(value).__name__}({', '.join(map(shown, value))})"
    if type(value) is datetime and value.tzinfo is not None:
        value = value.replace(fold=0)  # it means nothing with a fixed offset
    return repr(value)


def _listed(rows: Sequence[Pair]) -> str:
    return "".join(f"  {row!r}\n" for row in rows)[:SHOWN_CHARS]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:SHOWN_CHARS]
    except Exception as worse:  # the job's own exception: its code makes the text
        return f"(no text: {type(worse).__name__})"


# ---- the command ---------------------------------------------------------------------------------------


def words(one: RandomCase, folder: str, job: str) -> list[str]:
    """Return the case as words of the command line."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in one.options.items() if name != "cache"]
    flags += ["--engine=local" if one.local else "--engine=inline", f"--cache={one.options.get('cache', 'off')}"]
    paths = [f"{f.source}={folder}/{f.name}" if f.source else f"{folder}/{f.name}" for f in one.files]
    return ["run", job, *paths, *flags, "--format=jsonl"]


def command(one: RandomCase, folder: str, job: str) -> tuple[int, bytes, bytes]:
    """(exit code, standard output, standard error) of a case as a command, in a process of its own."""
    main_module = importlib.import_module("mrframe.cli.main")  # imported here once, not in each child
    arguments = [*words(one, folder, job), f"--scratch-dir={folder}"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # about forking with threads: this process has one
            pid = os.fork()
        if pid == 0:
            _become(main_module.run_as_command, arguments, folder, (out.fileno(), err.fileno()))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _become(run: Callable[[], object], arguments: Sequence[str], folder: str, streams: tuple[int, int]) -> NoReturn:
    """Be the command `mrframe`, and end."""
    code = 1
    try:
        os.dup2(streams[0], 1)
        os.dup2(streams[1], 2)
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.environ["XDG_STATE_HOME"] = folder
        sys.argv = ["mrframe", *arguments]
        run()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # it would be lost with this process
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:  # whatever happens, this process ends here
            END_PROCESS(code)


def _compare_command(expected: Expected, outcome: CaseOutcome, code: int, out: bytes, err: bytes) -> None:
    """Raise Differs if a command printed or exited otherwise than the run from Python."""
    must = outcome.error.exit_code if isinstance(outcome.error, MrframeError) else 0
    if code != must:
        raise Differs(
            f"the command ends with {code} and must with {must}: {err.decode(errors='replace')}", silently=not code
        )
    lines = out.split(b"\n")[:-1]
    rows = len(expected.rows or ()) if not code else 0
    if (
        (out and not out.endswith(b"\n"))
        or len(lines) != rows
        or not all(line.startswith(b'{"key": ') for line in lines)
    ):
        raise Differs(f"the command prints, for {rows} rows, {out[:SHOWN_CHARS]!r}", silently=True)
    if outcome.error is not None and not err.strip():
        raise Differs("the command fails and says nothing", silently=True)


# ---- many ----------------------------------------------------------------------------------------------


def described(one: RandomCase) -> str:
    """Describe a case to people: its job, its inputs, its command."""
    files = "".join(f"  {f.name}: {f.content!r}\n" for f in one.files)[:SHOWN_CHARS]
    worlds = f"worlds: {one.worlds} ({one.kind})\n" if len(one.worlds) > 1 else ""
    prefix = f"mrframe {' '.join(words(one, '.', 'job.py'))}{' (tight)' if one.tight else ''}"
    return f"---- job.py\n{one.job.strip()}\n---- inputs\n{files}{worlds}---- {prefix}\n"


@dataclass(frozen=True)
class Failed:
    """A case that failed."""

    seed: int
    why: str
    silently: bool


def play_many(seeds: Sequence[int], *, failed_max: int = FAILED_MAX) -> tuple[Player, list[Failed]]:
    """Play the cases of these seeds. Returns those that failed, and stops after `failed_max`."""
    failed: list[Failed] = []
    with tempfile.TemporaryDirectory(prefix="mrframe-differential-") as folder, WarmCluster(folder) as cluster:
        player = Player(folder, cluster)
        for seed in seeds:
            try:
                player.play(case(seed))
            except Differs as error:
                failed.append(Failed(seed, str(error), error.silently))
            if len(failed) >= failed_max:
                break
    return player, failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the cases that the arguments ask for. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m mrframe.testing.differential.differential")
    parser.add_argument("--cases", type=int, default=500, help="how many to play (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case (default: 0)")
    parser.add_argument(
        "--failures", type=int, default=FAILED_MAX, help="stop after this many failures (default: 10)"
    )
    chosen = parser.parse_args(arguments)
    begun = perf_counter()
    player, failed = play_many(range(chosen.seed, chosen.seed + chosen.cases), failed_max=chosen.failures)
    for one in failed:
        sys.stdout.write(f"==== seed {one.seed} {'differs silently' if one.silently else 'fails'}: {one.why}\n")
        sys.stdout.write(described(case(one.seed)) + "\n")
    sys.stdout.write(
        f"{chosen.cases:,} cases from seed {chosen.seed} in {perf_counter() - begun:.1f} s: {player.results:,} "
        f"answers of {player.rows:,} rows, {player.errors:,} errors as expected; {len(failed)} failed, "
        f"{sum(one.silently for one in failed)} of them without an error message\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
