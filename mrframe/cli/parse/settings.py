"""Finds the settings of a run: flag > environment > project file > user's file > default.

Each setting is declared once, as a field of `core/settings/options.RunOptions`. This module reads the fields and
looks their values up. The kind of each (`core/settings/setting_kinds.py`) says which values it takes. This module
parses units, and names the origin of a wrong value in the message. It knows nothing of click and prints nothing.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mrframe import api
from mrframe.api.units import nearest
from mrframe.core.fast_dataclass import dataclass
from mrframe.core.settings.options import RunOptions, Section, needed, setting_fields
from mrframe.core.settings.setting_kinds import COUNT, COUNT_OR_0, LOG_FORMAT, NODE_COUNT, SIZE, SIZE_OR_0, SPAN, Kind
from mrframe.errors import FormatError, UsageError, did_you_mean

PREFIX = "MRFRAME_"
FORMATS = "formats"
"""The table in a settings file that names log formats. It is not a setting."""
NOT_SETTINGS = ("MRFRAME_DEBUG",)  # read elsewhere: shows tracebacks of mrframe itself

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?b?)|b)?", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_SPAN_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the dataclass declares it."""

    name: str
    kind: Kind
    default: Any
    help: str
    metavar: str
    section: Section

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that are named in the help. All that there are, unless packages can add some."""
        return self.kind.choices

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
        """The default for people. Empty when it is decided at run time."""
        if self.default is None:
            return ""
        return size_text(self.default) if self.kind in _SIZES else str(self.default)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A setting's value, where it was found with the text there, and where without it.

    `origin` is such as `MRFRAME_NODES=2 in the environment`, and `where` is `MRFRAME_NODES in the environment`, ""
    for a default.
    """

    value: Any
    origin: str
    where: str = ""


@functools.cache
def declared() -> dict[str, Setting]:
    """All settings of a run, by name, in the order of their declaration."""
    return {
        f.name: Setting(
            f.name,
            f.metadata["kind"],
            f.default,
            f.metadata["help"],
            f.metadata["metavar"] or "|".join(f.metadata["kind"].choices),
            f.metadata["section"],
        )
        for f in setting_fields()
    }


def resolve(flags: Mapping[str, str | None], environment: Mapping[str, str], folder: str) -> dict[str, Resolved]:
    """Every setting's value and origin. `flags` holds the texts given on the command line.

    Raises UsageError for a value that cannot be, or an unknown name in a file. The message names the place.
    """
    settings = declared()
    layers: list[tuple[str, str, str, Any]] = [
        (f"{settings[name].flag} {text}", settings[name].flag, name, text)
        for name, text in flags.items()
        if text is not None
    ]
    for setting in settings.values():
        text = environment.get(setting.variable)
        if text:
            variable = setting.variable
            layers.append(
                (f"{variable}={text} in the environment", f"{variable} in the environment", setting.name, text)
            )
    for path in setting_files(environment, folder):
        for name, value in read_file(path, settings).items():
            layers.append((f"{name} = {value!r} in {path}", f"{name} in {path}", name, value))
    found = {name: Resolved(setting.default, "default") for name, setting in settings.items()}
    for origin, where, name, raw in reversed(layers):
        found[name] = Resolved(value_of(settings[name], raw, origin), origin, where)
    return found


def run_options(flags: Mapping[str, str | None]) -> RunOptions:
    """The options of a run started here and now, from flags, environment and files."""
    resolved = resolve(flags, os.environ, ".")
    name_formats(resolved["config"].value, os.environ, ".")
    origins = tuple((name, found.where) for name, found in resolved.items() if found.where)
    return RunOptions(**{name: found.value for name, found in resolved.items()}, origins=origins)


def strange_variables(environment: Mapping[str, str]) -> list[str]:
    """A warning for each variable that looks like a misspelt setting. Not an error, since it may be another's."""
    known = [name.upper() for name in declared()]
    warnings = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in known and name not in NOT_SETTINGS:
            hint = did_you_mean(name.removeprefix(PREFIX), known, prefix=PREFIX, cutoff=0.75)
            if hint:
                warnings.append(f"{name} in the environment is not a setting{hint}")
    return warnings


# ── files ──


def setting_files(environment: Mapping[str, str], folder: str) -> list[str]:
    """The files that hold settings and exist, nearest first.

    In the folder `mrframe.toml`, or without one, `pyproject.toml` with a table [tool.mrframe].
    Then the user's own `$XDG_CONFIG_HOME/mrframe/config.toml` (`~/.config` when the variable is not set).
    """
    own, project = os.path.join(folder, "mrframe.toml"), os.path.join(folder, "pyproject.toml")
    base = environment.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    near = own if os.path.isfile(own) else project
    return [path for path in (near, os.path.join(base, "mrframe", "config.toml")) if os.path.isfile(path)]


def read_file(path: str, settings: Mapping[str, Setting]) -> dict[str, Any]:
    """Read the settings of one file. Raises UsageError for invalid TOML and unknown settings."""
    table = _read_table(path)
    table.pop(FORMATS, None)
    for name in table:
        if name not in settings:
            raise UsageError(f"{name} in {path} is not a setting{nearest(name, settings)}")
    return table


def name_formats(config: str | None, environment: Mapping[str, str], folder: str) -> None:
    """Register the named formats of the settings files and of a server's configuration.

    Raises UsageError if a table of formats or the configuration cannot be read, FormatError if a format of a settings
    file cannot. One of the configuration is refused where it is asked for, since a server may have others as well.
    """
    found: dict[str, str] = {}
    origins: dict[str, str] = {}
    for path in reversed(setting_files(environment, folder)):
        formats = _read_table(path).get(FORMATS, {})
        if not isinstance(formats, dict) or not all(isinstance(one, str) and one for one in formats.values()):
            raise UsageError(f"[{FORMATS}] in {path} gives names to format strings, such as timed = '%h %t %D'")
        found |= formats
        origins |= dict.fromkeys(formats, path)
    own = found.copy()
    if config is not None:
        found |= api.formats_of_config(config)
    if found:
        api.name_formats(found)
    for name, string in own.items():
        try:
            api.format_fields(string)
        except FormatError as error:
            raise FormatError(f"{name} in [{FORMATS}] of {origins[name]} is no format: {error}") from None


def _read_table(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"the settings file {path} cannot be read: {error.strerror}; repair or remove it") from None
    in_project = os.path.basename(path) == "pyproject.toml"
    if in_project and b"mrframe" not in data:
        return {}
    import tomllib  # costs time, and few have such a file

    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings file {path} is not valid TOML: {error}") from None
    return dict(table.get("tool", {}).get("mrframe", {})) if in_project else table


# ── values ──


def value_of(setting: Setting, raw: Any, origin: str) -> Any:
    """Parse a text (or a TOML value) as a setting. Raises UsageError, naming the origin and the form needed."""
    value: Any = None
    if setting.kind is LOG_FORMAT and isinstance(raw, (list, tuple)):
        raw = several_formats(list(map(str, raw)))
    if isinstance(raw, (str, int, float)) and not isinstance(raw, bool):
        value = _PARSERS.get(setting.kind, str)(str(raw).strip())
    if not setting.kind.takes(value):
        raise UsageError(f"{origin}: {needed(setting.kind, raw)}")
    if setting.kind.group and value not in setting.choices:
        from mrframe import plugins

        plugins.check_name(setting.kind.group, value, setting.choices, origin)
    return value


def several_formats(formats: Sequence[str]) -> str | None:
    """Return the value of a --log-format that may be repeated: None, the one, or a JSON list."""
    return json.dumps(formats) if len(formats) > 1 else formats[0] if formats else None


def parse_size(text: str) -> int | None:
    """Parse a size, `64MiB`, `64M` (both binary), `64MB` (decimal), `1000`, in bytes. Returns None for other text."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, unit, suffix = match[1], (match[2] or "").lower(), (match[3] or "").lower()
    base = 1000 if suffix == "b" else 1024
    return math.floor(float(number) * float(base ** " kmgt".index(unit or " ")))


def parse_count(text: str) -> int | None:
    """The whole number that a text of digits stands for. None for any other text."""
    return int(text) if text.isdecimal() else None


def size_text(count: int) -> str:
    """The shortest exact way to write a size that `parse_size` reads: `64MiB`, `1000`."""
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power}{unit}"
    return str(count)


def parse_span(text: str) -> float | None:
    """Parse a span of time, `90`, `90s`, `500ms`, `5m`, `5min`, `2h`, in seconds. Returns None for other text."""
    match = _SPAN.fullmatch(text)
    return float(match[1]) * _SPAN_UNITS[match[2] or "s"] if match else None


_SIZES = (SIZE, SIZE_OR_0)
_PARSERS: dict[Kind, Callable[[str], Any]] = {
    SIZE: parse_size,
    SIZE_OR_0: parse_size,
    COUNT: parse_count,
    NODE_COUNT: parse_count,
    COUNT_OR_0: parse_count,
    SPAN: parse_span,
}
