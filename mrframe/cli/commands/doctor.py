"""`mrframe doctor`: has this machine what mrframe needs, and does a cluster start here?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mrframe.cli.show.streams import Line, Painted, print_json, say

if TYPE_CHECKING:
    from mrframe.api import Finding


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def command(*, as_json: bool) -> None:
    """Check that this machine has what mrframe needs.

    Looks at Python and the libraries, cores, memory, the folder for intermediate files, processes, and starts a
    small cluster. Exit code 1 when something is wrong.
    """
    from mrframe import api

    findings = []
    for finding in api.examine():
        findings.append(finding)
        if not as_json:
            say(_line(finding))
    healthy = all(finding.state != "wrong" for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding.to_plain() for finding in findings]})
    else:
        say("all is well" if healthy else "something is wrong: see above")
    if not healthy:
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> Line:
    marks = {"good": ("ok", "green"), "poor": ("note", "yellow"), "wrong": ("WRONG", "red")}
    mark, colour = marks[finding.state]
    return [Painted(mark.ljust(5), colour), f"  {finding.name.ljust(10)}  {finding.text}"]
