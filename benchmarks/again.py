"""How long does a job take when it is run again? `python benchmarks/again.py JOB LOG...`.

The logs are copied to a folder of their own and changed there as logs change. After each change the job is run with
saved results and without (`--no-cache`). Both answers must be the same bytes. The time with saved results is shown
as a share of the first run, which had none. Each run waits a moment after a change, because a file that has
just changed is not trusted the next time (`store/file_index.py`), and reading it twice would then depend on the speed
of the first run. Not here: judging the answer (`run.py`).
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measuring import measure

SETTLE_S = 2.5  # longer than mrframe takes a file to be in change
ROW = "| {:34} | {:7.2f} | {:8.2f} | {:6.1%} |"


class Logs:
    """A folder of logs that change."""

    def __init__(self, folder: str, logs: list[str]) -> None:
        self.folder = Path(folder)
        for path in logs:
            shutil.copy(path, self.folder)
        self.size = sum(path.stat().st_size for path in self.folder.iterdir())

    def _files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def _lines(self, number: int) -> bytes:
        """Return about that many bytes of new whole lines: the first lines of a log, with other seconds."""
        with open(self._files()[0], "rb") as file:
            data = file.read(number)
        return data[: data.rfind(b"\n") + 1].replace(b":00:", b":01:")

    def nothing(self) -> None:
        """Nothing happens."""

    def grow(self) -> None:
        """The last log grows by a hundredth of all."""
        with open(self._files()[-1], "ab") as file:
            file.write(self._lines(self.size // 100))

    def rotate(self) -> None:
        """The last log gets another name, and a new one begins."""
        last = self._files()[-1]
        fresh = self._lines(self.size // 1000)
        last.rename(last.with_name(last.name + ".1"))
        last.write_bytes(fresh)

    def compress(self) -> None:
        """The log that was rotated is compressed."""
        rotated = next(path for path in self._files() if path.suffix == ".1")
        with open(rotated, "rb") as plain, gzip.open(f"{rotated}.gz", "wb", compresslevel=6) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        rotated.unlink()

    def delete(self) -> None:
        """The oldest log goes."""
        self._files()[0].unlink()


def main() -> None:
    """Make the changes one after the other, and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("job")
    parser.add_argument("logs", nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("logs", "out", "cache"):
            os.mkdir(os.path.join(folder, name))
        logs = Logs(os.path.join(folder, "logs"), options.logs)
        asked = Asked(options.job, folder)
        print("| then | seconds | without | of the first |\n|---|---|---|---|")
        changes: list[tuple[str, Callable[[], None]]] = [
            ("the first run", logs.nothing),
            ("again", logs.nothing),
            ("a log grew by 1 % of all", logs.grow),
            ("a log was rotated", logs.rotate),
            ("the rotated log was compressed", logs.compress),
            ("again", logs.nothing),
            ("the oldest log was deleted", logs.delete),
        ]
        first_s = 0.0
        for name, change in changes:
            change()
            time.sleep(SETTLE_S)
            without_s = asked.run("--no-cache")
            with_s = asked.run("--cache", "auto")
            asked.compare()
            first_s = first_s or with_s
            print(ROW.format(name, with_s, without_s, with_s / first_s), flush=True)
        kept = sum(path.stat().st_size for path in Path(folder, "cache").rglob("*") if path.is_file())
        print(f"\n{kept / 2**20:.1f} MiB are saved of {logs.size / 2**20:.0f} MiB of logs")


class Asked:
    """The job as a command, and where its answers go."""

    def __init__(self, job: str, folder: str) -> None:
        self._job, self._folder = job, folder
        self._answers: list[str] = []

    def run(self, *flags: str) -> float:
        """Seconds of the whole process."""
        answer = os.path.join(self._folder, "out", str(len(self._answers) % 2))
        command = (sys.executable, "-m", "mrframe", "run", self._job, os.path.join(self._folder, "logs"))
        where = ("--cache-dir", os.path.join(self._folder, "cache"), "-o", answer, "--overwrite", "--format", "jsonl")
        run = measure((*command, *where, *flags))
        if run.code:
            sys.exit(f"mrframe ended with {run.code}: {run.errors}")
        self._answers.append(answer)
        return run.wall_s

    def compare(self) -> None:
        """The last two answers must be the same."""
        one, other = (Path(answer).read_bytes() for answer in self._answers[-2:])
        if one != other:
            sys.exit("the answers with and without saved results differ")


if __name__ == "__main__":
    main()
