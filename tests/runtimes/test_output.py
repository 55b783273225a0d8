"""A worker's bytes, cut into log events."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from waypost.runtimes.output import EVENT_MAX, Output


def frame(text: str, kind: int = 0xA55A0003) -> bytes:
    message = text.encode()
    return struct.pack(">IIQ", kind, len(message), 1_700_000_000_000_000) + message


def events(*chunks: bytes) -> list[str]:
    output = Output()
    found = [event for chunk in chunks for event in output.feed(chunk)]
    return found + output.flush()


def test_lines_and_frames_keep_their_order():
    data = b"one\ntwo\r\n\n" + frame("a\nb\n") + frame("c", 0xA55A0017) + b"rest" + frame("d") + b"end"
    assert events(data) == ["one", "two", "", "a\nb", "c", "rest", "d", "end"]


def test_text_that_is_not_utf8_is_kept_as_well_as_can_be():
    assert events(b"caf\xe9\n") == ["caf\ufffd"]


def test_a_frame_of_impossible_length_is_noise():
    assert events(b"\xa5\x5a\x00\x03" + b"\xff" * 12 + b"\nnext\n")[-1] == "next"


def test_long_events_are_cut():
    assert [len(event) for event in events(b"x" * (2 * EVENT_MAX + 1) + b"\n")] == [EVENT_MAX, EVENT_MAX, 1]
    assert [len(event) for event in events(frame("y" * (EVENT_MAX + 1)))] == [EVENT_MAX, 1]


def test_a_line_without_end_does_not_grow_for_ever():
    output = Output()
    found = [event for _ in range(10) for event in output.feed(b"x" * 65_536)]
    assert [len(event) for event in found] == [EVENT_MAX, EVENT_MAX]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=8)


@given(
    parts=st.lists(st.tuples(st.booleans(), TEXT), max_size=6),
    cuts=st.lists(st.integers(1, 20), max_size=30),
)
def test_where_the_pipe_cuts_makes_no_difference(parts, cuts):
    data = b"".join(frame(text) if framed else text.encode() + b"\n" for framed, text in parts)
    chunks = []
    rest = data
    for cut in cuts:
        chunks.append(rest[:cut])
        rest = rest[cut:]
    assert events(*chunks, rest) == [text for _, text in parts]
