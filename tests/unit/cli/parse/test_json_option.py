"""Each command that reads or changes the standing cluster has `--json`."""

import click
import pytest

from mrframe.cli.main import group


def commands(command, path=()):
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


OF_CLUSTER = {
    " ".join(path): command
    for path, command in commands(group)
    if any(option.name == "directory" for option in command.params)
}


@pytest.mark.parametrize("name", sorted(OF_CLUSTER.keys() - {"fs cat"}))
def test_a_command_of_the_standing_cluster_takes_json(name):
    assert any("--json" in option.opts for option in OF_CLUSTER[name].params)


def test_commands_of_the_standing_cluster_are_found():
    assert {"wait", "cancel", "rm", "jobs", "submit", "result", "cluster stop", "fs put", "fs balance"} <= set(
        OF_CLUSTER
    )
