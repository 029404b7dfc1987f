"""The steps that the core takes over a hostile block grow with its bytes, however it is made. Counted, not timed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import core_fuzz
import seeds

SIZE = 1 << 18
STEPS_OF_A_BYTE_MAX = 24
LINE = b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /%b HTTP/1.1" 200 512 "-" "curl/8.0"\n'
HOSTILE = {
    "one long line": lambda size: b"x" * (size - 1) + b"\n",
    "one long value": lambda size: LINE % (b"a" * (size - 90)),
    "backslashes": lambda size: LINE % (b"\\" * (size - 90)),
    "quotes": lambda size: b'"' * (size - 1) + b"\n",
    "lines of quotes": lambda size: b'" "\\"\n' * (size // 6),
    "empty lines": lambda size: b"\n" * size,
    "blanks": lambda size: b" " * (size - 1) + b"\n",
    "question marks": lambda size: LINE % (b"?" * (size - 90)),
    "keys that begin alike": lambda size: b"".join(
        LINE.replace(b"192.0.2.7", b"same-as-all-others-%d" % number) % b"" for number in range(size // 110)
    ),
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    folder = tmp_path_factory.mktemp("steps")
    seeds.write_programs(folder / "programs.h")
    flags = ("gcc", "-O1", f"-I{core_fuzz.KERNEL}", f"-I{folder}")
    counted, plain = [], [str(core_fuzz.HERE / name) for name in ("steps.c", "play.c", "judge.c", "merging.c")]
    for name in core_fuzz.CORE:
        counted.append(str(folder / f"{name}.o"))
        source = str(core_fuzz.KERNEL / name)
        subprocess.run((*flags, "-fsanitize-coverage=trace-pc", "-c", source, "-o", counted[-1]), check=True)
    subprocess.run((*flags, *plain, *counted, "-o", str(folder / "steps")), check=True)
    number = list(seeds.formats()).index("combined")

    def count(block: bytes) -> int:
        done = subprocess.run((str(folder / "steps"), str(number)), input=block, capture_output=True, check=True)
        return int(done.stdout)

    return count


@pytest.mark.parametrize("how", HOSTILE)
def test_steps_grow_with_the_bytes_of_a_hostile_block(steps, how):
    small, large = (steps(HOSTILE[how](size)) for size in (SIZE, 4 * SIZE))
    assert large <= 4.4 * small + 10_000
    assert large <= STEPS_OF_A_BYTE_MAX * 4 * SIZE
