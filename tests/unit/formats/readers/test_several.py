"""Lines of several formats: each is read by the first that fits it, and everything else is as for one format."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, logs
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, UnknownField
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.named_formats import FORMATS
from mrframe.formats.registry import kind_of, reader_named
from mrframe.formats.schema import check_fields
from mrframe.testing.record_oracle import lines_of

EXAMPLES = {known.name: known.example.encode() for known in FORMATS}
BOTH = logs.several("combined", "vhost", "combined_extra")
PIECES = [
    EXAMPLES["combined"],
    EXAMPLES["vhost"],
    EXAMPLES["combined_extra"],
    EXAMPLES["common"],
    b"bad",
    b"",
    b"\0\0a",
]


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from([b"\n", b"\r\n"])), max_size=8), st.booleans())
def test_each_line_is_read_as_by_the_first_format_that_fits_it(pieces, unended) -> None:
    block = b"".join(line + end for line, end in pieces)[: -1 if unended else None]
    names = ("status", "agent", "offset", "line", "file")
    parsed = make_reader(BOTH, names, {}).parse(block, "a.log", 100)
    rows, malformed, formats = [], [], []
    for offset, line in lines_of(block):
        fits = next((one for one in ("combined", "vhost", "combined_extra") if _fits(one, line)), None)
        if fits:
            alone = make_reader(reader_named(fits), names, {}).parse(line, "a.log", 100 + offset)
            (row,) = zip(*alone.values, strict=True)
            rows.append(row)
            formats.append(fits)
        else:
            malformed.append((offset, line))
    assert list(zip(*parsed.values, strict=True)) == rows
    assert [(one.offset, one.data) for one in parsed.malformed] == malformed
    assert list(parsed.formats) == formats
    assert parsed.records == len(rows)
    heads = parsed.nul_bytes + parsed.bom_bytes
    assert parsed.parsed_bytes + parsed.malformed_bytes + parsed.delimiter_bytes + heads == len(block)


def _fits(name: str, line: bytes) -> bool:
    return kind_of(Reader("access", name)).matches(name)(line)


def test_a_malformed_line_gets_the_reason_of_the_format_that_gets_furthest() -> None:
    broken = EXAMPLES["vhost"].replace(b'"curl', b"curl")
    (one,) = make_reader(BOTH, ("status",), {}).parse(broken, "f", 0).malformed
    assert one.reason == "vhost: expected '\" \"' at byte 91"
    assert explain(broken, BOTH) == (90, "vhost: expected '\" \"'")


def test_a_field_must_be_in_all_formats() -> None:
    check_fields(BOTH, ("status", "agent"), {})
    with pytest.raises(UnknownField, match="a field must be in all of them: this list has no field 'vhost'"):
        check_fields(BOTH, ("vhost",), {})


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("words", "words reads any line, so it"),
        ("text", "text reads any line, so it"),
        ("app", "still to be detected"),
    ],
)
def test_what_is_no_format_of_a_line_is_refused(name, says) -> None:
    with pytest.raises(FormatError, match=f"{says}.* cannot be one of several formats"):
        make_reader(reader_named(f'["combined", "{name}"]'), ("line",), {})


def test_a_list_of_formats_is_settled_counted_and_windowed(tmp_path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"\n".join([EXAMPLES["combined"], EXAMPLES["vhost"], EXAMPLES["combined"], b"bad"]))
    job = Job(read=logs.access, key="status", reduce=count)
    options = RunOptions(engine="inline", log_format='["combined", "vhost"]', max_bad="1", since="2015-05-17")
    with mrframe.run(job, [str(log)], options) as result:
        assert dict(result) == {200: 3}
        assert result.summary.format_records == {"combined": 2, "vhost": 1}
        assert result.summary.log_format == '["combined", "vhost"]'


def test_records_are_counted_where_each_input_has_its_own_format(tmp_path) -> None:
    for name in ("combined", "vhost"):
        (tmp_path / name).write_bytes(EXAMPLES[name] + b"\n")
    job = Job(read=logs.access, key="status", reduce=count)
    with mrframe.run(
        job, [str(tmp_path / "combined"), str(tmp_path / "vhost")], RunOptions(engine="inline")
    ) as result:
        assert result.summary.format_records == {"combined": 1, "vhost": 1}


HADOOP = "2015-09-01 18:14:{:02d},123 ERROR a.B: broken {}"
PYTHON = "2015-09-01 18:14:{:02d},123 - a.b - ERROR - broken {}"
TRACE = "\nTraceback (most recent call last):\n\n  ValueError: 17"
RECORDS = [(HADOOP if n % 2 else PYTHON).format(n, n) + (TRACE if n % 3 else "") for n in range(30)]


@pytest.mark.parametrize("split_bytes", [1, 100, 777, 1 << 20])
def test_lines_of_a_stack_trace_belong_to_the_record_before_them(tmp_path, split_bytes) -> None:
    log = tmp_path / "app.log"
    log.write_text("no record\n" + "\n".join(RECORDS) + "\n")
    reader = logs.several("python", "hadoop")

    def lines(offset, line, message):
        yield offset, (line, message)

    job = Job(read=reader, map=lines, reduce=mrframe.each)
    options = RunOptions(engine="inline", split_bytes=split_bytes, max_bad="1", since="2015-09-01T18:14:03")
    with mrframe.run(job, [str(log)], options) as result:
        found = list(result)
        assert result.summary.malformed == 1
        assert result.summary.format_records == {"hadoop": 14, "python": 13}
    assert [line for _, (line, _) in found] == RECORDS[3:]
    assert [message for _, (_, message) in found] == [one[one.index("broken") :] for one in RECORDS[3:]]
    assert [offset for offset, _ in found] == [log.read_text().index(one) for one in RECORDS[3:]]


def test_a_format_of_single_lines_makes_each_line_a_record() -> None:
    block = b"\n".join([EXAMPLES["combined"], RECORDS[1].encode(), EXAMPLES["combined"]])
    parsed = make_reader(logs.several("combined", "hadoop"), ("minute",), {}).parse(block, "f", 0)
    assert parsed.values == [["2015-05-17T10:05", "2015-09-01T18:14", "2015-05-17T10:05"]]
    assert [one.line for one in parsed.malformed] == [2, 3, 4]


@pytest.mark.parametrize(
    "line",
    [
        "VERBOSE 2015-09-01 18:14:37,123 a level of its own",
        "INFO" + " " * 40 + "2015-09-01 18:14:37,123 more blanks than a record begins with",
        "warning 2015-09-01 18:14:37,123 in small letters",
    ],
)
def test_a_first_line_is_one_for_several_formats_if_it_is_one_for_its_own(line) -> None:
    block = f"INFO 2015-09-01 18:14:36,123 a\n{line}\n".encode()
    alone = make_reader(reader_named("level_first"), ("message",), {}).parse(block, "f", 0)
    for first in ("hadoop", "common"):
        several = make_reader(logs.several(first, "level_first"), ("minute",), {}).parse(block, "f", 0)
        assert several.records + len(several.malformed) == 2 - (first == "hadoop" and alone.records == 1)
        assert several.records == alone.records


def test_times_without_a_zone_are_those_of_the_timezone(tmp_path) -> None:
    log = tmp_path / "app.log"
    log.write_text("\n".join(RECORDS))
    job = Job(read=logs.several("python", "hadoop"), key="level", reduce=count)
    options = RunOptions(
        engine="inline", timezone="Europe/Berlin", since="2015-09-01T18:14:20", until="2015-09-01T18:15"
    )
    with mrframe.run(job, [str(log)], options) as result:
        assert dict(result) == {"ERROR": 10}


def test_a_block_without_a_record_has_all_columns(tmp_path) -> None:
    assert make_reader(BOTH, ("status", "offset"), {}).parse(b"bad\n", "f", 0).values == [[], []]
    log = tmp_path / "a.log"
    log.write_bytes(EXAMPLES["vhost"] + b"\n" + b"bad\n" * 100)
    job = Job(read=BOTH, key="status", reduce=count)
    options = RunOptions(engine="inline", split_bytes=100, max_bad="100", since="2015-05-17")
    with mrframe.run(job, [str(log)], options) as result:
        assert dict(result) == {200: 1}


def test_one_pair_of_names_and_values_is_a_line_as_it_is_alone() -> None:
    block = b"level=info\n" + EXAMPLES["common"] + b"\n"
    assert make_reader(logs.several("common", "logfmt"), ("line",), {}).parse(block, "f", 0).records == 2
