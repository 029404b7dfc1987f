"""`mrframe formats`: which log formats there are, which one a file has, and what a format string makes of lines."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from mrframe.cli.parse.peek import first_bytes
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import columns_text, escaped, sample
from mrframe.core.job.job import Reader

LINES_TRIED = 1000
SHOWN_MISMATCHES = 3


@click.group("formats")
def command() -> None:
    """List log formats, detect a file's, or try a format string."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def list_formats(*, as_json: bool) -> None:
    """List the formats that have a name, each with an example line."""
    from mrframe.formats.registry import formats_table

    table = formats_table()
    if as_json:
        print_json({"formats": [{"name": name, "example": line, "what": what} for name, line, what in table]})
        return
    for name, line, what in table:
        say(f"{name.ljust(10)}  {what}\n{' ' * 12}{escaped(line)}")
    say("\nor the server's own string, pasted: --log-format 'LogFormat \"%h …\"' or 'log_format x …'")


@command.command("detect")
@click.argument("file")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def detect_format(file: str, *, as_json: bool) -> None:
    """Say which format a file has, why, and what the fields of its first matching line are."""
    from mrframe.formats.detect import detect

    name, data = first_bytes([file])
    found = detect(data, name)
    label = found.reader.label
    fields = _first_fields(data, found.reader)
    if as_json:
        print_json(
            {"format": label, "matched": found.matched, "lines": found.lines, "why": found.why, "fields": fields}
        )
        return
    say(f"{escaped(name)}: {found.why}")
    _print_fields(fields)


@command.command("test")
@click.argument("format_string", metavar="FORMAT")
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def test_format(format_string: str, file: str | None, *, as_json: bool) -> None:
    """Compile a format string and, with FILE, try it on the first 1,000 lines.

    FORMAT is a name, or Apache's LogFormat or nginx's log_format as it stands in the server's configuration. Exit
    code 3 when lines do not match.
    """
    from mrframe.formats.registry import reader_named
    from mrframe.formats.schema import check_fields, fields_of

    reader = reader_named(format_string)
    check_fields(reader, [], {})
    known = fields_of(reader) or {}
    if file is None:
        if as_json:
            print_json({"fields": known})
        else:
            _print_pairs(known)
        return
    _, data = first_bytes([file])
    lines, wrong = _tried(data, reader)
    mismatches = [
        {"line": number, "text": sample(_text(line)), "at": at, "reason": why} for number, line, at, why in wrong
    ]
    fields = _first_fields(data, reader)
    if as_json:
        print_json({"lines": lines, "matched": lines - len(wrong), "fields": fields, "mismatches": mismatches})
    else:
        say(f"matches {lines - len(wrong):,} of the first {lines:,} lines of {escaped(file)}")
        _print_fields(fields)
        for number, line, at, why in wrong[:SHOWN_MISMATCHES]:
            _print_mismatch(file, number, line, at, why)
    if wrong:
        raise click.exceptions.Exit(3)


def _tried(data: bytes, reader: Reader) -> tuple[int, list[tuple[int, bytes, int, str]]]:
    """(lines tried, [(line number, line, where it stops to match, what was expected there)])."""
    from mrframe.formats.factory import explain

    lines = data.split(b"\n")[:LINES_TRIED]
    if lines and not lines[-1]:
        lines.pop()
    wrong = []
    for number, line in enumerate(lines, 1):
        outcome = explain(line, reader)
        if isinstance(outcome, tuple):
            wrong.append((number, line, *outcome))
    return len(lines), wrong


def _first_fields(data: bytes, reader: Reader) -> dict[str, Any]:
    """The fields of the first line that matches; empty when none does."""
    from mrframe.formats.factory import explain

    for line in islice(data.split(b"\n"), LINES_TRIED):
        outcome = explain(line, reader)
        if isinstance(outcome, dict):
            return {
                str(name): value if isinstance(value, (int, float, type(None))) else str(value)
                for name, value in outcome.items()
            }
    return {}


def _print_fields(fields: dict[str, Any]) -> None:
    if fields:
        say("fields of the first line that matches:")
        _print_pairs({name: "(no value)" if value is None else value for name, value in fields.items()})


def _print_pairs(pairs: dict[str, Any]) -> None:
    for line in columns_text([[str(name), sample(str(value))] for name, value in pairs.items()], "  "):
        say(line)


def _print_mismatch(file: str, number: int, line: bytes, at: int, why: str) -> None:
    """A line with a mark where it stops to match."""
    start = max(0, at - 60)
    head, tail = sample(_text(line[start:at]), 400), sample(_text(line[at : at + 60]))
    lead = f"  {escaped(file)}:{number}: " + ("…" if start else "")
    say(f"{lead}{head}{tail}\n{' ' * (len(lead) + len(head))}^ {escaped(why)}")


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
