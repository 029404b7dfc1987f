"""What a person sees of some commands, in terminals of 40, 80 and 120 cells, as files in `terminal/`.

    make captures                                        writes the files again
    python tests/acceptance/terminal_captures.py NAME…   prints what would be in some of them, as JSON

`test_terminal_captures.py` compares. Each command has a process and a pseudo-terminal of its own. It is forked, since
starting 40 interpreters takes long. The time that a summary shows is a constant, since its length decides where the
summary is wrapped. Nothing else is made up.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import sys
import tempfile
import termios
import traceback
from pathlib import Path
from typing import NoReturn

from terminals import read_to_end

import mrframe
from mrframe.cli.main import run_as_command
from mrframe.cli.show import figures
from mrframe.core.display_width import display_width
from mrframe.kernel import turn_off

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "terminal"
WIDTHS = (40, 80, 120)
ASCII = {"PYTHONIOENCODING": "ascii"}
COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "count_fields": (["count", "day", "status", "access.log"], {}),
    "count_agents": (["count", "agent", "access.log", "--top", "5"], {}),
    "count_two_texts": (["count", "path", "referer", "access.log", "--where", "status >= 400", "--top", "5"], {}),
    "count_total": (["count", "host", "access.log", "--value", "size", "--reduce", "total", "--top", "4"], {}),
    "top_urls": (["run", "top_urls", "access.log", "--limit", "4"], {}),
    "latency": (["run", "latency", "app.jsonl", "-v"], {}),
    "error_rate": (["run", "error_rate", "access.log", "-v"], {}),
    "grep": (["run", "grep", "access.log", "--pattern", "HTTP/1.1\" 5"], {}),
    "window": (["count", "hour", "access.log", "--since", "2026-03-02T20:00", "--top", "2"], {}),
    "world": (["count", "name", "world.jsonl", "--value", "n", "--reduce", "largest"], {}),
    "world_in_ascii": (["count", "name", "world.jsonl", "--value", "n", "--reduce", "largest", "-v"], ASCII),
    "detect": (["formats", "detect", "access.log"], {}),
}  # fmt: skip
SLOW = {"check": (["check", "word_count", "kitchen.txt"], {})}
WORLD = r"""
{"name": "日本語のページ/東京", "n": 1234567}
{"name": "한국어", "n": null}
{"name": "cafe\u0301 / Zoë", "n": 0.000123}
{"name": "😀😀 smile", "n": 12.3456789}
{"name": "", "n": -5}
{"name": "-", "n": 5}
{"name": null, "n": 6}
{"name": "\u001b[31mred \u202eleft", "n": 7}
{"name": "a name that is longer than forty cells, and then some more", "n": 8}
broken
"""


def captured(words: list[str], environment: dict[str, str], width: int) -> str:
    """The screen after a command, in a terminal of this width."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("access.log", "app.jsonl", "kitchen.txt"):
            shutil.copy(ROOT / "sample_logs" / name, folder)
        (Path(folder) / "world.jsonl").write_text(WORLD.lstrip("\n"), encoding="utf-8")
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("MRFRAME", "PYTHON", "LC_"))
        }
        for name in ("COLUMNS", "NO_COLOR"):
            plain.pop(name, None)
        homes = {f"XDG_{name}_HOME": os.path.join(folder, name) for name in ("CONFIG", "CACHE", "STATE")}
        plain |= homes | {"TERM": "xterm", "LC_ALL": "C.UTF-8", "TMPDIR": folder}
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
            os.chdir(folder)
            _become(words, plain | environment)
        seen = read_to_end(master)
        os.waitpid(pid, 0)
        return screen(seen.decode(), width)


def _become(words: list[str], environment: dict[str, str]) -> NoReturn:
    """Run the command in this process, which ends with it. It looks the same whether a kernel is installed or not."""
    try:
        turn_off()
        os.environ.clear()
        os.environ.update(environment)
        tempfile.tempdir = None
        encoding = environment.get("PYTHONIOENCODING", "utf-8")
        sys.stdout = os.fdopen(1, "w", encoding=encoding, closefd=False)  # as a new interpreter has them
        sys.stderr = os.fdopen(2, "w", encoding=encoding, errors="backslashreplace", closefd=False)
        figures.total_seconds = lambda _summary: 0.12
        sys.argv = ["mrframe", *words]
        run_as_command()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(1)


def screen(text: str, width: int) -> str:
    """The lines on a terminal that got this text, which it wraps at its width. Colours are left out."""
    lines = [""]
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", text.replace("\r\n", "\n")):
        if part == "\n":
            lines.append("")
        elif part == "\r":
            lines[-1] = ""  # what follows is always drawn over the whole line
        elif part[0] != "\x1b":
            if display_width(lines[-1] + part) > width:
                lines.append("")
            lines[-1] += part
        else:
            assert part.endswith(("m", "K")), part
    return "\n".join(re.sub(r"\d\.\d\d s( |$)", r"0.00 s\1", line).rstrip() for line in lines).rstrip("\n") + "\n"


def page(words: list[str], environment: dict[str, str]) -> str:
    """A command in each width."""
    shown = " ".join([*(f"{name}={value}" for name, value in environment.items()), "mrframe", shlex.join(words)])
    parts = [f"---- {width} ".ljust(width, "-") + f"\n{captured(words, environment, width)}" for width in WIDTHS]
    return f"$ {shown}\n" + "".join(parts)


def main(names: list[str]) -> None:
    """Print the pages of these names, or write all."""
    with mrframe.run("word_count", [str(ROOT / "sample_logs" / "kitchen.txt")], mrframe.RunOptions(cache="off")):
        pass  # what it imports, the commands need not
    if names:
        sys.stdout.write(json.dumps({name: page(*(COMMANDS | SLOW)[name]) for name in names}))
        return
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.txt"):
        file.unlink()
    for name, how in (COMMANDS | SLOW).items():
        (FOLDER / f"{name}.txt").write_text(page(*how), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
