"""The registration span: one contact of a line, from one address, with one device, first seen to ended.

A span is told by four voices, none of which tells all (Asterisk 16 to 22):

    ContactStatus                   a contact came or went; its URI's address may be a private one behind a NAT
    SuccessfulAuth (security)       the address that the request really came from, joined by the SIP Call-ID
    ContactStatusDetail (asked for) the device, the Call-ID, the phone's own Via; DBGetTreeResponse: the same
    PeerStatus (chan_sip, IAX2)     a peer registered, from an address; the device has to be asked for

A better address replaces a worse one within the span; a *different* address of the same quality, or another device,
ends the span and begins a new one.
"""

from dataclasses import dataclass, replace
from ipaddress import ip_address
from sys import intern

from agent.core.devices import UNKNOWN, Device, identify, known
from agent.core.policy import Policy
from agent.core.records import Certainty, IpSource, Registration
from agent.core.signals import Authenticated, ContactDescribed, ContactHeard, PeerDescribed, PeerHeard

_UNKNOWN = Device(vendor=UNKNOWN)
_QUALITY = {IpSource.CONTACT: 0, IpSource.PROXY: 1, IpSource.SECURITY: 2}

#: A REGISTER that removes a contact is authenticated as well; within this time its proof is no refresh.
_REMOVAL_MS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a registration came from, and how that is known."""

    ip: str | None
    source: IpSource
    transport: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a line is, as far as its registration tells."""

    ip: str | None = None
    vendor: str | None = None
    model: str | None = None
    #: when that registration began, where there is one
    since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span; ``contact`` is the keyed hash of the contact, times are ms since 1970 UTC.

    ``site`` is the id of the site that the phone is taken to be at; ``certainty`` is None where no table tells.
    """

    id: str
    contact: str
    technology: str
    line: str
    # Not an `Origin`: that is an object more for each of 100,000 phones.
    ip: str | None
    source: IpSource
    transport: str | None
    device: Device = _UNKNOWN
    first_seen: int
    last_seen: int
    refreshes: int = 0
    ended_at: int | None = None
    site: str | None = None
    certainty: Certainty | None = None

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return Origin(ip=self.ip, source=self.source, transport=self.transport)


def origin_of_contact(signal: ContactHeard | ContactDescribed) -> Origin:
    """What the contact's own URI says: the worst evidence, and the only one after a restart."""
    return Origin(ip=signal.ip, source=IpSource.CONTACT, transport=signal.transport)


def origin_of_request(signal: Authenticated, described: ContactDescribed | None, policy: Policy) -> Origin:
    """Where the request came from; behind one of the operator's proxies, the phone's own Via."""
    if not is_proxy(signal.ip, policy):
        return Origin(ip=signal.ip, source=IpSource.SECURITY, transport=signal.transport)
    behind = None
    if described is not None:
        candidates = (described.via_ip, described.ip)
        behind = next((ip for ip in candidates if ip is not None and not is_proxy(ip, policy)), None)
    return Origin(ip=behind, source=IpSource.PROXY, transport=signal.transport)


def is_proxy(ip: str, policy: Policy) -> bool:
    """Whether ``ip`` is one of the configured SIP proxies."""
    if not policy.proxies:
        return False
    address = ip_address(ip)
    return any(address in network for network in policy.proxies)


def began(signal: ContactHeard | ContactDescribed | PeerHeard, *, id: str, technology: str, origin: Origin) -> Span:
    """A new span at ``signal``."""
    return Span(
        id=id,
        contact=signal.contact,
        technology=technology,
        line=signal.line,
        ip=origin.ip,
        source=origin.source,
        transport=origin.transport,
        first_seen=signal.at,
        last_seen=signal.at,
    )


def with_device(span: Span, signal: ContactDescribed | PeerDescribed) -> Span:
    """The span with the device in ``signal``."""
    device = identify(signal.user_agent)
    return span if device == span.device else replace(span, device=device)


def merged(span: Span, *, origin: Origin, device: Device, at: int) -> Span | None:
    """``span`` with better evidence in it, or None where the evidence is of another span."""
    if UNKNOWN not in (span.device.vendor, device.vendor) and device != span.device:
        return None
    device = span.device if device.vendor == UNKNOWN else device
    kept, told = span.origin, origin
    if told.ip is None or _QUALITY[told.source] < _QUALITY[kept.source]:
        told = kept
    elif told.ip != kept.ip and kept.ip is not None and _QUALITY[told.source] == _QUALITY[kept.source]:
        return None
    if told == kept and device == span.device and at <= span.last_seen:
        return span
    return replace(_from(span, told), device=device, last_seen=max(span.last_seen, at))


def comes_again(span: Span, signal: Authenticated, policy: Policy) -> bool:
    """Whether this request came from where the span is, with nothing between; `merged` would change only its time."""
    return (
        span.ip == signal.ip
        and span.source is IpSource.SECURITY
        and span.transport == signal.transport
        and not is_proxy(signal.ip, policy)
    )


def refreshed(span: Span, at: int) -> Span:
    """The span proved once more."""
    return Span(  # As `replace` would, which takes three times as long: nothing else happens so often.
        id=span.id,
        contact=span.contact,
        technology=span.technology,
        line=span.line,
        ip=span.ip,
        source=span.source,
        transport=span.transport,
        device=span.device,
        first_seen=span.first_seen,
        last_seen=max(span.last_seen, at),
        refreshes=span.refreshes + 1,
        ended_at=span.ended_at,
        site=span.site,
        certainty=span.certainty,
    )


def ended(span: Span, at: int, refreshed_at: int | None = None) -> Span:
    """The span, over at ``at``; the request that removed it (``refreshed_at``) was no refresh."""
    undone = refreshed_at is not None and 0 <= at - refreshed_at < _REMOVAL_MS and span.refreshes > 0
    return replace(span, ended_at=max(at, span.last_seen), refreshes=span.refreshes - undone)


def successor(span: Span, *, id: str, origin: Origin, device: Device, at: int) -> Span:
    """The span that follows ``span`` on the same contact, with another address or device."""
    return replace(
        _from(span, origin),
        id=id,
        device=span.device if device.vendor == UNKNOWN else device,
        first_seen=at,
        last_seen=at,
        refreshes=0,
    )


def minimise(span: Span) -> Registration:
    """What is kept of ``span``: nothing else of the REGISTER."""
    return Registration(
        id=span.id,
        line=span.line,
        ip=span.ip,
        ip_source=span.source,
        transport=span.transport,
        vendor=span.device.vendor,
        model=span.device.model,
        firmware=span.device.firmware,
        first_seen=span.first_seen,
        last_seen=span.last_seen,
        refreshes=span.refreshes,
        ended_at=span.ended_at,
        links=() if span.ended_at is not None else (f"{span.technology}:{span.contact}",),
        site=span.site,
        certainty=span.certainty,
    )


def restore(record: Registration) -> Span:
    """The span of an open ``record``; what 100,000 of them have in common is one object."""
    technology, _, contact = (record.links[0] if record.links else "PJSIP:").partition(":")
    return Span(
        id=record.id,
        contact=contact,
        technology=intern(technology),
        line=record.line,
        ip=record.ip,
        source=record.ip_source,
        transport=None if record.transport is None else intern(record.transport),
        device=known(record.vendor, record.model, record.firmware),
        first_seen=record.first_seen,
        last_seen=record.last_seen,
        refreshes=record.refreshes,
        site=record.site,
        certainty=record.certainty,
    )


def _from(span: Span, origin: Origin) -> Span:
    return replace(span, ip=origin.ip, source=origin.source, transport=origin.transport)
