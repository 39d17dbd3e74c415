"""AMI events as Asterisk 22 writes them, in the mix of a busy PBX or of a captured one, round after round."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.core.normalise import WANTED
from agent.core.wire import Message, name_of, parse

#: Where an event names a second since 1970, until `at_second` puts one there; as long as that is.
SECOND = b"@@SECOND@@"

#: What one phone's own registration or call is among: two thirds of a call's events are `VarSet`.
_NOISE = (
    *("VarSet",) * 44,
    *("Newexten",) * 16,
    *("Newstate",) * 5,
    *("NewConnectedLine",) * 5,
    *("DeviceStateChange",) * 4,
    *("RTCPSent",) * 3,
    *("ChallengeSent",) * 3,
)
#: A call between two phones, leg a and leg b.
_CALL = (
    ("Newchannel", "a"),
    ("Newchannel", "b"),
    ("DialBegin", "a"),
    ("DialEnd", "a"),
    ("BridgeEnter", "b"),
    ("BridgeEnter", "a"),
    ("BridgeLeave", "a"),
    ("BridgeLeave", "b"),
    ("Hangup", "b"),
    ("Hangup", "a"),
)
#: Refreshed registrations beside one call.
REFRESHES = 10
_EMERGENCY = re.compile(rb"(?<![\d.])(?:999|112|18000)(?![\d.])")
_SPECIMEN_SECOND = re.compile(rb"(?<=[ /])17\d{8}(?=\.\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Events that belong together: their bytes, how many they are, how many of them the agent wants, and the lines
    whose registration each of its refreshes is of.
    """

    data: bytes
    events: int
    wanted: int
    refreshed: tuple[str, ...] = ()

    def at_second(self, second: int) -> bytes:
        """Its bytes as of this second since 1970."""
        return self.data.replace(SECOND, b"%010d" % second)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A registration as Asterisk knows it; ``id`` is its own name for it, ``call_id`` that of its REGISTER."""

    line: str
    ip: str
    port: int
    uri: str
    id: str
    call_id: str
    user_agent: str

    def described(self, expires: int) -> bytes:
        """As `ContactStatusDetail` tells it; ``expires`` in seconds since 1970."""
        return _event(
            "ContactStatusDetail",
            f"AOR: {self.line}",
            f"URI: {self.uri}",
            f"UserAgent: {self.user_agent}",
            f"RegExpire: {expires}",
            f"ViaAddress: {self.ip}:{self.port}",
            f"CallID: {self.call_id}",
            "Status: NonQualified",
            "RoundtripUsec: N/A",
            f"EndpointName: {self.line}",
            f"ID: {self.id}",
            "AuthenticateQualify: 0",
            "OutboundProxy: ",
            "Path: ",
            "QualifyFrequency: 0",
            "QualifyTimeout: 3.000",
            "Qualify2xxOnly: 0",
        )

    def stored(self, expires: int) -> bytes:
        """As Asterisk's own database holds it."""
        value = {
            "endpoint": self.line,
            "uri": self.uri,
            "via_addr": f"{self.ip}:{self.port}",
            "call_id": self.call_id,
            "user_agent": self.user_agent,
            "expiration_time": str(expires),
        }
        return _event("DBGetTreeResponse", f"Key: /registrar/contact/{self.id}", f"Val: {json.dumps(value)}")

    def refreshed(self) -> bytes:
        """That it registered again, as of the second that is put in."""
        return _stamped("SuccessfulAuth", "security", *_security(self), "UsingPassword: 1")


def made(number: int) -> Contact:
    """The ``number``-th phone of a PBX that is made up."""
    line, ip = f"{10_000 + number}", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return Contact(
        line=line,
        ip=ip,
        port=5060,
        uri=f"sip:{line}@{ip}:5060",
        id=f"{line};@{number:032x}",
        call_id=f"{number:024x}@{ip}",
        user_agent="Yealink SIP-T46U 108.86.0.45",
    )


def busy(phones: Sequence[Contact], *, wanted: float = 0.2) -> Iterator[Unit]:
    """Units of a busy PBX, of one call and ten refreshed registrations each, until every phone has refreshed once.

    ``wanted`` is the share of events that the agent wants; the others are what comes with a call.
    """
    noise = itertools.cycle(_NOISE)
    own = len(_CALL) + REFRESHES
    others = round(own / wanted) - own
    for number, first in enumerate(range(0, len(phones) - REFRESHES + 1, REFRESHES)):
        refreshed = phones[first : first + REFRESHES]
        a, b = _leg(refreshed[0], 2 * number, 2 * number), _leg(refreshed[1], 2 * number + 1, 2 * number)
        legs = {"a": a, "b": b}
        events: list[bytes] = []
        for (name, leg), contact in zip(_CALL, refreshed, strict=True):
            events += (_of_call(name, legs[leg], b, number), contact.refreshed())
        step, more = divmod(others, own)
        mixed: list[bytes] = []
        for place, event in enumerate(events):
            mixed.append(event)
            count = step + (place < more)
            mixed.extend(_noise(next(noise), legs["ab"[place % 2]], refreshed[place // 2]) for _ in range(count))
        yield Unit(
            data=b"".join(mixed),
            events=len(mixed),
            wanted=own,
            refreshed=tuple(contact.line for contact in refreshed),
        )


def flapping(phones: Sequence[Contact]) -> Unit:
    """Each phone registers and is gone again: a record of its own each time, of two states."""
    contact = ("ContactStatus", "system")
    events = [
        _stamped(
            *contact,
            f"URI: {phone.uri}",
            f"ContactStatus: {state}",
            f"AOR: {phone.line}",
            f"EndpointName: {phone.line}",
        )
        for phone in phones
        for state in ("NonQualified", "Removed")
    ]
    return Unit(data=b"".join(events), events=len(events), wanted=len(events))


def captured(file: Path) -> tuple[Unit, list[Contact]]:
    """The events of a captured session, what an agent asked for itself left out and no number an emergency one; and the
    contacts that it was told of.
    """
    every = [raw for raw in file.read_bytes().split(b"\r\n\r\n") if raw.startswith(b"Event: ")]
    kept = [raw for raw in every if b"\r\nActionID: " not in raw and not raw.startswith(b"Event: FullyBooted")]
    messages = [parse(raw) for raw in every]
    contacts = {each.id: each for each in map(_contact, messages) if each is not None}
    line_of = {each.call_id: each.line for each in contacts.values()}
    sessions = (message.get("SessionID") for message in messages if message.name == "SuccessfulAuth")
    text = b"".join(raw + b"\r\n\r\n" for raw in kept)
    unit = Unit(
        data=_SPECIMEN_SECOND.sub(SECOND, _EMERGENCY.sub(b"5551", text)),
        events=len(kept),
        wanted=sum(name_of(raw) in WANTED for raw in kept),
        refreshed=tuple(line_of[session] for session in sessions if session in line_of),
    )
    return unit, list(contacts.values())


def _contact(message: Message) -> Contact | None:
    if message.name != "ContactStatusDetail":
        return None
    ip, _, port = message.get("ViaAddress").rpartition(":")
    return Contact(
        line=message.get("EndpointName"),
        ip=ip,
        port=int(port),
        uri=message.get("URI"),
        id=message.get("ID"),
        call_id=message.get("CallID"),
        user_agent=message.get("UserAgent"),
    )


def _leg(contact: Contact, channel: int, linked: int) -> str:
    """The snapshot of a channel, as its events have it."""
    return "\r\n".join(
        (
            f"Channel: PJSIP/{contact.line}-{channel:08x}",
            "ChannelState: 6",
            "ChannelStateDesc: Up",
            f"CallerIDNum: {contact.line}",
            f"CallerIDName: Phone {contact.line}",
            "ConnectedLineNum: 01134960222",
            "ConnectedLineName: <unknown>",
            "Language: en",
            "AccountCode: ",
            "Context: phones",
            "Exten: 01134960222",
            "Priority: 7",
            f"Uniqueid: {SECOND.decode()}.{channel}",
            f"Linkedid: {SECOND.decode()}.{linked}",
        )
    )


def _of_call(name: str, leg: str, other: str, number: int) -> bytes:
    match name:
        case "DialBegin" | "DialEnd":
            dest = "\r\n".join(f"Dest{line}" for line in other.split("\r\n"))
            end = "DialString: 01134960222@trunk-a" if name == "DialBegin" else "DialStatus: ANSWER"
            return _stamped(name, "call", leg, dest, end)
        case "BridgeEnter" | "BridgeLeave":
            bridge = (
                f"BridgeUniqueid: {SECOND.decode()}-e7b5-4f84-9c20-{number:012x}",
                "BridgeType: basic",
                "BridgeTechnology: simple_bridge",
                "BridgeCreator: <unknown>",
                "BridgeName: <unknown>",
                "BridgeNumChannels: 1",
                "BridgeVideoSourceMode: none",
            )
            return _stamped(name, "call", *bridge, leg)
        case "Hangup":
            return _stamped(name, "call", leg, "Cause: 16", "Cause-txt: Normal Clearing")
    return _stamped(name, "call", leg)


def _noise(name: str, leg: str, contact: Contact) -> bytes:
    match name:
        case "VarSet":
            return _stamped(name, "dialplan", leg, "Variable: MACRO_CONTEXT", "Value: from-internal")
        case "Newexten":
            application = ("Extension: 01134960222", "Application: GotoIf", 'AppData: "0?nocall:continue"')
            return _stamped(name, "dialplan", leg, *application)
        case "DeviceStateChange":
            return _stamped(name, "call", f"Device: PJSIP/{contact.line}", "State: INUSE")
        case "RTCPSent":
            report = (
                *("To: 10.0.0.1:16384", "From: 10.0.0.2:16385", "SSRC: 0x1f2e3d4c", "PT: 200(SR)", "ReportCount: 1"),
                *("SentNTP: 1795380280.123", "SentRTP: 160000", "SentPackets: 1000", "SentOctets: 160000"),
            )
            return _stamped(name, "reporting", leg, *report)
        case "ChallengeSent":
            return _stamped(name, "security", *_security(contact), "Challenge: ")
    return _stamped(name, "call", leg)


def _security(contact: Contact) -> tuple[str, ...]:
    return (
        "EventTV: 2026-11-22T21:22:57.522+0000",
        "Severity: Informational",
        "Service: PJSIP",
        "EventVersion: 1",
        f"AccountID: {contact.line}",
        f"SessionID: {contact.call_id}",
        "LocalAddress: IPV4/UDP/10.255.0.1/5060",
        f"RemoteAddress: IPV4/UDP/{contact.ip}/{contact.port}",
    )


def _stamped(name: str, privilege: str, *lines: str) -> bytes:
    return _event(name, f"Privilege: {privilege},all", f"Timestamp: {SECOND.decode()}.123456", *lines)


def _event(name: str, *lines: str) -> bytes:
    return "\r\n".join((f"Event: {name}", *lines)).encode() + b"\r\n\r\n"
