"""Lines of several formats: each is read by the first that fits it, and everything else is as for one format."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mrframe
from mrframe import Job, RunOptions, count, logs
from mrframe.core.model.reader import Reader
from mrframe.errors import UnknownField
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
    rows, malformed, counts = [], [], {}
    for offset, line in lines_of(block):
        fits = next((one for one in ("combined", "vhost", "combined_extra") if _fits(one, line)), None)
        if fits:
            alone = make_reader(reader_named(fits), names, {}).parse(line, "a.log", 100 + offset)
            (row,) = zip(*alone.values, strict=True)
            rows.append(row)
            counts[fits] = counts.get(fits, 0) + 1
        else:
            malformed.append((offset, line))
    assert list(zip(*parsed.values, strict=True)) == rows
    assert [(one.offset, one.data) for one in parsed.malformed] == malformed
    assert {name: number for name, number in parsed.formats.items() if number} == counts
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
