"""`mrframe select FIELD… INPUT…`: records of a log, as rows."""

from __future__ import annotations

from typing import Any

import click

from mrframe import api
from mrframe.cli.commands.count import CountCommand
from mrframe.cli.commands.run import carry_out, taken_apart
from mrframe.cli.parse import completing
from mrframe.cli.parse.flags import setting_flags
from mrframe.cli.parse.open_choice import OpenChoice
from mrframe.cli.parse.output_flags import output_flags
from mrframe.cli.parse.whole_number import WholeNumber
from mrframe.cli.parse.words import fields_and_inputs


@click.command("select", cls=CountCommand)
@click.option("--where", metavar="EXPRESSION", help="only records for which this holds: 'status >= 500'")
@click.option("--first", type=WholeNumber(0), metavar="N", help="so many records, 0: all [20]")
@click.option(
    "--largest",
    metavar="FIELD",
    help="those with the largest value of this field, the largest first",
    shell_complete=completing.fields,
)
@click.option("--sample", type=WholeNumber(1), metavar="N", help="so many from everywhere, the same ones each time")
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
    """Show records of a log.

    \b
      mrframe select time path status access.log --where 'status >= 500'
      mrframe select line access.log --where 'host == "192.0.2.7"' --first 0
      mrframe select time path size access.log --largest size --first 10
      mrframe select path agent access.log --sample 100 -o sample.csv

    FIELDs and --where are those of `mrframe count`: names, or expressions. Records come in the order of files and
    places. The whole input is read, and only the records that are shown are held.
    """
    fields, inputs = fields_and_inputs(words, command="select")
    options, flags, _ = taken_apart(values, context)
    asked = options.is_asked_for("log_format")
    job = api.select_job(
        fields,
        inputs,
        log_format=options.log_format if asked else None,
        usual_format=None if asked else options.log_format,
        **values,
    )
    carry_out(job, inputs, options, flags)
