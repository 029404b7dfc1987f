"""`python tests/fuzz/core_fuzz.py --seconds 60`: fuzz the core of the kernel, which knows no Python, in C.

The core is compiled twice, with vectors and as plain C, under the address sanitizer and that of undefined behaviour,
and with sizes so small that short inputs reach what lies behind them. clang's libFuzzer looks for inputs that reach
new code; each is played on both builds (play.c). The inputs that it kept are then read by the parser of one line,
too (`testing/oracle.py`). Without such a clang it says so and ends with 0. A report ends it with 1, and the
input is kept in the folder.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import seeds

from mrframe.formats.grammar.patterns import capture_of
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.readers.base import plain_lines
from mrframe.formats.readers.convert import raw_values
from mrframe.formats.readers.line_cutter import LineCutter
from mrframe.kernel import compiled
from mrframe.testing import oracle

HERE = Path(__file__).parent
KERNEL = HERE.parents[1] / "mrframe" / "kernel"
CORE = ("scan.c", "sets.c", "table.c", "absorb.c", "cut.c", "drain.c", "merge.c", "hash.c", "sort.c")
SANITIZERS = "-fsanitize=address,undefined"
ALLOCATORS = tuple(f"-D{name}=fuzz_{name}" for name in ("malloc", "calloc", "realloc", "aligned_alloc"))


def build(folder: Path, compiler: str, more: Sequence[str] = (), main: Sequence[str] = ()) -> Path:
    """Compile both builds of the core, one as a library of its own. Returns the program."""
    seeds.write_programs(folder / "programs.h")
    flags = (compiler, "-O1", "-g", "-DMRFRAME_SMALL", SANITIZERS, "-fno-sanitize-recover=all", *more)
    flags += ("-fvisibility=hidden", "-fPIC", f"-I{KERNEL}", f"-I{folder}")
    for name, plain in (("vectors", ()), ("plain", ("-DMRFRAME_PLAIN_C",))):
        objects = []
        for source in (*(KERNEL / one for one in CORE), HERE / "judge.c", HERE / "merging.c", HERE / "play.c"):
            objects.append(str(folder / f"{name}-{source.stem}.o"))
            renamed = ALLOCATORS if source.parent == KERNEL else ()
            subprocess.run((*flags, *plain, *renamed, "-c", str(source), "-o", objects[-1]), check=True)
        subprocess.run((*flags, "-shared", *objects, "-o", str(folder / f"lib{name}.so")), check=True)
    libraries = (f"-L{folder}", "-lvectors", "-lplain", f"-Wl,-rpath,{folder}")
    program = folder / "core"
    subprocess.run((*flags, *main, str(HERE / "core.c"), *libraries, "-o", str(program)), check=True)
    return program


def fuzz(folder: Path, seconds: int) -> bool:
    """Fuzz for some seconds. Returns whether nothing was found."""
    program = build(folder, "clang", ("-fsanitize=fuzzer-no-link",), ("-DMRFRAME_LIBFUZZER", "-fsanitize=fuzzer"))
    seeds.write_seeds(folder / "corpus")
    seeds.write_dictionary(folder / "words.dict")
    command = (str(program), str(folder / "corpus"), f"-dict={folder / 'words.dict'}", f"-max_total_time={seconds}")
    more = ("-max_len=1024", "-print_final_stats=1", f"-artifact_prefix={folder}/", "-timeout=10", "-verbosity=1")
    done = subprocess.run((*command, *more), capture_output=True, text=True, errors="replace", check=False)
    shown = re.findall(
        r"^(?:stat::.*|#\d+\s+DONE.*|.*(?:broken:|ERROR:|runtime error:|SUMMARY).*)$", done.stderr, re.M
    )
    sys.stdout.write("\n".join(shown) + "\n")
    return done.returncode == 0


def judge(corpus: Path) -> int:
    """Read the lines of the inputs that were kept with the kernel and the parser of one line. Returns how many."""
    names = list(seeds.formats())
    lines = 0
    for path in sorted(corpus.iterdir()):
        data = path.read_bytes()
        if len(data) <= seeds.HEAD or data[0] % 4 or data[4] >= len(names):
            continue
        grammar = grammar_of(names[data[4]])
        fields = {name: capture_of(*one) for name, one in grammar.field_map().items()}
        body = data[seeds.HEAD :].removesuffix(b"\n") + b"\n"
        cutter = LineCutter(grammar, list(fields.values()), compiled())
        found = cutter.cut(plain_lines(body))
        expected = [oracle.parse_line(grammar, line) for line in body.split(b"\n")[:-1]]
        bad = [at for at, one in enumerate(expected) if one is None]
        if [at for at, _ in found.malformed] != bad:
            raise SystemExit(f"{path}: other lines are malformed than the parser of one line finds")
        good = [one for one in expected if one is not None]
        for name, capture in fields.items():
            if list(raw_values(found.columns[cutter.captures.index(capture)])) != [one[name] for one in good]:
                raise SystemExit(f"{path}: {name} differs from that of the parser of one line")
        lines += len(expected)
    return lines


def has_libfuzzer(folder: Path) -> bool:
    """Return whether there is a clang that can build a fuzzer."""
    if shutil.which("clang") is None:
        return False
    probe = folder / "probe.c"
    probe.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }\n")
    command = ("clang", "-fsanitize=fuzzer,address,undefined", str(probe), "-o", str(folder / "probe"))
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def main() -> int:
    """Fuzz, and judge what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="how long (60)")
    parser.add_argument("--folder", type=Path, help="where the program, the inputs and reports are kept")
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="mrframe-core-fuzz-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not has_libfuzzer(folder):
        sys.stdout.write("the core of the kernel is not fuzzed: there is no clang with libFuzzer here\n")
        return 0
    if not fuzz(folder, options.seconds):
        sys.stdout.write(f"found: see {folder}\n")
        return 1
    if compiled() is not None:
        sys.stdout.write(
            f"{judge(folder / 'corpus'):,} lines of the inputs that were kept: as the parser of one line\n"
        )
    if not options.folder:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
