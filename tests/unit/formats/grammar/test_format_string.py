"""Format strings as people paste them, and what is refused."""

import pytest

from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError
from mrframe.formats.factory import explain
from mrframe.formats.grammar.format_string import parse_format
from mrframe.formats.readers.access import grammar_of
from mrframe.formats.registry import logs
from mrframe.formats.schema import fields_of

COMBINED = grammar_of("combined").elements


@pytest.mark.parametrize(
    "pasted",
    [
        r'LogFormat "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined',
        r'"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"" combined',
        r'  "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""',
        'LogFormat \'%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"\' combined',
        r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"",
        '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"',
    ],
)
def test_apache_combined_however_it_is_pasted(pasted: str) -> None:
    assert parse_format(pasted).elements == COMBINED


NGINX = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
NGINX_DIRECTIVE = """log_format main escape=default '$remote_addr - $remote_user [$time_local] "$request" '
                '$status $body_bytes_sent "$http_referer" '
                '"$http_user_agent"';"""
_INNER = NGINX.replace('"', '\\"').replace("$http_user_agent", "${http_user_agent}")
NGINX_DOUBLE_QUOTED = f'log_format main "{_INNER}";'


@pytest.mark.parametrize(
    "pasted", [NGINX, f"'{NGINX}'", f"log_format main '{NGINX}';", NGINX_DIRECTIVE, NGINX_DOUBLE_QUOTED]
)
def test_nginx_main_however_it_is_pasted(pasted: str) -> None:
    line = b'192.0.2.7 - bob [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 12 "-" "curl/8.5.0"'
    found = explain(line, logs.format(pasted))
    assert isinstance(found, dict)
    assert (found["host"], found["user"], found["path"], found["query"]) == ("192.0.2.7", "bob", "/a", "b")
    assert (found["status"], found["size"], found["referer"], found["agent"]) == (200, 12, None, "curl/8.5.0")


def test_every_directive_has_a_field_and_clashing_names_are_numbered() -> None:
    string = (
        r"%a %h %v:%p %D %T %I %O %b %{X-Forwarded-For}i \"%{X-Time}o\" %{UNIQUE_ID}e \"%{sid}C\" %{note}n "
        r"%{ms}T %{tid}P %!200,304{Line}i %{usec_frac}t %X %k %%"
    )
    assert list(fields_of(logs.format(string)) or {})[:-3] == [
        *("client", "host", "vhost", "port", "duration_us", "duration_s", "bytes_received", "bytes_sent", "size"),
        *("x_forwarded_for", "response_x_time", "env_unique_id", "cookie_sid", "note_note", "duration_ms", "tid"),
        *("line_2", "usec_frac", "connection", "keepalives"),
    ]


def test_size_is_what_was_sent_when_nothing_else_says_it() -> None:
    assert "size" in (fields_of(logs.format("%v %h %O")) or {})


def test_times_in_other_forms_are_read() -> None:
    iso = explain(b"2015-05-17T10:05:03.5+02:00 200", logs.format("$time_iso8601 $status"))
    epoch = explain(b"1431857103.250 -", logs.format("$msec $status"))
    form = explain(b"17.05.2015 10:05:03 +0200|200", logs.format("%{%d.%m.%Y %T %z}t|%s"))
    assert isinstance(iso, dict) and isinstance(epoch, dict) and isinstance(form, dict)
    assert iso["time"].isoformat() == "2015-05-17T10:05:03.500000+02:00"
    assert epoch["time"].isoformat() == "2015-05-17T10:05:03.250000+00:00"
    assert form["time"].isoformat() == "2015-05-17T10:05:03+02:00"
    assert [found["minute"] for found in (iso, epoch, form)] == ["2015-05-17T10:05"] * 3
    assert epoch["status"] is None


def test_an_unquoted_header_at_the_end_may_have_blanks() -> None:
    found = explain(b"192.0.2.7 Mozilla/5.0 (X11; Linux)", logs.format("%h %{User-Agent}i"))
    assert isinstance(found, dict) and found["agent"] == "Mozilla/5.0 (X11; Linux)"


@pytest.mark.parametrize(
    ("string", "says"),
    [
        ("combnied", "neither the name of a log format nor a format string"),
        ("%h %Z", "Apache has no directive '%Z'"),
        ("%h%u", "nothing stands between %h and %u"),
        ("$remote_addr$remote_user", "nothing stands between"),
        (r"%h\n%u", "a line break"),
        ("100%%", "has no values in it"),
        ("%{%c}t %h", "time form %c"),
        ("log_format main;", "no format string after its name"),
    ],
)
def test_an_invalid_format_string_is_refused_with_the_reason(string: str, says: str) -> None:
    with pytest.raises(FormatError, match=says.replace("(", r"\(")):
        grammar_of(string)


def test_the_name_of_a_format_is_in_the_reader() -> None:
    assert logs.vhost == Reader("access", "vhost")
    assert logs.access.format == "auto"
