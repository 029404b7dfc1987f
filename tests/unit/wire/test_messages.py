"""Every message that travels comes back equal; no bytes lead to anything but a message or BadMessage."""

import dataclasses
import typing

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrframe.core.model import events
from mrframe.core.model.reports import Ledger, Malformed, TaskReport
from mrframe.core.model.spec import Failure, MapOrder, ReduceOrder, Split
from mrframe.wire import channels, messages
from mrframe.wire.codec import VERSION, BadMessage, Vocabulary, coder
from mrframe.wire.framing import Frames, frame

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=8)  # lone surrogates included
CLASSES = [(words, cls) for words in channels.ALL for cls in words._classes.values()]


def values(hint):
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{f.name: values(hints[f.name]) for f in dataclasses.fields(hint)})
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return st.sampled_from(args)
    if origin is tuple and args[1:] == (...,):
        return st.lists(values(args[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, args))
    if origin is list:
        return st.lists(values(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if args:
        return st.one_of(*map(values, args))
    plain = {
        str: TEXT,
        int: st.integers(-(1 << 90), 1 << 90),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        bytes: st.binary(max_size=8),
        type(None): st.none(),
    }
    return plain[hint]


@pytest.mark.parametrize(("words", "cls"), CLASSES, ids=[cls.__name__ for _, cls in CLASSES])
def test_every_message_comes_back_equal(words, cls):
    @settings(max_examples=15, deadline=None)
    @given(values(cls))
    def check(message):
        again = words.decode(words.encode(message))
        assert again == message
        assert type(again) is cls

    check()


def sealed():
    report = TaskReport(ledger=Ledger(bytes_in=3), counters={"x": 1 << 70}, partitions={3: (1, 2)})
    report.samples.append(Malformed(1, 2, b"\xff", "caf\udce9"))
    return events.AttemptSealed("node-1", "inc", "job-1/m0001.1.1", report)


MESSAGES = [
    (channels.FROM_NODE, sealed()),
    (channels.FROM_NODE, events.NodeBeat("n", "i", ("a",), (), (("a", 1, 2),))),
    (channels.TO_EXECUTOR, messages.Work("p", (ReduceOrder("a", 0, 1, ("s",), "out"),))),
    (channels.TO_EXECUTOR, messages.Work("p", (MapOrder("a", 0, Split("file", "s", "p", 0, 1, (0, 0)), 1, "out"),))),
    (channels.FROM_EXECUTOR, events.ExecutorFailed(1, "a", Failure("fetch", "m", lost=("a", "n")))),
]


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MESSAGES), st.data())
def test_changed_bytes_decode_to_a_message_or_raise_bad_message(example, data):
    words, message = example
    raw = bytearray(words.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        what = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if what == "set":
            raw[at] = data.draw(st.integers(0, 255))
        elif what == "insert":
            raw[at:at] = data.draw(st.binary(max_size=4))
        elif at:
            del raw[at:]
    try:
        again = words.decode(bytes(raw))
    except BadMessage:
        return
    assert words.decode(words.encode(again)) == again or "nan" in repr(again)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_decode_to_a_message_or_raise_bad_message(data):
    for words in channels.ALL:
        for raw in (data, bytes((VERSION,)) + data):
            try:
                words.decode(raw)
            except BadMessage:
                pass


def packed(*parts):
    return bytes((VERSION,)) + msgpack.packb(parts)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02" + packed("Welcome", ["n", 1])[1:],
        packed("Welcome", ["n"]),
        packed("Welcome", ["n", 1, 2]),
        packed("Welcome", ["n", True]),
        packed("Welcome", ["n", 1.0]),
        packed("Welcome", {"node": "n"}),
        packed("Nonsense", []),
        packed("NodeBeat", ["n", "i", [], [], []]),  # a word of another channel
        packed("Peers", [[["n", "i", "a"]]]),
        packed("StartAttempt", ["a", "j", 0, 1, None, -1, [["a"]], 1]),
        packed("Welcome", ["n", msgpack.ExtType(5, b"1")]),
        packed("Welcome", ["n", msgpack.ExtType(1, b"x")]),
        bytes((VERSION,)) + b"\x91" * 3000,
        bytes((VERSION,)) + b"\x81\x90\x01",
        packed("Welcome", ["n", 1]) + b"\x00",
    ],
)
def test_a_message_of_wrong_form_raises_bad_message(data):
    with pytest.raises(BadMessage):
        channels.TO_NODE.decode(data)


@pytest.mark.parametrize(
    "message",
    [
        events.Welcome("n", 1.5),
        events.Welcome("n", True),
        events.Welcome(None, 1),
        events.DiscardAttempt(b"a"),
        events.NodeBeat("n", "i", progress=(("a", 1),)),
        messages.Peers(("a",)),
        events.InputsClosed("job-1", 10**5000),
    ],
)
def test_fields_of_undeclared_types_are_not_sent(message):
    words = Vocabulary(type(message))
    with pytest.raises(BadMessage):
        words.encode(message)


def test_a_message_too_large_is_refused_on_both_sides():
    small = Vocabulary(messages.JobCode, bytes_max=64)
    with pytest.raises(BadMessage, match="larger than"):
        small.encode(messages.JobCode("job-1", b"x" * 100))
    with pytest.raises(BadMessage, match="are allowed"):
        small.decode(channels.FROM_CLIENT.encode(messages.JobCode("job-1", b"x" * 100)))
    with pytest.raises(BadMessage, match="no message of this channel"):
        small.encode(messages.EndAll())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=40)), st.integers(1, 17))
def test_frames_survive_any_cut(payloads, step):
    stream = b"".join(frame(payload) for payload in payloads)
    frames = Frames()
    got = [one for at in range(0, len(stream), step) for one in frames.feed(stream[at : at + step])]
    assert got == payloads


def test_a_frame_longer_than_allowed_raises_bad_message():
    with pytest.raises(BadMessage):
        Frames(100).feed(b"\x00\x00\x00\x65")


GROWN = pytest.mark.parametrize(
    "value", [Split("file", "s", "p", 0, 1, (0, 0)), Ledger(bytes_in=9)], ids=["Split", "Ledger"]
)


def packed_fields(value):
    pack, _ = coder(type(value))
    return msgpack.unpackb(msgpack.packb(pack(value)), use_list=False)


@GROWN
def test_a_message_written_before_a_field_was_added_is_read_with_its_default(value):
    """A journal outlives the version that wrote it: splits without a state, ledgers without NUL bytes."""
    _, unpack = coder(type(value))
    assert unpack(packed_fields(value)) == unpack(packed_fields(value)[:-1]) == value


@GROWN
@pytest.mark.parametrize(
    "change",
    [lambda now, old: now[: old - 1], lambda now, _: (*now, 0), lambda *_: ()],
    ids=["short", "long", "none"],
)
def test_a_message_with_a_wrong_number_of_fields_raises_bad_message(value, change):
    _, unpack = coder(type(value))
    oldest = sum("added" not in field.metadata for field in dataclasses.fields(value))
    assert unpack(packed_fields(value)[:oldest]) == value
    with pytest.raises(BadMessage, match="fields; these bytes hold something else"):
        unpack(change(packed_fields(value), oldest))
