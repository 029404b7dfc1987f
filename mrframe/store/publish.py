"""Moves a finished output to its destination in one step, and cleans up after runs that were killed before that.

`dest` is a real path (links resolved); `target` is the user's name for it. The rules are in `output.py`. Not here:
the content.

How it works. An output is staged in a locked file or folder beside its destination, `.NAME.mrframe-<token>`. A lock
that is free means that its owner was killed: the next run to the same destination deletes it. A folder that is to be
replaced is moved aside, to `.NAME.mrframe-old-<token>`, and locked. If its owner is killed before the new one is in
place, the next run brings it back.
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
from mrframe.store.disk import RANDOM_NAME, is_at, sync_directory, token, try_lock, writing

_ADDED_BYTES = len("..mrframe-old-") + 16  # of the name of a staged file to its target's
STAGED_TRIES = 100  # others may sweep a staged file before it is locked
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


# ---- publishing -----------------------------------------------------------------------------------


def publish_file(staged: str, dest: str, target: str, *, overwrite: bool) -> None:
    """Move the file to its destination. Without `overwrite`, fails if something has appeared there."""
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
    """Move the folder to its destination, which may be an empty folder."""
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
    """Make the move durable. If that fails, the output stays in place, since it is complete."""
    try:
        sync_directory(os.path.dirname(dest))
    except OSError as error:
        raise OutputError(
            f"the output {target} is in place and complete, but the disk did not confirm it ({error.strerror}), "
            "so it may not survive a power cut; check the disk"
        ) from None


@contextlib.contextmanager
def _moved_aside(dest: str) -> Iterator[None]:
    """Move a folder aside while the block puts another in its place. Then delete it, or bring it back on an error.

    It is locked meanwhile, so that no other run takes it for the leftover of a killed one (`recover_leftovers`).
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
        shutil.rmtree(aside, ignore_errors=True)  # the next run to this target deletes what remains
    finally:
        os.close(fd)


def check_folder(target: str, dest: str, *, overwrite: bool) -> None:
    """Raise OutputError unless the folder is empty, or may be replaced and holds only files of mrframe."""
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
            f"the output folder {target} holds files that mrframe did not write ({foreign[0]}), so it is not "
            "replaced; choose another name, or remove it yourself"
        )


# ---- staging --------------------------------------------------------------------------------------


def _beside(dest: str, kind: str = "") -> str:
    parent, name = os.path.split(dest)
    return os.path.join(parent, f"{_stem(parent, name)}{kind}{token()}")


def _stem(parent: str, name: str) -> str:
    """Return how the names of staged files for `name` begin. A long name is cut, and a hash keeps it distinct."""
    name_bytes_max = os.pathconf(parent, "PC_NAME_MAX")
    if len(os.fsencode(name)) + _ADDED_BYTES <= name_bytes_max:
        return f".{name}.mrframe-"
    from hashlib import sha256  # it loads OpenSSL, which short names do not need

    digest = sha256(os.fsencode(name)).hexdigest()
    return f".{digest[: min(len(digest), name_bytes_max - _ADDED_BYTES)]}.mrframe-"


def new_staged(dest: str, make: Callable[[str], int]) -> tuple[str, int]:
    """Make a staged file or folder beside the destination. Returns its path and its locked descriptor.

    Another run to the same target may sweep it before it is opened or locked. Then another one is made. A folder that
    takes no files (/proc) fails in the same way as a sweep, so the number of tries is limited.
    """
    fault: OSError = FileNotFoundError(errno.ENOENT, "other processes keep removing what is made beside it")
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
    """Raise OSError when nothing can be made beside this path, or as it. Makes and removes a file to find out."""
    with contextlib.suppress(FileNotFoundError):
        os.lstat(dest)  # the name itself may be too long
    path, fd = new_staged(dest, make_file)
    os.close(fd)
    os.unlink(path)


def make_file(path: str) -> int:
    """For `new_staged`."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)  # the umask applies


def make_folder(path: str) -> int:
    """For `new_staged`."""
    os.mkdir(path)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def recover_leftovers(dest: str) -> None:
    """Clean up after killed runs: bring back folders that were moved aside, delete staged files and folders."""
    parent, name = os.path.split(dest)
    pattern = re.compile(re.escape(_stem(parent, name)) + f"(old-)?{RANDOM_NAME}")
    for left in sorted(os.listdir(parent)):
        match = pattern.fullmatch(left)
        if match is not None:
            _recover_leftover(os.path.join(parent, left), dest, moved_aside=match[1] is not None)


def _recover_leftover(path: str, dest: str, *, moved_aside: bool) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # gone meanwhile, or not this user's
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
    """Return whether the target is a device, a pipe or a socket, which is written directly."""
    try:
        mode = os.stat(dest).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_link(target: str, dest: str) -> None:
    """Raise OutputError when the target is a link that must not be followed to `dest`.

    One that leads nowhere would make a file where nobody named it. One that another user put into a folder where
    all may write is not followed by the kernel either (fs.protected_symlinks).
    """
    link = target.rstrip("/")
    if not os.path.islink(link):
        return
    if not os.path.lexists(dest):
        raise OutputError(
            f"the output {target} is a link to {dest}, which does not exist; name that, or remove the link"
        )
    owner, folder = os.lstat(link).st_uid, os.stat(os.path.dirname(os.path.abspath(link)))
    shared = folder.st_mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH
    if shared and owner not in (os.geteuid(), folder.st_uid):
        raise OutputError(
            f"the output {target} is a link that another user made; name {dest} itself, or another file"
        )


def already_exists(target: str) -> OutputError:
    """Return the error for a target that exists."""
    return OutputError(f"the output {target} exists already; choose another name, or replace it with --overwrite")


@contextlib.contextmanager
def output_errors(target: str) -> Iterator[None]:
    """Raise OSErrors as OutputErrors. Put it around system calls only, since errors while making rows are others."""
    with writing(target, f"the output {target}"):
        yield
