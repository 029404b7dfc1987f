"""Explains lines that do not match their format: the format, its origin, the first lines, the result of detection.

It makes the text of the message alone. Not here: counting the lines and the decision that they are too many
(`core/model/error_limits.py`), and their way into the file of `--rejects` (`api/job_run.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from mrframe.core.model.reader import Reader
from mrframe.core.settings.options import RunOptions
from mrframe.engines.history.summary import MalformedSample
from mrframe.errors import MrframeError
from mrframe.formats.detect import detect
from mrframe.formats.registry import AUTO, is_undetected, kind_of

LINES_SHOWN = 3
BEFORE_CHARS = 50  # of a line before the byte where it stops to match
AFTER_CHARS = 40
FORMAT_CHARS_MAX = 200


def forced_format(read: Reader, options: RunOptions, *, in_join: bool = False) -> str | None:
    """Return the log format that a setting imposes on a source that reads `read`, or None.

    In a settings file or the environment it holds for many runs, so it concerns access logs alone. A flag is about
    this run. In a join it concerns the access logs among the sources.
    """
    if options.log_format is None:
        return None
    applies = kind_of(read).takes_formats or (options.is_asked_for("log_format") and not in_join)
    return options.log_format if applies else None


def origin_of(read: Reader, forced: str | None, options: RunOptions) -> str:
    """Return how the format of a source was chosen, to follow its name in a message."""
    if forced is not None and forced != AUTO:
        return f"given by {options.origin_of('log_format')}"
    return "detected from the first lines" if forced == AUTO or is_undetected(read) else "named by the job"


def evidence(samples: Sequence[MalformedSample], number: int, reader: Reader, origin: str, head: bytes) -> list[str]:
    """Return the lines of a message that show why lines do not match the format of `reader`.

    samples  the first of the `number` lines, all of one source of a join
    origin   see `origin_of`, "" if it is not known
    head     first bytes of the input of the first sample, b"" if they cannot be read again
    """
    shown = reader.label if len(reader.label) <= FORMAT_CHARS_MAX else reader.label[:FORMAT_CHARS_MAX] + "…"
    lines = [f"format: {shown}{', ' + origin if origin else ''}"]
    for one in samples[:LINES_SHOWN]:
        lines += _shown(one, reader)
    if number > min(len(samples), LINES_SHOWN):
        lines.append(f"and {number - min(len(samples), LINES_SHOWN):,} more; --rejects FILE keeps them all")
    if head and samples:
        lines.append(_detection(head, samples[0].source, reader))
    return lines


def _shown(one: MalformedSample, reader: Reader) -> list[str]:
    """Return a line with its location and the reason, and a mark where it stops to match."""
    line = one.text.encode("utf-8", "surrogateescape")
    where = f"{one.source}:{one.line} (byte {one.offset:,} of the file): {one.reason}"
    found = kind_of(reader).explain(reader.format, line)
    if not isinstance(found, tuple) or not 0 < found[0] <= len(line):
        return [where, f"  {_printable(line[: BEFORE_CHARS + AFTER_CHARS])}"]
    at = found[0]
    start = max(0, at - BEFORE_CHARS)
    before, after = _printable(line[start:at]), _printable(line[at : at + AFTER_CHARS])
    if start or len(before) > BEFORE_CHARS:
        before = "…" + before[-BEFORE_CHARS:]
    more = len(line) > at + AFTER_CHARS or len(after) > AFTER_CHARS
    return [where, f"  {before}{after[:AFTER_CHARS]}{'…' if more else ''}", f"  {' ' * len(before)}^"]


def _printable(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _detection(head: bytes, name: str, reader: Reader) -> str:
    try:
        found = detect(head, name)
    except MrframeError:
        return f"detection: no format that has a name fits {name}"
    agrees = found.reader.label == reader.label
    return f"detection: {found.why}" + ("" if agrees else f"; --log-format {found.reader.label} reads it so")
