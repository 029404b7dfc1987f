"""Which fields a reader has, with a line and a type for each, and the check that a job asks for no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mrframe.core.model.reader import Reader
from mrframe.errors import UnknownField, did_you_mean
from mrframe.formats.readers.kind import LINE_FIELDS
from mrframe.formats.registry import kind_of


def fields_of(reader: Reader) -> dict[str, str] | None:
    """Return {field: a line on it}, or None if the reader takes any name (JSON, or a format not yet detected)."""
    fields = kind_of(reader).fields(reader.format)
    return None if fields is None else {name: field.doc for name, field in fields.items()}


def check_fields(reader: Reader, names: Iterable[str], paths: Mapping[str, str]) -> None:
    """Raise UnknownField for the first name that the reader does not have.

    `paths` gives a field's own name where it is not the projected one. A reader that takes any name is not checked.
    """
    kind = kind_of(reader)
    known = kind.fields(reader.format)
    if known is None:
        return
    for name in names:
        wanted = paths.get(name, name)
        if wanted in known:
            continue
        hint = did_you_mean(wanted, known) or ";"
        raise UnknownField(f"{kind.title(reader.format)} has no field {wanted!r}{hint} it has: {', '.join(known)}")


def kinds_of(reader: Reader, names: Iterable[str], paths: Mapping[str, str]) -> list[str]:
    """Return the type of each field's values beside None: "text", "int", "float", "time", "any" without a schema."""
    fields = kind_of(reader).fields(reader.format) or LINE_FIELDS
    wanted = (paths.get(name, name) for name in names)
    return [fields[name].kind if name in fields else "any" for name in wanted]
