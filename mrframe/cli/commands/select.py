"""`mrframe select FIELD… INPUT…`: records of a log, as rows."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.commands.question import QuestionCommand, formats_for, question_flags
from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.parse import completing
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.parse.words import fields_and_inputs


@click.command("select", cls=QuestionCommand)
@click.option("--where", metavar="EXPRESSION", help="only records for which this holds: 'status >= 500'")
@click.option("--first", type=WholeNumber(0), metavar="N", help="show the first N records, 0: all [20]")
@click.option(
    "--largest",
    metavar="FIELD",
    help="show the records with the largest values of this field, the largest first",
    shell_complete=completing.fields,
)
@click.option(
    "--sample", type=WholeNumber(1), metavar="N", help="show a uniform sample of N records, the same ones each time"
)
@question_flags
@click.pass_context
def command(context: click.Context, /, words: tuple[str, ...], **values: Any) -> None:
    """Show records of a log.

    \b
      mrframe select time path status access.log --where 'status >= 500'
      mrframe select line access.log --where 'host == "192.0.2.7"' --first 0
      mrframe select time path size access.log --largest size --first 10
      mrframe select path agent access.log --sample 100 -o sample.csv

    FIELDs and --where are those of `mrframe count`: names, or expressions. Records come in the order of files and
    offsets. The whole input is read, also for --first. Only the records that are shown are held in memory.
    """
    fields, inputs = fields_and_inputs(words, command="select")
    options, flags, _ = taken_apart(values, context)
    job = api.select_job(fields, inputs, **formats_for(options), **values)
    carry_out(job, inputs, options, flags)
