"""Every setting of a run, declared once: name, default, unit and help.

The command line, the environment (`MRFRAME_…`), the configuration files and docs/cli.md are made from
these fields (`cli/parse/settings.py` reads them); nothing else declares a setting. Units are in the names.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.model.spec import MIB

Engine = Literal["auto", "inline", "local"]
Shuffle = Literal["auto", "zmq"]
Fast = Literal["auto", "off"]
Speculate = Literal["on", "off"]
Cache = Literal["auto", "on", "off"]


def setting(default: Any, help_text: str, choices: tuple[str, ...] = (), metavar: str = "") -> Any:
    """A dataclass field with what the command line and the docs need to know about it."""
    return field(default=default, metadata={"help": help_text, "choices": choices, "metavar": metavar})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The settings of one run; see each field's help."""

    engine: Engine = setting(
        "auto",
        "where the job runs: in this process, on a cluster of processes on this machine, or whichever suits the size",
        ("auto", "inline", "local"),
    )
    nodes: int | None = setting(None, "worker nodes of the local engine (default: 2, or 1 on one core)", metavar="N")
    slots: int | None = setting(None, "executors on each node (default: the cores divided by the nodes)", metavar="N")
    partitions: int | None = setting(
        None, "number of reduce tasks (default: one for each 64 MiB of input, at most 256)", metavar="R"
    )
    hash_seed: str = setting(
        "0",
        "seed of the hash that gives a key its partition; random: drawn for this run, for logs whose writers might "
        "aim keys at one partition",
        metavar="N|random",
    )
    shuffle: Shuffle = setting(
        "auto",
        "how map output reaches reduces: by path on the same host where possible, or always by ZeroMQ",
        ("auto", "zmq"),
    )
    log_format: str | None = setting(
        None, "force this log format: a name, or the server's own format string", metavar="NAME|STRING"
    )
    since: str | None = setting(
        None, "only records from this time on: a date, a time, or a span back from now such as 24h", metavar="TIME"
    )
    until: str | None = setting(None, "only records before this time", metavar="TIME")
    timezone: str | None = setting(
        None, "zone of times that name none, in logs and in these flags (default: UTC)", metavar="ZONE"
    )
    max_bad: str = setting("10%", "malformed lines allowed: a number, or a share such as 10%", metavar="N|%")
    max_failed: str = setting(
        "0", "records left out because the job's code fails on them: a number, or a share such as 1%", metavar="N|%"
    )
    split_bytes: int | None = setting(
        None, "length of a split in bytes (default: a sixteenth of the input, from 16 MiB to 64 MiB)", metavar="BYTES"
    )
    splits: int | None = setting(None, "cut the input into this many splits instead (for tests)", metavar="N")
    order_seed: int | None = setting(
        None, "run the map tasks in an order shuffled by this seed (inline, for tests)", metavar="N"
    )
    memory_bytes: int = setting(256 * MIB, "budget of each executor for buffered pairs, in bytes", metavar="BYTES")
    inline_bytes_max: int = setting(
        16 * MIB, "inputs up to this size run inline when the engine is auto, in bytes", metavar="BYTES"
    )
    fast: Fast = setting(
        "auto", "use NumPy where it is installed and pays: the answer is the same, only sooner", ("auto", "off")
    )
    timeout_s: float | None = setting(None, "give up after this many seconds", metavar="SECONDS")
    stall_s: float = setting(
        600.0,
        "a task that shows no progress for so long is killed, and the record it was at is to blame",
        metavar="SECONDS",
    )
    speculate: Speculate = setting(
        "on",
        "a task that takes much longer than others is tried a second time on an idle node; off where the job's code "
        "has effects outside of it that must not happen twice at a time",
        ("on", "off"),
    )
    memory_limit_bytes: int | None = setting(
        None,
        "what an executor's process may hold, in bytes (default: its part of three quarters of the machine's memory)",
        metavar="BYTES",
    )
    scratch_bytes_max: int = setting(
        64 * 1024 * MIB, "what a task may have on disk for its own work at a time, in bytes", metavar="BYTES"
    )
    cache: Cache = setting(
        "auto",
        "save the results of maps and use them again where the same bytes are read: for inputs from 64 MiB on, "
        "always, or never; off can be said as --no-cache",
        ("auto", "on", "off"),
    )
    cache_dir: str | None = setting(
        None, "folder of saved results (default: mrframe in $XDG_CACHE_HOME, or in ~/.cache)", metavar="DIR"
    )
    cache_bytes_max: int = setting(
        1024 * MIB,
        "saved results over this size are deleted, those that were used last stay, in bytes",
        metavar="BYTES",
    )
    verify: str = setting("0", "share of the saved results that are made again and compared, such as 2%", metavar="%")
    scratch_dir: str | None = setting(None, "folder for intermediate files (default: $TMPDIR)", metavar="DIR")
