"""Bad inputs and what must come of each: a table of (reader, name, bytes, records, malformed lines).

`values` are, for some cases, what each record's projected fields must be. The bytes are small on purpose, so that
cuts fall everywhere. Inputs that are refused as a whole are in `REFUSED` (by their bytes), with the class of the
error and words of its message.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from dataclasses import dataclass
from typing import Any

from mrframe.errors import ExtraMissing, InputError, MrframeError

BOM = b"\xef\xbb\xbf"
LIMIT = 40
"""What a line may be long in `LONG`, in place of the 256 MiB of the product."""


@dataclass(frozen=True)
class Case:
    reader: str
    name: str
    data: bytes
    records: int
    malformed: int = 0
    values: list[Any] | None = None
    packed: bytes = b""
    """What is in the file, when it is not `data` itself (compressed)."""


# ---- lines ------------------------------------------------------------------------------------------

_BREAKS = {  # what str.splitlines or bytes.splitlines take for the end of a line, and mrframe does not
    "vertical-tab": b"\x0b",
    "form-feed": b"\x0c",
    "file-separator": b"\x1c",
    "group-separator": b"\x1d",
    "record-separator": b"\x1e",
    "next-line": b"\xc2\x85",
    "line-separator": b"\xe2\x80\xa8",
    "paragraph-separator": b"\xe2\x80\xa9",
    "bare-0x85": b"\x85",
}
_ODD = {  # bytes that are data, whatever they look like
    "latin-1": b"caf\xe9",
    "overlong-slash": b"\xc0\xaf",
    "truncated-utf8": b"\xe2\x82",
    "surrogate-half": b"\xed\xa0\x80",
    "beyond-unicode": b"\xf5\x80\x80\x80",
    "all-bytes": bytes(b for b in range(256) if b != 10) + b".",  # the dot: 0xff stands before no line end
    "nul": b"a\x00b",
    "nul-run": b"a" + b"\x00" * 70,
    "escape": b"\x1b[2J\x1b]0;title\x07",
    "osc-52": b"\x1b]52;c;ZXZpbA==\x07",
    "bidi": "\u202eevil\u202c".encode(),
    "overwrite": b"good\rbad.",
    "script": b"<script>alert(1)</script>",
    "utf16-inside": "a".encode("utf-16-le") + b".",
    "emoji": "\U0001f600".encode(),
}
TEXT = [
    Case("text", "empty", b"", 0),
    Case("text", "newline-only", b"\n", 1, values=[""]),
    Case("text", "three-newlines", b"\n\n\n", 3, values=["", "", ""]),
    Case("text", "no-final-newline", b"a\nb", 2, values=["a", "b"]),
    Case("text", "crlf", b"a\r\nb\r\n", 2, values=["a", "b"]),
    Case("text", "crlf-without-an-end", b"a\r\nb\r", 2, values=["a", "b"]),
    Case("text", "two-returns", b"a\r\r\nb\r\r\n", 2, values=["a\r", "b\r"]),
    Case("text", "returns-only", b"a\rb\rc\r", 1, values=["a\rb\rc"]),
    Case("text", "mixed-ends", b"a\nb\r\nc\rd\ne", 4, values=["a", "b", "c\rd", "e"]),
    Case("text", "newline-return", b"a\n\rb\n\r", 3, values=["a", "\rb", ""]),
    Case("text", "return-alone", b"\r", 1, values=[""]),
    Case("text", "return-newline-alone", b"\r\n", 1, values=[""]),
    Case("text", "bom", BOM + b"a\nb\n", 2, values=["a", "b"]),
    Case("text", "bom-only", BOM, 0),
    Case("text", "bom-newline", BOM + b"\n", 1, values=[""]),
    Case("text", "two-boms", BOM + BOM + b"a\n", 1, values=["a"]),
    Case("text", "bom-inside", b"a\n" + BOM + b"b\n", 2, values=["a", "b"]),
    Case("text", "bom-within-a-line", b"a" + BOM + b"\n", 1, values=["a\ufeff"]),
    Case("text", "hole", b"\0" * 70 + b"a\nb\n", 2, values=["a", "b"]),
    Case("text", "hole-inside", b"a\n" + b"\0" * 70 + b"b\n", 2, values=["a", "b"]),
    Case("text", "hole-at-the-end", b"a\n" + b"\0" * 70, 1, values=["a"]),
    Case("text", "hole-only", b"\0" * 70, 0),
    Case("text", "hole-and-newline", b"\0" * 70 + b"\n", 1, values=[""]),
    Case("text", "hole-and-return", b"\0" * 70 + b"\r", 1, values=[""]),
    Case("text", "hole-and-crlf", b"\0" * 70 + b"\r\na\r\n", 2, values=["", "a"]),
    Case("text", "hole-between-boms", BOM + b"\0" * 70 + BOM + b"a\n" + BOM, 1, values=["a"]),
    Case("text", "hole-and-half-a-bom", b"\0" * 9 + BOM[:2] + b"a\n", 1, values=["\udcef\udcbba"]),
    Case("text", "nul-behind-a-blank", b" \0a\n", 1, values=[" \0a"]),
    Case("text", "half-a-bom", b"\xef\xbba\n", 1, values=["\udcef\udcbba"]),
    Case("text", "blanks", b" \n\t\n  ", 3, values=[" ", "\t", "  "]),
    Case("text", "long-and-short", b"x" * 150 + b"\ny\n" + b"z" * 150, 3),
    Case("text", "forged-line", b'GET /\\n127.0.0.1 - - "x"\n', 1),
    *(Case("text", f"break-{name}", b"a" + sep + b"b\nc" + sep + b"\n", 2) for name, sep in _BREAKS.items()),
    *(Case("text", f"odd-{name}", odd + b"\nb\n" + odd, 3) for name, odd in _ODD.items()),
]

# ---- access logs ------------------------------------------------------------------------------------


def line(
    host: bytes = b"192.0.2.7",
    time: bytes = b"17/May/2015:10:05:03 +0000",
    request: bytes = b"GET /a HTTP/1.1",
    status: bytes = b"200",
    size: bytes = b"12",
    agent: bytes = b"curl",
) -> bytes:
    """A line of the combined format."""
    return host + b" - - [" + time + b'] "' + request + b'" ' + status + b" " + size + b' "-" "' + agent + b'"\n'


def _one(name: str, values: tuple[Any, ...] | None, **parts: bytes) -> Case:
    """A line with odd parts between two good ones; `values` are its (time, status, size), None: malformed."""
    good = ("2015-05-17T10:05:03+00:00", 200, 12)
    kept = [good, good] if values is None else [good, tuple(values), good]
    return Case("combined", name, line() + line(**parts) + line(), len(kept), 3 - len(kept), kept)


_USUAL = "2015-05-17T10:05:03+00:00"
_TIMES: dict[bytes, str | None] = {  # of the right form; None where there is no such time
    b"29/Feb/2016:00:00:00 +0000": "2016-02-29T00:00:00+00:00",
    b"29/Feb/2015:00:00:00 +0000": None,
    b"31/Dec/9999:23:59:59 +0000": "9999-12-31T23:59:59+00:00",
    b"01/Jan/0001:00:00:00 +0000": "0001-01-01T00:00:00+00:00",
    b"01/Jan/0000:00:00:00 +0000": None,
    b"30/Jun/2015:23:59:60 +0000": None,
    b"17/May/2015:24:00:00 +0000": None,
    b"29/Mar/2015:02:30:00 +0100": "2015-03-29T02:30:00+01:00",
    b"25/Oct/2015:02:30:00 +0200": "2015-10-25T02:30:00+02:00",
    b"17/May/2015:10:05:03 -0330": "2015-05-17T10:05:03-03:30",
    b"17/May/2015:10:05:03 +1400": "2015-05-17T10:05:03+14:00",
    b"17/May/2015:10:05:03 +9900": None,
    b"00/May/2015:10:05:03 +0000": None,
}
_NO_TIMES = (
    b"17/Mai/2015:10:05:03 +0000",
    b"17/may/2015:10:05:03 +0000",
    b"17/May/15:10:05:03 +0000",
    b"17/May/2015:10:05:03",
    b"17/May/2015:10:05:03 PDT",
    b"17/May/2015:10:05:03 Z",
    b"1431857103",
    b"2015-05-17T10:05:03+00:00",
    b"-",
    b"",
)
_HOSTS = (b"::1", b"[::1]:80", b"fe80::1%eth0", b"::ffff:192.0.2.7", b"999.1.1.1", b"10.0.0.1,10.0.0.2", b"\xff\xfe")
_SIZES: dict[bytes, int | None] = {
    b"-": None,
    b"0": 0,
    b"007": 7,
    b"18446744073709551616": 1 << 64,
    b"9" * 60: 10**60 - 1,
}
_NO_SIZES = (b"", b"-1", b"1e3", b"0x10", b"NaN", b"1.5", b"1 2", b"\xd9\xa3")
_REQUESTS = (
    b"-",
    b"",
    b"\\x16\\x03\\x01",
    b"GET /",
    b"GET  /a HTTP/1.1",
    b'GET /\\"q HTTP/1.1',
    b"GET /\\\\ HTTP/1.1",
)
ACCESS = [
    Case("combined", "empty-lines", b"\n" + line() + b"\n\n" + line(), 2, 3),
    Case("combined", "no-final-newline", line() + line()[:-1], 2),
    Case("combined", "crlf", (line() + line()).replace(b"\n", b"\r\n"), 2),
    Case("combined", "torn-last-line", line() + line()[:-9], 1, 1),
    Case("combined", "torn-first-line", line()[5:] + line(), 2),
    Case("combined", "torn-into-the-time", line()[25:] + line(), 1, 1),
    Case("combined", "two-lines-in-one", line()[:-1] + line() + line(), 1, 1),
    Case("combined", "nul-tail", line() + b"\x00" * 90, 1),
    Case("combined", "nul-hole", line() + b"\x00" * 90 + b"\n" + line(), 2, 1),
    Case("combined", "copytruncate", b"\x00" * 900 + line() + line(), 2),
    Case("combined", "copytruncate-later", line() + b"\x00" * 900 + line() + line(), 3),
    Case("combined", "hole-before-malformed", line() + b"\x00" * 90 + b"odd\n" + line(), 2, 1),
    Case("combined", "hole-and-crlf", b"\x00" * 90 + (line() + line()).replace(b"\n", b"\r\n"), 2),
    Case("combined", "bom", BOM + line() + line(), 2),
    Case("combined", "bom-inside", line() + BOM + line() + line(), 3),
    Case("combined", "common-lines-between", line() + line()[: line().index(b' "-" ')] + b"\n" + line(), 2, 1),
    Case("combined", "json-between", line() + b'{"a": 1}\n' + line(), 2, 1),
    Case("combined", "traceback-between", line() + b"Traceback (most recent call last):\n  File x\n" + line(), 2, 2),
    Case("combined", "blanks-behind", line()[:-1] + b" \n" + line(), 1, 1),
    Case("combined", "blank-before", b" " + line() + line(), 1, 1),
    Case("combined", "tabs", line().replace(b" ", b"\t") + line(), 1, 1),
    Case("combined", "open-quote", line(agent=b"x")[:-2] + b"\n" + line(), 1, 1),
    Case("combined", "bare-quote", line(agent=b'a"b') + line(), 1, 1),
    Case("combined", "bare-newline-in-a-field", line(agent=b"a\nb") + line(), 1, 2),
    Case("combined", "forged-by-newline", line(agent=b'x"\n' + line()[:-2].replace(b'"curl', b'"y')) + line(), 3, 0),
    Case("combined", "only-malformed", b"a\nb\nc", 0, 3),
    Case("combined", "long-agent", line(agent=b"a" * 300) + line(), 2),
    *(_one(f"agent-{name}", (_USUAL, 200, 12), agent=odd) for name, odd in _ODD.items() if name != "all-bytes"),
    *(_one(f"agent-{name}", (_USUAL, 200, 12), agent=b"a" + sep + b"b") for name, sep in _BREAKS.items()),
    *(_one(f"time-{text.decode()}", (value, 200, 12), time=text) for text, value in _TIMES.items()),
    *(_one(f"no-time-{text.decode()}", None, time=text) for text in _NO_TIMES),
    *(_one(f"host-{text!r}", (_USUAL, 200, 12), host=text) for text in _HOSTS),
    *(_one(f"size-{text.decode()}", (_USUAL, 200, value), size=text) for text, value in _SIZES.items()),
    *(_one(f"no-size-{text!r}", None, size=text) for text in _NO_SIZES),
    *(_one(f"request-{text!r}", (_USUAL, 200, 12), request=text) for text in _REQUESTS),
    *(_one(f"no-status-{text!r}", None, status=text) for text in (b"", b"20", b"2000", b"2x0", b"-200")),
    _one("status-dash", (_USUAL, None, 12), status=b"-"),
]

# ---- JSON lines -------------------------------------------------------------------------------------

_OBJECTS = {
    "repeated-name": (b'{"a": 1, "a": 2}', 2),
    "not-a-number": (b'{"a": NaN}', "nan"),
    "infinity": (b'{"a": -Infinity}', float("-inf")),
    "big-int": (b'{"a": 18446744073709551616}', 1 << 64),
    "lone-surrogate": (b'{"a": "\\ud800"}', "\ud800"),
    "no-such-field": (b'{"b": 1}', None),
    "null": (b'{"a": null}', None),
    "escaped-newline": (b'{"a": "x\\ny"}', "x\ny"),
    "not-utf8": (b'{"a": "\xff"}', "\udcff"),
    "bom-inside": (BOM + b'{"a": 1}', 1),
    "hole": (b"\0" * 90 + b'{"a": 1}', 1),
    "blanks-around": (b' \t{"a": 1}\t ', 1),
    "nul-escape": (b'{"a": "\\u0000"}', "\0"),
    "next-line-inside": (b'{"a": "\xc2\x85"}', "\x85"),
    "empty-object": (b"{}", None),
}
_NO_OBJECTS = {
    "trailing-comma": b'{"a": 1,}',
    "single-quotes": b"{'a': 1}",
    "array": b'[{"a": 1}]',
    "number": b"1",
    "two-objects": b'{"a": 1} {"a": 2}',
    "torn": b'{"a": 1',
    "torn-string": b'{"a": "x',
    "bare-control": b'{"a": "x\ty"}',
    "deep-arrays": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep-and-torn": b'{"a": ' + b"[" * 100_000,
    "more-digits-than-python-reads": b'{"a": ' + b"9" * 5000 + b"}",
    "nul": b'{"a": 1}\x00',
    "empty-line": b"",
    "blank-line": b"  ",
    "comment": b"// nothing",
}
_JSON_LINE = b'{"a": 0}\n'
JSON = [
    *(
        Case("json", name, _JSON_LINE + data + b"\n" + _JSON_LINE, 3, values=[0, value, 0])
        for name, (data, value) in _OBJECTS.items()
    ),
    *(
        Case("json", name, _JSON_LINE + data + b"\n" + _JSON_LINE, 2, 1, values=[0, 0])
        for name, data in _NO_OBJECTS.items()
    ),
    Case("json", "object-over-two-lines", b'{"a":\n1}\n' + _JSON_LINE, 1, 2),
    Case("json", "bom", BOM + _JSON_LINE + _JSON_LINE, 2),
    Case("json", "crlf", b'{"a": 0}\r\n{"a": 0}\r\n', 2),
    Case("json", "no-final-newline", _JSON_LINE + b'{"a": 1}', 2, values=[0, 1]),
]

# ---- compressed -------------------------------------------------------------------------------------

_PLAIN = b"".join(b"%d\n" % n for n in range(30)) + b"end"
_GZ = gzip.compress(_PLAIN, mtime=0)
_HALVES = gzip.compress(_PLAIN[:20], mtime=0) + gzip.compress(_PLAIN[20:], mtime=0)
_MANY = b"".join(gzip.compress(_PLAIN[at : at + 1], mtime=0) for at in range(len(_PLAIN)))
PACKED = [
    Case("text", "gzip-empty", b"", 0, packed=gzip.compress(b"", mtime=0)),
    Case("text", "gzip", _PLAIN, 31, packed=_GZ),
    Case("text", "gzip-two-members", _PLAIN, 31, packed=_HALVES),
    Case("text", "gzip-a-member-for-each-byte", _PLAIN, 31, packed=_MANY),
    Case("text", "gzip-empty-member-first", _PLAIN, 31, packed=gzip.compress(b"", mtime=0) + _GZ),
    Case("text", "gzip-zero-padding", _PLAIN, 31, packed=_GZ + b"\0" * 600),
    Case("text", "gzip-zeros-between", _PLAIN * 2, 61, packed=_GZ + b"\0" * 5 + _GZ),
    Case("text", "gzip-with-a-bom", b"a\n", 1, packed=gzip.compress(BOM + b"a\n", mtime=0)),
    Case("text", "bzip2", _PLAIN, 31, packed=bz2.compress(_PLAIN)),
    Case("text", "xz", _PLAIN, 31, packed=lzma.compress(_PLAIN)),
]

# ---- over the limit ---------------------------------------------------------------------------------

_LONG = b"x" * LIMIT
LONG = [
    Case("text", "exactly-the-limit", _LONG[1:] + b"\nb\n", 2),
    Case("text", "one-over", _LONG + b"\nb\n", 1, 1),
    Case("text", "one-over-at-the-end", b"a\n" + _LONG + b"y", 1, 1),
    Case("text", "the-limit-at-the-end", b"a\n" + _LONG, 2),
    Case("text", "long-with-a-return", b"a\n" + _LONG + b"\r\nb", 2, 1),
    Case("text", "two-long-ones", _LONG * 5 + b"\n" + _LONG * 7 + b"\nb\n", 1, 2),
    Case("text", "no-newline-at-all", _LONG * 9, 0, 1),
    Case("text", "long-with-a-bom", BOM + _LONG + b"\nb\n", 1, 1),
    Case("text", "long-behind-a-hole", b"\0" * LIMIT * 3 + _LONG + b"\nb\n", 1, 1),
    Case("text", "a-long-hole", b"a\n" + b"\0" * LIMIT * 3 + b"b\n", 2, values=["a", "b"]),
    Case("text", "a-long-hole-and-the-limit", b"\0" * LIMIT * 3 + _LONG[1:] + b"\nb\n", 2),
    Case("text", "a-bom-and-the-limit", BOM + _LONG[1:] + b"\nb\n", 2),
    Case("text", "a-long-hole-at-the-end", b"a\n" + b"\0" * LIMIT * 3, 1, values=["a"]),
]

# ---- refused as a whole -----------------------------------------------------------------------------

_CUTS = (1, 2, 9, 10, 11, len(_GZ) // 2, len(_GZ) - 8, len(_GZ) - 1)
_WRONG_CRC = _GZ[:-8] + zlib.crc32(b"other").to_bytes(4, "little") + _GZ[-4:]
_WRONG_SIZE = _GZ[:-4] + b"\1\0\0\0"
REFUSED: dict[str, tuple[bytes, type[MrframeError], str]] = {
    **{f"gzip-cut-to-{n}": (_GZ[:n], InputError, "truncated") for n in _CUTS if n >= 2},
    "gzip-wrong-crc": (_WRONG_CRC, InputError, "damaged"),
    "gzip-wrong-size": (_WRONG_SIZE, InputError, "damaged"),
    "gzip-garbage-behind": (_GZ + b"more than the head of a member", InputError, "not gzip from compressed byte"),
    "gzip-a-byte-behind": (_GZ + b"\x1f", InputError, "not gzip from compressed byte"),
    "gzip-garbage-inside": (_GZ[:30] + b"\xff\xff\xff\xff" + _GZ[34:], InputError, "damaged"),
    "gzip-second-member-cut": (_HALVES[:-3], InputError, "truncated"),
    "bzip2-cut": (bz2.compress(_PLAIN)[:-5], InputError, "truncated"),
    "xz-cut": (lzma.compress(_PLAIN)[:-5], InputError, "truncated"),
    "zip": (b"PK\x03\x04" + b"\0" * 30, ExtraMissing, "zip archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + b"\0" * 30, ExtraMissing, "zstd"),
    "lz4": (b"\x04\x22\x4d\x18" + b"\0" * 30, ExtraMissing, "lz4"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"\0" * 30, ExtraMissing, "7z"),
    "compress": (b"\x1f\x9d" + b"\0" * 30, ExtraMissing, "compress"),
    "utf-16-le": ("a\nb\n".encode("utf-16"), InputError, "UTF-16"),
    "utf-16-be": (b"\xfe\xff" + "a\nb\n".encode("utf-16-be"), InputError, "UTF-16"),
    "utf-32": ("a\nb\n".encode("utf-32"), InputError, "UTF-16 or UTF-32"),
}
