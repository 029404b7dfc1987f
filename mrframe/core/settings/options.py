"""Every setting of a run, declared once: name, default, unit and help.

The command line, the environment (`MRFRAME_…`), the configuration files and docs/cli.md are made from
these fields (`cli/parse/settings.py` reads them), and nothing else declares a setting. Units are in the names.
"""

from __future__ import annotations

import functools
from dataclasses import field, fields
from typing import Any, Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MIB
from mrframe.core.settings.setting_kinds import (
    COUNT,
    COUNT_OR_0,
    LIMIT,
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
"""The group of entry points by which a package adds engines (`engines/named_engines.py`)."""

Shuffle = Literal["auto", "zmq"]
Fast = Literal["auto", "off"]
Speculate = Literal["on", "off"]
Cache = Literal["auto", "on", "off"]


def setting(default: Any, help_text: str, kind: Kind, metavar: str = "") -> Any:
    """A dataclass field with everything that the command line and the docs need to know about it."""
    return field(default=default, metadata={"help": help_text, "kind": kind, "metavar": metavar})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of one run: see the help of each field.

        >>> options = mrframe.RunOptions(engine="inline", partitions=3)
        >>> options.partitions, options.max_bad
        (3, '10%')

    Raises UsageError for a value that is not of the field's kind.
    """

    engine: str = setting(
        "auto",
        "where the job runs: in this process, on a cluster of processes on this machine, or whichever suits the size",
        one_of_group(ENGINES, "auto", "inline", "local"),
        metavar="auto|inline|local|NAME",
    )
    nodes: int | None = setting(
        None, "worker nodes of the local engine (default: 2, or 1 on one core)", COUNT, metavar="N"
    )
    slots: int | None = setting(
        None, "executors on each node (default: the cores divided by the nodes)", COUNT, metavar="N"
    )
    partitions: int | None = setting(
        None, "number of reduce tasks (default: one for each 64 MiB of input, at most 256)", COUNT, metavar="R"
    )
    hash_seed: str = setting(
        "0",
        "seed of the hash that gives a key its partition; random: drawn for this run, for logs whose writers might "
        "aim keys at one partition",
        SEED,
        metavar="N|random",
    )
    shuffle: Shuffle = setting(
        "auto",
        "how map output reaches reduces: by path on the same host where possible, or always by ZeroMQ",
        one_of("auto", "zmq"),
    )
    log_format: str | None = setting(
        None, "force this log format: a name, or the server's own format string", TEXT, metavar="NAME|STRING"
    )
    since: str | None = setting(
        None,
        "only records from this time on: a date, a time, or a span back from now such as 24h",
        TEXT,
        metavar="TIME",
    )
    until: str | None = setting(None, "only records before this time", TEXT, metavar="TIME")
    timezone: str | None = setting(
        None, "zone of times that name none, in logs and in these flags (default: UTC)", TEXT, metavar="ZONE"
    )
    max_bad: str = setting("10%", "malformed lines allowed: a number, or a share such as 10%", LIMIT, metavar="N|%")
    max_failed: str = setting(
        "0",
        "records left out because the job's code fails on them: a number, or a share such as 1%",
        LIMIT,
        metavar="N|%",
    )
    split_bytes: int | None = setting(
        None,
        "length of a split in bytes (default: a sixteenth of the input, from 16 MiB to 64 MiB)",
        SIZE,
        metavar="BYTES",
    )
    splits: int | None = setting(None, "cut the input into this many splits instead (for tests)", COUNT, metavar="N")
    order_seed: int | None = setting(
        None, "run the map tasks in an order shuffled by this seed (inline, for tests)", COUNT_OR_0, metavar="N"
    )
    memory_bytes: int = setting(
        256 * MIB, "budget of each executor for buffered pairs, in bytes", SIZE_OR_0, metavar="BYTES"
    )
    inline_bytes_max: int = setting(
        16 * MIB, "inputs up to this size run inline when the engine is auto, in bytes", SIZE_OR_0, metavar="BYTES"
    )
    fast: Fast = setting(
        "auto", "use NumPy where it is installed and pays: the answer is the same, only sooner", one_of("auto", "off")
    )
    timeout_s: float | None = setting(None, "give up after this many seconds", SPAN, metavar="SECONDS")
    stall_s: float = setting(
        600.0,
        "a task that shows no progress for so long is killed, and the record it was at is to blame",
        SPAN,
        metavar="SECONDS",
    )
    speculate: Speculate = setting(
        "on",
        "a task that takes much longer than others is tried a second time on an idle node; off where the job's code "
        "has effects outside of it that must not happen twice at a time",
        one_of("on", "off"),
    )
    memory_limit_bytes: int | None = setting(
        None,
        "what an executor's process may hold, in bytes (default: its part of three quarters of the machine's memory)",
        SIZE,
        metavar="BYTES",
    )
    scratch_bytes_max: int = setting(
        64 * 1024 * MIB, "what a task may have on disk for its own work at a time, in bytes", SIZE, metavar="BYTES"
    )
    cache: Cache = setting(
        "auto",
        "save the results of maps and use them again where the same bytes are read: for inputs from 64 MiB on, "
        "always, or never; off can be said as --no-cache",
        one_of("auto", "on", "off"),
    )
    cache_dir: str | None = setting(
        None, "folder of saved results (default: mrframe in $XDG_CACHE_HOME, or in ~/.cache)", PATH, metavar="DIR"
    )
    cache_bytes_max: int = setting(
        1024 * MIB,
        "saved results over this size are deleted, those that were used last stay, in bytes",
        SIZE,
        metavar="BYTES",
    )
    verify: str = setting(
        "0", "share of the saved results that are made again and compared, such as 2%", SHARE, metavar="%"
    )
    scratch_dir: str | None = setting(None, "folder for intermediate files (default: $TMPDIR)", PATH, metavar="DIR")

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return f"RunOptions({', '.join(f'{name}={value!r}' for name, value in given)})"

    def __post_init__(self) -> None:
        for name, kind, optional in _checks():
            value = getattr(self, name)
            if not (kind.takes(value) or (optional and value is None)):
                raise UsageError(f"{name}={value!r}: {needed(kind, value)}")


def needed(kind: Kind, given: object) -> str:
    """The words for a value that is not of this kind, to be put behind the place it was given at."""
    return f"{kind.wanted} is needed{did_you_mean(str(given), kind.choices)}"


@functools.cache
def _checks() -> list[tuple[str, Kind, bool]]:
    return [(field.name, field.metadata["kind"], field.default is None) for field in fields(RunOptions)]
