"""The first bytes of the first input, decompressed: what formats are detected from."""

from __future__ import annotations

from collections.abc import Sequence

from mrframe.errors import InputError
from mrframe.formats.decode import READ_BYTES, decompress
from mrframe.formats.inputs import InputFile, expand

SAMPLE_BYTES = 512 << 10  # holds the 1,000 lines that a format is told from, of all but very long lines


def first_bytes(inputs: Sequence[str], limit_bytes: int = SAMPLE_BYTES) -> tuple[str, bytes]:
    """(name, at most `limit_bytes` of whole lines) of the first input that is not empty.

    Raises InputError when there is none, or when it cannot be read; standard input is never read here.
    """
    files = [file for file in expand(inputs) if not file.is_stdin]
    for file in files:
        if file.bytes:
            return file.name, _head(file, limit_bytes)
    raise InputError(f"{' '.join(inputs)}: there is nothing in it; name a log file that is not empty")


def _head(file: InputFile, limit_bytes: int) -> bytes:
    try:
        with open(file.path, "rb") as stream:
            if not file.compression:
                data = stream.read(limit_bytes)
            else:
                data = b""
                for chunk in decompress(iter(lambda: stream.read(READ_BYTES), b""), file.compression, file.name):
                    data += chunk
                    if len(data) >= limit_bytes:
                        break
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}; check the path and the disk") from None
    cut = data.rfind(b"\n", 0, limit_bytes) + 1
    return data[: cut or limit_bytes] if len(data) >= limit_bytes else data
