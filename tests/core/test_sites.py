"""Where a phone is taken to be, and how sure that is."""

from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.records import Certainty
from agent.core.sites import Network, Site, Sites, Spot

LEEDS = Site(
    id="leeds",
    name="Example Ltd",
    building="Aire House",
    number="12A",
    street="Wellington Street",
    town="Leeds",
    county="West Yorkshire",
    postcode="LS1 4AP",
)
LONDON = Site(id="london", name="Depot", number="1-3", street="High Road", town="London", postcode="NW1 6XE", floor="G")
DUBLIN = Site(id="dublin", name="Shop", number="7", street="Main Street", town="Dublin", postcode="D02", country="IE")


def table(networks: dict[str, Spot], lines: dict[str, Spot] | None = None) -> Sites:
    return Sites(
        sites={site.id: site for site in (LEEDS, LONDON, DUBLIN)},
        networks={ip_network(text): spot for text, spot in networks.items()},
        lines=lines or {},
    )


OFFICE = table(
    {
        "10.1.0.0/16": Spot(site=LEEDS),
        "10.1.2.0/24": Spot(site=LEEDS, floor="2"),
        "10.1.3.0/24": Spot(site=LEEDS, floor="3"),
        "10.1.4.0/24": Spot(site=LEEDS, room="the lab"),
        "10.2.0.0/16": Spot(site=LONDON),
        "2001:db8:1::/48": Spot(site=LEEDS),
    },
    {
        "201": Spot(site=LEEDS, floor="2", room="2.14", confirmed=date(2026, 10, 1)),
        "202": Spot(site=LONDON, room="7"),
        "203": Spot(site=LEEDS, room="2.01"),
    },
)


@pytest.mark.parametrize(
    ("line", "ip", "certainty", "site", "home", "floor", "room", "confirmed"),
    [
        # the network is of the line's own site
        ("201", "10.1.9.9", "expected", LEEDS, None, "2", "2.14", True),
        ("201", "10.1.2.9", "expected", LEEDS, None, "2", "2.14", True),
        ("201", "2001:db8:1:2::9", "expected", LEEDS, None, "2", "2.14", True),
        ("202", "10.2.0.1", "expected", LONDON, None, "G", "7", False),
        # the same site, but another floor than on file: the room on file is not where it is
        ("201", "10.1.3.9", "expected", LEEDS, None, "3", None, False),
        ("201", "10.1.4.9", "expected", LEEDS, None, None, "the lab", False),
        # what is on file and what the network tells make one place
        ("203", "10.1.2.9", "expected", LEEDS, None, "2", "2.01", False),
        # no site on file
        ("999x", "10.1.3.9", "expected", LEEDS, None, "3", None, False),
        (None, "10.2.3.9", "expected", LONDON, None, "G", None, False),
        # another site than on file
        ("201", "10.2.0.1", "moved", LONDON, LEEDS, "G", None, False),
        ("202", "10.1.2.9", "moved", LEEDS, LONDON, "2", None, False),
        # a network that nobody knows: the address on file, if any
        ("201", "192.0.2.1", "unknown", LEEDS, None, "2", "2.14", True),
        ("201", "fe80::1%eth0", "unknown", LEEDS, None, "2", "2.14", True),
        ("202", None, "unknown", LONDON, None, "G", "7", False),
        ("999x", "192.0.2.1", "unknown", None, None, None, None, False),
        (None, None, "unknown", None, None, None, None, False),
        # no address at all
        ("201", "10.1.2.9, 10.2.0.1", "unknown", LEEDS, None, "2", "2.14", True),
        ("201", "", "unknown", LEEDS, None, "2", "2.14", True),
    ],
)
def test_where_a_phone_is(
    line: str | None,
    ip: str | None,
    certainty: str,
    site: Site | None,
    home: Site | None,
    floor: str | None,
    room: str | None,
    confirmed: bool,
) -> None:
    placed = OFFICE.place(line, ip)
    assert (placed.certainty, placed.site, placed.home) == (Certainty(certainty), site, home)
    assert (placed.floor, placed.room) == (floor, room)
    assert placed.confirmed == (date(2026, 10, 1) if confirmed else None)


def test_the_room_of_a_site_is_not_on_another_floor() -> None:
    flat = Site(id="flat", name="Flat", number="1", street="A", town="B", postcode="C", floor="1", room="3")
    sites = Sites(
        sites={"flat": flat},
        networks={ip_network("10.0.0.0/8"): Spot(site=flat), ip_network("10.9.0.0/16"): Spot(site=flat, floor="9")},
        lines={},
    )
    assert (sites.place(None, "10.0.0.1").floor, sites.place(None, "10.0.0.1").room) == ("1", "3")
    assert (sites.place(None, "10.9.0.1").floor, sites.place(None, "10.9.0.1").room) == ("9", None)


def test_a_dual_stack_socket_names_the_same_phone() -> None:
    assert OFFICE.place("201", "::ffff:10.2.0.1") == OFFICE.place("201", "10.2.0.1")
    mapped = table({"::ffff:10.2.0.0/112": Spot(site=LONDON)})
    assert mapped.place(None, "10.2.255.255").site is LONDON
    assert mapped.place(None, "10.3.0.0").site is None


def test_the_address_on_one_line() -> None:
    assert OFFICE.place("201", "10.1.2.9").address == (
        "Example Ltd, room 2.14, floor 2, Aire House, 12A Wellington Street, Leeds, West Yorkshire, LS1 4AP"
    )
    assert table({"10.0.0.0/8": Spot(site=DUBLIN)}).place(None, "10.0.0.1").address == (
        "Shop, 7 Main Street, Dublin, D02, IE"
    )
    assert OFFICE.place(None, None).address is None


def test_the_civic_address_is_in_the_order_of_its_schema() -> None:
    assert OFFICE.place("201", "10.1.2.9").civic == (
        ("country", "GB"),
        ("A2", "West Yorkshire"),
        ("A3", "Leeds"),
        ("RD", "Wellington Street"),
        ("HNO", "12"),
        ("HNS", "A"),
        ("FLR", "2"),
        ("NAM", "Example Ltd"),
        ("PC", "LS1 4AP"),
        ("BLD", "Aire House"),
        ("ROOM", "2.14"),
    )
    assert dict(OFFICE.place("202", None).civic)["HNO"] == "1-3"
    assert OFFICE.place(None, None).civic == ()


V4 = st.builds(IPv4Address, st.one_of(st.integers(0, 2**32 - 1), st.integers(0x0A010000, 0x0A0103FF)))
V6 = st.one_of(
    st.builds(IPv6Address, st.one_of(st.integers(0, 2**128 - 1), st.integers(2**125, 2**125 + 1023))),
    V4.map(lambda address: IPv6Address(0xFFFF << 32 | int(address))),
)


MAPPED = IPv6Network("::ffff:0:0/96")


@st.composite
def networks(draw: st.DrawFn) -> Network:
    address = draw(st.one_of(V4, V6))
    most = address.max_prefixlen
    length = draw(st.integers(0, most) | st.integers(most - 12, most))
    return ip_network(f"{address}/{length}", strict=False)


@st.composite
def addresses(draw: st.DrawFn, known: list[Network]) -> IPv4Address | IPv6Address:
    inside = draw(st.booleans()) and known
    if inside:
        network = draw(st.sampled_from(known))
        return network[draw(st.integers(0, min(network.num_addresses, 2**60) - 1))]
    return draw(st.one_of(V4, V6))


def naive(known: dict[Network, Spot], ip: IPv4Address | IPv6Address) -> Spot | None:
    """The standard library asked of each network in turn, with everything that is mapped as IPv4."""
    if isinstance(ip, IPv6Address) and ip in MAPPED:
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    best: tuple[int, Spot] | None = None
    for network, spot in known.items():
        if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
            network = IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        if ip in network and (best is None or network.prefixlen >= best[0]):
            best = network.prefixlen, spot
    return None if best is None else best[1]


@settings(max_examples=500, deadline=None, print_blob=True)
@given(st.data())
def test_the_longest_prefix_wins(data: st.DataObject) -> None:
    drawn = data.draw(st.lists(networks(), max_size=12))
    known = {network: Spot(site=LEEDS, floor=str(place)) for place, network in enumerate(drawn)}
    ip = data.draw(addresses(drawn))
    assert Sites(sites={"leeds": LEEDS}, networks=known, lines={}).network(str(ip)) is naive(known, ip)


@settings(max_examples=300, deadline=None, print_blob=True)
@given(st.none() | st.text(max_size=30), st.none() | st.text("0123456789.:/%af ", max_size=30) | st.text(max_size=30))
def test_no_text_breaks_it(line: str | None, ip: str | None) -> None:
    placed = OFFICE.place(line, ip)
    try:
        ip_address(ip or "")
    except ValueError:
        assert placed.certainty is Certainty.UNKNOWN
