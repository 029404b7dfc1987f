"""The first bytes of the first input, decompressed, from which its format is detected."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mrframe.errors import InputError
from mrframe.formats.inputs.files import InputFile, expand
from mrframe.formats.inputs.head import head_of, stream_head

SAMPLE_BYTES = 512 << 10  # holds the 1,000 lines that a format is told from, of all but very long lines


def first_bytes(
    inputs: Sequence[str], limit_bytes: int = SAMPLE_BYTES, *, reads_stdin: bool = False, empty: bool = False
) -> tuple[str, bytes]:
    """(name, at most `limit_bytes` of whole lines) of the first input that is not empty.

    Raises InputError when there is none (with `empty` it gives b""), or when it cannot be read. Standard input is
    read only with `reads_stdin`: what was read of it is gone.
    """
    for file in expand(inputs):
        head = head_of(file, limit_bytes) if not (file.is_stdin and reads_stdin) else _of_stream(file, limit_bytes)
        if head:
            cut = head.rfind(b"\n") + 1 if len(head) >= limit_bytes else 0
            return file.name, head[: cut or limit_bytes]
    if empty:
        return inputs[0], b""
    raise InputError(f"{' '.join(inputs)}: there is nothing in it; name a log file that is not empty")


def _of_stream(file: InputFile, limit_bytes: int) -> bytes:
    if file.path != "-":
        with open(file.path, "rb") as stream:
            return stream_head(stream, file.path, limit_bytes)
    if sys.stdin is None:
        raise InputError("standard input is closed; pipe a log in, or name a file")
    return stream_head(sys.stdin.buffer, "standard input", limit_bytes)
