"""The table of sites, networks and lines: which address the emergency services are given for a phone."""

import re
from collections import Counter
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from agent.config import tables
from agent.config.model import Config, Key, Section
from agent.config.tables import Unlisted, whole
from agent.config.values import Unfit, matching
from agent.core.sites import Network, Site, Sites, Spot, unmapped

#: The shapes that the Royal Mail's guide for programmers gives, with the letters that each place can have.
_POSTCODE = re.compile(
    r"([A-PR-UWYZ](?:[0-9]{1,2}|[0-9][A-HJKPSTUW]|[A-HK-Y][0-9]{1,2}|[A-HK-Y][0-9][ABEHMNPRVWXY]))"
    r" ?([0-9][ABD-HJLNP-UW-Z]{2})"
)


def _text(most: int) -> BeforeValidator:
    """A text that can be read aloud and put into XML: 1 to ``most`` printable characters, no space around it."""

    def check(value: object) -> str:
        if not isinstance(value, str) or not value.isprintable() or value != value.strip() or not value:
            raise ValueError
        if len(value) > most:
            raise Unfit(f"at most {most} characters, not {len(value)}")
        return value

    return BeforeValidator(check)


def _words(meaning: str, most: int, example: str) -> Key:
    return Key(meaning=meaning, takes=f"1 to {most} printable characters, without space around them", example=example)


def _site(value: object, info: ValidationInfo) -> str:
    if not isinstance(value, str):
        raise ValueError
    if value not in (known := whole(info).names("sites")):
        raise Unlisted("sites", known)
    return value


def _network(value: object, info: ValidationInfo) -> Network:
    """The network of a text in CIDR notation, or of one address; each once in the file."""
    text = str(value)
    network = ip_network(text, strict=False)
    if network.prefixlen == 0:
        raise Unfit("a narrower network: in this one every address there is would be at the site")
    if int(network.network_address) != int(ip_network(text.partition("/")[0]).network_address):
        raise Unfit(f"a network without host bits: {network}")
    network = unmapped(network)
    if (first := whole(info).taken.setdefault(network, text)) != text:
        raise Unfit(f"each network once: {first} is the same")
    return network


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [value for value, count in Counter(values).items() if count > 1]:
        raise Unfit(f"each trunk once, {twice[0]} is there again")
    return values


def _postcode(value: str, info: ValidationInfo) -> str:
    """A postcode as it is written, in capitals and with its space; that of another country as it is."""
    if info.data.get("country") != "GB":
        return value
    found = _POSTCODE.fullmatch(value.upper())
    if found is None:
        raise Unfit('a UK postcode, in full (or country = "…" beside it, in two letters, if it is not in the UK)')
    return f"{found[1]} {found[2]}"


def _or_building(number: str | None, info: ValidationInfo) -> str | None:
    if number is None and info.data.get("building", "") is None:
        raise PydanticCustomError("missing", "no number and no building")
    return number


_Floor = Annotated[Annotated[str, _text(20)] | None, _words("The floor.", 20, '"2"')]
_Room = Annotated[Annotated[str, _text(20)] | None, _words("The room.", 20, '"2.14"')]
_AtSite = Annotated[
    str,
    BeforeValidator(_site),
    Key(meaning="The site.", takes="the name of a table [sites.…] of this file", example='"leeds"'),
]


class SiteEntry(Section):
    """A place with an address."""

    name: Annotated[str, _text(60), _words("What the place is called.", 60, '"Leeds office"')]
    building: Annotated[Annotated[str, _text(60)] | None, _words("The building.", 60, '"Aire House"')] = None
    number: Annotated[
        Annotated[str, _text(20)] | None,
        AfterValidator(_or_building),
        Field(validate_default=True),
        Key(
            meaning="The number in the street.",
            takes="1 to 20 printable characters, without space around them, or building in its place",
            example='"12"',
        ),
    ] = None
    street: Annotated[str, _text(60), _words("The street.", 60, '"Wellington Street"')]
    town: Annotated[str, _text(60), _words("The town, or village.", 60, '"Leeds"')]
    county: Annotated[Annotated[str, _text(60)] | None, _words("The county.", 60, '"West Yorkshire"')] = None
    country: Annotated[
        str,
        matching(r"[A-Z]{2}"),
        Key(meaning="The country.", takes="the two capital letters of ISO 3166-1", example='"GB"'),
    ] = "GB"
    postcode: Annotated[str, _text(16), AfterValidator(_postcode), _words("The postcode, in full.", 16, '"LS1 4AP"')]
    floor: _Floor = None
    room: _Room = None
    contact: Annotated[
        Annotated[str, _text(200)] | None,
        _words("Who lets help in, and how.", 200, '"Reception, 0113 496 0000; at night the porter at the back"'),
    ] = None
    trunks: Annotated[
        tuple[Annotated[str, matching(r"[0-9A-Za-z._-]{1,80}")], ...],
        Field(strict=False),  # TOML has arrays, no tuples
        AfterValidator(_each_once),
        Key(
            meaning="The emergency trunks that the dialplan tries for the site: they are watched. It routes nothing.",
            takes="names of endpoints, of letters, digits and . _ - only, each in quotes",
            example='["emergency-leeds"]',
        ),
    ] = ()
    cli: Annotated[
        Annotated[str, matching(r"\+[1-9][0-9]{6,14}")] | None,
        Key(
            meaning="The number that the dialplan shows the emergency services for the site: it is compared with the"
            " carrier's address export. It sets nothing.",
            takes="a number in E.164, + and 7 to 15 digits",
            example='"+441134960000"',
        ),
    ] = None


class NetworkEntry(Section):
    """Where the phones of a network are."""

    site: _AtSite
    floor: _Floor = None
    room: _Room = None


class LineEntry(NetworkEntry):
    """Where the phone of a line is, as far as is known."""

    confirmed: Annotated[
        date | None,
        Key(
            meaning="The day on which somebody made sure of it.",
            takes="a date without quotes",
            example="2026-10-01",
        ),
    ] = None


class SitesFile(Section):
    """The whole file."""

    sites: dict[
        Annotated[
            str,
            matching(r"[0-9A-Za-z_-]{1,40}"),
            Key(meaning="A site.", takes="1 to 40 letters, digits, _ and - for a name", example="[sites.leeds]"),
        ],
        SiteEntry,
    ] = Field(default_factory=dict)
    networks: dict[
        Annotated[
            IPv4Network | IPv6Network,
            BeforeValidator(_network),
            Key(
                meaning="A network.",
                takes="a network in CIDR notation or an address, in quotes",
                example='"10.1.2.0/24" = { site = "leeds" }',
            ),
        ],
        NetworkEntry,
    ] = Field(default_factory=dict)
    lines: dict[
        Annotated[
            str,
            matching(r"[!-~]{1,80}"),
            Key(
                meaning="A line.",
                takes="the name of an endpoint, 1 to 80 printable ASCII characters without a space",
                example='"201" = { site = "leeds" }',
            ),
        ],
        LineEntry,
    ] = Field(default_factory=dict)


def of(config: Config) -> Sites | None:
    """Where phones are, as far as that is configured.

    Raises:
        ConfigError: the table of sites cannot be used.
    """
    return None if config.emergency.sites_file is None else load(config.emergency.sites_file)


def load(path: Path) -> Sites:
    """Read the table at ``path``.

    Raises:
        ConfigError: with every mistake there is.
    """
    file = tables.load(path, SitesFile)
    sites = {id: Site(id=id, **dict(entry)) for id, entry in file.sites.items()}
    return Sites(
        sites=sites,
        networks={network: _spot(sites, entry) for network, entry in file.networks.items()},
        lines={line: _spot(sites, entry, entry.confirmed) for line, entry in file.lines.items()},
    )


def _spot(sites: dict[str, Site], entry: NetworkEntry, confirmed: date | None = None) -> Spot:
    return Spot(site=sites[entry.site], floor=entry.floor, room=entry.room, confirmed=confirmed)
