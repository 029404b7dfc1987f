"""Every named format reads its own example as its server means it."""

from __future__ import annotations

import pytest

from mrframe.errors import FormatError
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
    "haproxy_http": {
        "host": "10.0.1.2",
        "client_port": 33317,
        "hour": "2009-02-06T12",
        "frontend": "http-in",
        "backend": "static",
        "server": "srv1",
        "request_ms": 10,
        "queue_ms": 0,
        "connect_ms": 30,
        "response_ms": 69,
        "active_ms": 109,
        "status": 200,
        "size": 2750,
        "termination_state": "----",
        "captured_headers": "{1wt.eu} {}",
        "path": "/index.html",
        "query": "a=1",
        "protocol": "HTTP/1.1",
    },
    "haproxy_tcp": {"total_ms": 5007, "size": 212, "retries": "3", "backend": "bck", "backend_queue": 0},
    "haproxy_http_syslog": {"syslog_day": 6, "hostname": "localhost", "pid": 14389, "captured_headers": None},
    "haproxy_tcp_syslog": {"syslog_clock": "12:12:56", "host": "10.0.1.2", "client_port": 33313, "total_ms": 5007},
    "envoy": {
        "method": "POST",
        "path": "/api/v1/locations",
        "query": "a=1",
        "protocol": "HTTP/2",
        "status": 204,
        "response_flags": None,
        "bytes_received": 154,
        "size": 0,
        "duration_ms": 226,
        "upstream_service_ms": 100,
        "x_forwarded_for": "10.0.35.28",
        "agent": "nsq2http",
        "vhost": "locations",
        "upstream": "10.0.2.1",
        "upstream_port": 80,
        "minute": "2016-04-15T20:17",
    },
    "alb": {
        "type": "h2",
        "host": "10.0.1.252",
        "client_port": 48160,
        "target": "10.0.0.66",
        "target_port": 9000,
        "target_processing_s": 0.002,
        "status": 200,
        "target_status": 200,
        "size": 257,
        "agent": "curl/7.46.0",
        "path": "https://10.0.2.105:773/",
        "matched_rule_priority": 1,
        "actions_executed": "redirect",
        "trace_id": "Root=1-58337327",
        "domain_name": None,
        "extra_1": "TID_12",
    },
    "elb": {"host": "192.168.131.39", "target_port": 80, "request_processing_s": 0.000073, "ssl_cipher": None},
    "s3": {
        "bucket": "awsexamplebucket1",
        "host": "192.0.2.3",
        "operation": "REST.GET.OBJECT",
        "key": "photos/a.jpg",
        "status": 200,
        "error_code": None,
        "size": 113,
        "object_size": 4406,
        "total_ms": 7,
        "turn_around_ms": 6,
        "referer": None,
        "agent": "S3Console/0.4",
        "tls_version": "TLSv1.2",
        "extra": "- -",
    },
    "squid": {
        "duration_ms": 5006,
        "host": "10.105.21.199",
        "result": "TCP_MISS",
        "status": 200,
        "size": 19763,
        "method": "CONNECT",
        "target": "login.yahoo.com:443",
        "user": "badeyek",
        "peer": "209.73.177.115",
        "day": "2006-09-08",
        "content_type": None,
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


@pytest.mark.parametrize(
    ("name", "old", "new", "fields"),
    [
        ("alb", b"10.0.0.66:9000 0.000 0.002 0.000", b"- -1 -1 -1", {"target": None, "target_processing_s": -1.0}),
        ("alb", b" TID_12", b"", {"extra": None, "classification_reason": None}),
        (
            "haproxy_http",
            b"10/0/30/69/109 200",
            b"-1/-1/-1/-1/3 -1",
            {"request_ms": -1, "status": -1, "active_ms": 3},
        ),
        ("haproxy_http", b"0/0 {1wt.eu} {}", b"0/0", {"captured_headers": None, "path": "/index.html"}),
        ("haproxy_tcp", b"10.0.1.2:", b"2001:db8::1:", {"host": "2001:db8::1", "client_port": 33313}),
        ("squid", b"  5006", b"123456", {"duration_ms": 123456}),
        ("s3", b'"S3Console/0.4"', b"-", {"agent": None}),
        ("envoy", b'"POST /api/v1/locations?a=1 HTTP/2" 204', b'"- - -" 0', {"method": None, "status": 0}),
    ],
)
def test_other_forms_of_a_line_that_servers_write(name: str, old: bytes, new: bytes, fields) -> None:
    found = explain(EXAMPLES[name].replace(old, new), reader_named(name))
    assert isinstance(found, dict)
    assert {field: found[field] for field in fields} == fields


@pytest.mark.parametrize(
    ("string", "line", "fields"),
    [
        (
            r'log-format "%ci:%cp\ [%t]\ %{+Q}[capture.req.hdr(0)]\ %[ssl_fc]\ %ST\ %B %{+Q}r"',
            b'192.0.2.7:1 [06/Feb/2009:12:14:14.655] "a b" 1 200 5 "GET /a HTTP/1.1"',
            {"host": "192.0.2.7", "capture_req_hdr_0_": "a b", "ssl_fc": "1", "status": 200, "path": "/a"},
        ),
        (
            "%START_TIME(%Y-%m-%d %H:%M:%S.%3f)% %REQ(:PATH)% %RESP(X-Cache)% %ROUTE_NAME% %UPSTREAM_HOST%\\n",
            b"2016-04-15 20:17:00.310 /a?b hit default -",
            {"day": "2016-04-15", "path": "/a", "response_x_cache": "hit", "route_name": "default", "upstream": None},
        ),
        (
            "${t:%d.%m.%Y %T} ${ms:float} ${note:free} [$x]",
            b"17.05.2015 10:05:03 -0.5 a b [y]",
            {"ms": -0.5, "note": "a b"},
        ),
    ],
)
def test_strings_in_the_notation_of_a_proxy(string: str, line: bytes, fields) -> None:
    found = explain(line, reader_named(string))
    assert isinstance(found, dict), found
    assert {field: found[field] for field in fields} == fields


def test_a_kind_that_is_not_known_is_named() -> None:
    with pytest.raises(FormatError, match=r"\$\{x:number\} has no known kind: text, free, int"):
        explain(b"1", reader_named("${x:number}"))
