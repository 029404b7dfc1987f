"""Packages a job for the executors: its code and the settings of its tasks, as bytes.

Master, node and command never open a package. Executors call `unpack` once per attempt, so that each attempt starts
from fresh modules, unless the job can keep nothing in them (`stateless.py`). Not here: the settings themselves
(`settings.py`), finding a job file (`job_file.py`).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field
from typing import Any

import msgpack

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job, each
from mrframe.core.model.reader import Reader
from mrframe.core.model.spec import Split
from mrframe.task.code import pickled
from mrframe.task.code.job_file import JobFile
from mrframe.task.code.modules import Sources
from mrframe.task.code.settings import Saving, TaskSettings
from mrframe.task.isolation import secret_variables
from mrframe.wire.codec import Vocabulary

VERSION = 6
SINCE_VERSION = 5  # the oldest readable version: packages lie in journals, submissions and kept runs
_SETTINGS = Vocabulary(TaskSettings)


@dataclass(frozen=True, slots=True)
class LoadedJob:
    """A job ready to run in this process: all its steps, the first with its concrete reader.

    `view` gives a step as the source of a split sees it, with the reader of that split.
    """

    steps: tuple[Job, ...]
    settings: TaskSettings
    sources: Sources | None = field(default=None)

    def view(self, split: Split, step: int = 0) -> Job:
        """Return a step for the source of this split alone, with the split's own reader if it has one."""
        view = self.steps[step].sources()[split.input_name]
        return view if split.reader is None else dataclasses.replace(view, read=split.reader)

    def close(self) -> None:
        """Forget the job's modules, unless the job is kept for the next attempt."""
        if self.sources is not None and self is not _opened.job:
            self.sources.forget()


def loaded(job: Job, settings: TaskSettings, sources: Sources | None = None) -> LoadedJob:
    """Return a job that this process has already, ready to run."""
    first, *rest = (_sampling(job),) if settings.sampling else job.steps()
    if first.read != settings.reader:  # making a job checks it, which would slow small attempts down
        first = dataclasses.replace(first, read=settings.reader)
    return LoadedJob((first, *rest), settings, sources)


def pack(job: Job, settings: TaskSettings, file: JobFile | None, options: Mapping[str, Any]) -> bytes:
    """Encode a job: as its source text if it has a file, otherwise pickled. Raises CannotTravel.

    `options` are the keyword arguments that the job was made with.
    """
    how: dict[str, Any]
    if file is not None:
        how = {"sources": file.sources.to_plain(), "attribute": file.attribute, "options": dict(options)}
    else:
        how = {"pickle": pickled.dump(job)}
    plain = {
        "version": VERSION,
        "settings": _SETTINGS.encode(settings),
        "path": [entry for entry in sys.path if entry],
        **how,
    }
    return bytes(msgpack.packb(plain, unicode_errors="surrogateescape"))


def unpack(package: bytes) -> LoadedJob:
    """Decode a package and make its job. Raises CorruptData, and the errors of the user's own modules."""
    global _opened  # noqa: PLW0603  (attempts of one job follow each other)
    if package != _opened.package:
        _opened = _Opened(package, *_parts(package))
    opened = _opened
    if opened.job is not None:
        return opened.job
    settings, plain = opened.settings, opened.plain
    secret_variables.pass_only(settings.pass_env)
    sys.path.extend(entry for entry in plain["path"] if entry not in sys.path)
    if "pickle" in plain:
        return loaded(pickled.load(plain["pickle"]), settings)
    file = JobFile(plain["sources"], plain["attribute"])
    job = loaded(file.make(deepcopy(plain["options"])), settings, file.sources)
    opened.times += 1
    if opened.times == _OFTEN and _keeps_nothing(job):
        opened.job = job
    return job


@dataclass(slots=True, eq=False)
class _Opened:
    """The last package that was unpacked here, and the parts of it that all attempts share.

    times  how often its job was made
    job    the job, if no attempt at it can leave anything behind, once that was looked at
    """

    package: bytes
    settings: TaskSettings
    plain: dict[str, Any]
    times: int = 0
    job: LoadedJob | None = None


_OFTEN = 3
"""Attempts at one job after which it is worth looking whether it has to be made anew for each."""
_opened = _Opened(b"", TaskSettings(Reader("text")), {})


def _keeps_nothing(job: LoadedJob) -> bool:
    from mrframe.task.code.stateless import keeps_nothing

    assert job.sources is not None
    main, *others = job.sources.modules
    module = sys.modules.get(main.name)
    return not others and module is not None and all(keeps_nothing(module, step) for step in job.steps)


def _parts(package: bytes) -> tuple[TaskSettings, dict[str, Any]]:
    """Return the settings of a package, and all of it as plain values."""
    plain = msgpack.unpackb(package, unicode_errors="surrogateescape", strict_map_key=False)
    assert SINCE_VERSION <= plain["version"] <= VERSION
    if "sources" in plain:
        plain["sources"] = Sources.from_plain(plain["sources"])
    if plain["version"] == SINCE_VERSION:
        return _settings_of_version_5(plain), plain
    return _SETTINGS.decode(plain["settings"]), plain


def _settings_of_version_5(plain: dict[str, Any]) -> TaskSettings:
    """Return the settings from version 5, which wrote each under its own name beside the job."""
    first, *_ = reader = plain["reader"]
    several = isinstance(first, list)
    return TaskSettings(
        {name: Reader(kind, text) for name, kind, text in reader} if several else Reader(*reader),
        saving=plain["saving"] and Saving(*plain["saving"]),
        window=plain["window"] and tuple(plain["window"]),
        **{name: plain[name] for name in _AS_THEY_ARE_IN_5},
    )


_AS_THEY_ARE_IN_5 = (
    *("memory_bytes", "keep_rejects", "cuts", "sampling", "fast", "max_failed", "stall_s", "memory_limit_bytes"),
    *("keep_quarantine", "hash_seed", "scratch_bytes_max"),
)


def options_of(package: bytes) -> dict[str, Any]:
    """Return the options that a packed job was made with, {} for a pickled one."""
    plain = msgpack.unpackb(package, unicode_errors="surrogateescape", strict_map_key=False)
    return dict(plain.get("options", {}))


def _sampling(job: Job) -> Job:
    """Return the one-step job that samples the keys of this job's first step (`map/key_sample.py`)."""
    return dataclasses.replace(job, next=None, combine=None, reduce=each, key_order="hash", sort_values=False)
