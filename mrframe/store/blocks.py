"""A node's block store: files named by the hash of their content, compressed at rest, judged whenever they are read.

    <folder>/lock            held by the one process that has the store open
    <folder>/blocks/<name>   one block: header, then its content as it is or as a zlib stream
    <folder>/staging/        what is being written; swept when the store is opened

A name is the BLAKE2b-256 of the content in hex, so the same bytes are one block, whoever puts them and however the
source was compressed. Not here: which blocks a dataset has, and which nodes keep them (`core/replicas.py`).

Rules.
- A block is whole and on the disk (file and directory) when `add` returns; before that there is nothing of it but a
  file in staging. A killed process leaves no more than that.
- Nothing that is read is believed: a checksum covers the file and the name covers the content. So a file that lost a
  bit is never taken for the block, neither by a reader nor by an `add` of the same content, which puts it right.
- Names come from peers: what is not 64 hex digits is never made a path.
- The folder and its files are this user's alone, or are refused (`store/private.py`).
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, BinaryIO, Self

from mrframe.errors import CorruptData, OutputError, StoreFull
from mrframe.store.disk import fault_text, is_full, sync_directory, token, try_lock
from mrframe.store.private import check_private, open_private, private_directory

NAME_BYTES = 32
PIECE_BYTES = 1 << 20
RESERVE_BYTES = 64 << 20
"""What an `add` leaves free on the disk, for the journal and for what attempts write."""
LEVEL = 1
"""Of zlib: higher ones take several times as long for logs that are hardly smaller."""
PAYS = 0.9
"""Content is stored as it is when its first piece does not shrink to this part of it."""

_NAME = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}")
_HEAD = struct.Struct("<16sIIQQ")  # magic, CRC-32, encoding, bytes of content, bytes encoded
_CHECKED_FROM = 20  # the checksum covers what follows the header, then the header from here on
_MAGIC = b"mrframe-block 1\n"
_PLAIN, _ZLIB = 0, 1


@dataclass(frozen=True, slots=True)
class Stored:
    """A block in the store: its name, the bytes of its content and of its file, and whether it was new here."""

    name: str
    length: int
    file_bytes: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """A block that is not what its name says, and why, in words for people."""

    name: str
    reason: str


class BlockStore:
    """The store in `folder`, made when it is not there; open until `close`. A context manager; not thread-safe.

    NotPrivate when the folder is not this user's alone, OutputError when another process has it open.
    """

    def __init__(self, folder: str) -> None:
        self.path = private_directory(folder)
        self._lock = open_private(os.path.join(self.path, "lock"))
        if not try_lock(self._lock):
            self.close()
            raise OutputError(f"the block store {self.path} is open in another process; end that one first")
        try:
            self._blocks = private_directory(os.path.join(self.path, "blocks"))
            self._staging = private_directory(os.path.join(self.path, "staging"))
            sync_directory(self.path)
            for name in os.listdir(self._staging):
                os.unlink(os.path.join(self._staging, name))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process have it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def file(self, name: str) -> str:
        """The path of a block's file, which need not be there; ValueError when this is no name of a block."""
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not the name of a block: {name[:80]!r}")
        return os.path.join(self._blocks, name)

    def names(self) -> list[str]:
        """All blocks that there are files of, sorted."""
        return sorted(filter(_NAME.fullmatch, os.listdir(self._blocks)))

    # ---- writing ------------------------------------------------------------------------------------

    def add(self, chunks: Iterable[bytes], *, length: int, name: str | None = None) -> Stored:
        """Keep the content that the chunks make up, `length` bytes; it is on the disk when this returns.

        Raises StoreFull when there is no room for it, CorruptData when the content is not `length` bytes, or not that
        of `name`, OutputError when the disk refuses. Then, and when `chunks` raises, nothing is kept.
        """
        self._check_room(length)
        staged = os.path.join(self._staging, token())
        try:
            written = _write(staged, _taken(chunks))
            if written.length != length or name not in (None, written.name):
                raise CorruptData(
                    f"{written.length:,} bytes arrived as block {written.name}, where {length:,} bytes of block "
                    f"{name or 'any name'} were to arrive; put it again"
                )
            return self._place(staged, written)
        except _ChunksEnded as ended:
            raise ended.error from None
        except OSError as error:
            raise self._refusal(error) from None
        finally:
            _unlink(staged)

    def _place(self, staged: str, written: Stored) -> Stored:
        place = self.file(written.name)
        is_new = self.fault(written.name) is not None
        if is_new:
            os.replace(staged, place)
        sync_directory(self._blocks)  # also of one that was here: who put it may have been killed before this
        file_bytes = os.stat(place).st_size
        return Stored(written.name, written.length, file_bytes, is_new)

    def _check_room(self, length: int) -> None:
        state = os.statvfs(self.path)
        free_bytes = state.f_bavail * state.f_frsize
        if free_bytes < length + RESERVE_BYTES:
            raise StoreFull(
                f"the block store {self.path} has no room for {length:,} bytes: {free_bytes:,} bytes are free, and "
                f"{RESERVE_BYTES:,} of them stay so; free some space, or remove datasets"
            )

    def _refusal(self, error: OSError) -> StoreFull | OutputError:
        text = f"the block store {self.path} cannot be written: {fault_text(error, self.path)}"
        return (StoreFull if is_full(error) else OutputError)(text)

    def delete(self, name: str) -> bool:
        """Delete a block, for good when this returns; whether it was there. OutputError when the disk refuses."""
        try:
            os.unlink(self.file(name))
            sync_directory(self._blocks)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._refusal(error) from None
        return True

    # ---- reading ------------------------------------------------------------------------------------

    def read(self, name: str) -> bytes:
        """The content of a block, all of it judged. CorruptData when it is gone or damaged, NotPrivate."""
        return b"".join(read_block(self.file(name), name))

    def fault(self, name: str) -> str | None:
        """Why this is not a whole block of that name, in words; None when it is. NotPrivate."""
        try:
            for _ in read_block(self.file(name), name):
                pass
        except CorruptData as error:
            return str(error)
        return None

    def scrub(self) -> Iterator[Fault | None]:
        """Judge all blocks, one with each step: its fault, or None. What is deleted meanwhile is passed over."""
        for name in self.names():
            reason = self.fault(name)
            yield Fault(name, reason) if reason is not None and os.path.lexists(self.file(name)) else None


class _ChunksEnded(Exception):
    """The chunks of an `add` raised what could be taken for a fault of the store."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def _taken(chunks: Iterable[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except OSError as error:
        raise _ChunksEnded(error) from None


def name_of(content: bytes) -> str:
    """The name of the block with this content."""
    return blake2b(content, digest_size=NAME_BYTES).hexdigest()


def read_block(path: str, name: str) -> Iterator[bytes]:
    """The content of the block in the file at `path`, by pieces of at most PIECE_BYTES.

    Only when all pieces were given without an error is any of them to be believed. CorruptData when the file is gone,
    cannot be read, or is not what `name` says; NotPrivate. May be used by any process of the user.
    """
    try:
        check_private(path)
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            yield from _pieces(file, name)
    except FileNotFoundError:
        raise CorruptData(f"the block {path} is gone; another replica has its content") from None
    except OSError as error:
        raise CorruptData(f"the block {path} cannot be read: {error.strerror}; check the disk") from None
    except (ValueError, zlib.error) as error:
        raise CorruptData(f"the block {path} is damaged ({error}); another replica has its content") from None


def _pieces(file: BinaryIO, name: str) -> Iterator[bytes]:
    """As `read_block`; ValueError or zlib.error when the file is not what it should be."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise ValueError("it ends within its header")
    magic, stated, encoding, length, encoded_bytes = _HEAD.unpack(head)
    size = os.fstat(file.fileno()).st_size
    if magic != _MAGIC or encoding not in (_PLAIN, _ZLIB) or size != _HEAD.size + encoded_bytes:
        raise ValueError("its header does not fit it")
    crc, digest, given = 0, blake2b(digest_size=NAME_BYTES), 0
    inflater = zlib.decompressobj() if encoding == _ZLIB else None
    while data := file.read(PIECE_BYTES):
        crc = zlib.crc32(data, crc)
        for piece in (data,) if inflater is None else _inflated(inflater, data):
            given += len(piece)
            if given > length:  # before more of it is made than the header has said
                raise ValueError("its content is longer than its header says")
            digest.update(piece)
            yield piece
    if inflater is not None and (not inflater.eof or inflater.unused_data):
        raise ValueError("its compressed content does not end with it")
    if zlib.crc32(head[_CHECKED_FROM:], crc) != stated:
        raise ValueError("it does not match its checksum")
    if given != length or digest.hexdigest() != name:
        raise ValueError("its content is not that of its name")


def _inflated(inflater: Any, data: bytes) -> Iterator[bytes]:
    while data:
        yield inflater.decompress(data, PIECE_BYTES)
        data = inflater.unconsumed_tail


def _write(path: str, chunks: Iterable[bytes]) -> Stored:
    """Write a new file with this content and make it durable, without its name. What `chunks` raises, OSError."""
    digest, length, encoded_bytes, crc = blake2b(digest_size=NAME_BYTES), 0, 0, 0
    deflater: Any = None
    with open(path, "xb", opener=_private) as file:
        file.write(bytes(_HEAD.size))
        for chunk in chunks:
            if not length:
                deflater = zlib.compressobj(LEVEL) if _pays(chunk) else None
            digest.update(chunk)
            length += len(chunk)
            encoded = deflater.compress(chunk) if deflater else chunk
            crc = zlib.crc32(encoded, crc)
            encoded_bytes += file.write(encoded)
        encoded = deflater.flush() if deflater else b""
        crc = zlib.crc32(encoded, crc)
        encoded_bytes += file.write(encoded)
        facts = _ZLIB if deflater else _PLAIN, length, encoded_bytes
        crc = zlib.crc32(_HEAD.pack(_MAGIC, 0, *facts)[_CHECKED_FROM:], crc)
        file.seek(0)
        file.write(_HEAD.pack(_MAGIC, crc, *facts))
        file.flush()
        os.fsync(file.fileno())
    return Stored(digest.hexdigest(), length, _HEAD.size + encoded_bytes, is_new=True)


def _pays(chunk: bytes) -> bool:
    """Whether content that begins so is worth compressing."""
    sample = chunk[:PIECE_BYTES]
    return len(zlib.compress(sample, LEVEL)) < PAYS * len(sample)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it has become the block
