"""`mrframe jobs`: the submissions of the standing cluster, how far each is and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from mrframe.cli.session import ANSWER_S, dir_option, home_of, state_of, visit
from mrframe.cli.show.exit import print_json, say
from mrframe.cli.show.terminal import columns_text, escaped, sample

if TYPE_CHECKING:
    from mrframe.cluster.client.cluster_dir import ClusterDir
    from mrframe.wire.messages import JobState

_HEAD = ["id", "name", "state", "progress", "submitted", "ended"]


@click.command("jobs")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@dir_option
def command(*, as_json: bool, directory: str | None) -> None:
    """List the submissions of the standing cluster.

    Those that were removed are not listed. The time of submission is that of this machine's clock.
    """
    home = home_of(directory)
    with visit(home) as visitor:
        jobs = visitor.state(ANSWER_S).jobs
    if as_json:
        print_json({"dir": home.path, "submissions": [_plain(home, one) for one in jobs]})
        return
    for line in columns_text([_HEAD, *(_row(home, one) for one in jobs)]):
        say(line)


def _row(home: ClusterDir, one: JobState) -> list[str]:
    at = _submitted(home, one.job)
    return [
        one.job,
        escaped(_name(home, one.job) or "-"),
        state_of(one),
        f"{one.stage} {one.tasks_done} of {one.tasks_total}",
        f"{at:%Y-%m-%d %H:%M:%S}" if at else "-",
        sample(f"{one.error_slug}: {one.said}") if one.error_slug else "",
    ]


def _plain(home: ClusterDir, one: JobState) -> dict[str, object]:
    at = _submitted(home, one.job)
    return {
        "id": one.job,
        "name": _name(home, one.job),
        "state": state_of(one),
        "stage": one.stage,
        "tasks_done": one.tasks_done,
        "tasks_total": one.tasks_total,
        "submitted": at.isoformat(timespec="seconds") if at else None,
        "error": {"slug": one.error_slug, "message": one.said} if one.error_slug else None,
    }


def _submitted(home: ClusterDir, job: str) -> datetime | None:
    at_s = home.submitted_s(job)
    return None if at_s is None else datetime.fromtimestamp(at_s).astimezone()


def _name(home: ClusterDir, job: str) -> str | None:
    """The name of the job; None when its record is gone (a removal broke off) or damaged, as `result` will say."""
    from mrframe.engines.submissions import name_of
    from mrframe.errors import CorruptData, UsageError

    try:
        return name_of(home.record(job))
    except (CorruptData, UsageError):
        return None
