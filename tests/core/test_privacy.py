"""Nothing but the minimal record leaves the core: canaries in every header of every event."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import count
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.engine import Engine
from agent.core.normalise import READERS, Linker
from agent.core.policy import Policy
from agent.core.records import RECORDS, Record, RetentionClass, Role, document, rules
from agent.core.records.terms import ID
from agent.core.signals import CaptureOrder, Lookup
from agent.core.wire import Framer, Message, name_of, parse
from tests.scenarios.made import emergency

CAPTURES = sorted((Path(__file__).parents[1] / "scenarios" / "captures").glob("*.ami"))
#: The headers whose value, or a part of it, is what the records are for, and which part that is (agent/core/records/).
KEPT = frozenset(("AOR", "EndpointName", "AccountID", "Trunk", "Peer", "ObjectName"))
#: Headers that say what happened: with a canary in them nothing would happen.
STEERING = frozenset(
    "Event Stage Action Trigger ContactStatus PeerStatus DialStatus Service Channeltype ChannelType Dynamic State"
    " Direction UserEvent Timestamp RegExpire Duration Number Exten DialString Attempt Test".split()
)
#: Identifiers: with one suffix for all, so that what was the same stays the same.
IDENTIFIERS = frozenset(
    "Uniqueid Linkedid DestUniqueid DestLinkedid Call CallID SessionID BridgeId BridgeUniqueid".split()
)


def engine(*, optins_told: bool = True) -> Engine:
    ids = count()
    return Engine(policy=Policy(optins_told=optins_told), link=Linker(b"key"), new_id=lambda: f"id-{next(ids)}")


def messages(capture: Path) -> Iterator[Message]:
    for raw in Framer().feed(capture.read_bytes()):
        if name_of(raw).decode() in READERS:
            yield parse(raw)


def outputs(heard: Iterable[Message]) -> list[Record]:
    """The records; what Asterisk is to be asked names things as Asterisk does, and is kept nowhere."""
    running = engine()
    heard_all = (output for message in heard for output in running.hear(message, 0))
    return [output for output in heard_all if not isinstance(output, Lookup | CaptureOrder)]


def marked(message: Message) -> Message:
    """``message`` with a canary in every header whose value is nobody's business."""
    headers = {}
    for key, value in message.headers.items():
        if key in KEPT or key in STEERING:
            headers[key] = value
        elif key in IDENTIFIERS:
            headers[key] = f"{value}-CANARY"
        elif key in ("Channel", "DestChannel"):
            # PJSIP/201-0000001a: the endpoint is kept, the rest is not
            headers[key] = f"{value}CANARY"
        elif key in ("URI", "RemoteAddress", "ViaAddress", "UserAgent"):
            headers[key] = {
                "URI": value.replace(":", ":CANARY", 1).replace(";", ";x=CANARY;"),
                "RemoteAddress": value + "CANARY",
                "ViaAddress": value,
                "UserAgent": value + " CANARY 0004F2ABCDEF",
            }[key]
        else:
            headers[key] = f"CANARY-{key}"
    # What Asterisk could add one day, and what a SIP peer can put there.
    return Message(message.name, {**headers, "CallerIDName": "CANARY", "ChanVariable": "CANARY=CANARY"})


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_no_canary_of_a_capture_reaches_a_record(capture: Path) -> None:
    clean = outputs(messages(capture))
    with_canaries = outputs(map(marked, messages(capture)))
    assert len(with_canaries) == len(clean) > 0, "the canaries must not keep anything from being recorded"
    for record in with_canaries:
        assert "CANARY" not in repr(record)
        assert "CANARY" not in json.dumps(document(record))
        assert "0004F2ABCDEF" not in repr(record)


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_no_identifier_name_or_other_number_of_a_capture_reaches_a_record(capture: Path) -> None:
    heard = list(messages(capture))
    forbidden = {
        message.get(key)
        for message in heard
        for key in (*IDENTIFIERS, "Channel", "DestChannel", "CallerIDName", "ConnectedLineName", "URI", "UserAgent")
    } - {"", "<unknown>"}
    assert forbidden
    for record in outputs(heard):
        text = repr(record) + json.dumps(document(record))
        assert not [secret for secret in forbidden if len(secret) > 4 and secret in text]


ANYTHING = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6).map("CANARY{}".format)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(READERS)),
            st.dictionaries(
                st.sampled_from(
                    ["CallerIDNum", "CallerIDName", "ConnectedLineNum", "Exten", "Context", "BridgeId", "Cause"]
                )
                | st.sampled_from(sorted(IDENTIFIERS)),
                ANYTHING,
            ),
            st.sampled_from(["Dialled", "Trying", "Answered", "LegEnded", "Ended", "CANARY"]),
            st.sampled_from(["OptIn", "Pause", "OptOut", "CANARY"]),
        ),
        max_size=20,
    ),
    st.booleans(),
)
def test_no_canary_of_any_event_reaches_a_record(
    events: list[tuple[str, dict[str, str], str, str]], optins_told: bool
) -> None:
    running = engine(optins_told=optins_told)
    for name, headers, stage, ask in events:
        steering = {
            "UserEvent": "Emergency" if "CANARY" not in stage else "Recording",
            "Stage": stage,
            "Action": ask,
            "Trigger": "code",
            "AOR": "201",
            "EndpointName": "201",
            "URI": "sip:CANARY@203.0.113.7;CANARY",
            "UserAgent": "CANARY",
            "RegExpire": "1795348800",
            "Channel": "PJSIP/201-CANARY",
            "DestChannel": "PJSIP/trunk-CANARY",
            "DialString": "999@CANARY",
            "DialStatus": "CANARY",
            "AccountID": "201",
            "Service": "PJSIP",
            "RemoteAddress": "IPV4/UDP/203.0.113.7/CANARY",
        }
        for output in running.hear(Message(name, {**headers, **steering}), 1_795_348_800_000):
            if isinstance(output, CaptureOrder):
                # Asterisk is asked by the channel's own name, in memory only; by nothing else.
                assert output.name == steering["Channel"]
                output = replace(output, name="")
            assert "CANARY" not in repr(output)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.KIND)
def test_every_field_of_every_record_states_its_purpose_and_its_readers(record: type[Record]) -> None:
    assert record.BASIS
    assert record.RETENTION in RetentionClass
    # Raises a TypeError that says which field lacks what.
    assert [rule.name for rule in rules(record)] == [item.name for item in fields(record)]
    assert record.READERS, "a record that nobody may read need not be kept"


def test_what_nobody_may_read_is_in_no_output() -> None:
    shown = document(replace(emergency(), links=("CANARY",)))
    assert "links" not in shown
    assert "CANARY" not in json.dumps(shown)


def test_a_class_that_leaves_something_unsaid_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Unsaid:
        id: Annotated[str, ID]

    with pytest.raises(TypeError, match="who may read it"):
        rules(Unsaid)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Purposeless:
        READERS: ClassVar[frozenset[Role]] = frozenset((Role.DESK,))
        id: str

    with pytest.raises(TypeError, match="no purpose"):
        rules(Purposeless)
