"""A click command that grows options from the job it is given: the job's signature is the command line.

`mrframe run JOB INPUT… --limit 20`: options may stand anywhere, also before the JOB that declares them, so the
arguments are searched for the JOB first. The file of the job is executed here, and its function is not called: only
its signature is read. The job that was found is kept, so that the command that runs it does not execute its file
again.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from mrframe import api
from mrframe.cli.parse.flags import JobOption, OutputOption, SettingOption
from mrframe.cli.show.streams import say
from mrframe.core.job.job import Job
from mrframe.errors import JobError, MrframeError

if TYPE_CHECKING:
    from mrframe.api import FoundJob

F = TypeVar("F")
_META = "mrframe.job_options"
_FOUND = "mrframe.found_job"
_KINDS: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
_HELP = ("-h", "--help")


class JobCommand(click.Command):
    """A command with a JOB as its first argument, or with a given job (a script that calls `mrframe.main`)."""

    given: Job | Callable[..., Any] | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the job, take up its options, then parse all arguments in any order."""
        api.expect_job_code()  # the job file runs here
        ctx.meta[_META] = self._job_options(ctx, args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters and the job's."""
        own = super().get_params(ctx)
        grown: list[click.Parameter] = list(ctx.meta.get(_META, []))
        return own[:-1] + grown + own[-1:] if grown else own

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The description of the job that was named, then the command's own."""
        found: FoundJob | None = ctx.meta.get(_FOUND)
        description = found.description() if found is not None else ""
        if found is not None and description:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(f"The job {found.text}: {description}")
        super().format_help_text(ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options in sections: the job's own, the result's, the settings'."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if not isinstance(param, click.Option):
                continue
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(section_of(param), []).append(record)
        for title in _SECTIONS:
            if title in sections:
                with formatter.section(title):
                    formatter.write_dl(sections[title])

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option --help, which prints where data goes: the job file has run by then."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option

    def _job_options(self, ctx: click.Context, args: list[str]) -> list[JobOption]:
        own = [param for param in super().get_params(ctx) if isinstance(param, click.Option)]
        if isinstance(self.given, Job):
            return []
        if self.given is not None:
            return options_of(list(inspect.signature(self.given).parameters.values()), own)
        try:
            found = find_job(args, own, _taken)
            if found is None:
                return []
            ctx.meta[_FOUND] = found
            return options_of(found.parameters(), own)
        except MrframeError:
            if ctx.resilient_parsing or set(args) & set(_HELP):
                return []
            raise


_SETTINGS = {
    "read": "How logs are read",
    "run": "How it runs",
    "cache": "Cached results",
    "tuning": "Limits and tuning",
    "tests": "For tests",
}
_SECTIONS = ("Options of the job", "Options", "The result", *_SETTINGS.values(), "Other")


def _show_help(ctx: click.Context, _option: click.Parameter, wanted: Any) -> None:
    if wanted and not ctx.resilient_parsing:
        say(ctx.get_help())
        ctx.exit()


def section_of(param: click.Parameter) -> str:
    """The section of the help that a parameter belongs to."""
    if isinstance(param, JobOption):
        return "Options of the job"
    if isinstance(param, OutputOption):
        return "The result"
    if isinstance(param, SettingOption):
        return _SETTINGS[param.section]
    return "Other" if param.name == "help" else "Options"


def _taken(text: str) -> FoundJob:
    found = api.find_job(text)
    found.parameters()  # executes the file and raises its errors
    return found


def job_of(context: click.Context, text: str) -> FoundJob | str:
    """The job that was found while the arguments were parsed, or the text when that was another."""
    found: FoundJob | None = context.meta.get(_FOUND)
    return found if found is not None and found.text == text else text


def options_of_job(context: click.Context, values: dict[str, Any]) -> dict[str, Any]:
    """Take the job's own options out of the parsed parameters of a command."""
    names = [param.name for param in context.command.get_params(context) if isinstance(param, JobOption)]
    return {name: values.pop(name) for name in names if name}


def find_job(args: Sequence[str], options: Sequence[click.Option], find: Callable[[str], F]) -> F | None:
    """Find the JOB among the arguments. Returns None without one.

    It is the first argument that is neither an option nor an option's value. The word after an option that is not
    known (yet) may be either. It is taken as the JOB only if `find`, which raises JobError, accepts it.
    """
    takes_value = {name: not (option.is_flag or option.count) for option in options for name in option.opts}
    takes_value |= {name: False for option in options for name in option.secondary_opts}
    words, doubtful, first_doubt = iter(args), False, None
    for argument in words:
        word = next(words, "") if argument == "--" else argument
        if argument != "--" and word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            if name in takes_value:
                if takes_value[name] and not equals:
                    next(words, None)
                doubtful = False
            else:
                if takes_value.get("-" + word[-1]) and not word.startswith("--"):
                    next(words, None)  # -qo FILE
                doubtful = word.startswith("--") and not equals
            continue
        if not doubtful:
            return find(word) if word else None
        doubtful = False
        try:
            return find(word)
        except JobError as error:
            first_doubt = first_doubt or error
    return None


# ── one option from one parameter ──


def options_of(parameters: Sequence[inspect.Parameter], taken: Sequence[click.Option]) -> list[JobOption]:
    """The options that a job's parameters declare. JobError for a parameter that cannot be one."""
    names = {name for option in taken for name in (*option.opts, *option.secondary_opts)}
    options = []
    for parameter in parameters:
        option = _option(parameter)
        clash = names & {*option.opts, *option.secondary_opts}
        if clash:
            raise JobError(
                f"the job's parameter {parameter.name!r} would be the option {min(clash)}, which mrframe run has "
                "itself; rename the parameter"
            )
        options.append(option)
    return options


def _option(parameter: inspect.Parameter) -> JobOption:
    name, default = parameter.name, parameter.default
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise JobError(f"the job's parameter {name!r} cannot be an option: give each a name of its own")
    flag = "--" + name.replace("_", "-")
    required = default is parameter.empty
    kind = _kind(parameter)
    if kind is bool:
        text = "[on]" if default is True else "[off]"
        return JobOption([f"{flag}/--no-{flag[2:]}", name], default=default is True, help=text)
    text = "required" if required else f"[{default}]" if default is not None else ""
    if required:
        return JobOption([flag, name], type=kind, required=True, help=text)
    return JobOption([flag, name], type=kind, default=default, help=text)


def _kind(parameter: inspect.Parameter) -> Any:
    """The type of an option: from the annotation, else from the default, else text."""
    hint = parameter.annotation
    if isinstance(hint, str):
        hint = _from_text(hint)
    if hint is parameter.empty:
        default = parameter.default
        hint = str if default is None or default is parameter.empty else type(default)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next((part for part in typing.get_args(hint) if part is not types.NoneType), str)
    if typing.get_origin(hint) is typing.Literal and all(isinstance(c, str) for c in typing.get_args(hint)):
        return click.Choice(typing.get_args(hint))
    if hint in _KINDS.values():
        return hint
    raise JobError(
        f"the job's parameter {parameter.name!r} has the type {getattr(hint, '__name__', hint)}; on the command line "
        "int, float, str, bool and Literal of texts are possible"
    )


def _from_text(hint: str) -> Any:
    """A postponed annotation: a Literal of texts, or the one known type in it (`int | None`)."""
    literal = re.fullmatch(r"(?:typing\.)?Literal\[(.+)\]", hint)
    if literal:
        try:
            return Literal[ast.literal_eval(f"({literal[1]},)")]
        except (ValueError, SyntaxError):
            return hint
    names = [part.strip() for part in re.sub(r"(?:typing\.)?Optional\[(.+)\]", r"\1", hint).split("|")]
    known = [_KINDS[name] for name in names if name in _KINDS]
    return known[0] if len(known) == 1 else hint
