"""Expansion of an INPUT of the command line into files.

An INPUT is a path, a glob, a directory, or `-`. Rules:
- The order is that of the arguments. The files of one argument are sorted by the bytes of their paths.
- A directory stands for all regular files in it and below. Names that begin with `.` or `_` are left out.
- A directory that mrframe wrote stands for the parts of its manifest, which are verified (`output_folder.py`).
- A glob (`*`, `?`, `[…]`, `**`) is a set of files (`globbing.py`). A file of that very name comes first.
- A file is read once, however it is found and whatever its names are (links of both kinds, `./a`, another mount).
  Device and inode identify a file. The first name counts, and a note names both.
- A folder or file that cannot be read, and a link that leads nowhere, is an error, also when a glob has found it.
- Pipes, sockets and devices are refused, since they cannot be read twice. `-` reads standard input, and `<(…)` of a
  shell is read in the same way.
Every file is opened once here, to see that it can be read and to recognise it by its first bytes.
Not here: cutting files into splits (`splits.py`).
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MANIFEST
from mrframe.errors import InputError
from mrframe.formats.inputs.compression import Compression, compression_of
from mrframe.formats.inputs.file_identity import State, state_of
from mrframe.formats.inputs.magic import HEAD_BYTES

STDIN_PATHS = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_OPENED = ("/dev/fd/", "/proc/self/fd/")
_PIPE_REMEDY = "give - as the input and pipe it in: … | mrframe run JOB -"


STORED_PREFIX = "mrfs:"
HIDDEN_SHOWN = 5  # names that are left out


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block of a file in the cluster's store: its name, its bytes, and the nodes that have it.

    `path` is the file of a replica that this process can read, "" when none was asked for.
    """

    name: str
    length: int
    nodes: tuple[str, ...]
    path: str = ""


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input, found and readable.

    path         absolute, "-" for standard input, /dev/fd/N for a pipe that is read like it, the dataset for a stored
                 file (which has `blocks`)
    name         as people know it: the argument, or the path below it
    bytes        size on disk, compressed or not. 0 for standard input, whose size is unknown. The size of the
                 content of a stored file
    compression  by its first bytes, "" for plain (and for standard input, which `stdin.py` examines)
    state        of the file when it was found (`file_identity.state_of`), () for standard input and stored files
    """

    path: str
    name: str
    bytes: int
    compression: Compression = ""
    is_stdin: bool = False
    is_stored: bool = False
    blocks: tuple[StoredBlock, ...] = ()
    state: State = ()


Note = Callable[[str], None]


def _ignore(_note: str) -> None:
    """Drop notes, for a caller that expands inputs a second time."""


def expand(
    inputs: Sequence[str], stored: Callable[[str], list[InputFile]] | None = None, note: Note = _ignore
) -> list[InputFile]:
    """Return all files of the arguments, in order. `stored` gives those of a dataset (`mrfs:access`).

    `note` is called with surprises: a file that was given twice, names that were left out.

    Raises InputError if there is none, if one is missing, unreadable or special, if a glob or a directory has no
    files, and if `-` is given twice. Raises ExtraMissing for compression that cannot be read, CorruptData if a folder
    that mrframe wrote is not as it was written.
    """
    if not inputs:
        raise InputError("no input was given; name files, globs or directories, or - for standard input")
    files: list[InputFile] = []
    for argument in inputs:
        if is_stream(argument):
            if any(f.is_stdin for f in files):
                raise InputError(
                    f"standard input (-) or a pipe is given twice, {argument} last, but one can be read, and once; "
                    "give it once, or join several: cat <(…) <(…) | mrframe run JOB -"
                )
            files.append(InputFile("-" if argument in STDIN_PATHS else argument, "-", 0, is_stdin=True))
        elif argument.startswith(STORED_PREFIX) and not os.path.lexists(argument):
            if stored is None:
                raise InputError(
                    f"{argument} is a dataset of the standing cluster, and this command reads files; "
                    f"submit the job to the cluster: mrframe submit JOB {argument}"
                )
            files += _stored_once(stored(argument), files, argument, note)
        else:
            files += _argument(argument, note)
    return _once(files, note)


def is_stream(argument: str) -> bool:
    """Return whether an INPUT can be read only once: standard input, or a pipe that a shell has opened, `<(…)`."""
    if argument in STDIN_PATHS:
        return True
    try:
        return argument.startswith(_OPENED) and stat.S_ISFIFO(os.stat(argument).st_mode)
    except OSError:
        return False


def _stored_once(files: list[InputFile], before: Sequence[InputFile], argument: str, note: Note) -> list[InputFile]:
    """Return the files of a version of a dataset, unless it was given before. Two of its files may be alike."""
    if {file.path for file in files} & {file.path for file in before if file.is_stored}:
        note(f"{argument} is given twice; it is read once")
        return []
    return files


def _once(files: Sequence[InputFile], note: Note) -> list[InputFile]:
    """Each file once, by its first name."""
    first: dict[object, InputFile] = {}
    for number, file in enumerate(files):
        same = first.setdefault(file.state[:2] or number, file)
        if same is not file:
            how = "is given twice" if same.name == file.name else f"is the same file as {same.name}"
            note(f"{file.name} {how}; it is read once")
    return list(first.values())


def _argument(argument: str, note: Note) -> list[InputFile]:
    if "\0" in argument or not argument:
        raise InputError(f"{argument!r} is no path; name a file, a glob or a directory, or - for standard input")
    if not os.path.lexists(argument) and glob.has_magic(argument):
        paths = _glob_files(argument, note)
    elif os.path.isdir(argument):
        paths = _directory_files(argument, note)
        if not paths:
            raise InputError(
                f"the directory {argument} has no files in it (names that begin with . or _ are left out); "
                "name another, or the files themselves"
            )
    else:
        paths = [argument]
    return [_open_input(path) for path in paths]


def _glob_files(pattern: str, note: Note) -> list[str]:
    from mrframe.formats.inputs import globbing

    try:
        matches = globbing.matches(pattern)
    except OSError as error:
        raise _refusal(os.fsdecode(error.filename), error) from None
    if not matches:
        raise InputError(f"the glob {pattern} matches no file; check it with: ls {pattern}")
    found: set[str] = set()
    for match in matches:
        if not os.path.isdir(match):
            found.add(match)
        elif "**" not in pattern:  # with ** the files below are matches themselves, if they are meant
            found.update(_directory_files(match, note))
    if not found:
        raise InputError(f"the glob {pattern} matches only directories without files; name files")
    return sorted(found, key=os.fsencode)


def _directory_files(directory: str, note: Note) -> list[str]:
    hidden: list[str] = []
    files = sorted(_walk(directory, (), hidden), key=os.fsencode)
    if hidden:
        shown = ", ".join(sorted(hidden)[:HIDDEN_SHOWN]) + (", …" if len(hidden) > HIDDEN_SHOWN else "")
        note(f"left out of {directory}, since their names begin with . or _: {shown}")
    return files


def _parts(directory: str) -> list[str] | None:
    from mrframe.formats.inputs.output_folder import parts_of

    return parts_of(directory)


def _walk(directory: str, above: tuple[tuple[int, int], ...], hidden: list[str]) -> Iterator[str]:
    """Yield the paths of the files below, with special files, so that they are refused rather than left out."""
    try:
        status = os.stat(directory)
        here = (status.st_dev, status.st_ino)
        if here in above:
            raise InputError(
                f"the directory {directory} contains itself (a symbolic link points upwards); name the files instead"
            )
        with os.scandir(directory) as entries:
            inside = [e.name for e in entries]
        parts = _parts(directory) if MANIFEST in inside else None
    except OSError as error:
        raise _refusal(directory, error) from None
    if parts is not None:
        yield from parts
        return
    for name in inside:
        path = os.path.join(directory, name)
        if name.startswith((".", "_")):
            hidden.append(path)
        elif os.path.isdir(path):
            yield from _walk(path, (*above, here), hidden)
        else:
            yield path


def _open_input(path: str) -> InputFile:
    try:
        _check_regular(path, os.stat(path).st_mode)  # before it is opened: opening a pipe would wait
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(fd)
            _check_regular(path, status.st_mode)
            head = os.pread(fd, HEAD_BYTES, 0)
        finally:
            os.close(fd)
    except OSError as error:
        raise _refusal(path, error) from None
    if head and not status.st_size:
        raise InputError(f"{path} says that it has 0 bytes, but has some (a file of the kernel?); {_PIPE_REMEDY}")
    compression = compression_of(head, path)
    return InputFile(os.path.abspath(path), path, status.st_size, compression, state=state_of(status))


def _check_regular(path: str, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = "a special file"
    for test, word in (
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    ):
        if test(mode):
            kind = word
    raise InputError(f"{path} is {kind}, not a regular file, so it cannot be read in parts; {_PIPE_REMEDY}")


def _refusal(path: str, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        if os.path.islink(path):
            return InputError(
                f"{path} is a symbolic link to {os.readlink(path)}, which does not exist; mend the link"
            )
        return InputError(f"{path} does not exist; check the path (it is looked for in {os.getcwd()})")
    if isinstance(error, PermissionError):
        return InputError(f"{path} cannot be read: permission denied; run as a user who may, or change its mode")
    return InputError(f"{path} cannot be read: {error.strerror or error}; check the path and the disk")
