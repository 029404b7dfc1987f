"""Files that are no logs, told by their first bytes and refused by name, with the command that makes text of them.

Read as text they would give an answer: a tar's headers are a few malformed lines among thousands of good ones. Where
a magic is plain text, a log might begin with it, so more of the head has to fit. Not here: gzip, bzip2 and xz, which
are read (`compression.py`), and telling apart formats of logs (`detect.py`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mrframe.errors import ExtraMissing, InputError

HEAD_BYTES = 512
"""First bytes that are examined: a header of tar."""


class Magic(NamedTuple):
    """A kind of file whose head matches `pattern`, and the command that gives its text ("" if there is none)."""

    pattern: bytes
    what: str
    command: str = ""

    def matches(self, head: bytes) -> bool:
        """Return whether a head begins so. Patterns are compiled here, since hardly any run needs them."""
        return re.match(self.pattern, head, re.DOTALL) is not None


_COMPRESSED = (
    Magic(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd compressed", "zstd -dc"),
    Magic(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "lz4 compressed", "lz4 -dc"),
    Magic(rb"\xff\x06\x00\x00sNaPpY", "snappy compressed", "snzip -dc"),
    Magic(rb"\x1f[\x9d\xa0]", "compressed by compress", "uncompress -c"),
    Magic(rb"LZIP[\x00\x01]", "lzip compressed", "lzip -dc"),
    Magic(rb"\x89LZO\x00\r\n\x1a\n", "lzop compressed", "lzop -dc"),
    Magic(rb"\x5d\x00\x00[\x00-\x80][\x00-\x08]", "lzma compressed", "xz --format=lzma -dc"),
    Magic(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive", "unzip -p"),
    Magic(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
)
_OTHERS = (
    Magic(rb".{257}ustar[\x00 ]", "a tar archive", "tar -xOf"),
    Magic(rb"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    Magic(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}", "a cpio archive", "cpio -i --to-stdout <"),
    Magic(rb"!<arch>\n", "an ar archive or a Debian package", "ar p"),
    Magic(rb"SQLite format 3\x00", "an SQLite database", "sqlite3 -readonly"),
    Magic(rb"LPKSHHRH", "a journal of systemd", "journalctl -o cat --file"),
    Magic(rb"ElfFile\x00", "a Windows event log (evtx)", "evtx_dump -o jsonl"),
    Magic(rb"\x7fELF", "an ELF program or core dump"),
    Magic(rb"PAR1[\x00-\x08\x0e-\x1f\x80-\xff]", "a parquet file", "parquet-tools cat --json"),
    Magic(rb"ARROW1\x00\x00", "an Arrow file"),
    Magic(rb"ORC[\x00-\x08\x0e-\x1f\x80-\xff]", "an ORC file", "orc-contents"),
    Magic(rb"Obj\x01", "an Avro file", "avro-tools tojson"),
    Magic(rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1", "a packet capture", "tcpdump -r"),
    Magic(rb"\n\r\r\n.{4}(?:\x4d\x3c\x2b\x1a|\x1a\x2b\x3c\x4d)", "a packet capture (pcapng)", "tcpdump -r"),
    Magic(rb"\xfebin", "a binary log of MySQL", "mysqlbinlog"),
    Magic(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Microsoft Office"),
    Magic(rb"%PDF-[12]\.", "a PDF document", "pdftotext"),
)
_READ = (
    Magic(rb"\x1f\x8b\x08", "gzip compressed", "gzip -dc"),
    Magic(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "bzip2 compressed", "bzip2 -dc"),
    Magic(rb"\xfd7zXZ\x00", "xz compressed", "xz -dc"),
)
_PRINTABLE = (b"07070", b"!<arch>", b"LPKSHHRH", b"%PDF-", b"PAR1", b"ORC", b"ARROW1")
"""Beginnings of magics that look like text."""
_TEXT_BYTES = 16  # of a head, which of text are printable
_LOGIN_BYTES = 384
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_EVERY_OTHER_NUL = rb"(?:[\t\n\r -~]\x00){8}|(?:\x00[\t\n\r -~]){8}"


def check_is_text(head: bytes, name: str, tool: str = "") -> None:
    """Refuse a file with this head if it is known to be no log. With `tool`, `head` is the output of that tool.

    Raises ExtraMissing for text in a compression that mrframe cannot decode, InputError for all else.
    """
    if _is_plain(head):
        return
    for magic in _COMPRESSED:
        if magic.matches(head):
            raise ExtraMissing(_refusal(name, magic.what, magic.command, tool))
    for magic in (*_OTHERS, *(_READ if tool else ())):
        if magic.matches(head):
            raise InputError(_refusal(name, magic.what, magic.command, tool))
    if _is_old_tar(head):
        raise InputError(_refusal(name, "a tar archive", "tar -xOf", tool))
    if _is_logins(head):
        raise InputError(_refusal(name, "a record of logins (utmp, wtmp, btmp)", "last -f", tool))
    _check_utf16(head, name, tool)


def _is_plain(head: bytes) -> bool:
    """Return whether a head is text at first sight: no NUL, and printable where the magics have other bytes."""
    start = head[:_TEXT_BYTES].translate(None, b"\t\r\n")
    return b"\0" not in head and start.isascii() and start.decode().isprintable() and not head.startswith(_PRINTABLE)


def _check_utf16(head: bytes, name: str, tool: str) -> None:
    """Lines cannot be found there by their bytes."""
    marked = head.startswith(_UTF16_MARKS)
    if marked or re.match(_EVERY_OTHER_NUL, head):
        fault = "begins with the mark of UTF-16 or UTF-32 text" if marked else "is UTF-16 text without a mark"
        form = "UTF-16" if marked else "UTF-16BE" if head[0] == 0 else "UTF-16LE"
        shown = _piped(f"iconv -f {form} -t UTF-8", name, tool)
        raise InputError(f"{name} {fault}; mrframe reads UTF-8: pipe it in: {shown}")


def _refusal(name: str, what: str, command: str, tool: str) -> str:
    refusal = f"{name} is {what}" + (f" within {tool.split(maxsplit=1)[0]} compression" if tool else "")
    if not command:
        return f"{refusal}, and no log; leave it out"
    return f"{refusal}, which mrframe does not read; pipe it in: {_piped(command, name, tool)}"


def _piped(command: str, name: str, tool: str) -> str:
    """The command line that reads the file with a command, behind the tool that decodes it."""
    import shlex

    shown = shlex.quote(name) if name.isprintable() else name
    if not tool or command.startswith("tar"):  # which decodes by itself
        return f"{command} {shown} | mrframe run JOB -"
    decoded = f"{tool} {shown}"
    if command.endswith("c") or command.startswith(("iconv", "cpio")):
        return f"{decoded} | {command.removesuffix(' <')} | mrframe run JOB -"
    return f"{decoded} > FILE; {command} FILE | mrframe run JOB -"


def _is_old_tar(head: bytes) -> bool:
    """Return whether these 512 bytes are a tar header from before ustar, by its checksum."""
    stated = head[148:156].strip(b" \0")
    if len(head) < HEAD_BYTES or not head[0] or not re.fullmatch(rb"[0-7]{1,7}", stated):
        return False
    return sum(head) - sum(head[148:156]) + 8 * ord(" ") == int(stated, 8)


def _is_logins(head: bytes) -> bool:
    """Return whether these begin with a record of `struct utmp`, of 384 bytes: type, line, user, host, time."""
    if len(head) < _LOGIN_BYTES or not 1 <= head[0] <= 9 or any(head[1:4]) or any(head[364:_LOGIN_BYTES]):
        return False
    texts = [head[start:end].rstrip(b"\0") for start, end in ((8, 40), (44, 76), (76, 332))]
    return any(texts) and all(text.isascii() and (text.decode().isprintable()) for text in texts)
