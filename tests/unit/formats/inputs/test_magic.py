"""Files that are no logs: each is refused by what it is, with the command that makes text of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import struct
import sys
import tarfile
import zipfile

import pytest

from mrframe.errors import ExtraMissing, InputError
from mrframe.formats.inputs.compression import decompress
from mrframe.formats.inputs.files import expand
from mrframe.formats.inputs.magic import HEAD_BYTES, check_is_text

LINE = b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12\n'


def tar(form: int) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        member = tarfile.TarInfo("logs/a.log")
        member.size = len(LINE)
        archive.addfile(member, io.BytesIO(LINE))
    return made.getvalue()


def old_tar() -> bytes:
    """A header from before ustar: without its magic, and with the checksum of that."""
    header = bytearray(tar(tarfile.USTAR_FORMAT)[:512])
    header[257:265] = bytes(8)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + LINE


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("a.log", LINE)
    return made.getvalue()


def login(user: bytes) -> bytes:
    return struct.pack(
        "<h2xi32s4s32s256shhiii16s20x", 7, 4711, b"pts/0", b"ts/0", user, b"192.0.2.7", 0, 0, 0, 9, 0, b""
    )


KINDS: dict[str, tuple[bytes, str]] = {
    "gnu tar": (tar(tarfile.GNU_FORMAT), "is a tar archive.*tar -xOf x"),
    "ustar": (tar(tarfile.USTAR_FORMAT), "is a tar archive.*tar -xOf x"),
    "pax": (tar(tarfile.PAX_FORMAT), "is a tar archive.*tar -xOf x"),
    "old tar": (old_tar(), "is a tar archive"),
    "zip": (archive(), "is a zip archive.*unzip -p x"),
    "rar": (b"Rar!\x1a\x07\x01\0" + bytes(20), "is a rar archive"),
    "cpio": (b"070701" + b"0000A1FF" * 13 + b"a\0", "is a cpio archive.*cpio -i --to-stdout < x"),
    "deb": (b"!<arch>\ndebian-binary   ", "is an ar archive or a Debian package"),
    "parquet": (b"PAR1\x15\x04\x15\x0c", "is a parquet file"),
    "evtx": (b"ElfFile\0" + bytes(90), r"is a Windows event log \(evtx\)"),
    "journal": (b"LPKSHHRH" + bytes(90), "is a journal of systemd.*journalctl -o cat --file x"),
    "login": (login(b"root") * 3, r"is a record of logins \(utmp, wtmp, btmp\).*last -f x"),
    "boot": (login(b"reboot"), "is a record of logins"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04", "is zstd compressed.*zstd -dc x"),
    "skippable zstd": (b"\x50\x2a\x4d\x18\x04", "is zstd compressed"),
    "lzma": (lzma.compress(LINE, lzma.FORMAT_ALONE), "is lzma compressed"),
    "pcap": (b"\xd4\xc3\xb2\xa1\2\0\4\0", "is a packet capture.*tcpdump -r x"),
    "pcapng": (b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a", "is a packet capture"),
    "binlog": (b"\xfebin\x12", "is a binary log of MySQL.*mysqlbinlog x"),
    "utf-16 without a mark": (LINE.decode().encode("utf-16-le"), "UTF-16 text without a mark.*iconv -f UTF-16LE"),
    "utf-16 big end first": (LINE.decode().encode("utf-16-be"), "UTF-16 text without a mark.*iconv -f UTF-16BE"),
    "utf-32": (b"\0\0\xfe\xff" + bytes(8), "the mark of UTF-16 or UTF-32"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_log_is_refused_by_its_kind_whatever_its_name(tmp_path, monkeypatch, kind):
    data, words = KINDS[kind]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(data)
    with pytest.raises((InputError, ExtraMissing), match=f"^x .*{words}"):
        expand(["x"])


def test_a_database_and_a_program_of_this_machine_are_known(tmp_path):
    path = str(tmp_path / "x.db")
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(InputError, match="is an SQLite database"):
        expand([path])
    if sys.platform == "linux":
        with pytest.raises(InputError, match="is an ELF program or core dump, and no log; leave it out"):
            expand([sys.executable])


WITHIN = {
    "tar": (tar(tarfile.GNU_FORMAT), "x is a tar archive within {tool} compression.* tar -xOf x"),
    "gzip": (
        gzip.compress(LINE),
        r"x is gzip compressed within {tool} .* {tool} -dc x \| gzip -dc \| mrframe run JOB -",
    ),
    "journal": (
        KINDS["journal"][0],
        "x is a journal of systemd within {tool}.* > FILE; journalctl -o cat --file FILE",
    ),
    "utf-16": (KINDS["utf-16 without a mark"][0], r"\| iconv -f UTF-16LE -t UTF-8 \| mrframe"),
}
TOOLS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("kind", WITHIN)
@pytest.mark.parametrize("chunk_bytes", [1, 100, 1 << 20])
def test_a_file_that_is_no_log_is_refused_within_compression_too(tool, kind, chunk_bytes):
    data, words = WITHIN[kind]
    packed = TOOLS[tool](data)
    chunks = [packed[at : at + chunk_bytes] for at in range(0, len(packed), chunk_bytes)]
    with pytest.raises(InputError, match=words.format(tool=tool)):
        list(decompress(chunks, tool, "x"))


@pytest.mark.parametrize("tool", TOOLS)
def test_a_log_within_compression_is_read(tool):
    assert b"".join(decompress([TOOLS[tool](LINE)], tool, "x")) == LINE


@pytest.mark.parametrize(
    "line",
    [
        b"070701 12:00:00 [Note] ready for connections\n" * 9,
        b"PAR1 is what a parquet file begins with\n",
        b"ORC: the orchestrator\nObj x\n",
        b"LZIP is older\n",
        b"PK\nBZh\nRar!\n7z\n",
        b"ustar " * 99,
        b"\n\r\r\n" * 9,
        b"] ] ]\n",
        b"%PDF is a name\n",
        b"a\0b\0c\n",
        b"\0" * 700,
        b"\0" * 100 + LINE,
        b"\x07\0\0\0" + b"\xff" * 500,
        b"",
        LINE * 9,
    ],
)
def test_text_that_only_looks_so_is_text(line):
    check_is_text(line[:HEAD_BYTES], "x")
