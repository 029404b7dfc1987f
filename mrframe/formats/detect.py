"""Which format a file has, told from its first lines, and why.

Every known access format and JSON lines are tried on the first 1,000 lines; the one that most lines match
wins, of several the most specific. Plain text is never guessed: anything is text, so it is chosen by name.
"""

from __future__ import annotations

from collections.abc import Callable

from mrframe.core.job import JSON_LINES, Reader
from mrframe.core.quick import dataclass
from mrframe.errors import FormatError
from mrframe.formats.json_lines import read_object
from mrframe.formats.named import FORMATS
from mrframe.formats.parsed import plain_lines
from mrframe.formats.patterns import compile_patterns
from mrframe.formats.schema import grammar_of

LINES_MAX = 1_000
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class Detection:
    """The format that fits, as a reader; how many of the lines looked at match it; a sentence that says why."""

    reader: Reader
    matched: int
    lines: int
    why: str


def detect(sample: bytes, name: str) -> Detection:
    """The format of a file from its beginning; `name` is the file's, for messages.

    A last line without its end is left out when there are others: the sample may have cut it. An empty sample
    contradicts no format and is taken as combined, with `lines` 0. Raises FormatError when there are lines and none
    matches any format.
    """
    lines = _sample_lines(sample, name)
    if not lines:
        return Detection(Reader("access", "combined"), 0, 0, "combined: there is no line to tell from")
    counts = {label: sum(map(matches, lines)) for label, matches in _candidates().items()}
    best = max(counts, key=lambda label: counts[label])  # of equals, the first
    looked_at = f"the first {len(lines):,} lines" if len(lines) > 1 else "the only line"
    if not counts[best]:
        raise FormatError(
            f"{name}: no known log format fits {looked_at}; tried {', '.join(counts)}. Its first line begins "
            f"{lines[0][:80].decode('utf-8', 'backslashreplace')!r}. Name the format with --log-format: a name of "
            "`mrframe formats list`, or the server's own LogFormat or log_format string"
        )
    others = ", ".join(f"{label} {count}" for label, count in counts.items() if label != best)
    reader = JSON_LINES if best == "json" else Reader("access", best)
    return Detection(reader, counts[best], len(lines), f"{best}: matches {counts[best]:,} of {looked_at} ({others})")


def _candidates() -> dict[str, Callable[[bytes], bool]]:
    """What tells whether a line matches, by name of format; the most specific first."""
    tests: dict[str, Callable[[bytes], bool]] = {}
    for known in FORMATS:
        strict = compile_patterns(grammar_of(known.name), ()).strict
        tests[known.name] = lambda line, strict=strict: strict.fullmatch(line) is not None  # type: ignore[misc]
    tests["json"] = lambda line: line.lstrip()[:1] == b"{" and isinstance(read_object(line), dict)
    return tests


def _sample_lines(sample: bytes, name: str) -> list[bytes]:
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            raise FormatError(
                f"{name} is encoded as {encoding}, which mrframe does not read; convert it to UTF-8 first, for "
                f"example with: iconv -f {encoding} -t UTF-8"
            )
    lines = plain_lines(sample.removeprefix(b"\xef\xbb\xbf")).split()
    if len(lines) > 1 and not sample.endswith(b"\n"):
        lines.pop()
    return lines[:LINES_MAX]
