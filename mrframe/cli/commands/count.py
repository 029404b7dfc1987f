"""`mrframe count FIELD… INPUT…`: a question about fields, without a job file.

The words are sorted into fields and inputs, the reader is found from the data, and the rest is `run.carry_out`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.parse.flags import answer_flags, setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.parse.question import fields_and_inputs, make_job
from mrframe.core.job.job import Job, Reader
from mrframe.errors import UsageError
from mrframe.formats.registry import logs, reader_named, reader_with, readers_by_name, undetected

if TYPE_CHECKING:
    from collections.abc import Sequence

REDUCERS = ("count", "total", "smallest", "largest", "mean", "distinct", "collect")


class CountCommand(JobCommand):
    """Options in sections as `run` has them; there is no JOB to look for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does."""
        return click.Command.parse_args(self, ctx, args)


@click.command("count", cls=CountCommand)
@click.option("--where", metavar="EXPRESSION", help="count only records for which this holds: 'status >= 500'")
@click.option("--top", "limit", type=click.IntRange(min=1), metavar="N", help="only the N largest, largest first")
@click.option("--value", metavar="FIELD", help="reduce this field instead of counting")
@click.option("--reduce", "reducer", type=click.Choice(REDUCERS), help="how values are reduced [count, or total]")
@click.option(
    "--read", "kind", type=click.Choice(tuple(readers_by_name())), help="what the inputs are [found from the data]"
)
@answer_flags()
@setting_flags()
@click.argument("words", nargs=-1, metavar="FIELD... INPUT...")
@click.pass_context
def command(context: click.Context, /, words: tuple[str, ...], **values: Any) -> None:
    """Answer a question about log fields without a job file.

    \b
      mrframe count status access.log
      mrframe count path access.log --where 'status >= 500' --top 20
      mrframe count host access.log --value size --reduce total
      mrframe count day status access.log*.gz

    FIELDs come first, then INPUTs: a word that names an existing file is an input (write ./status for a file called
    like a field). A comparison with a field that has no value is false.
    """
    fields, inputs = fields_and_inputs(words)
    options, answer, _ = taken_apart(values, context)
    job = asked(fields, inputs, options.log_format, **values)
    flags = {name: values[name] for name in ("where", "value", "reducer")}
    question = {"read": job.read.kind, "fields": fields, **flags}
    carry_out(job, inputs, options, answer, question=question)


def asked(
    fields: Sequence[str],
    inputs: Sequence[str],
    log_format: str | None,
    *,
    where: str | None,
    limit: int | None,
    value: str | None,
    reducer: str | None,
    kind: str | None,
) -> Job:
    """The job that the flags ask for; UsageError when they contradict each other."""
    if value is None and reducer not in (None, "count"):
        raise UsageError(f"--reduce {reducer} needs --value FIELD: it says which values are reduced")
    if value is not None and reducer == "count":
        raise UsageError("--reduce count counts records, so --value means nothing to it; leave one of them out")
    reader = reader_named(kind) if kind else find_reader(fields, inputs, log_format)
    chosen = ready_reducer(reducer or ("total" if value else "count"))
    return make_job(reader, fields, value=value, reducer=chosen, where=where, limit=limit)


def ready_reducer(name: str) -> Any:
    """The ready reducer of this name."""
    from mrframe.shuffle import reducers

    return getattr(reducers, name)


def find_reader(fields: Sequence[str], inputs: Sequence[str], log_format: str | None) -> Reader:
    """The reader for the inputs: what their fields can only mean, else what the first input looks like."""
    own = reader_with(fields)
    if own is not None:
        return own
    if log_format is not None:
        return reader_named(log_format)
    if inputs[0] == "-":
        return logs.access
    from mrframe.cli.parse.peek import first_bytes
    from mrframe.formats.detect import detect

    name, sample = first_bytes(inputs)
    return undetected(detect(sample, name).reader)
