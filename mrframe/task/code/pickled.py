"""Pickles jobs without a file of their own (notebook cells, closures, tests) with cloudpickle, by value.

Local modules go by value too, since the process that opens the job may be unable to import them. Errors name the
object that cannot travel. Only executors open the bytes (`package.py`).
"""

from __future__ import annotations

import inspect
import io
import os
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from mrframe.core.job.job import Job
from mrframe.core.job.signature import describe
from mrframe.core.safe_text import safe_str
from mrframe.errors import CannotTravel
from mrframe.task.isolation.hook_guard import is_interrupt

FORMER_MODULES = {
    "mrframe.core.job": "mrframe.core.job.job",
    "mrframe.core.options": "mrframe.core.settings.options",
    "mrframe.formats.named": "mrframe.formats.registry",
    "mrframe.task.counters": "mrframe.task.report.counters",
}
"""Former homes of names that a job may use. Pickles in journals and in the records of runs still name them."""

_FUNCTION_PARTS = ("map", "map_split", "map_batch", "where", "combine", "reduce", "partition")


def dump(job: Job) -> bytes:
    """Return the job as bytes. Raises CannotTravel, which names the function and the captured object at fault."""
    import cloudpickle

    local = [module for module in _modules_of(job) if is_local(module)]
    for module in local:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps(job))
    except BaseException as error:  # from any object's own pickling code
        if is_interrupt(error):
            raise
        raise CannotTravel(_explain(job, error)) from None
    finally:
        for module in local:
            cloudpickle.unregister_pickle_by_value(module)


def load(data: bytes) -> Job:
    """Return the job from the bytes of `dump`. Runs code, so only executors and the dumping process may call it."""
    job = _Unpickler(io.BytesIO(data)).load()
    assert isinstance(job, Job)
    return job


class _Unpickler(pickle.Unpickler):  # design, law 8: an executor runs the user's code, and only it does
    """Finds the names in a pickle, including those of earlier revisions."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return the class or function of this name."""
        return super().find_class(FORMER_MODULES.get(module_name, module_name), global_name)


def functions_of(job: Job) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield (role, function) for each of the user's functions in all steps."""
    for step in job.steps():
        for role in _FUNCTION_PARTS:
            part = getattr(step, role)
            for one in part.values() if isinstance(part, Mapping) else (part,):  # a join has one per source
                if inspect.isfunction(inspect.unwrap(one) if callable(one) else one):
                    yield role, one


def _modules_of(job: Job) -> list[ModuleType]:
    names = {inspect.unwrap(function).__module__ for _, function in functions_of(job)}
    waiting = [sys.modules[name] for name in sorted(names) if name in sys.modules and name != "__main__"]
    found: list[ModuleType] = []
    while waiting:
        module = waiting.pop()
        if module in found or not is_local(module):
            continue
        found.append(module)
        for value in list(vars(module).values()):
            owner = (
                value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", "") or "")
            )
            if owner is not None:
                waiting.append(owner)
    return found


def is_local(module: ModuleType) -> bool:
    """Return whether a module is the user's own: it has a file, and is neither installed nor mrframe's."""
    path = getattr(module, "__file__", None)
    if not path or module.__name__ == "__main__" or module.__name__.split(".")[0] == "mrframe":
        return False
    path = os.path.abspath(path)
    if "site-packages" in path.split(os.sep):  # another environment's, reached by PYTHONPATH or a .pth file
        return False
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return not any(path.startswith(os.path.join(folder, "")) for folder in installed if folder)


def _explain(job: Job, error: BaseException) -> str:
    import cloudpickle

    for role, function in functions_of(job):
        target = inspect.unwrap(function)
        captured = inspect.getclosurevars(target)
        for kind, values in (("closure", captured.nonlocals), ("global", captured.globals)):
            for name, value in values.items():
                try:
                    cloudpickle.dumps(value)
                except BaseException as wrong:  # from an object's own pickling code: the culprit
                    if is_interrupt(wrong):
                        raise
                    return (
                        f"{role}={describe(function)} uses the {kind} variable {name!r}, a "
                        f"{type(value).__name__}, which cannot travel to another process; make it inside the "
                        f"function, or pass plain data instead ({safe_str(error)})"
                    )
    return f"the job cannot travel to another process: {safe_str(error)}; make what its functions use inside them"
