"""Fields, their check, detection, and the table of formats."""

import subprocess
import sys

import pytest

from mrframe.core.job.job import JSON_LINES, PAIRS, TEXT, WORDS
from mrframe.core.model.reader import Reader
from mrframe.errors import FormatError, UnknownField
from mrframe.formats.detect import detect
from mrframe.formats.factory import explain, make_reader
from mrframe.formats.named_formats import FORMATS
from mrframe.formats.registry import formats_table, logs, reader_named
from mrframe.formats.schema import check_fields, fields_of

EXAMPLES = {known.name: known.example.encode() for known in FORMATS}


def test_an_unknown_field_is_refused_with_the_list_and_the_nearest() -> None:
    with pytest.raises(
        UnknownField, match=r"'combined' has no field 'statsu'; did you mean 'status'\? it has: host, "
    ):
        check_fields(logs.combined, ("statsu",), {})
    with pytest.raises(UnknownField, match="'words' has no field 'path'"):
        make_reader(WORDS, ("path",), {})
    with pytest.raises(UnknownField):
        check_fields(logs.common, ("agent",), {})


def test_json_and_undetected_readers_take_any_field() -> None:
    check_fields(JSON_LINES, ("whatever",), {})
    check_fields(logs.access, ("whatever",), {})
    assert fields_of(JSON_LINES) is None


def test_pairs_have_key_and_value() -> None:
    assert list(fields_of(PAIRS) or {}) == ["key", "value"]


def test_a_path_may_rename_a_field_of_any_reader() -> None:
    reader = make_reader(logs.combined, ("code",), {"code": "status"})
    assert reader.parse(EXAMPLES["combined"], "f", 0).values == [[200]]


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_format_detects_its_own_example_and_no_other_does(name: str) -> None:
    found = detect(EXAMPLES[name] + b"\n", "access.log")
    assert (found.reader, found.matched, found.lines) == (Reader("access", name), 1, 1)
    assert isinstance(explain(EXAMPLES[name], found.reader), dict)


def test_detection_says_why() -> None:
    sample = b"\n".join([EXAMPLES["combined"]] * 6 + [b"", EXAMPLES["common"], b"rubbish", b"cut off"])
    next_one = "next is common, which matches 1 (expected the end of the line at byte 68 of another)"
    assert detect(sample, "x").why == f"combined: matches 6 of the first 8 lines; {next_one}"
    assert detect(b"{}\n", "x").why == "json: matches 1 of the only line; no other format matches any"


def test_json_lines_are_detected_behind_a_bom() -> None:
    assert detect(b'\xef\xbb\xbf{"status": 200}\n', "x").reader == JSON_LINES


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        (
            b"just text\n",
            "no known log format fits the only line; tried ",
        ),
        (b"\xff\xfeG\x00E\x00", "UTF-16"),
    ],
)
def test_a_sample_that_no_format_fits_is_refused_with_its_file(sample: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says) as caught:
        detect(sample, "odd.log")
    assert "odd.log" in str(caught.value)


def test_an_empty_file_contradicts_no_format() -> None:
    found = detect(b"", "empty.log")
    assert (found.reader, found.lines) == (logs.combined, 0)


def test_the_command_line_names_readers_and_formats() -> None:
    assert [reader_named(name) for name in ("text", "jsonl", "vhost", "auto")] == [
        *(TEXT, JSON_LINES, logs.vhost, logs.access),
    ]
    assert reader_named("%h %s") == logs.format("%h %s")
    assert {name for name, _, _ in formats_table()} >= {"common", "combined", "vhost", "json", "text", "words"}


def test_naming_readers_compiles_nothing() -> None:
    script = "import sys, mrframe.formats.registry; print('mrframe.formats.grammar.patterns' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
