"""AMI messages to signals: one small function an event, and the only place that knows AMI's header names."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b, md5
from ipaddress import ip_address

from agent.core.instants import from_epoch
from agent.core.numbers import number_of_dial_string
from agent.core.records import Trigger
from agent.core.signals import (
    Ask,
    AttemptFailed,
    Authenticated,
    Booted,
    Capture,
    CaptureChanged,
    ChannelDown,
    ChannelUp,
    ContactDescribed,
    ContactHeard,
    ContactsListed,
    DialBegun,
    DialEnded,
    EmergencyStage,
    LiveChannel,
    LiveChannelsListed,
    PeerDescribed,
    PeerHeard,
    PeersListed,
    RecordingAsked,
    Signal,
    Stage,
)
from agent.core.wire import Message

#: Longer values of these headers are no honest PBX's; they are cut before anything is made of them.
_LINE_LIMIT = 80

#: Where Asterisk's own database keeps the PJSIP contacts (sorcery's default for them), and how long one may be.
_CONTACTS_KEY = "/registrar/contact/"
_CONTACT_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class Linker:
    """Turns Asterisk's identifiers into keyed hashes, so that none of them is ever kept (BLAKE2b, 128 bits)."""

    key: bytes

    def __call__(self, identifier: str) -> str:
        return blake2b(identifier.encode("utf-8", "backslashreplace"), key=self.key, digest_size=16).hexdigest()


def line_of(channel: str) -> str | None:
    """The endpoint, peer or trunk in a channel's name.

    ``PJSIP/201-0000001a`` gives ``201``, ``DAHDI/i1/999-2`` gives ``i1`` (never the number), ``Local/…`` gives None.
    """
    technology, slash, rest = channel.partition("/")
    if not slash or technology == "Local":
        return None
    return rest.rpartition("-")[0].partition("/")[0][:_LINE_LIMIT] or None


def ip_of(text: str) -> str | None:
    """The canonical form of an address, or None."""
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return None


def ip_of_host_port(text: str) -> str | None:
    """The address in ``203.0.113.7:5060``, ``[2001:db8::1]:5060``, ``203.0.113.7`` or ``2001:db8::1``."""
    if text.startswith("["):
        return ip_of(text[1:].partition("]")[0])
    return ip_of(text) or ip_of(text.rpartition(":")[0])


def _ip_and_transport_of_uri(uri: str) -> tuple[str | None, str | None]:
    """From a contact's URI: ``sip:201@203.0.113.7:5060;transport=TCP`` gives ``203.0.113.7`` and ``tcp``."""
    scheme, _, rest = uri.partition(":")
    hostport, _, parameters = rest.rpartition("@")[2].partition(";")
    transport = "tls" if scheme == "sips" else "udp"
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.lower() == "transport" and value.isascii() and value.isalpha() and len(value) <= 4:
            transport = value.lower()
    return ip_of_host_port(hostport), transport


_Reader = Callable[[Message, int, Linker], Signal | None]


def _booted(message: Message, at: int, link: Linker) -> Signal:
    return Booted(at=at)


def _contact_key(link: Linker, aor: str, uri: str) -> str:
    return link(f"PJSIP\n{aor}\n{uri}")


def _contact_id(aor: str, uri: str) -> str:
    """Asterisk's own name for a registered contact (16 and 22); MD5 is its choice, and guards nothing."""
    return f"{aor};@{md5(uri.encode('utf-8', 'backslashreplace'), usedforsecurity=False).hexdigest()}"


def _contact_status(message: Message, at: int, link: Linker) -> Signal | None:
    line, aor, uri = message.get("EndpointName"), message.get("AOR"), message.get("URI")
    if not uri or not (line or aor):
        return None
    ip, transport = _ip_and_transport_of_uri(uri)
    return ContactHeard(
        at=at,
        line=(line or aor)[:_LINE_LIMIT],
        contact=_contact_key(link, aor, uri),
        contact_id=_contact_id(aor, uri),
        ip=ip,
        transport=transport,
        gone=message.get("ContactStatus") == "Removed",
        qualified=message.get("ContactStatus") in ("Reachable", "Unreachable"),
    )


def _contact_status_detail(message: Message, at: int, link: Linker) -> Signal | None:
    line, aor, uri = message.get("EndpointName"), message.get("AOR"), message.get("URI")
    # A contact that the operator wrote into pjsip.conf (a trunk) was never registered, and has no expiry.
    expires_at = from_epoch(message.get("RegExpire"))
    if not uri or not (line or aor) or not expires_at:
        return None
    ip, transport = _ip_and_transport_of_uri(uri)
    return ContactDescribed(
        at=at,
        line=(line or aor)[:_LINE_LIMIT],
        contact=_contact_key(link, aor, uri),
        contact_id=message.get("ID") or _contact_id(aor, uri),
        ip=ip,
        transport=transport,
        via_ip=ip_of_host_port(message.get("ViaAddress")),
        call_id=message.get("CallID"),
        user_agent=message.get("UserAgent"),
        expires_at=expires_at,
    )


#: What ContactStatusDetail calls the fields of a contact in Asterisk's database (16 and 22).
_STORED = {
    "EndpointName": "endpoint",
    "URI": "uri",
    "ViaAddress": "via_addr",
    "CallID": "call_id",
    "UserAgent": "user_agent",
    "RegExpire": "expiration_time",
}


def _contact_stored(message: Message, at: int, link: Linker) -> Signal | None:
    key = message.get("Key")
    stored = _stored(message.get("Val")) if key.startswith(_CONTACTS_KEY) else None
    if stored is None:
        return None
    contact_id = key.removeprefix(_CONTACTS_KEY)
    headers = {"AOR": contact_id.rpartition(";@")[0], "ID": contact_id}
    headers |= {header: stored.get(name, "") for header, name in _STORED.items()}
    return _contact_status_detail(Message("ContactStatusDetail", headers), at, link)


def _stored(text: str) -> dict[str, str] | None:
    """A JSON object of texts alone, as Asterisk stores its own; None for anything else."""
    if len(text) > _CONTACT_LIMIT:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return None
    # JSON can spell half a character (\ud800), which no store would take.
    return {name: value.encode("utf-8", "backslashreplace").decode() for name, value in found.items()}


def _contacts_listed(message: Message, at: int, link: Linker) -> Signal:
    return ContactsListed(at=at)


def _successful_auth(message: Message, at: int, link: Linker) -> Signal | None:
    if message.get("Service") != "PJSIP":
        return None
    # RemoteAddress: IPV4/UDP/203.0.113.7/5060
    _, _, rest = message.get("RemoteAddress").partition("/")
    transport, _, rest = rest.partition("/")
    ip = ip_of(rest.rpartition("/")[0])
    line = message.get("AccountID")
    if ip is None or not line:
        return None
    return Authenticated(
        at=at,
        line=line[:_LINE_LIMIT],
        call_id=message.get("SessionID"),
        ip=ip,
        transport=transport.lower()[:4],
    )


#: Security events that mean a refused attempt, and the cause under which they are counted.
FAILURES = {
    "ChallengeResponseFailed": "wrong_secret",
    "InvalidPassword": "wrong_secret",
    "InvalidAccountID": "unknown_account",
    "FailedACL": "address_not_permitted",
    "InvalidTransport": "transport_not_permitted",
    "AuthMethodNotAllowed": "method_not_permitted",
    "RequestNotAllowed": "request_not_permitted",
    "RequestNotSupported": "request_not_supported",
    "RequestBadFormat": "malformed",
    "UnexpectedAddress": "unexpected_address",
    "SessionLimit": "overload",
    "LoadAverageLimit": "overload",
    "MemoryLimit": "overload",
}


def _failed_attempt(message: Message, at: int, link: Linker) -> Signal | None:
    return None if message.get("Service") == "AMI" else AttemptFailed(at=at, cause=FAILURES[message.name])


def _peer_status(message: Message, at: int, link: Linker) -> Signal | None:
    technology, _, name = message.get("Peer").partition("/")
    status = message.get("PeerStatus")
    # PJSIP tells registrations by ContactStatus; its PeerStatus only says Reachable or Unreachable.
    if technology not in ("SIP", "IAX2") or not name or status not in ("Registered", "Unregistered"):
        return None
    return PeerHeard(
        at=at,
        technology=technology,
        line=name[:_LINE_LIMIT],
        contact=link(f"{technology}\n{name}"),
        ip=ip_of_host_port(message.get("Address")),
        gone=status == "Unregistered",
    )


def _peer_entry(message: Message, at: int, link: Linker) -> Signal | None:
    technology = {"SIP": "SIP", "IAX": "IAX2", "IAX2": "IAX2"}.get(message.get("Channeltype"))
    name = message.get("ObjectName").partition("/")[0]
    if technology is None or not name or message.get("Dynamic").lower() != "yes":
        return None
    ip = ip_of(message.get("IPaddress"))
    return PeerHeard(
        at=at,
        technology=technology,
        line=name[:_LINE_LIMIT],
        contact=link(f"{technology}\n{name}"),
        ip=ip,
        gone=ip is None or ip == "0.0.0.0",  # noqa: S104  (IAXpeerlist writes it for "none")
        listed=True,
    )


def _peers_listed(message: Message, at: int, link: Linker) -> Signal:
    return PeersListed(at=at)


def _response(message: Message, at: int, link: Linker) -> Signal | None:
    # The answer to SIPshowpeer is the only place where chan_sip tells a peer's device.
    if not message.get("ObjectName") or "SIP-Useragent" not in message.headers:
        return None
    return PeerDescribed(
        at=at, contact=link(f"SIP\n{message.get('ObjectName')}"), user_agent=message.get("SIP-Useragent")
    )


def _new_channel(message: Message, at: int, link: Linker) -> Signal:
    return ChannelUp(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
        number=message.get("Exten"),
    )


def _hangup(message: Message, at: int, link: Linker) -> Signal:
    return ChannelDown(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
    )


def _dial_begin(message: Message, at: int, link: Linker) -> Signal:
    return DialBegun(
        at=at,
        # A call that the PBX itself places has no caller: its leg stands for both.
        channel=link(message.get("Uniqueid") or message.get("DestUniqueid")),
        linked=link(message.get("Linkedid") or message.get("DestLinkedid")),
        line=line_of(message.get("Channel")),
        dest=link(message.get("DestUniqueid")),
        trunk=line_of(message.get("DestChannel")),
        number=number_of_dial_string(message.get("DialString")),
    )


def _dial_end(message: Message, at: int, link: Linker) -> Signal:
    return DialEnded(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid") or message.get("DestLinkedid")),
        line=line_of(message.get("Channel")),
        dest=link(message.get("DestUniqueid")),
        trunk=line_of(message.get("DestChannel")),
        status=message.get("DialStatus"),
    )


def _live_channel(message: Message, at: int, link: Linker) -> Signal:
    return LiveChannel(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
        number=message.get("Exten"),
        began_at=at - _duration_ms(message.get("Duration")),
        bridged=bool(message.get("BridgeId")),
    )


def _duration_ms(text: str) -> int:
    """``00:01:05`` in ms; 0 where it cannot be read."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return 0
    hours, minutes, seconds = map(int, parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000


def _live_channels_listed(message: Message, at: int, link: Linker) -> Signal:
    return LiveChannelsListed(at=at)


def _user_event(message: Message, at: int, link: Linker) -> Signal | None:
    subject = message.get("UserEvent")
    if subject == "Emergency":
        return _emergency(message, at, link)
    if subject == "Recording":
        return _recording(message, at, link)
    return None


_STAGES = frozenset(Stage)
_ASKS = frozenset(Ask)


def _emergency(message: Message, at: int, link: Linker) -> Signal:
    stage, attempt = message.get("Stage"), message.get("Attempt")
    return EmergencyStage(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
        stage=Stage(stage) if stage in _STAGES else Stage.STRANGE,
        call=link(message.get("Call") or message.get("Linkedid")),
        number=message.get("Number"),
        trunk=message.get("Trunk")[:_LINE_LIMIT] or None,
        attempt=int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 4 else 0,
        test=message.get("Test") == "1",
    )


def _recording(message: Message, at: int, link: Linker) -> Signal | None:
    ask, trigger = message.get("Action"), message.get("Trigger")
    if ask not in _ASKS or trigger not in _TRIGGERS:
        return None
    return RecordingAsked(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
        ask=Ask(ask),
        trigger=Trigger(trigger),
    )


_TRIGGERS = frozenset(Trigger) - {Trigger.NONE}


def _mix_monitor(message: Message, at: int, link: Linker) -> Signal | None:
    if message.name == "MixMonitorMute":
        # With one direction muted the other one is captured still.
        if message.get("Direction") in ("read", "write"):
            return None
        capture = Capture.MUTED if message.get("State") == "1" else Capture.UNMUTED
    else:
        capture = Capture.STARTED if message.name == "MixMonitorStart" else Capture.STOPPED
    return CaptureChanged(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid")),
        line=line_of(message.get("Channel")),
        capture=capture,
    )


READERS: dict[str, _Reader] = {
    "FullyBooted": _booted,
    "ContactStatus": _contact_status,
    "ContactStatusDetail": _contact_status_detail,
    "ContactStatusDetailComplete": _contacts_listed,
    "DBGetTreeResponse": _contact_stored,
    "SuccessfulAuth": _successful_auth,
    **dict.fromkeys(FAILURES, _failed_attempt),
    "PeerStatus": _peer_status,
    "PeerEntry": _peer_entry,
    "PeerlistComplete": _peers_listed,
    "Response": _response,
    "Newchannel": _new_channel,
    "DialBegin": _dial_begin,
    "DialEnd": _dial_end,
    "Hangup": _hangup,
    "CoreShowChannel": _live_channel,
    "CoreShowChannelsComplete": _live_channels_listed,
    "UserEvent": _user_event,
    "MixMonitorStart": _mix_monitor,
    "MixMonitorStop": _mix_monitor,
    "MixMonitorMute": _mix_monitor,
}

#: The first lines that are worth parsing; everything else is skipped unread.
WANTED = frozenset(name.encode() for name in READERS)


def normalise(message: Message, at: int, link: Linker) -> Signal | None:
    """The signal in ``message``, or None where it holds none.

    Its time is the event's own ``Timestamp`` (``timestampevents=yes``), else ``at``, the arrival in ms.
    """
    reader = READERS.get(message.name)
    if reader is None:
        return None
    return reader(message, from_epoch(message.get("Timestamp")) or at, link)
