"""Format strings of proxies in their own notation: HAProxy's `log-format`, Envoy's `%START_TIME%`.

Tables and tokens only, as `directives.py` has them for Apache and nginx. A directive that is not in a table is text
under its own name. Values of Envoy are taken as escaped in quotes, although Envoy does not escape: a client's quote
makes such a line malformed, and is never taken for the end of the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mrframe.formats.grammar.directives import NGINX, Meaning, header, identifier
from mrframe.formats.grammar.time_parts import Piece

# ---- HAProxy --------------------------------------------------------------------------------------

_HAPROXY_MARKS = re.compile(r"^log-format(?:-sd)?\s|%(?:\{[+-][QXE][^}]*\})?(?:ci|cp|ST|TR|Ta|tsc|ft|sq|bq|\[)")
_HAPROXY = re.compile(
    r"%(?:(?P<percent>%)|(?:\{(?P<flags>[^}]*)\})?(?:\[(?P<sample>[^\]]*)\]|(?P<name>captured|client|[A-Za-z][A-Za-z]{0,2})))"
)
_CAPTURED = re.compile(r'(?:%h[rs]l?\s)+(?=%\{\+Q\}|")')  # captured headers: {a|b} {c}, or nothing, and a blank
_ACCEPTED = "%d/%b/%Y:%H:%M:%S.%3N"
_SIGNED = "signed"
HAPROXY: dict[str, Meaning] = {
    "client": Meaning("vhost_port", "host", "address"),  # %ci:%cp
    "syslog_day": Meaning("int", "syslog_day", "padded"),
    "ci": Meaning("text", "host"),
    "cp": Meaning("int", "client_port"),
    "t": Meaning("strftime", "time", _ACCEPTED),
    "tr": Meaning("strftime", "time", _ACCEPTED),
    "T": Meaning("clf", "time"),
    "Tl": Meaning("clf", "time"),
    "Ts": Meaning("epoch", "time", "s"),
    "ft": Meaning("text", "frontend"),
    "f": Meaning("text", "frontend"),
    "b": Meaning("text", "backend"),
    "s": Meaning("text", "server"),
    "ST": Meaning("int", "status", _SIGNED),
    "B": Meaning("int", "size"),
    "U": Meaning("int", "bytes_received"),
    "CC": Meaning("text", "request_cookie"),
    "CS": Meaning("text", "response_cookie"),
    "ts": Meaning("text", "termination_state"),
    "tsc": Meaning("text", "termination_state"),
    "rc": Meaning("text", "retries"),
    "captured": Meaning("text", "captured_headers", "trimmed"),
    "r": Meaning("request", "request", blanks=True),
    "HM": Meaning("text", "method", "word"),
    "HP": Meaning("text", "path"),
    "HU": Meaning("target", "target"),
    "HQ": Meaning("query", "query"),
    "HV": Meaning("text", "protocol", "word"),
    "H": Meaning("text", "hostname"),
    "pid": Meaning("int", "pid"),
    "fi": Meaning("text", "frontend_address"),
    "fp": Meaning("int", "frontend_port"),
    "bi": Meaning("text", "backend_source"),
    "bp": Meaning("int", "backend_source_port"),
    "si": Meaning("text", "server_address"),
    "sp": Meaning("int", "server_port"),
    "ID": Meaning("text", "unique_id"),
    "sslv": Meaning("text", "ssl_version"),
    "sslc": Meaning("text", "ssl_cipher"),
    **{
        name: Meaning("int", field, _SIGNED)
        for name, field in {
            "Th": "handshake_ms",
            "Ti": "idle_ms",
            "TR": "request_ms",
            "Tq": "request_ms",
            "Tw": "queue_ms",
            "Tc": "connect_ms",
            "Tr": "response_ms",
            "Ta": "active_ms",
            "Td": "data_ms",
            "Tt": "total_ms",
            "ac": "active_connections",
            "fc": "frontend_connections",
            "bc": "backend_connections",
            "sc": "server_connections",
            "sq": "server_queue",
            "bq": "backend_queue",
            "lc": "log_counter",
            "rt": "request_counter",
            "Tu": "user_ms",
            "ms": "msec_frac",
        }.items()
    },
}


def is_haproxy(text: str) -> bool:
    """Return whether a format string is of HAProxy."""
    return _HAPROXY_MARKS.search(text) is not None


def haproxy_pieces(text: str) -> Iterator[Piece]:
    """Return the literals and values of a `log-format`, with or without the directive and its quotes."""
    body = re.sub(r"^log-format(?:-sd)?\s+", "", text)
    quoted = re.fullmatch(r"'([^']*)'|\"((?:[^\"\\]|\\.)*)\"", body)
    body = next((group for group in quoted.groups() if group is not None), "") if quoted else body
    body = _CAPTURED.sub("%captured", re.sub(r"\\(.)", r"\1", body)).replace("%ci:%cp", "%client")
    at, quotes = 0, False
    for match in _HAPROXY.finditer(body):
        if match.start() > at:
            yield body[at : match.start()]
        at = match.end()
        flags = match["flags"] or ""
        name = match["name"] or ""
        if match["percent"]:
            yield "%"
        elif name == "o":  # flags of all values behind it
            quotes = "+Q" in flags
        else:
            own = identifier(match["sample"] or name)
            meaning = HAPROXY.get(name or own) or Meaning("text", own, blanks="hdr" in own, empty=True)
            quote = '"' if "+Q" in flags or (quotes and meaning.kind in ("text", "request")) else ""
            yield from (piece for piece in (quote, (meaning, match[0], False), quote) if piece)
    if at < len(body):
        yield body[at:]


# ---- Envoy ----------------------------------------------------------------------------------------

_ENVOY = re.compile(r"%([A-Z][A-Z0-9_]*)(?:\(((?:[^()%]|%(?!\)))*)\))?(?::[0-9]+)?%|%%")
_ENVOY_MARKS = re.compile(r"%(?:START_TIME|REQ\(|RESP\(|RESPONSE_CODE|PROTOCOL|DOWNSTREAM_|UPSTREAM_)[^%]*%")
ENVOY: dict[str, Meaning] = {
    "PROTOCOL": Meaning("text", "protocol", "word"),
    "RESPONSE_CODE": Meaning("int", "status"),
    "BYTES_RECEIVED": Meaning("int", "bytes_received"),
    "BYTES_SENT": Meaning("int", "bytes_sent"),
    "DURATION": Meaning("int", "duration_ms"),
    "REQUEST_DURATION": Meaning("int", "request_ms"),
    "RESPONSE_DURATION": Meaning("int", "response_ms"),
    "DOWNSTREAM_REMOTE_ADDRESS": Meaning("vhost_port", "host", "address"),
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": Meaning("text", "host"),
    "DOWNSTREAM_LOCAL_ADDRESS": Meaning("vhost_port", "local", "address"),
    "UPSTREAM_HOST": Meaning("vhost_port", "upstream", "address"),
    "UPSTREAM_LOCAL_ADDRESS": Meaning("vhost_port", "upstream_local", "address"),
}
_ENVOY_HEADERS: dict[str, Meaning] = {
    ":METHOD": NGINX["request_method"],
    ":PATH": NGINX["request_uri"],
    ":AUTHORITY": NGINX["host"],
}


def is_envoy(text: str) -> bool:
    """Return whether a format string is of Envoy."""
    return _ENVOY_MARKS.search(text) is not None


def envoy_pieces(text: str) -> Iterator[Piece]:
    """Return the literals and values of a format of Envoy."""
    body, at = text.strip().removesuffix("\\n"), 0
    for match in _ENVOY.finditer(body):
        if match.start() > at:
            yield body[at : match.start()]
        at = match.end()
        yield (_envoy_meaning(match[1], match[2]), match[0], False) if match[1] else "%"
    if at < len(body):
        yield body[at:]


def _envoy_meaning(name: str, argument: str | None) -> Meaning:
    if name == "START_TIME":
        form = re.sub(r"%([36])f", r"%\1N", argument or "")
        return Meaning("strftime", "time", form) if form else Meaning("iso", "time")
    if name in ("REQ", "RESP") and argument:
        names = argument.upper().split("?")
        if names[-1] in _ENVOY_HEADERS:
            return _ENVOY_HEADERS[names[-1]]
        if name == "RESP" and names[0] == "X-ENVOY-UPSTREAM-SERVICE-TIME":
            return Meaning("int", "upstream_service_ms")
        return header(names[0], "" if name == "REQ" else "response_")
    return ENVOY.get(name) or Meaning("text", identifier(f"{name} {argument}" if argument else name), empty=True)
