"""Detection of a file's format from its first lines, with the reason.

Every known format is tried on the first 1,000 lines, those that the user has named first. The one that matches most
lines wins, and of several the first. It has to match three quarters of them (so all of one, two or three lines). A
format that fits a line here and there is not the file's, and reading with it would lose the other lines. Empty lines
do not count. A loose format, which takes any further values, is tried only when no other fits, and kinds that
installed packages add only then. Plain text is never guessed, since every line is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import field
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError
from mrframe.formats.grammar.patterns import AT_END
from mrframe.formats.readers.base import plain_lines
from mrframe.formats.readers.kind import Count, Matches, ReaderKind
from mrframe.formats.registry import (
    fault_of,
    kind_of,
    kinds_of_lines,
    logs,
    named_formats,
    plugin_kinds,
    reader_named,
)

LINES_MAX = 1_000
SHOWN_BYTES = 80
REST_BYTES = 40  # of a line behind the part that the nearest format matches
HEAD_WORDS_MAX = 8  # of a line, behind which another format may begin
NEAR_BYTES = 20  # that a format must match of a line to be named as the nearest
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_NAME_IT = (
    "Name the format with --log-format: a name of `mrframe formats list`, or the server's own LogFormat or "
    "log_format string"
)


class Candidate(NamedTuple):
    """A format that may be a file's. `loose` is that of `NamedFormat`, or of a kind that is tried last.

    Its tests are made when they are first needed, since most formats are never tried.
    """

    reader: Reader
    loose: bool = False

    @property
    def matches(self) -> Matches:
        """The test of one line."""
        return _tests_of(self.reader)[0]

    @property
    def count(self) -> Count:
        """The number of lines that match."""
        return _tests_of(self.reader)[1]


@lru_cache(maxsize=256)
def _tests_of(reader: Reader) -> tuple[Matches, Count]:
    kind = kind_of(reader)
    return kind.matches(reader.format), kind.count(reader.format)


Candidates = dict[str, Candidate]


@dataclass(frozen=True, slots=True)
class Detection:
    """The reader that fits, and the numbers of lines that match and were examined.

    `name` is that of the format, and `tried` and `sample` are all candidates and the lines, for `why`.
    """

    reader: Reader
    matched: int
    lines: int
    name: str = ""
    tried: Candidates = field(default_factory=dict)
    sample: Sequence[bytes] = ()

    @property
    def why(self) -> str:
        """A sentence with the reason, and with the format that comes next. Takes longer than the detection."""
        if not self.lines:
            return "combined: there is no line to tell from"
        others = {label: one for label, one in self.tried.items() if label != self.name}
        counts = _counts(others, self.sample)
        second = max(
            counts, key=lambda label: (bool(counts[label]), not others[label].loose, counts[label]), default=""
        )
        found = f"{self.name}: matches {self.matched:,} of {_looked_at(self.sample)}"
        if not second or not counts[second]:
            return f"{found}; no other format matches any"
        after = f"{found}; next is {second}, which matches {counts[second]:,}"
        odd = next((line for line in self.sample if not others[second].matches(line)), None)
        if odd is None:
            return f"{after} and is less specific"
        stop = kind_of(others[second].reader).explain(others[second].reader.format, odd)
        return f"{after} ({stop[1]} at byte {stop[0] + 1} of another)" if isinstance(stop, tuple) else after


def detect(sample: bytes, name: str) -> Detection:
    """Detect the format of a file from its first bytes. `name` is the file's name in messages.

    The formats that the user has given names are tried first. A last line without its end is left
    out if there are others, since the sample may have cut it. An empty sample contradicts no format and is taken as
    combined, with `lines` 0. Raises FormatError if no format matches enough of the lines.
    """
    lines = _sample_lines(sample, name)
    if not lines:
        return Detection(logs.combined, 0, 0)
    return _detect(lines, name)


def _detect(lines: Sequence[bytes], name: str) -> Detection:
    tests = {**_own(tuple(named_formats().items())), **_built_in()}
    for loose in (False, True):
        best, matched = _best({label: one for label, one in tests.items() if one.loose == loose}, lines)
        if _is_enough(matched, len(lines)):
            break
    else:  # only now: to look for installed packages takes 10 ms
        tests |= _candidates(plugin_kinds()[0])
        counts = _counts(tests, lines)
        best = max(counts, key=lambda label: counts[label])
        matched = counts[best]
        if not _is_enough(matched, len(lines)):
            raise FormatError(_no_format(lines, counts, best, tests, name))
    return Detection(tests[best].reader, matched, len(lines), best, tests, lines)


def _best(tests: Candidates, lines: Sequence[bytes]) -> tuple[str, int]:
    """Return the format that matches most lines, of equals the first, and how many these are.

    Once a format matches enough of them, another one can match more only if it matches one of the others. That does
    not hold for the loose ones, of which some count the lines of a stack trace.
    """
    best, matched = next(iter(tests)), 0
    others: Sequence[bytes] = ()
    for label, one in tests.items():
        if others and not one.loose and not any(map(one.matches, others)):
            continue
        count = one.count(lines)
        if count > matched:
            best, matched = label, count
            others = [line for line in lines if not one.matches(line)] if _is_enough(count, len(lines)) else ()
        if matched == len(lines):
            break
    return best, matched


def _counts(tests: Candidates, lines: Sequence[bytes]) -> dict[str, int]:
    """Return how many lines each format matches, up to the first one that matches all."""
    counts = {}
    for label, one in tests.items():
        counts[label] = one.count(lines)
        if counts[label] == len(lines):
            break
    return counts


def detect_quickly(sample: bytes, name: str, *, lines_max: int) -> Reader | None:
    """Return the reader that `detect` finds from at most so many lines. None if there is no line, or no format fits.

    Raises FormatError for an encoding that is not read.
    """
    lines = _sample_lines(sample, name)[:lines_max]
    try:
        return _detect(lines, name).reader if lines else None
    except FormatError:
        return None


def misfit(sample: bytes, name: str, reader: Reader, *, lines_max: int) -> str | None:
    """Return why the first bytes of an input are in another format than `reader`'s, or None.

    They are if another known format fits and this one does not fit any of the lines.
    """
    lines = _sample_lines(sample, name)[:lines_max]
    if not lines or any(map(kind_of(reader).matches(reader.format), lines)):
        return None
    try:
        other = _detect(lines, name)
    except FormatError:
        return None
    return f"{other.reader.label} fits {other.matched:,} of {_looked_at(lines)}, {reader.label} 0"


def better_named(sample: bytes, name: str, reader: Reader, fields: Iterable[str]) -> str:
    """Return what helps where a detected format lacks fields: the nearest of those that have them, if it is loose.

    A format of applications fits every line that begins with a time, so that it may hide the format of the log.
    """
    if not kind_of(reader).tried_last:
        return ""
    line = _sample_lines(sample, name)[0]
    wanted = set(fields)
    having = {
        label: one
        for label, one in {**_own(tuple(named_formats().items())), **_built_in()}.items()
        if wanted <= set(kind_of(one.reader).fields(one.reader.format) or ())
    }
    nearest = _behind_a_head(line, having)
    if not nearest and (nearest := _nearest(line, having)):
        nearest = f"Of the formats with the fields of the job, {nearest}"
    return (
        "This format was detected, since lines begin with a time or a level. The first line begins "
        f"{_printable(line[:SHOWN_BYTES])}. {nearest}{_NAME_IT}"
    )


def _behind_a_head(line: bytes, tests: Candidates) -> str:
    """Return a sentence on a format that fits a line behind its first words, as a container's or syslog's log has it.

    "" if there is none.
    """
    heads = [*accumulate(len(word) + 1 for word in line.split(b" ")[:HEAD_WORDS_MAX])]
    for label, one in tests.items():
        at = 0 if one.loose else next((at for at in heads if one.matches(line[at:])), 0)
        if at:
            return f"Behind its first {at} bytes it is of the format {label}: put these before its string. "
    return ""


def _is_enough(matched: int, lines: int) -> bool:
    return matched * 4 >= lines * 3


def _looked_at(lines: Sequence[bytes]) -> str:
    return f"the first {len(lines):,} lines" if len(lines) > 1 else "the only line"


def _no_format(lines: Sequence[bytes], counts: dict[str, int], best: str, tests: Candidates, name: str) -> str:
    odd = next(line for line in lines if not tests[best].matches(line))
    begins = _printable(odd[:SHOWN_BYTES])
    if not counts[best]:
        return (
            f"{name}: no known log format fits {_looked_at(lines)}; tried {len(counts)} formats. Its first line "
            f"begins {begins}. {_nearest(odd, tests)}{_unread()}{_NAME_IT}"
        )
    ranked = sorted(
        ((count, label) for label, count in counts.items() if count and not tests[label].loose),
        key=lambda one: -one[0],
    )
    fits = ", ".join(f"{label} {count:,}" for count, label in ranked if label != best)
    return (
        f"{name}: no known log format fits enough of {_looked_at(lines)}: {best} fits {counts[best]:,} of "
        f"{len(lines):,}{', ' + fits if fits else ''}, and three quarters are asked for. The first line that is not "
        f"{best} begins {begins}. {_nearest(odd, tests)}{_unread()}{_NAME_IT}"
    )


def _unread() -> str:
    """Return a sentence on each format that the user has named and that cannot be read."""
    faults = {name: fault_of(string) for name, string in named_formats().items()}
    return "".join(f"Your format {name} was not tried, since it {fault}. " for name, fault in faults.items() if fault)


def _nearest(line: bytes, tests: Candidates) -> str:
    """Return a sentence on the format that matches most of the beginning of a line, "" if none gets far."""
    stops = {label: kind_of(reader).explain(reader.format, line) for label, (reader, *_) in tests.items()}
    found = {label: stop for label, stop in stops.items() if isinstance(stop, tuple)}
    whole = {label: stop for label, stop in found.items() if stop[1] == AT_END}  # such as combined and a field more
    best, (at, _) = max((whole or found).items(), key=lambda one: one[1][0], default=("", (0, "")))
    if at < NEAR_BYTES:
        return ""
    rest = line[at:]
    follows = f"{_printable(rest[:REST_BYTES])} follows" if rest else "the line ends"
    return f"{best} matches it up to byte {at}, where {follows}. "


def _printable(data: bytes) -> str:
    return repr(data.decode("utf-8", "backslashreplace"))


@lru_cache(maxsize=1)  # a run may look at thousands of files, and making the tests takes longer than one file
def _built_in() -> Candidates:
    return _candidates(kinds_of_lines())


@lru_cache(maxsize=8)
def _own(named: tuple[tuple[str, str], ...]) -> Candidates:
    """Return the user's own formats that can be read. The others are named if no format is found (`_unread`)."""
    found = {}
    for name, string in named:
        with suppress(FormatError):
            reader = reader_named(string)
            _tests_of(reader)
            found[name] = Candidate(reader)
    return found


def _candidates(kinds: Iterable[ReaderKind]) -> Candidates:
    """Return each format of these kinds by its name, in the order in which they are preferred."""
    return {
        known.name: Candidate(kind.reader(known), known.loose or kind.tried_last)
        for kind in kinds
        if not kind.fits_any_text
        for known in kind.formats
    }


def _sample_lines(sample: bytes, name: str) -> list[bytes]:
    for mark, encoding in _MARKS.items():
        if sample.startswith(mark):
            raise FormatError(
                f"{name} is encoded as {encoding}, which mrframe does not read; convert it to UTF-8 first, for "
                f"example with: iconv -f {encoding} -t UTF-8"
            )
    lines = plain_lines(sample).split()
    if len(lines) > 1 and not sample.endswith(b"\n"):
        lines.pop()
    return [line for line in lines[:LINES_MAX] if line]
