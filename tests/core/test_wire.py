"""AMI framing: the same bytes give the same messages, whatever the chunks and whatever a peer puts into them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.wire import BANNER, Framer, Message, name_of, parse

LIMIT = 64
LINE = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1, max_size=20)
RAW = st.lists(LINE, min_size=1, max_size=4).map(lambda lines: "\r\n".join(lines).encode())
ANY_BYTES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"\r\n\r\n", b"\r\n", b"\r", b"\n", b"Event: Hangup", b"Asterisk Call Manager/11.0.0\r\n", b"x" * 70]
    ),
)


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """The stream in chunks; a place is where one chunk ends, modulo the length."""
    edges = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(edges)]


def read(chunks: list[bytes], limit: int = LIMIT) -> tuple[list[bytes], int, str | None, int]:
    framer = Framer(limit)
    messages = [message for chunk in chunks for message in framer.feed(chunk)]
    return messages, framer.oversized, framer.banner, framer.pending_bytes


@given(st.lists(RAW, max_size=6), st.lists(st.integers(0, 10_000), max_size=30))
def test_messages_come_out_as_they_went_in(raws: list[bytes], places: list[int]) -> None:
    stream = b"Asterisk Call Manager/11.0.0\r\n" + b"".join(raw + b"\r\n\r\n" for raw in raws)
    messages, oversized, banner, _ = read(cut(stream, places), limit=1 << 20)
    assert messages == raws
    assert (oversized, banner) == (0, "Asterisk Call Manager/11.0.0")


@given(st.lists(ANY_BYTES, max_size=12).map(b"".join), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_bytes_give_the_same_whatever_the_chunks(stream: bytes, places: list[int]) -> None:
    # What is still pending is no result: a message over the limit may be given up sooner or later.
    messages, oversized, banner, _ = read([stream + b"\r\n\r\n"])
    in_pieces = read([*cut(stream, places), b"\r\n\r\n"])
    assert in_pieces[:3] == (messages, oversized, banner)
    one_by_one = read([bytes([byte]) for byte in stream] + [b"\r\n\r\n"])
    assert one_by_one[:3] == (messages, oversized, banner)


@given(st.lists(ANY_BYTES, max_size=12), st.integers(1, 10))
def test_what_is_held_back_is_bounded(chunks: list[bytes], times: int) -> None:
    framer = Framer(LIMIT)
    for chunk in chunks * times:
        framer.feed(chunk)
        assert framer.pending_bytes <= max(LIMIT + 3, 130)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_message_of_exactly_the_limit_is_the_longest_kept(extra: int) -> None:
    long = b"x" * (LIMIT + extra)
    messages, oversized, *_ = read([b"a: 1\r\n\r\n", long + b"\r\n\r\n", b"b: 2\r\n\r\n"])
    assert messages == ([b"a: 1", b"b: 2"] if extra else [b"a: 1", long, b"b: 2"])
    assert oversized == extra


def test_a_message_without_an_end_is_dropped_and_the_next_are_read() -> None:
    framer = Framer(LIMIT)
    for _ in range(1_000):
        assert framer.feed(b"x" * 1_000) == []
        assert framer.pending_bytes <= LIMIT
    assert framer.feed(b"\r\n\r\nEvent: Hangup\r\n\r\n") == [b"Event: Hangup"]
    assert framer.oversized == 1


def test_half_a_message_is_held_back() -> None:
    framer = Framer()
    assert framer.feed(BANNER + b"5.0.4\r\nEvent: Hang") == []
    assert framer.pending_bytes == len(b"Event: Hang")
    assert framer.feed(b"up\r\n\r\n") == [b"Event: Hangup"]


def test_a_stream_without_a_greeting_is_read_from_its_first_byte() -> None:
    assert read([b"Event: Hangup\r\n\r\n"])[0] == [b"Event: Hangup"]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"Event: Hangup\r\nChannel: x", b"Hangup"),
        (b"Event: Hangup", b"Hangup"),
        (b"Event:Hangup\r\n", b"Hangup"),
        (b"Response: Success\r\nActionID: 1", b"Response"),
        (b"Events: On", b""),
        (b"", b""),
    ],
)
def test_the_name_is_read_without_parsing(raw: bytes, name: bytes) -> None:
    assert name_of(raw) == name


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"Event: A\r\nEvent: B", {"Event": "A"}),
        (b"Event: A\r\nChallenge: \r\nURI:", {"Event": "A", "Challenge": "", "URI": ""}),
        (b"Event: A\r\nKey:value", {"Event": "A", "Key": "value"}),
        (b"Event: A\r\nKey:  two", {"Event": "A", "Key": " two"}),
        (b"Event: A\r\nURI: sip:201@192.0.2.1:5060", {"Event": "A", "URI": "sip:201@192.0.2.1:5060"}),
        (b"Event: A\r\nno colon\r\nKey: v", {"Event": "A", "Key": "v"}),
        (b"Event: A\r\nChannel: real\r\nChannel: forged", {"Event": "A", "Channel": "real"}),
        ("Event: A\r\nAOR: Zoë".encode(), {"Event": "A", "AOR": "Zoë"}),
        ("Event: A\r\nAOR: Zoë".encode("latin-1"), {"Event": "A", "AOR": "Zo\\xeb"}),
    ],
)
def test_headers(raw: bytes, headers: dict[str, str]) -> None:
    assert parse(raw) == Message("A", headers)
    assert parse(raw).get("Missing") == ""


@given(st.binary(max_size=200))
def test_parsing_never_raises(raw: bytes) -> None:
    parse(b"Event: " + raw)
    parse(raw)


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True), LINE), max_size=8))
def test_headers_come_out_as_they_went_in(pairs: list[tuple[str, str]]) -> None:
    raw = "\r\n".join(f"{key}: {value}" for key, value in pairs).encode()
    first: dict[str, str] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    assert parse(raw).headers == first
