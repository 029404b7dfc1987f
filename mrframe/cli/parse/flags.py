"""Flags that several commands share, as click options: the settings of a run, and what becomes of its answer.

The settings come from `core/model/options.py` through `settings.declared()`; they stay texts here and are checked
in `settings.py`, where a flag, a variable and a file are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from mrframe.cli.parse.settings import Setting, declared
from mrframe.formats.output.named_outputs import FORMATS, OUTPUTS

TEXTS = ("escape", "replace", "bytes")
if TYPE_CHECKING:
    _TextType = click.ParamType[str]
    _Choice = click.Choice[str]
else:
    _TextType, _Choice = click.ParamType, click.Choice  # older clicks cannot be subscripted
C = TypeVar("C", bound=Callable[..., Any])


class SettingType(_TextType):
    """A setting's value: kept as text, completed by its choices."""

    name = "setting"

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        """The text as it is; `settings.value_of` judges it together with its origin."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """The choices that begin like this."""
        return [CompletionItem(choice) for choice in self.setting.choices if choice.startswith(incomplete)]


class OutputChoice(_Choice):
    """The name of an output format, one of those that are built in or of another package."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name; UsageError when there is no such format."""
        from mrframe import plugins

        if plugins.is_registered(OUTPUTS, value, FORMATS):
            return value
        return super().convert(value, param, ctx)


class SettingOption(click.Option):
    """A flag made from a setting; help lists these in a section of their own."""


class AnswerOption(click.Option):
    """A flag about what becomes of the answer and of messages."""


class JobOption(click.Option):
    """A flag made from a parameter of the job's own function."""


def setting_option(setting: Setting) -> SettingOption:
    """The flag of one setting."""
    metavar = setting.metavar or None
    text = setting.help + (f" [{setting.default_text}]" if setting.default_text else "")
    return SettingOption([setting.flag], type=SettingType(setting), metavar=metavar, default=None, help=text)


def setting_flags(*without: str) -> Callable[[C], C]:
    """Decorator: the command takes every setting of a run but these; its function gets them as texts or None."""

    def decorate(command: C) -> C:
        for setting in reversed(declared().values()):
            if setting.name in without:
                continue
            if setting.name == "cache":
                text = "the same as --cache off"
                _attach(command, SettingOption(["--no-cache", "cache"], flag_value="off", help=text))
            _attach(command, setting_option(setting))
        return command

    return decorate


def answer_flags(*without: str) -> Callable[[C], C]:
    """Decorator: the command takes the flags of `run.Answer`, but for those with these names."""

    def decorate(command: C) -> C:
        for option in reversed(_answer_options()):
            if option.name not in without:
                _attach(command, option)
        return command

    return decorate


def _attach(command: Any, option: click.Option) -> None:
    """Add a ready option to a function that click will make a command of, as click's own decorators do."""
    if not hasattr(command, "__click_params__"):
        command.__click_params__ = []
    command.__click_params__.append(option)


def _answer_options() -> list[click.Option]:
    def flag(*names: str, text: str) -> click.Option:
        return AnswerOption(list(names), is_flag=True, help=text)

    def value(*names: str, text: str, metavar: str | None = None, kind: Any = str) -> click.Option:
        return AnswerOption(list(names), type=kind, default=None, metavar=metavar, help=text)

    return [
        value(
            "-o",
            "--output",
            metavar="FILE|DIR|-",
            text="where the answer goes: a file, a folder of parts (a name ending in /), or -",
        ),
        value(
            "--format",
            kind=OutputChoice(FORMATS),
            text="form of the answer [by the file's ending; without one table on a terminal, else jsonl]",
        ),
        value(
            "--text",
            kind=click.Choice(TEXTS),
            text="what becomes of bytes of a log that are not UTF-8: \\xe9 in four characters, U+FFFD, or they stay, "
            "which other programs may refuse [escape; of the form text bytes]",
        ),
        flag("--overwrite", text="replace files that exist already"),
        value("--summary", metavar="FILE", text="write the figures of the job to this file, as one JSON object"),
        value(
            "--rejects",
            metavar="FILE",
            text="write all malformed lines and their places to this file, as JSON lines",
        ),
        value(
            "--quarantine",
            metavar="FILE",
            text="write all records that --max-failed left out, and why, to this file, as JSON lines",
        ),
        flag("--json", text="print one JSON object with the answer and the figures on standard output"),
        flag("--dry-run", text="print what would be done (inputs, splits, format, tasks) and do nothing"),
        flag("-q", "--quiet", text="no progress and no summary"),
        flag("-v", "--verbose", text="progress as lines where there is no terminal; mrframe's own frames on errors"),
    ]
