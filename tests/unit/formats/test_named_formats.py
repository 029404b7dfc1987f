"""Every named format reads its own example as its server means it."""

from __future__ import annotations

import pytest

from mrframe.formats.factory import explain, make_reader
from mrframe.formats.named_formats import FORMATS
from mrframe.formats.registry import logs, reader_named

EXAMPLES = {known.name: known.example.encode() for known in FORMATS}
FIELDS = {
    "ingress_nginx": {
        "host": "192.0.2.7",
        "status": 200,
        "bytes_received": 89,
        "request_time": 0.004,
        "proxy_upstream_name": "default-web-80",
        "proxy_alternative_upstream_name": None,
        "upstream_addr": "10.0.0.5:80",
        "upstream_response_length": "12",
        "upstream_response_time": "0.004",
        "upstream_status": "200",
        "req_id": "529a1d",
    },
    "combined_extra": {"agent": "curl/8.5.0", "extra": '0.007 "hit"', "extra_1": 0.007, "extra_2": "hit"},
    "vhost_extra": {"vhost": "www.example.org", "port": 443, "extra_1": 0.007, "extra_2": None},
    "common_extra": {"size": 12, "extra": "7 0.004", "extra_1": 7, "extra_2": 0.004, "extra_3": None},
}


@pytest.mark.parametrize("name", FIELDS)
def test_the_example_of_a_format_has_these_fields(name: str) -> None:
    found = explain(EXAMPLES[name], reader_named(name))
    assert isinstance(found, dict)
    assert {field: found[field] for field in FIELDS[name]} == FIELDS[name]


@pytest.mark.parametrize(
    ("rest", "extra", "values"),
    [
        (b"", None, [None] * 3),
        (b" ", None, [None] * 3),
        (b" -", "-", [None] * 3),
        (b" 0.004, 0.012 : 3 7", "0.004, 0.012 : 3 7", ["0.004, 0.012 : 3", 7, None]),
        (b' "a \\" b"  [x y] ""', '"a \\" b"  [x y] ""', ['a \\" b', "x y", ""]),
        (b" -1 007 1.50", "-1 007 1.50", [-1, "007", 1.5]),
        (b' "broken [x \xff', '"broken [x \udcff', ['"broken', "[x", "\udcff"]),
        (b" rt=0.2 uct=, x", "rt=0.2 uct=, x", ["rt=0.2", "uct=, x", None]),
    ],
)
def test_values_behind_a_format_are_fields_by_number(rest, extra, values) -> None:
    line = EXAMPLES["combined"] + rest
    parsed = make_reader(logs.combined_extra, ("extra", "extra_1", "extra_2", "extra_3"), {}).parse(line, "f", 0)
    assert [column[0] for column in parsed.values] == [extra, *values]
    assert parsed.bad_fields == {}


def test_only_a_blank_begins_further_values() -> None:
    for line in (EXAMPLES["combined"] + b"x", EXAMPLES["combined"] + b'"', EXAMPLES["combined"] + b"\t1"):
        assert len(make_reader(logs.combined_extra, ("extra",), {}).parse(line, "f", 0).malformed) == 1
