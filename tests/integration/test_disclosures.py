"""Disclosures of a running agent: in the register before anything leaves; whatever must not leave does not."""

import csv
import hashlib
import json
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.core.records import (
    Call,
    CallOutcome,
    Detail,
    Direction,
    Emergency,
    IpSource,
    NumberClass,
    Outcome,
    Registration,
    SeenBy,
    Service,
)
from agent.ports import StoreError
from agent.views import unix
from tests.integration.commands import one_sentence
from tests.integration.customers import recording
from tests.integration.registered import Registered, registered
from tests.scenarios.made import AT

HOUR, DAY = 3_600_000, 86_400_000
WHY = ("--reason", "operation Larch")
SAM, KIM = ("--by", "Sam"), ("--by", "Kim")
SINCE = ("--since", "2026-11-20", "--until", "2026-11-25")
ORDER = ("--power", "court_order", "--authority", "court", "--party", "High Court", "--reference", "QB-26-1")
SECRET = (
    *("--power", "ipa_60a", "--authority", "police", "--party", "West Yorkshire Police", "--reference", "WY/7"),
    *("--secret-until", "2027-11-22"),
)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Registered]:
    async with registered(tmp_path / "agent") as agent:
        yield agent


def call(id: str, at: int = AT, **changes: Any) -> Call:
    made = Call(
        id=id,
        call="0f" * 16,
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number="07700900123",
        started_at=at,
        duration_s=9,
        billable_s=7,
        outcome=CallOutcome.ANSWERED,
        itemised=True,
    )
    return replace(made, **changes)


def emergency(**changes: Any) -> Emergency:
    made = Emergency(
        id="e1" * 8,
        line="201",
        number="999",
        ip="192.0.2.7",
        vendor=None,
        model=None,
        started_at=AT - 60_000,
        ended_at=AT,
        outcome=Outcome.ANSWERED,
        seen_by=SeenBy.DIALPLAN,
    )
    return replace(made, **changes)


def span(id: str, first: int, end: int | None) -> Registration:
    """One of line 201, of a vendor that is called as it is."""
    return Registration(
        id=id,
        line="201",
        ip="192.0.2.7",
        ip_source=IpSource.SECURITY,
        transport=None,
        vendor=id,
        model="",
        firmware="",
        first_seen=first,
        last_seen=first,
        refreshes=0,
        ended_at=end,
    )


async def proposed(agent: Registered, *more: str) -> str:
    """Propose by Sam, of line 201 unless it is of an emergency call; the id."""
    about = () if "--emergency" in more else ("--line", "201", *SINCE)
    (entry,) = await agent.json("disclose", "propose", *about, *WHY, *SAM, *more)
    return str(entry["id"])


async def released(agent: Registered, *more: str) -> dict[str, Any]:
    """Propose by Sam, release by Kim."""
    (entry,) = await agent.json("disclose", "release", await proposed(agent, *more), *WHY, *KIM)
    return dict(entry)


def steps(agent: Registered) -> list[tuple[str, str]]:
    return [(entry["step"], entry["by"]) for entry in agent.stored("disclosure")]


def bundles(agent: Registered) -> list[str]:
    folder = agent.folder / "agent.sqlite.disclosures"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# What leaves


async def test_exactly_what_is_in_scope_leaves_and_its_hash_is_in_the_register(agent: Registered) -> None:
    await agent.keep(
        call("a1", AT),
        call("a2", AT + 1000, number="=cmd()", duration_s=3),
        call("b1", line="numbat"),
        call("a3", AT - 9 * DAY),
        call("a4", AT + 9 * DAY),
    )
    fields = ("--field", "call.started_at", "--field", "call.number")
    entry = await released(agent, *ORDER, *fields)
    folder = Path(entry["folder"])
    assert stat.S_IMODE(folder.stat().st_mode) == stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "SHA256SUMS": 0o600,
        "call.csv": 0o600,
        "disclosure.json": 0o600,
    }
    told = json.loads((folder / "disclosure.json").read_text())
    assert told["records"] == {
        "call": [
            {"started_at": "2026-11-22T20:44:40.123Z", "number": "07700900123"},
            {"started_at": "2026-11-22T20:44:41.123Z", "number": "=cmd()"},
        ]
    }
    assert told["disclosure"]["reference"] == "QB-26-1"
    whole = "".join(path.read_text() for path in folder.iterdir())
    for kept_back in ("Sam", "Kim", "Larch", "numbat", "duration"):
        assert kept_back not in whole, "who let it go, why, and everything beside the scope stays"
    with open(folder / "call.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["started_at", "number"],
        ["2026-11-22T20:44:40.123Z", "07700900123"],
        ["2026-11-22T20:44:41.123Z", "'=cmd()"],
    ]
    sums = (folder / "SHA256SUMS").read_bytes()
    assert entry["bundle"] == hashlib.sha256(sums).hexdigest()
    for line in sums.decode().splitlines():
        hashed, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == hashed
    (_, stored) = agent.stored("disclosure")
    assert (stored["step"], stored["bundle"], stored["by"]) == ("released", entry["bundle"], "Kim")


async def test_a_span_that_reaches_into_the_time_leaves_and_one_beside_it_does_not(agent: Registered) -> None:
    await agent.keep(call("a1"))
    agent.pipeline.put(
        [
            span("before", AT - 9 * DAY, AT - 8 * DAY),
            span("into", AT - 9 * DAY, AT),
            span("open", AT - 9 * DAY, None),
            span("within", AT, AT + 1),
            span("behind", AT + 9 * DAY, None),
        ]
    )
    await agent.written("registration")
    entry = await released(agent, *ORDER, "--field", "registration.vendor")
    told = json.loads((Path(entry["folder"]) / "disclosure.json").read_text())
    assert {row["vendor"] for row in told["records"]["registration"]} == {"into", "open", "within"}


async def test_nothing_has_its_name_before_it_is_in_the_register_on_disk(agent: Registered) -> None:
    id = await proposed(agent, *ORDER, "--kind", "call")
    with closing(sqlite3.connect(agent.store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await agent.run("disclose", "release", id, *WHY, *KIM)
        one_sentence(refused, 3, "locked by another program")
        other.execute("ROLLBACK")
    assert id not in bundles(agent)
    (entry,) = await agent.json("disclose", "release", id, *WHY, *KIM)
    assert bundles(agent) == [id]
    assert (await agent.run("register", "verify")).returncode == 0
    assert [step for step, _ in steps(agent)].count("released") == 1
    assert entry["bundle"] == agent.stored("disclosure")[-1]["bundle"]


async def test_a_release_whose_entry_waits_for_the_store_is_one_release(
    agent: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await proposed(agent, *ORDER, "--kind", "call")
    keep = agent.disclosures.keep

    async def too_slow(records: Any) -> None:
        await keep(records)
        raise StoreError("the store has not answered for 10 s", "it waits in memory")

    object.__setattr__(agent.disclosures, "keep", too_slow)
    one_sentence(await agent.run("disclose", "release", id, *WHY, *KIM), 3, "has not answered")
    assert bundles(agent) == [f"{id}.part"]
    object.__setattr__(agent.disclosures, "keep", keep)
    (entry,) = await agent.json("disclose", "release", id, *WHY, *KIM)
    assert bundles(agent) == [id]
    assert [step for step, _ in steps(agent)] == ["proposed", "released"]
    assert entry["bundle"] == agent.stored("disclosure")[-1]["bundle"]
    assert (await agent.run("register", "verify")).returncode == 0


async def test_what_a_killed_agent_left_is_finished_or_removed(tmp_path: Path) -> None:
    async with registered(tmp_path / "agent") as agent:
        done = (await released(agent, *ORDER, "--kind", "call"))["disclosure"]
        half = await proposed(agent, *ORDER, "--kind", "call")
        folder = agent.folder / "agent.sqlite.disclosures"
        (folder / done).rename(folder / f"{done}.part")
        (folder / f"{half}.part").mkdir()
    async with registered(tmp_path / "agent") as agent:
        await agent.disclosures._tidy()
        assert bundles(agent) == [done]


async def test_a_bundle_that_nobody_fetched_goes_after_a_week(agent: Registered) -> None:
    entry = await released(agent, *ORDER, "--kind", "call")
    written = int(Path(entry["folder"]).stat().st_mtime * 1000)
    agent.now = written + 7 * DAY - 60_000
    await agent.disclosures._tidy()
    assert bundles(agent) == [entry["disclosure"]]
    agent.now = written + 7 * DAY + 60_000
    await agent.disclosures._tidy()
    assert bundles(agent) == []


# What does not leave


REFUSALS = [
    (("--power", "because", "--authority", "police"), "no such power"),
    (("--power", "ssaa_109b", "--authority", "schedule_4"), "general information power"),
    (("--power", "ipa_62", "--authority", "police"), "internet connection records, and none are kept"),
    (("--power", "court_order", "--authority", "police"), "does not hold this power"),
    (("--power", "ofcom", "--authority", "ofcom", "--kind", "service"), "does not cover service"),
    (("--power", "ipa_60a", "--authority", "police"), "until when it stays secret"),
    (("--power", "court_order", "--authority", "court", "--secret-until", "2020-01-01"), "in the future"),
    (("--power", "emergency", "--authority", "police"), "does not cover call"),
    (("--power", "court_order", "--authority", "court", "--field", "call.content"), "no such field"),
    (("--consent", "00ff"), "no such consent"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSALS)
async def test_a_refusal_says_why_and_changes_nothing(agent: Registered, asked: tuple[str, ...], words: str) -> None:
    more = ("--party", "somebody", "--reference", "r", "--kind", "call", *asked)
    refused = await agent.run("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *more)
    one_sentence(refused, 1, words)
    assert agent.stored("disclosure") == agent.stored("leaf") == agent.stored("audit") == []


async def test_a_request_cannot_name_a_consent_beside_a_power(agent: Registered) -> None:
    asked = {"party": "p", "power": "court_order", "authority": "court", "reference": "r", "reason": "x", "by": "Sam"}
    scope = {"fields": ["call.started_at"], "lines": ["201"], "since": AT - DAY, "until": AT}
    refused = await agent.asked("/disclosures/propose", asked | scope | {"consent": "00ff"})
    assert (refused.status_code, "either on a power or on a consent" in refused.text) == (409, True)
    assert agent.stored("disclosure") == []


async def test_it_takes_two_people(agent: Registered) -> None:
    id = await proposed(agent, *ORDER, "--kind", "call")
    for by in ("Sam", " sAM "):
        one_sentence(await agent.run("disclose", "release", id, *WHY, "--by", by), 1, "another person")
    assert bundles(agent) == []
    nobody = await agent.run("disclose", "release", id, *WHY)
    assert nobody.returncode == 2
    await agent.json("disclose", "release", id, *WHY, *KIM)
    one_sentence(await agent.run("disclose", "release", id, *WHY, "--by", "Alex"), 1, "was released before")


async def test_one_login_is_one_person_whatever_the_names(agent: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "login_of", lambda process: 4_000_001)
    id = await proposed(agent, *ORDER, "--kind", "call")
    one_sentence(await agent.run("disclose", "release", id, *WHY, *KIM), 1, "with a login of their own")
    monkeypatch.setattr(unix, "login_of", lambda process: -1)
    one_sentence(await agent.run("disclose", "release", id, *WHY, *KIM), 1, "with a login of their own")
    monkeypatch.setattr(unix, "login_of", lambda process: 4_000_002)
    (entry,) = await agent.json("disclose", "release", id, *WHY, *KIM)
    assert entry["login"] == "uid 4000002"


async def test_what_was_refused_is_not_released_any_more(agent: Registered) -> None:
    id = await proposed(agent, *ORDER, "--kind", "call")
    assert (await agent.run("disclose", "refuse", id, *WHY, *SAM)).returncode == 0
    one_sentence(await agent.run("disclose", "release", id, *WHY, *KIM), 1, "was refused before")
    one_sentence(await agent.run("disclose", "refuse", id, *WHY, *KIM), 1, "was refused before")
    assert steps(agent) == [("proposed", "Sam"), ("refused", "Sam")]
    one_sentence(await agent.run("disclose", "release", "00ff", *WHY, *KIM), 6, "no disclosure has this id")


async def test_the_emergency_exemption_ends_with_its_hour(agent: Registered) -> None:
    await agent.keep(
        emergency(),
        emergency(id="e2" * 8, started_at=AT - 2 * DAY, ended_at=AT - 2 * DAY),
        Detail(id="d1", emergency="e1" * 8, cli="01134960000", address="12 Wellington Street", until_at=AT + HOUR),
    )
    asked = (
        *("--power", "emergency", "--authority", "ambulance", "--party", "Yorkshire Ambulance", "--reference", "inc 9"),
        *("--kind", "emergency", "--kind", "detail"),
    )
    late = await agent.run("disclose", "propose", *WHY, *SAM, *asked, "--emergency", "e2" * 8)
    one_sentence(late, 1, "hour after this emergency call is over")
    entry = await released(agent, *asked, "--emergency", "e1" * 8)
    told = json.loads((Path(entry["folder"]) / "disclosure.json").read_text())["records"]
    assert [row["id"] for row in told["emergency"]] == ["e1" * 8], "no other call of the line"
    assert [row["address"] for row in told["detail"]] == ["12 Wellington Street"]
    second = await proposed(agent, *asked, "--emergency", "e1" * 8)
    agent.now = AT + HOUR
    one_sentence(
        await agent.run("disclose", "release", second, *WHY, *KIM), 1, "hour after this emergency call is over"
    )
    assert bundles(agent) == [entry["disclosure"]]


async def test_an_emergency_whose_line_nobody_knows_is_disclosed_as_well(agent: Registered) -> None:
    await agent.keep(emergency(line=None), Detail(id="d1", emergency="e1" * 8, cli="01134960000", until_at=AT + HOUR))
    asked = (
        *("--power", "emergency", "--authority", "police", "--party", "West Yorkshire Police", "--reference", "log 3"),
        *("--kind", "emergency", "--kind", "detail", "--emergency", "e1" * 8),
    )
    entry = await released(agent, *asked)
    told = json.loads((Path(entry["folder"]) / "disclosure.json").read_text())["records"]
    assert [row["cli"] for row in told["detail"]] == ["01134960000"]
    assert entry["lines"] == ""
    other = await agent.run("disclose", "propose", *WHY, *SAM, *ORDER, "--kind", "call", "--emergency", "e1" * 8)
    one_sentence(other, 1, "name none")
    unknown = await agent.run("disclose", "propose", *WHY, *SAM, *asked[:-1], "00ff")
    one_sentence(unknown, 6, "no emergency call of this id")
    both = {"party": "p", "power": "emergency", "authority": "police", "reference": "r", "reason": "x", "by": "Sam"}
    refused = await agent.asked(
        "/disclosures/propose", both | {"fields": ["emergency.id"], "lines": ["202"], "emergency": "e1" * 8}
    )
    assert (refused.status_code, "not about two of them" in refused.text) == (409, True)


# Consents


async def consented(agent: Registered, *more: str) -> str:
    asked = ("A1001", "--line", "201", "--party", "Acme", "--kind", "call", "--purpose", "x", "--expires", "2027-01-01")
    (given,) = await agent.json("disclose", "consent", "add", *asked, *more)
    return str(given["id"])


async def test_a_consent_lets_go_what_it_covers_until_it_is_withdrawn(agent: Registered) -> None:
    await agent.keep(call("a1"), Service(id="s1", account="A1001", line="201", from_at=AT - 90 * DAY))
    id = await consented(agent)
    by_consent = ("--consent", id, "--party", "Acme", "--reference", "letter", "--kind", "call")
    entry = await released(agent, *by_consent)
    assert (entry["consent"], entry["power"]) == (id, "")
    waiting = await proposed(agent, *by_consent)
    assert (await agent.run("disclose", "consent", "withdraw", id)).returncode == 0
    one_sentence(await agent.run("disclose", "release", waiting, *WHY, *KIM), 1, "was withdrawn on")
    one_sentence(await agent.run("disclose", "consent", "withdraw", id), 1, "withdrawn before")
    one_sentence(await agent.run("disclose", "consent", "withdraw", "00ff"), 6, "no such consent")
    (listed,) = await agent.json("disclose", "consent", "list", *WHY)
    assert listed["withdrawn_at"] is not None


@pytest.mark.parametrize("about", [("--account", "A1001"), ("--line", "201")])
async def test_a_call_for_help_leaves_by_no_consent_and_by_power_as_before(
    agent: Registered, about: tuple[str, str]
) -> None:
    known, helped, unknown = (f"{number:016x}" for number in range(3))
    await agent.keep(
        Service(id="s1", account="A1001", line="201", from_at=AT - 90 * DAY),
        emergency(),
        call("a1", AT - HOUR),
        call("a2", AT, number="08001111", number_class=NumberClass.HELPLINE),
        *recording(known, at=AT - HOUR),
        *recording(helped, at=AT + 2_000),
        *recording(unknown, at=AT - DAY),
    )
    kinds = ("call", "emergency", "detail", "recording")
    asked = [part for kind in kinds for part in ("--kind", kind)]
    id = await consented(agent, *asked[2:])

    async def told(*basis: str, kinds: list[str] = asked) -> dict[str, list[str]]:
        (entry,) = await agent.json("disclose", "propose", *SINCE, *WHY, *SAM, *about, *basis, *kinds)
        (done,) = await agent.json("disclose", "release", entry["id"], *WHY, *KIM)
        found = json.loads((Path(done["folder"]) / "disclosure.json").read_text())["records"]
        return {kind: sorted(row["id"] for row in rows) for kind, rows in found.items()}

    by_consent = await told("--consent", id, "--party", "Acme", "--reference", "letter")
    assert by_consent == {"call": ["a1"], "emergency": [], "detail": [], "recording": [known]}
    by_power = await told(*ORDER, kinds=[*asked[:4], *asked[6:]])
    assert by_power == {"call": ["a1", "a2"], "emergency": ["e1" * 8], "recording": [known, helped, unknown]}


async def test_a_consent_expires(agent: Registered) -> None:
    id = await consented(agent)
    agent.now = AT + 60 * DAY
    asked = ("--consent", id, "--party", "Acme", "--reference", "letter", "--kind", "call")
    refused = await agent.run("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *asked)
    one_sentence(refused, 1, "expired on 2027-01-01")


async def test_of_an_account_leaves_what_was_its_own_and_nothing_of_who_had_the_line_before(agent: Registered) -> None:
    await agent.keep(
        Service(id="s1", account="A0999", line="201", from_at=AT - 90 * DAY, until_at=AT),
        Service(id="s2", account="A1001", line="201", from_at=AT, until_at=AT + HOUR),
        Service(id="s3", account="A1002", line="201", from_at=AT + HOUR),
        Service(id="s4", account="A1001", line="202", from_at=AT - 90 * DAY),
        Service(id="s5", account="A1001", line="203", from_at=AT - 90 * DAY, corrected_at=AT),
        call("before", AT - 1, number="1"),
        call("own", AT, number="2"),
        call("last", AT + HOUR - 1, number="3"),
        call("after", AT + HOUR, number="4"),
        call("second", AT - DAY, line="202", number="5"),
        call("wrong", AT, line="203", number="6"),
    )
    asked = ("disclose", "propose", *SINCE, *WHY, *SAM, *ORDER, "--account", "A1001")
    (entry,) = await agent.json(*asked, "--field", "call.number", "--field", "service.account")
    assert (entry["account"], entry["lines"]) == ("A1001", "201 202")
    (done,) = await agent.json("disclose", "release", entry["id"], *WHY, *KIM)
    told = json.loads((Path(done["folder"]) / "disclosure.json").read_text())["records"]
    assert {row["number"] for row in told["call"]} == {"2", "3", "5"}
    assert {row["account"] for row in told["service"]} == {"A1001"}
    nobody = (*asked[:-1], "A7777", "--kind", "call")
    one_sentence(await agent.run(*nobody), 6, "no line was of that account")
    one_sentence(
        await agent.run(*asked, "--line", "201", "--kind", "call"), 2, "one of --line, --account or --emergency"
    )


@pytest.mark.parametrize("about", [("--account", "A1001"), ("--line", "201")])
async def test_a_span_that_began_in_the_time_of_another_holder_stays(agent: Registered, about: tuple[str, str]) -> None:
    await agent.keep(
        Service(id="s1", account="A0999", line="201", from_at=AT - 90 * DAY, until_at=AT - 9 * DAY),
        Service(id="s2", account="A1001", line="201", from_at=AT - 9 * DAY),
    )
    agent.pipeline.put([span("before", AT - 10 * DAY, AT), span("own", AT - 9 * DAY, AT), span("open", AT, None)])
    await agent.written("registration")
    asked = ("--consent", await consented(agent, "--kind", "registration"), "--party", "Acme", "--reference", "letter")
    fields = ("--field", "registration.vendor")
    (entry,) = await agent.json("disclose", "propose", *SINCE, *WHY, *SAM, *asked, *about, *fields)
    (done,) = await agent.json("disclose", "release", entry["id"], *WHY, *KIM)
    told = json.loads((Path(done["folder"]) / "disclosure.json").read_text())["records"]
    assert {row["vendor"] for row in told["registration"]} == {"own", "open"}, "an address of A0999's is not A1001's"


async def test_a_line_that_came_to_the_account_after_the_proposal_stays(agent: Registered) -> None:
    await agent.keep(
        Service(id="s1", account="A1001", line="201", from_at=AT - 90 * DAY),
        call("named", number="1"),
        call("later", line="202", number="2"),
    )
    asked = ("--consent", await consented(agent), "--party", "Acme", "--reference", "letter", "--account", "A1001")
    (entry,) = await agent.json("disclose", "propose", *SINCE, *WHY, *SAM, *asked, "--field", "call.number")
    await agent.keep(Service(id="s2", account="A1001", line="202", from_at=AT - 90 * DAY))
    (done,) = await agent.json("disclose", "release", entry["id"], *WHY, *KIM)
    told = json.loads((Path(done["folder"]) / "disclosure.json").read_text())
    assert told["records"]["call"] == [{"number": "1"}], "neither the consent nor the register names 202"
    assert done["lines"] == "201"


async def test_an_account_consents_for_itself_alone(agent: Registered) -> None:
    await agent.keep(Service(id="s1", account="A0999", line="201", from_at=AT - 90 * DAY))
    id = await consented(agent)
    asked = ("--consent", id, "--party", "Acme", "--reference", "letter", "--kind", "call", "--account", "A0999")
    one_sentence(await agent.run("disclose", "propose", *SINCE, *WHY, *SAM, *asked), 1, "another account's")


async def test_nobody_consents_to_what_was_somebody_elses(agent: Registered) -> None:
    await agent.keep(
        Service(id="s1", account="A0999", line="201", from_at=AT - 90 * DAY, until_at=AT),
        Service(id="s2", account="A1001", line="201", from_at=AT),
    )
    id = await consented(agent)
    asked = ("--consent", id, "--party", "Acme", "--reference", "letter", "--kind", "call")
    refused = await agent.run("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *asked)
    one_sentence(refused, 1, "not of that account for all of the time")


# Secrets


async def test_a_secret_entry_is_told_to_nobody_until_its_day(agent: Registered) -> None:
    # No marker may be made of hexadecimal digits alone: ids and hashes are random.
    about = ("--line", "numbat", *SINCE, *SECRET, "--kind", "call")
    (proposal,) = await agent.json("disclose", "propose", *about, *WHY, *SAM)
    id = proposal["id"]
    await agent.json("disclose", "release", id, *WHY, *KIM)
    open_one = await proposed(agent, *ORDER, "--kind", "call")
    listed = await agent.json("disclose", "list", *WHY)
    assert [each["id"] for each in listed] == [open_one]
    one_sentence(await agent.run("disclose", "show", id, *WHY), 6, "no disclosure has this id")
    audited = await agent.run("audit", "list", *WHY, "--json")
    verified = await agent.run("register", "verify", "--json")
    printed = await agent.run("register", "root", "--json")
    shown = audited.stdout + verified.stdout + printed.stdout + str(agent.log)
    for told in ("numbat", "West Yorkshire", "WY/7", "Larch", "ipa", "police", "secret"):
        assert told not in shown.replace("operation Larch", ""), told
    secret = await agent.json("disclose", "list", *WHY, "--secret", "--by", "Alex")
    assert [each["step"] for each in secret] == ["proposed", "released", "proposed"]
    assert "Alex" in agent.stored("audit")[-1]["by"]
    agent.now = AT + 366 * DAY
    assert len(await agent.json("disclose", "list", *WHY)) == 3


async def test_who_proposes_releases_and_looks_is_in_the_audit(agent: Registered) -> None:
    id = (await released(agent, *ORDER, "--kind", "call"))["disclosure"]
    await agent.run("disclose", "show", id, *WHY)
    assert [(each["use"], each["subject"]) for each in agent.stored("audit")] == [
        ("proposed", id),
        ("disclosed", id),
        ("listed", id),
    ]
    assert (await agent.run("audit", "verify")).returncode == 0


# The register


async def filled(agent: Registered, size: int = 3) -> None:
    for _ in range(size):
        await proposed(agent, *ORDER, "--kind", "call")


TRIGGERS = ("disclosures_written_once", "leaves_written_once", "leaves_kept")
DROPPED = [f"DROP TRIGGER {trigger}" for trigger in TRIGGERS]
NTH = "(SELECT id FROM leaves WHERE seq = {})"
COLUMNS = "at, commitment, root, signature FROM leaves WHERE seq = 1"


@pytest.mark.parametrize(
    ("what", "statements"),
    [
        ("changed", ["UPDATE disclosures SET reason = 'another' WHERE id = " + NTH.format(1)]),
        ("changed", ["UPDATE disclosures SET lines = '202' WHERE id = " + NTH.format(1)]),
        ("missing before its time", ["DELETE FROM disclosures WHERE id = " + NTH.format(1)]),
        ("where leaf 1 should", ["DELETE FROM leaves WHERE seq = 1"]),
        (
            "root is another",
            [
                "DELETE FROM disclosures WHERE id = " + NTH.format(1),
                "DELETE FROM leaves WHERE seq = 1",
                "UPDATE leaves SET seq = 1 WHERE seq = 2",
            ],
        ),
        ("where leaf 3 should", [f"INSERT INTO leaves SELECT 'f', 9, {COLUMNS}"]),
        (
            "root is another",
            ["UPDATE leaves SET seq = 3 WHERE seq = 2", f"INSERT INTO leaves SELECT 'f', 2, {COLUMNS}"],
        ),
        (
            "root is another",
            [
                "UPDATE leaves SET seq = 9 WHERE seq = 0",
                "UPDATE leaves SET seq = 0 WHERE seq = 1",
                "UPDATE leaves SET seq = 1 WHERE seq = 9",
            ],
        ),
        ("has no leaf", ["UPDATE leaves SET id = 'f' WHERE seq = 2"]),
        ("signature", ["UPDATE leaves SET signature = 'AAAA' WHERE seq = 2"]),
    ],
)
async def test_what_is_done_to_the_register_is_told(agent: Registered, what: str, statements: list[str]) -> None:
    await filled(agent)
    assert (await agent.run("register", "verify")).returncode == 0
    with closing(sqlite3.connect(agent.store)) as database:
        database.executescript(";".join([*DROPPED, *statements]))
    done = await agent.run("register", "verify")
    assert (done.returncode, what in done.stdout) == (1, True), done.stdout


@pytest.mark.parametrize(
    "statement",
    ["UPDATE disclosures SET reason = ''", "UPDATE leaves SET root = ''", "DELETE FROM leaves WHERE seq = 0"],
)
async def test_the_store_itself_refuses_to_change_the_register(agent: Registered, statement: str) -> None:
    await filled(agent, 1)
    with closing(sqlite3.connect(agent.store)) as database, pytest.raises(sqlite3.IntegrityError, match="register"):
        database.execute(statement)


async def test_a_register_cut_off_at_its_end_or_made_anew_is_seen_by_what_was_noted(agent: Registered) -> None:
    await filled(agent, 2)
    (early,) = await agent.json("register", "root")
    await filled(agent, 1)
    (head,) = await agent.json("register", "root")
    noted = f"{head['size']}:{head['root']}"
    assert (await agent.run("register", "verify", "--root", noted, "--public-key", head["public_key"])).returncode == 0
    (proof,) = await agent.json("register", "consistency", f"{early['size']}:{early['root']}")
    assert (proof["first"], proof["size"], len(proof["proof"])) == (2, 3, 1)
    with closing(sqlite3.connect(agent.store)) as database:
        gone = ["DELETE FROM disclosures WHERE id = " + NTH.format(2), "DELETE FROM leaves WHERE seq = 2"]
        database.executescript(";".join([*DROPPED, *gone]))
    assert (await agent.run("register", "verify")).returncode == 0
    cut = await agent.run("register", "verify", "--root", noted)
    assert (cut.returncode, "that was noted is not its beginning" in cut.stdout) == (1, True)
    one_sentence(await agent.run("register", "consistency", noted), 1, "cut off")
    other = "1:" + head["root"]
    one_sentence(await agent.run("register", "consistency", other), 1, "does not begin with")
    key = agent.folder / "agent.sqlite.keys.signing"
    key.write_text("0f" * 32)
    anew = await agent.run("register", "verify", "--public-key", head["public_key"])
    assert anew.returncode == 0
    assert (await agent.run("register", "verify")).returncode == 1


async def test_an_entry_is_proved_to_somebody_who_has_the_root_alone(agent: Registered) -> None:
    await filled(agent, 5)
    entry = agent.stored("disclosure")[2]
    (proof,) = await agent.json("register", "prove", entry["id"])
    assert (proof["index"], proof["size"], len(proof["proof"])) == (2, 5, 3)
    found = hashlib.sha256(b"\x00" + bytes.fromhex(proof["commitment"])).digest()
    # Entry 2 of 5: right child of nothing, then left of (2,3), (0,1), and the fifth.
    third, pair, fifth = (bytes.fromhex(part) for part in proof["proof"])
    found = hashlib.sha256(b"\x01" + found + third).digest()
    found = hashlib.sha256(b"\x01" + pair + found).digest()
    found = hashlib.sha256(b"\x01" + found + fifth).digest()
    assert found.hex() == proof["root"]
    one_sentence(await agent.run("register", "prove", "00ff"), 6, "no entry has the id")


async def test_the_key_is_the_owners_alone_and_the_register_goes_on_with_it(tmp_path: Path) -> None:
    for _ in range(2):
        async with registered(tmp_path / "agent") as agent:
            await filled(agent, 2)
            key = agent.folder / "agent.sqlite.keys.signing"
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
            assert (await agent.run("register", "verify")).returncode == 0
    assert len({leaf["root"] for leaf in agent_leaves(tmp_path)}) == 4


def agent_leaves(tmp_path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(tmp_path / "agent" / "agent.sqlite")) as database:
        return [{"root": found} for (found,) in database.execute("SELECT root FROM leaves")]


async def test_without_its_key_nothing_is_registered_and_nothing_leaves(agent: Registered) -> None:
    (agent.folder / "agent.sqlite.keys.signing").write_text("damaged")
    refused = await agent.run(*("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *ORDER, "--kind", "call"))
    one_sentence(refused, 3, "damaged")
    assert agent.stored("disclosure") == []


async def test_without_its_key_no_register_is_said_to_be_whole(agent: Registered) -> None:
    (empty,) = await agent.json("register", "verify")
    assert (empty["size"], empty["problems"]) == (0, []), "before anything was signed"
    done = await agent.run("register", "root")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing is in the register yet\n")
    await filled(agent, 1)
    (agent.folder / "agent.sqlite.keys.signing").write_text("damaged")
    one_sentence(await agent.run("register", "verify"), 3, "damaged")
    (agent.folder / "agent.sqlite.keys.signing").unlink()
    one_sentence(await agent.run("register", "root"), 3, "there is no key")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, "--party", "p", "--reference", "r"), "either"),
        (("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *ORDER), "say what leaves"),
        (("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *ORDER, "--kind", "\x1b[31m"), "is none of"),
        (("disclose", "propose", "--line", "2 1", *SINCE, *WHY, *SAM, *ORDER, "--kind", "call"), "lines takes"),
        (
            ("disclose", "propose", "--line", "201", *SINCE, "--reason", "\x07", *SAM, *ORDER, "--kind", "call"),
            "reason",
        ),
        (("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *ORDER, "--field", "A;B"), "fields takes"),
        (("disclose", "propose", "--line", "201", "--since", "soon", *WHY, *SAM, *ORDER, "--kind", "call"), "no time"),
        (("disclose", "propose", "--line", "201", *SINCE, *WHY, *SAM, *SECRET[:-1], "7d", "--kind", "call"), "no day"),
        (("disclose", "release", "../../etc", *WHY, *KIM), "id takes"),
        (("disclose", "list", "--reason", ""), "reason takes"),
        (("register", "consistency", "0:00"), "is no root"),
        (("register", "verify", "--root", "\x1b[31m"), "is no root"),
        (("register", "verify", "--public-key", "\x1b[31m"), "64 hexadecimal digits"),
        (
            (
                *("disclose", "consent", "add", "A1", "--line", "201", "--party", "p", "--kind", "call"),
                *("--purpose", "x", "--expires", "never"),
            ),
            "no day",
        ),
    ],
)
async def test_a_mistake_is_one_sentence_and_changes_nothing(
    agent: Registered, arguments: tuple[str, ...], words: str
) -> None:
    await agent.json("disclose", "list", *WHY)
    before = agent.stored("audit")
    done = await agent.run(*arguments)
    if "register" in arguments:
        assert done.returncode in (2, 3)
    else:
        one_sentence(done, 2, words)
    assert agent.stored("disclosure") == agent.stored("consent") == []
    assert agent.stored("audit") == before


async def test_a_consent_is_of_what_may_leave_and_for_the_future(agent: Registered) -> None:
    asked = ("disclose", "consent", "add", "A1", "--line", "201", "--party", "p", "--purpose", "x")
    one_sentence(await agent.run(*asked, "--kind", "content", "--expires", "2027-01-01"), 1, "nothing of kind content")
    one_sentence(await agent.run(*asked, "--kind", "call", "--expires", "2020-01-01"), 1, "in the future")
    assert agent.stored("consent") == []


async def test_the_powers_are_listed_with_their_sources(agent: Registered) -> None:
    listed = {row["power"]: row for row in await agent.json("disclose", "powers")}
    assert listed["ipa_60a"]["source"].startswith("Investigatory Powers Act 2016 s.60A")
    assert "general information power" in listed["fsma_165"]["refused"]
    table = await agent.run("disclose", "powers")
    assert "court_order" in table.stdout


def test_the_login_that_a_process_came_in_by_is_the_kernels_word() -> None:
    said = int(Path("/proc/self/loginuid").read_text())
    assert unix.login_of(os.getpid()) == (-1 if said == 0xFFFF_FFFF else said)
    assert unix.login_of(1 << 30) == -1, "a process that is gone"


@pytest.mark.parametrize(("content", "login"), [(b"4294967295", -1), (b"1000", 1000), (b"0", 0), (b"", -1)])
def test_no_login_is_nobody_and_root_is_root(monkeypatch: pytest.MonkeyPatch, content: bytes, login: int) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: content)
    assert unix.login_of(1) == login
