"""The fields of access logs for people and for columns: a line on each, and the type of its values."""

from __future__ import annotations

from mrframe.formats.grammar.grammar import TIME_KINDS, ValueSlot
from mrframe.formats.readers.kind import Field, ValueKind

_KNOWN = {
    "host": "the client's address or name",
    "ident": "the client's identity as identd gives it; nearly always None",
    "user": "the authenticated user; None without one",
    "time": "when the request was logged: a datetime with its zone",
    "day": "the local day of the request, such as 2015-05-17",
    "hour": "the local hour of the request, such as 2015-05-17T10",
    "minute": "the local minute of the request, such as 2015-05-17T10:05",
    "request": "the whole request line",
    "method": "GET, POST, …; None when the request is neither METHOD target HTTP/x nor GET /path",
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
    "quoted": "text; None where the log has -",
}
_FURTHER = "value number {} of what follows, an int or a float if it spells one; None if there is none"


def field_of(name: str, slot: ValueSlot, role: str) -> Field:
    """Describe the field that a slot gives in this role."""
    return Field(_doc(name, slot, role), _kind(slot, role))


def _kind(slot: ValueSlot, role: str) -> ValueKind:
    if role == "time":
        return "time"
    if slot.kind == "further":
        return "text" if role == "extra" else "any"
    if role == "port" or slot.kind in ("status", "int"):
        return "int"
    return "float" if slot.kind == "float" else "text"


def _doc(name: str, slot: ValueSlot, role: str) -> str:
    if slot.kind == "further":
        return "the rest of the line" if role == "extra" else _FURTHER.format(slot.roles.index(role))
    doc = _KNOWN.get(name) or _KINDS.get(slot.kind, "text")
    if slot.kind in TIME_KINDS and name not in _KNOWN:
        doc = f"as {role}, of " + ("the end of the request" if name.startswith("end_") else "another time")
    return f"{doc} ({slot.directive})" if slot.directive else doc
