"""Where a phone is, and how sure that is: its network's site against the one that its line has on file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from agent.core.records import Certainty

Network = IPv4Network | IPv6Network

_HOUSE = re.compile(r"([0-9]+) ?([A-Za-z]?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place with an address, as help would be sent to it.

    ``contact`` says who lets help in; ``trunks`` are the site's own emergency trunks, empty for the usual ones; ``cli``
    (E.164) is the number that the emergency services are shown; ``country`` is in ISO 3166-1 alpha-2. ``floor`` and
    ``room`` hold where neither a network nor a line says better.
    """

    id: str
    name: str
    number: str | None = None
    building: str | None = None
    street: str
    town: str
    county: str | None = None
    postcode: str
    country: str = "GB"
    floor: str | None = None
    room: str | None = None
    contact: str | None = None
    trunks: tuple[str, ...] = ()
    cli: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place within a site; ``confirmed`` is the day on which somebody last made sure that it is right."""

    site: Site
    floor: str | None = None
    room: str | None = None
    confirmed: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a phone is taken to be.

    ``certainty`` is None where there is no table to tell by. ``home`` is the line's own site where the phone was seen
    at another, ``site``. ``confirmed`` is the day on which the line's address on file was confirmed, None where the
    placement does not rest on it.
    """

    site: Site | None = None
    floor: str | None = None
    room: str | None = None
    certainty: Certainty | None = None
    home: Site | None = None
    confirmed: date | None = None

    @property
    def address(self) -> str | None:
        """The address on one line, from the inside out; None without a site."""
        if (site := self.site) is None:
            return None
        inside = [f"{what} {value}" for what, value in (("room", self.room), ("floor", self.floor)) if value]
        street = f"{site.number} {site.street}" if site.number else site.street
        country = None if site.country == "GB" else site.country
        parts = [site.name, *inside, site.building, street, site.town, site.county, site.postcode, country]
        return ", ".join(part for part in parts if part)

    @property
    def civic(self) -> tuple[tuple[str, str], ...]:
        """The elements of a PIDF-LO civicAddress (RFC 4119, RFC 5139), name and text, in the order of its schema.

        A2 is the county, A3 the town, HNO the house number's digits, HNS the letter after them (RFC 4119, 2.2.1).
        """
        return tuple((name, text) for name, text in self._elements() if text)

    def _elements(self) -> Iterator[tuple[str, str | None]]:
        if (site := self.site) is None:
            return
        house = _HOUSE.fullmatch(site.number or "")
        yield "country", site.country
        yield "A2", site.county
        yield "A3", site.town
        yield "RD", site.street
        yield "HNO", house[1] if house else site.number
        yield "HNS", house[2] if house else None
        yield "FLR", self.floor
        yield "NAM", site.name
        yield "PC", site.postcode
        yield "BLD", site.building
        yield "ROOM", self.room


#: By how far an address is shifted right, the longest prefix first: what is left of the network's → where it is.
_Prefixes = tuple[tuple[int, dict[int, Spot]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """The table of sites by id, of networks, and of lines with an address on file."""

    sites: Mapping[str, Site]
    networks: Mapping[Network, Spot]
    lines: Mapping[str, Spot]
    _prefixes: dict[int, _Prefixes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[int, dict[int, dict[int, Spot]]] = {4: {}, 6: {}}
        for network, spot in self.networks.items():
            network = unmapped(network)
            shift = network.max_prefixlen - network.prefixlen
            found[network.version].setdefault(shift, {})[int(network.network_address) >> shift] = spot
        prefixes = {version: tuple(sorted(by.items(), key=lambda item: item[0])) for version, by in found.items()}
        object.__setattr__(self, "_prefixes", prefixes)

    def place(self, line: str | None, ip: str | None) -> Placement:
        """Where the phone of ``line`` is that is heard from ``ip``; either may be None, or not in the table.

        The longest prefix wins. A network says where a phone is, down to the floor where it tells one; what the line
        has on file fills in the rest only at the same site.
        """
        home = self.lines.get(line) if line is not None else None
        here = self.network(ip) if ip is not None else None
        if here is None:
            at, certainty = home, Certainty.UNKNOWN
        elif home is None or home.site.id == here.site.id:
            at, certainty = _joined(here, home), Certainty.EXPECTED
        else:
            at, certainty = here, Certainty.MOVED
        if at is None:
            return Placement(certainty=certainty)
        floor = at.floor or at.site.floor
        return Placement(
            site=at.site,
            floor=floor,
            room=at.room or (at.site.room if floor == at.site.floor else None),
            certainty=certainty,
            home=home.site if home is not None and certainty is Certainty.MOVED else None,
            confirmed=at.confirmed,
        )

    def network(self, ip: str) -> Spot | None:
        """The place of the narrowest network that ``ip`` is in; None for a text that is no address."""
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        number = int(address)
        for shift, spots in self._prefixes[address.version]:
            if (spot := spots.get(number >> shift)) is not None:
                return spot
        return None


def _joined(here: Spot, home: Spot | None) -> Spot:
    """The place at one site that both tell of; where they contradict the network is right, for that is seen."""
    if home is None or _differ(here.floor, home.floor) or _differ(here.room, home.room):
        return here
    if here.floor in (None, home.floor) and here.room in (None, home.room):
        return home
    return replace(home, floor=home.floor or here.floor, room=home.room or here.room)


def _differ(seen: str | None, filed: str | None) -> bool:
    return seen is not None and filed is not None and seen != filed


def unmapped(network: Network) -> Network:
    """The same network in IPv4 where it is one of IPv4-mapped IPv6 addresses (RFC 4291, 2.5.5.2)."""
    if isinstance(network, IPv6Network) and network.prefixlen >= 96:
        first = network.network_address.ipv4_mapped
        if first is not None:
            return IPv4Network((int(first), network.prefixlen - 96))
    return network
