"""The live picture of who is registered: joins the voices into spans, and says where a line is."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from agent.core import registration
from agent.core.devices import UNKNOWN, Device, identify
from agent.core.policy import Policy
from agent.core.records import Certainty, IpSource, Registration
from agent.core.registration import Origin, Span, Whereabouts
from agent.core.signals import (
    Authenticated,
    ContactDescribed,
    ContactHeard,
    ContactsListed,
    Lookup,
    PeerDescribed,
    PeerHeard,
    PeersListed,
    Signal,
)
from agent.core.sites import Sites

#: An authentication and the contact it made are this close together.
_JOIN_MS = 5000

#: A request with a Call-ID that no contact has is an INVITE (whose channel follows at once), or a phone that began
#: its registration anew; only after this time is Asterisk asked which.
_ASK_AFTER_MS = 2000

#: How often a peer that told no device is asked about again, a tick apart.
_ASK_AGAIN = 3

#: Expiries are listed to the second: only a step of more than this shows that a contact was registered again.
_EXPIRY_STEP_MS = 1000

#: An authentication that nothing came of is forgotten after this time.
_FORGET_MS = 60_000

#: So many contacts that a full list did not hold are ended in one step, and as many with each tick: to end 100,000
#: takes half a second, and an emergency must be heard between.
_SWEPT_AT_ONCE = 1_000

#: Authentications remembered for a contact still to be described. More would be a flood, not phones.
_RECENT_LIMIT = 50_000

Output = Registration | Lookup


@dataclass(slots=True)
class Proofs:
    """What joins requests to one contact. ``contact_id`` is raw, and lives here, in memory, only; ``call_ids`` are
    hashes, keyed for the length of this run, and mostly one.

    ``expires_at`` is what Asterisk last listed, None when it has moved since; ``lasts_ms`` is how long one
    registration of this phone is good for, once a request and its expiry are both known.
    """

    contact_id: str = ""
    call_ids: tuple[int, ...] = ()
    refreshed_at: int | None = None
    expires_at: int | None = None
    lasts_ms: int | None = None
    asked_again: int = 0


@dataclass(slots=True)
class Registrar:
    """Spans by contact, and what joins them.

    There may be 100,000: each has no more objects than it needs, and few that the garbage collector looks through.
    """

    policy: Policy
    new_id: Callable[[], str]
    sites: Sites | None = None
    spans: dict[str, Span] = field(default_factory=dict)
    #: spans by vendor and certainty, kept as they change: a walk through 100,000 of them would hold up an emergency
    counts: Counter[tuple[str, Certainty | None]] = field(default_factory=Counter)
    _of_line: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _of_call_id: dict[int, str] = field(default_factory=dict)
    _proofs: dict[str, Proofs] = field(default_factory=dict)
    _recent: dict[str, Authenticated] = field(default_factory=dict)
    _last_of_line: dict[str, Authenticated] = field(default_factory=dict)
    _unexplained: dict[str, Authenticated] = field(default_factory=dict)
    _asked: dict[str, Authenticated] = field(default_factory=dict)
    _nameless: dict[str, str] = field(default_factory=dict)
    #: Contacts that nothing has proved since the session came back. A full list takes them out one by one: to look for
    #: the others among 100,000 at its end would hold up an emergency.
    _unproved: dict[str, None] = field(default_factory=dict)
    _listed_technologies: set[str] = field(default_factory=set)
    _undescribed: dict[str, int | None] = field(default_factory=dict)
    #: Contacts that a full list did not hold, and when that ended.
    _unlisted: dict[str, int] = field(default_factory=dict)

    # -- what is heard ------------------------------------------------------------------------------------------

    def hear(self, signal: Signal) -> Iterable[Output]:
        """Records and questions that ``signal`` gives rise to."""
        match signal:
            case Authenticated():
                return self._authenticated(signal)
            case ContactHeard():
                return self._contact(signal)
            case ContactDescribed():
                return self._described(signal)
            case ContactsListed():
                return self._listed("PJSIP", signal.at)
            case PeerHeard():
                return self._peer(signal)
            case PeerDescribed():
                return self._device(signal)
            case PeersListed():
                return self._all_swept(signal.at)
        return ()

    def _authenticated(self, signal: Authenticated) -> Iterator[Output]:
        span = self.spans.get(self._of_call_id.get(hash(signal.call_id), ""))
        if span is None:
            self._last_of_line.pop(signal.line, None)  # So that it stands in the order of time.
            self._last_of_line[signal.line] = signal
            self._recent[signal.call_id] = signal
            if len(self._recent) > _RECENT_LIMIT:
                del self._recent[next(iter(self._recent))]
            if signal.line in self._of_line:
                self._unexplained[signal.line] = signal
            return
        proofs = self._proofs[span.contact]
        proofs.refreshed_at = signal.at
        proofs.expires_at = None if proofs.lasts_ms is None else signal.at + proofs.lasts_ms
        if registration.comes_again(span, signal, self.policy) and (self.sites is None or span.certainty is not None):
            # Nearly all that is heard: nothing has changed but the time.
            self._unproved.pop(span.contact, None)
            again = self.spans[span.contact] = registration.refreshed(span, signal.at)
            yield registration.minimise(again)
            return
        origin = registration.origin_of_request(signal, None, self.policy)
        moved = registration.merged(span, origin=origin, device=span.device, at=signal.at)
        if moved is None:
            yield from self._succeeded(span, origin, span.device, signal.at)
        else:
            yield from self._kept(registration.refreshed(moved, signal.at))

    def _contact(self, signal: ContactHeard) -> Iterator[Output]:
        span = self.spans.get(signal.contact)
        if signal.gone:
            if span is not None:
                yield from self._ended(span, signal.at)
            return
        self._unexplained.pop(signal.line, None)
        yield Lookup(technology="PJSIP", endpoint=signal.line, contact=signal.contact_id)
        if span is None and signal.qualified and not self._lately_authenticated(signal):
            # Perhaps a trunk, its contact written into pjsip.conf, that answers again: the description will tell.
            return
        if span is None:
            # Its own word for where it is may be a private address behind a NAT; the description, asked for now, joins
            # the request's. Until then no site is told: that would be a false alarm for every such phone.
            self._undescribed[signal.contact] = None
            origin = registration.origin_of_contact(signal)
            yield from self._kept(registration.began(signal, id=self.new_id(), technology="PJSIP", origin=origin))
        else:
            self._unproved.pop(signal.contact, None)
        self._proofs[signal.contact].contact_id = signal.contact_id

    def _lately_authenticated(self, signal: ContactHeard) -> bool:
        request = self._last_of_line.get(signal.line)
        return request is not None and abs(signal.at - request.at) < _JOIN_MS

    def _described(self, signal: ContactDescribed) -> Iterator[Output]:
        request = self._request_of(signal)
        origin = registration.origin_of_contact(signal)
        if request is not None:
            behind = registration.origin_of_request(request, signal, self.policy)
            origin = behind if behind.ip is not None else origin
        device = identify(signal.user_agent)
        self._undescribed.pop(signal.contact, None)
        span = self.spans.get(signal.contact)
        if span is None:
            fresh = registration.began(signal, id=self.new_id(), technology="PJSIP", origin=origin)
            yield from self._kept(replace(fresh, device=device))
        elif (same := self._same(span, origin, device, request)) is not None:
            yield from self._kept(same)
        else:
            yield from self._succeeded(span, origin, device, signal.at)
        self._join(signal, request)

    def _same(self, span: Span, origin: Origin, device: Device, request: Authenticated | None) -> Span | None:
        at = span.last_seen if request is None else request.at
        same = registration.merged(span, origin=origin, device=device, at=at)
        # The request that made the contact is told before the contact; a later one is a refresh.
        if same is not None and request is not None and request.at > span.first_seen:
            return registration.refreshed(same, request.at)
        return same

    def _request_of(self, signal: ContactDescribed) -> Authenticated | None:
        """The REGISTER that the description is the fruit of, where it can be told."""
        if (request := self._recent.pop(signal.call_id, None)) is not None:
            return request
        # A phone that started anew: its contact keeps the old Call-ID, only the expiry has moved.
        proofs, asked = self._proofs.get(signal.contact), self._asked.get(signal.line)
        if proofs is None or asked is None or proofs.expires_at is None:
            return None
        return asked if signal.expires_at > proofs.expires_at + _EXPIRY_STEP_MS else None

    def _join(self, signal: ContactDescribed, request: Authenticated | None) -> None:
        proofs = self._proofs[signal.contact]
        if proofs.contact_id != signal.contact_id:
            proofs.contact_id = signal.contact_id
        if proofs.expires_at != signal.expires_at:
            proofs.expires_at = signal.expires_at
        call_ids = {hash(call_id) for call_id in (signal.call_id,) if call_id}
        if request is not None:
            proofs.lasts_ms = max(0, signal.expires_at - request.at)
            call_ids.add(hash(request.call_id))
            self._asked.pop(signal.line, None)
            self._recent.pop(request.call_id, None)
            for call_id in {*proofs.call_ids} - call_ids:
                self._of_call_id.pop(call_id, None)
        else:
            call_ids.update(proofs.call_ids)
        proofs.call_ids = tuple(call_ids)
        # The span's own text: that of each description would be one more for each of 100,000 phones.
        self._of_call_id.update(dict.fromkeys(call_ids, self.spans[signal.contact].contact))

    def _peer(self, signal: PeerHeard) -> Iterator[Output]:
        if signal.listed:
            self._listed_technologies.add(signal.technology)
        span = self.spans.get(signal.contact)
        if signal.gone:
            if span is not None and not signal.listed:
                yield from self._ended(span, signal.at)
            return
        if signal.technology == "SIP":
            yield Lookup(technology="SIP", endpoint=signal.line)
        origin = Origin(ip=signal.ip, source=IpSource.CONTACT, transport="udp")
        if span is None:
            yield from self._kept(
                registration.began(signal, id=self.new_id(), technology=signal.technology, origin=origin)
            )
        elif (same := registration.merged(span, origin=origin, device=span.device, at=signal.at)) is None:
            yield from self._succeeded(span, origin, span.device, signal.at)
        else:
            yield from self._kept(same if signal.listed else registration.refreshed(same, signal.at))

    def _device(self, signal: PeerDescribed) -> Iterator[Output]:
        span = self.spans.get(signal.contact)
        if span is None:
            return
        device = identify(signal.user_agent)
        proofs = self._proofs[span.contact]
        if device.vendor == UNKNOWN and proofs.asked_again < _ASK_AGAIN:
            # chan_sip tells of a registration before it has written the device down (seen on Asterisk 16).
            proofs.asked_again += 1
            self._nameless[span.contact] = span.line
        same = registration.merged(span, origin=span.origin, device=device, at=span.last_seen)
        if same is None:
            yield from self._succeeded(span, span.origin, device, signal.at)
        else:
            yield from self._kept(same)

    # -- what time and calls tell -------------------------------------------------------------------------------

    def called(self, line: str) -> None:
        """``line`` placed a call: its last unexplained request was the INVITE."""
        self._unexplained.pop(line, None)

    def tick(self, at: int) -> Iterator[Output]:
        """Ask about requests that nothing has explained; forget authentications that nothing came of; end some of what
        was not listed.

        A contact that nobody has described is placed by its own word then.
        """
        yield from self._swept()
        for contact, since in list(self._undescribed.items()):
            if since is None:  # by the clock of the ticks alone: a PBX's may be hours off
                self._undescribed[contact] = at
            elif at - since >= _JOIN_MS:
                del self._undescribed[contact]
                yield from self._replaced(self.spans[contact])
        for line, request in list(self._unexplained.items()):
            if at - request.at >= _ASK_AFTER_MS:
                self._asked[line] = self._unexplained.pop(line)
                yield from self._questions(line)
        for line in self._nameless.values():
            yield Lookup(technology="SIP", endpoint=line)
        self._nameless.clear()
        for line, request in list(self._asked.items()):
            if at - request.at >= _FORGET_MS:
                del self._asked[line]
        _forget(self._recent, at)
        _forget(self._last_of_line, at)

    def _questions(self, line: str) -> Iterator[Lookup]:
        """One for each PJSIP contact that ``line`` is known to have."""
        for contact in sorted(self._of_line.get(line, ())):
            if self.spans[contact].technology == "PJSIP":
                yield Lookup(technology="PJSIP", endpoint=line, contact=self._proofs[contact].contact_id)

    def regained(self) -> None:
        """A session listens again: only what is proved from now on is known to be registered still."""
        self._unproved = dict.fromkeys(self.spans)
        self._unlisted.clear()
        self._listed_technologies.clear()

    def registered(self, line: str) -> bool:
        """Whether a phone is registered to ``line``."""
        return bool(self._of_line.get(line))

    def restore(self, records: Iterable[Registration]) -> None:
        """Take up the open spans of an earlier run."""
        for record in records:
            span = registration.restore(record)
            self._index(span)
            self._unproved[span.contact] = None

    def relocate(self, sites: Sites | None) -> Iterator[Registration]:
        """Take another table of sites (None: there is none), and tell the open spans that it places elsewhere.

        Other signals may be heard between two of them.
        """
        self.sites = sites
        for contact in list(self.spans):
            if contact in self.spans and contact not in self._undescribed:
                yield from self._replaced(self.spans[contact])

    # -- what others ask ----------------------------------------------------------------------------------------

    def whereabouts(self, line: str, at: int, ip: str | None = None) -> Whereabouts:
        """Where ``line`` calls from at ``at``, and on what; ``ip`` where the address is known already.

        The call's own INVITE tells best, where Asterisk authenticates calls; else the contact seen last. With several
        phones on a line the device is the one registered from that address, and unknown where none is.
        """
        spans = [self.spans[contact] for contact in self._of_line.get(line, ())]
        ip = ip or self._address_of_call(line, at)
        here = [span for span in spans if ip is None or span.ip in (ip, None)]
        if not here and len(spans) == 1:
            here = spans
        if not here:
            return Whereabouts(ip=ip)
        span = max(here, key=lambda span: (span.last_seen, span.id))
        return Whereabouts(
            ip=ip or span.ip,
            vendor=span.device.vendor if span.device.vendor != UNKNOWN else None,
            model=span.device.model or None,
            since=span.first_seen,
        )

    def _address_of_call(self, line: str, at: int) -> str | None:
        request = self._last_of_line.get(line)
        if request is None or abs(at - request.at) >= _JOIN_MS or registration.is_proxy(request.ip, self.policy):
            return None
        # A contact's Call-ID is its REGISTER's, perhaps of another phone on the line.
        return None if hash(request.call_id) in self._of_call_id else request.ip

    # -- the books ----------------------------------------------------------------------------------------------

    def _put(self, span: Span) -> None:
        before = self.spans.get(span.contact)
        if before is None or (before.device, before.certainty) != (span.device, span.certainty):
            self._drop(span.contact)
            self.counts[span.device.vendor, span.certainty] += 1
        self.spans[span.contact] = span

    def _drop(self, contact: str) -> None:
        if (span := self.spans.pop(contact, None)) is not None:
            key = span.device.vendor, span.certainty
            self.counts[key] -= 1
            if not self.counts[key]:
                del self.counts[key]

    def _index(self, span: Span) -> None:
        if span.contact not in self.spans:
            self._proofs.setdefault(span.contact, Proofs())
            contacts = self._of_line.get(span.line, ())
            if span.contact not in contacts:
                self._of_line[span.line] = (*contacts, span.contact)
        self._put(span)

    def _kept(self, span: Span) -> tuple[Registration, ...]:
        before = self.spans.get(span.contact)
        if before is None or before.ip != span.ip or span.certainty is None:
            span = self._placed(span)
        if before is not span:
            self._index(span)
        self._unproved.pop(span.contact, None)
        return () if before is span else (registration.minimise(span),)

    def _placed(self, span: Span) -> Span:
        """The span at the site that the table says, or the same object."""
        site, certainty = None, None
        if self.sites is not None and span.contact not in self._undescribed:
            placement = self.sites.place(span.line, span.ip)
            certainty = placement.certainty
            site = None if placement.site is None else placement.site.id
        same = (site, certainty) == (span.site, span.certainty)
        return span if same else replace(span, site=site, certainty=certainty)

    def _replaced(self, span: Span) -> Iterator[Registration]:
        if (placed := self._placed(span)) is not span:
            self._put(placed)
            yield registration.minimise(placed)

    def _ended(self, span: Span, at: int) -> Iterator[Output]:
        self._drop(span.contact)
        self._unproved.pop(span.contact, None)
        self._undescribed.pop(span.contact, None)
        contacts = tuple(contact for contact in self._of_line[span.line] if contact != span.contact)
        if contacts:
            self._of_line[span.line] = contacts
        else:
            del self._of_line[span.line]
            self._last_of_line.pop(span.line, None)
        proofs = self._proofs.pop(span.contact)
        for call_id in proofs.call_ids:
            self._of_call_id.pop(call_id, None)
        yield registration.minimise(registration.ended(span, at, proofs.refreshed_at))

    def _succeeded(self, span: Span, origin: Origin, device: Device, at: int) -> Iterator[Output]:
        yield registration.minimise(registration.ended(span, at))
        yield from self._kept(registration.successor(span, id=self.new_id(), origin=origin, device=device, at=at))

    def _all_swept(self, at: int) -> Iterator[Output]:
        for technology in sorted(self._listed_technologies):
            yield from self._listed(technology, at)
        self._listed_technologies.clear()

    def _listed(self, technology: str, at: int) -> Iterator[Output]:
        """End what a full list, taken since the session came back, did not prove."""
        for contact in self._unproved:
            if self.spans[contact].technology == technology:
                self._unlisted[contact] = at
        yield from self._swept()

    def _swept(self) -> Iterator[Output]:
        for contact, at in list(islice(self._unlisted.items(), _SWEPT_AT_ONCE)):
            del self._unlisted[contact]
            if contact in self._unproved:
                yield from self._ended(self.spans[contact], at)


def _forget(requests: dict[str, Authenticated], at: int) -> None:
    """Of ``requests``, oldest first, drop those that nothing came of for too long."""
    while requests:
        key, request = next(iter(requests.items()))
        if at - request.at < _FORGET_MS:
            break
        del requests[key]
