"""The settings of a run as flags of commands, and the kinds of flags that the help shows in sections.

The settings come from `core/settings/options.py` through `settings.declared()`. They stay texts here and are checked
in `settings.py`, where a flag, a variable and a file are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mrframe.cli.parse import completing
from mrframe.cli.parse.settings import Setting, declared, several_formats
from mrframe.core.settings.options import Section
from mrframe.core.settings.setting_kinds import LOG_FORMAT, PATH

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _TextType = click.ParamType[str]
else:
    _TextType = click.ParamType  # older clicks cannot be subscripted
C = TypeVar("C", bound=Callable[..., Any])


class SettingType(_TextType):
    """A setting's value: kept as text, completed by its choices."""

    name = "setting"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """The text as it is. `settings.value_of` judges it together with its origin."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The choices that begin like this, or the names of formats, files or folders."""
        if self.setting.name == "log_format":
            return completing.log_formats(ctx, param, incomplete)
        if self.setting.kind is PATH:
            return completing.folders(ctx, param, incomplete)
        return completing.choices(self.setting.choices, incomplete)


class SettingOption(click.Option):
    """A flag made from a setting. Help lists these by `section`."""

    section: Section


class OutputOption(click.Option):
    """A flag about the result and messages."""


class JobOption(click.Option):
    """A flag made from a parameter of the job's own function."""


def setting_option(setting: Setting) -> SettingOption:
    """The flag of one setting."""
    metavar = setting.metavar or None
    text = setting.help + (f" [{setting.default_text}]" if setting.default_text else "")
    several = setting.kind is LOG_FORMAT
    option = SettingOption(
        [setting.flag],
        type=SettingType(setting),
        metavar=metavar,
        default=None,
        help=text,
        multiple=several,
        callback=(lambda _context, _option, given: several_formats(given)) if several else None,
    )
    option.section = setting.section
    return option


def setting_flags(*without: str) -> Callable[[C], C]:
    """Decorator: the command takes every setting of a run but these. Its function gets them as texts or None."""

    def decorate(command: C) -> C:
        for setting in reversed(declared().values()):
            if setting.name in without:
                continue
            if setting.name == "cache":
                text = "the same as --cache off"
                off = SettingOption(["--no-cache", "cache"], flag_value="off", help=text)
                off.section = setting.section
                attach(command, off)
            attach(command, setting_option(setting))
        return command

    return decorate


def attach(command: Any, option: click.Option) -> None:
    """Add a ready option to a function that click will make a command of, as click's own decorators do."""
    if not hasattr(command, "__click_params__"):
        command.__click_params__ = []
    command.__click_params__.append(option)
