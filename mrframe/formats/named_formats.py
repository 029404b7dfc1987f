"""The formats that are known by name: format strings of servers, each with an example and a description.

A new format of an access log is a row of `FORMATS`. Not here: how a format string becomes a grammar (`grammar/`), and
formats of other kinds, which their readers name (`readers/`).
"""

from __future__ import annotations

from typing import NamedTuple


class NamedFormat(NamedTuple):
    """A format known by name: its format string ("" where the kind has one form), an example line, a description.

    A loose format takes whatever follows, so it is detected only if none that says what follows fits.
    """

    name: str
    string: str
    example: str
    description: str
    loose: bool = False


_TIME = "[17/May/2015:10:05:03 +0000]"
_REQUEST = f'{_TIME} "GET /a HTTP/1.1" 200 12'
_COMMON = '$remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent'
_REFERER_AGENT = '"$http_referer" "$http_user_agent"'
FORMATS: tuple[NamedFormat, ...] = (
    NamedFormat(
        "combined",
        r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\"",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0"',
        "what Apache and nginx call combined: the default of Debian's packages of both",
    ),
    NamedFormat(
        "common",
        r"%h %l %u %t \"%r\" %>s %b",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12',
        "the Common Log Format: combined without referer and agent",
    ),
    NamedFormat(
        "vhost",
        '$vhost_port $remote_addr $ident $remote_user [$time_local] "$request" $status $body_bytes_sent '
        '"$http_referer" "$http_user_agent"',
        f'www.example.org:443 192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0"',
        "combined behind the name of the virtual host, with or without its port (Apache's vhost_combined)",
    ),
    NamedFormat(
        "nginx_main",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" "$http_x_forwarded_for"',
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0" "198.51.100.4, 203.0.113.9"',
        "combined, then X-Forwarded-For: `main` in the nginx.conf of nginx's own packages and Docker image",
    ),
    NamedFormat(
        "ingress_nginx",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] '
        "$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id",
        f'192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 89 0.004 [default-web-80] [] 10.0.0.5:80 12 0.004 200 529a1d',
        "the default of ingress-nginx in Kubernetes: combined, then lengths, times and the upstream server",
    ),
    NamedFormat(
        "traefik",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent $quoted_referer '
        "$quoted_agent $request_count $quoted_router $quoted_server_url ${duration_ms}ms",
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0" 7 "web@docker" "http://10.0.0.3:80" 4ms',
        "Traefik's common log format: combined, then request count, router, server and milliseconds",
    ),
    NamedFormat(
        "combined_extra",
        f"{_COMMON} {_REFERER_AGENT}$further_values",
        f'192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 0.007 "hit"',
        "combined and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
    NamedFormat(
        "vhost_extra",
        f"$vhost_port {_COMMON} {_REFERER_AGENT}$further_values",
        f'www.example.org:443 192.0.2.7 - - {_REQUEST} "-" "curl/8.5.0" 0.007',
        "vhost and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
    NamedFormat(
        "common_extra",
        f"{_COMMON}$further_values",
        f"192.0.2.7 - - {_REQUEST} 7 0.004",
        "common and any number of further values: extra_1, extra_2, …",
        loose=True,
    ),
)
"""In the order in which they are preferred when several fit a file equally well."""

STRINGS = {known.name: known.string for known in FORMATS}
STRINGS["vhost_combined"] = STRINGS["vhost"]
