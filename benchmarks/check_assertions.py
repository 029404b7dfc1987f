#!/usr/bin/env python3
"""Hold mrframe's fields against the expected values of CrowdSec's parser tests.

    check_assertions.py LOGS_DIR

LOGS_DIR holds pairs of files from the folder .tests of crowdsecurity/hub: NAME.parser.assert and
NAME__NAME.log. For each log it prints which format read how many lines, how many stated values were
compared, and each mismatch with the reason. Exits with 1 when a value differs without a reason known here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from mrframe.core.job.job import JSON_LINES
from mrframe.core.model.reader import Reader
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.registry import logs

NO_USER = logs.format(
    '$remote_addr - [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
ACCESS = {
    "clientip": "host",
    "remote_addr": "host",
    "source_ip": "host",
    "ident": "ident",
    "auth": "user",
    "remote_user": "user",
    "user": "user",
    "timestamp": "time",
    "time_local": "time",
    "verb": "method",
    "http_verb": "method",
    "request": "target",
    "http_path": "target",
    "httpversion": "version",
    "http_version": "version",
    "response": "status",
    "status": "status",
    "http_status": "status",
    "bytes": "size",
    "body_bytes_sent": "size",
    "referrer": "referer",
    "http_referer": "referer",
    "http_user_agent": "agent",
    "target_fqdn": "vhost",
    "port": "port",
    "message": "line",
    "number_of_requests_received_since_traefik_started": "request_count",
    "request_duration_in_ms": "duration_ms",
    "traefik_router_name": "router",
    "traefik_server_url": "server_url",
}
CADDY = {
    "http_user_agent": "request.headers.User-Agent.0",
    "http_version": "request.proto",
    "verb": "request.method",
    "remote_ip": "request.client_ip",
    "source_ip": "request.client_ip",
    "request": "request.uri",
    "http_path": "request.uri",
    "http_verb": "request.method",
    "http_status": "status",
    "message": "line",
    "target_fqdn": "request.host",
}
ALB = {
    "elb_status_code": "status",
    "http_status": "status",
    "target_status_code": "target_status",
    "http_user_agent": "agent",
    "received_bytes": "bytes_received",
    "sent_bytes": "size",
    "message": "line",
    "remote_addr": "host",
    "source_ip": "host",
    "remote_port": "client_port",
    "target_addr": "target_addr",
    "http_method": "method",
    "http_verb": "method",
    "http_version": "version",
    "request": "url_target",
    "http_path": "url_target",
    "host": "url_host",
    "http_host": "url_host",
    "target_fqdn": "url_host",
    "port": "url_port",
    "http_port": "url_port",
    "protocol": "url_scheme",
    "time": "iso",
    **{f"{part}_processing_time": f"{part}_processing_s" for part in ("request", "target", "response")},
    "target_port_list": "target_list",
    "conn_trace_id": "extra_1",
    "transformed_host": "extra_2",
    "transformed_uri": "extra_3",
    "request_transform_status": "extra_4",
    "target_status_code_list": "target_status_list",
}
TRAEFIK = {
    "body_bytes_sent": "DownstreamContentSize",
    "http_user_agent": "request_User-Agent",
    "verb": "RequestMethod",
    "http_version": "RequestProtocol",
    "remote_addr": "ClientHost",
    "source_ip": "ClientHost",
    "message": "line",
    "request": "RequestPath",
    "http_path": "RequestPath",
    "http_verb": "RequestMethod",
    "request_addr": "RequestAddr",
    "request_duration_in_ms": "Duration",
    "status": "DownstreamStatus",
    "http_status": "DownstreamStatus",
    "time_local": "time",
    "traefik_router_name": "RouterName",
    "target_fqdn": "RequestHost",
}
LOGS: dict[str, tuple[list[tuple[str, Reader]], dict[str, str]]] = {
    "apache2-logs": ([("combined", logs.combined), ("common", logs.common), ("vhost", logs.vhost)], ACCESS),
    "nginx_http-logs": (
        [("combined", logs.combined), ("vhost", logs.vhost), ("own string, no user", NO_USER)],
        ACCESS,
    ),
    "aws-alb-logs": ([("alb", Reader("access", "alb"))], ALB),
    "caddy-logs": ([("json", JSON_LINES)], CADDY),
    "traefik_clf": ([("traefik", logs.traefik)], ACCESS),
    "traefik_json": ([("json", JSON_LINES)], TRAEFIK),
}
# Said by CrowdSec about the line, not in it: made by its own pipeline, or parts that it cuts out of a field.
DERIVED = {"program", "log_type", "service", "datasource_path", "datasource_type", "sub_type"} | {
    *("traefik_router_name_leaf", "traefik_router_name_intermediate", "traefik_router_name_root"),
    *("traefik_router_leaf", "traefik_router_intermediate", "dest_addr", "service_addr"),
}
_STATED = re.compile(
    r'(?:FloatApproxEqual\()?results\["s01-parse"\]\["[^"]+"\]\[(\d+)\]\.Evt\.'
    r'(Parsed|Meta|Unmarshaled)((?:\["(?:[^"\\]|\\.)*"\]|\[\d+\])+)(?: == (.*)|, (.*)\))'
)
_KEY = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]')


@dataclass
class Row:
    """The line of the report for one format of one log."""

    lines: int = 0
    checked: int = 0
    wrong: list[str] = field(default_factory=list)


def stated(path: Path) -> dict[int, list[tuple[str, list[str], Any, bool]]]:
    """{line index: [(Parsed, Meta or Unmarshaled, keys, value, whether it is approximate)]}."""
    found: dict[int, list[tuple[str, list[str], Any, bool]]] = {}
    for text in path.read_text("utf-8").splitlines():
        match = _STATED.fullmatch(text)
        if match is None:
            continue
        keys = [name or index for name, index in _KEY.findall(match[3])]
        literal = match[4] if match[4] is not None else match[5]
        value = {"true": True, "false": False, "nil": None}.get(literal, literal)
        if isinstance(value, str):
            value = ast.literal_eval(value)
        found.setdefault(int(match[1]), []).append((match[2], keys, value, match[5] is not None))
    return found


def shown(name: str, value: Any) -> str:
    """One of mrframe's values as CrowdSec writes it."""
    if isinstance(value, datetime):
        return value.strftime("%d/%b/%Y:%H:%M:%S %z")
    text = "-" if value is None else str(value)
    return text.removeprefix("HTTP/") if name in ("http_version", "httpversion") else text


def fields(line: bytes, reader: Reader) -> dict[str, Any] | None:
    """Return all fields of a line with those that CrowdSec joins, or None if the line does not match."""
    found = explain(line, reader)
    if not isinstance(found, dict):
        return None
    if reader.kind == "access":
        query, found["target_addr"] = found["query"], found.get("target")
        found["target"] = found["path"] if query is None else f"{found['path']}?{query}"
        found["version"] = found["protocol"]
        found["iso"] = found["time"].isoformat().replace("+00:00", "Z")
        scheme, _, rest = found["target"].partition("://") if found["target"] else ("", "", "")
        where, _, target = rest.partition("/")
        found["url_scheme"], found["url_target"] = scheme, f"/{target}"
        found["url_host"], _, found["url_port"] = where.partition(":")
    return found


def at_path(line: bytes, path: str) -> Any:
    """The value at a path of a JSON line, by the reader."""
    parsed = make_reader(JSON_LINES, ("value",), {"value": path} if path != "line" else {}).parse(line, "", 0)
    if path == "line":
        return line.decode("utf-8", "surrogateescape")
    return parsed.values[0][0]


def reason(name: str, expected: Any, got: Any) -> str:
    """Return the reason why a value may rightly differ, or "" if none is known."""
    if name in ("remote_addr", "source_ip") and isinstance(got, str) and "," in got:
        return "CrowdSec picks the last of several addresses in the field"
    if name == "remote_user" and expected in ("", "-"):
        return "the line has no user"
    return ""


def check_line(line: bytes, reader: Reader, names: dict[str, str], claims: list, row: Row, skipped: Counter) -> None:
    """Compare the statements about one line with its fields."""
    found = fields(line, reader) or {}
    for section, keys, expected, about in claims:
        name = keys[0]
        if section == "Unmarshaled":
            got: Any = at_path(line, ".".join(keys[1:]))
            equal = abs(got - expected) < 1e-6 if about else got == expected
        elif name in DERIVED:
            skipped[name] += 1
            continue
        else:
            ours = names.get(name, name)
            got = shown(name, at_path(line, ours) if reader.kind == "json" else found.get(ours))
            value = found.get(ours) if reader.kind == "access" else None
            equal = got == expected or (isinstance(value, float) and value == float(expected))
        row.checked += 1
        if not equal:
            why = reason(name, expected, got) or "UNEXPLAINED"
            row.wrong.append(f"{'.'.join(keys)}: stated {expected!r}, read {got!r}: {why}")


def check_log(folder: Path, name: str) -> tuple[dict[str, Row], Counter, list[str]]:
    """Return rows by format, names that are not fields, and the lines that no format reads."""
    readers, names = LOGS[name]
    rows: dict[str, Row] = {}
    skipped: Counter = Counter()
    unread: list[str] = []
    claims = stated(folder / f"{name}.parser.assert")
    # CrowdSec numbers the lines that are not empty.
    texts = [text for text in (folder / f"{name}__{name}.log").read_bytes().split(b"\n") if text.strip()]
    for number, line in enumerate(texts):
        for label, reader in readers:
            if fields(line, reader) is not None:
                row = rows.setdefault(label, Row())
                row.lines += 1
                check_line(line, reader, names, claims.get(number, []), row, skipped)
                break
        else:
            unread.append(line[:70].decode("utf-8", "backslashreplace"))
    return rows, skipped, unread


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    print("| log | format | lines | fields checked | mismatches |\n|---|---|---|---|---|")
    notes: list[str] = []
    for name in LOGS:
        rows, skipped, unread = check_log(folder, name)
        for label, row in rows.items():
            print(f"| {name} | {label} | {row.lines} | {row.checked} | {len(row.wrong)} |")
            notes += [f"{name}, {label}: {text}" for text in row.wrong]
        if unread:
            print(f"| {name} | none | {len(unread)} | – | – |")
            notes += [f"{name}: not an access log line, malformed: {text}…" for text in unread]
        notes.append(
            f"{name}: not compared, since CrowdSec adds or cuts them out: {', '.join(sorted(skipped)) or '–'}"
        )
    print("\n" + "\n".join(f"- {note}" for note in notes))
    return int(any("UNEXPLAINED" in note for note in notes))


if __name__ == "__main__":
    sys.exit(main())
