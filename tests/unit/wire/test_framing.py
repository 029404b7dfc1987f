"""Messages that travel as one piece: any number survives it, and no piece that is cut off reads beyond its end."""

from __future__ import annotations

import pytest

from mrframe.wire.codec import BadMessage
from mrframe.wire.framing import apart, joined


@pytest.mark.parametrize("messages", [[b"\x01a"], [b"\x01a", b"\x01" * 300], [b"\x01"] * 64, [b"\x01", b""]])
def test_messages_come_apart_as_they_were_joined(messages):
    assert [bytes(one) for one in apart(memoryview(joined(messages)))] == messages


def test_a_piece_that_is_cut_off_is_refused():
    whole = joined([b"\x01abc", b"\x01defg"])
    for end in range(2, len(whole)):
        if end != 1 + 4 + 4:  # the end of the first message
            with pytest.raises(BadMessage):
                list(apart(memoryview(whole)[:end]))


def test_an_empty_piece_is_an_empty_message():
    assert [bytes(one) for one in apart(memoryview(b""))] == [b""]
