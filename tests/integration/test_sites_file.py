"""The table of sites is read whole, or every mistake in it is told with its line."""

import os
import traceback
from datetime import date
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import ConfigError, Mistake
from agent.config.sites import load
from agent.config.tables import MOST_MISTAKES
from agent.core.records import Certainty

ROOT = Path(__file__).parents[2]

LEEDS = """\
[sites.leeds]
name = "Leeds office"
number = "12"
street = "Wellington Street"
town = "Leeds"
postcode = "LS1 4AP"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sites.toml"


def mistakes(path: Path) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert len(str(error).split("\n")) == len(error.mistakes)
    assert all(str(each).isprintable() and len(str(each)) < 600 for each in error.mistakes)
    assert "pydantic" not in "".join(traceback.format_exception_only(error))
    return error.mistakes


def test_the_example() -> None:
    sites = load(ROOT / "docker" / "sites.toml.example")
    assert set(sites.sites) == {"leeds", "london", "dublin"}
    leeds = sites.sites["leeds"]
    assert (leeds.name, leeds.county, leeds.cli) == ("Example Ltd, Leeds", "West Yorkshire", "+441134960000")
    assert leeds.trunks == ("emergency-leeds", "emergency-london")
    assert leeds.contact is not None
    assert sites.lines["201"].confirmed == date(2026, 10, 1)
    assert sites.place("201", "10.1.2.65").room == "2.14"
    assert sites.place("201", "10.1.2.3").certainty is Certainty.EXPECTED
    assert sites.place("201", "10.2.0.1").certainty is Certainty.MOVED
    assert sites.place("201", "198.51.100.1").certainty is Certainty.UNKNOWN
    assert sites.place("nobody", "203.0.113.7").site is sites.sites["dublin"]


def test_an_empty_file_is_a_table_of_nothing(file: Path) -> None:
    file.touch()
    assert load(file).place("201", "10.0.0.1").certainty is Certainty.UNKNOWN


@pytest.mark.parametrize(
    ("postcode", "kept"),
    [
        ("M1 1AE", "M1 1AE"),
        ("B33 8TH", "B33 8TH"),
        ("W1A 1AA", "W1A 1AA"),
        ("N1P 3AA", "N1P 3AA"),
        ("CR2 6XH", "CR2 6XH"),
        ("DN55 1PT", "DN55 1PT"),
        ("EC1A 1BB", "EC1A 1BB"),
        ("SW1Y 4AH", "SW1Y 4AH"),
        ("BT1 5GS", "BT1 5GS"),
        ("ec1a1bb", "EC1A 1BB"),
    ],
)
def test_a_postcode_is_kept_as_the_post_writes_it(file: Path, postcode: str, kept: str) -> None:
    file.write_text(LEEDS.replace("LS1 4AP", postcode))
    assert load(file).sites["leeds"].postcode == kept


@pytest.mark.parametrize(
    "postcode",
    # a half one; letters that no such place has; too short; too long; a zero for an O; other digits; more behind
    "LS1|QS1 4AP|LI1 4AP|W1I 1AA|EC1Z 1BB|LS1 4CP|LS1 4A|LS111 4AP|LS1 OAP|LS１ 4AP|LS1  4AP|D02 X285|GIR 0AA".split(
        "|"
    ),
)
def test_a_postcode_that_is_none(file: Path, postcode: str) -> None:
    file.write_text(LEEDS.replace("LS1 4AP", postcode))
    (mistake,) = mistakes(file)
    assert (mistake.line, mistake.key) == (6, "sites.leeds.postcode")
    assert "expected a UK postcode, in full" in mistake.expected
    file.write_text(LEEDS.replace("LS1 4AP", postcode) + 'country = "IE"\n')
    assert load(file).sites["leeds"].postcode == postcode


SITE = LEEDS.count("\n") + 1


@pytest.mark.parametrize(
    ("more", "line", "key", "told"),
    [
        ('cli = "0113 496 0000"\n', SITE, "sites.leeds.cli", "expected a number in E.164, + and 7 to 15 digits."),
        ('cli = "+0113496000"\n', SITE, "sites.leeds.cli", "found '+0113496000'"),
        ("cli = 441134960000\n", SITE, "sites.leeds.cli", "found 441134960000"),
        ('cli = "+44113496000012345"\n', SITE, "sites.leeds.cli", "E.164"),
        ('trunks = "trunk-a"\n', SITE, "sites.leeds.trunks", "found 'trunk-a'; expected names of endpoints"),
        ('trunks = ["a", "b,c"]\n', SITE, "sites.leeds.trunks", "found 'b,c'; expected names of endpoints"),
        ('trunks = ["${X}"]\n', SITE, "sites.leeds.trunks", "found '${X}'"),
        ('trunks = ["a", "b", "a"]\n', SITE, "sites.leeds.trunks", "each trunk once, a is there again"),
        ('county = ""\n', SITE, "sites.leeds.county", "found ''; expected 1 to 60 printable characters"),
        ('county = " x"\n', SITE, "sites.leeds.county", "found ' x'"),
        ('county = "a\\nb"\n', SITE, "sites.leeds.county", "found 'a\\nb'"),
        ('county = "a\\u0000b"\n', SITE, "sites.leeds.county", "found 'a\\x00b'"),
        ('county = "a\\u202Eb"\n', SITE, "sites.leeds.county", "found 'a\\u202eb'"),
        ("county = 1\n", SITE, "sites.leeds.county", "found 1"),
        (f'county = "{"x" * 61}"\n', SITE, "sites.leeds.county", "expected at most 60 characters, not 61"),
        (f'contact = "{"x" * 201}"\n', SITE, "sites.leeds.contact", "expected at most 200 characters, not 201"),
        (f'floor = "{"x" * 21}"\n', SITE, "sites.leeds.floor", "expected at most 20 characters, not 21"),
        ("floor = 2\n", SITE, "sites.leeds.floor", "found 2; expected 1 to 20 printable characters"),
        ('country = "gb"\n', SITE, "sites.leeds.country", "the two capital letters of ISO 3166-1"),
        ('postcod = "x"\n', SITE, "sites.leeds.postcod", "unknown key; did you mean `postcode`? Example: postcode ="),
        ("zzz = 1\n", SITE, "sites.leeds.zzz", "unknown key; known are name, building, number, street, town,"),
        ("[sitez]\n", SITE, "sitez", "unknown table; did you mean [sites]?"),
        ("[zzz]\n", SITE, "zzz", "unknown table; known are sites, networks, lines."),
        ("[sites.'a b']\n" + LEEDS.partition("\n")[2], SITE, "sites.'a b'", "1 to 40 letters, digits, _ and -"),
        ('[networks]\n"10.1.2.0/24" = "leeds"\n', SITE + 1, "networks.'10.1.2.0/24'", "'leeds' in place of a table;"),
        (
            '[networks]\n"10.1.2.0/24" = {}\n',
            SITE + 1,
            "networks.'10.1.2.0/24'.site",
            "it is missing; expected the name",
        ),
        (
            '[networks]\n"10.1.2.0/24" = { site = "leds" }\n',
            SITE + 1,
            "networks.'10.1.2.0/24'.site",
            "found 'leds', none of the sites; did you mean leeds?",
        ),
        (
            '[networks."10.1.2.0/24"]\n\nsite = "york"\n',
            SITE + 2,
            "networks.'10.1.2.0/24'.site",
            "found 'york', none of the sites; they are leeds.",
        ),
        (
            '[networks]\n"10.1.2.0/24" = { site = ["leeds"] }\n',
            SITE + 1,
            "networks.'10.1.2.0/24'.site",
            "found an array",
        ),
        (
            '[networks]\n"10.1.2.0/24" = { site = "leeds", flor = "2" }\n',
            SITE + 1,
            "networks.'10.1.2.0/24'.flor",
            "unknown key; did you mean `floor`?",
        ),
        (
            '[networks]\n"10.1.2.1/24" = { site = "leeds" }\n',
            SITE + 1,
            "networks.'10.1.2.1/24'",
            "a network without host bits: 10.1.2.0/24",
        ),
        (
            '[networks]\n"2001:db8::1/64" = { site = "leeds" }\n',
            SITE + 1,
            "networks.'2001:db8::1/64'",
            "a network without host bits: 2001:db8::/64",
        ),
        ('[networks]\n"10.1.2" = { site = "leeds" }\n', SITE + 1, "networks.'10.1.2'", "CIDR notation or an address"),
        ('[networks]\n"10.1.2.0/33" = { site = "leeds" }\n', SITE + 1, "networks.'10.1.2.0/33'", "CIDR notation"),
        ('[networks]\n"leeds" = { site = "leeds" }\n', SITE + 1, "networks.leeds", "CIDR notation"),
        ("[networks]\n10 = { site = 'leeds' }\n", SITE + 1, "networks.10", "CIDR notation"),
        ('[networks]\n"0.0.0.0/0" = { site = "leeds" }\n', SITE + 1, "networks.'0.0.0.0/0'", "a narrower network"),
        ('[networks]\n"::/0" = { site = "leeds" }\n', SITE + 1, "networks.'::/0'", "a narrower network"),
        ('[lines]\n"2 1" = { site = "leeds" }\n', SITE + 1, "lines.'2 1'", "the name of an endpoint"),
        ('[lines]\n"201" = { site = "led" }\n', SITE + 1, "lines.201.site", "did you mean leeds?"),
        (
            '[lines]\n"201" = { site = "leeds", confirmed = "2026-10-01" }\n',
            SITE + 1,
            "lines.201.confirmed",
            "found '2026-10-01'; expected a date without quotes. Example: confirmed = 2026-10-01",
        ),
        (
            '[lines]\n"201" = { site = "leeds", confirmed = 2026-10-01T00:00:00Z }\n',
            SITE + 1,
            "lines.201.confirmed",
            "expected a date without quotes",
        ),
        ('[lines]\n"201" = { site = "leeds" }\n"201" = {}\n', SITE + 2, "", "not TOML: cannot overwrite a value"),
    ],
)
def test_a_mistake(file: Path, more: str, line: int, key: str, told: str) -> None:
    file.write_text(LEEDS + more)
    (mistake,) = mistakes(file)
    assert (mistake.origin, mistake.line, mistake.key) == (str(file), line, key)
    assert told in str(mistake)


@pytest.mark.parametrize("missing", ["name", "number", "street", "town", "postcode"])
def test_an_address_is_whole(file: Path, missing: str) -> None:
    file.write_text("\n" + "".join(row for row in LEEDS.splitlines(keepends=True) if not row.startswith(missing)))
    (mistake,) = mistakes(file)
    assert (mistake.line, mistake.key, mistake.found) == (2, f"sites.leeds.{missing}", "it is missing")
    assert mistake.example.startswith(f"{missing} = ")


def test_a_building_may_have_no_number(file: Path) -> None:
    file.write_text(LEEDS.replace("number", "building"))
    assert load(file).sites["leeds"].number is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("10.1.2.0/24", "10.1.2.0/255.255.255.0"),
        ("10.1.2.0/24", "::ffff:10.1.2.0/120"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("2001:db8::/32", "2001:0DB8:0::/32"),
    ],
)
def test_a_network_that_is_there_twice(file: Path, first: str, second: str) -> None:
    entry = ' = { site = "leeds" }\n'
    file.write_text(LEEDS + f'[networks]\n"{first}"{entry}"{second}"{entry}')
    (mistake,) = mistakes(file)
    assert mistake.line == SITE + 2
    assert f"each network once: {first} is the same" in mistake.expected


def test_networks_may_overlap(file: Path) -> None:
    file.write_text(LEEDS + '[networks]\n"10.0.0.0/8" = {site = "leeds"}\n"10.0.0.0/9" = {site = "leeds"}\n')
    assert set(load(file).networks) == {ip_network("10.0.0.0/8"), ip_network("10.0.0.0/9")}


def test_all_at_once(file: Path) -> None:
    file.write_text(
        LEEDS.replace("LS1 4AP", "LS1") + "cli = oops\n[sites.york]\ntown = 1\n[networks]\n"
        '"10.1.2.1/24" = { site = "yrok" }\n[lines]\n201 = { site = "york", floor = "" }\n202 = "leeds"\n[x]\n'
    )
    assert [(each.line, each.key) for each in mistakes(file)] == [
        (6, "sites.leeds.postcode"),
        (7, ""),
        (9, "sites.york.town"),
        (11, "networks.'10.1.2.1/24'"),
        (11, "networks.'10.1.2.1/24'.site"),
        (13, "lines.201.floor"),
        (14, "lines.202"),
        (15, "x"),
    ]


def test_a_flood_of_mistakes_is_counted(file: Path) -> None:
    rows = "".join(f'"{number}" = {{ site = "led" }}\n' for number in range(MOST_MISTAKES + 50))
    file.write_text(LEEDS + "[lines]\n" + rows)
    told = mistakes(file)
    assert len(told) == MOST_MISTAKES + 1
    assert told[-1].found == "50 more mistakes"


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"\xff", 1, "not UTF-8 text"),
        (b"\x00" * 1000, 1, "not TOML"),
        (b"[lines]\n" + b"x." * 2000 + b"x = 1\n", 2, "longer than 2048 characters"),
        (b"[lines]\nx = " + b"[" * 2000, None, "nested too deeply"),
        (b"#" + b"x\n#" * (1 << 23), None, "longer than 16777216 bytes"),
        (b"sites = 1\n", 1, "1 in place of a table; write a line [sites] above its keys"),
        (b"[[sites]]\n", 1, "an array in place of a table"),
        (b"[sites]\nleeds = []\n", 2, "an empty array in place of a table"),
        (b"[networks]\n'" + b"9" * 2000 + b"' = {}\n", 2, "CIDR"),
    ],
)
def test_a_hostile_file(file: Path, content: bytes, line: int | None, told: str) -> None:
    file.write_bytes(content)
    first, *_ = mistakes(file)
    assert first.line == line
    assert told in str(first)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {"none": "No such file", "pipe": "not a regular file", "a\0b": "Invalid argument"}.items():
        (mistake,) = mistakes(tmp_path / name)
        assert reason in mistake.found


NAMES = ("name", "site", "postcode", "trunks", "country", "confirmed", "'10.0.0.0/8'", "'[key]'", '""', "a.b.c")
VALUES = ("1", "'a'", "[]", "['a', 1]", "{}", "{ site = 'a' }", "[{ site = 1 }]", "nan", "2026-10-01", "'[key]'")
HEADERS = ("[sites.a]", "[sites]", "[networks]", "[lines]", "[[lines]]", "[sites.a.b]", "[networks.'10.0.0.0/8']")
PIECES = st.one_of(
    st.sampled_from(HEADERS),
    st.builds("{} = {}".format, st.sampled_from(NAMES), st.sampled_from(VALUES)),
    st.text("ab=[]{}\"'\\#.,\n 1", max_size=20),
)


@settings(max_examples=500, deadline=None, print_blob=True)
@given(st.lists(PIECES, max_size=12).map("\n".join))
def test_no_text_breaks_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text)
    told: tuple[Mistake, ...] = ()
    try:
        load(path)
    except ConfigError as error:
        told = error.mistakes
    assert all(each.line is None or 1 <= each.line <= text.count("\n") + 1 for each in told)
    assert not any(word in str(each) for each in told for word in ("Value error", "another value", "None"))
