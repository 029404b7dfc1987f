"""Lines that do not match: the message shows the format, its origin, the lines, and the result of detection."""

from __future__ import annotations

import json

import pytest

import mrframe
from mrframe import Job, RunOptions, count, json_lines, logs, text
from mrframe.errors import FormatError, TooManyMalformed, UsageError

GOOD = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl/8"\n'
BAD = '192.0.2.1 - - [17/May/2026:10:05:03 +0000] "GE\n'
TIMED = r'LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed'
IN_FILE = (("log_format", "log_format in ./mrframe.toml"),)
STATUS = Job(read=logs.access, key="status", reduce=count)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "access.log"
    path.write_text(GOOD * 3 + BAD)
    return path


def refused(log, job=STATUS, **options):
    rejects = log.with_name("rejects.jsonl")
    with pytest.raises(TooManyMalformed) as caught:
        mrframe.run(job, [log], RunOptions(**options), rejects=str(rejects))
    return str(caught.value), [json.loads(line) for line in rejects.read_text().splitlines()]


@pytest.mark.parametrize("engine", ["inline", "local"])
def test_a_line_is_shown_with_file_byte_and_the_byte_at_which_it_stops_to_match(log, engine):
    message, rejects = refused(log, engine=engine, max_bad="0")
    assert message.splitlines() == [
        "1 of 4 lines do not match the format, more than the 0 that --max-bad allows",
        "format: combined, detected from the first lines",
        f"{log}:4 (byte {len(GOOD) * 3} of the file): expected '\" ' at byte 47",
        f"  {BAD.rstrip()}",
        f"  {' ' * 46}^",
        message.splitlines()[5],
        "give the right format with --log-format, or allow more with --max-bad",
    ]
    assert message.splitlines()[5].startswith("detection: combined: matches 3 of the first 4 lines; next is ")
    assert [(one["source"], one["line"], one["text"]) for one in rejects] == [(str(log), 4, BAD.rstrip())]


@pytest.mark.parametrize(
    ("origins", "origin"), [((), "--log-format"), (IN_FILE, "log_format in ./mrframe.toml")], ids=["flag", "file"]
)
@pytest.mark.parametrize("lines", [4, 1200], ids=["short", "long"])
def test_the_message_says_where_the_format_comes_from_and_what_detection_finds(tmp_path, lines, origins, origin):
    log = tmp_path / "access.log"
    log.write_text(GOOD * lines)
    message, rejects = refused(log, log_format=TIMED, origins=origins)
    assert f"format: {TIMED}, given by {origin}\n" in message
    assert f"\n{log}:1 (byte 0 of the file): expected duration_us (int) at byte 69\n" in message
    assert f"; and {min(lines, 1000) - 3:,} more".replace("; ", "\n") in message
    assert "detection: combined: matches" in message
    assert "; --log-format combined reads it so" in message
    assert len(rejects) == min(lines, 1000)  # none of the first 1,000 lines ends the job at once


def test_a_format_that_the_job_names_is_said_to_be_the_jobs(log):
    message, _ = refused(log, Job(read=logs.common, key="status", reduce=count))
    assert "format: common, named by the job\n" in message


def test_a_limit_from_a_file_is_named_with_the_file(log):
    message, _ = refused(log, max_bad="0", origins=(("max_bad", "max_bad in ./mrframe.toml"),))
    assert message.endswith("allow more with --max-bad, which is 0 by max_bad in ./mrframe.toml")


def test_control_bytes_of_a_line_are_escaped(tmp_path):
    log = tmp_path / "access.log"
    log.write_bytes(GOOD.encode() * 3 + b"192.0.2.1 - \x1b[31m\n")
    message, _ = refused(log, max_bad="0")
    assert "\n  192.0.2.1 - \\x1b[31m\n" in message


@pytest.mark.parametrize(
    "job", [Job(read=text, key="line", reduce=count), Job(read=json_lines, key="a", reduce=count)]
)
def test_a_format_in_a_settings_file_concerns_access_logs_alone(tmp_path, job):
    log = tmp_path / "x.log"
    log.write_text('{"a": 1}\n')
    with mrframe.run(job, [log], RunOptions(log_format=TIMED, origins=IN_FILE)) as result:
        assert [value for _, value in result] == [1]


def test_a_format_given_for_a_job_without_formats_is_refused_by_its_flag(log):
    job = Job(read=text, key="line", reduce=count)
    with pytest.raises(UsageError, match=r"^--log-format does not apply: the job reads text"):
        mrframe.run(job, [log], RunOptions(log_format=TIMED))


def test_a_wrong_format_in_a_settings_file_is_named_with_the_file(log):
    with pytest.raises(FormatError, match=r"^log_format in ./mrframe.toml: Apache has no directive '%Z'"):
        mrframe.run(STATUS, [log], RunOptions(log_format="%h %Z", origins=IN_FILE))
