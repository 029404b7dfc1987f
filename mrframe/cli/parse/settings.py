"""Where the settings of a run come from: flag > environment > project file > user's file > default.

Each setting is declared once, as a field of `core/model/options.RunOptions`; this module reads the fields and
looks their values up. A value is checked where it enters, and the message names that place. It knows
nothing of click and prints nothing.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import os
import re
import typing
from collections.abc import Mapping
from typing import Any

from mrframe.core.fast_dataclass import dataclass, field_types
from mrframe.core.model.options import RunOptions
from mrframe.errors import UsageError

PREFIX = "MRFRAME_"
NOT_SETTINGS = ("MRFRAME_DEBUG",)  # read elsewhere: shows tracebacks of mrframe itself

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b?)|b)?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_SHARE = re.compile(r"\d+|\d+(\.\d+)?%")
_SPAN_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_LIMITS = ("max_bad", "max_failed")
_FORMS = {**dict.fromkeys(_LIMITS, _SHARE), "hash_seed": re.compile(r"\d{1,20}|random")}  # of texts that have one
_MAY_BE_ZERO = ("order_seed", "inline_bytes_max")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the dataclass declares it."""

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...]
    metavar: str

    @property
    def flag(self) -> str:
        """Its flag on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its variable in the environment."""
        return PREFIX + self.name.upper()

    @property
    def default_text(self) -> str:
        """The default for people; empty when it is decided at run time."""
        if self.default is None:
            return ""
        return size_text(self.default) if self.name.endswith(_BYTES) else str(self.default)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A setting's value and where it was found, such as `MRFRAME_NODES in the environment`."""

    value: Any
    origin: str


_BYTES = ("_bytes", "_bytes_max")


@functools.cache
def declared() -> dict[str, Setting]:
    """All settings of a run, by name, in the order of their declaration."""
    kinds = field_types(RunOptions)
    return {
        f.name: Setting(
            f.name,
            _plain_kind(kinds[f.name]),
            f.default,
            f.metadata["help"],
            tuple(f.metadata["choices"]),
            f.metadata["metavar"],
        )
        for f in dataclasses.fields(RunOptions)
    }


def _plain_kind(hint: Any) -> type:
    """int, float or str, from `int`, `int | None` or a Literal of strings."""
    for kind in (int, float):
        if hint is kind or kind in typing.get_args(hint):
            return kind
    return str


def resolve(flags: Mapping[str, str | None], environment: Mapping[str, str], folder: str) -> dict[str, Resolved]:
    """Every setting's value and origin; `flags` holds the texts given on the command line.

    Raises UsageError for a value that cannot be, or an unknown name in a file; the message names the place.
    """
    settings = declared()
    layers = [(f"{settings[name].flag} {text}", name, text) for name, text in flags.items() if text is not None]
    for setting in settings.values():
        text = environment.get(setting.variable)
        if text:
            layers.append((f"{setting.variable}={text} in the environment", setting.name, text))
    for path in setting_files(environment, folder):
        for name, value in read_file(path, settings).items():
            layers.append((f"{name} = {value!r} in {path}", name, value))
    found = {name: Resolved(setting.default, "default") for name, setting in settings.items()}
    for origin, name, raw in reversed(layers):
        found[name] = Resolved(value_of(settings[name], raw, origin), origin)
    return found


def run_options(flags: Mapping[str, str | None]) -> RunOptions:
    """The options of a run started here and now, from flags, environment and files."""
    resolved = resolve(flags, os.environ, ".")
    return RunOptions(**{name: found.value for name, found in resolved.items()})


def strange_variables(environment: Mapping[str, str]) -> list[str]:
    """A warning for each variable that looks like a misspelt setting; not an error, since it may be another's."""
    known = [name.upper() for name in declared()]
    warnings = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known and name not in NOT_SETTINGS:
            near = difflib.get_close_matches(name.removeprefix(PREFIX), known, 1, 0.75)
            if near:
                warnings.append(f"{name} in the environment is not a setting; the nearest is {PREFIX}{near[0]}")
    return warnings


# ── files ──


def setting_files(environment: Mapping[str, str], folder: str) -> list[str]:
    """The files that hold settings and exist, nearest first.

    In the folder `mrframe.toml`, or, where there is none, `pyproject.toml` with a table [tool.mrframe];
    then the user's own `$XDG_CONFIG_HOME/mrframe/config.toml` (`~/.config` when the variable is not set).
    """
    own, project = os.path.join(folder, "mrframe.toml"), os.path.join(folder, "pyproject.toml")
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    near = own if os.path.isfile(own) else project
    return [path for path in (near, os.path.join(base, "mrframe", "config.toml")) if os.path.isfile(path)]


def read_file(path: str, settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The settings that one file gives; UsageError when it is no TOML or names a setting that is none."""
    table = _read_table(path)
    for name in table:
        if name not in settings:
            raise UsageError(f"{name} in {path} is not a setting{nearest(name, settings)}")
    return table


def _read_table(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"the settings file {path} cannot be read: {error.strerror}; repair or remove it") from None
    in_project = os.path.basename(path) == "pyproject.toml"
    if in_project and b"mrframe" not in data:
        return {}
    import tomllib  # only those who have such a file pay for it

    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {path} is not valid TOML: {error}") from None
    return dict(table.get("tool", {}).get("mrframe", {})) if in_project else table


# ── values ──


def value_of(setting: Setting, raw: Any, origin: str) -> Any:
    """The value that a text (or a TOML value) stands for; UsageError names the origin and what is needed."""
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise UsageError(f"{origin}: {_wanted(setting)} is needed")
    value = _converted(setting, str(raw).strip())
    form = _FORMS.get(setting.name)
    if value is None or (form is not None and form.fullmatch(value) is None):
        near = nearest(str(raw), setting.choices) if setting.choices else ""
        raise UsageError(f"{origin}: {_wanted(setting)} is needed{near}")
    return value


def _converted(setting: Setting, text: str) -> Any:
    if setting.choices:
        return text if text in setting.choices else None
    if setting.kind is str:
        return text or None
    if setting.kind is float:
        seconds = parse_span(text)
        return seconds if seconds else None
    number = parse_size(text) if setting.name.endswith(_BYTES) else (int(text) if text.isdecimal() else None)
    return number if number or (number == 0 and setting.name in _MAY_BE_ZERO) else None


def _wanted(setting: Setting) -> str:
    if setting.choices:
        return "one of " + ", ".join(setting.choices)
    if setting.name in _LIMITS:
        return "a number such as 100, or a share such as 10%,"
    if setting.name == "hash_seed":
        return "a whole number of at most 19 digits, or the word random,"
    if setting.name.endswith(_BYTES):
        return "a size such as 64MiB or 1000000"
    if setting.kind is float:
        return "a time such as 90, 90s or 5min"
    if setting.kind is int:
        return f"a whole number of at least {0 if setting.name in _MAY_BE_ZERO else 1}"
    return "a text"


def parse_size(text: str) -> int | None:
    """Bytes in `64MiB`, `64M` (both binary), `64MB` (decimal), `1000`; None when the text is no size."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, unit, suffix = match[1], (match[2] or "").lower(), (match[3] or "").lower()
    base = 1000 if suffix == "b" else 1024
    return math.floor(float(number) * float(base ** " kmgt".index(unit or " ")))


def size_text(count: int) -> str:
    """The shortest exact way to write a size that `parse_size` reads: `64MiB`, `1000`."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power}{unit}"
    return str(count)


def parse_span(text: str) -> float | None:
    """Seconds in `90`, `90s`, `500ms`, `5m`, `5min`, `2h`; None when the text is no span of time."""
    match = _SPAN.fullmatch(text)
    return float(match[1]) * _SPAN_UNITS[match[2] or "s"] if match else None


def nearest(name: str, known: Mapping[str, Any] | typing.Iterable[str]) -> str:
    """`; the nearest is 'nodes'` when something known is near to the name, else all that is known."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.5)
    return f"; the nearest is {near[0]!r}" if near else f"; known are {', '.join(names)}"
