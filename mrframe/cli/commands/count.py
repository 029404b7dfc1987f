"""`mrframe count FIELD… INPUT…`: a question about fields, without a job file.

The words are sorted into fields and inputs, the reader is found from the data, and the rest is `run.carry_out`.
"""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.api.questions.measures import FORMS, REDUCERS, is_reducer
from mrframe.cli.commands.question import QuestionCommand, formats_for, question_flags
from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.parse import completing
from mrframe.cli.parse.open_choice import OpenChoice
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.parse.words import fields_and_inputs


@click.command("count", cls=QuestionCommand)
@click.option("--where", metavar="EXPRESSION", help="count only records for which this holds: 'status >= 500'")
@click.option(
    "-m",
    "--measure",
    "measures",
    multiple=True,
    metavar="[NAME=]MEASURE[:FIELD]",
    help="a measure, such as bytes=total:size. May be given several times, and the first one orders the rows. "
    f"{FORMS}, quantile:Q, heavy_hitters:N, first_by:TIME, last_by:TIME",
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
@question_flags
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
    largest first, in the memory of one task, so with millions of different keys give --top. Periods are those of the
    log's own local time, or with --timezone those of that zone.
    """
    fields, inputs = fields_and_inputs(words, needs_field=values["by"] is None)
    options, flags, _ = taken_apart(values, context)
    kind = values.pop("kind")
    question = {**values, "fills": not values["no_fill"], "zone": options.timezone if values["by"] else None}
    del question["no_fill"]
    job = api.count_job(fields, inputs, kind=kind, **formats_for(options), **question)
    carry_out(job, inputs, options, flags, question=api.kept_question(job, fields, question))
