"""`RunOptions`: a value that cannot be is refused where it is given, whoever gives it."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from pathlib import Path

import pytest

from mrframe.core.settings.options import RunOptions
from mrframe.core.settings.setting_kinds import parse_share
from mrframe.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("partitions", 0, "a whole number of at least 1 is needed"),
        ("nodes", True, "a whole number of nodes from 1 to 256 is needed"),
        ("nodes", "2", "a whole number of nodes from 1 to 256 is needed"),
        ("nodes", 257, "a whole number of nodes from 1 to 256 is needed"),
        ("split_bytes", 0, "a size such as 64MiB or 1000000 is needed"),
        ("timeout_s", 0, "a time such as 90, 90s or 5min is needed"),
        ("stall_s", None, "a time such as 90, 90s or 5min is needed"),
        ("max_bad", "101%", "a number such as 100, or a share such as 10%, is needed"),
        ("max_failed", "many", "a number such as 100, or a share such as 10%, is needed"),
        ("hash_seed", str(1 << 64), r"a whole number below 2\*\*64, or the word random, is needed"),
        ("verify", "x", "a share such as 2% is needed"),
        ("shuffle", "zmk", r"one of auto, zmq is needed; did you mean 'zmq'\?"),
        ("engine", "", "one of auto, inline, local, or a name that an installed package gives to"),
    ],
)
def test_an_invalid_value_is_refused_with_the_kind_needed(name, value, wanted):
    with pytest.raises(UsageError, match=f"^{name}={value!r}: {wanted}"):
        RunOptions(**{name: value})
    with pytest.raises(UsageError, match=name):
        dataclasses.replace(RunOptions(), **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitions", None),
        ("memory_bytes", 0),
        ("inline_bytes_max", 0),
        ("order_seed", 0),
        ("timeout_s", 1),
        ("timeout_s", 0.5),
        ("max_bad", "0.5%"),
        ("hash_seed", str((1 << 64) - 1)),
        ("engine", "of another package"),
        ("scratch_dir", Path("/tmp")),
    ],
)
def test_a_value_that_can_be_is_taken_as_it_is(name, value):
    assert getattr(RunOptions(**{name: value}), name) == value


def test_a_share_is_a_number_or_a_percentage():
    assert [parse_share(text) for text in ("2%", "0.02", "1", "101%", "-1", "x")] == [
        0.02,
        0.02,
        1.0,
        None,
        None,
        None,
    ]


def test_an_unknown_setting_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"^RunOptions has no engin=; did you mean 'engine'\? it has: engine, "):
        RunOptions(engin="local")
    with pytest.raises(UsageError, match=r"each setting has a name, such as engine='local'$"):
        RunOptions("local")
    options = RunOptions(engine="local", nodes=2)
    assert pickle.loads(pickle.dumps(options)) == copy.copy(options) == options
