"""Layouts of logging frameworks: the fields of documented lines, and layouts that are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mrframe.errors import FormatError
from mrframe.formats.application_formats import APPLICATIONS, is_layout
from mrframe.formats.factory import explain
from mrframe.formats.grammar.layout import parse_layout, start_of
from mrframe.formats.registry import reader_named

AT = datetime(2015, 9, 1, 18, 14, 37, tzinfo=UTC)
MS = timedelta(milliseconds=123)


@pytest.mark.parametrize(
    ("name", "line", "fields"),
    [
        (
            "log4j",
            "2015-09-01 18:14:37,123 INFO  [main] org.a.Server: started",
            {"time": AT + MS, "level": "INFO", "thread": "main", "logger": "org.a.Server", "message": "started"},
        ),
        (
            "log4j",
            "2015-09-01 18:14:37,123 WARN [IPC Server [2] on 80] a: ",
            {"thread": "IPC Server [2] on 80", "logger": "a", "message": ""},
        ),
        ("hadoop", "2015-09-01 18:14:37,123 INFO a.b.NameNode: STARTUP_MSG:", {"logger": "a.b.NameNode"}),
        (
            "kafka",
            "[2015-09-01 18:14:37,123] ERROR a (b) c (state.change.logger)",
            {"time": AT + MS, "message": "a (b) c", "logger": "state.change.logger"},
        ),
        ("kafka", "[2015-09-01 18:14:37,123] INFO KafkaConfig values: ", {"message": "KafkaConfig values: "}),
        ("spark", "15/09/01 18:14:37 INFO Utils: -", {"time": AT, "day": "2015-09-01", "message": "-"}),
        (
            "zookeeper",
            "2015-09-01 18:14:37,123 [myid:] - INFO  [QuorumPeer[myid=1]/0:0:2181:Leader@774] - out: 32",
            {"myid": None, "thread": "QuorumPeer[myid=1]/0:0:2181:Leader@774", "message": "out: 32"},
        ),
        (
            "spring",
            "2015-09-01 18:14:37.123  INFO 45469 --- [           main] o.a.c.Engine          : up",
            {"pid": 45469, "thread": "main", "logger": "o.a.c.Engine", "message": "up"},
        ),
        (
            "bracketed_zoned",
            "2015-09-01 18:14:37.123 +02:00 [INF] up",
            {"time": (AT + MS).replace(tzinfo=timezone(timedelta(hours=2))), "hour": "2015-09-01T18", "level": "INF"},
        ),
        ("leveled_zoned", "2015-09-01T18:14:37Z INFO up", {"time": AT, "message": "up"}),
        ("python", "2015-09-01 18:14:37,123 - a.b - INFO - x - y", {"logger": "a.b", "message": "x - y"}),
        ("python_basic", "WARNING:root:disk", {"level": "WARNING", "logger": "root", "message": "disk"}),
        (
            "elasticsearch",
            "[2015-09-01T18:14:37,123][INFO ][o.e.n.Node               ] [n] up",
            {"message": "[n] up"},
        ),
        ("%d{dd MMM yyyy HH:mm:ss} %p [%t] %c.%M - %m%n", "01 Sep 2015 18:14:37 INFO [a b] c.d - e", {"time": AT}),
        (
            "%(asctime)s %(levelname)-8s %(lineno)d %(message)s",
            "2015-09-01 18:14:37,1 INFO     7 x",
            {"source_line": 7},
        ),
    ],
)
def test_the_fields_of_a_line(name, line, fields):
    found = explain(line.encode(), reader_named(name))
    assert isinstance(found, dict), found
    assert {field: found[field] for field in fields} == fields


@pytest.mark.parametrize("known", APPLICATIONS, ids=lambda known: known.name)
def test_the_example_of_a_format_is_of_it(known):
    found = explain(known.example.encode(), reader_named(known.name))
    assert isinstance(found, dict) and found["message"]


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("%d{ABSOLUTE} %m%n", "is not understood"),
        ("%d{HH:mm:ss} %p %m%n", "has no date"),
        ("%m %d%n", "must be the last value"),
        ("%c %d %m%n", "begins neither"),
        ("%d %p%c %m%n %q", "not understood"),
        ("%d %c%t %m%n", "nothing stands between"),
    ],
)
def test_a_layout_that_cannot_be_read_is_refused(layout, says):
    with pytest.raises(FormatError, match=says):
        parse_layout(layout)


def test_layouts_are_told_from_formats_of_servers():
    assert is_layout("%d %-5p %m%n") and is_layout("%(asctime)s %(message)s")
    for served in (r'%h %l %u %t "%r" %>s %b', "%{%d.%m.%Y %T %z}t %m", "$host $msg", "%{msec_frac}t %D %m"):
        assert not is_layout(served)


def test_a_record_begins_with_all_up_to_the_seconds():
    assert start_of(parse_layout("[%d] %p %m%n")) == (
        r"\[[0-9]{4}-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]"
    )
