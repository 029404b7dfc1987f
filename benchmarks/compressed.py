"""What does compression of logs cost? `python benchmarks/compressed.py JOB LOG... [--rounds 3] [--nodes 2]`.

The logs are compressed as by gzip (level 6), each alone and all in one file. A job reads the plain ones and
the compressed ones in turn, on local nodes and without saved results. The figure is the ratio of the second to the
first in the same round (median, smallest, largest), and for one file to the decoder alone, which decodes it to
nowhere in one process. Decoding uses the extra isal, or zlib when isal alone is hidden. The answers must be the same
bytes. Not here: other programs, and judging answers (`run.py`).
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from measuring import Measured, adopt_orphans, measure

ROW = "| {:26} | {:>6.2f} | {:>6.2f} | {:>4.2f} ({:.2f} to {:.2f}) | {:>8.2f} | {:>5.2f} | {:>6} | {:>5} |"
DECODE = """
import sys
try:
    from isal.igzip import open
except ImportError:
    from gzip import open
with open(sys.argv[1], "rb") as packed:
    while packed.read(1 << 20):
        pass
"""


def main() -> int:
    """Print a table with a row for each shape and each library."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job")
    parser.add_argument("logs", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, default=2)
    options = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        shapes = {f"{len(options.logs)} files": _each(options.logs, folder)} if len(options.logs) > 1 else {}
        shapes["one file"] = _one(options.logs, folder)
        hidden = os.path.join(folder, "hidden")
        Path(hidden, "isal").mkdir(parents=True)
        Path(hidden, "isal", "__init__.py").write_text("raise ImportError\n")
        print("| what, by what | plain s | gzip s | ratio | CPU: gzip s | ratio | decoder alone s | gzip / it |")
        print("|---|---|---|---|---|---|---|---|")
        libraries = {"isal": {}} if importlib.util.find_spec("isal") else {}
        for library, env in {**libraries, "zlib": {"PYTHONPATH": hidden}}.items():
            for shape, (plain, packed) in shapes.items():
                run = Compared(options, folder, env)
                for number in range(options.rounds):
                    run.round(plain, packed, swapped=number % 2 == 1)
                print(run.row(f"{shape}, {library}"), flush=True)
    return 0


def _each(logs: list[str], folder: str) -> tuple[str, str]:
    """Folders with links to the logs, and with each of them compressed."""
    plain, packed = os.path.join(folder, "each"), os.path.join(folder, "each-gz")
    for path in (plain, packed):
        os.mkdir(path)
    for at, log in enumerate(logs):
        name = f"{at:03}-{os.path.basename(log)}"
        os.symlink(os.path.abspath(log), os.path.join(plain, name))
        _compress([log], os.path.join(packed, f"{name}.gz"))
    return plain, packed


def _one(logs: list[str], folder: str) -> tuple[str, str]:
    """All logs in one file, and that compressed."""
    plain, packed = os.path.join(folder, "all.log"), os.path.join(folder, "all.log.gz")
    with open(plain, "wb") as whole:
        for log in logs:
            with open(log, "rb") as file:
                shutil.copyfileobj(file, whole, 1 << 20)
    _compress([plain], packed)
    return plain, packed


def _compress(logs: list[str], path: str) -> None:
    with gzip.open(path, "wb", compresslevel=6) as packed:
        for log in logs:
            with open(log, "rb") as file:
                shutil.copyfileobj(file, packed, 1 << 20)


class Compared:
    """A job over the same lines, plain and compressed."""

    def __init__(self, options: argparse.Namespace, folder: str, env: dict[str, str]) -> None:
        self._options, self._folder, self._env = options, folder, env
        self._rounds: list[tuple[Measured, Measured]] = []
        self._alone: list[Measured] = []

    def round(self, plain: str, packed: str, *, swapped: bool) -> None:
        """One run of each."""
        runs = {path: self._run(path) for path in ((packed, plain) if swapped else (plain, packed))}
        if self._answer(plain).read_bytes() != self._answer(packed).read_bytes():
            sys.exit("the answers over plain and compressed logs differ")
        self._rounds.append((runs[plain], runs[packed]))
        if os.path.isfile(packed):
            self._alone.append(measure((sys.executable, "-c", DECODE, packed), env=self._env, orphans=True))

    def _answer(self, path: str) -> Path:
        return Path(f"{path}.answer")

    def _run(self, path: str) -> Measured:
        command = (sys.executable, "-m", "mrframe", "run", self._options.job, path, "--no-cache", "-q")
        where = ("-o", str(self._answer(path)), "--overwrite", "--format", "jsonl")
        how = ("--engine", "local", "--nodes", str(self._options.nodes))
        run = measure((*command, *how, *where), env=self._env, orphans=True)
        if run.code:
            sys.exit(f"mrframe ended with {run.code}: {run.errors}")
        return run

    def row(self, name: str) -> str:
        """Medians over the rounds."""
        ratios = [packed.wall_s / plain.wall_s for plain, packed in self._rounds]
        to_alone = [packed.wall_s / one.wall_s for (_, packed), one in zip(self._rounds, self._alone, strict=False)]
        return ROW.format(
            name,
            median(plain.wall_s for plain, _ in self._rounds),
            median(packed.wall_s for _, packed in self._rounds),
            median(ratios),
            min(ratios),
            max(ratios),
            median(packed.cpu_s for _, packed in self._rounds),
            median(packed.cpu_s / plain.cpu_s for plain, packed in self._rounds),
            f"{median(one.wall_s for one in self._alone):.2f}" if self._alone else "–",
            f"{median(to_alone):.2f}" if to_alone else "–",
        )


if __name__ == "__main__":
    sys.exit(main())
