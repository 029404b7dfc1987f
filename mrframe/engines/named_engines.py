"""The engines by name: those that are built in, and those of other packages (entry points `mrframe.engines`).

A new engine is a line in `_BUILT_IN`, or an entry point that names something callable without arguments that gives an
`Engine` (`protocol.py`): its class, mostly. An engine is imported when it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable

from mrframe import plugins
from mrframe.core.settings.options import ENGINES
from mrframe.engines.protocol import Engine, Plan, needed_features
from mrframe.errors import UsageError


def _inline() -> Engine:
    from mrframe.engines.inline import InlineEngine

    return InlineEngine()


def _local() -> Engine:
    from mrframe.engines.local import LocalEngine

    return LocalEngine()


AUTO = "auto"
_BUILT_IN: dict[str, Callable[[], Engine]] = {"inline": _inline, "local": _local}


def check_engine(name: str) -> None:
    """Raise UsageError, before anything is read, unless an engine of this name is built in or registered."""
    plugins.check_name(ENGINES, name, [AUTO, *_BUILT_IN], f"engine={name!r}")


def engine_name(plan: Plan) -> str:
    """The name of the engine for a plan. "auto" is inline for an input that is small, and known to be."""
    options = plan.options
    if options.engine != AUTO:
        return options.engine
    return "inline" if plan.feed is None and plan.estimated_bytes <= options.inline_bytes_max else "local"


def engine_for(plan: Plan) -> Engine:
    """The engine for a plan.

    Raises UsageError when there is none or it lacks a feature that is needed, PluginBroken if it cannot be used.
    """
    name = engine_name(plan)
    engine = _BUILT_IN[name]() if name in _BUILT_IN else _plugin(name)
    for feature, asked_by in needed_features(plan).items():
        if feature in engine.lacks:
            raise UsageError(
                f"the engine {name} lacks {feature}, which {asked_by} needs; leave that out, or take another --engine"
            )
    return engine


def _plugin(name: str) -> Engine:
    factory = plugins.load_plugin(ENGINES, name, [AUTO, *_BUILT_IN], f"engine={name!r}")
    try:
        engine: Engine = factory()
        missing = [part for part in ("name", "lacks", "run") if not hasattr(engine, part)]
    except Exception as error:  # whatever the package's own code raises
        raise plugins.broken(ENGINES, name, f"{type(error).__name__}: {error}") from error
    if missing:
        raise plugins.broken(ENGINES, name, f"the engine has no {', '.join(missing)}")
    return engine
