"""The directives of servers' format strings: kind and field name of each.

Tables and naming rules only. `format_string.py` takes the strings apart. A directive that is not
in a table is text under its own name, so no format is refused for a variable that mrframe has not met.

Whether a value may hold blanks depends on the server. nginx joins the values of several upstream servers with ", ",
and with " : " after an internal redirect. Proxies join addresses with ", ". The name of a user (RFC 7617), a decoded
path, a cookie and most headers are any text. Text that is in no list here is taken to have no blanks.
References: documentation and source of Apache's mod_log_config and of nginx's ngx_http_log_module, _core_module and
_upstream_module.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mrframe.errors import FormatError
from mrframe.formats.grammar.grammar import Kind
from mrframe.formats.grammar.strftime import CLF


class Meaning(NamedTuple):
    """Kind and field name of a directive, `detail` of its `ValueSlot`, whether values may have blanks or be empty."""

    kind: Kind
    name: str
    detail: str = ""
    blanks: bool = False
    empty: bool = False


def _free(name: str, *, kind: Kind = "text", empty: bool = False) -> Meaning:
    """Text that may hold blanks."""
    return Meaning(kind, name, "", blanks=True, empty=empty)


FURTHER = "further_values"
"""The variable, of mrframe alone, for the rest of a line at the end of a format."""

# Apache: the letter of %h, %>s …
APACHE: dict[str, Meaning] = {
    "a": Meaning("text", "client"),
    "A": Meaning("text", "local_address"),
    "B": Meaning("int", "size"),
    "b": Meaning("int", "size"),
    "D": Meaning("int", "duration_us"),
    "f": _free("filename"),
    "h": Meaning("text", "host"),
    "H": Meaning("text", "protocol", "word"),
    "I": Meaning("int", "bytes_received"),
    "k": Meaning("int", "keepalives"),
    "l": Meaning("text", "ident"),
    "L": Meaning("text", "log_id"),
    "m": Meaning("text", "method", "word"),
    "O": Meaning("int", "bytes_sent"),
    "p": Meaning("int", "port"),
    "P": Meaning("int", "pid"),
    "q": Meaning("query", "query"),
    "r": _free("request", kind="request"),
    "R": Meaning("text", "handler"),
    "s": Meaning("status", "status"),
    "S": Meaning("int", "bytes_transferred"),
    "t": Meaning("clf", "time", CLF),
    "T": Meaning("int", "duration_s"),
    "u": Meaning("text", "user", "user", blanks=True),
    "U": _free("path"),
    "v": Meaning("text", "vhost"),
    "V": Meaning("text", "vhost"),
    "X": Meaning("text", "connection"),
    "^FB": Meaning("int", "first_byte_us"),
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
}
_APACHE_TIMES = {"sec": "%s", "msec": "%3s", "usec": "%6s", "msec_frac": "%3N", "usec_frac": "%6N"}

NGINX: dict[str, Meaning] = {
    "remote_addr": Meaning("text", "host"),
    "remote_user": Meaning("text", "user", "user", blanks=True),
    "remote_port": Meaning("int", "client_port", empty=True),
    "time_local": Meaning("clf", "time"),
    "time_iso8601": Meaning("iso", "time"),
    "msec": Meaning("epoch", "time", "s"),
    "request": _free("request", kind="request"),
    "request_method": Meaning("text", "method", "word"),
    "request_uri": Meaning("target", "target"),
    "uri": _free("path"),
    "document_uri": _free("path"),
    "args": Meaning("text", "query", empty=True),
    "query_string": Meaning("text", "query", empty=True),
    "server_protocol": Meaning("text", "protocol", "word", empty=True),
    "status": Meaning("status", "status"),
    "body_bytes_sent": Meaning("int", "size"),
    "bytes_sent": Meaning("int", "bytes_sent"),
    "request_length": Meaning("int", "bytes_received"),
    "request_time": Meaning("float", "request_time"),
    "host": Meaning("text", "vhost"),
    "http_host": Meaning("text", "vhost", empty=True),
    "server_name": Meaning("text", "vhost", empty=True),
    "server_port": Meaning("int", "port", empty=True),
    "connection": Meaning("int", "connection"),
    "vhost_port": Meaning("vhost_port", "vhost"),  # not of nginx: Debian's "other_vhosts", with or without the port
    "connection_requests": Meaning("int", "keepalives"),
    "pid": Meaning("int", "pid"),
    "ident": Meaning("text", "ident"),  # not of nginx either: of a line as Apache writes it
    # of Traefik's common log format, which is written here in nginx's notation
    "request_count": Meaning("int", "request_count"),
    **{f"quoted_{name}": Meaning("quoted", name) for name in ("referer", "agent", "router", "server_url")},
    "duration_ms": Meaning("int", "duration_ms"),
    # and the rest of the line, if there is any
    FURTHER: Meaning("further", "extra", empty=True),
}

_HEADER_NAMES = {"referer": "referer", "user_agent": "agent"}
_ONE_WORD = re.compile(
    r"(?:.*_)?(?:id|uuid|guid|proto|protocol|port|host|scheme|length|origin|upgrade|ray|etag|method|location)"
)
"""Headers that are one word, as their fields are called."""
_ADDRESSES = re.compile(r"(?:.*_)?(?:ip|addr|address)|.*(?:forwarded_for|client_?ip|ipaddr)")
"""Headers that are addresses, perhaps of a client and its proxies."""
_UPSTREAM_WORDS = re.compile(r"upstream_addr")
_UPSTREAM_NUMBERS = re.compile(
    r"upstream_(?:status|(?:connect|header|response|queue|first_byte|session)_time|response_length|bytes_\w+)"
)
_NGINX_FREE = re.compile(
    r"request_body(?:_file)?|(?:request_filename|(?:document|realpath)_root)|date_(?:local|gmt)|cookie_.*"
    r"|ssl_client_(?:s|i)_dn(?:_legacy)?|geoip.*(?:name|city|region|org|isp|continent|country)"
)


def identifier(text: str) -> str:
    """`X-Forwarded-For` as `x_forwarded_for`: a name that can be a parameter."""
    name = re.sub(r"\W", "_", text.lower(), flags=re.ASCII)
    return f"_{name}" if not name or name[0].isdigit() else name


def header(name: str, prefix: str = "") -> Meaning:
    """Return the field of a header, of the request if there is no prefix."""
    plain = identifier(name)
    field = prefix + plain if prefix else _HEADER_NAMES.get(plain, plain)
    if _ADDRESSES.fullmatch(plain):
        return Meaning("commas", field, empty=True)
    return Meaning("text", field, blanks=_ONE_WORD.fullmatch(plain) is None, empty=True)


def nginx_meaning(name: str) -> Meaning:
    """Return the meaning of `$name`."""
    if name in NGINX:
        return NGINX[name]
    for prefix, renamed in (("sent_http_", "response_"), ("upstream_http_", "upstream_response_"), ("http_", "")):
        if name.startswith(prefix):
            return header(name.removeprefix(prefix), renamed)
    field = identifier(name)
    if _UPSTREAM_NUMBERS.fullmatch(name):
        return Meaning("list", field, "numbers")
    if _UPSTREAM_WORDS.fullmatch(name):
        return Meaning("list", field, "words")
    if name == "proxy_add_x_forwarded_for":
        return Meaning("commas", field, empty=True)
    return Meaning("text", field, blanks=_NGINX_FREE.fullmatch(name) is not None, empty=True)


_TYPED: dict[str, Meaning] = {
    "text": Meaning("text", "", empty=True),
    "free": _free("", empty=True),
    "int": Meaning("int", "", "signed"),
    "float": Meaning("float", "", "signed"),
    "padded": Meaning("int", "", "padded"),
    "status": Meaning("status", ""),
    "quoted": Meaning("quoted", ""),
    "address": Meaning("vhost_port", "", "address"),
    "iso": Meaning("iso", "time"),
    "epoch": Meaning("epoch", "time", "s"),
}


def typed_meaning(name: str, kind: str) -> Meaning:
    """Return the meaning of `${name:kind}`, where the kind may be a form of `strftime`. Only mrframe writes these."""
    if "%" in kind:
        return Meaning("strftime", "time", kind)
    if kind not in _TYPED:
        known = ", ".join(_TYPED)
        raise FormatError(f"${{{name}:{kind}}} has no known kind: {known}, or a form of a time such as %Y-%m-%d")
    return _TYPED[kind]._replace(name=_TYPED[kind].name or identifier(name))


def apache_meaning(letter: str, argument: str | None) -> Meaning | None:
    """Return the meaning of `%letter` or `%{argument}letter`, None if Apache has no such directive."""
    if argument is None:
        return APACHE.get(letter)
    if letter in ("i", "o"):
        return header(argument, _APACHE_NAMED_PREFIX[letter])
    known = _APACHE_NAMED.get((letter, argument))
    if known is not None:
        return known
    if letter == "t":
        form = argument.removeprefix("begin:").removeprefix("end:")
        name = "end_time" if argument.startswith("end:") else "time"
        return Meaning("strftime", name, _APACHE_TIMES.get(form, form))
    if letter in ("^ti", "^to"):
        return header(argument, "trailer_")
    if letter not in _APACHE_NAMED_PREFIX:
        return None
    blanks = letter == "C" or argument.upper().endswith("_DN")
    return Meaning("text", _APACHE_NAMED_PREFIX[letter] + identifier(argument), blanks=blanks, empty=True)
