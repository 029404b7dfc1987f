"""Files that are no logs, told by their first bytes and refused by name, with the command that makes text of them.

Read as text they would give an answer: a tar's headers are a few malformed lines among thousands of good ones. Where
a magic is plain text, a log might begin with it, so more of the head has to fit. Not here: gzip, bzip2 and xz, which
are read (`decode.py`), and telling apart formats of logs (`detect.py`).
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

from mrframe.errors import ExtraMissing, InputError

HEAD_BYTES = 512
"""How many first bytes are looked at: a header of tar."""


class Magic(NamedTuple):
    """What a head that `pattern` matches is, and the command that gives its text ("": there is none)."""

    pattern: re.Pattern[bytes]
    what: str
    command: str = ""


def _magic(pattern: bytes, what: str, command: str = "") -> Magic:
    return Magic(re.compile(pattern, re.DOTALL), what, command)


_COMPRESSED = (
    _magic(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd compressed", "zstd -dc"),
    _magic(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18", "lz4 compressed", "lz4 -dc"),
    _magic(rb"\xff\x06\x00\x00sNaPpY", "snappy compressed", "snzip -dc"),
    _magic(rb"\x1f[\x9d\xa0]", "compressed by compress", "uncompress -c"),
    _magic(rb"LZIP[\x00\x01]", "lzip compressed", "lzip -dc"),
    _magic(rb"\x89LZO\x00\r\n\x1a\n", "lzop compressed", "lzop -dc"),
    _magic(rb"\x5d\x00\x00[\x00-\x80][\x00-\x08]", "lzma compressed", "xz --format=lzma -dc"),
    _magic(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "a zip archive", "unzip -p"),
    _magic(rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x -so"),
)
_OTHERS = (
    _magic(rb".{257}ustar[\x00 ]", "a tar archive", "tar -xOf"),
    _magic(rb"Rar!\x1a\x07", "a rar archive", "unrar p -inul"),
    _magic(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}", "a cpio archive", "cpio -i --to-stdout <"),
    _magic(rb"!<arch>\n", "an ar archive or a Debian package", "ar p"),
    _magic(rb"SQLite format 3\x00", "an SQLite database", "sqlite3 -readonly"),
    _magic(rb"LPKSHHRH", "a journal of systemd", "journalctl -o cat --file"),
    _magic(rb"ElfFile\x00", "a Windows event log (evtx)", "evtx_dump -o jsonl"),
    _magic(rb"\x7fELF", "an ELF program or core dump"),
    _magic(rb"PAR1[\x00-\x08\x0e-\x1f\x80-\xff]", "a parquet file", "parquet-tools cat --json"),
    _magic(rb"ARROW1\x00\x00", "an Arrow file"),
    _magic(rb"ORC[\x00-\x08\x0e-\x1f\x80-\xff]", "an ORC file", "orc-contents"),
    _magic(rb"Obj\x01", "an Avro file", "avro-tools tojson"),
    _magic(rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1", "a packet capture", "tcpdump -r"),
    _magic(rb"\n\r\r\n.{4}(?:\x4d\x3c\x2b\x1a|\x1a\x2b\x3c\x4d)", "a packet capture (pcapng)", "tcpdump -r"),
    _magic(rb"\xfebin", "a binary log of MySQL", "mysqlbinlog"),
    _magic(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of Microsoft Office"),
    _magic(rb"%PDF-[12]\.", "a PDF document", "pdftotext"),
)
_READ = (
    _magic(rb"\x1f\x8b\x08", "gzip compressed", "gzip -dc"),
    _magic(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", "bzip2 compressed", "bzip2 -dc"),
    _magic(rb"\xfd7zXZ\x00", "xz compressed", "xz -dc"),
)
_LOGIN_BYTES = 384
_UTF16_MARK = re.compile(rb"\xff\xfe|\xfe\xff|\x00\x00\xfe\xff")
_EVERY_OTHER_NUL = re.compile(rb"(?:[\t\n\r -~]\x00){8}|(?:\x00[\t\n\r -~]){8}")


def check_is_text(head: bytes, name: str, tool: str = "") -> None:
    """Refuse a file that begins so, when it is known to be no log; with `tool`, `head` is what that tool decodes.

    Raises ExtraMissing for what would be text if mrframe could decode it, InputError for all else.
    """
    for magic in _COMPRESSED:
        if magic.pattern.match(head):
            raise ExtraMissing(_refusal(name, magic.what, magic.command, tool))
    for magic in (*_OTHERS, *(_READ if tool else ())):
        if magic.pattern.match(head):
            raise InputError(_refusal(name, magic.what, magic.command, tool))
    if _is_old_tar(head):
        raise InputError(_refusal(name, "a tar archive", "tar -xOf", tool))
    if _is_logins(head):
        raise InputError(_refusal(name, "a record of logins (utmp, wtmp, btmp)", "last -f", tool))
    _check_utf16(head, name, tool)


def _check_utf16(head: bytes, name: str, tool: str) -> None:
    """Lines cannot be found there by their bytes."""
    marked = _UTF16_MARK.match(head) is not None
    if marked or _EVERY_OTHER_NUL.match(head):
        said = "begins with the mark of UTF-16 or UTF-32 text" if marked else "is UTF-16 text without a mark"
        form = "UTF-16" if marked else "UTF-16BE" if head[0] == 0 else "UTF-16LE"
        shown = _piped(f"iconv -f {form} -t UTF-8", name, tool)
        raise InputError(f"{name} {said}; mrframe reads UTF-8: pipe it in: {shown}")


def _refusal(name: str, what: str, command: str, tool: str) -> str:
    said = f"{name} is {what}" + (f" within {tool.split(maxsplit=1)[0]} compression" if tool else "")
    if not command:
        return f"{said}, and no log; leave it out"
    return f"{said}, which mrframe does not read; pipe it in: {_piped(command, name, tool)}"


def _piped(command: str, name: str, tool: str) -> str:
    """The command line that reads the file with a command, behind the tool that decodes it."""
    shown = shlex.quote(name) if name.isprintable() else name
    if not tool or command.startswith("tar"):  # which decodes by itself
        return f"{command} {shown} | mrframe run JOB -"
    decoded = f"{tool} {shown}"
    if command.endswith("c") or command.startswith(("iconv", "cpio")):
        return f"{decoded} | {command.removesuffix(' <')} | mrframe run JOB -"
    return f"{decoded} > FILE; {command} FILE | mrframe run JOB -"


def _is_old_tar(head: bytes) -> bool:
    """Whether these are the 512 bytes of a tar's header from before ustar: its checksum says so."""
    stated = head[148:156].strip(b" \0")
    if len(head) < HEAD_BYTES or not head[0] or not re.fullmatch(rb"[0-7]{1,7}", stated):
        return False
    return sum(head) - sum(head[148:156]) + 8 * ord(" ") == int(stated, 8)


def _is_logins(head: bytes) -> bool:
    """Whether these begin with a record of `struct utmp`, of 384 bytes: a type, a line, a user, a host, a time."""
    if len(head) < _LOGIN_BYTES or not 1 <= head[0] <= 9 or any(head[1:4]) or any(head[364:_LOGIN_BYTES]):
        return False
    texts = [head[start:end].rstrip(b"\0") for start, end in ((8, 40), (44, 76), (76, 332))]
    return any(texts) and all(text.isascii() and (text.decode().isprintable()) for text in texts)
