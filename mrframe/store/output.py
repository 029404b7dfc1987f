"""All-or-nothing output: a file or a folder that appears complete, or not at all.

Rules.
- Bytes go to a staged file or folder beside the target (`.NAME.mrframe-<token>`), are synced, and move to the target
  in one step. Only then does the target exist. A failed sync is final: the bytes are dropped.
- An existing target is refused unless `overwrite` is given, also when it appeared while the job ran. A folder is
  replaced only when it holds nothing but the files in its manifest: mrframe never deletes files of others. An empty
  folder does not count as a target and may be filled.
- A staged file that a killed run left beside a target (its lock is free) is removed by the next run to that target.
- Devices and pipes are written directly: `/dev/null`, `/dev/stderr`. Standard output is the caller's.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import RawIOBase
from typing import Any

from mrframe.core.model.spec import MANIFEST
from mrframe.errors import OutputError
from mrframe.store.disk import sync_directory
from mrframe.store.publish import (
    already_exists,
    check_folder,
    check_link,
    check_makeable,
    is_stream,
    make_file,
    make_folder,
    new_staged,
    output_errors,
    publish_file,
    publish_folder,
    recover_leftovers,
)

MANIFEST_VERSION = 1


class Sink:
    """An unbuffered binary stream to a target. A fault raises OutputError, which names the target, at once."""

    def __init__(self, file: RawIOBase, target: str) -> None:
        self._file = file
        self._target = target
        self.bytes_written = 0

    def write(self, data: bytes) -> int:
        """Write all of the data. Large pieces are faster."""
        left = memoryview(data)
        with output_errors(self._target):
            while left:
                left = left[self._file.write(left) or 0 :]
        self.bytes_written += len(data)
        return len(data)


class _Part(Sink):
    """A part of a folder, with its hash for the manifest."""

    def __init__(self, file: RawIOBase, target: str) -> None:
        super().__init__(file, target)
        import hashlib  # loads OpenSSL, which only folders of parts need

        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return super().write(data)


def is_folder_target(target: str) -> bool:
    """Return whether `-o` names a folder: the name ends in a slash, or the folder exists."""
    return target.endswith("/") or os.path.isdir(target)


def check_target(target: str, *, overwrite: bool) -> None:
    """Raise OutputError when the target may not or cannot be written. Call it before the job runs."""
    if is_stream(target):
        return
    dest = os.path.realpath(target)
    parent = os.path.dirname(dest)
    if not os.path.isdir(parent):
        raise OutputError(f"the output {target} cannot be made: the folder {parent} does not exist; make it first")
    with output_errors(target):
        recover_leftovers(dest)
    check_link(target, dest)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"the output {target} cannot be made: {parent} may not be written; choose another folder")
    with output_errors(target):
        check_makeable(dest)
    if os.path.isdir(dest):
        check_folder(target, dest, overwrite=overwrite)
    elif os.path.lexists(dest) and not overwrite:
        raise already_exists(target)
    elif os.path.lexists(dest) and target.endswith("/"):
        raise OutputError(f"the output {target} names a folder, but it is a file; leave out the slash or remove it")


def check_inputs_stay(targets: Sequence[str], inputs: Iterable[str]) -> None:
    """Raise OutputError when a target would replace one of these inputs, or a folder that holds one.

    Files are compared by device and inode, so every other name of an input counts: links of both kinds, mounts.
    """
    replaced: dict[tuple[int, int], str] = {}
    for target in targets:
        if not is_stream(target):
            replaced |= dict.fromkeys(_files_at(os.path.realpath(target)), target)
    if not replaced:
        return
    for path in inputs:
        with contextlib.suppress(OSError):  # whoever reads it reports it
            status = os.stat(path)
            target = replaced.get((status.st_dev, status.st_ino), "")
            if target:
                raise OutputError(f"the output {target} would replace the input {path}; choose another name")


def _files_at(path: str) -> Iterator[tuple[int, int]]:
    """Device and inode of each file that goes when this one, or this folder of parts, is replaced."""
    with contextlib.suppress(OSError):  # there is none, or `check_target` reports it
        names = [path]
        if os.path.isdir(path):
            names += [entry.path for entry in os.scandir(path)]
        for name in names:
            status = os.stat(name)
            yield status.st_dev, status.st_ino


@contextlib.contextmanager
def whole_file(target: str, *, overwrite: bool = False) -> Iterator[Sink]:
    """Open a file that appears at `target` when the block ends without an error, and otherwise leaves no trace."""
    check_target(target, overwrite=overwrite)
    if is_folder_target(target):
        raise OutputError(f"the output {target} is a folder; name a file")
    dest = os.path.realpath(target)
    if is_stream(target):
        with output_errors(target):
            stream = open(target, "wb", buffering=0)  # noqa: SIM115 (closed below, outside this guard)
        with stream:
            yield Sink(stream, target)
        return
    with output_errors(target):
        staged, fd = new_staged(dest, make_file)
    try:
        with open(fd, "wb", buffering=0) as file:
            yield Sink(file, target)
            with output_errors(target):
                if overwrite and os.path.lexists(dest):
                    os.fchmod(fd, stat.S_IMODE(os.stat(dest).st_mode))
                os.fsync(fd)
                publish_file(staged, dest, target, overwrite=overwrite)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(staged)


class OutputFolder:
    """A folder in the making: parts `part-00000.ENDING`…, and in the end the manifest."""

    def __init__(self, path: str, target: str) -> None:
        self._path = path
        self._target = target
        self._parts: list[dict[str, Any]] = []

    def add_part(self, ending: str, write: Callable[[Sink], int]) -> None:
        """Write the next part by calling `write`, which returns the number of rows."""
        name = f"part-{len(self._parts):05d}.{ending}"
        with output_errors(self._target):
            file = open(os.path.join(self._path, name), "xb", buffering=0)  # noqa: SIM115 (closed below)
        with file:
            sink = _Part(file, os.path.join(self._target, name))
            rows = write(sink)
            with output_errors(self._target):
                os.fsync(file.fileno())
        sha256 = sink.hash.hexdigest()
        self._parts.append({"name": name, "rows": rows, "bytes": sink.bytes_written, "sha256": sha256})

    def finish(self, about: dict[str, Any]) -> None:
        """Write the manifest: `about` (plain values) and the parts."""
        rows = sum(part["rows"] for part in self._parts)
        manifest = {"mrframe_output": MANIFEST_VERSION, **about, "rows": rows, "parts": self._parts}
        with output_errors(self._target), open(os.path.join(self._path, MANIFEST), "xb", buffering=0) as file:
            Sink(file, self._target).write(json.dumps(manifest, indent=2).encode() + b"\n")
            os.fsync(file.fileno())
            sync_directory(self._path)


@contextlib.contextmanager
def whole_folder(target: str, about: dict[str, Any], *, overwrite: bool = False) -> Iterator[OutputFolder]:
    """Open a folder that appears at `target` when the block ends without an error, and otherwise leaves no trace.

    `about` goes into the manifest (job, format…). It may be filled while the block runs.
    """
    check_target(target, overwrite=overwrite)
    dest = os.path.realpath(target)
    with output_errors(target):
        staged, fd = new_staged(dest, make_folder)
    try:
        folder = OutputFolder(staged, target)
        yield folder
        folder.finish(about)
        with output_errors(target):
            publish_folder(staged, dest, target, overwrite=overwrite)
    finally:
        os.close(fd)
        shutil.rmtree(staged, ignore_errors=True)
