"""MapReduce for people who analyse logs: two Python functions, exact answers, all cores.

The public names, loaded when they are first used, so that a job file imports no more than it needs.
"""

from __future__ import annotations

import importlib
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrframe.api import (
        Client,
        Progress,
        Result,
        Submission,
        Summary,
        cluster_status,
        connect,
        run,
        start_cluster,
        stop_cluster,
    )
    from mrframe.cli.commands.script import main
    from mrframe.core.job.job import Job, each, top
    from mrframe.core.model.reader import Reader
    from mrframe.core.settings.options import RunOptions
    from mrframe.errors import MrframeError
    from mrframe.formats.registry import json_lines, logfmt, logs, ltsv, text, words
    from mrframe.shuffle.measures.approx_distinct import approx_distinct
    from mrframe.shuffle.measures.ends import first, first_by, last, last_by
    from mrframe.shuffle.measures.frequent import heavy_hitters
    from mrframe.shuffle.measures.quantiles import approx_quantile, median, quantile
    from mrframe.shuffle.measures.spread import stddev
    from mrframe.shuffle.reducers import collect, count, distinct, largest, mean, smallest, total
    from mrframe.task.report.counters import increment

__version__ = "0.1.0"

_NAMES = {
    "api": (
        *("Client", "Progress", "Result", "Submission", "Summary"),
        *("cluster_status", "connect", "run", "start_cluster", "stop_cluster"),
    ),
    "cli.commands.script": ("main",),
    "core.job.job": ("Job", "each", "top"),
    "core.model.reader": ("Reader",),
    "core.settings.options": ("RunOptions",),
    "errors": ("MrframeError",),
    "formats.registry": ("json_lines", "logfmt", "logs", "ltsv", "text", "words"),
    "shuffle.measures.approx_distinct": ("approx_distinct",),
    "shuffle.measures.ends": ("first", "first_by", "last", "last_by"),
    "shuffle.measures.frequent": ("heavy_hitters",),
    "shuffle.measures.quantiles": ("approx_quantile", "median", "quantile"),
    "shuffle.measures.spread": ("stddev",),
    "shuffle.reducers": ("collect", "count", "distinct", "largest", "mean", "smallest", "total"),
    "task.report.counters": ("increment",),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Client",
    "Job",
    "MrframeError",
    "Progress",
    "Reader",
    "Result",
    "RunOptions",
    "Submission",
    "Summary",
    "approx_distinct",
    "approx_quantile",
    "cluster_status",
    "collect",
    "connect",
    "count",
    "distinct",
    "each",
    "first",
    "first_by",
    "heavy_hitters",
    "increment",
    "json_lines",
    "largest",
    "last",
    "last_by",
    "logfmt",
    "logs",
    "ltsv",
    "main",
    "mean",
    "median",
    "quantile",
    "run",
    "smallest",
    "start_cluster",
    "stddev",
    "stop_cluster",
    "text",
    "top",
    "total",
    "words",
]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise _unknown(name, sys._getframe(1))  # noqa: SLF001  (to tell an import from an attribute)
    value = getattr(importlib.import_module(f"mrframe.{module}"), name)
    globals()[name] = value
    return value


def _unknown(name: str, caller: FrameType) -> Exception:
    """Return the error for an unknown name, with the nearest one.

    Python makes a message of its own for `from mrframe import …`, unless it gets an ImportError.
    """
    message = f"module 'mrframe' has no attribute {name!r}"
    if name.startswith("_") or caller.f_code.co_filename.startswith("<frozen importlib"):
        return AttributeError(message)  # Python itself asks whether there is such a name
    import opcode

    from mrframe.core.job.calls import nearest_name

    message += f"{nearest_name(name, __all__) or ';'} it has: {', '.join(__all__)}"
    imported = caller.f_code.co_code[caller.f_lasti] == opcode.opmap["IMPORT_FROM"]
    return ImportError(message, name="mrframe") if imported else AttributeError(message)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
