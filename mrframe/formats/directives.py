"""What each directive of a server's format string means: its kind and the name of its field.

Tables and naming rules only; the strings are taken apart in `format_string.py`. A directive that is not
in a table is text under its own name, so no format is refused for a variable that mrframe has not met.
Sources: Apache's mod_log_config documentation; nginx's ngx_http_log_module, _core_module and
_upstream_module documentation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mrframe.formats.grammar import Kind


class Meaning(NamedTuple):
    """Kind and field name of a directive; `detail` as in `Slot`."""

    kind: Kind
    name: str
    detail: str = ""


# Apache: the letter of %h, %>s …
APACHE: dict[str, Meaning] = {
    "a": Meaning("text", "client"),
    "A": Meaning("text", "local_address"),
    "B": Meaning("int", "size"),
    "b": Meaning("int", "size"),
    "D": Meaning("int", "duration_us"),
    "f": Meaning("text", "filename"),
    "h": Meaning("text", "host"),
    "H": Meaning("text", "protocol"),
    "I": Meaning("int", "bytes_received"),
    "k": Meaning("int", "keepalives"),
    "l": Meaning("text", "ident"),
    "L": Meaning("text", "log_id"),
    "m": Meaning("text", "method"),
    "O": Meaning("int", "bytes_sent"),
    "p": Meaning("int", "port"),
    "P": Meaning("int", "pid"),
    "q": Meaning("query", "query"),
    "r": Meaning("request", "request"),
    "R": Meaning("text", "handler"),
    "s": Meaning("status", "status"),
    "S": Meaning("int", "bytes_transferred"),
    "t": Meaning("clf", "time"),
    "T": Meaning("int", "duration_s"),
    "u": Meaning("text", "user"),
    "U": Meaning("text", "path"),
    "v": Meaning("text", "vhost"),
    "V": Meaning("text", "vhost"),
    "X": Meaning("text", "connection"),
}

# Apache: the letter after %{name}
_APACHE_NAMED_PREFIX = {"i": "", "o": "response_", "e": "env_", "n": "note_", "C": "cookie_", "x": "var_"}
_APACHE_NAMED: dict[tuple[str, str], Meaning] = {
    ("a", "c"): Meaning("text", "peer"),
    ("h", "c"): Meaning("text", "peer"),
    ("p", "canonical"): Meaning("int", "port"),
    ("p", "local"): Meaning("int", "local_port"),
    ("p", "remote"): Meaning("int", "client_port"),
    ("P", "pid"): Meaning("int", "pid"),
    ("P", "tid"): Meaning("int", "tid"),
    ("P", "hextid"): Meaning("text", "tid"),
    ("T", "s"): Meaning("int", "duration_s"),
    ("T", "ms"): Meaning("int", "duration_ms"),
    ("T", "us"): Meaning("int", "duration_us"),
    ("t", "sec"): Meaning("epoch", "time", "s"),
    ("t", "msec"): Meaning("epoch", "time", "ms"),
    ("t", "usec"): Meaning("epoch", "time", "us"),
    ("t", "msec_frac"): Meaning("int", "msec_frac"),
    ("t", "usec_frac"): Meaning("int", "usec_frac"),
}

NGINX: dict[str, Meaning] = {
    "remote_addr": Meaning("text", "host"),
    "remote_user": Meaning("text", "user"),
    "remote_port": Meaning("int", "client_port"),
    "time_local": Meaning("clf", "time"),
    "time_iso8601": Meaning("iso", "time"),
    "msec": Meaning("epoch", "time", "s"),
    "request": Meaning("request", "request"),
    "request_method": Meaning("text", "method"),
    "request_uri": Meaning("target", "target"),
    "uri": Meaning("text", "path"),
    "document_uri": Meaning("text", "path"),
    "args": Meaning("text", "query"),
    "query_string": Meaning("text", "query"),
    "server_protocol": Meaning("text", "protocol"),
    "status": Meaning("status", "status"),
    "body_bytes_sent": Meaning("int", "size"),
    "bytes_sent": Meaning("int", "bytes_sent"),
    "request_length": Meaning("int", "bytes_received"),
    "request_time": Meaning("float", "request_time"),
    "host": Meaning("text", "vhost"),
    "http_host": Meaning("text", "vhost"),
    "server_name": Meaning("text", "vhost"),
    "server_port": Meaning("int", "port"),
    "connection": Meaning("int", "connection"),
    "vhost_port": Meaning("vhost_port", "vhost"),  # not of nginx: Debian's "other_vhosts", with or without the port
    "connection_requests": Meaning("int", "keepalives"),
    "pid": Meaning("int", "pid"),
    # of Traefik's common log format, which is written here in nginx's notation
    "request_count": Meaning("int", "request_count"),
    "duration_ms": Meaning("int", "duration_ms"),
}

_HEADER_NAMES = {"referer": "referer", "user_agent": "agent"}


def identifier(text: str) -> str:
    """`X-Forwarded-For` as `x_forwarded_for`: a name that can be a parameter."""
    name = re.sub(r"\W", "_", text.lower(), flags=re.ASCII)
    return f"_{name}" if not name or name[0].isdigit() else name


def header(name: str) -> Meaning:
    """The field of a request header."""
    plain = identifier(name)
    return Meaning("text", _HEADER_NAMES.get(plain, plain))


def nginx_meaning(name: str) -> Meaning:
    """What `$name` means."""
    if name in NGINX:
        return NGINX[name]
    for prefix, renamed in (("sent_http_", "response_"), ("upstream_http_", "upstream_response_")):
        if name.startswith(prefix):
            return Meaning("text", renamed + identifier(name.removeprefix(prefix)))
    if name.startswith("http_"):
        return header(name.removeprefix("http_"))
    return Meaning("text", identifier(name))


def apache_meaning(letter: str, argument: str | None) -> Meaning | None:
    """What `%letter` or `%{argument}letter` means; None when Apache has no such directive."""
    if argument is None:
        return APACHE.get(letter)
    if letter == "i":
        return header(argument)
    known = _APACHE_NAMED.get((letter, argument))
    if known is not None:
        return known
    if letter == "t":
        form = argument.removeprefix("begin:").removeprefix("end:")
        return _APACHE_NAMED.get(("t", form)) or Meaning("strftime", "time", form)
    if letter in ("^ti", "^to"):
        return Meaning("text", f"trailer_{identifier(argument)}")
    prefix = _APACHE_NAMED_PREFIX.get(letter)
    return Meaning("text", prefix + identifier(argument)) if prefix is not None else None
