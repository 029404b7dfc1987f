"""Log formats are taken from a server's configuration as they stand there."""

from __future__ import annotations

from mrframe.formats.grammar.format_string import parse_format
from mrframe.formats.grammar.server_config import formats_of_config

NGINX = r"""
user www-data;
http {
    # log_format old '$remote_addr';
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      # a comment; 'here'
                      '$status $body_bytes_sent "#$http_referer;" ' "rt=\"$request_time\"";
    log_format j escape=json '{"t":"$time_iso8601","u":"$http_user_agent;"}';  access_log logs/a.log main;
	log_format bare $remote_addr;
    server { listen 80; }
}
"""
APACHE = r"""
LogLevel warn
LogFormat "%v:%p %h %l %u %t \"%r\" %>s %O \
 %D" vhost_timed
 logformat '%h %>s' short
#LogFormat "%h" commented
LogFormat "%h %t"
CustomLog ${APACHE_LOG_DIR}/access.log combined
"""


def fields(string: str) -> list[str]:
    return list(parse_format(string).field_map())


def test_log_formats_of_nginx_over_several_lines() -> None:
    found = formats_of_config(NGINX)
    assert list(found) == ["main", "j", "bare"]
    assert fields(found["main"])[-4:] == ["status", "size", "referer", "request_time"]
    assert fields(found["j"]) == ["time", "day", "hour", "minute", "agent"]
    assert fields(found["bare"]) == ["host"]


def test_log_formats_of_apache_that_have_a_nickname() -> None:
    found = formats_of_config(APACHE)
    assert list(found) == ["vhost_timed", "short"]
    assert fields(found["vhost_timed"])[-3:] == ["size", "bytes_sent", "duration_us"]


def test_a_directive_without_an_end_is_searched_once() -> None:
    comments = "# a comment in place of the end\n" * 2000  # of each more, twice the time, were it tried in two ways
    assert formats_of_config(f"log_format a '$status'\n{comments}") == {}
    assert list(formats_of_config(f"log_format a '$status'\n{comments};")) == ["a"]


def test_any_other_file_has_none() -> None:
    assert formats_of_config("log_formatted x;\n'log_format a \n\\") == {}
