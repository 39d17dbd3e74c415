"""Phones that are not where their address says, gathered by place: a storm of them is a handful of alarms.

A provider's 10,000 phones may all register from somewhere else within a minute; 10,000 notices would hide the next
999. So there is one alarm a *place* (a site that has phones of other sites in it, or a network that is at no site),
and at most ``PLACES`` places at a time; whatever is elsewhere counts into one more. What comes to a place is told:

    the first phones                    when they have been there for ``SETTLE_MS``: an address may still be corrected
    more phones at a place that was told   gathered for 1 min, then 2, 4, … at most 15 min, from the last telling on
    phones that went, and came back     not at all; the last one gone clears the alarm

A line is told once for as long as its place has an alarm, however often its phone registers anew. So the notices are
bounded by places and time, never by phones, and yet no line is forgotten.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network

from agent.core.records import Certainty, Registration

PLACES = 16
ELSEWHERE = "(elsewhere)"
NOWHERE = "(no address)"

SETTLE_MS = 3_000
GATHER_MS, LONGEST_MS = 60_000, 900_000

#: How much of an address tells one network from the next: what an office, or a home, mostly has of its own.
_PREFIX = {4: 24, 6: 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is to be said of a place now; ``what`` is None when nobody is there any more."""

    subject: str
    what: str | None
    grown: bool


@dataclass(slots=True)
class Place:
    """Lines at one place, with their registrations' ids; ``fresh`` are those not told yet, and since when."""

    subject: str
    lines: dict[str, set[str]] = field(default_factory=dict)
    fresh: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    told_at: int = 0
    tellings: int = 0
    changed: bool = False

    @property
    def what(self) -> str:
        """One line for the desk, without any of the lines."""
        count = len(self.lines)
        phones, are = ("phone", "is") if count == 1 else ("phones", "are")
        if self.subject == ELSEWHERE:
            return f"{count} {phones} at further places {are} not where the address on file says"
        if self.subject == NOWHERE or "/" in self.subject:
            return f"{count} {phones} {are} in a network that is at no known site"
        return f"{count} {phones} {are} at a site that is not the one on file"


@dataclass(slots=True)
class Strays:
    """Who is where he was not expected."""

    places: dict[str, Place] = field(default_factory=dict)
    _of: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def placed(self, registration: Registration, at: int) -> None:
        """Where one phone is now; nothing is told before `tick`."""
        if registration.certainty is None and registration.id not in self._of:
            return
        wanted = _subject(registration)
        known = self._of.get(registration.id)
        if wanted == (None if known is None else known[1]):
            return
        if known is not None:
            self._left(registration.id, *known)
        if wanted is not None:
            full = wanted not in self.places and len(self.places) >= PLACES
            self._joined(registration.id, registration.line, wanted, ELSEWHERE if full else wanted, at)

    def _joined(self, id: str, line: str, wanted: str, subject: str, at: int) -> None:
        place = self.places.setdefault(subject, Place(subject=subject))
        place.lines.setdefault(line, set()).add(id)
        place.changed = True
        if line not in place.told:
            place.fresh.setdefault(line, at)
        self._of[id] = (line, wanted, subject)

    def _left(self, id: str, line: str, wanted: str, subject: str) -> None:  # noqa: ARG002
        del self._of[id]
        place = self.places[subject]
        place.lines[line].discard(id)
        place.changed = True
        if not place.lines[line]:
            del place.lines[line]
            place.fresh.pop(line, None)

    def tick(self, at: int) -> Iterator[Finding]:
        """What is to be told at ``at``."""
        for subject, place in self.places.items():
            if not place.lines:
                if place.changed:
                    place.changed = False
                    yield Finding(subject=subject, what=None, grown=False)
            elif place.fresh or place.changed:
                yield from self._gathered(subject, place, at)

    def _gathered(self, subject: str, place: Place, at: int) -> Iterator[Finding]:
        ripe = [line for line, since in place.fresh.items() if not 0 <= at - since < SETTLE_MS]
        if place.told and 0 <= at - place.told_at < min(GATHER_MS << min(max(place.tellings - 1, 0), 8), LONGEST_MS):
            return
        if ripe:
            long_ago = at - place.told_at >= LONGEST_MS
            place.tellings = 1 if long_ago else place.tellings + 1
            place.told_at = at
            place.told.update(ripe)
            for line in ripe:
                del place.fresh[line]
        if place.told:
            place.changed = False
            yield Finding(subject=subject, what=place.what, grown=bool(ripe))

    def lines(self, subject: str) -> tuple[str, ...]:
        """The lines at a place, sorted."""
        place = self.places.get(subject)
        return () if place is None else tuple(sorted(place.lines))

    def forget(self, subject: str) -> None:
        """The alarm of a place is over: an empty one is forgotten, and what comes there next is told anew."""
        place = self.places.get(subject)
        if place is not None and not place.lines:
            del self.places[subject]

    def restored(self, subject: str, what: str) -> None:
        """An earlier run told ``what`` of a place: where that is still so, everybody there was told of."""
        place = self.places.get(subject)
        if place is not None and place.what == what:
            place.told.update(place.lines)
            place.fresh.clear()
            place.changed = False


def _subject(registration: Registration) -> str | None:
    """The place that ``registration`` counts to; None where all is well, nothing is known, or the phone is gone."""
    if registration.ended_at is not None:
        return None
    match registration.certainty:
        case Certainty.MOVED:
            return registration.site or NOWHERE
        case Certainty.UNKNOWN:
            return network(registration.ip)
        case _:
            return None


def network(ip: str | None) -> str:
    """The network around ``ip``: its first 24 bits, of version 6 its first 48."""
    if ip is None:
        return NOWHERE
    try:
        address = ip_address(ip)
    except ValueError:
        return NOWHERE
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ip_network((address.packed, _PREFIX[address.version]), strict=False))
