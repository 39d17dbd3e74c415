"""Each probe of the promise sees it kept, and sees each way in which it is broken."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from agent.core.accounts import Span
from agent.core.audit import Trail
from agent.core.disclosure import Register
from agent.core.instants import rfc3339
from agent.core.records import (
    RECORDS,
    Account,
    Aggregate,
    Aggregated,
    Alarm,
    Asks,
    AuditUse,
    Blind,
    Cause,
    Consent,
    Deletion,
    Delivery,
    Devices,
    Disclosure,
    Entry,
    Ground,
    News,
    Notice,
    NumberClass,
    Outcome,
    Probe,
    Purge,
    Record,
    Request,
    Service,
    Severity,
    Step,
    Total,
    Traffic,
    Verdict,
)
from agent.core.records import Path as Way
from agent.duties import voicemail
from agent.duties.promises import PROBES, PROMISES, State, verify
from agent.duties.promises import voicemail as probing
from agent.duties.promises.contents import MARKERS
from agent.duties.promises.recordings import luhn
from agent.duties.promises.terms import ENDS
from agent.duties.promises.unbuilt import MISSING
from tests.integration.promised import DAY_MS, RECORDING, Promised, hold, leg, recorded, sent, span
from tests.integration.voicemails import leave
from tests.scenarios.made import AT, emergency


@pytest.fixture
def promised(tmp_path: Path) -> Promised:
    return Promised(tmp_path)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """Where recordings are kept."""
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o700)
    return folder


# All of it


def test_each_sentence_has_a_probe_or_says_that_it_is_not_built(promised: Promised) -> None:
    assert list(PROMISES) == [f"P{number:02d}" for number in range(1, 22)]
    assert PROBES.keys() | MISSING.keys() == PROMISES.keys()
    assert not PROBES.keys() & MISSING.keys()
    found = list(verify(promised.scene()))
    assert [result.id for result in found] == list(PROMISES)
    for result in found:
        if result.id in MISSING:
            assert result.state is State.NOT_BUILT


def test_what_cannot_be_looked_at_is_not_called_kept(promised: Promised) -> None:
    promised.store.write_bytes(b"no database" * 1000)
    found = {result.id: result for result in verify(promised.scene())}
    for id in ("P05", "P06", "P10", "P11", "P12", "P14", "P20"):
        assert found[id].state is State.BROKEN
        assert "could not be looked at" in found[id].evidence


@pytest.mark.parametrize("opened", [True, False])
def test_all_is_proved_of_an_encrypted_store_too(tmp_path: Path, sealed: Path, opened: bool) -> None:
    promised = Promised(tmp_path, keyed=True)
    aged(sealed / f"{RECORDING}.sealed", b"sealed")
    audited(promised, AuditUse.LOOKED_UP, AuditUse.HISTORY)
    promised.keep(ACCOUNT, LINE, NUMBER, span(), leg(), sent(), emergency(outcome=Outcome.ANSWERED), *recorded())
    promised.keep(CONSENT, FIGURE, COUNTED, hold())
    disclosed(promised)
    scene = promised.scene(opened=opened, sealed=sealed, calls=promised.folder / "calls.csv")
    found = {result.id: result for result in verify(scene)}
    for id in PROMISES:
        if id not in ("P05", "P15", "P16", "P17", "P21"):
            assert found[id].state is State.OK, f"{id}: {found[id].evidence}"
    assert " 0 encrypted values" not in found["P18"].evidence


def test_what_is_broken_in_an_encrypted_store_is_found_with_the_keys(tmp_path: Path, sealed: Path) -> None:
    promised = Promised(tmp_path, keyed=True)
    promised.keep(ACCOUNT, NUMBER, replace(NUMBER, id="s9", from_at=AT), leg(started_at=LONG_AGO))
    promised.keep(*recorded(stored_at=AT - 92 * DAY_MS))
    promised.broken("P01", "1 lines or numbers are two accounts'")
    promised.broken("P20", "1 recordings of class user")
    promised.keep(hold())
    promised.kept("P20")
    promised.kept("P20", promised.scene(opened=False))
    erased(promised)
    promised.broken("P19", "1 records are there that were erased")
    # without the keys it is told by the handle, which the ledger has as well
    with promised.scene(opened=False).survey() as survey:
        (handle,) = survey.lines("call")
    promised.ledger.write([], [Span(line=handle, begin=AT - 9 * DAY_MS, end=AT - 3_600_000)], AT - 3_600_000)
    os.utime(promised.folder / "agent.sqlite.keys.erasures", ((AT - DAY_MS / 2) / 1000,) * 2)
    promised.broken("P19", "1 records are there that were erased", scene=promised.scene(opened=False))


# P01, P02, P19: accounts

ACCOUNT = Account(id="ac", account="A1", opened_at=0)
LINE = Service(id="s1", account="A1", line="201", from_at=AT - 9 * DAY_MS, until_at=AT - DAY_MS)
NUMBER = Service(id="s2", account="A1", number="01134960000", from_at=AT - 9 * DAY_MS)


def audited(promised: Promised, *uses: AuditUse, at: int = AT) -> None:
    """Write down, as the agent does, that somebody used the account."""
    key = bytes(32)
    (promised.folder / "agent.sqlite.key").write_bytes(key)
    (promised.folder / "agent.sqlite.key").chmod(0o600)
    ids = count()
    trail = Trail(key=key, new_id=lambda: f"{next(ids):016x}", new_salt=lambda: "0" * 32)
    for use in uses:
        promised.keep(*trail.note(at=at, by="uid 1000", use=use, subject="A1", reason="they rang"))


def test_p01_whose_a_line_is_has_one_answer(promised: Promised) -> None:
    assert promised.found("P01").state is State.NOT_BUILT
    audited(promised, AuditUse.LOOKED_UP, AuditUse.SHOWN)
    after = replace(LINE, id="s3", account="A2", from_at=AT - DAY_MS, until_at=None)
    promised.keep(ACCOUNT, replace(ACCOUNT, id="a2", account="A2"), LINE, NUMBER, after)
    # one that was wrong counts no more
    promised.keep(replace(NUMBER, id="s4", account="A2", corrected_at=AT, corrected_by="x", correction="typed wrongly"))
    assert "2 accounts with 3 lines and numbers, 2 entries" in promised.kept("P01")


@pytest.mark.parametrize(
    ("spoiled", "word"),
    [
        (replace(LINE, id="s3", from_at=AT - 2 * DAY_MS, until_at=None), "1 lines or numbers are two accounts'"),
        (replace(NUMBER, id="s3", from_at=AT), "1 lines or numbers are two accounts'"),
        (replace(LINE, id="s3", account="A3", line="202"), "1 lines or numbers are of no account"),
    ],
)
def test_p01_two_answers_or_none_break_it(promised: Promised, spoiled: Service, word: str) -> None:
    promised.keep(ACCOUNT, LINE, NUMBER)
    promised.kept("P01")
    promised.keep(spoiled)
    promised.broken("P01", word)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audits SET reason = 'no reason' WHERE seq = 2",
        "UPDATE audits SET by = 'nobody' WHERE seq = 1",
        "DELETE FROM audits WHERE seq = 2",
        "UPDATE audits SET commitment = 'x' WHERE seq = 3",
    ],
)
@pytest.mark.parametrize("id", ["P01", "P02"])
def test_p01_p02_a_changed_audit_breaks_them(promised: Promised, id: str, sql: str) -> None:
    promised.keep(ACCOUNT)
    audited(promised, AuditUse.LOOKED_UP, AuditUse.HISTORY, AuditUse.SHOWN)
    promised.kept(id)
    for trigger in promised.triggers("audits"):
        promised.spoil(f"DROP TRIGGER {trigger}")
    promised.spoil(sql)
    promised.broken(id, "places in the audit")


def test_p02_each_look_has_its_reason(promised: Promised) -> None:
    assert promised.found("P02").state is State.NOT_BUILT
    promised.keep(ACCOUNT)
    audited(promised, AuditUse.LOOKED_UP, AuditUse.HISTORY, AuditUse.LISTED)
    assert "2 looks at one among 3 entries" in promised.kept("P02")
    for trigger in promised.triggers("audits"):
        promised.spoil(f"DROP TRIGGER {trigger}")
    promised.spoil("UPDATE audits SET reason = ' ' WHERE use = 'history'")
    promised.broken("P02", "1 looks at an account have no reason")


def test_p02_without_the_key_nothing_is_proved(promised: Promised) -> None:
    promised.keep(ACCOUNT)
    audited(promised, AuditUse.LOOKED_UP)
    (promised.folder / "agent.sqlite.key").unlink()
    found = {result.id: result for result in verify(promised.scene())}
    assert found["P02"].state is State.BROKEN


def test_p19_a_request_that_is_late_breaks_it(promised: Promised) -> None:
    asked = Request(
        id="r", account="A1", asks=Asks.ACCESS, received_at=AT - 9 * DAY_MS, opened_by="x", due_at=AT + DAY_MS
    )
    promised.keep(asked, replace(asked, id="r2", due_at=AT - DAY_MS, closed_at=AT - DAY_MS))
    assert "2 requests, 0 entries" in promised.kept("P19")
    promised.keep(replace(asked, due_at=AT - DAY_MS))
    promised.broken("P19", "1 requests are past the time")


LONG_AGO = AT - 5 * DAY_MS


def erased(promised: Promised, *, ago_ms: int = DAY_MS // 2) -> None:
    """What began on line 201 within the last nine days but the latest was erased, and account A1 with it."""
    promised.ledger.write(["A1"], [Span(line="201", begin=AT - 9 * DAY_MS, end=AT - 3_600_000)], AT - 3_600_000)
    path = promised.folder / "agent.sqlite.keys.erasures"
    os.utime(path, ((AT - ago_ms) / 1000,) * 2)


def test_p19_what_was_erased_is_not_there(promised: Promised) -> None:
    erased(promised)
    # another line's, what came before, and what goes with the pass of today
    promised.keep(leg(id="c2", line="202", started_at=LONG_AGO), leg(id="c4", started_at=AT - 10 * DAY_MS), leg())
    # a span that has not ended, an emergency, an account that was opened again since
    going_on = span(first_seen=LONG_AGO, last_seen=LONG_AGO)
    promised.keep(going_on, emergency(outcome=Outcome.ANSWERED), replace(ACCOUNT, opened_at=AT, closed_at=AT))
    assert "2 entries of the ledger" in promised.kept("P19")


def test_p19_what_began_after_an_erasure_may_be_there(promised: Promised) -> None:
    ended = AT - 6 * DAY_MS
    promised.ledger.write(["A1"], [Span(line="201", begin=0, end=ended)], ended)
    os.utime(promised.folder / "agent.sqlite.keys.erasures", (ended / 1000,) * 2)
    promised.keep(leg(started_at=LONG_AGO), replace(ACCOUNT, opened_at=LONG_AGO, closed_at=LONG_AGO))
    promised.kept("P19")
    promised.keep(leg(started_at=ended - 1))
    promised.broken("P19", "1 records are there")


@pytest.mark.parametrize(
    "back",
    [
        leg(started_at=LONG_AGO),
        sent(at=LONG_AGO),
        span(first_seen=LONG_AGO, last_seen=LONG_AGO, ended_at=LONG_AGO),
        recorded(began_at=LONG_AGO, stored_at=LONG_AGO)[2],
        replace(ACCOUNT, closed_at=LONG_AGO),
    ],
)
def test_p19_what_is_back_breaks_it(promised: Promised, back: Record) -> None:
    promised.keep(back)
    promised.kept("P19")
    erased(promised)
    promised.broken("P19", "1 records are there that were erased")
    erased(promised, ago_ms=0)
    assert "may be under way" in promised.kept("P19")


def test_p19_what_a_law_holds_may_stay(promised: Promised) -> None:
    erased(promised)
    promised.keep(leg(started_at=LONG_AGO), hold(kinds=("recordings",)))
    promised.broken("P19", "1 records are there")
    promised.keep(hold(kinds=("calls",)))
    promised.kept("P19")


# P03, P04: calls


def test_p03_calls_that_can_be_billed_as_they_are(promised: Promised) -> None:
    scene = promised.scene(calls=promised.folder / "calls.csv")
    free = {"itemised": False, "billable_s": 0}
    promised.keep(leg(), leg(id="c2", number_class=NumberClass.EMERGENCY, **free))
    assert "2 legs" in promised.kept("P03", scene)
    assert promised.found("P03").state is State.NOT_BUILT


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("billable_s", 10, "more seconds billed"),
        ("billable_s", -1, "more seconds billed"),
        ("number_class", "emergency", "emergency"),
        ("direction", "incoming", "did not go out"),
    ],
)
def test_p03_a_leg_that_cannot_be_billed_breaks_it(promised: Promised, column: str, value: object, word: str) -> None:
    promised.keep(leg())
    promised.spoil(f"UPDATE calls SET {column} = ?", value)
    promised.broken("P03", word, scene=promised.scene(calls=promised.folder / "calls.csv"))


@pytest.mark.parametrize("name", ["calls.csv", "calls.csv.taken"])
def test_p03_calls_that_wait_for_too_long_break_it(promised: Promised, name: str) -> None:
    scene, file = promised.scene(calls=promised.folder / "calls.csv"), promised.folder / name
    file.write_bytes(b"x" * 77)
    os.utime(file, (AT / 1000 - 60,) * 2)
    assert "77 bytes" in promised.kept("P03", scene)
    os.utime(file, (AT / 1000 - 3600,) * 2)
    promised.broken("P03", "77 bytes", "60 min", scene=scene)


@pytest.mark.parametrize("table", ["calls", "texts"])
def test_p04_what_is_free_on_no_bill(promised: Promised, table: str) -> None:
    promised.keep(leg(), leg(id="2", number_class=NumberClass.HELPLINE, itemised=False), sent(id="2", itemised=False))
    assert promised.found("P04").state is State.NOT_BUILT
    promised.keep(ACCOUNT)
    assert "3 calls and texts looked at, 1 accounts" in promised.kept("P04")
    for free in ("helpline", "freephone", "emergency", "internal"):
        promised.spoil(f"UPDATE {table} SET itemised = 1, number_class = ? WHERE id = '2'", free)
        promised.broken("P04", "1 freephone, helpline")


# P05: emergencies

PROBE = Probe(id="p", at=AT - 5_000)
WAY = Way(id="w", context="phones", number="999", verdict=Verdict.OURS, route="x", since_at=AT - DAY_MS)
ALARM = Alarm(id="al", cause=Cause.EMERGENCY, subject="e", severity=Severity.CRITICAL, raised_at=AT - 120_000)
NOTICE = Notice(
    id="n",
    alarm="al",
    cause=Cause.EMERGENCY,
    channel="desk",
    news=News.RAISED,
    state=Delivery.SENT,
    raised_at=AT - 120_000,
    try_at=AT - 120_000,
)


def test_p05_a_way_that_is_alive(promised: Promised) -> None:
    promised.keep(PROBE, WAY, ALARM, NOTICE, emergency(outcome=Outcome.ANSWERED))
    evidence = promised.kept("P05", replace(promised.scene(), pid=os.getpid()))
    assert "last probe 5 s ago" in evidence
    assert "1 ours" in evidence
    assert "1 emergencies" in evidence
    # somebody who took it on was told, whatever the channels say
    promised.keep(replace(NOTICE, state=Delivery.PENDING), replace(ALARM, acknowledged_at=AT - 100_000))
    promised.kept("P05", replace(promised.scene(), pid=os.getpid()))


@pytest.mark.parametrize(
    ("spoiled", "word"),
    [
        (replace(PROBE, at=AT - 120_000), "no probe has come"),
        (replace(WAY, verdict=Verdict.BROKEN), "1 ways of an emergency number are broken"),
        (replace(WAY, gone_at=AT), "has not shown"),
        (replace(NOTICE, state=Delivery.PENDING), "1 emergencies nobody was told of"),
        (replace(NOTICE, state=Delivery.DROPPED), "1 emergencies nobody was told of"),
        (Blind(id="b", session="express", cause="lost", from_at=AT - 60_000), "does not listen"),
    ],
)
def test_p05_whatever_stands_in_its_way_breaks_it(
    promised: Promised, spoiled: Probe | Way | Notice | Blind, word: str
) -> None:
    promised.keep(PROBE, WAY, ALARM, NOTICE)
    promised.keep(spoiled)
    promised.broken("P05", word, scene=replace(promised.scene(), pid=os.getpid()))


def test_p05_without_an_agent_it_is_broken_and_without_probes_unproved(promised: Promised) -> None:
    promised.keep(PROBE, WAY)
    promised.broken("P05", "no agent is running")
    unproved = replace(promised.scene(), pid=os.getpid(), probe_late_after_s=0)
    assert promised.found("P05", unproved).state is State.NOT_BUILT


# P06, P20: terms


def test_every_kind_says_from_when_its_term_counts() -> None:
    for record in RECORDS:
        assert record in ENDS, f"agent/duties/promises/terms.py does not say when a {record.KIND} ends"
        assert ENDS[record] in record.__annotations__


def test_p20_what_is_young_or_open_is_kept(promised: Promised) -> None:
    old = AT - 4000 * DAY_MS
    promised.keep(
        span(first_seen=old), leg(), emergency(outcome=Outcome.ANSWERED), *recorded(), replace(ALARM, raised_at=old)
    )
    assert "kinds" in promised.kept("P20")
    promised.keep(sent())
    assert "1 legs of calls, 1 texts" in promised.kept("P06")


def test_p20_each_class_past_its_term_breaks_it(promised: Promised) -> None:
    promised.keep(span(ended_at=AT - 367 * DAY_MS))
    promised.broken("P20", "1 registration of class registration", rfc3339(AT - 367 * DAY_MS)[:10])
    promised.keep(span(ended_at=AT - 365 * DAY_MS))
    promised.kept("P20")
    # a fuller view has minutes
    promised.keep(span(ended_at=AT))
    promised.spoil("INSERT INTO details VALUES ('d', 'e', NULL, NULL, NULL, ?)", rfc3339(AT - 1_000_000))
    promised.broken("P20", "1 detail of class detail")


def test_p20_sound_past_its_term_breaks_it(promised: Promised) -> None:
    promised.keep(*recorded(stored_at=AT - 92 * DAY_MS))
    promised.broken("P20", "1 recordings of class user")


def test_p20_lines_of_a_timeline_go_with_their_emergency(promised: Promised) -> None:
    call = replace(emergency(outcome=Outcome.ANSWERED), ended_at=AT)
    line = Entry(id="l", emergency=call.id, seq=1, at=AT - 400 * DAY_MS, what="dialled", chain="x")
    promised.keep(call, line)
    promised.kept("P20")
    promised.spoil("DELETE FROM emergencies")
    promised.broken("P20", "1 entry of class emergency")


def test_p20_the_name_of_a_line_goes_with_the_last_that_is_the_lines(promised: Promised) -> None:
    handle = "~0123456789abcdef"
    promised.spoil("INSERT INTO lines VALUES (?, '201', NULL, ?, ?)", handle, rfc3339(0), rfc3339(AT - 3000 * DAY_MS))
    promised.broken("P20", "1 line of class consent")
    promised.keep(leg(line=handle, started_at=AT))
    promised.kept("P20")


@pytest.mark.parametrize(("itemised", "days", "word"), [(True, 367, "class call"), (False, 32, "class unbilled")])
def test_p06_calls_past_their_term_break_it(promised: Promised, itemised: bool, days: int, word: str) -> None:
    promised.keep(leg(itemised=itemised, started_at=AT - (days - 2) * DAY_MS))
    promised.kept("P06")
    promised.keep(leg(itemised=itemised, started_at=AT - days * DAY_MS))
    promised.broken("P06", word)
    promised.broken("P20", word)


def purged_run(**values: Any) -> Deletion:
    """What the purge did to spans: 3 that had ended a day before they had to go."""
    made = Deletion(
        id="00000000000000b1",
        at=AT - 1000,
        of="registration",
        retention="registration",
        ground=Ground.EXPIRED,
        count=3,
        oldest_at=AT - 400 * DAY_MS,
        newest_at=AT - 366 * DAY_MS,
    )
    return replace(made, **values)


def test_p20_what_is_held_may_stay(promised: Promised) -> None:
    promised.keep(span(ended_at=AT - 400 * DAY_MS), span(id="a2", ended_at=AT - 401 * DAY_MS))
    promised.broken("P20", "2 registration of class")
    promised.keep(purged_run(ground=Ground.HELD, count=1))
    promised.broken("P20", "1 registration of class")
    promised.keep(purged_run(ground=Ground.HELD, count=2))
    promised.kept("P20")
    # counted anew each day: one of last week says nothing of today
    promised.keep(purged_run(ground=Ground.HELD, count=2, at=AT - 7 * DAY_MS))
    promised.broken("P20", "2 registration of class")


def test_p20_sound_that_is_held_may_stay(promised: Promised) -> None:
    promised.keep(*recorded(began_at=AT - 92 * DAY_MS, stored_at=AT - 92 * DAY_MS), hold(lines=("202",)))
    promised.broken("P20", "1 recordings of class user")
    promised.keep(hold(kinds=("calls",)))
    promised.broken("P20", "1 recordings of class user")
    promised.keep(hold())
    promised.kept("P20")
    promised.keep(hold(lines=(), account="A1"), ACCOUNT, replace(LINE, until_at=AT - 99 * DAY_MS, from_at=0))
    promised.broken("P20", "1 recordings of class user")
    promised.keep(replace(LINE, until_at=AT - 91 * DAY_MS, from_at=0))
    promised.kept("P20")
    promised.keep(hold(lifted_at=AT))
    promised.broken("P20", "1 recordings of class user")


def test_p20_what_went_too_soon_breaks_it(promised: Promised) -> None:
    promised.keep(purged_run())
    assert "3 purged" in promised.kept("P20")
    promised.keep(purged_run(newest_at=AT - 364 * DAY_MS))
    promised.broken("P20", "1 runs of the purge took what was not past its term")
    # who asks for erasure has it sooner
    promised.keep(purged_run(newest_at=AT - 364 * DAY_MS, ground=Ground.ERASURE))
    promised.kept("P20")


def test_p20_what_stays_with_another_goes_with_it(promised: Promised) -> None:
    account = Account(id="ac", account="A1", opened_at=0, closed_at=None)
    service = Service(id="s", account="A1", line="201", from_at=0, until_at=AT - 3000 * DAY_MS)
    optin, recording, content = recorded(stored_at=AT)
    promised.keep(account, service, optin, replace(recording, stopped_at=AT - 500 * DAY_MS), content)
    promised.kept("P20")
    promised.spoil("DELETE FROM accounts")
    promised.broken("P20", "1 service of class account")
    promised.spoil("DELETE FROM services")
    promised.spoil("UPDATE contents SET state = 'deleted'")
    promised.broken("P20", "1 recording of class recording")


def test_p20_copies_and_bundles_past_their_time_break_it(promised: Promised) -> None:
    copies, bundle = promised.folder / "copies", promised.folder / "agent.sqlite.disclosures" / "d1"
    copies.mkdir(mode=0o700)
    bundle.mkdir(parents=True, mode=0o700)
    scene = promised.scene(copies=copies)
    manifest = aged(copies / "c1" / "manifest.json", json.dumps({"delete_by": rfc3339(AT - 3_600_000)}).encode())
    aged(copies / "other" / "notes.txt", b"no copy of ours")
    os.utime(bundle, ((AT - 7 * DAY_MS) / 1000,) * 2)
    assert "3 copies" in promised.kept("P20", scene)
    os.utime(bundle, ((AT - 9 * DAY_MS) / 1000,) * 2)
    promised.broken("P20", "1 copies or bundles are past", scene=scene)
    manifest.write_text(json.dumps({"delete_by": rfc3339(AT - 2 * DAY_MS)}))
    promised.broken("P20", "2 copies or bundles are past", scene=scene)
    half = aged(copies / "c2.part" / "page", b"half a copy", seconds=172_799)
    os.utime(half.parent, (AT / 1000 - 172_799,) * 2)
    promised.broken("P20", "2 copies or bundles are past", scene=scene)
    for path in (half, half.parent):
        os.utime(path, (AT / 1000 - 172_801,) * 2)
    promised.broken("P20", "3 copies or bundles are past", scene=scene)


def test_p06_a_total_that_tells_a_number_breaks_it(promised: Promised) -> None:
    total = Total(
        id="t",
        line="201",
        month_at=AT - 800 * DAY_MS,
        number_class=NumberClass.GEOGRAPHIC,
        area="0113",
        calls=2,
        billable_s=9,
    )
    promised.keep(total, hold())
    assert "1 totals of those before, 1 legal holds" in promised.kept("P06")
    promised.spoil("UPDATE totals SET area = '01134960000'")
    promised.broken("P06", "1 totals tell more of a number")
    promised.keep(replace(total, month_at=AT - 2300 * DAY_MS))
    promised.broken("P06", "1 totals of class vat")


# P07: figures

TODAY = AT - AT % DAY_MS
FIGURE = Traffic(
    id="t1",
    day_at=TODAY - 5 * DAY_MS,
    clock_hour=9,
    direction=None,
    number_class=None,
    lines=10,
    attempts=30,
    answered=20,
    carried_s=900,
)
MAKES = Devices(id="m1", month_at=TODAY - 40 * DAY_MS, vendor="Yealink", model=None, firmware=None, lines=12)
COUNTED = Aggregate(id="g1", of=Aggregated.TRAFFIC, period_at=TODAY - 5 * DAY_MS, at=AT - DAY_MS, cells=1)


def test_p07_figures_of_ten_lines_at_least(promised: Promised) -> None:
    assert promised.found("P07").state is State.NOT_BUILT
    promised.keep(FIGURE, MAKES, COUNTED, leg(started_at=TODAY - 5 * DAY_MS), leg(id="c2"))
    assert "2 figures of 1 days and months" in promised.kept("P07")


@pytest.mark.parametrize("table", ["traffic", "devices"])
def test_p07_a_figure_of_few_breaks_it(promised: Promised, table: str) -> None:
    promised.keep(FIGURE, MAKES, COUNTED)
    promised.spoil(f"UPDATE {table} SET lines = 9")
    promised.broken("P07", "1 figures are of fewer than 10 lines")


def test_p07_calls_that_nobody_counted_break_it(promised: Promised) -> None:
    promised.keep(leg(started_at=TODAY - 4 * DAY_MS - 1), leg(id="c2"))
    promised.broken("P07", "1 calls are in no figure")
    promised.keep(COUNTED)
    promised.kept("P07")
    promised.keep(replace(COUNTED, period_at=TODAY - 6 * DAY_MS))
    promised.broken("P07", "1 calls are in no figure")


# P08, P09: disclosures

CONSENT = Consent(
    id="co",
    account="A1",
    lines="201",
    party="Example Insurance",
    kinds=("call",),
    purpose="a claim",
    by="x",
    given_at=AT - 9 * DAY_MS,
    expires_at=AT + DAY_MS,
)


def disclosed(promised: Promised, *, release_only: bool = False, **values: Any) -> Path:
    """A disclosure by consent that another released than proposed it, unless ``values`` say else; its bundle."""
    bundle = promised.folder / "agent.sqlite.disclosures" / "d1"
    bundle.mkdir(parents=True, mode=0o700, exist_ok=True)
    bundle.parent.chmod(0o700)
    aged(bundle / "SHA256SUMS", b"0000  call.csv")
    register = Register(sign=promised.signer.sign)
    proposal = Disclosure(
        id="d1",
        disclosure="d1",
        step=Step.PROPOSED,
        at=AT - 2000,
        by="Ann",
        login="1001",
        party="Example Insurance",
        authority="",
        power="",
        consent="co",
        reference="r",
        emergency="",
        account="",
        lines="201",
        since_at=0,
        until_at=AT,
        kinds=("call",),
        fields=("call.started_at",),
        reason="a claim",
        salt="5a17",
    )
    release = replace(proposal, id="d2", step=Step.RELEASED, at=AT - 1000, by="Bob", login="1002", bundle=sums(bundle))
    for entry in (proposal, replace(release, **values)):
        if entry is not proposal or not release_only:
            promised.keep(entry, register.append(entry))
    return bundle


def sums(bundle: Path) -> str:
    return sha256((bundle / "SHA256SUMS").read_bytes()).hexdigest()


@pytest.mark.parametrize("right", [{}, {"consent": "", "power": "ipa_61", "authority": "police"}])
def test_p08_p09_what_left_by_right_and_by_two(promised: Promised, right: dict[str, Any]) -> None:
    assert "0 releases" in promised.kept("P08")
    assert "0 leaves" in promised.kept("P09")
    promised.keep(CONSENT)
    bundle = disclosed(promised, **right)
    (bundle.parent / "d2.part").mkdir()
    assert "1 releases, 1 consents, 1 bundles" in promised.kept("P08")
    assert "2 leaves" in promised.kept("P09")


@pytest.mark.parametrize(
    ("consent", "right", "word"),
    [
        (CONSENT, {"consent": ""}, "1 releases have neither consent nor power"),
        (CONSENT, {"consent": "other"}, "1 releases rest on a consent that did not stand"),
        (replace(CONSENT, expires_at=AT - 5000), {}, "1 releases rest on a consent that did not stand"),
        (replace(CONSENT, withdrawn_at=AT - 5000), {}, "1 releases rest on a consent that did not stand"),
    ],
)
def test_p08_what_left_without_right_breaks_it(
    promised: Promised, consent: Consent, right: dict[str, Any], word: str
) -> None:
    promised.keep(consent)
    disclosed(promised, **right)
    promised.broken("P08", word)


def test_p08_a_bundle_that_nobody_released_breaks_it(promised: Promised) -> None:
    promised.keep(CONSENT)
    bundle = disclosed(promised)
    aged(bundle / "SHA256SUMS", b"1111  call.csv")
    promised.broken("P08", "1 bundles are not what was released")
    bundle.rename(bundle.with_name("d9"))
    promised.broken("P08", "1 bundles lie there that nobody released")
    (promised.folder / "agent.sqlite.disclosures" / "d9").chmod(0o755)
    promised.broken("P18", "1 folder can be entered by others than its owner: ")
    assert "d9" not in promised.found("P18").evidence, "what is in it is somebody's"


@pytest.mark.parametrize(
    ("right", "word"),
    [
        ({"power": "fsma_165", "authority": "police"}, "1 releases were by no power"),
        ({"power": "magic", "authority": "police"}, "1 releases were by no power"),
        ({"power": "ipa_61", "authority": "fire"}, "1 releases were by no power"),
        ({"by": "ann"}, "1 releases were one person's alone"),
        ({"login": "1001"}, "1 releases were one person's alone"),
        ({"login": ""}, "1 releases were one person's alone"),
    ],
)
def test_p09_a_power_that_is_none_or_one_person_breaks_it(promised: Promised, right: dict[str, Any], word: str) -> None:
    disclosed(promised, **right)
    promised.broken("P09", word)


def test_p09_a_release_that_nobody_proposed_breaks_it(promised: Promised) -> None:
    disclosed(promised, release_only=True)
    promised.broken("P09", "1 releases were one person's alone")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM disclosures WHERE id = 'd1'",
        "DELETE FROM leaves WHERE seq = 0",
        "UPDATE leaves SET commitment = substr(commitment, 3) || '00' WHERE seq = 0",
        "UPDATE leaves SET signature = substr(signature, 3) || '00' WHERE seq = 1",
        "UPDATE leaves SET seq = 5 WHERE seq = 0",
    ],
)
def test_p09_a_changed_register_breaks_it(promised: Promised, sql: str) -> None:
    disclosed(promised)
    promised.kept("P09")
    for trigger in [*promised.triggers("disclosures"), *promised.triggers("leaves")]:
        promised.spoil(f"DROP TRIGGER {trigger}")
    promised.spoil(sql)
    promised.broken("P09", "places in the register")


# P10: registrations


def test_p10_address_and_type_of_device(promised: Promised) -> None:
    promised.keep(span(), span(id="a2", ip=None, transport=None, vendor="unknown", model="", firmware=""))
    assert "2 spans" in promised.kept("P10")


@pytest.mark.parametrize(
    ("column", "value", "word"),
    [
        ("ip", "192.0.2.7:5060", "address"),
        ("transport", "sip:201@192.0.2.7", "transport"),
        ("vendor", "Yealink SIP-T46U 108.85.0.20", "make"),
        ("model", "T46U 805ec0123456", "model"),
        ("model", "T46U 80:5e:c0:12:34:56", "model"),
        ("firmware", "108.85.0.20", "firmware"),
    ],
)
def test_p10_anything_else_of_a_register_breaks_it(promised: Promised, column: str, value: str, word: str) -> None:
    promised.keep(span())
    promised.spoil(f"UPDATE registrations SET {column} = ?", value)
    promised.broken("P10", f"1 spans whose {word}")
    assert value not in promised.found("P10").evidence


def test_p10_a_column_more_breaks_it(promised: Promised) -> None:
    promised.spoil("ALTER TABLE registrations ADD COLUMN call_id TEXT")
    promised.broken("P10", "1 columns besides")


# P11, P12: recordings


def aged(path: Path, content: bytes, seconds: float = 7200) -> Path:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_bytes(content)
    path.chmod(0o600)
    os.utime(path, (AT / 1000 - seconds,) * 2)
    return path


def test_p11_a_recording_that_was_asked_for(promised: Promised, sealed: Path) -> None:
    promised.keep(*recorded())
    aged(sealed / f"{RECORDING}.sealed", b"sealed")
    aged(sealed / "00000000000000ff.sealed", b"its record is on the way", 1)
    capture = aged(promised.folder / "monitor" / f"{RECORDING}.wav", b"RIFF", 60)
    scene = promised.scene(sealed=sealed, monitor=capture.parent, in_memory=lambda _: True)
    assert "1 recordings kept, 1 opt-ins" in promised.kept("P11", scene)
    # sound on the disk, and sound that nobody has sealed
    promised.broken("P11", "1 captures lie on a disk", scene=promised.scene(sealed=sealed, monitor=capture.parent))
    aged(capture, b"RIFF")
    promised.broken("P11", "1 captures have lain readable", scene=scene)


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("DELETE FROM optins", "1 recordings are kept that no opt-in"),
        ("UPDATE recordings SET optin = NULL", "1 recordings are kept that no opt-in"),
        ("UPDATE recordings SET opted_in = 0", "1 recordings are kept that no opt-in"),
        ("DELETE FROM recordings", "1 recordings are kept that no opt-in"),
        ("DELETE FROM contents", "1 files are kept that no record tells of"),
        ("UPDATE contents SET state = 'deleted'", "1 files are kept that no record tells of"),
        ("UPDATE recordings SET opted_in = 0, state = 'recording'", "1 captures run that nobody asked for"),
    ],
)
def test_p11_a_recording_that_nobody_asked_for_breaks_it(promised: Promised, sealed: Path, sql: str, word: str) -> None:
    promised.keep(*recorded())
    aged(sealed / f"{RECORDING}.sealed", b"sealed")
    promised.spoil(sql)
    promised.broken("P11", word, scene=promised.scene(sealed=sealed))


def test_p11_sound_that_is_lost_or_can_be_read_breaks_it(promised: Promised, sealed: Path) -> None:
    promised.keep(*recorded())
    promised.broken("P11", "1 recordings on record have no sealed file", scene=promised.scene(sealed=sealed))
    aged(sealed / f"{RECORDING}.sealed", b"RIFF....WAVE")
    promised.broken("P11", "1 recordings lie readable", scene=promised.scene(sealed=sealed))


def test_p12_nothing_of_a_pause_and_no_card(promised: Promised) -> None:
    promised.keep(*recorded(), ALARM, emergency(), replace(ALARM, id="a2", what="called 4929421234567 at 20:44"))
    assert "1 recordings with pauses" in promised.kept("P12")


def test_p12_sound_of_a_pause_breaks_it(promised: Promised) -> None:
    promised.keep(*recorded(duration_ms=10_000))
    promised.broken("P12", "1 recordings are longer")
    promised.keep(*recorded(duration_ms=8_900))
    promised.kept("P12")


@pytest.mark.parametrize(
    "text", ["4111111111111111", "card 4111 1111 1111 1111 of", "5500-0000-0000-0004", "(340000000000009)"]
)
def test_p12_a_card_number_in_any_text_breaks_it(promised: Promised, text: str) -> None:
    promised.keep(ALARM)
    for column in ("what", "comment", "closed_by"):
        promised.spoil(f"UPDATE alarms SET what = '', comment = NULL, closed_by = NULL, {column} = ?", text)
        promised.broken("P12", "1 texts hold a number")
        assert text not in promised.found("P12").evidence


def test_p12_a_column_for_digits_breaks_it(promised: Promised) -> None:
    promised.spoil("ALTER TABLE calls ADD COLUMN dtmf TEXT")
    promised.broken("P12", "1 columns are named for digits")


@pytest.mark.parametrize(
    ("text", "passes"),
    [("4111111111111111", True), ("4111111111111112", False), ("79927398713", False), ("4111 1111 1111 1111", True)],
)
def test_the_check_digit(text: str, passes: bool) -> None:
    assert luhn(text) is passes


# P13, P14: contents


def test_p13_no_content_at_rest(promised: Promised) -> None:
    promised.keep(span(), leg(), ALARM, *recorded())
    assert f"{len(MARKERS)} markers" in promised.kept("P13")


@pytest.mark.parametrize("marker", MARKERS)
def test_p13_what_only_sip_holds_breaks_it(promised: Promised, marker: str) -> None:
    promised.keep(ALARM)
    promised.spoil("UPDATE alarms SET what = ?", f"{'x' * 2000}{marker}")
    promised.broken("P13", "what only SIP messages hold")


@pytest.mark.parametrize("name", ["agent.sqlite-wal", "agent.sqlite.keys", "agent.sqlite.alive"])
def test_p13_it_is_found_beside_the_store_and_where_two_pieces_meet(promised: Promised, name: str) -> None:
    path = promised.folder / name
    for place in ((1 << 20) - 3, (1 << 20) - 1, 1 << 20, 3 << 20):
        path.write_bytes(b"\0" * place + b" <sip:")
        promised.broken("P13", "<sip:")
    path.write_bytes(b"\0" * (1 << 20) + b" <sip")
    promised.kept("P13")


def test_p13_the_log_of_the_running_agent_too(promised: Promised, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=file)
    try:
        scene = replace(promised.scene(), pid=child.pid)
        promised.kept("P13", scene)
        log.write_text(json.dumps({"event": "SIP\r\nVia: 201"}))
        promised.broken("P13", "Via", scene=scene)
    finally:
        child.communicate(b"\n", timeout=60)


def test_p14_the_tables_that_are_declared(promised: Promised) -> None:
    assert "tables with" in promised.kept("P14")


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("CREATE TABLE bodies (body TEXT)", "1 tables or views are nobody's"),
        ("CREATE VIEW who AS SELECT line FROM calls", "1 tables or views are nobody's"),
        ("ALTER TABLE calls ADD COLUMN content TEXT", "1 columns are nobody's"),
    ],
)
def test_p14_a_place_for_more_breaks_it(promised: Promised, sql: str, word: str) -> None:
    promised.spoil(sql)
    promised.broken("P14", word)


# P15: voicemail


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "voicemail"
    leave(folder / "default" / "201" / "Old", 0, days=3)
    return folder


def purged(ago_ms: int, *, done: bool = True) -> Purge:
    return Purge(id=f"p{ago_ms}", at=AT - ago_ms, done_at=AT - ago_ms + 1 if done else None, mailboxes=1, kept=1)


def test_p15_voicemail_that_goes(promised: Promised, spool: Path) -> None:
    promised.keep(purged(DAY_MS // 2))
    evidence = promised.kept("P15", promised.scene(spool=spool))
    assert "1 mailboxes with 1 messages" in evidence
    assert "last purge 12 h ago" in evidence
    assert promised.found("P15").state is State.NOT_BUILT


def test_p15_a_message_that_stays_breaks_it(promised: Promised, spool: Path) -> None:
    promised.keep(purged(0))
    leave(spool / "default" / "201" / "Old", 1, days=15)
    promised.kept("P15", promised.scene(spool=spool))
    leave(spool / "default" / "201" / "Old", 1, days=17)
    promised.broken("P15", "1 messages are past their time", scene=promised.scene(spool=spool))


def test_p15_no_purge_breaks_it(promised: Promised, spool: Path) -> None:
    scene = promised.scene(spool=spool)
    promised.broken("P15", "no purge has come to its end", scene=scene)
    promised.keep(purged(1, done=False))
    promised.broken("P15", "no purge has come to its end", scene=scene)
    promised.keep(purged(3 * DAY_MS))
    promised.broken("P15", "72 h ago", scene=scene)


def test_p15_a_spool_that_is_not_there_breaks_it(promised: Promised) -> None:
    promised.keep(purged(0))
    promised.broken("P15", scene=promised.scene(spool=promised.folder / "none"))


def test_p16_greetings_are_there_and_stay(promised: Promised, spool: Path) -> None:
    assert promised.found("P16").state is State.NOT_BUILT
    greeting = spool / "default" / "201" / "unavail.wav"
    greeting.write_bytes(b"RIFF")
    assert "1 sound files beside 4 files of messages" in promised.kept("P16", promised.scene(spool=spool))
    greeting.write_bytes(b"")
    promised.broken("P16", "1 sound files are empty", scene=promised.scene(spool=spool))
    promised.broken("P16", scene=promised.scene(spool=promised.folder / "none"))


def test_p16_a_purge_that_would_take_a_greeting_breaks_it(
    promised: Promised, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool / "default" / "201" / "unavail.wav").write_bytes(b"RIFF")
    taken = voicemail.Counts(mailboxes=1, heard=1, leftover=4)
    monkeypatch.setattr(probing, "_would_go", lambda *_: taken)
    promised.broken("P16", "1 files would be purged", scene=promised.scene(spool=spool))


# P18: security


def test_p18_for_its_owner_alone(promised: Promised, sealed: Path) -> None:
    secret = aged(promised.folder / "secret", b"s")
    aged(sealed / f"{RECORDING}.sealed", b"x")
    evidence = promised.kept("P18", promised.scene(secrets=(secret,), sealed=sealed))
    assert "2 folders, 0 encrypted values and no agent runs" in evidence


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602])
def test_p18_a_file_that_others_may_use_breaks_it(promised: Promised, sealed: Path, mode: int) -> None:
    files = {
        "lock": promised.folder / "agent.sqlite.lock",
        "keys": aged(promised.folder / "agent.sqlite.keys", b"k"),
        "secret": aged(promised.folder / "secret", b"s"),
        "sealed": aged(sealed / f"{RECORDING}.sealed", b"x"),
        "store": promised.store,  # Last: SQLite gives its journals the same mode.
    }
    scene = promised.scene(secrets=(files["secret"],), sealed=sealed)
    promised.kept("P18", scene)
    for name, file in files.items():
        file.chmod(mode)
        named = sealed if name == "sealed" else file
        promised.broken("P18", f"1 file can be used by others than its owner: {named} (", scene=scene)
        file.chmod(0o600)


def test_p18_a_folder_that_others_may_enter_breaks_it(promised: Promised, sealed: Path) -> None:
    scene = promised.scene(sealed=sealed)
    for folder in (promised.folder, sealed):
        folder.chmod(0o750)
        promised.broken("P18", f"1 folder can be entered by others than its owner: {folder} (", scene=scene)
        folder.chmod(0o700)


def test_p18_personal_values_in_clear_break_it(promised: Promised) -> None:
    locked, handle = f"1.{'a' * 16}.{'b' * 16}.Zm9vYmFy", f"~{'c' * 16}"
    promised.keep(leg())
    promised.spoil("UPDATE calls SET number = ?, forwarded = ?, line = ?", locked, locked, handle)
    assert "3 encrypted values" in promised.kept("P18")
    for column, value in (("number", "01134960000"), ("forwarded", "01134960001"), ("line", "201"), ("line", "~201")):
        promised.spoil(f"UPDATE calls SET {column} = ?", value)
        promised.broken("P18", "1 personal values or names of lines lie in clear")
        assert value not in promised.found("P18").evidence
        promised.spoil(f"UPDATE calls SET {column} = ?", handle if column == "line" else locked)
    # an emergency waits for no key: what could not be locked at once is locked soon
    promised.spoil("UPDATE calls SET number = '01134960000', started_at = ?", rfc3339(AT - 60_000))
    promised.kept("P18")


@pytest.fixture
def listens(promised: Promised) -> Iterator[Callable[[str], int]]:
    """A process, ours, that listens at an address."""
    with closing(socket.socket(socket.AF_INET6)) as six, closing(socket.socket()) as four:

        def listen(host: str) -> int:
            listening = six if ":" in host else four
            listening.bind((host, 0))
            listening.listen()
            return os.getpid()

        yield listen


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_p18_a_listener_that_others_can_reach_breaks_it(
    promised: Promised, listens: Callable[[str], int], host: str
) -> None:
    scene = replace(promised.scene(), pid=listens(host))
    promised.broken("P18", "1 listener can be reached from other machines", scene=scene)
    promised.kept("P18", replace(scene, remote=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_p18_one_on_loopback_does_not(promised: Promised, listens: Callable[[str], int], host: str) -> None:
    evidence = promised.kept("P18", replace(promised.scene(), pid=listens(host)))
    assert "1 listener of the running agent" in evidence


# P21: pages


@pytest.fixture
def page() -> Iterator[Callable[[dict[str, str]], str]]:
    """A server that answers with these headers."""
    headers: dict[str, str] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    Thread(target=server.serve_forever, daemon=True).start()

    def answers(with_headers: dict[str, str]) -> str:
        headers.update(with_headers)
        return f"http://127.0.0.1:{server.server_port}"

    yield answers
    server.shutdown()
    server.server_close()


def test_p21_a_cookie_breaks_it_and_without_a_page_there_is_nothing_to_prove(
    promised: Promised, page: Callable[[dict[str, str]], str]
) -> None:
    assert promised.found("P21").state is State.NOT_BUILT
    scene = replace(promised.scene(), page=page({"Content-Type": "text/plain"}))
    result = promised.found("P21", scene)
    assert result.state is State.NOT_BUILT
    assert "4 of 4" in result.evidence
    page({"Set-Cookie": "who=me"})
    promised.broken("P21", "4 cookies", scene=scene)
