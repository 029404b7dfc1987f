"""The first thing a user sees when their code fails: their own line, then where in the input it happened."""

from __future__ import annotations

import gzip

import pytest

import mrframe
from mrframe import Job, RunOptions, count, text, top, total
from mrframe.errors import JobError, KeyRefused, UnknownField, UserCodeError, ValueRefused

INLINE = RunOptions(engine="inline")


@pytest.fixture
def numbers(tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_bytes(b"1\n2\nthree\n4\n")
    return path


def failing(job, *paths, options=INLINE):
    with pytest.raises(UserCodeError) as caught:
        mrframe.run(job, [str(path) for path in paths], options)
    return caught.value


def to_int(line):
    yield int(line), 1


@pytest.mark.parametrize("split_bytes", [1, 4, 1 << 20])
def test_a_map_that_raises_names_the_record(numbers, split_bytes):
    error = failing(
        Job(read=text, map=to_int, reduce=total),
        numbers,
        options=RunOptions(engine="inline", split_bytes=split_bytes),
    )
    assert str(error).startswith("ValueError: invalid literal")
    assert error.traceback_text.splitlines()[1].strip().startswith(f'File "{__file__}"')
    assert "yield int(line), 1" in error.traceback_text
    assert "/mrframe/task/" not in error.traceback_text
    assert (error.line, error.offset, error.record) == (3, 4, b"three")
    assert error.source == str(numbers)


def test_a_failure_names_the_line_of_a_compressed_file(tmp_path):
    path = tmp_path / "numbers.gz"
    path.write_bytes(gzip.compress(b"1\n2\nthree\n"))
    error = failing(
        Job(read=text, map=to_int, reduce=total), path, options=RunOptions(engine="inline", split_bytes=3)
    )
    assert (error.line, error.offset, error.record) == (3, 4, b"three")


def test_where_and_map_split_name_the_record(numbers):
    error = failing(Job(read=text, where=lambda line: int(line) > 0, map=to_int, reduce=total), numbers)
    assert (error.line, error.record) == (3, b"three")

    def all_of_them(records):
        for record in records:
            yield int(record.line), 1

    error = failing(Job(read=text, map_split=all_of_them, fields=("line",), reduce=total), numbers)
    assert (error.line, error.record) == (3, b"three")
    error = failing(
        Job(read=text, where=lambda line: line != "2", map_split=all_of_them, fields=("line",), reduce=total),
        numbers,
    )
    assert (error.line, error.record) == (3, b"three")


@pytest.mark.parametrize(
    ("yielded", "said"),
    [(lambda: 5, "yielded 5"), (lambda: (1, 2, 3), r"\(1, 2, 3\)"), (lambda: "ab", "'ab'")],
)
def test_a_map_that_yields_no_pair_is_refused(numbers, yielded, said):
    def one(line):
        yield (line, 1) if line != "2" else yielded()

    error = failing(Job(read=text, map=one, reduce=count), numbers)
    assert "not a (key, value) pair" in str(error)
    assert "test_failures.py" in str(error)
    assert error.line == 2


def test_a_map_that_returns_none_is_refused(numbers):
    def nothing(line):
        return None

    error = failing(Job(read=text, map=nothing, reduce=count), numbers)
    assert "returned None; it must yield (key, value) pairs" in str(error)
    assert error.line == 1


@pytest.mark.parametrize(
    ("key", "name"),
    [({1}, "set"), (float("nan"), "NaN"), (object(), "object"), ([1], "list")],
    ids=lambda x: str(x)[:9],
)
@pytest.mark.parametrize("reduce", [count, lambda k, vs: [(k, len(list(vs)))]], ids=["fold", "function"])
def test_a_key_without_canonical_form_is_refused_by_name(numbers, key, name, reduce):
    def one(line):
        yield (key if line == "three" else line), 1

    error = failing(Job(read=text, map=one, reduce=reduce), numbers)
    assert isinstance(error, KeyRefused)
    assert name in str(error)


def test_a_value_that_cannot_be_added_names_its_line(numbers):
    def one(line):
        yield "k", (line if line == "three" else 1)

    error = failing(Job(read=text, map=one, reduce=total), numbers)
    assert "'three' is a str, not a number" in str(error)
    assert error.line == 3


def test_a_reduce_that_raises_names_the_key(numbers):
    def bad(key, values):
        raise RuntimeError("no")
        yield

    def each(line):
        yield line, 1

    error = failing(Job(read=text, map=each, reduce=bad), numbers)
    assert str(error) == "RuntimeError: no"
    assert error.key in ("'1'", "'2'", "'three'", "'4'")
    assert "raise RuntimeError" in error.traceback_text


def test_values_in_the_result_must_be_plain_data(numbers):
    class Thing:
        pass

    def each(line):
        yield line, 1

    error = failing(Job(read=text, map=each, reduce=lambda k, vs: [(k, Thing())]), numbers)
    assert isinstance(error, ValueRefused)
    assert "Thing" in str(error)


def test_sys_exit_in_a_map_is_a_failure_like_any_other(numbers):
    def leave(line):
        raise SystemExit(0)
        yield

    assert "SystemExit" in str(failing(Job(read=text, map=leave, reduce=count), numbers))


def test_top_by_a_missing_item_is_refused(numbers):
    def each(line):
        yield line, 1

    assert "has no item 0" in str(failing(Job(read=text, map=each, reduce=count).then(top(2, by=0)), numbers))


def test_top_of_values_without_an_order_is_refused(numbers):
    def each(line):
        yield line, 1

    def kinds(key, values):
        yield key, {"n": sum(values)}

    error = failing(Job(read=text, map=each, reduce=kinds).then(top(2)), numbers)
    assert str(error).startswith("top(2) ranks what a key can be: <dict> cannot be ranked")


def test_top_ranks_lists_item_by_item(tmp_path):
    def each(line):
        yield line[0], int(line[1:])

    def in_order(key, values):
        yield key, [sorted(values), []]

    path = tmp_path / "x.txt"
    path.write_text("a1\nb1\nb2\nc0\nd1\n")
    with mrframe.run(Job(read=text, map=each, reduce=in_order).then(top(3)), [str(path)], INLINE) as result:
        assert list(result) == [("b", [[1, 2], []]), ("a", [[1], []]), ("d", [[1], []])]


def test_unknown_fields_are_refused_with_the_nearest(numbers):
    def each(lines):
        yield lines, 1

    with pytest.raises(UnknownField, match="did you mean 'line'"):
        mrframe.run(Job(read=text, map=each, reduce=count), [str(numbers)], INLINE)


@pytest.mark.parametrize(
    "parts",
    [
        {"map": list, "reduce": count},
        {"map": lambda *a: [], "reduce": count},
        {"key": "line", "reduce": total},
        {"key": "line"},
        {"map": to_int, "key": "line", "reduce": count},
    ],
)
def test_parts_that_contradict_each_other_are_refused(parts):
    with pytest.raises(JobError):
        Job(read=text, **parts)
