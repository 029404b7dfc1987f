"""The readers of lines of names and values: LTSV (`name:value` and tabs) and logfmt (`name=value` and blanks).

Any name is a field. A value that spells a number plainly is an int or a float, `-` of LTSV is None. Of a repeated
name the last value counts, and a name of logfmt without `=` is True. Not here: JSON (`json_lines.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrframe.formats.named_formats import NamedFormat
from mrframe.formats.readers.convert import decode
from mrframe.formats.readers.kind import Matches, ReaderKind, TimeFields
from mrframe.formats.readers.line_reader import MISSING, LineReader
from mrframe.formats.readers.record_times import DERIVED, TIME_NAMES, has_time, with_times

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]+)?", re.ASCII)
_LABEL = re.compile(r"[0-9A-Za-z_.-]++:", re.ASCII)
_PAIR = re.compile(r'([^\s="]++)(?:(=)(?:"((?:[^"\\]|\\.)*+)"|([^\s"]*+)))?+', re.ASCII)
_LOGFMT = re.compile(r'\s*+(?:[^\s="]++(?:=(?:"(?:[^"\\]|\\.)*+"|[^\s"]*+))?+(?:\s++|\Z))++', re.ASCII)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
PAIRS_MIN = 2  # that a line must have for its format to be detected


def number_or_text(text: Any) -> Any:
    """Return the int or float that a text spells plainly, or the value itself."""
    found = _NUMBER.fullmatch(text) if isinstance(text, str) else None
    return text if found is None else float(text) if found[1] else int(text)


def read_ltsv(line: bytes) -> dict[str, Any] | str:
    """Return the values of a line of LTSV by label, or why it is none."""
    parts = decode(line).split("\t")
    for part in parts:
        if _LABEL.match(part) is None:
            return f"a part without a label and a colon: {part[:40]!r}" if line else "empty line"
    return {label: None if value == "-" else value for label, _, value in (part.partition(":") for part in parts)}


def read_logfmt(line: bytes) -> dict[str, Any] | str:
    """Return the values of a line of logfmt by name, or why it is none."""
    text = decode(line)
    if _LOGFMT.fullmatch(text) is None or "=" not in text:
        return "not pairs of name=value, with blanks between them" if line else "empty line"
    if "\\" not in text:
        return {name: quoted or plain if sign else True for name, sign, quoted, plain in _PAIR.findall(text)}
    return {
        name: (_QUOTED.sub(_unescaped, quoted) or plain) if sign else True
        for name, sign, quoted, plain in _PAIR.findall(text)
    }


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


class KeyValue(ReaderKind):
    """Lines of names and values. Any name is a field."""

    def __init__(
        self, known: NamedFormat, read: Callable[[bytes], dict[str, Any] | str], times: tuple[str, ...]
    ) -> None:
        self.name = known.name
        self.formats = (known,)
        self._read = read
        self._times = times

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> LineReader:  # noqa: ARG002
        """Make the reader of blocks. See `ReaderKind`."""
        return LineReader(self._read, names, paths, self._getter, any_name=True)

    def _getter(self, field: str) -> Callable[[dict[str, Any]], Any]:
        return with_times(field, lambda record: number_or_text(record.get(field, MISSING)), self._times)

    def times(self, form: str) -> TimeFields:  # noqa: ARG002
        """Return the names under which a time is looked for."""
        return TimeFields(TIME_NAMES + self._times)

    def reads(self, form: str) -> Matches:  # noqa: ARG002
        """Return a test of whether a line is one of names and values, if only one. See `ReaderKind`."""
        return lambda line: isinstance(self._read(line), dict)

    def matches(self, form: str) -> Matches:  # noqa: ARG002
        """Return a test of one line. See `ReaderKind`."""
        sign = b":" if self.name == "ltsv" else b"="

        def test(line: bytes) -> bool:
            if line.count(sign) < PAIRS_MIN or (sign == b":" and b"\t" not in line):
                return False
            record = self._read(line)
            return isinstance(record, dict) and len(record) >= PAIRS_MIN and True not in record.values()

        return test

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:  # noqa: ARG002
        """Return the values of a line, or why it is none."""
        found = self._read(line)
        return (0, found) if isinstance(found, str) else {name: number_or_text(one) for name, one in found.items()}

    def absent(self, lines: Sequence[bytes], fields: Sequence[str]) -> tuple[str, list[str]] | None:
        """Return the first of these names that no line has. See `ReaderKind`."""
        records = [found for found in map(self._read, lines) if isinstance(found, dict)]
        for field in fields if records else ():
            derived = field in DERIVED and any(has_time(record, self._times) for record in records)
            if not derived and not any(field in record for record in records):
                return field, list(dict.fromkeys(name for record in records for name in record))
        return None


LTSV = KeyValue(
    NamedFormat(
        "ltsv",
        "",
        "time:[17/May/2015:10:05:03 +0000]\thost:192.0.2.7\tstatus:200\tua:curl/8.5.0",
        "LTSV: name:value, with tabs between them",
    ),
    read_ltsv,
    (),
)
LOGFMT = KeyValue(
    NamedFormat(
        "logfmt",
        "",
        't=2015-05-17T10:05:03Z level=info msg="a request" status=200',
        "logfmt: name=value, with blanks between them (Grafana, Loki, Heroku)",
    ),
    read_logfmt,
    ("t",),
)
