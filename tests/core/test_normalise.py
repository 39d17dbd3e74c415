"""AMI's spellings, and what is made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.normalise import READERS, WANTED, Linker, normalise
from agent.core.normalise.identity import ip_of_host_port, line_of
from agent.core.numbers import emergency_number, number_of_dial_string
from agent.core.policy import Policy
from agent.core.signals import ContactHeard, EmergencyStage, LiveChannel
from agent.core.wire import Message, parse

LINK = Linker(b"key")


@pytest.mark.parametrize(
    ("channel", "line"),
    [
        ("PJSIP/201-0000001a", "201"),
        ("PJSIP/trunk-a-00000001", "trunk-a"),
        ("SIP/201-0000001a", "201"),
        ("IAX2/far-office-1234", "far-office"),
        ("DAHDI/i1/07700900123-2", "i1"),
        ("DAHDI/2-1", "2"),
        ("Local/999@phones-00000007;2", None),
        ("Message/ast_msg_queue", None),
        ("", None),
        ("/", None),
        ("PJSIP/" + "x" * 200 + "-00000001", "x" * 80),
    ],
)
def test_the_line_in_a_channels_name(channel: str, line: str | None) -> None:
    assert line_of(channel) == line


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("203.0.113.7:5060", "203.0.113.7"),
        ("203.0.113.7", "203.0.113.7"),
        ("[2001:db8::0007]:5060", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("phone.example:5060", None),
        ("(null)", None),
        ("", None),
        ("[]", None),
        (":5060", None),
    ],
)
def test_the_address_in_a_host_and_port(text: str, ip: str | None) -> None:
    assert ip_of_host_port(text) == ip


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("999", "999"),
        ("112", "112"),
        ("18000", "18000"),
        ("9999", "999"),
        ("141999", "999"),
        ("9141112", "112"),
        ("14709112", "112"),
        ("999;phone-context=+44", "999"),
        ("99", None),
        ("99999", None),
        ("0999", None),
        ("999123", None),
        ("07700900999", None),
        ("", None),
        (";999", None),
        ("9" * 1000, None),
    ],
)
def test_which_dialled_numbers_are_emergencies(dialled: str, number: str | None) -> None:
    assert emergency_number(dialled, Policy()) == number


@pytest.mark.parametrize(
    ("dial_string", "number"),
    [
        ("999@trunk-a", "999"),
        ("trunk-a/sip:999@198.51.100.1", "999"),
        ("trunk-a/999", "999"),
        ("i1/999", "999"),
        ("999;phone-context=+44@trunk-a", "999"),
        ("112", ""),
        ("", ""),
    ],
)
def test_the_number_in_a_dial_string(dial_string: str, number: str) -> None:
    assert number_of_dial_string(dial_string) == number


def test_time_is_the_events_own_else_its_arrival() -> None:
    for stamp, at in (("1795348800.123456", 1795348800123), ("", 7), ("soon", 7), ("0.0", 7)):
        signal = normalise(Message("Hangup", {"Timestamp": stamp, "Channel": "PJSIP/201-1"}), 7, LINK)
        assert signal is not None
        assert signal.at == at


def test_what_is_wanted_is_what_is_read() -> None:
    assert {name.decode() for name in WANTED} == set(READERS)
    assert normalise(Message("VarSet", {}), 0, LINK) is None


HEADERS = sorted(
    "AOR AccountID Action Address Attempt BridgeId Call CallID Channel Channeltype ContactStatus DestChannel"
    " DestLinkedid DestUniqueid DialStatus DialString Direction Duration Dynamic EndpointName Exten IPaddress Linkedid"
    " Number ObjectName Peer PeerStatus RegExpire RemoteAddress SIP-Useragent Service SessionID Stage State Test"
    " Timestamp Trigger Trunk URI Uniqueid UserAgent UserEvent ViaAddress".split()
)
ODD = (
    "PJSIP SIP Emergency Recording 999 1 -1 ² ٣ IPV4/UDP/203.0.113.7/5060 [::1]:5060 sip:201@[::1 99999999999999"
    " 1795348800.5 00:00:² Registered Dialled OptIn yes /".split()
)
VALUES = st.text(max_size=30) | st.sampled_from(ODD)


@given(st.sampled_from(sorted(READERS)), st.dictionaries(st.sampled_from(HEADERS), VALUES))
def test_no_message_makes_it_raise(name: str, headers: dict[str, str]) -> None:
    normalise(Message(name, headers), 1, LINK)


@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200))
def test_no_bytes_make_it_raise(name: str, noise: bytes) -> None:
    normalise(parse(b"Event: " + name.encode() + b"\r\n" + noise), 1, LINK)


def test_the_channels_identifiers_are_hashed_with_the_key() -> None:
    headers = {"Channel": "PJSIP/201-1", "Uniqueid": "1.1", "Linkedid": "1.1", "UserEvent": "Emergency", "Call": "1.1"}
    signal = normalise(Message("UserEvent", headers), 0, LINK)
    assert isinstance(signal, EmergencyStage)
    assert signal.channel == signal.linked == signal.call == LINK("1.1") != Linker(b"other")("1.1")
    assert "1.1" not in repr(signal)


def test_a_live_channel_began_its_duration_ago() -> None:
    signal = normalise(Message("CoreShowChannel", {"Duration": "01:00:05", "Channel": "PJSIP/201-1"}), 4_000_000, LINK)
    assert isinstance(signal, LiveChannel)
    assert signal.began_at == 4_000_000 - 3_605_000


def test_a_contacts_transport_is_its_uris() -> None:
    for uri, transport in (
        ("sip:201@203.0.113.7", "udp"),
        ("sip:201@203.0.113.7;transport=TCP;ob", "tcp"),
        ("sips:201@203.0.113.7", "tls"),
        ("sip:201@203.0.113.7;transport=<script>", "udp"),
    ):
        headers = {"URI": uri, "AOR": "201", "EndpointName": "201", "ContactStatus": "NonQualified"}
        signal = normalise(Message("ContactStatus", headers), 0, LINK)
        assert isinstance(signal, ContactHeard)
        assert (signal.ip, signal.transport) == ("203.0.113.7", transport)
