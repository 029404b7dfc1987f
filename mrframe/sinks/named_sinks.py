"""From a target (`-o TARGET`) to the sink for it, and to the form that the result takes there.

A target SCHEME://… goes to the sink of that scheme, which a package registers as an entry point in the group
`mrframe.sinks`: something callable with (target, `Delivery`) that gives a `ResultSink`. A name that ends in a slash,
or an existing folder, is a folder of parts. Any other name is a file.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from mrframe import plugins
from mrframe.errors import OutputError
from mrframe.formats.output.named_outputs import FORMATS, format_of_ending, known_endings
from mrframe.store.output import is_folder_target
from mrframe.store.publish import is_stream

if TYPE_CHECKING:
    from mrframe.sinks.result_sink import Delivery, ResultSink

SINKS = "mrframe.sinks"
"""The group of entry points by which a package adds sinks, each under the scheme of its targets."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://")
_PARTS = ("check", "begin", "write", "commit", "abort")


def scheme_of(target: str) -> str:
    """The scheme of a target such as `sqlite://…`, "" for a file or folder."""
    found = _SCHEME.match(target)
    return found[1] if found else ""


def sink_for(target: str, delivery: Delivery) -> ResultSink:
    """The sink for a target other than standard output.

    Raises UsageError for a scheme without a sink, PluginBroken for a sink that cannot be used.
    """
    scheme = scheme_of(target)
    if scheme:
        return _plugin(scheme, target, delivery)
    from mrframe.sinks.file_sinks import FileSink, FolderSink

    return FolderSink(target, delivery) if is_folder_target(target) else FileSink(target, delivery)


def _plugin(scheme: str, target: str, delivery: Delivery) -> ResultSink:
    make: Any = plugins.load_plugin(SINKS, scheme, (), f"the output {target}")
    try:
        sink: ResultSink = make(target, delivery)
    except OutputError:
        raise  # the target is at fault
    except Exception as error:  # whatever the package's own code raises
        raise plugins.broken(SINKS, scheme, f"{type(error).__name__}: {error}") from error
    missing = [part for part in _PARTS if not hasattr(sink, part)]
    if missing:
        raise plugins.broken(SINKS, scheme, f"the sink has no {', '.join(missing)}")
    return sink


def form_for(target: str | None, wanted: str | None, *, terminal: bool) -> str:
    """The form of the result: the one asked for, else that of the file's ending, else `table` on a terminal only.

    OutputError for a file with an ending that no form has, as its content would not match its name.
    """
    if wanted is not None:
        return wanted
    if target is None or target == "-":
        return "table" if terminal else "jsonl"
    ending = "" if scheme_of(target) else os.path.splitext(target)[1].lower()
    form = format_of_ending(ending) if ending else "jsonl"
    if form is None and not is_folder_target(target) and not is_stream(target):
        raise OutputError(
            f"the output {target} has the ending {ending}, which names no form that is written here (known are "
            f"{', '.join(known_endings())}, and none for JSON lines); say the form with --format {'|'.join(FORMATS)}"
        )
    return form or "jsonl"
