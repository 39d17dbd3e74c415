"""Who registers: contacts, peers, authentications."""

import json
from hashlib import md5

from agent.core.instants import from_epoch
from agent.core.normalise.identity import NAME_LIMIT, Linker, Reader, ip_of, ip_of_host_port
from agent.core.signals import (
    AttemptFailed,
    Authenticated,
    Booted,
    ContactDescribed,
    ContactHeard,
    ContactsListed,
    PeerDescribed,
    PeerHeard,
    PeersListed,
    Signal,
)
from agent.core.wire import Message

#: Where Asterisk's own database keeps the PJSIP contacts (sorcery's default for them), and how long one may be.
_CONTACTS_KEY = "/registrar/contact/"
_CONTACT_LIMIT = 16_384


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
        line=(line or aor)[:NAME_LIMIT],
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
        line=(line or aor)[:NAME_LIMIT],
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
        line=line[:NAME_LIMIT],
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
        line=name[:NAME_LIMIT],
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
        line=name[:NAME_LIMIT],
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


READERS: dict[str, Reader] = {
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
}
