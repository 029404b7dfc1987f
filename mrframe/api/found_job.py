"""A job file that was named: found, read and executed once.

A command asks for the parameters of a job before it can parse its own line, and makes the job afterwards. Both use
one execution of the file. Not here: the forms of a name, and the execution of the file (`task/code/job_file.py`).
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from mrframe.core.job.job import Job
from mrframe.task.code.job_file import JobFile, find, made
from mrframe.task.isolation import effects


class FoundJob:
    """A job file and the text that named it. Its code runs when a method first needs it.

    Each `make` after the first executes the file again, so that no run sees the globals of an earlier one.
    """

    def __init__(self, text: str, file: JobFile) -> None:
        self.text = text
        self.file = file
        self._target: Job | Callable[..., Job] | None = None

    def parameters(self) -> list[inspect.Parameter]:
        """The parameters of a job that is a function, which are its options; [] for a plain job."""
        target = self._executed()
        return [] if isinstance(target, Job) else list(inspect.signature(target).parameters.values())

    def description(self) -> str:
        """The docstring of a job that is a function, else that of its file, else ""."""
        target = self._executed()
        own = None if isinstance(target, Job) else inspect.getdoc(target)
        return own or self.file.docstring()

    def make(self, options: Mapping[str, Any]) -> Job:
        """The job, named after its file. JobError or UserCodeError when it cannot be made.

        Run nothing else between `parameters` and this: the effects of all jobs are noted in one place.
        """
        target, self._target = self._executed(), None
        return _named(made(target, options, self.file.path), os.path.basename(self.file.path).removesuffix(".py"))

    def _executed(self) -> Job | Callable[..., Job]:
        if self._target is None:
            effects.forget()
            self._target = self.file.target()
        return self._target

    def __repr__(self) -> str:
        return f"<FoundJob {self.text!r} in {self.file.path}>"


JobLike = Job | Callable[..., Job] | str | FoundJob
"""A job, a function that makes one of its options, the text of JOB, or the job file that was found for it."""


def find_job(text: str) -> FoundJob:
    """Find the job file that JOB on a command line names. JobError says where it was looked for, and the nearest."""
    return FoundJob(text, find(text))


def resolve(job: JobLike, options: Mapping[str, Any]) -> tuple[JobFile | None, Job]:
    """The job, and the file to ship it from when it is named by one."""
    if isinstance(job, str):
        job = find_job(job)
    if isinstance(job, FoundJob):
        return job.file, job.make(options)
    effects.forget()
    target = made(job, options, getattr(job, "__qualname__", "this call"))
    return None, _named(target, getattr(job, "__name__", ""))


def load_job(job: JobLike, options: Mapping[str, Any]) -> Job:
    """The job that `run` would run. JobError or UserCodeError when it cannot be made."""
    return resolve(job, options)[1]


def _named(job: Job, name: str) -> Job:
    """The job under the name of its file, unless it has one."""
    return job if job.name else dataclasses.replace(job, name=name)
