"""The inputs of a job, by source: `hits=access.log users=people.jsonl`, or a mapping from Python.

An ordinary job has one source without a name, and its inputs are taken as they stand, a "=" in them included.
Not here: which files an input stands for (`formats/inputs/files.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.errors import InputError, UsageError, did_you_mean
from mrframe.formats.inputs.files import InputFile, expand
from mrframe.formats.inputs.splits import estimated_bytes

Path = str | os.PathLike[str]
GivenInputs = Sequence[Path] | Mapping[str, Path | Sequence[Path]]
"""Inputs as a caller names them. For a join a mapping {source: its inputs}."""

DatasetFiles = Callable[[str], list[InputFile]]
"""The files of a dataset (its name without `mrfs:`)."""


@dataclass(frozen=True, slots=True)
class JobInputs:
    """The files that a job reads, found but not read yet.

    by_source  {source: its files}, in the order of the job's sources, {"": files} for a job without a join
    notes      for people: files that were given twice, or left out
    """

    by_source: Mapping[str, Sequence[InputFile]]
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[InputFile]:
        """All files. The position of one is its input index (`Split.order[0]`)."""
        return list(chain.from_iterable(self.by_source.values()))

    @property
    def paths(self) -> list[str]:
        """The paths of all files but those of a dataset."""
        return [file.path for file in self.files if not (file.is_stdin or file.is_stored)]

    @property
    def estimated_bytes(self) -> int:
        """Bytes once decoded, a guess for compressed files and 0 for standard input."""
        return estimated_bytes(self.files)

    @property
    def bytes_total(self) -> int:
        """Bytes once decoded, 0 when that is not known before all is read."""
        files = self.files
        return 0 if any(file.is_stdin or file.compression for file in files) else sum(file.bytes for file in files)


def find_inputs(job: Job, inputs: GivenInputs | Path, stored: DatasetFiles | None = None) -> JobInputs:
    """Find the files of each source. Raises as `by_source` and `formats.inputs.files.expand` do.

    `stored` gives the files of a dataset. Without it none can be an input.
    """
    notes: list[str] = []
    found = {name: expand(some, stored, notes.append) for name, some in by_source(job, inputs).items()}
    return JobInputs(found, tuple(dict.fromkeys(notes)))


def by_source(job: Job, inputs: GivenInputs | Path) -> dict[str, list[str]]:
    """{source: its inputs}, in the order of the job's sources, {"": inputs} for a job without a join.

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
                f"the job has no source {name!r}{did_you_mean(name, names)} (its inputs are given as {_form(job)})"
            )
        named[name] += _paths(some)
    for name, paths in named.items():
        if not paths:
            raise InputError(f"no input was given for the source {name!r}; its inputs are given as {_form(job)}")
    return named


def named_inputs(inputs: GivenInputs | Path) -> list[str]:
    """The inputs as a person names them: those of a join as NAME=INPUT."""
    if isinstance(inputs, Mapping):
        return [f"{name}={path}" for name, some in inputs.items() for path in _paths(some)]
    return _paths(inputs)


def _paths(inputs: GivenInputs | Path) -> list[str]:
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
