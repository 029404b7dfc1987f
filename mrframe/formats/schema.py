"""Which fields a reader has, with a line on each, and the check that a job asks for no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from mrframe.core.job.job import Reader
from mrframe.errors import UnknownField, did_you_mean
from mrframe.formats.grammar.format_string import parse_format
from mrframe.formats.grammar.grammar import TIME_KINDS, Grammar, Slot
from mrframe.formats.registry import STRINGS

EVERY_READER = {
    "file": "the name of the file that the record was read from",
    "offset": "the byte at which the record's line begins in the file (of a compressed file: in its content)",
    "line": "the text of the record's line, without its end",
}
_KNOWN = {
    "host": "the client's address or name",
    "ident": "the client's identity as identd gives it; nearly always None",
    "user": "the authenticated user; None without one",
    "time": "when the request was logged: a datetime with its zone",
    "day": "the local day of the request, such as 2015-05-17",
    "hour": "the local hour of the request, such as 2015-05-17T10",
    "minute": "the local minute of the request, such as 2015-05-17T10:05",
    "request": "the whole request line",
    "method": "GET, POST, …; None when the request is not METHOD target HTTP/x",
    "path": "the request's path, without the query",
    "query": "what follows the first ? of the target; None without one",
    "target": "path and query as requested",
    "protocol": "HTTP/1.1, HTTP/2.0, …",
    "status": "the response's status, an int; None when none was sent",
    "size": "the response's length in bytes, an int; None where the log has -",
    "referer": "the page that the request came from, as the client says; None without one",
    "agent": "the client's software, as it says; None without one",
    "vhost": "the name of the virtual host",
    "port": "the server's port, an int",
}
_KINDS = {
    "int": "an int; None where the log has -",
    "float": "a float; None where the log has -",
    "text": "text; None where the log has -",
    "list": "text; None where the log has -",
    "commas": "text; None where the log has -",
    "rest": "text; None where the log has -",
}


@lru_cache(maxsize=64)
def grammar_of(log_format: str) -> Grammar:
    """The grammar of a format's name or string; FormatError when it is neither."""
    return parse_format(STRINGS.get(log_format, log_format), log_format if log_format in STRINGS else "")


def fields_of(reader: Reader) -> dict[str, str] | None:
    """{field: what it is} of a reader; None when it takes any name (JSON, or a format not yet detected)."""
    if reader.kind == "json" or (reader.kind == "access" and reader.format == "auto"):
        return None
    if reader.kind == "pairs":
        return {"key": "the key of a pair of the step before", "value": "its value"}
    if reader.kind == "text":
        return dict(EVERY_READER)
    if reader.kind == "words":
        return {"word": "a word: text between ASCII whitespace", **EVERY_READER}
    fields = grammar_of(reader.format).field_map()
    return {name: _doc(name, slot, role) for name, (slot, role) in fields.items()} | EVERY_READER


def check_fields(reader: Reader, names: Iterable[str], paths: Mapping[str, str]) -> None:
    """Raise UnknownField for the first name that the reader does not have.

    `paths` says under which name a field is to be found when that is not its own; for a reader that takes any
    name there is nothing to check.
    """
    known = fields_of(reader)
    if known is None:
        return
    for name in names:
        wanted = paths.get(name, name)
        if wanted in known:
            continue
        hint = did_you_mean(wanted, known) or ";"
        raise UnknownField(f"{_title(reader)} has no field {wanted!r}{hint} it has: {', '.join(known)}")


def kinds_of(reader: Reader, names: Iterable[str], paths: Mapping[str, str]) -> list[str]:
    """What the values of each field are, beside None: "text", "int", "float", "time"; "any" where no schema says."""
    fields = grammar_of(reader.format).field_map() if reader.kind == "access" else {}
    kinds = []
    for name in names:
        wanted = paths.get(name, name)
        slot, role = fields.get(wanted, (None, ""))
        if wanted == "offset":
            kinds.append("int")
        elif slot is None:
            kinds.append("text" if wanted in ("file", "line", "word") or reader.kind == "words" else "any")
        elif role in ("time", "port"):
            kinds.append("time" if role == "time" else "int")
        else:
            kinds.append({"status": "int", "int": "int", "float": "float"}.get(slot.kind, "text"))
    return kinds


def _title(reader: Reader) -> str:
    if reader.kind != "access":
        return f"the reader {reader.kind!r}"
    return f"the log format {reader.format!r}"


def _doc(name: str, slot: Slot, role: str) -> str:
    doc = _KNOWN.get(name) or _KINDS.get(slot.kind, "text")
    if slot.kind in TIME_KINDS and name not in _KNOWN:
        doc = f"as {role}, of " + ("the end of the request" if name.startswith("end_") else "another time")
    return f"{doc} ({slot.directive})" if slot.directive else doc
