"""Every setting of a run, declared once: name, default, unit and help.

The command line, the environment (`MRFRAME_…`), the configuration files and docs/cli.md are generated from these
fields (`cli/parse/settings.py` reads them), and nothing else declares a setting. Names contain the units.
"""

from __future__ import annotations

import functools
from dataclasses import Field, field, fields
from typing import Any, Literal, Self

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MIB
from mrframe.core.settings.setting_kinds import (
    COUNT,
    COUNT_OR_0,
    LIMIT,
    LOG_FORMAT,
    NAMES,
    NODE_COUNT,
    PATH,
    SEED,
    SHARE,
    SIZE,
    SIZE_OR_0,
    SPAN,
    TEXT,
    Kind,
    one_of,
    one_of_group,
)
from mrframe.errors import UsageError, did_you_mean

ENGINES = "mrframe.engines"
"""The group of entry points in which a package registers engines (`engines/named_engines.py`)."""

Shuffle = Literal["auto", "zmq"]
Fast = Literal["auto", "off"]
Speculate = Literal["on", "off"]
Cache = Literal["auto", "on", "off"]


Section = Literal["read", "run", "cache", "tuning", "tests"]
"""The subject of a setting. Help lists the settings of a section together, in this order of the sections."""


def setting(default: Any, help_text: str, kind: Kind, metavar: str = "", *, section: Section = "run") -> Any:
    """Return a dataclass field with the help, the kind, the metavar and the section of a setting in its metadata."""
    metadata = {"help": help_text, "kind": kind, "metavar": metavar, "section": section}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of one run. The help of each field is its documentation.

        >>> options = mrframe.RunOptions(engine="inline", partitions=3)
        >>> options.partitions, options.max_bad
        (3, '10%')

    Raises UsageError if a value is not of its field's kind.
    """

    engine: str = setting(
        "auto",
        "where the job runs: in this process, on a cluster of processes on this machine, or whichever suits the size",
        one_of_group(ENGINES, "auto", "inline", "local"),
        metavar="auto|inline|local|NAME",
    )
    nodes: int | None = setting(
        None, "nodes of the local engine (default: 2, or 1 on one core)", NODE_COUNT, metavar="N"
    )
    slots: int | None = setting(
        None, "executors on each node (default: the cores divided by the nodes)", COUNT, metavar="N"
    )
    partitions: int | None = setting(
        None, "number of reduce tasks (default: one for each 64 MiB of input, at most 256)", COUNT, metavar="R"
    )
    hash_seed: str = setting(
        "0",
        "seed of the hash that assigns keys to partitions. random: a new one for each run, so that a writer of the "
        "logs cannot aim many keys at one partition",
        SEED,
        metavar="N|random",
        section="tuning",
    )
    shuffle: Shuffle = setting(
        "auto",
        "how reduces get map output: by path on the same host where possible, or always by ZeroMQ",
        one_of("auto", "zmq"),
        section="tuning",
    )
    log_format: str | None = setting(
        None,
        "force this log format: a name, or the server's own format string. Given several times, each line is of the "
        "first format that fits it",
        LOG_FORMAT,
        metavar="NAME|STRING",
        section="read",
    )
    config: str | None = setting(
        None,
        "take log formats and their names from this configuration of nginx or Apache",
        PATH,
        metavar="FILE",
        section="read",
    )
    record_start: str | None = setting(
        None,
        "for jobs that read text: a record begins at each line whose beginning this regular expression matches",
        TEXT,
        metavar="REGEX",
        section="read",
    )
    since: str | None = setting(
        None,
        "only records from this time on: a date, a time, or a span before now such as 24h",
        TEXT,
        metavar="TIME",
        section="read",
    )
    until: str | None = setting(None, "only records before this time", TEXT, metavar="TIME", section="read")
    timezone: str | None = setting(
        None,
        "zone of times without one, in logs and in these flags (default: UTC)",
        TEXT,
        metavar="ZONE",
        section="read",
    )
    max_bad: str = setting(
        "10%", "malformed lines allowed: a number, or a share such as 10%", LIMIT, metavar="N|%", section="read"
    )
    max_failed: str = setting(
        "0",
        "records allowed to fail in the job's code, which are then left out: a number, or a share such as 1%",
        LIMIT,
        metavar="N|%",
        section="read",
    )
    split_bytes: int | None = setting(
        None,
        "length of a split in bytes (default: a sixteenth of the input, at least 16 MiB and at most 64 MiB)",
        SIZE,
        metavar="BYTES",
        section="tuning",
    )
    splits: int | None = setting(
        None, "cut the input into this many splits instead of --split-bytes", COUNT, metavar="N", section="tests"
    )
    order_seed: int | None = setting(
        None, "shuffle the order of map tasks by this seed (inline engine)", COUNT_OR_0, metavar="N", section="tests"
    )
    memory_bytes: int = setting(
        256 * MIB,
        "budget of each executor for buffered pairs, in bytes",
        SIZE_OR_0,
        metavar="BYTES",
        section="tuning",
    )
    inline_bytes_max: int = setting(
        16 * MIB,
        "inputs up to this size run inline when the engine is auto, in bytes",
        SIZE_OR_0,
        metavar="BYTES",
        section="tuning",
    )
    fast: Fast = setting(
        "auto",
        "fold in the compiled kernel where it is installed, with the same result",
        one_of("auto", "off"),
        section="tuning",
    )
    timeout_s: float | None = setting(None, "give up after this many seconds", SPAN, metavar="SECONDS")
    stall_s: float = setting(
        600.0,
        "kill a task that shows no progress for this long, and blame the record that it was processing",
        SPAN,
        metavar="SECONDS",
        section="tuning",
    )
    speculate: Speculate = setting(
        "on",
        "run a second attempt of a slow task on an idle node. Turn it off if the job's code has external effects "
        "that must not happen twice at a time",
        one_of("on", "off"),
        section="tuning",
    )
    memory_limit_bytes: int | None = setting(
        None,
        "memory limit of an executor's process, in bytes (default: its part of 3/4 of the machine's memory)",
        SIZE,
        metavar="BYTES",
        section="tuning",
    )
    scratch_bytes_max: int = setting(
        64 * 1024 * MIB,
        "disk space that a task may use for its own files at a time, in bytes",
        SIZE,
        metavar="BYTES",
        section="tuning",
    )
    pass_env: str | None = setting(
        None,
        "environment variables that the job's code sees in executors although they look like secrets",
        NAMES,
        metavar="NAME,…",
    )
    cache: Cache = setting(
        "auto",
        "cache the results of maps, and use them again for the same bytes. auto: for inputs from 64 MiB on. "
        "--no-cache is short for off",
        one_of("auto", "on", "off"),
        section="cache",
    )
    cache_dir: str | None = setting(
        None,
        "folder of cached results (default: mrframe in $XDG_CACHE_HOME, or in ~/.cache)",
        PATH,
        metavar="DIR",
        section="cache",
    )
    cache_bytes_max: int = setting(
        1024 * MIB,
        "size limit of all cached results, in bytes. The least recently used ones are deleted",
        SIZE,
        metavar="BYTES",
        section="cache",
    )
    verify: str = setting(
        "0",
        "share of the cached results to compute again and compare, such as 2%",
        SHARE,
        metavar="%",
        section="cache",
    )
    scratch_dir: str | None = setting(None, "folder for intermediate files (default: $TMPDIR)", PATH, metavar="DIR")
    origins: tuple[tuple[str, str], ...] = ()  # no setting: (setting, where its value was found), for messages

    def __new__(cls, *values: Any, **settings: Any) -> Self:
        """Refuse an unknown name with the nearest setting, and values without names."""
        __tracebackhide__ = True  # of pytest
        if values:
            raise UsageError(f"RunOptions({values[0]!r}): each setting has a name, such as engine={values[0]!r}")
        known = cls.__dataclass_fields__
        for name in settings:
            if name not in known:
                hint = did_you_mean(name, known) or ";"
                names = ", ".join(one.name for one in setting_fields())
                raise UsageError(f"RunOptions has no {name}={hint} it has: {names}")
        return object.__new__(cls)

    def origin_of(self, name: str) -> str:
        """Return where the value of a setting was found, such as `log_format in mrframe.toml`, else its flag."""
        return dict(self.origins).get(name, f"--{name.replace('_', '-')}")

    def is_asked_for(self, name: str) -> bool:
        """Return whether a setting was given for this run alone, and not in the environment or a settings file."""
        return self.origin_of(name).startswith("--")

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in setting_fields() if getattr(self, f.name) != f.default]
        return f"RunOptions({', '.join(f'{name}={value!r}' for name, value in given)})"

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, RunOptions) else NotImplemented

    def __hash__(self) -> int:
        return self._values().__hash__()

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, one.name) for one in setting_fields())

    def __post_init__(self) -> None:
        for name, kind, optional in _checks():
            value = getattr(self, name)
            if not (kind.takes(value) or (optional and value is None)):
                raise UsageError(f"{name}={value!r}: {needed(kind, value)}")


def needed(kind: Kind, given: object) -> str:
    """Return the end of a message about a value that is not of this kind. The caller prefixes the location."""
    return f"{kind.wanted} is needed{did_you_mean(str(given), kind.choices)}"


@functools.cache
def setting_fields() -> list[Field[Any]]:
    """Return the fields of `RunOptions` that are settings, in the order of their declaration."""
    return [one for one in fields(RunOptions) if one.metadata]


@functools.cache
def _checks() -> list[tuple[str, Kind, bool]]:
    return [(one.name, one.metadata["kind"], one.default is None) for one in setting_fields()]
