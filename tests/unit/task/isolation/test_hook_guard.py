"""Whatever a hook of a job raises fails the job, with the hook, the user's own traceback, and the record or key."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace

import pytest

import mrframe
from mrframe import Job, RunOptions, collect, count, each, text, top, total
from mrframe.core.model.spec import MapOrder, Split
from mrframe.engines.plan.job_inputs import find_inputs
from mrframe.engines.plan.planning import make_plan
from mrframe.errors import LedgerUnbalanced, UserCodeError
from mrframe.store.scratch import Scratch
from mrframe.task.code.job_file import made
from mrframe.task.code.package import loaded
from mrframe.task.isolation.hook_guard import is_interrupt, is_used_up
from mrframe.task.map.calls import EmitFailed
from mrframe.task.map.emit import Emitter
from mrframe.task.map.map_task import MapTask

INLINE = RunOptions(engine="inline")
LINES = 900
BAD = 300  # the line number, from 1


class Unprintable(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


class Unsayable(TypeError):
    def __str__(self):
        raise ValueError("no text")


RAISED = {
    "StopIteration": StopIteration,
    "StopIteration with a value": lambda: StopIteration(("k", 1)),
    "SystemExit": lambda: SystemExit(0),
    "GeneratorExit": GeneratorExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "RuntimeError": lambda: RuntimeError("generator raised StopIteration"),
    "OSError": lambda: FileNotFoundError(2, "No such file", "table.csv"),
    "a broken pipe": lambda: BrokenPipeError(32, "Broken pipe"),
    "an error of mrframe's": lambda: mrframe.errors.JobFailed("no"),
    "a MemoryError": MemoryError,
    "an exception without text": Unprintable,
    "a TypeError without text": Unsayable,
    "a long chain": lambda: chained(3000),
}


def chained(length):
    error = ValueError("first")
    for number in range(length):
        following = ValueError(number)
        following.__context__ = error
        error = following
    return error


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("".join("bad\n" if n == BAD else f"k{n % 3}\n" for n in range(1, LINES + 1)))
    return path


class Hooks:
    """A job of which one hook raises on the line or key "bad"."""

    def __init__(self, hook, make):
        self.hook, self.make = hook, make

    def fail(self, hook, bad):
        if hook == self.hook and bad == "bad":
            raise self.make()

    def map(self, line):
        self.fail("map", line)
        return [(line, 1)]

    def generator(self, line):
        self.fail("map, a generator", line)
        yield line, 1

    def where(self, line):
        self.fail("where", line)
        return Truth(self, line)

    def split(self, records):
        for record in records:
            self.fail("map_split", record.line)
            yield record.line, 1

    def split_at_once(self, records):
        found = [record.line for record in records]
        self.fail("map_split, at once", "bad")
        return [(line, 1) for line in found]

    def combine(self, key, values):
        self.fail("combine", key)
        return [(key, sum(values))]

    def reduce(self, key, values):
        self.fail("reduce", key)
        return [(key, sum(values))]

    def partition(self, key, partitions):
        self.fail("partition", key)
        return 0

    def job(self):
        parts = {"map": self.map, "reduce": self.reduce, "where": self.where}
        if self.hook.startswith("map, "):
            parts["map"] = self.generator
        if self.hook.startswith("map_split"):
            split = self.split if self.hook == "map_split" else self.split_at_once
            parts = {"map_split": split, "fields": ("line",), "reduce": self.reduce, "where": self.where}
        if self.hook == "combine":
            parts["combine"] = self.combine
        return Job(read=text, partition=self.partition, **parts)


class Truth:
    """What `where` gives."""

    def __init__(self, hooks, line):
        self.hooks, self.line = hooks, line

    def __bool__(self):
        self.hooks.fail("the truth of where", self.line)
        return True


HOOKS = {
    "map": "map",
    "map, a generator": "map",
    "where": "where",
    "the truth of where": "where",
    "map_split": "map_split",
    "map_split, at once": "map_split",
    "combine": "combine",
    "reduce": "reduce",
    "partition": "partition",
}


def failing(job, path, options=INLINE, **more):
    with pytest.raises(UserCodeError) as caught:
        mrframe.run(job, [str(path)], options, **more).close()
    return caught.value


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_in_a_hook_fails_the_job_and_names_the_hook(lines, hook, raised):
    make = RAISED[raised]
    if hook in ("combine", "map"):  # a combiner is called for keys with several values
        lines.write_text(lines.read_text() + "bad\n")
    error = failing(Hooks(hook, make).job(), lines)
    if hook in ("map, a generator", "map_split") and raised.startswith("StopIteration"):
        assert str(error) == "RuntimeError: generator raised StopIteration"
    else:
        assert str(error).startswith(type(make()).__name__)
    assert error.hook == HOOKS[hook]
    assert f'File "{__file__}"' in error.traceback_text
    assert "raise self.make()" in error.traceback_text
    assert "/mrframe/task/" not in error.traceback_text
    if hook in ("combine", "reduce", "partition"):
        assert (error.key, error.record) == ("'bad'", None)
        assert error.group
    elif hook != "map_split, at once":  # which had all records before it failed
        assert (error.line, error.record, error.source) == (BAD, b"bad", str(lines))


@pytest.mark.parametrize("at", [1, 2, 449, 450, 899, 900])
@pytest.mark.parametrize("hook", ["map", "where"])
def test_stop_iteration_is_noticed_on_any_record(lines, hook, at):
    """On the last record the records are at their end, too."""
    lines.write_text("".join("bad\n" if n == at else f"k{n}\n" for n in range(1, LINES + 1)))
    assert failing(Hooks(hook, StopIteration).job(), lines).line == at


class Pairs:
    """Pairs of which one method raises."""

    def __init__(self, method, make):
        self.method, self.make = method, make

    def called(self, method):
        if method == self.method:
            raise self.make()

    def __iter__(self):
        self.called("__iter__")
        return self

    def __next__(self):
        self.called("__next__")
        raise StopIteration

    def __len__(self):
        self.called("__len__")
        return 0

    def __length_hint__(self):
        self.called("__length_hint__")
        return 0


PAIRS_OF_HOOK = {
    "map": lambda pairs: {"map": lambda line: pairs},
    "map_split": lambda pairs: {"map_split": lambda records: pairs, "fields": ("line",)},
    "combine": lambda pairs: {"map": lambda line: [(line, 1)], "combine": lambda k, vs: pairs},
    "reduce": lambda pairs: {"map": lambda line: [(line, 1)], "reduce": lambda k, vs: pairs},
}
METHODS = [(hook, method) for hook in PAIRS_OF_HOOK for method in ("__iter__", "__next__")]
FAILURES = {
    "StopIteration": StopIteration,
    "SystemExit": lambda: SystemExit(0),
    "ZeroDivisionError": ZeroDivisionError,
}


@pytest.mark.parametrize(
    ("hook", "method", "raised"),
    [
        (hook, method, raised)
        for hook, method in METHODS
        for raised in FAILURES
        if (method, raised) != ("__next__", "StopIteration")
    ],
)
def test_a_failing_iterator_of_a_hook_fails_the_job(lines, hook, method, raised):
    """C takes a StopIteration of `__iter__` for the end of its own loop; that of `__next__` is the end."""
    parts = PAIRS_OF_HOOK[hook](Pairs(method, FAILURES[raised]))
    error = failing(Job(read=text, **{"reduce": lambda k, vs: [], **parts}), lines)
    assert (error.hook, str(error)) == (hook, said_of(FAILURES[raised]()))


def said_of(error):
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


# ---- steps, joins, values -------------------------------------------------------------------------


def pairs_of(line):
    yield line, 1


def ones(key, values):
    yield key, sum(values)


FIRST = Job(read=text, map=pairs_of, reduce=ones)


def fails(key):
    if key == "bad":
        raise StopIteration
    return True


def quits(key):
    if key == "bad":
        sys.exit(0)
    return True


def of_line(function):
    """The function with a parameter that names the field of a text."""

    def called(line):
        return function(line)

    return called


@pytest.mark.parametrize(
    "hook", ["map", "where", "map_split", "where of map_split", "combine", "reduce", "partition"]
)
@pytest.mark.parametrize("fail", [fails, quits])
def test_a_hook_of_a_later_step_names_the_key(lines, hook, fail):
    def pairs(key, value):
        fail(key)
        return [(key, value), (key, value)]

    def split(records):
        for record in records:
            if hook == "map_split":
                fail(record.key)
            yield record.key, record.value

    def folded(key, values):
        fail(key)
        return [(key, sum(values))]

    def partition(key, partitions):
        fail(key)
        return 0

    plain = {"map": lambda key, value: [(key, value), (key, value)], "reduce": ones}
    parts = {
        "map": {"map": pairs},
        "where": {"where": fail},
        "map_split": {"map": None, "map_split": split, "fields": ("key", "value")},
        "where of map_split": {
            "map": None,
            "map_split": split,
            "fields": ("key", "value"),
            "where": fail,
        },
        "combine": {"combine": folded},
        "reduce": {"reduce": folded},
        "partition": {"partition": partition},
    }[hook]
    error = failing(FIRST.then(Job(**{**plain, **parts})), lines)
    assert (error.key, error.hook) == ("'bad'", hook.partition(" ")[0])
    assert "StopIteration" in str(error) or "SystemExit" in str(error)


def test_a_hook_of_a_join_names_its_record_and_key(lines, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("bad\n")
    inputs = {"a": [str(lines)], "b": [str(other)]}

    def run(**parts):
        job = Job(read={"a": text, "b": text}, **{"map": pairs_of, "reduce": lambda key, a, b: [], **parts})
        with pytest.raises(UserCodeError) as caught:
            mrframe.run(job, inputs, INLINE).close()
        return caught.value

    def stops(line):
        fails(line)
        return [(line, 1)]

    assert (run(map={"a": pairs_of, "b": stops}).source, run(map=stops).line) == (str(other), BAD)
    assert run(where={"b": of_line(fails)}).source == str(other)
    assert run(reduce=lambda key, a, b: [(key, fails(key))]).key == "'bad'"


@pytest.mark.parametrize("where", [fails, quits])
def test_map_batch_names_the_record(lines, where):
    pytest.importorskip("pyarrow")

    def batch(table):
        for line in table.column("line").to_pylist():
            where(line)
        return table.rename_columns(["key"])

    job = Job(read=text, map_batch=batch, fields=("line",), reduce=count)
    assert (failing(job, lines).line, failing(job, lines).hook) == (BAD, "map_batch")
    job = Job(read=text, map_batch=lambda table: table.rename_columns(["key"]), fields=("line",), reduce=count)
    assert failing(replace(job, where=of_line(where)), lines).line == BAD


class Value:
    """A value whose methods raise."""

    def __init__(self, method, make):
        self.method, self.make = method, make

    def called(self, method, otherwise=None):
        if method == self.method:
            raise self.make()
        return otherwise

    def __sizeof__(self):
        return self.called("__sizeof__", 50)

    def __eq__(self, other):
        return self.called("__eq__", self is other)

    __hash__ = None

    def __reduce__(self):
        self.called("__reduce__")
        return Value, ("opened" if self.method == "opening" else self.method, self.make)

    def __repr__(self):
        return self.called("__repr__", "a value")

    def __iter__(self):
        return self.called("__iter__", iter("kv"))

    def __len__(self):
        return self.called("__len__", 2)


@pytest.mark.parametrize("make", [StopIteration, lambda: SystemExit(0), ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("method", ["__sizeof__", "__reduce__"])
def test_a_failing_method_of_a_value_that_travels_fails_the_job(lines, method, make):
    def pairs(line):
        yield (
            line,
            Value(method if line == "bad" or method == "__sizeof__" else "", make),
        )

    error = failing(Job(read=text, map=pairs, reduce=lambda k, vs: [(k, len(list(vs)))]), lines)
    assert "raise self.make()" in error.traceback_text
    assert str(error) == said_of(make())
    if method == "__sizeof__":
        assert error.line == 1
    else:
        assert error.key == "'bad'"


@pytest.mark.parametrize("make", [lambda: SystemExit(0), ZeroDivisionError])
@pytest.mark.parametrize("method", ["__eq__", "__repr__", "__sizeof__", "__reduce__", "__iter__", "__len__"])
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (lambda wrong: {"map": pairs_of, "reduce": lambda k, vs: [(k, wrong)]}, "which cannot be written out"),
        (lambda wrong: {"map": pairs_of, "reduce": lambda k, vs: [wrong]}, "is not a (key, value) pair"),
        (lambda wrong: {"map": lambda line: [wrong], "reduce": count}, "is not a (key, value) pair"),
        (lambda wrong: {"map": lambda line: [("k", wrong)], "reduce": total}, "is a Value, not a number"),
        (lambda wrong: {"map": lambda line: [(wrong, 1)], "reduce": total}, "a key of type"),
    ],
    ids=["value of reduce", "pair of reduce", "pair of map", "value of map", "key of map"],
)
def test_failing_methods_of_values_and_of_other_items_fail_the_job(lines, method, make, parts, said):
    assert said in str(failing(Job(read=text, **parts(Value(method, make))), lines))


class Opened:
    """A value that fails where it is opened."""

    def __reduce__(self):
        return sys.exit, (0,)


def test_a_value_that_exits_when_it_is_opened_fails_the_job(lines):
    job = Job(read=text, map=lambda line: [(line, Opened())], reduce=lambda k, vs: [(k, len(list(vs)))])
    with pytest.raises(mrframe.MrframeError, match="cannot be opened"):
        mrframe.run(job, [str(lines)], INLINE)


@pytest.mark.parametrize(
    ("combine", "said"),
    [
        (lambda key, values: None, "returned None; it must yield (key, value) pairs"),
        (lambda key, values: 5, "returned int; it must yield (key, value) pairs"),
        (lambda key, values: [5], "yielded 5, which is not a (key, value) pair"),
        (lambda key, values: [("other", 1)], "was given the key 'bad' and yielded 'other'"),
        (lambda key, values: [({1}, 1)], "was given the key 'bad' and yielded {1}"),
    ],
)
def test_a_combiner_that_gives_no_pairs_of_its_key_is_refused(tmp_path, combine, said):
    path = tmp_path / "lines.txt"
    path.write_text("bad\nbad\n")
    error = failing(Job(read=text, map=pairs_of, combine=combine, reduce=ones), path)
    assert said in str(error)
    assert (error.key, error.hook, error.exit_code) == ("'bad'", "combine", 1)
    assert "test_hook_guard.py" in str(error)


@pytest.mark.parametrize("index", [-1, 2, True, "0", None, 0.0])
def test_a_partitioner_that_gives_no_partition_is_refused(lines, index):
    job = Job(read=text, map=pairs_of, reduce=ones, partition=lambda key, n: index, partitions=2)
    error = failing(job, lines)
    assert f"gave {index!r} for the key" in str(error)
    assert (error.key, error.hook, error.exit_code) == ("'k1'", "partition", 1)


def test_top_by_an_item_that_is_not_there_names_the_key(lines):
    def measured(key, values):
        yield key, {"n": sum(values)} if key != "bad" else {}

    error = failing(Job(read=text, map=pairs_of, reduce=measured).then(top(2, by="n")), lines)
    assert (error.key, error.hook) == ("'bad'", "top")


@pytest.mark.parametrize(
    "make", [lambda: SystemExit(0), KeyboardInterrupt, GeneratorExit, StopIteration, Unprintable]
)
def test_a_job_function_that_raises_is_named(make):
    def job():
        raise make()

    with pytest.raises(UserCodeError, match="the job function of x failed: ") as caught:
        made(job, {}, "x")
    assert "raise make()" in caught.value.traceback_text


@pytest.mark.parametrize("statement", ["import sys; sys.exit(0)", "raise KeyboardInterrupt", "raise StopIteration"])
def test_a_job_file_that_raises_cannot_be_loaded(tmp_path, statement):
    path = tmp_path / "job.py"
    path.write_text(f"{statement}\n")
    with pytest.raises(UserCodeError, match="cannot be loaded"):
        mrframe.run(str(path), [str(path)], INLINE)


def test_a_message_of_megabytes_is_cut(lines):
    error = failing(Hooks("map", lambda: ValueError("x" * 50_000_000)).job(), lines)
    assert error.line == BAD
    assert len(str(error)) < 10_000
    assert len(error.traceback_text) < 20_000
    assert "raise self.make()" in error.traceback_text


# ---- what is not a hook's -------------------------------------------------------------------------


@pytest.mark.parametrize("first", [None, FIRST])
def test_an_error_of_reading_that_a_map_split_swallows_is_raised(lines, first):
    """Else all that was not read would count as left unread by the function."""

    def forgiving(records):
        try:
            for record in records:
                yield record[0], 1
        except Exception:
            return

    def judge(text):
        if text == "bad":
            raise ValueError("no")
        return True

    def of_key(key):
        return judge(key)

    if first is None:
        job = Job(read=text, map_split=forgiving, fields=("line",), reduce=count, where=of_line(judge))
        assert failing(job, lines).line == BAD
    else:
        job = first.then(Job(map_split=forgiving, fields=("key",), reduce=count, where=of_key))
        assert failing(job, lines).key == "'bad'"
    assert failing(job, lines).hook == "where"


def test_a_file_that_shrinks_under_a_forgiving_map_split(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("a line\n" * 400_000)

    def forgiving(records):
        found = 0
        try:
            for _ in records:
                if not found:
                    with open(path, "r+") as file:
                        file.truncate(1_500_000)
                found += 1
        except Exception:
            pass
        return [("lines", found)]

    job = Job(read=text, map_split=forgiving, fields=("line",), reduce=total)
    with pytest.raises(mrframe.errors.InputChanged):
        mrframe.run(job, [str(path)], INLINE)


def interrupted(line):
    signal.raise_signal(signal.SIGINT)
    return [(line, 1)]


INTERRUPTED = {
    "map": {"map": interrupted, "reduce": count},
    "reduce": {"map": pairs_of, "reduce": lambda k, vs: interrupted(k)},
    "combine": {"map": pairs_of, "reduce": ones, "combine": lambda k, vs: interrupted(k)},
    "map_split": {"map_split": lambda records: interrupted("k"), "fields": ("line",), "reduce": count},
}


@pytest.mark.parametrize("hook", INTERRUPTED)
def test_a_real_interrupt_is_no_failure_of_the_job(lines, hook):
    with pytest.raises(KeyboardInterrupt):
        mrframe.run(Job(read=text, **INTERRUPTED[hook]), [str(lines)], INLINE)


def test_an_interrupt_is_distinguished_from_a_raise():
    def caught(call):
        try:
            call()
        except KeyboardInterrupt as error:
            return error

    def raises():
        raise KeyboardInterrupt

    def signals():
        while True:
            signal.raise_signal(signal.SIGINT)

    def raised_again():
        try:
            signals()
        except KeyboardInterrupt:
            raise

    assert [is_interrupt(caught(call)) for call in (raises, signals, raised_again)] == [False, True, True]
    before = signal.signal(signal.SIGINT, lambda *_: raises())
    try:
        assert not is_interrupt(caught(raises))
    finally:
        signal.signal(signal.SIGINT, before)

    def handler(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    try:
        assert is_interrupt(caught(signals))
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_used_up_list_iterator_is_known():
    some = [1, 2, 3]
    iterator = iter(some)
    assert [(next(iterator), is_used_up(iterator)) for _ in some] == [(1, False), (2, False), (3, False)]
    assert next(iterator, None) is None
    assert is_used_up(iterator)
    empty = iter([])
    assert not is_used_up(empty)
    assert list(empty) == []
    assert is_used_up(empty)


# ---- each record goes one way ---------------------------------------------------------------------


def test_the_truth_of_a_result_of_where_is_asked_once():
    """Else the columns of a block could be of different records."""

    class Wavering:
        def __init__(self):
            self.asked = 0

        def __bool__(self):
            self.asked += 1
            return self.asked == 1

    given = [Wavering(), False, Wavering(), Wavering()]
    where = dict(zip("abcd", given, strict=True)).get

    def passing(line):
        return where(line)

    emitter = Emitter(Job(read=text, map=lambda line, offset: [(line, offset)], where=passing, reduce=count))
    assert emitter.emit([[*"abcd"], [0, 2, 4, 6]], 4) == (["a", "c", "d"], [0, 4, 6])
    assert [one.asked for one in given if one is not False] == [1, 1, 1]


@pytest.mark.parametrize("kept", [[], [1], [0, 2], [0, 1, 2]])
def test_a_where_filters_all_columns_alike(kept):
    job = Job(
        read=text, map=lambda line, offset: [(line, offset)], where=lambda line: int(line) in kept, reduce=count
    )
    emitter = Emitter(job)
    columns = [["0", "1", "2"], ["a", "b", "c"]]
    assert emitter.emit(columns, 3) == ([str(n) for n in kept], ["abc"[n] for n in kept])
    assert (emitter.mapped, emitter.where.filtered, emitter.taken()) == (len(kept), 3 - len(kept), 3)


def test_a_stop_iteration_that_does_not_come_again_is_named_all_the_same():
    left = [1]

    def once(line):
        if left:
            raise StopIteration(left.pop())
        return [(line, 1)]

    with pytest.raises(EmitFailed) as caught:
        Emitter(Job(read=text, map=once, reduce=count)).emit([["a", "b"]], 2)
    assert caught.value.record == 0
    assert "raised StopIteration, and did not when it was called again" in str(caught.value.__cause__)


def attempt(job, path, tmp_path, change=lambda task: None):
    """What one map attempt says, by itself, whatever stands behind it."""
    with Scratch() as scratch:
        plan = make_plan(job, find_inputs(job, [str(path)]), INLINE, scratch=scratch)
    size = path.stat().st_size
    split = Split("file", str(path), str(path), 0, size, (0, 0))
    out = tmp_path / "out"
    out.mkdir()

    class Silent:
        def beat(self, records, bytes_done):
            pass

    task = MapTask(loaded(job, plan.settings).steps[0], MapOrder("m", 0, split, 1, str(out)), plan.settings, Silent())
    change(task)
    return task.run()


class Losing:
    """A reader of which `change` alters each block that it has parsed."""

    def __init__(self, reader, change):
        self.reader, self.change = reader, change

    def __getattr__(self, name):
        return getattr(self.reader, name)

    def parse(self, *args, **more):
        return self.change(self.reader.parse(*args, **more))


@pytest.mark.parametrize("missing", [-1, 1])
def test_a_map_attempt_checks_its_own_ledger(lines, tmp_path, missing):
    """The check of the whole job stands behind it, which only counts what attempts report."""

    def more(parsed):
        return replace(parsed, parsed_bytes=parsed.parsed_bytes + missing)

    def lose(task):
        task.input.reader = Losing(task.input.reader, more)

    job = Job(read=text, map=pairs_of, reduce=count)
    with pytest.raises(LedgerUnbalanced, match=f"{-missing} bytes of a split of"):
        attempt(job, lines, tmp_path, lose)


def short(parsed):
    """One record fewer in the columns than the block has."""
    return replace(parsed, columns=[type(column)(column.items[:-1]) for column in parsed.columns])


@pytest.mark.parametrize(
    "parts",
    [
        {"map": pairs_of},
        {"map": lambda line: [(line, 2)], "where": lambda line: line != "bad"},
        {"key": "line"},
        {"map": lambda line: [(line, 1)], "where": lambda offset: offset >= 0},
        {"map_split": lambda records: ((record.line, 1) for record in records), "fields": ("line",)},
    ],
)
def test_a_map_attempt_checks_that_each_record_went_one_way(lines, tmp_path, parts):
    """A loop that ends early leaves records out, and nothing but their number says so."""

    def lose(task):
        task.input.reader = Losing(task.input.reader, short)

    with pytest.raises(LedgerUnbalanced, match=f"{LINES:,} records were read, and {LINES - 1:,} were mapped"):
        attempt(Job(read=text, reduce=count, **parts), lines, tmp_path, lose)


def test_a_balanced_attempt_is_balanced(lines, tmp_path):
    report = attempt(Job(read=text, map=pairs_of, reduce=count, where=lambda line: line != "bad"), lines, tmp_path)
    assert (report.ledger.records, report.ledger.missing_bytes()) == (LINES, 0)


@pytest.mark.parametrize("bad", ["bad\n", "bad\nbad\n"])
def test_a_stop_iteration_of_a_reduce_is_that_of_its_first_call(lines, bad):
    """The values of a key may be a stream, which has nothing left for a second call."""
    calls = []

    def strict(key, values):
        calls.append(key)
        total = sum(values)
        if key == "bad":
            next(values)  # there are no more
        return [(key, total)]

    lines.write_text(bad)
    error = failing(Job(read=text, map=pairs_of, reduce=strict), lines)
    assert (error.key, error.hook, str(error)) == ("'bad'", "reduce", "StopIteration")
    assert "next(values)  # there are no more" in error.traceback_text
    assert calls == ["bad"]


# ---- left out, told from Python -------------------------------------------------------------------


@pytest.mark.parametrize("raised", ["StopIteration", "SystemExit", "KeyboardInterrupt", "an exception without text"])
@pytest.mark.parametrize("hook", ["map", "where", "the truth of where", "map_split"])
def test_records_on_which_a_hook_fails_can_be_left_out(lines, hook, raised):
    job = Hooks(hook, RAISED[raised]).job()
    with mrframe.run(job, [str(lines)], replace(INLINE, max_failed="1")) as result:
        assert list(result) == [("k0", 299), ("k1", 300), ("k2", 300)]
        assert [one.line for one in result.summary.failed] == [BAD]


@pytest.mark.parametrize("max_failed", ["1", "10"])
@pytest.mark.parametrize("hook", ["combine", "partition"])
def test_no_record_is_left_out_for_a_failing_combiner_or_partitioner(lines, hook, max_failed):
    lines.write_text("bad\n" + lines.read_text())
    error = failing(Hooks(hook, ValueError).job(), lines, replace(INLINE, max_failed=max_failed))
    assert (error.key, error.hook) == ("'bad'", hook)


def test_python_shows_the_users_traceback_and_the_record(lines):
    import traceback

    error = failing(Hooks("map", ZeroDivisionError).job(), lines)
    assert isinstance(error.__cause__, ZeroDivisionError)
    shown = "".join(traceback.format_exception(error))
    head, _, rest = shown.partition("The above exception was the direct cause")
    assert "raise self.make()" in head
    assert "/mrframe/" not in head
    assert f"  in      {lines}:{BAD}\n  record  'bad'\n" in rest
    error = failing(Hooks("combine", ZeroDivisionError).job(), twice(lines))
    *notes, replay = error.__notes__
    assert notes == ["  hook    combine", "  key     'bad'"]
    assert replay.startswith("  replay  mrframe replay run-")


def twice(path):
    path.write_text(path.read_text() * 2)
    return path


def test_the_result_holds_the_values_that_the_hooks_yielded(lines):
    with mrframe.run(Job(read=text, map=pairs_of, reduce=collect, where=lambda line: line), [str(lines)]) as result:
        assert {key: len(values) for key, values in result} == {"bad": 1, "k0": 299, "k1": 300, "k2": 300}
    with mrframe.run(Job(read=text, key="line", reduce=each), [str(lines)]) as result:
        assert len(list(result)) == LINES
