"""The history of an account: what is on its bill, from its lines, while they were its own; and nothing else."""

import csv
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from agent.cli.statements import PAGE_LINES
from agent.core.instants import from_rfc3339
from agent.core.records import Call, CallOutcome, Direction, NumberClass, Text, TextOutcome, TextSize
from agent.people.accounts import PAGE
from agent.stores.sqlite.reader import CHUNK
from agent.stores.sqlite.statements import STATEMENTS
from tests.integration.accounted import Accounted, accounted
from tests.integration.commands import one_sentence

WHY = ("--reason", "the customer asked")
ALL = ("--from", "2024-01-01", "--until", "2027-01-01", *WHY)
HEAD = "account,line,number,from,until,itemised,history_consent\n"
SECRET = ("08001111", "08082000247", "116123", "999", "08001234567")


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Accounted]:
    async with accounted(tmp_path / "agent") as agent:
        yield agent


def call(id: str, at: str = "2026-07-01T09:00:00Z", number: str | None = "01134960100", **changes: Any) -> Call:
    known: dict[str, Any] = {
        "call": "0f",
        "line": "201",
        "direction": Direction.OUTGOING,
        "number_class": NumberClass.GEOGRAPHIC,
        "duration_s": 70,
        "billable_s": 65,
        "outcome": CallOutcome.ANSWERED,
        "itemised": True,
    }
    return Call(id=id, started_at=from_rfc3339(at), number=number, **(known | changes))


SUM = ["sum_of", "direction", "number_class", "count", "duration_s"]
INCOMING: dict[str, Any] = {"direction": Direction.INCOMING, "itemised": False}


def text(id: str, at: str = "2026-07-01T09:00:00Z", number: str = "07700900123") -> Text:
    return Text(
        id=id,
        line="202" if id == "text" else "201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number=number,
        at=from_rfc3339(at),
        size=TextSize.LONG,
        outcome=TextOutcome.SENT,
        itemised=True,
    )


async def rows(agent: Accounted, account: str, *options: str) -> list[dict[str, str]]:
    done = await agent.run("history", account, "--format", "csv", *(options or ALL))
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(StringIO(done.stdout)))


async def test_each_call_is_on_the_bill_of_whoever_had_the_line_then(agent: Accounted) -> None:
    await agent.imported(
        HEAD + "A1,201,,2024-01-01,2026-07-01,,\nA2,201,,2026-07-01,,,\nA2,202,,2024-01-01,,,\nA2,203,,2026-08-01,,,\n"
    )
    await agent.calls(
        call("a", "2026-06-30T22:59:59.999Z"),
        call("b", "2026-06-30T23:00:00Z"),
        call("c", "2026-05-01T00:00:00Z", line="202"),
        call("d", "2026-07-31T22:59:59Z", line="203"),
        call("e", "2026-08-02T00:00:00Z", line="203"),
        call("f", line="209"),
        call("g", line=None),
    )
    assert [(each["line"], each["at"]) for each in await rows(agent, "A1")] == [("201", "2026-06-30T23:59:59+01:00")]
    assert [(each["line"], each["at"]) for each in await rows(agent, "A2")] == [
        ("201", "2026-07-01T00:00:00+01:00"),
        ("202", "2026-05-01T01:00:00+01:00"),
        ("203", "2026-08-02T01:00:00+01:00"),
    ]
    assert await rows(agent, "A2", "--from", "2026-07-02", "--until", "2026-08-01", *WHY) == []
    assert len(await rows(agent, "A2", "--from", "2026-07-01", "--until", "2026-08-01", *WHY)) == 1


@pytest.mark.parametrize("form", ["csv", "json", "statement"])
@pytest.mark.parametrize("flags", ["yes,yes", "yes,no", "no,yes"])
async def test_no_format_shows_a_freephone_a_helpline_or_an_emergency(agent: Accounted, form: str, flags: str) -> None:
    await agent.imported(HEAD + f"A1,201,,2024-01-01,,{flags}\n")
    forms = [(number, f"+44{number.removeprefix('0')}", f"0044{number.removeprefix('0')}") for number in SECRET]
    shown = [number for each in forms for number in each]
    await agent.calls(
        *(call(f"o{n}", number=number) for n, number in enumerate(shown)),
        *(call(f"i{n}", number=number, **INCOMING) for n, number in enumerate(shown)),
        *(call(f"f{n}", number="01134960100", forwarded=number) for n, number in enumerate(shown)),
        *(call(f"c{n}", number_class=kind) for n, kind in enumerate(NumberClass)),
        *(text(f"t{n}", number=number) for n, number in enumerate(shown)),
    )
    done = await agent.run("history", "A1", "--format", form, *ALL)
    assert done.returncode == 0, done.stderr
    for number in SECRET:
        assert number.removeprefix("0") not in done.stdout
    for word in ("freephone", "helpline", "emergency", "internal"):
        assert word not in done.stdout
    assert ("01134960100" in done.stdout) == flags.startswith("yes")


async def test_an_account_that_is_not_itemised_has_sums_alone(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,,no,no\n")
    await agent.calls(call("a"), call("b"), call("c", number="07700900123", number_class=NumberClass.MOBILE))
    assert await rows(agent, "A1") == [
        {"sum_of": "call", "direction": "outgoing", "number_class": "geographic", "count": "2", "duration_s": "130"},
        {"sum_of": "call", "direction": "outgoing", "number_class": "mobile", "count": "1", "duration_s": "65"},
    ]
    told = await agent.json("history", "A1", *ALL)
    assert [list(each) for each in told] == [["account", "itemised", "from", "until"], SUM, SUM]
    assert "not itemised" in (await agent.run("history", "A1", *ALL)).stdout


async def test_what_is_on_no_bill_is_shown_with_consent_only(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,,,no\nA2,202,,2024-01-01,,,yes\n")
    for line in ("201", "202"):
        await agent.calls(
            call(f"{line}in", line=line, **INCOMING),
            call(f"{line}busy", line=line, billable_s=0, outcome=CallOutcome.BUSY, itemised=False),
            call(f"{line}out", line=line),
        )
    assert [each["direction"] for each in await rows(agent, "A1")] == ["outgoing"]
    assert sorted(each["outcome"] for each in await rows(agent, "A2")) == ["answered", "answered", "busy"]
    page = (await agent.run("history", "A2", *ALL)).stdout
    assert "from 01134960100" in page
    assert "busy" in page


async def test_a_spreadsheet_takes_nothing_for_a_formula(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,'=cmd|x!A1,,2024-01-01,,,\nA1,'+44113,,2024-01-01,,,\n")
    await agent.calls(call("a", line="=cmd|x!A1", number="+441134960100"), call("b", line="+44113", number="=1+1"))
    found = await rows(agent, "A1")
    assert [(each["line"], each["number"]) for each in found] == [("'+44113", ""), ("'=cmd|x!A1", "01134960100")]


async def test_a_statement_is_paged_and_says_what_it_comes_to(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,,,\nA1,202,,2024-01-01,,,\n")
    await agent.calls(
        *(call(f"{n:03d}", f"2026-11-{n % 28 + 1:02d}T09:14:{n % 60:02d}Z") for n in range(130)),
        call("mobile", line="202", number="07700900123", number_class=NumberClass.MOBILE, billable_s=3725),
        call("unkept", line="202", number=None),
        text("text", "2026-06-30T23:00:00Z"),
    )
    done = await agent.run("history", "A1", "--to", "bill.txt", *ALL)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    file = agent.folder / "bill.txt"
    assert file.stat().st_mode & 0o777 == 0o600
    pages = file.read_text().split("\f")
    assert len(pages) == 3
    for number, page in enumerate(pages, 1):
        lines = page.splitlines()
        assert lines[0].startswith("Account A1")
        assert lines[0].endswith(f"Page {number}")
        assert len(lines) <= PAGE_LINES
        assert max(map(len, lines)) <= 80
    printed = "".join(pages)
    assert "01/11/2026  09:14:00  to 01134960100" in printed
    assert "(not kept)" in printed
    assert printed.index("long text") < printed.index("1:02:05")
    assert "1:02:05" in printed
    sums = [line.split() for line in printed[printed.index("In all") :].splitlines()[2:]]
    assert sums == [
        ["calls,", "geographic,", "outgoing", "131", "2:21:55"],
        ["calls,", "mobile,", "outgoing", "1", "1:02:05"],
        ["texts,", "mobile,", "outgoing", "1"],
    ]
    one_sentence(await agent.run("history", "A1", "--to", "bill.txt", *ALL), 2, "bill.txt cannot be made")


async def test_an_empty_history_says_so(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,,0113 496 0100,2024-01-01,,,\n")
    assert "Nothing in this time." in (await agent.run("history", "A1", *ALL)).stdout
    assert await rows(agent, "A1") == []


async def test_a_long_history_comes_whole_in_order_and_audited_first(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,,,\n")
    many = 2 * CHUNK + PAGE + 3
    begin = from_rfc3339("2026-01-01T00:00:00Z")
    calls = [call(f"{n:05d}", number=f"0113{n:07d}") for n in range(many)]
    await agent.calls(*(_at(each, begin + n * 1000) for n, each in enumerate(calls)))
    found = await rows(agent, "A1")
    assert [each["number"] for each in found] == [f"0113{n:07d}" for n in range(many)]
    assert agent.audited()[1:] == [("history", "A1", "the customer asked")]
    for written in map(str, agent.log):
        assert "0113" not in written
        assert "A1" not in written


def _at(record: Call, at: int) -> Call:
    return replace(record, started_at=at)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nobody", *ALL), 6, "no account has this reference"),
        (("x y", *ALL), 2, "account takes"),
        (("A1", "--from", "soon", *WHY), 2, "--from 'soon' is no time"),
        (("A1", "--from", "2026-01-01", "--until", "\x1b[2J", *WHY), 2, "is no time"),
        (("A1", "--from", "2026-01-01", "--until", "2026-01-01", *WHY), 2, "--until is not after --from"),
        (("A1", "--from", "2026-01-01", "--reason", "\x07"), 2, "reason takes"),
        (("A1", *ALL, "--to", "no/such/folder"), 2, "cannot be made"),
        (("A1", *ALL, "--to", "."), 2, "cannot be made"),
    ],
)
async def test_what_cannot_be_is_one_sentence_and_no_file(
    agent: Accounted, arguments: tuple[str, ...], code: int, words: str
) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,,,\n")
    before = sorted(path.name for path in agent.folder.iterdir())
    done = await agent.run("history", *arguments)
    one_sentence(done, code, words)
    assert done.stdout == ""
    assert sorted(path.name for path in agent.folder.iterdir()) == before
    answer = await agent.asked(
        "/accounts/history", json.dumps({"account": "A1", "begin": 5, "end": 5, "reason": "x"}).encode()
    )
    assert answer.status_code == 422


async def test_an_unknown_format_is_named(agent: Accounted) -> None:
    done = await agent.run("history", "A1", *ALL, "--format", "pdf")
    assert done.returncode == 2
    assert "pdf" in done.stderr


def test_a_history_is_read_by_the_index_of_its_line(tmp_path: Path) -> None:
    schema = files("agent.stores.sqlite").joinpath("schema.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "empty.sqlite")) as connection:
        connection.executescript(schema)
        values = {"line": "201", "begin": "2026-01-01T00:00:00.000Z", "id": "", "chunk": CHUNK}
        plan = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS['read_call_of_line']}", values).fetchall()
        found = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS['of_service']}", {"of": "A1"}).fetchall()
    assert [row[3] for row in plan] == ["SEARCH calls USING INDEX calls_line (line=? AND started_at>?)"]
    assert [row[3] for row in found] == ["SEARCH services USING INDEX services_account (account=?)"]
