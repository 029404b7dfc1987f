"""Which reader each input of a source gets, and which inputs are refused by name."""

from __future__ import annotations

import gzip

import pytest

from mrframe import Job, RunOptions, count, json_lines, logs
from mrframe.core.model.reader import Reader
from mrframe.engines.plan import settle_reader
from mrframe.errors import FormatError, UnknownField
from mrframe.formats.inputs.files import expand
from mrframe.formats.named_formats import FORMATS

LINES = {known.name: known.example.encode() + b"\n" for known in FORMATS} | {"json": b'{"status": 200}\n'}
ODD = b"something else\n"
BY_STATUS = Job(key="status", reduce=count)


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """Settle the formats of files with these contents: the label of the source, {name: label} of the others."""
    monkeypatch.chdir(tmp_path)

    def settle(job=BY_STATUS, stdin: bytes = b"", /, options=RunOptions(), **contents: bytes):
        for name, data in contents.items():
            (tmp_path / name).write_bytes(data)
        files = expand([*contents, *(["-"] if stdin else [])])
        found = settle_reader.source_formats(job, "", files, stdin, options)
        assert list(found.heads) == list(dict.fromkeys([found.reader, *found.others.values()]))
        return found.reader.label, {files[at].name: reader.label for at, reader in found.others.items()}

    return settle


def test_each_input_has_a_format_of_its_own(settled):
    found = settled(a=LINES["common"], b=LINES["vhost"] * 200, c=LINES["common"], d=LINES["json"], e=LINES["vhost"])
    assert found == ("common", {"b": "vhost", "d": "json", "e": "vhost"})


def test_compressed_inputs_and_standard_input_are_no_exception(settled):
    assert settled(BY_STATUS, LINES["traefik"] * 3, a=gzip.compress(LINES["vhost"])) == ("vhost", {"-": "traefik"})


def test_an_input_without_a_format_is_read_like_the_first(settled):
    assert settled(a=b"", b=LINES["vhost"], c=ODD * 5, d=b"\n\n", e=LINES["common"][:20]) == ("vhost", {})
    assert settled(a=b"", b=b"") == ("combined", {})


def test_a_banner_before_the_lines_hides_no_format(settled):
    banner = ODD * (settle_reader.SAMPLE_LINES + 1)
    assert settled(a=LINES["combined"], b=banner + LINES["vhost"] * 900) == ("combined", {"b": "vhost"})


def test_a_given_format_is_that_of_all_inputs(settled):
    both = {"a": LINES["combined"], "b": LINES["vhost"]}
    assert settled(options=RunOptions(log_format="combined"), **both) == ("combined", {})
    assert settled(options=RunOptions(log_format="auto"), **both) == ("combined", {"b": "vhost"})
    with pytest.raises(
        FormatError, match="b is of another format than combined, which the job reads: vhost fits 1 of"
    ):
        settled(Job(read=logs.combined, key="status", reduce=count), **both)


def test_of_a_thousand_inputs_only_small_heads_are_read(settled, monkeypatch):
    read = []

    def head_of(file, limit_bytes):
        read.append(limit_bytes)
        return heads(file, limit_bytes)

    heads = settle_reader.head_of
    monkeypatch.setattr(settle_reader, "head_of", head_of)
    _, others = settled(**{f"f{n:04}": LINES["vhost" if n % 2 else "combined"] * 900 for n in range(1_000)})
    assert len(others) == 500
    assert len(read) == 1_001
    assert sum(read) <= 1_000 * settle_reader.SAMPLE_BYTES + 2 * settle_reader.HEAD_BYTES


def test_a_field_that_one_format_lacks_is_refused_with_the_name_of_the_file(settled):
    by_vhost, by_path = Job(key="vhost", reduce=count), Job(key="path", reduce=count)
    for order in (("combined", "vhost"), ("vhost", "combined")):
        with pytest.raises(UnknownField, match=r"^combined.log: the log format 'combined' has no field 'vhost'"):
            settled(by_vhost, **{f"{name}.log": LINES[name] for name in order})
    with pytest.raises(UnknownField, match=r"^none of the first 1 records of b has the field 'path'"):
        settled(by_path, a=LINES["combined"], b=LINES["json"])
    with pytest.raises(UnknownField, match=r"^the log format 'combined' has no field 'vhost'"):
        settled(by_vhost, a=LINES["combined"])


def test_a_job_that_reads_json_reads_nothing_else(settled):
    job = Job(read=json_lines, key="status", reduce=count)
    assert settled(job, a=LINES["json"], b=LINES["json"]) == (Reader("json").label, {})
    with pytest.raises(FormatError, match="b is of another format than json"):
        settled(job, a=LINES["json"], b=LINES["vhost"])
