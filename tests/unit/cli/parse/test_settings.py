"""Settings: precedence, origins, values and the messages about them."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrframe.cli.parse import settings
from mrframe.core.model.reader import Reader
from mrframe.core.settings.options import RunOptions, setting_fields
from mrframe.errors import FormatError, UsageError
from mrframe.formats import registry
from mrframe.formats.detect import detect

MIB = 1 << 20


@pytest.fixture
def folders(tmp_path):
    """(project folder, environment with a user's own configuration folder)."""
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    (home / "mrframe").mkdir(parents=True)
    return project, {"XDG_CONFIG_HOME": str(home)}


def test_every_field_of_run_options_is_a_setting_with_help():
    declared = settings.declared()
    assert list(declared) == [f.name for f in setting_fields()]
    assert all(setting.help for setting in declared.values())


def test_without_anything_every_setting_is_its_default(folders):
    project, environment = folders
    found = settings.resolve({}, environment, str(project))
    assert RunOptions(**{name: r.value for name, r in found.items()}) == RunOptions()
    assert {r.origin for r in found.values()} == {"default"}


def test_flag_beats_environment_beats_project_beats_user_beats_default(folders):
    project, environment = folders
    user = os.path.join(environment["XDG_CONFIG_HOME"], "mrframe", "config.toml")
    layers = [None, user, str(project / "mrframe.toml"), "environment", "flag"]
    seen = []
    for number, layer in enumerate(layers):
        if layer == "environment":
            environment["MRFRAME_NODES"] = str(number)
        elif layer not in (None, "flag"):
            with open(layer, "w") as file:
                file.write(f"nodes = {number}\n")
        found = settings.resolve({"nodes": "4"} if layer == "flag" else {}, environment, str(project))
        seen.append((found["nodes"].value, found["nodes"].origin))
    assert seen == [
        (None, "default"),
        (1, f"nodes = 1 in {user}"),
        (2, f"nodes = 2 in {project / 'mrframe.toml'}"),
        (3, "MRFRAME_NODES=3 in the environment"),
        (4, "--nodes 4"),
    ]


def test_pyproject_is_read_only_where_there_is_no_mrframe_toml(folders):
    project, environment = folders
    (project / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.mrframe]\nsplits = 3\n')
    assert settings.resolve({}, environment, str(project))["splits"].value == 3
    (project / "mrframe.toml").write_text("slots = 2\n")
    found = settings.resolve({}, environment, str(project))
    assert (found["splits"].value, found["slots"].value) == (None, 2)


def test_a_pyproject_of_somebody_else_may_even_be_broken(folders):
    project, environment = folders
    (project / "pyproject.toml").write_text("this is [ no toml")
    assert settings.resolve({}, environment, str(project))["nodes"].value is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("node = 2\n", ["node in ", "mrframe.toml", "did you mean 'nodes'"]),
        ("nodes = 0\n", ["nodes = 0 in ", "a whole number of nodes from 1 to 256"]),
        ("nodes = true\n", ["a whole number"]),
        ('engine = "loca"\n', ["did you mean 'local'", "auto, inline, local", "the entry points mrframe.engines"]),
        ('split_bytes = "64 potatoes"\n', ["a size such as 64MiB"]),
        ("nodes = \n", ["not valid TOML"]),
    ],
)
def test_a_wrong_setting_in_a_file_is_named_with_its_file(folders, text, parts):
    project, environment = folders
    (project / "mrframe.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        settings.resolve({}, environment, str(project))
    assert all(part in str(caught.value) for part in [*parts, str(project)])


def test_a_wrong_setting_in_the_environment_is_named_with_its_variable(folders):
    project, environment = folders
    with pytest.raises(UsageError, match=r"^MRFRAME_NODES=abc in the environment: a whole number of nodes"):
        settings.resolve({}, {**environment, "MRFRAME_NODES": "abc"}, str(project))


def test_a_wrong_value_that_another_layer_covers_is_still_an_error(folders):
    project, environment = folders
    with pytest.raises(UsageError, match="MRFRAME_NODES=abc"):
        settings.resolve({"nodes": "2"}, {**environment, "MRFRAME_NODES": "abc"}, str(project))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("split_bytes", "64MiB", 64 * MIB),
        ("split_bytes", "64m", 64 * MIB),
        ("split_bytes", "64MB", 64_000_000),
        ("split_bytes", "1.5k", 1536),
        ("split_bytes", "1000", 1000),
        ("split_bytes", "12B", 12),
        ("inline_bytes_max", "0", 0),
        ("order_seed", "0", 0),
        ("timeout_s", "90", 90.0),
        ("timeout_s", "500ms", 0.5),
        ("timeout_s", "5min", 300.0),
        ("max_bad", "3", "3"),
        ("max_bad", "0.5%", "0.5%"),
        ("log_format", "%h %l", "%h %l"),
        ("hash_seed", str((1 << 64) - 1), str((1 << 64) - 1)),
        ("hash_seed", "random", "random"),
    ],
)
def test_a_value_is_understood_in_each_of_its_spellings(name, text, value):
    assert settings.resolve({name: text}, {"XDG_CONFIG_HOME": "/nowhere"}, "/nowhere")[name].value == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("split_bytes", "0"),
        ("split_bytes", "-1"),
        ("split_bytes", "64 XB"),
        ("nodes", "1.5"),
        ("nodes", "-1"),
        ("nodes", ""),
        ("timeout_s", "0"),
        ("timeout_s", "soon"),
        ("max_bad", "many"),
        ("max_bad", "-1"),
        ("shuffle", "carrier pigeon"),
    ],
)
def test_a_value_that_is_refused_names_its_flag(name, text):
    flag = "--" + name.replace("_", "-")
    with pytest.raises(UsageError) as caught:
        settings.resolve({name: text}, {"XDG_CONFIG_HOME": "/nowhere"}, "/nowhere")
    assert str(caught.value).startswith(f"{flag} {text}: ")


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_size_survives_being_written(count):
    assert settings.parse_size(settings.size_text(count)) == count


def test_a_misspelt_variable_is_warned_of_and_another_is_left_alone():
    environment = {"MRFRAME_NODEZ": "3", "MRFRAME_DEBUG": "1", "MRFRAME_QQQQ": "1", "NODES": "2"}
    assert settings.strange_variables(environment) == [
        "MRFRAME_NODEZ in the environment is not a setting; did you mean 'MRFRAME_NODES'?"
    ]


@pytest.fixture
def names():
    yield registry.named_formats
    registry.name_formats({})


def test_formats_get_names_in_the_files_and_from_a_server_s_configuration(folders, names):
    project, environment = folders
    user = os.path.join(environment["XDG_CONFIG_HOME"], "mrframe", "config.toml")
    with open(user, "w") as file:
        file.write("[formats]\nshort = '%h'\nown = '%h %t'\n")
    (project / "mrframe.toml").write_text("nodes = 2\n[formats]\nshort = '%h %D'\n")
    config = project / "nginx.conf"
    config.write_text("http {\n log_format main '$remote_addr '\n  '$msec';\n}\n")
    settings.name_formats(str(config), environment, str(project))
    assert dict(names()) == {"short": "%h %D", "own": "%h %t", "main": "log_format main '$remote_addr '\n  '$msec';"}
    assert registry.reader_named("short") == Reader("access", "%h %D")
    assert registry.resolved(registry.logs.format("short")) == Reader("access", "%h %D")
    assert registry.reader_named('["own", "combined"]') == registry.logs.several("%h %t", "combined")
    assert detect(b"192.0.2.7 1431857103.5\n", "a").name == "main"
    assert settings.resolve({}, environment, str(project))["nodes"].value == 2


@pytest.mark.parametrize("string", ["%h %Y", "plain", "regex:(", "%d %m %c%n", "other'\nother = 'bad"])
def test_a_format_of_a_file_that_cannot_be_read_is_refused_with_its_name(folders, names, string):
    project, environment = folders
    (project / "mrframe.toml").write_text(f"[formats]\ngood = '%h'\nbad = '{string}'\n")
    with pytest.raises(FormatError, match=r"^bad in \[formats\] of .*mrframe.toml is no format: "):
        settings.name_formats(None, environment, str(project))


def test_a_format_of_a_configuration_that_cannot_be_read_is_named_where_none_fits(folders, names):
    project, environment = folders
    config = project / "nginx.conf"
    config.write_text("log_format good '$msec';\nlog_format bad '$http_a $http_user_agent $http_b';\n")
    settings.name_formats(str(config), environment, str(project))
    assert detect(b"1431857103.5\n", "a").name == "good"
    with pytest.raises(FormatError, match="Your format bad was not tried, since it cannot be read: "):
        detect(b"x\n", "a")
    assert [text[:16] for name, _, text in registry.formats_table() if name == "bad"] == ["cannot be read: "]


@pytest.mark.parametrize("text", ["formats = 'x'", "[formats]\nx = 3", "[formats]\nx = ''"])
def test_a_table_of_formats_that_has_no_strings_is_refused_with_its_file(folders, text):
    project, environment = folders
    (project / "mrframe.toml").write_text(text)
    with pytest.raises(UsageError, match=r"\[formats\] in .*mrframe.toml gives names to format strings"):
        settings.name_formats(None, environment, str(project))


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read: No such file"), ("events {}", "has no log format")]
)
def test_a_configuration_without_a_format_is_refused(folders, content, says):
    project, environment = folders
    path = project / "server.conf"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=says):
        settings.name_formats(str(path), environment, str(project))


def test_a_list_of_formats_is_one_value(folders):
    project, environment = folders
    (project / "mrframe.toml").write_text("log_format = ['combined', 'vhost']\n")
    assert settings.resolve({}, environment, str(project))["log_format"].value == '["combined", "vhost"]'
    assert [settings.several_formats(given) for given in ((), ("a",), ("a", "b"))] == [None, "a", '["a", "b"]']
