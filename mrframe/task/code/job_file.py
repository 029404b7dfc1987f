"""Resolves JOB on a command line: a file, `file.py:name`, a dotted module, or a ready job.

`find` resolves the text to sources. `JobFile.make` runs them and returns the `Job`, calling a job function with the
job's own options. Errors name the missing thing and the nearest match.
"""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mrframe.core.fast_dataclass import dataclass
from mrframe.core.job.job import Job
from mrframe.core.safe_text import safe_repr
from mrframe.errors import JobError, MrframeError, UserCodeError, did_you_mean
from mrframe.paths import PACKAGE_DIR, PROJECT_DIR
from mrframe.task.code.modules import Sources, collect
from mrframe.task.isolation import effects
from mrframe.task.isolation.hook_guard import is_interrupt
from mrframe.task.report.failures import exception_text, from_the_job, user_traceback, users_line


@dataclass(frozen=True, slots=True)
class JobFile:
    """The sources of a job, and the name of the job in them ("" for the usual names)."""

    sources: Sources
    attribute: str

    @property
    def path(self) -> str:
        """Return the path of the job file."""
        return self.sources.modules[0].path

    def docstring(self) -> str:
        """Return the docstring of the job file, or ""."""
        return _docstring(self.sources.modules[0].text)

    def target(self) -> Job | Callable[..., Job]:
        """Return the job, or the function that makes it. Raises UserCodeError if the file itself raises."""
        try:
            with effects.watched():
                module = self.sources.run()
        except MrframeError as error:
            raise located(error) from None
        except BaseException as error:  # the user's file runs here and may raise anything, even SystemExit
            if is_interrupt(error):
                raise
            raise UserCodeError(
                f"the job file {self.path} cannot be loaded: {exception_text(error)}{_no_python(error, self.path)}",
                traceback_text=user_traceback(error),
            ) from from_the_job(error)
        return _pick(vars(module), self.attribute, self.path)

    def make(self, options: Mapping[str, Any]) -> Job:
        """Make the job with its own options. Raises JobError if they do not fit."""
        return made(self.target(), options, self.path)


def made(target: Job | Callable[..., Job], options: Mapping[str, Any], name: str) -> Job:
    """Return the job, calling its function with the options if it is one."""
    if isinstance(target, Job):
        if options:
            raise JobError(f"the job of {name} takes no options, but was given {', '.join(sorted(options))}")
        return target
    try:
        inspect.signature(target).bind(**options)
    except TypeError as error:
        raise JobError(f"the job function of {name}: {error}") from None
    try:
        with effects.watched():
            job = target(**options)
    except MrframeError as error:
        raise located(error) from None
    except BaseException as error:  # the user's function runs here
        if is_interrupt(error):
            raise
        given = f" with {', '.join(f'{key}={safe_repr(value)}' for key, value in options.items())}" if options else ""
        raise UserCodeError(
            f"the job function of {name} failed{given}: {exception_text(error)}", traceback_text=user_traceback(error)
        ) from from_the_job(error)
    if not isinstance(job, Job):
        raise JobError(f"the job function of {name} returned {type(job).__name__}; it must return a Job(…)")
    return job


def located(error: MrframeError) -> MrframeError:
    """Return an error about a job with the line of the job's file that it was raised on, if there is one."""
    if type(error) is not JobError:
        return error
    line = users_line(error)
    return JobError(f"{error} ({line})") if line else error


def _no_python(error: BaseException, path: str) -> str:
    if isinstance(error, (SyntaxError, JobError)) and not path.endswith(".py"):
        return "; if this is a log, the job goes before it: mrframe run JOB INPUT"
    return ""


def _pick(names: Mapping[str, Any], attribute: str, path: str) -> Job | Callable[..., Job]:
    if attribute:
        target = names.get(attribute)
        if isinstance(target, Job) or callable(target):
            return target
        raise JobError(f"{path} has no job named {attribute!r}{did_you_mean(attribute, names)}")
    target = names.get("job")
    if isinstance(target, Job) or inspect.isfunction(target):
        return target
    jobs = {name: value for name, value in names.items() if isinstance(value, Job) and not name.startswith("_")}
    if len(jobs) == 1:
        return next(iter(jobs.values()))
    if jobs:
        raise JobError(
            f"{path} has several jobs ({', '.join(jobs)}); name one: {os.path.basename(path)}:{next(iter(jobs))}"
        )
    raise JobError(f"{path} has no job: give it a top-level `job = Job(…)` or a function `job` that returns one")


def find(text: str) -> JobFile:
    """Resolve JOB. Raises JobError, which names the missing thing and the nearest ready job."""
    name, attribute = _split(text)
    if name.endswith(".py") or os.sep in name:
        if os.path.isdir(name):
            raise JobError(f"{name} is a directory; name the job file in it")
        if not os.path.exists(name):
            raise JobError(f"there is no job file {name}{_nearest_file(name)}")
        try:
            return JobFile(collect(name), attribute)
        except JobError as error:
            raise JobError(f"{error}{_no_python(error, name)}") from None
    ready = ready_jobs()
    if name in ready:
        _check_only(name, ready[name])
        return JobFile(collect(ready[name]), attribute)
    origin = _origin(name)
    if origin is None:
        if os.path.exists(text):
            raise JobError(f"{text} is no job, but an input; the job goes before the inputs: mrframe run JOB {text}")
        hint = did_you_mean(name, sorted(ready))
        raise JobError(
            f"{text!r} is not a job: it is neither a file, nor an importable module, nor a ready job{hint} "
            f"(ready jobs: {', '.join(sorted(ready))})"
        )
    root = origin
    for _ in range(name.count(".") + 1 + (os.path.basename(origin) == "__init__.py")):
        root = os.path.dirname(root)
    return JobFile(collect(origin, name, root), attribute)


def _check_only(name: str, ready: str) -> None:
    """Raise JobError if a ready job shares its name with a file here, so that the name is ambiguous."""
    for own in (f"{name}.py", os.path.join(name, "__init__.py")):
        if os.path.isfile(own) and not os.path.samefile(own, ready):
            raise JobError(
                f"{name} is a ready job, and there is {os.path.join('.', own)} as well; name the one that is meant: "
                f"{os.path.join('.', own)}, or {ready}"
            )


def _split(text: str) -> tuple[str, str]:
    name, colon, attribute = text.rpartition(":")
    return (name, attribute) if colon and attribute.isidentifier() else (text, "")


def _nearest_file(name: str) -> str:
    folder = os.path.dirname(name) or "."
    try:
        here = [entry for entry in os.listdir(folder) if entry.endswith(".py")]
    except OSError:
        return f": there is no directory {folder}"
    return did_you_mean(os.path.basename(name), here, prefix=os.path.join(os.path.dirname(name), ""))


def _origin(name: str) -> str | None:
    """Return the file of a dotted module, searched as `python -m` would, without importing anything."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    for folder in (os.getcwd(), *sys.path):
        for path in (os.path.join(folder, *parts) + ".py", os.path.join(folder, *parts, "__init__.py")):
            if os.path.isfile(path):
                return os.path.abspath(path)
    return None


def ready_folder() -> str | None:
    """Return the folder of the ready jobs: `mrframe/jobs` in a wheel, `jobs` beside the package in a checkout."""
    for parent in (PACKAGE_DIR, PROJECT_DIR):
        folder = os.path.join(parent, "jobs")
        if os.path.isdir(folder):
            return folder
    return None


def ready_jobs(folder: str | None = None) -> dict[str, str]:
    """Return {name: path} of the ready jobs, including those in subfolders. Names are unique."""
    found: dict[str, str] = {}
    for where, folders, files in os.walk(folder or ready_folder() or os.devnull):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for file in sorted(files):
            if file.endswith(".py") and not file.startswith("_"):
                found.setdefault(file[:-3], os.path.join(where, file))
    return found


def ready_names() -> list[str]:
    """Return the names of the ready jobs, sorted."""
    return sorted(ready_jobs())


def ready_descriptions() -> dict[str, str]:
    """Return {name: first paragraph of the docstring} of the ready jobs, sorted by name. Runs none of them."""
    found = {}
    for name, path in sorted(ready_jobs().items()):
        with open(path, encoding="utf-8") as file:
            found[name] = " ".join(_docstring(file.read()).partition("\n\n")[0].split())
    return found


def _docstring(source: str) -> str:
    try:
        return ast.get_docstring(ast.parse(source)) or ""
    except SyntaxError:
        return ""
