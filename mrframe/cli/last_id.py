"""What `@` means: the last thing that this user ran or submitted, for every command that takes an ID.

Each command says on standard error which id it took. A command that takes submissions alone refuses `@` while a run
is the last thing, since it would answer about something else than was meant. Not here: what an id names.
"""

from __future__ import annotations

import click

from mrframe.errors import UsageError


def named(text: str, directory: str | None) -> str:
    """The id of a run or submission; `@` is whichever came last."""
    if text != "@":
        return text
    run, job = _last_run(), _last_job(directory)
    if run is None and job is None:
        from mrframe.store.run_records import default_folder

        raise UsageError(
            f"no run is kept in {default_folder()} and nothing was submitted, so there is no last one (@)"
        )
    last = max(filter(None, (run, job)))[1]
    _say(last)
    return last


def named_submission(text: str, directory: str | None) -> str:
    """The id of a submission, for commands that know no runs; UsageError when the last thing is a run."""
    if text != "@":
        return text
    run, job = _last_run(), _last_job(directory)
    if job is None:
        from mrframe.cluster.client.cluster_dir import default_home

        raise UsageError(f"{directory or default_home()} has no submission, so there is no last one (@)")
    if run is not None and run > job:
        raise UsageError(
            f"@ is the last thing that was run or submitted, {run[1]}, and this command takes submissions alone; the "
            f"last of these is {job[1]}"
        )
    _say(job[1])
    return job[1]


def _say(name: str) -> None:
    click.echo(f"@ is {name}", err=True)


def _last_run() -> tuple[float, str] | None:
    from mrframe.store.run_records import RunRecords, default_folder

    return RunRecords(default_folder()).last()


def _last_job(directory: str | None) -> tuple[float, str] | None:
    from mrframe.cli.session import home_of

    return home_of(directory).last()
