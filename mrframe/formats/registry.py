"""The readers that a job names: `logs.combined`, `logs.format("…")`, `text`, `words`, `json_lines`; and the
format strings behind the names.

Light to import, since every job file imports it: nothing is compiled here.
"""

from __future__ import annotations

from typing import NamedTuple

from mrframe.core.job.job import JSON_LINES, TEXT, WORDS, Reader


class NamedFormat(NamedTuple):
    """A format known by name: its string, an example line, and what it is."""

    name: str
    string: str
    example: str
    description: str


_TIME = "[17/May/2015:10:05:03 +0000]"
FORMATS: tuple[NamedFormat, ...] = (
    NamedFormat(
        "traefik",
        '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
        '"$http_user_agent" $request_count "$router" "$server_url" ${duration_ms}ms',
        f'192.0.2.7 - - {_TIME} "GET /a HTTP/1.1" 200 12 "-" "curl/8.5.0" 7 "web@docker" "http://10.0.0.3:80" 4ms',
        "Traefik's common log format: combined, then request count, router, server and milliseconds",
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
)
"""In the order in which they are preferred when several fit a file equally well."""

STRINGS = {known.name: known.string for known in FORMATS} | {"vhost_combined": FORMATS[1].string}


class logs:  # noqa: N801 (a namespace: jobs say logs.combined)
    """Readers of web servers' access logs."""

    access = Reader("access", "auto")
    combined = Reader("access", "combined")
    common = Reader("access", "common")
    vhost = Reader("access", "vhost")
    nginx_main = Reader("access", "nginx_main")
    traefik = Reader("access", "traefik")

    @staticmethod
    def format(string: str) -> Reader:
        r"""A reader for the server's own format string, pasted verbatim.

        `logs.format(r'LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed')`, or an nginx `log_format`. A string that is
        no format is refused when the job is submitted.
        """
        return Reader("access", string)


text = TEXT
words = WORDS
json_lines = JSON_LINES


def reader_named(name: str) -> Reader:
    """The reader that `--log-format` means: a known name, or else a format string."""
    plain = {"text": TEXT, "words": WORDS, "json": JSON_LINES, "jsonl": JSON_LINES, "json_lines": JSON_LINES}
    if name in plain:
        return plain[name]
    return Reader("access", "auto" if name in ("auto", "access") else name)


def formats_table() -> list[tuple[str, str, str]]:
    """(name, example, description) of each format that has a name, for `mrframe formats list`."""
    table = [(known.name, known.example, known.description) for known in reversed(FORMATS)]
    table.append(
        ("json", '{"status": 200, "request": {"method": "GET"}}', "one JSON object on each line (Caddy, Traefik, …)")
    )
    table.append(("text", "any line", "lines of text: file, offset, line"))
    table.append(("words", "any line", "the words of a text, split on ASCII whitespace"))
    return table
