"""The place of an output: what may stand there already, private things beside it, and the move to it.

Rules are in `output.py`. A place is a real path (links resolved); a target is what the user called it. Not here:
what is written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator

from mrframe.core.model.spec import MANIFEST
from mrframe.errors import OutputError
from mrframe.store.disk import RANDOM_NAME, fault_text, is_at, sync_directory, token, try_lock

STAGED_TRIES = 100  # at a private file or folder that others sweep at the very moment
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


# ---- making it visible ----------------------------------------------------------------------------


def publish_file(staged: str, dest: str, target: str, *, overwrite: bool) -> None:
    """Move the file to its place; without `overwrite` in a way that fails when something is there by now."""
    if overwrite:
        os.replace(staged, dest)
    else:
        try:
            os.link(staged, dest)
        except FileExistsError:
            raise already_exists(target) from None
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(dest):  # a file system without hard links cannot do this in one step
                raise already_exists(target) from None
            os.rename(staged, dest)
    _confirm(dest, target)


def publish_folder(staged: str, dest: str, target: str, *, overwrite: bool) -> None:
    """Move the folder to its place, that of an empty folder included."""
    if os.path.lexists(dest):
        check_folder(target, dest, overwrite=overwrite)  # it may have appeared while the job ran
    with _moved_aside(dest):
        try:
            os.rename(staged, dest)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise already_exists(target) from None
            raise
    _confirm(dest, target)


def _confirm(dest: str, target: str) -> None:
    """Make the move durable; it cannot be undone any more, and is not: what is in place is complete."""
    try:
        sync_directory(os.path.dirname(dest))
    except OSError as error:
        raise OutputError(
            f"the output {target} is in place and complete, but the disk did not confirm it ({error.strerror}), "
            "so it may not survive a power cut; check the disk"
        ) from None


@contextlib.contextmanager
def _moved_aside(dest: str) -> Iterator[None]:
    """A folder steps aside while the block puts another in its place; it is deleted then, or comes back.

    It is locked meanwhile, so that nobody takes it for what a killed run left (`settle`).
    """
    if not os.path.isdir(dest) or not os.listdir(dest):
        yield
        return
    aside = _beside(dest, "old-")
    fd = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try_lock(fd)
        os.rename(dest, aside)
        try:
            yield
        except BaseException:
            os.rename(aside, dest)
            raise
        shutil.rmtree(aside, ignore_errors=True)  # what will not go is cleared by the next run to this target
    finally:
        os.close(fd)


def check_folder(target: str, dest: str, *, overwrite: bool) -> None:
    """OutputError unless the folder is empty, or to be replaced and wholly mrframe's."""
    if not os.path.isdir(dest):
        raise already_exists(target)
    inside = set(os.listdir(dest))
    if not inside:
        return
    if not overwrite:
        raise already_exists(target)
    try:
        with open(os.path.join(dest, MANIFEST), "rb") as file:
            manifest = json.load(file)
        listed = {part["name"] for part in manifest["parts"]} if "mrframe_output" in manifest else set()
    except (OSError, ValueError, KeyError, TypeError):
        listed = set()
    foreign = sorted(inside - listed - {MANIFEST}) if listed else sorted(inside)
    if foreign:
        raise OutputError(
            f"the output folder {target} holds what mrframe did not write ({foreign[0]}), so it is not "
            "replaced; choose another name, or remove it yourself"
        )


# ---- beside the target ----------------------------------------------------------------------------


def _beside(dest: str, kind: str = "") -> str:
    parent, name = os.path.split(dest)
    return os.path.join(parent, f".{name}.mrframe-{kind}{token()}")


def new_staged(dest: str, make: Callable[[str], int]) -> tuple[str, int]:
    """A new private file or folder beside the target, and its locked descriptor.

    Other runs to the same target may sweep it before it is opened or locked; then another is made. A folder that
    takes no files (/proc) says the same as a sweep, so that ends after some tries.
    """
    fault: OSError = FileNotFoundError(errno.ENOENT, "what is made beside it is removed again and again")
    for _ in range(STAGED_TRIES):
        path = _beside(dest)
        try:
            fd = make(path)
        except FileNotFoundError as error:
            fault = error
            continue
        if try_lock(fd) and is_at(fd, path):
            return path, fd
        os.close(fd)
    raise fault


def check_makeable(dest: str) -> None:
    """Raise OSError when nothing can be made beside this place, by making and removing a file."""
    path, fd = new_staged(dest, make_file)
    os.close(fd)
    os.unlink(path)


def make_file(path: str) -> int:
    """For `new_private`."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)  # the umask takes its share


def make_folder(path: str) -> int:
    """For `new_private`."""
    os.mkdir(path)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def recover_leftovers(dest: str) -> None:
    """Undo what a killed run left half-way: bring back what stepped aside, remove what was never finished."""
    parent, name = os.path.split(dest)
    pattern = re.compile(re.escape(f".{name}.mrframe-") + f"(old-)?{RANDOM_NAME}")
    for left in sorted(os.listdir(parent)):
        match = pattern.fullmatch(left)
        if match is not None:
            _recover_leftover(os.path.join(parent, left), dest, moved_aside=match[1] is not None)


def _recover_leftover(path: str, dest: str, *, moved_aside: bool) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # gone meanwhile, or not ours
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or not try_lock(fd) or not is_at(fd, path):
            return
        if moved_aside and not os.path.lexists(dest):
            os.rename(path, dest)
        elif stat.S_ISDIR(status.st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    finally:
        os.close(fd)


def is_stream(dest: str) -> bool:
    """Whether the target is a device, a pipe or a socket, which is written as it is."""
    try:
        mode = os.stat(dest).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def already_exists(target: str) -> OutputError:
    """The error that says so."""
    return OutputError(f"the output {target} exists already; choose another name, or replace it with --overwrite")


@contextlib.contextmanager
def output_errors(target: str) -> Iterator[None]:
    """Around the system's calls alone, never around the making of rows, whose faults are their own."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of a pipe left: the command line knows what that means
    except OSError as error:
        raise OutputError(f"the output {target} cannot be written: {fault_text(error, target)}") from None
