"""Which inputs belong to which source of a job: `hits=access.log users=people.jsonl`, or a mapping from Python.

An ordinary job has one source without a name, and its inputs are taken as they stand, a "=" in them included.
Not here: which files an input stands for (`formats/inputs/files.py`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from mrframe.core.job.job import Job
from mrframe.core.job.joins import nearest
from mrframe.errors import InputError, UsageError

Path = str | os.PathLike[str]
Inputs = Sequence[Path] | Mapping[str, Path | Sequence[Path]]


def by_source(job: Job, inputs: Inputs | Path) -> dict[str, list[str]]:
    """{source: its inputs}, in the order of the job's sources; {"": inputs} for a job that is no join.

    The inputs of a join are a mapping, or texts NAME=INPUT, of which several may have the same name. Raises
    UsageError when a name is unknown or missing, InputError when a source has no input.
    """
    if not job.is_join:
        if isinstance(inputs, Mapping):
            raise UsageError(
                f"the job reads one source, so its inputs have no names ({', '.join(inputs)}); give a list"
            )
        return {"": _paths(inputs)}
    names = job.source_names
    named: dict[str, list[str]] = {name: [] for name in names}
    given = inputs.items() if isinstance(inputs, Mapping) else (_apart(job, text) for text in _paths(inputs))
    for name, some in given:
        if name not in named:
            raise UsageError(
                f"the job has no source {name!r}{nearest(name, names)} (its inputs are given as {_form(job)})"
            )
        named[name] += _paths(some)
    for name, paths in named.items():
        if not paths:
            raise InputError(f"no input was given for the source {name!r}; its inputs are given as {_form(job)}")
    return named


def _paths(inputs: Inputs | Path) -> list[str]:
    if isinstance(inputs, (str, os.PathLike)):
        return [os.fspath(inputs)]
    return [os.fspath(path) for path in inputs]


def _apart(job: Job, text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name.isidentifier():
        first, *rest = job.source_names
        form = " ".join([f"{first}={text}", *(f"{other}=PATH" for other in rest)])
        raise UsageError(
            f"{text!r} does not say which source it is: the job joins {' and '.join(job.source_names)}, so "
            f"each input is given with its name, such as {form}"
        )
    return name, path


def _form(job: Job) -> str:
    return " ".join(f"{name}=PATH" for name in job.source_names)
