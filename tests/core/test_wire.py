"""AMI framing: the same bytes give the same messages, whatever the chunks and whatever a peer puts into them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.wire import BANNER, HEAD_BYTES, LAST_WINS, Framer, head_of, name_of, parse, stamped

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


EVENT = st.one_of(
    ANY_BYTES,
    st.sampled_from(
        [
            b"Event: VarSet\r\nPrivilege: dialplan,all\r\nValue: 1\r\n\r\n",
            b"Event: VarSetLonger\r\nPrivilege: dialplan,all\r\n\r\n",
            b"Event: Hangup\r\nPrivilege: call,all\r\n\r\n",
            b"Event:VarSet\r\nPrivilege: dialplan,all\r\n\r\n",
            b"\r\nEvent: VarSet\r\nPrivilege: call,all\r\nValue: " + b"x" * LIMIT + b"\r\n\r\n",
        ]
    ),
)


@given(st.lists(EVENT, max_size=12).map(b"".join), st.lists(st.integers(0, 10_000), max_size=30))
def test_what_is_known_to_be_dull_is_left_out_and_nothing_else(stream: bytes, places: list[int]) -> None:
    every, oversized, *_ = read([stream])
    framer, dull, kept = Framer(LIMIT), set[bytes](), []
    for chunk in cut(stream, places):
        for raw in framer.feed(chunk, dull):
            kept.append(raw)
            if name_of(raw) == b"VarSet" and (head := head_of(raw)):
                dull.add(head)
    assert [raw for raw in kept if name_of(raw) != b"VarSet"] == [raw for raw in every if name_of(raw) != b"VarSet"]
    assert len(kept) + framer.dull == len(every)
    assert framer.oversized == oversized


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (b"Event: VarSet\r\nPrivilege: dialplan,all\r\nValue: 1", True),
        (b"Event: SoftHangupRequest\r\nPrivilege: call,all", True),
        (b"Event: RegistrationsComplete\r\nPrivilege: call,all", False),
        (b"Event: VarSet\r\nCallerIDNum: 01134960123", False),
        (b"Event: VarSet", False),
        (b"Response: Success\r\nActionID: 1", False),
    ],
)
def test_a_head_tells_one_name_and_nobodys_value(raw: bytes, known: bool) -> None:
    assert head_of(raw) == (raw[:HEAD_BYTES] if known else b"")


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
    message = parse(raw)
    assert (message.name, message.headers) == ("A", headers)
    assert message.get("Missing") == ""


@pytest.mark.parametrize(
    ("raw", "uniqueid", "doubtful"),
    [
        (b"Event: Newchannel\r\nCallerIDNum: 1\r\nUniqueid: forged\r\nUniqueid: 7.1", "7.1", True),
        (b"Event: Hangup\r\nCallerIDNum: 1\r\nUniqueid: forged\r\nUniqueid: 7.1", "7.1", True),
        (b"Event: UserEvent\r\nUniqueid: 7.1\r\nUniqueid: forged", "7.1", True),
        (b"Event: OriginateResponse\r\nUniqueid: 7.1\r\nOutput: a\r\nOutput: b", "7.1", False),
        (b"Event: Newchannel\r\nUniqueid: 7.1", "7.1", False),
    ],
)
def test_of_two_the_one_that_asterisk_wrote_counts(raw: bytes, uniqueid: str, doubtful: bool) -> None:
    message = parse(raw)
    assert (message.get("Uniqueid"), message.doubtful) == (uniqueid, doubtful)


STAMP = b"Event: Newchannel\r\nPrivilege: call,all\r\nTimestamp: 1795392182.370123\r\nChannel: PJSIP/201-1"


@pytest.mark.parametrize(
    ("raw", "true"),
    [
        (STAMP, True),
        (STAMP.replace(b"Timestamp", b"SequenceNumber: 5\r\nFile: a.c\r\nLine: 1\r\nFunc: f\r\nTimestamp"), True),
        (b"Event: FullyBooted\r\nPrivilege: system,all\r\nTimestamp: 1795392182.370123", True),
        (STAMP.replace(b"Privilege: call,all\r\n", b""), False),
        (STAMP.replace(b"call,all", b"all"), False),
        (STAMP.replace(b".370123", b""), False),
        (STAMP.replace(b"1795392182", b"1"), False),
        (STAMP.replace(b"Timestamp", b"Exten: 999\r\nTimestamp"), False),
    ],
)
def test_what_asterisk_itself_begins_an_event_with(raw: bytes, true: bool) -> None:
    assert stamped(raw) is true


def test_a_callers_number_is_too_short_to_forge_it() -> None:
    """79 bytes are what Asterisk keeps of a number, its line breaks among them."""
    least = b"\r\n\r\nEvent: Newchannel\r\nPrivilege: call,all\r\nTimestamp: 1795392182.370123\r\nExten: 999"
    assert stamped(least.strip())
    assert len(least) > 79


@given(st.binary(max_size=200))
def test_parsing_never_raises(raw: bytes) -> None:
    parse(b"Event: " + raw)
    parse(raw)


def plainly(raw: bytes) -> tuple[dict[str, str], bool]:
    """The headers, and whether one that Asterisk writes once came twice, line by line."""
    headers: dict[str, str] = {}
    doubtful = False
    for line in raw.decode("utf-8", "backslashreplace").split("\r\n"):
        key, colon, value = line.partition(":")
        if not colon:
            continue
        doubtful = doubtful or (key in headers and key != "ChanVariable")
        if key not in headers or name_of(raw).decode("ascii", "backslashreplace") in LAST_WINS:
            headers[key] = value[1:] if value.startswith(" ") else value
    return headers, doubtful


HEADER = st.sampled_from(
    [b"Key: v", b"Key:v", b"Key:v: w", b"Key: ", b"Key", b"", b": v", b"ChanVariable: a", b"Zo\xeb: 1", b"Key:  w: x"]
)


@given(st.sampled_from([b"VarSet", b"Hangup"]), st.lists(st.one_of(HEADER, st.binary(max_size=12)), max_size=8))
def test_the_short_way_to_parse_gives_what_the_long_one_does(name: bytes, lines: list[bytes]) -> None:
    raw = b"\r\n".join([b"Event: " + name, *lines])
    message = parse(raw)
    assert (message.headers, message.doubtful) == plainly(raw)


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True), LINE), max_size=8))
def test_headers_come_out_as_they_went_in(pairs: list[tuple[str, str]]) -> None:
    raw = "\r\n".join(f"{key}: {value}" for key, value in pairs).encode()
    first: dict[str, str] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    assert parse(raw).headers == first
