"""A job on its way to the executors: how to make it again there, and the settings its tasks need.

`pack` gives bytes that master, node and command never open; `unpack` is called only in executors, once
per attempt, so that each attempt starts from fresh modules.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field
from functools import lru_cache
from typing import Any

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job, Reader, each
from mrframe.core.model.spec import MIB
from mrframe.shuffle.columns import decode, encode
from mrframe.task.code import pickled
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.modules import Sources

VERSION = 5


@dataclass(frozen=True, slots=True)
class Saving:
    """Where results of maps are saved, and of which job they are.

    path    the folder of `store/result_store.py`
    job     fingerprint of the job in hex; `name` is what people call it
    known   whether the job has saved any results: else a split is hashed as it is mapped, not before
    verify  the share of saved results that are made again and compared
    windowed  whether the job is asked within a window of time, which is not in its fingerprint (`time_spans.py`)
    watched  whether what the job's code does is watched (`effects.py`): it does not say that it is pure
    surroundings  those of the fingerprint (`surroundings.py`): where they are others, nothing is saved or loaded
    """

    path: str
    job: str
    name: str
    known: bool = False
    verify: float = 0.0
    windowed: bool = False
    watched: bool = False
    surroundings: str = ""


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What tasks need to know beside the job.

    reader          the concrete reader of the first step (never "auto"); of a join, {source: its reader}
    memory_bytes    budget of an executor for buffered pairs
    keep_rejects    whether malformed lines are kept whole, in the file `rejects` of each map attempt
    cuts            of the first step's keys into ranges, for key_order="total"
    sampling        whether the job is only to sample the keys that its first step's map yields
    fast            whether NumPy may be used where it is installed
    max_failed      records on which the job's code may fail: a number, or a share (float)
    stall_s         a child of a careful attempt is killed after so long without progress, None: never
    memory_limit_bytes  what an executor's process may hold, None: no limit
    keep_quarantine whether records on which the code failed are kept, in the file `quarantine` of map attempts
    saving          where results of maps are saved, None: nowhere
    hash_seed       of the hash that gives the keys of all steps their partitions
    scratch_bytes_max  what a task may have in files of its own at a time
    window          of time: since, until (ISO with a zone, or ""), zone of times without one
    (`formats/readers/time_window.py`)
    """

    reader: Reader | dict[str, Reader]
    memory_bytes: int = 256 * MIB
    keep_rejects: bool = False
    cuts: tuple[Any, ...] = ()
    sampling: bool = False
    fast: bool = True
    max_failed: int | float = 0
    stall_s: float | None = None
    memory_limit_bytes: int | None = None
    keep_quarantine: bool = False
    saving: Saving | None = None
    window: tuple[str, str, str] | None = None
    hash_seed: int = 0
    scratch_bytes_max: int = 64 * 1024 * MIB


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job ready to be worked on in this process: all its steps, the first with its concrete reader."""

    steps: tuple[Job, ...]
    settings: TaskSettings
    sources: Sources | None = field(default=None)

    def close(self) -> None:
        """Forget the job's modules."""
        if self.sources is not None:
            self.sources.forget()


def loaded(job: Job, settings: TaskSettings, sources: Sources | None = None) -> LoadedJob:
    """A job that this process has already, ready to be worked on."""
    first, *rest = (_sampling(job),) if settings.sampling else job.steps()
    if first.read != settings.reader:  # to make a job is to check it, which small attempts would feel
        first = dataclasses.replace(first, read=settings.reader)
    return LoadedJob((first, *rest), settings, sources)


def pack(job: Job, settings: TaskSettings, file: JobFile | None, options: Mapping[str, Any]) -> bytes:
    """The job as bytes: its source when it has a file, else by value. CannotTravel when it is neither."""
    how: dict[str, Any]
    if file is not None:
        how = {"sources": file.sources.to_plain(), "attribute": file.attribute, "options": dict(options)}
    else:
        how = {"pickle": pickled.dump(job)}
    plain = {
        "version": VERSION,
        "reader": _plain(settings.reader),
        "memory_bytes": settings.memory_bytes,
        "keep_rejects": settings.keep_rejects,
        "fast": settings.fast,
        "max_failed": settings.max_failed,
        "stall_s": settings.stall_s,
        "memory_limit_bytes": settings.memory_limit_bytes,
        "keep_quarantine": settings.keep_quarantine,
        "window": settings.window,
        "hash_seed": settings.hash_seed,
        "scratch_bytes_max": settings.scratch_bytes_max,
        "saving": settings.saving and list(dataclasses.astuple(settings.saving)),
        "cuts": encode(list(settings.cuts)),
        "sampling": settings.sampling,
        "path": [entry for entry in sys.path if entry],
        **how,
    }
    return bytes(msgpack.packb(plain, unicode_errors="surrogateescape"))


def unpack(package: bytes) -> LoadedJob:
    """Make the job again; raises whatever the user's own modules raise."""
    settings, plain = _opened(package)
    sys.path.extend(entry for entry in plain["path"] if entry not in sys.path)
    if "pickle" in plain:
        return loaded(pickled.load(plain["pickle"]), settings)
    file = JobFile(plain["sources"], plain["attribute"])
    return loaded(file.make(deepcopy(plain["options"])), settings, file.sources)


@lru_cache(maxsize=1)  # the attempts of one job follow each other
def _opened(package: bytes) -> tuple[TaskSettings, dict[str, Any]]:
    """What is the same for each attempt."""
    plain = msgpack.unpackb(package, unicode_errors="surrogateescape", strict_map_key=False)
    assert plain["version"] == VERSION
    if "sources" in plain:
        plain["sources"] = Sources.from_plain(plain["sources"])
    settings = TaskSettings(
        _reader(plain["reader"]),
        plain["memory_bytes"],
        plain["keep_rejects"],
        tuple(decode(plain["cuts"], unpickle=False)),
        plain["sampling"],
        plain["fast"],
        plain["max_failed"],
        plain["stall_s"],
        plain["memory_limit_bytes"],
        plain["keep_quarantine"],
        plain["saving"] and Saving(*plain["saving"]),
        plain["window"] and tuple(plain["window"]),
        plain["hash_seed"],
        plain["scratch_bytes_max"],
    )
    return settings, plain


def options_of(package: bytes) -> dict[str, Any]:
    """The options that a packed job was made with; none when it travels by value."""
    plain = msgpack.unpackb(package, unicode_errors="surrogateescape", strict_map_key=False)
    return dict(plain.get("options", {}))


def _sampling(job: Job) -> Job:
    """The job of one step that samples the keys of this one's first step: see `key_sample.py`."""
    return dataclasses.replace(job, next=None, combine=None, reduce=each, key_order="hash", sort_values=False)


def _plain(reader: Reader | dict[str, Reader]) -> Any:
    if isinstance(reader, Reader):
        return [reader.kind, reader.format]
    return [[name, one.kind, one.format] for name, one in reader.items()]  # their order is the order of the sources


def _reader(plain: Any) -> Reader | dict[str, Reader]:
    return {name: Reader(kind, text) for name, kind, text in plain} if isinstance(plain[0], list) else Reader(*plain)
