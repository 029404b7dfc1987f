"""Globs: the paths that match a pattern, with an error for every folder that cannot be read.

The signs are those of a shell: `*`, `?`, `[…]`, and `**` for any number of folders, none included. As in a shell, a
name that begins with a dot is matched only by a part that does, too. It differs from the standard library's `glob`:
- A folder that cannot be read is an error that names it.
- `**` enters each real folder once, by its own name before any link to it, so a link that points upwards adds
nothing. Not here: which of the paths are inputs (`files.py`).
"""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import re
import stat
from collections import deque
from collections.abc import Iterator


def matches(pattern: str) -> list[str]:
    """The paths that a pattern with signs stands for, in any order. OSError for a folder that cannot be read."""
    root = "/" if pattern.startswith("/") else ""
    parts = [part for part in pattern.split("/") if part]
    if pattern.endswith("/"):
        parts.append("")  # folders only
    return list(_below(root, parts))


def _below(folder: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "":
        if _is_folder(folder):
            yield os.path.join(folder, "")
    elif part == "**":
        while rest[:1] == ["**"]:
            rest = rest[1:]
        for inner in _folders(folder):
            if rest:
                yield from _below(inner, rest)
            else:
                yield from (os.path.join(inner, name) for name in _names(inner))
    elif not glob.has_magic(part):
        path = os.path.join(folder, part)
        if _exists(path):
            yield from _below(path, rest)
    elif _is_folder(folder):
        matching = re.compile(fnmatch.translate(part)).match
        for name in _names(folder, hidden=part.startswith(".")):
            if matching(name):
                yield from _below(os.path.join(folder, name), rest)


def _names(folder: str, *, hidden: bool = False) -> list[str]:
    with os.scandir(folder or ".") as entries:
        return [entry.name for entry in entries if hidden or not entry.name.startswith(".")]


def _folders(top: str) -> Iterator[str]:
    """`top` and the folders in it and below, each real one once."""
    if not _is_folder(top):
        return
    seen: set[tuple[int, int]] = set()
    real, links = deque([top]), deque[str]()
    while real or links:
        folder = (real or links).popleft()
        if not _is_folder(folder):
            continue
        status = os.stat(folder or ".")
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield folder
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                if not entry.name.startswith(".") and (entry.is_dir(follow_symlinks=False) or entry.is_symlink()):
                    (links if entry.is_symlink() else real).append(os.path.join(folder, entry.name))


def _exists(path: str) -> bool:
    """Return whether a file of this name exists, also as a broken link."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_folder(path: str) -> bool:
    """Return whether it is a folder. Unlike `os.path.isdir`, raises OSError if that cannot be found out."""
    try:
        return stat.S_ISDIR(os.stat(path or ".").st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
