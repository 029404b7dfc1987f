"""How sure a format must be before it is taken for a file's, and what is said where it is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, json_lines, logs
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, UnknownField
from mrframe.formats.detect import LINES_MAX, _built_in, detect, detect_quickly
from mrframe.formats.named_formats import FORMATS

EXAMPLES = {known.name: known.example.encode() + b"\n" for known in FORMATS}
COMBINED, VHOST, MAIN = EXAMPLES["combined"], EXAMPLES["vhost"], EXAMPLES["nginx_main"]
ODD = b"something else\n"


@pytest.mark.parametrize(
    ("good", "odd", "sure"),
    [
        *((1, 0, True), (1, 1, False), (2, 1, False), (3, 1, True), (1, 12, False), (6, 2, True), (6, 3, False)),
        *((9, 4, False), (10, 3, True), (750, 250, True), (749, 251, False)),
    ],
)
def test_a_format_has_to_fit_three_quarters_of_the_lines(good: int, odd: int, sure: bool) -> None:
    sample = ODD * odd + COMBINED * good
    if sure:
        assert (detect(sample, "x").matched, detect(sample, "x").lines) == (good, good + odd)
        return
    with pytest.raises(FormatError, match=rf"^x: no known log format fits enough of .*: combined fits {good} of"):
        detect(sample, "x")


def test_the_nearest_format_is_named_with_the_byte_at_which_it_ends():
    with pytest.raises(FormatError) as caught:
        detect(VHOST.replace(b'"curl', b"curl"), "a")
    assert "vhost matches it up to byte 90, where '\" curl/8.5.0\"' follows. " in str(caught.value)


@pytest.mark.parametrize("name", ["combined", "vhost", "common"])
def test_further_values_are_a_format_only_where_no_other_fits(name):
    plain, further = EXAMPLES[name], EXAMPLES[name][:-1] + b" 0.007\n"
    assert detect(further, "a").reader.label == f"{name}_extra"
    assert detect(plain + further * 2, "a").reader.label == f"{name}_extra"
    assert detect(plain * 3 + further, "a").reader.label == name
    assert detect(plain, "a").why.endswith(f"next is {name}_extra, which matches 1 and is less specific")


def test_a_refusal_says_what_fits_how_many_lines_and_shows_one_that_does_not() -> None:
    with pytest.raises(FormatError) as caught:
        detect(COMBINED * 9 + VHOST * 4, "x.log")
    assert str(caught.value).startswith(
        "x.log: no known log format fits enough of the first 13 lines: combined fits 9 of 13, vhost 4, and three "
        "quarters are asked for. The first line that is not combined begins 'www.example.org:443 192.0.2.7 - - ["
    )
    assert "--log-format" in str(caught.value)


def test_the_format_that_fits_most_lines_is_taken_not_the_first_that_fits_one() -> None:
    assert detect(VHOST + COMBINED * 9, "x").reader == logs.combined
    assert detect(COMBINED + VHOST * 9, "x").reader == logs.vhost


def test_empty_lines_say_nothing() -> None:
    found = detect(b"\n\r\n" * 50 + COMBINED * 2, "x")
    assert (found.reader, found.matched, found.lines) == (logs.combined, 2, 2)


def test_a_client_before_a_user_of_two_words_is_no_virtual_host() -> None:
    two_words = COMBINED.replace(b" - - ", b" - jean paul ")
    assert detect(COMBINED * 9 + two_words * 3, "x").reader == logs.combined
    try:
        assert detect(two_words * 3 + COMBINED, "x").reader == logs.combined
    except FormatError as error:
        assert "vhost" not in str(error).replace("formats list", "")


def test_the_default_log_of_nginx_s_own_packages_is_a_format_of_its_own() -> None:
    without = b'192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 12 "-" "curl" "-"\n'
    assert detect(MAIN + without * 2, "x").reader == logs.nginx_main == Reader("access", "nginx_main")
    assert detect(COMBINED * 3, "x").why.startswith("combined: matches 3 of the first 3 lines; next is ")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*EXAMPLES.values(), ODD, b"\n", b'{"status": 200}\n']), max_size=12),
    st.booleans(),
    st.sampled_from([3, LINES_MAX]),
)
def test_quick_detection_finds_the_same_format(lines: list[bytes], pure: bool, lines_max: int) -> None:
    lines = lines[:1] * len(lines) if pure else lines
    looked_at = [line for line in lines if line != b"\n"][:lines_max]
    try:
        found = detect(b"".join(looked_at), "x")
        expected = found.reader if found.lines else None
    except FormatError:
        expected = None
    assert detect_quickly(b"".join(lines), "x", lines_max=lines_max) == expected


def test_quick_detection_refuses_an_encoding_that_is_not_read() -> None:
    with pytest.raises(FormatError, match="x is encoded as UTF-16"):
        detect_quickly(COMBINED.decode().encode("utf-16"), "x", lines_max=3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            b"2022-10-13T12:24:49.880562Z stdout F " + COMBINED,
            "Behind its first 37 bytes it is of the format combined: put these before its string.",
        ),
        (
            EXAMPLES["elb"].replace(b" 200 200 ", b" 200 OK "),
            "Of the formats with the fields of the job, elb matches it up to byte",
        ),
    ],
)
def test_a_job_whose_fields_a_log_of_times_and_text_lacks_is_told_of_the_nearest_format(tmp_path, line, said) -> None:
    (tmp_path / "a.log").write_bytes(line)
    with pytest.raises(UnknownField) as caught:
        mrframe.run(Job(read=logs.access, key="status", reduce=count), [str(tmp_path / "a.log")])
    assert "'timed_zoned' has no field 'status'" in str(caught.value)
    assert said in str(caught.value)


# ---- several inputs ---------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def written(**contents: bytes) -> list[str]:
        for name, data in contents.items():
            (tmp_path / name).write_bytes(data)
        return list(contents)

    return written


def answer(job, paths, **options):
    with mrframe.run(job, paths, RunOptions(engine="inline", **options)) as result:
        return dict(result)


BY_STATUS = Job(read=logs.access, key="status", reduce=count)


def test_each_input_is_read_in_its_own_format(write) -> None:
    inputs = write(a=COMBINED * 99, b=COMBINED, c=VHOST * 3, d=b'{"status": 200}\n' * 2)
    assert answer(BY_STATUS, inputs) == answer(BY_STATUS, inputs[::-1]) == {200: 105}
    assert answer(BY_STATUS, inputs, log_format="auto") == {200: 105}
    assert answer(BY_STATUS, inputs, log_format="combined") == {200: 100}


def test_an_input_that_is_only_damaged_is_no_other_format(write) -> None:
    assert answer(BY_STATUS, write(a=COMBINED * 99, b=ODD + VHOST[:9], c=b"")) == {200: 99}
    assert answer(BY_STATUS, write(a=COMBINED * 99, b=COMBINED + ODD * 5)) == {200: 100}


def test_a_format_that_the_job_names_is_doubted_only_where_it_fits_nothing(write) -> None:
    job = Job(read=json_lines, key="status", reduce=count)
    with pytest.raises(FormatError, match=r"^b is of another format than json, which the job reads: combined fits 2"):
        answer(job, write(a=b'{"status": 200}\n' * 99, b=COMBINED * 2))
    assert answer(job, write(a=b'{"status": 200}\n' * 99, b=COMBINED * 5 + b'{"status": 200}\n')) == {200: 100}


# ---- fields of JSON ---------------------------------------------------------------------------------

RECORD = b'{"status": 200, "request": {"route": "/a", "tags": ["x"]}, "a.b": 1}\n'


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("request.rout", "did you mean 'request.route'"),
        ("requst.route", "did you mean 'request.route'"),
        ("request.route.x", "did you mean 'request.route'"),
        ("request.tag.0", "did you mean 'request.tags'"),
        ("staus", "did you mean 'status'"),
        ("nosuch", "they have: status, request, a.b"),
    ],
)
def test_a_path_that_no_record_has_is_refused_with_the_nearest(write, path: str, near: str) -> None:
    job = Job(read=json_lines, key="name", fields={"name": path}, reduce=count)
    with pytest.raises(UnknownField, match=f"none of the first 3 records of a has the field '{path}'; .*{near}"):
        answer(job, write(a=RECORD * 3))


@pytest.mark.parametrize("path", ["request.route", "request.tags.0", "request.tags.7", "a.b", "request"])
def test_a_path_that_a_record_has_is_a_field(write, path: str) -> None:
    job = Job(read=json_lines, map=lambda name: [(str(name), 1)], fields={"name": path}, reduce=count)
    assert sum(answer(job, write(a=b'{"request": null}\n' * 9 + RECORD)).values()) == 10


@given(st.lists(st.sampled_from(range(5)), min_size=1, max_size=40))
def test_the_format_that_is_found_matches_most_lines(picked):
    examples = ["combined", "common", "vhost", "nginx_main", ""]
    known = {one.name: one.example for one in FORMATS}
    lines = [known.get(examples[number], "no line of a log").encode() for number in picked]
    counts = {label: one.count(lines) for label, one in _built_in().items() if not one.loose}
    best = max(counts, key=lambda label: counts[label])
    if counts[best] * 4 >= len(lines) * 3:
        found = detect(b"\n".join(lines) + b"\n", "f")
        assert (found.name, found.matched) == (best, counts[best])
