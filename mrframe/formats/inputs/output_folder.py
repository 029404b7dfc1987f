"""A folder that mrframe wrote, as input: exactly the parts that its manifest names, each as it was written.

Rules:
- A manifest is ours if it is a JSON object with `mrframe_output`. Another file of that name means nothing here. A
  file that contains `mrframe_output` and is no such object is a damaged one of ours, and refused.
- The bytes and the SHA-256 of every part are compared before the folder is used: each part is read once for it.
- Other files in the folder are not part of the answer, and are not read.
Not here: changes after this check, which readers find by the state of the file (`file_identity.py`), and parts that
are named one by one or by a glob, which are files like any other.
"""

from __future__ import annotations

import os
from typing import Any

from mrframe.core.model.spec import MANIFEST
from mrframe.errors import CorruptData, InputError

MANIFEST_VERSION = 1
_REMEDY = "make the answer again, or name the files themselves to read them as they are"


def parts_of(directory: str) -> list[str] | None:
    """Return the paths of the parts, in the manifest's order, or None if the manifest in the folder is not mrframe's.

    Raises CorruptData if the manifest is damaged, or a part is missing or altered, InputError if a newer mrframe
    wrote it, OSError if something cannot be read.
    """
    import json

    path = os.path.join(directory, MANIFEST)
    with open(path, "rb") as file:
        raw = file.read()
    try:
        manifest = json.loads(raw)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or "mrframe_output" not in manifest:
        if b'"mrframe_output"' in raw:
            raise _damaged(path)
        return None
    if manifest["mrframe_output"] != MANIFEST_VERSION:
        raise InputError(
            f"{path} is of version {manifest['mrframe_output']!r}, and this mrframe reads {MANIFEST_VERSION}; "
            "use the mrframe that wrote it, or name the files themselves"
        )
    try:
        parts = [(_plain(part["name"]), part["bytes"], part["sha256"]) for part in manifest["parts"]]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path) from None
    return [_verified(os.path.join(directory, name), length, sha256) for name, length, sha256 in parts]


def _plain(name: Any) -> str:
    """The name of a part, which must not lead out of the folder."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(name)
    return name


def _damaged(path: str) -> CorruptData:
    return CorruptData(f"{path} is no whole manifest of mrframe's; {_REMEDY}", file=path)


def _verified(path: str, length: int, sha256: str) -> str:
    import hashlib  # it loads OpenSSL, which only folders of parts need

    try:
        with open(path, "rb") as file:
            found_bytes = os.fstat(file.fileno()).st_size
            found = hashlib.file_digest(file, "sha256").hexdigest() if found_bytes == length else ""
    except FileNotFoundError:
        raise CorruptData(f"{path} is gone, and the folder's {MANIFEST} names it; {_REMEDY}", file=path) from None
    if found_bytes != length:
        raise CorruptData(f"{path} has {found_bytes} bytes, and {MANIFEST} says {length}; {_REMEDY}", file=path)
    if found != sha256:
        raise CorruptData(f"{path} has the SHA-256 {found}, and {MANIFEST} says {sha256}; {_REMEDY}", file=path)
    return path
