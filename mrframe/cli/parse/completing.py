"""Completions of arguments for shells: jobs, inputs, fields, log formats and ids.

Each function has the signature that click calls. A completion must never fail or wait, so whatever goes wrong (no
cluster, a file that cannot be read) completes to nothing. The shell completes file names for an item of type "file".
Not here: commands, options and choices, which click completes, and the scripts for the shells
(`commands/completion.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

REPLY_S = 0.5  # how long a shell waits for the cluster


def jobs(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ready jobs by name, and job files. Without either, any file."""
    from mrframe import api

    ready = _items(api.ready_descriptions(), incomplete)
    return ready + _items(dict.fromkeys(_python_files(), ""), incomplete) if ready else _files(incomplete)


def inputs(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files."""
    return _files(incomplete)


def choices(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return those that begin like this."""
    return _items(dict.fromkeys(known, ""), incomplete)


def folders(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders."""
    return [_item(incomplete, type="dir")]


def fields_and_inputs(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Fields of the log, and files. Once a file is among the words, only files."""
    words = context.params.get(param.name or "") or ()
    if any(map(os.path.exists, words)):
        return _files(incomplete)
    return fields(context, param, incomplete) or _files(incomplete)


def fields(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Fields of the first input that is among the words, of the format that was given, or of an access log."""
    return _items(_fields(context), incomplete)


def log_formats(_context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Formats that have a name."""
    from mrframe import api

    return _items({one.name: one.description for one in api.log_formats()}, incomplete)


def submissions(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of the cluster's submissions, with the name of the job. `@` is the last one."""
    return _items({"@": "the last one"} | _submissions(context), incomplete)


def runs_and_submissions(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Ids of runs and submissions."""
    from mrframe import api

    runs = dict.fromkeys(api.kept_run_ids(), "a run")
    return _items({"@": "the last one"} | _submissions(context) | runs, incomplete)


def datasets(context: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the cluster's datasets."""
    from mrframe import api
    from mrframe.errors import MrframeError

    try:
        with api.connect(context.params.get("directory"), reply_s=REPLY_S) as client:
            return _items({version.dataset: "" for version in client.datasets()}, incomplete)
    except (MrframeError, OSError):
        return []


def _submissions(context: click.Context) -> dict[str, str]:
    from mrframe import api
    from mrframe.errors import MrframeError

    try:
        with api.connect(context.params.get("directory"), reply_s=REPLY_S) as client:
            return {one.id: one.name or "" for one in client.jobs()}
    except (MrframeError, OSError):
        return {}


def _fields(context: click.Context) -> dict[str, str]:
    from mrframe import api
    from mrframe.errors import MrframeError

    words = context.params.get("words") or ()
    try:
        given = context.params.get("log_format")
        if given:
            return api.format_fields(given)
        found = next((word for word in words if os.path.isfile(word)), None)
        if found is not None:
            return dict.fromkeys(api.detect_format(found).fields, "")
    except (MrframeError, OSError):
        pass
    return api.format_fields("combined")


def _items(found: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    return [_item(name, help=text or None) for name, text in found.items() if name.startswith(incomplete)]


def _item(value: str, **more: str | None) -> CompletionItem:
    from click.shell_completion import CompletionItem  # only a shell that completes needs it

    return CompletionItem(value, **more)  # type: ignore[arg-type]  # as they are declared there


def _files(incomplete: str) -> list[CompletionItem]:
    return [_item(incomplete, type="file")]


def _python_files() -> list[str]:
    try:
        return sorted(name for name in os.listdir() if name.endswith(".py"))
    except OSError:
        return []
