"""`ReaderKind`: everything that mrframe asks of a kind of reader, in one value.

To add a grammar, write one file with a `ReaderKind` and enter it in `formats/registry.py`, or name it as an entry
point of the group `mrframe.readers` in a package of your own (docs/plugins.md). No other code tests the name of a
kind. Not here: the readers of blocks themselves (`base.BlockReader`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mrframe.core.model.reader import Reader
from mrframe.formats.named_formats import NamedFormat
from mrframe.formats.readers.base import BlockReader

ValueKind = Literal["text", "int", "float", "time", "any"]
Matches = Callable[[bytes], bool]
Count = Callable[[Sequence[bytes]], int]


class Field(NamedTuple):
    """A field of a reader.

    doc   a line for people
    kind  the type of its values beside None, "any" without a schema
    """

    doc: str
    kind: ValueKind = "text"


LINE_FIELDS: dict[str, Field] = {
    "file": Field("the name of the file that the record was read from"),
    "offset": Field(
        "the byte at which the record's line begins in the file (of a compressed file: in its content)", "int"
    ),
    "line": Field("the text of the record's line, without its end"),
}
"""Fields that every reader of lines has."""


class TimeFields(NamedTuple):
    """Where a record has its time, for `--since` and `--until`.

    names   the fields that may hold it. The first one in which a record has a time counts
    naive   whether the times have no zone in the log
    digits  positions of the last digits of minute and second in the raw text of a time, None if they vary
    """

    names: tuple[str, ...]
    naive: bool = False
    digits: tuple[int, int] | None = None


class ReaderKind:
    """A kind of reader. Subclass it, set `name`, and override the defaults that differ. Only `make` has none.

    `form` is `Reader.format` in every method: a known name or a format string, "" for kinds that have one form.

    name           the value of `Reader.kind`
    formats        the named formats, each with an example line. Of several that fit a file equally well the
                   first is preferred
    fits_any_text  whether any line matches, so that the kind is never guessed and --log-format does not apply
    takes_formats  whether `Reader.format` names one of several formats, "auto" being one not yet detected
    tried_last     whether detection tries the kind only where no other fits
    nested         whether a field may be a dotted path into a record
    sample         lines of input for the test that `mrframe init` writes, if the ready jobs read this kind
    """

    name: str = ""
    formats: tuple[NamedFormat, ...] = ()
    fits_any_text: bool = False
    takes_formats: bool = False
    tried_last: bool = False
    nested: bool = False
    sample: str = ""

    def make(self, form: str, names: Sequence[str], paths: Mapping[str, str]) -> BlockReader:
        """Make the reader of blocks for these fields, in this order.

        `paths` gives a field's own name where it is not the projected one. The names are checked already. Raises
        FormatError for a format that cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} has no make()")

    def fields(self, form: str) -> Mapping[str, Field] | None:  # noqa: ARG002
        """Return the fields by name, or None if the kind takes any name (it has no schema)."""
        return None

    def times(self, form: str) -> TimeFields | None:  # noqa: ARG002
        """Return the fields in which records have their times, or None if they have no times."""
        return None

    def record_start(self, form: str) -> str:  # noqa: ARG002
        """Return a pattern for the beginning of a record's first line, "" if each line is a record."""
        return ""

    def matches(self, form: str) -> Matches:
        """Return a test of one line (without its end), for detection."""
        return lambda line: isinstance(self.explain(form, line), dict)

    def reads(self, form: str) -> Matches:
        """Return a test of whether the reader takes a line (without its end). Detection may ask for more."""
        return self.matches(form)

    def count(self, form: str) -> Count:
        """Return a function that counts the lines which are of the format, for detection."""
        matches = self.matches(form)
        return lambda lines: sum(map(matches, lines))

    def explain(self, form: str, line: bytes) -> dict[str, Any] | tuple[int, str]:
        """Parse one line (without its end): its fields, or (offset at which it stops matching, reason)."""
        names = [name for name in self.fields(form) or {} if name not in ("file", "offset")]
        parsed = self.make(form, names, {}).parse(line + b"\n", "", 0)
        if parsed.malformed or not parsed.records:
            return 0, parsed.malformed[0].reason if parsed.malformed else "no record"
        return {name: column[0] for name, column in zip(names, parsed.values, strict=True)}

    def absent(self, lines: Sequence[bytes], fields: Sequence[str]) -> tuple[str, list[str]] | None:  # noqa: ARG002
        """For a kind without a schema: (the first of these fields that no line has, the names that lines have).

        None if each is in some line, or if no line is a record.
        """
        return None

    def title(self, form: str) -> str:  # noqa: ARG002
        """Name the reader in messages."""
        return f"the reader {self.name!r}"

    def reader(self, known: NamedFormat) -> Reader:
        """Return the reader of one of `formats`."""
        return Reader(self.name, known.name if self.takes_formats else "")
