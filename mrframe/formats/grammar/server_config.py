"""Takes the log formats out of a server's configuration: nginx's `log_format`, Apache's `LogFormat` with a nickname.

A directive is kept as it stands there, over several lines if need be, for `format_string.py` to read. Not followed:
`include` and `Include`, since a log may be read on another machine than its server's. Each file can be given.
"""

from __future__ import annotations

import re

_NGINX = re.compile(
    r"""^[ \t]*log_format\s+(\S+)"""
    r"""(?:\s++(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|\#[^\n]*+|[^\s;'"\#][^\s;'"]*+))*+\s*+;""",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|\#[^\n]*""", re.DOTALL)
_CONTINUED = re.compile(r"\\\r?\n")
_APACHE = re.compile(
    r"""^[ \t]*LogFormat\s+(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"']\S*)[ \t]+([^\s"]+)[ \t]*\r?$""",
    re.MULTILINE | re.IGNORECASE,
)


def formats_of_config(text: str) -> dict[str, str]:
    """Return {name: directive as it stands there} of each log format. The last one with a name counts."""
    found = {match[1]: _COMMENT.sub(lambda part: part[1] or "", match[0].strip()) for match in _NGINX.finditer(text)}
    found |= {match[1]: match[0].strip() for match in _APACHE.finditer(_CONTINUED.sub(" ", text))}
    return found
