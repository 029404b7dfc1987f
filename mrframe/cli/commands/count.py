"""`mrframe count FIELD… INPUT…`: a question about fields, without a job file.

The words are sorted into fields and inputs, the reader is found from the data, and the rest is `run.carry_out`.
"""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.api.questions.measures import FORMS, REDUCERS, is_reducer
from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.parse import completing
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.job_command import JobCommand
from mrframe.cli.parse.open_choice import OpenChoice
from mrframe.cli.parse.output_flags import output_flags
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.parse.words import fields_and_inputs


class CountCommand(JobCommand):
    """Options in sections as `run` has them. Does not look for a JOB."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does."""
        return click.Command.parse_args(self, ctx, args)


@click.command("count", cls=CountCommand)
@click.option("--where", metavar="EXPRESSION", help="count only records for which this holds: 'status >= 500'")
@click.option(
    "-m",
    "--measure",
    "measures",
    multiple=True,
    metavar="[NAME=]MEASURE[:FIELD]",
    help=f"what is measured, such as bytes=total:size, may be given several times: {FORMS}, quantile:Q, "
    "heavy_hitters:N, first_by:TIME, last_by:TIME; ordered by the first",
)
@click.option("--by", metavar="PERIOD", help="by time first: 5m, 6h, minute, hour, day, week, weekday or month")
@click.option("--no-fill", is_flag=True, help="with --by, no rows for periods without records")
@click.option("--top", "limit", type=WholeNumber(1), metavar="N", help="only the N largest, largest first")
@click.option(
    "--value", metavar="FIELD", help="reduce this field instead of counting", shell_complete=completing.fields
)
@click.option(
    "--reduce", "reducer", type=OpenChoice(REDUCERS, is_reducer), help="how values are reduced [count, or total]"
)
@click.option(
    "--read",
    "kind",
    type=OpenChoice(tuple(api.readers_by_name()), api.is_added),
    help="what the inputs are [found from the data]",
)
@output_flags()
@setting_flags()
@click.argument("words", nargs=-1, metavar="FIELD... INPUT...", shell_complete=completing.fields_and_inputs)
@click.pass_context
def command(context: click.Context, /, words: tuple[str, ...], **values: Any) -> None:
    """Answer a question about log fields without a job file.

    \b
      mrframe count status access.log
      mrframe count path access.log --where 'status >= 500' --top 20
      mrframe count host access.log -m hits=count -m bytes=total:size --top 20
      mrframe count path access.log -m p50:size -m p95:size
      mrframe count access.log --by hour --where 'status >= 500'
      mrframe count 'path.rsplit(".")[-1]' access.log --value size

    FIELDs come first, then INPUTs: a word that names an existing file is an input (write ./status for a file called
    like a field). A FIELD may be an expression of the language of --where, and is None where a field that it needs
    has no value. A comparison with a field that has no value is false.

    Rows are in the order of their keys. With --measure and without --by they are ordered by the first measure, the
    largest first. Periods are those of the log's own local time, or with --timezone those of that zone.
    """
    fields, inputs = fields_and_inputs(words, needs_field=values["by"] is None)
    options, flags, _ = taken_apart(values, context)
    asked = options.is_asked_for("log_format")  # else it is from the environment or a file, for access logs alone
    kind = values.pop("kind")
    question = {**values, "fills": not values["no_fill"], "zone": options.timezone if values["by"] else None}
    del question["no_fill"]
    job = api.count_job(
        fields,
        inputs,
        log_format=options.log_format if asked else None,
        usual_format=None if asked else options.log_format,
        kind=kind,
        **question,
    )
    carry_out(job, inputs, options, flags, question=api.kept_question(job, fields, question))
