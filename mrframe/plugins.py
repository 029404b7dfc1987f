"""Finds plug-ins of other packages: entry points in the groups `mrframe.engines`, `mrframe.readers` and others.

An installed package declares one in its own pyproject.toml, such as `toy = "mrframe_toy:ToyEngine"` in the table
[project.entry-points."mrframe.engines"]. They are looked up only for a name that is not built in, since a lookup
takes longer than a small run. Not here: the interface of a group's objects, which its registry checks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import invalidate_caches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mrframe.errors import PluginBroken, UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def plugin_names(group: str) -> list[str]:
    """Return the names that installed packages register in a group, sorted."""
    return sorted({entry.name for entry in _entries(group)})


def is_registered(group: str, name: str, built_in: Iterable[str]) -> bool:
    """Return whether a package registers a name that is not built in."""
    return name not in built_in and any(entry.name == name for entry in _entries(group))


def check_name(group: str, name: str, built_in: Iterable[str], origin: str) -> None:
    """Raise UsageError, with a message that begins with `origin`, unless a name is built in or registered."""
    built_in = list(built_in)
    if name not in built_in:
        _entry(group, name, built_in, origin)


def load_plugin(group: str, name: str, built_in: Iterable[str], origin: str) -> Any:
    """Return the object that an installed package registers under this name.

    Raises UsageError, which begins with `origin`, for an unknown name, and PluginBroken if the import fails.
    """
    entry = _entry(group, name, list(built_in), origin)
    try:
        return entry.load()
    except Exception as error:  # from the package's own code
        raise broken(entry.group, name, f"{type(error).__name__}: {error}") from error


def code_of(group: str, name: str, built_in: Iterable[str], origin: str) -> str:
    """Return the distribution, its version and a digest of the source of a plug-in's package.

    Two equal texts mean that the same code runs. Raises as `load_plugin` does.
    """
    from hashlib import sha256  # slow to load, as are entry points

    entry = _entry(group, name, list(built_in), origin)
    digest = sha256()
    for path, _, _ in source_state(entry.value):
        with open(path, "rb") as file:
            digest.update(file.read() + b"\0")
    return f"{_package(entry)} {digest.hexdigest()}"


def source_state(value: str) -> tuple[tuple[str, int, int], ...]:
    """Return (path, size, time of change in ns) of every file of code in the top package of `package.module:name`."""
    found = find_spec(value.partition(":")[0].split(".")[0])
    if found is None:
        return ()
    paths = [found.origin] if found.origin else []
    for root in found.submodule_search_locations or ():
        for folder, folders, names in os.walk(root):
            folders.sort()
            paths += [os.path.join(folder, name) for name in sorted(names) if name.endswith((".py", ".so"))]
    states = [(path, os.stat(path)) for path in dict.fromkeys(paths) if os.path.isfile(path)]
    return tuple((path, state.st_size, state.st_mtime_ns) for path, state in states)


def forget(value: str) -> None:
    """Drop the imported modules of the top package of `package.module:name`, so that they are imported anew."""
    top = value.partition(":")[0].split(".")[0]
    for module in [name for name in sys.modules if name == top or name.startswith(top + ".")]:
        del sys.modules[module]
    invalidate_caches()


def entry_value(group: str, name: str) -> str:
    """Return `package.module:name` of a registered plug-in."""
    return _entry(group, name, [], repr(name)).value


def broken(group: str, name: str, fault: str) -> PluginBroken:
    """Return the error for a plug-in that cannot be used, naming its package."""
    found = [_package(entry) for entry in _entries(group) if entry.name == name]
    return PluginBroken(
        f"{name!r} in the entry points {group} of {' and '.join(found) or 'an unknown package'} cannot be used: "
        f"{fault}; repair or uninstall that package, or choose another name"
    )


def _entry(group: str, name: str, built_in: list[str], origin: str) -> EntryPoint:
    entries = _entries(group)
    found = [entry for entry in entries if entry.name == name]
    if len(found) > 1:
        raise broken(group, name, "they register the same name")
    if not found:
        names = sorted({entry.name for entry in entries})
        others = f"installed packages add {', '.join(names)}" if names else "no installed package adds any"
        hint = did_you_mean(name, [*built_in, *names])
        raise UsageError(
            f"{origin}: this name is not known{hint} (known are {', '.join(built_in)}; {others} in the entry points "
            f"{group})"
        )
    return found[0]


def _package(entry: EntryPoint) -> str:
    return f"the package {entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


def _entries(group: str) -> list[EntryPoint]:
    """Return the entry points of a group, looked up anew once a folder of packages has changed.

    A lookup takes 10 ms, and a folder of a thousand logs may need one for each log whose first lines fit no format.
    """
    return _looked_up(group, tuple([(folder, _changed_ns(folder)) for folder in sys.path]))


def _changed_ns(folder: str) -> int:
    try:
        return os.stat(folder or os.curdir).st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=8)
def _looked_up(group: str, _folders: tuple[tuple[str, int], ...]) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # slow to load, and rarely needed

    return sorted(entry_points(group=group), key=lambda entry: (entry.name, entry.value))
