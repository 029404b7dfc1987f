"""Where values end: lists, text with blanks, nothing at all; and the formats in which nothing tells it."""

from __future__ import annotations

import time

import pytest

from mrframe.errors import FormatError
from mrframe.formats.detect import detect
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.registry import logs
from mrframe.testing.oracle import parse_line

TIME = "[17/May/2015:10:05:03 +0200]"
COMBINED = f'192.0.2.7 - %s {TIME} "GET /a HTTP/1.1" 200 12 "-" "curl"'


def read(string: str, line: str) -> dict:
    """The fields of a line; the parser of one line agrees about their bytes."""
    found = explain(line.encode(), logs.format(string) if "%" in string or "$" in string else logs.access)
    assert isinstance(found, dict), found
    raw = parse_line(grammar_of(string), line.encode())
    assert raw is not None
    for name, value in found.items():
        if isinstance(value, str) and name in raw and name not in ("day", "hour", "minute"):
            assert raw[name] == value.encode()
    return found


@pytest.mark.parametrize(
    "value", ["0.004", "-", "0.004, 0.012", "0.004, 0.010 : 0.002", "- : 0.002", "0.004 : ", "1, -"]
)
def test_times_of_several_upstream_servers_are_one_value(value: str) -> None:
    none = None if value == "-" else value
    middle = read("$request_time $upstream_response_time $pipe $host", f"0.016 {value} . a.example")
    assert (middle["upstream_response_time"], middle["pipe"], middle["vhost"]) == (none, ".", "a.example")
    last = read("$status $upstream_response_time", f"200 {value}")
    assert (last["status"], last["upstream_response_time"]) == (200, none)
    comma = read('$status,$upstream_response_time,"$http_referer"', f'200,{value},"-"')
    assert comma["upstream_response_time"] == none


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::1", "::1", "fe80::a%eth0", "-"])
def test_an_address_before_a_port_may_hold_colons(host: str) -> None:
    none = None if host == "-" else host
    found = read("$remote_addr:$remote_port|$status", f"{host}:443|200")
    assert (found["host"], found["client_port"], found["status"]) == (none, 443, 200)
    found = read("%v:%p %h", f"{host}:443 ::1")
    assert (found["vhost"], found["port"], found["host"]) == (none, 443, "::1")


def test_neighbouring_lists_are_told_apart() -> None:
    found = read(
        "$upstream_addr $upstream_response_length $upstream_status, x=$request_id",
        "10.0.0.1:80, unix:/run/a.sock : [::1]:80 0, 12 : 7 502, 504 : 200, x=4f",
    )
    assert found["upstream_addr"] == "10.0.0.1:80, unix:/run/a.sock : [::1]:80"
    assert (found["upstream_response_length"], found["upstream_status"]) == ("0, 12 : 7", "502, 504 : 200")
    assert found["request_id"] == "4f"


@pytest.mark.parametrize("value", ["198.51.100.1", "198.51.100.1, 203.0.113.5, ::1", "unknown,10.0.0.1, 10.0.0.2"])
def test_addresses_behind_proxies_are_one_value(value: str) -> None:
    found = read('%{X-Forwarded-For}i %h %u "%r"', f'{value} 192.0.2.1 jean paul "GET / HTTP/1.1"')
    assert (found["x_forwarded_for"], found["host"], found["user"]) == (value, "192.0.2.1", "jean paul")


@pytest.mark.parametrize(
    "user", ["jean paul", r"\"car5 \"", "a [b] c", "bob ", "-a b-", "x [17/May/2015:10:05:03 +0200]"]
)
@pytest.mark.parametrize(
    ("form", "template"),
    [
        ("combined", COMBINED),
        ("common", f'192.0.2.7 - %s {TIME} "GET /a HTTP/1.1" 200 12'),
        ("vhost", f"www.example.org:443 {COMBINED}"),
        ("traefik", f'{COMBINED} 7 "web" "http://10.0.0.3:80" 4ms'),
    ],
    ids=["combined", "common", "vhost", "traefik"],
)
def test_a_user_may_have_blanks_in_every_format_with_a_name(user: str, form: str, template: str) -> None:
    line = (template % user).encode()
    parsed = make_reader(logs.format(form), ("user", "host", "status"), {}).parse(line, "f", 0)
    assert parsed.values == [[user], ["192.0.2.7"], [200]]
    assert (parse_line(grammar_of(form), line) or {})["user"] == user.encode()


@pytest.mark.parametrize("user", ["- -", "- alice", "alice -", ""])
def test_a_line_with_a_column_too_many_is_malformed(user: str) -> None:
    assert isinstance(explain((COMBINED % user).encode(), logs.combined), tuple)
    assert parse_line(grammar_of("combined"), (COMBINED % user).encode()) is None


def test_a_log_of_users_of_two_words_is_not_one_of_virtual_hosts() -> None:
    lines = [(COMBINED % "jean paul").encode(), (COMBINED % "jean paul").replace("192.0.2.7", "::1").encode()]
    assert detect(b"\n".join(lines), "x").reader == logs.combined
    assert detect(b"www.example.org:443 " + lines[0], "x").reader == logs.vhost
    assert isinstance(explain(b"192.0.2.1:80 - " + lines[0][12:], logs.vhost), dict)  # a host that is left out


def test_a_request_and_headers_without_quotes_end_where_the_rest_begins() -> None:
    found = read(
        r'%t %u [%D %h %{True-Client-IP}i %{UNIQUE_ID}e %r] %{Cookie}i %s "%{User-Agent}i" %b %{Referer}i',
        f'{TIME} "" [117 192.0.2.1 - T7 GET /x[]?y=[1] HTTP/1.1] a=b; c=d 200 "M" 12 http://example.org/a b',
    )
    assert (found["path"], found["query"], found["cookie"], found["status"]) == ("/x[]", "y=[1]", "a=b; c=d", 200)
    assert found["referer"] == "http://example.org/a b"
    last = read("%{Referer}i -> %U", "http://example.org/a b - > c -> /x y")
    assert (last["referer"], last["path"]) == ("http://example.org/a b - > c", "/x y")
    path = read('"%m %U%q %H" %D', '"GET /a b?c HTTP/1.1" 5')
    assert (path["method"], path["path"], path["query"], path["protocol"]) == ("GET", "/a b", "c", "HTTP/1.1")
    bracketed = read("%h [%{X-Note}i]", "::1 [a] b]")
    assert bracketed["x_note"] == "a] b"
    counted = read("$http_x_note $custom $status $body_bytes_sent", "a note  200 12")
    assert (counted["x_note"], counted["custom"], counted["size"]) == ("a note", None, 12)


def test_quotes_that_nginx_does_not_escape_are_of_the_value() -> None:
    string = """log_format x escape=none '"$request" $status "$http_referer" "$request_body"';"""
    found = read(string, '"GET /a\\ HTTP/1.1" 200 "" "{"a": "b c"}"')
    assert (found["status"], found["referer"], found["request_body"]) == (200, None, '{"a": "b c"}')


@pytest.mark.parametrize(
    ("string", "line", "fields"),
    [
        ("$status [$a] $b [$c]", "200 []  [x]", {"a": None, "b": None, "c": "x"}),
        (r"log_format x 'a:$https\tb:$server_port\tc:$status';", "a:\tb:\tc:200", {"https": None, "port": None}),
        ('%h %{X}e "%{Y}i" %s', '::1  "" 200', {"env_x": None, "y": "", "status": 200}),
        ('$host "$http_y"', 'a ""', {"y": ""}),
        ("""log_format x escape=json '$host "$http_y"';""", 'a ""', {"y": None}),
        ("""log_format x escape=json '{"t":$upstream_status,"s":$status}';""", '{"t":,"s":200}', {"status": 200}),
    ],
)
def test_nothing_is_a_value_where_a_server_writes_nothing(string: str, line: str, fields: dict) -> None:
    found = read(string, line)
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize("line", ['::1 - "x"', '::1  "x"'])
def test_nothing_is_no_value_of_what_is_always_written(line: str) -> None:
    assert isinstance(explain(line.encode(), logs.format('%h %l %u "%{X}i"')), tuple)


def test_a_directive_that_is_the_only_length_has_both_names() -> None:
    assert read("$status $bytes_sent", "200 12") | {"line": ""} == {
        "status": 200,
        "size": 12,
        "bytes_sent": 12,
        "line": "",
    }
    assert "size_2" not in read("%b %O", "1 2")


@pytest.mark.parametrize(
    ("string", "says"),
    [
        ("%{X-A}i %{X-B}i %s", r"%\{X-A\}i may hold blanks, .* since %\{X-B\}i behind it .* put it in quotes"),
        ("$http_x_a $custom $upstream_addr $status", r"\$http_x_a may hold blanks"),
        ("$upstream_addr, $status", r"\$upstream_addr is a list, and ', ' after it"),
        ("$upstream_status : $status", r"\$upstream_status is a list, and ' : ' after it"),
        ("$upstream_addr:$status", r"\$upstream_addr holds colons itself"),
        ("$upstream_addr,$custom $status", r"\$upstream_addr is a list"),
        ("$remote_addr$status", "nothing stands between"),
        ("$remote_addr,$http_user_agent,$http_referer", r"\$http_user_agent may hold ',', .* put it in quotes"),
        ("$remote_addr;$status;$http_user_agent;$http_referer", r"\$http_user_agent may hold ';'"),
        ("$remote_addr,$request_uri,$host", r"\$request_uri may hold ','"),
        ("$http_user_agent: $uri | $status", r"\$http_user_agent may hold ':'"),
        ("$cookie_a=$request_id", r"\$cookie_a may hold '='"),
        ("(%{User-Agent}i) %{X-A}e %s", r"User-Agent\}i may hold '\)'"),
        ("%h,%m %U %H,%{X-A}i,%T", r"%U may hold ','"),
    ],
)
def test_a_format_in_which_nothing_tells_where_a_value_ends_is_refused(string: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        grammar_of(string)


@pytest.mark.parametrize(
    ("string", "line", "fields"),
    [
        ("$http_user_agent,$status,$request_time", "M (KHTML, like G),200,0.1", {"agent": "M (KHTML, like G)"}),
        ("%u,%t,%s", "a, b,[17/May/2015:10:05:03 +0200],200", {"user": "a, b", "status": 200}),
        ("$request_uri;$status", "/a,200", None),
        ('"$http_user_agent","$http_referer"', '"M (KHTML, like G)","-"', {"agent": "M (KHTML, like G)"}),
    ],
)
def test_a_common_sign_separates_where_what_follows_has_a_fixed_form(string: str, line: str, fields: dict) -> None:
    found = explain(line.encode(), logs.format(string))
    if fields is None:
        assert isinstance(found, tuple)
    else:
        assert {name: read(string, line)[name] for name in fields} == fields


HOSTILE = (
    '%{X-A}i %{VAR}e %l %D "%r"',
    "$http_x_a $custom $other $status $request_time",
    "$upstream_addr $upstream_response_time $upstream_status x",
    "%{X-Forwarded-For}i %h %u [%{%F %T}t.%{msec_frac}t %{%z}t] %f -> %U",
    """log_format x escape=none '"$request" "$http_referer" "$request_body" $status';""",
    '%u %t "%r"',
)


PIECES = [
    "a",
    " ",
    "a ",
    "1 ",
    "- ",
    ", ",
    "a, ",
    "1, ",
    " : ",
    '"',
    '" ',
    '" "',
    " [",
    "[17/May/2015:10:05:03 +0200] ",
]


@pytest.mark.parametrize("string", HOSTILE)
@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_hostile_lines_take_time_in_proportion_to_their_length(string: str, piece: str) -> None:
    reader = make_reader(logs.format(string), (), {})

    def seconds(size: int) -> float:
        line = (piece * (size // len(piece))).encode() + b"\n"
        started = time.process_time()
        reader.parse(line, "f", 0)
        return time.process_time() - started

    small, large = (min(seconds(size) for _ in range(2)) for size in (4_000, 80_000))
    assert large < 100 * max(small, 0.0005)  # 20 times the bytes; a square would be 400 times
