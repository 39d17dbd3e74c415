"""One contact, described by two voices alike, and the questions that name it; nothing that names it is kept."""

import json
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker, normalise
from agent.core.policy import Policy
from agent.core.signals import CaptureOrder, ContactDescribed, ContactHeard, Lookup
from agent.core.wire import Message

LINK = Linker(b"key")
AT = 1795384068720
URI = "sip:205@127.0.5.5:40890;transport=UDP"
#: As Asterisk 16 and 22 were seen to name it.
CONTACT_ID = "205;@0b0ddda6b62a28d4093d379697dfa830"
DETAIL = {
    "AOR": "205",
    "URI": URI,
    "UserAgent": 'snom "x"/D785/10',
    "RegExpire": "1795384370",
    "ViaAddress": "127.0.5.5:40890",
    "CallID": "2672273fe8381bde4ee94722@127.0.5.5",
    "EndpointName": "205",
    "ID": CONTACT_ID,
}
STORED = {
    "via_addr": "127.0.5.5",
    "qualify_timeout": "3.000000",
    "call_id": "2672273fe8381bde4ee94722@127.0.5.5",
    "reg_server": "",
    "endpoint": "205",
    "via_port": "40890",
    "uri": URI,
    "user_agent": 'snom "x"/D785/10',
    "expiration_time": "1795384370",
}


def stored(value: str, key: str = f"/registrar/contact/{CONTACT_ID}") -> Message:
    return Message("DBGetTreeResponse", {"Key": key, "Val": value})


def status(uri: str = URI, aor: str = "205", **more: str) -> Message:
    headers = {"AOR": aor, "EndpointName": aor, "URI": uri, "ContactStatus": "NonQualified"}
    return Message("ContactStatus", headers | more)


def request(line: str, call_id: str) -> Message:
    address = "IPV4/UDP/203.0.113.7/5060"
    headers = {"Service": "PJSIP", "AccountID": line, "SessionID": call_id, "RemoteAddress": address}
    return Message("SuccessfulAuth", headers)


def engine() -> Engine:
    numbers = iter(range(1000))
    return Engine(policy=Policy(), link=LINK, new_id=lambda: f"id-{next(numbers)}")


def test_the_database_tells_what_the_list_tells() -> None:
    listed = normalise(Message("ContactStatusDetail", DETAIL), AT, LINK)
    assert isinstance(listed, ContactDescribed)
    assert listed.contact_id == CONTACT_ID
    assert normalise(stored(json.dumps(STORED)), AT, LINK) == listed
    assert b"DBGetTreeResponse" in WANTED


def test_a_contact_that_is_not_named_is_named_as_asterisk_names_it() -> None:
    heard = normalise(status(), AT, LINK)
    unnamed = normalise(Message("ContactStatusDetail", DETAIL | {"ID": ""}), AT, LINK)
    assert isinstance(heard, ContactHeard)
    assert isinstance(unnamed, ContactDescribed)
    assert heard.contact_id == unnamed.contact_id == CONTACT_ID


def test_a_line_is_the_endpoint_and_else_the_aor() -> None:
    nameless = normalise(stored(json.dumps(STORED | {"endpoint": ""})), AT, LINK)
    assert isinstance(nameless, ContactDescribed)
    assert nameless.line == "205"


def test_behind_a_proxy_the_stored_via_is_an_address_of_either_family() -> None:
    for via in ("2001:db8::7", "[2001:db8::7]"):
        described = normalise(stored(json.dumps(STORED | {"via_addr": via})), AT, LINK)
        assert isinstance(described, ContactDescribed)
        assert described.via_ip == "2001:db8::7"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "null",
        "205",
        '"205"',
        "[]",
        json.dumps([STORED]),
        json.dumps(STORED | {"uri": ""}),
        json.dumps(STORED | {"uri": 5}),
        json.dumps(STORED | {"endpoint": None}),
        json.dumps(STORED | {"user_agent": {"a": ["b"]}}),
        json.dumps(STORED | {"expiration_time": 1795384370}),
        json.dumps(STORED | {"expiration_time": "0"}),
        json.dumps(STORED | {"expiration_time": "soon"}),
        json.dumps(STORED | {"user_agent": "x" * 20_000}),
        "[" * 16_000,
        '{"a":' * 3_000,
        '{"expiration_time":' + "9" * 10_000 + "}",
    ],
    ids=lambda value: value[:40],
)
def test_what_is_no_contact_says_nothing(value: str) -> None:
    assert normalise(stored(value), AT, LINK) is None


def test_another_entry_of_the_database_says_nothing() -> None:
    for key in ("", "/emergency/205;@0", CONTACT_ID, "/registrar/contactless/205"):
        assert normalise(stored(json.dumps(STORED), key=key), AT, LINK) is None


@given(
    st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(json.dumps)),
    st.dictionaries(st.sampled_from(sorted(STORED)), st.text()),
)
def test_no_value_raises_and_all_that_it_says_can_be_stored(text: str, bent: dict[str, str]) -> None:
    normalise(stored(text), AT, LINK)
    described = normalise(stored(json.dumps(STORED | bent)), AT, LINK)
    if isinstance(described, ContactDescribed):
        (described.line + described.user_agent + described.contact_id).encode()


def test_half_a_character_becomes_plain_text() -> None:
    described = normalise(stored(json.dumps(STORED | {"endpoint": "2\ud8005"})), AT, LINK)
    assert isinstance(described, ContactDescribed)
    assert described.line == "2\\ud8005"


def test_each_contact_of_a_line_is_asked_for_by_name() -> None:
    uris = [f"sip:201@203.0.113.{host}:5060" for host in (7, 8)]
    pbx = engine()
    asked = [output for uri in uris for output in pbx.hear(status(uri, "201"), AT) if isinstance(output, Lookup)]
    named = [f"201;@{md5(uri.encode()).hexdigest()}" for uri in uris]
    assert asked == [Lookup(technology="PJSIP", endpoint="201", contact=contact) for contact in named]
    list(pbx.hear(request("201", "anew"), AT + 60_000))
    assert list(pbx.tick(AT + 61_000)) == []
    assert sorted(lookup.contact for lookup in pbx.tick(AT + 62_000) if isinstance(lookup, Lookup)) == sorted(named)


def test_a_contact_taken_up_from_the_store_has_no_name_before_it_is_listed() -> None:
    before, after = engine(), engine()
    kept = [output for output in before.hear(status(), AT) if not isinstance(output, Lookup | CaptureOrder)]
    after.restore(kept)
    list(after.hear(request("205", "anew"), AT + 10_000))
    assert list(after.tick(AT + 12_000)) == [Lookup(technology="PJSIP", endpoint="205")]
    list(after.hear(Message("ContactStatusDetail", DETAIL), AT + 12_100))
    list(after.hear(request("205", "once more"), AT + 20_000))
    assert list(after.tick(AT + 22_000)) == [Lookup(technology="PJSIP", endpoint="205", contact=CONTACT_ID)]


def test_no_record_names_the_contact() -> None:
    pbx = engine()
    outputs = [*pbx.hear(status(), AT), *pbx.hear(stored(json.dumps(STORED)), AT + 100)]
    records = [output for output in outputs if not isinstance(output, Lookup)]
    assert records
    assert all(CONTACT_ID.rpartition("@")[2] not in repr(record) for record in records)
