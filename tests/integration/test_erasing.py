"""Erasure: what is gone is gone from every file, also after a kill at any step and after an older copy is put back."""

import json
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import site_key_in
from agent.core.accounts import Span, spans
from agent.core.erasing import Fate, Why
from agent.core.holds import Holds
from agent.core.personal import LOCKED
from agent.core.records import (
    Account,
    Call,
    Calls,
    Content,
    ContentState,
    Deletion,
    Emergency,
    Ground,
    Hold,
    How,
    Line,
    OptIn,
    Record,
    Recording,
    RecordingState,
    Registration,
    Service,
    Total,
    Trigger,
)
from agent.ports import StoreError
from agent.stores.erasures import Erasures
from agent.stores.sqlite import ERASED
from agent.stores.sqlite.statements import STATEMENTS
from agent.stores.vault import Keyring
from agent.stores.vault.rotation import KeyFile, rotate
from tests.integration.customers import (
    CONTENT,
    DAY_MS,
    KEY,
    KINDS,
    Erased,
    Killed,
    account,
    call,
    erasing,
    of_line,
    optin,
    recording,
    registration,
)
from tests.scenarios.made import AT

CLOSED_AT = AT + 3_600_000
CLOSED = account("A1001", "201", until=CLOSED_AT)
OTHERS = [*account("A1002", "202", until=None), *of_line("202")]
#: What is not erased: of the other customer everything, of this one what happened in an emergency.
LEFT = sorted([*(record.id for record in OTHERS), "e-201"])


@pytest.fixture
async def erased(tmp_path: Path) -> AsyncIterator[Erased]:
    async with erasing(tmp_path) as found:
        await found.store.commit([*CLOSED, *of_line("201"), *OTHERS], durable=True)
        yield found


def in_files(folder: Path, what: str) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and what.encode() in path.read_bytes())


def hold(*kinds: str) -> Hold:
    return Hold(
        id="h",
        lines=("201",),
        kinds=kinds,
        authority="court",
        reference="X1",
        placed_at=AT,
        placed_by="sam",
        reviewer="kim",
        review_at=AT + 90 * DAY_MS,
    )


async def test_of_one_customer_all_goes_that_need_not_stay_and_of_another_nothing(erased: Erased) -> None:
    before = await erased.eraser.outlook("A1001")
    assert erased.left(*KINDS) == sorted([record.id for record in (*CLOSED, *of_line("201"), *OTHERS)])

    fates = await erased.eraser.erase("A1001")

    assert erased.left(*KINDS) == LEFT
    assert erased.destroyed == [CONTENT]
    assert erased.withdrawn == ["o-201"]
    gone = {fate.kind: fate.count for fate in fates if fate.why is None}
    assert gone == {
        "call": 2,
        "text": 1,
        "registration": 1,
        "content": 1,
        "recording": 1,
        "optin": 1,
        "account": 1,
        "service": 2,
    }
    assert gone == {fate.kind: fate.count for fate in before if fate.why is None}
    kept = [fate for fate in fates if fate.why is Why.SAFETY]
    assert kept == [Fate(kind="emergency", count=1, why=Why.SAFETY, until=AT + 9_000 + 365 * DAY_MS)]
    assert kept == [fate for fate in before if fate.why is Why.SAFETY]


async def test_what_tax_law_asks_for_stays_without_a_number(erased: Erased) -> None:
    await erased.eraser.erase("A1001")
    (total,) = erased.stored(Total)
    assert (total.line, total.calls, total.billable_s) == ("201", 1, 60)
    assert in_files(erased.folder, "c-201") == []
    (left,) = [fate for fate in await erased.eraser.outlook("A1002") if fate.why is Why.SAFETY]
    assert left.count == 1


async def test_each_deletion_is_counted_with_its_ground_and_names_nobody(erased: Erased) -> None:
    await erased.eraser.erase("A1001")
    told = {(each.of, each.retention): (each.count, each.ground) for each in erased.stored(Deletion)}
    assert told["call", "call"] == told["call", "unbilled"] == (1, Ground.ERASURE)
    assert "201" not in json.dumps([[*key] for key in told])


async def test_of_an_account_whose_contract_runs_the_services_stay(tmp_path: Path) -> None:
    async with erasing(tmp_path) as erased:
        await erased.store.commit([*account("A1001", "201", until=None), *of_line("201")], durable=True)
        fates = await erased.eraser.erase("A1001")
        assert {(fate.kind, fate.count) for fate in fates if fate.why is Why.CONTRACT} == {
            ("account", 1),
            ("service", 2),
        }
        assert len(erased.left(Account, Service)) == 3


async def test_only_the_time_is_erased_in_which_the_line_was_the_accounts(tmp_path: Path) -> None:
    async with erasing(tmp_path) as erased:
        before, after = AT - 500 * DAY_MS, CLOSED_AT + 1
        others: list[Record] = [call("before", at=before), call("after", at=after), registration("later", at=after)]
        await erased.store.commit([*CLOSED, *of_line("201"), *others], durable=True)
        await erased.eraser.erase("A1001")
        assert erased.left(*KINDS) == ["after", "before", "e-201", "later"]
        assert await erased.eraser.replay() == 0
        assert erased.left(*KINDS) == ["after", "before", "e-201", "later"]


async def test_the_sound_of_a_call_is_of_who_had_the_line_when_it_began(tmp_path: Path) -> None:
    late = recording(at=CLOSED_AT - 9, stopped_at=CLOSED_AT + 9)
    next_one = recording("00000000000000ab", at=CLOSED_AT, stopped_at=CLOSED_AT + 9)
    async with erasing(tmp_path) as erased:
        heir = account("A1002", "201", since=CLOSED_AT, until=None)
        await erased.store.commit([*CLOSED, *heir, *late, *next_one], durable=True)
        await erased.eraser.erase("A1002")
        assert erased.left(Recording, Content) == [CONTENT, CONTENT]
        await erased.eraser.erase("A1001")
        assert erased.left(Recording, Content) == []
        assert erased.destroyed == ["00000000000000ab", CONTENT]


async def test_the_sound_of_a_call_that_was_up_goes_with_the_pass_after_it_was_sealed(tmp_path: Path) -> None:
    tape, sound = recording(at=AT - 9, stopped_at=AT + 9)
    async with erasing(tmp_path, at=AT) as erased:
        up = replace(tape, state=RecordingState.RECORDING, stopped_at=None)
        await erased.store.commit([*account("A1001", "201", until=None), up], durable=True)
        await erased.eraser.erase("A1001")
        await erased.store.commit([tape, sound], durable=True)
        await erased.eraser.replay()
        assert erased.left(Recording, Content) == []
        assert erased.destroyed == [CONTENT]


async def test_what_goes_on_stays_until_it_is_over_and_goes_with_the_next_pass(erased: Erased) -> None:
    running = registration("running", ended_at=None)
    await erased.store.commit([running], durable=True)
    fates = await erased.eraser.erase("A1001")
    assert Fate(kind="registration", count=1, why=Why.GOING_ON) in fates
    assert erased.left(Registration) == ["r-202", "running"]
    await erased.store.commit([replace(running, ended_at=AT + 9)], durable=True)
    assert await erased.eraser.replay() == 1
    assert erased.left(Registration) == ["r-202"]


async def test_what_is_held_stays_and_goes_once_the_hold_is_lifted(erased: Erased) -> None:
    erased.holds = Holds().taken_up([hold("calls", "recordings")])
    fates = await erased.eraser.erase("A1001")
    held = [fate for fate in fates if fate.why is Why.LAW]
    assert {(fate.kind, fate.count) for fate in held} == {
        ("call", 2),
        ("text", 1),
        ("content", 1),
        ("recording", 1),
        ("optin", 1),
        ("account", 1),
        ("service", 2),
    }
    assert {fate.until for fate in held} == {None}
    assert erased.destroyed == erased.withdrawn == []
    erased.holds = Holds()
    await erased.eraser.replay()
    assert erased.left(*KINDS) == LEFT
    assert erased.destroyed == [CONTENT]


@pytest.mark.parametrize("on", ["account", "line"])
async def test_whose_what_is_held_was_stays_known_until_the_hold_is_lifted(erased: Erased, on: str) -> None:
    kept = hold("registrations")
    kept = replace(kept, account="A1001", lines=()) if on == "account" else kept
    erased.holds = Holds().taken_up([kept]).of({"A1001": spans([*erased.stored(Service)], 0, None)})
    fates = await erased.eraser.erase("A1001")
    assert {(fate.kind, fate.count) for fate in fates if fate.why is Why.LAW} >= {("account", 1), ("service", 2)}
    assert {"a-A1001", "l-A1001", "n-A1001"} <= {*erased.left(Account, Service)}
    erased.holds = Holds()
    await erased.eraser.replay()
    assert erased.left(*KINDS) == LEFT


async def test_an_older_copy_that_is_put_back_is_erased_again_at_the_start(tmp_path: Path) -> None:
    folder, copy = tmp_path / "agent", tmp_path / "copy"
    folder.mkdir()
    async with erasing(folder) as erased:
        await erased.store.commit([*CLOSED, *of_line("201"), *OTHERS], durable=True)
    shutil.copy(folder / "agent.sqlite", copy)
    async with erasing(folder) as erased:
        await erased.eraser.erase("A1001")
        later = call("later", at=CLOSED_AT + 1)
        await erased.store.commit([later], durable=True)
    shutil.copy(copy, folder / "agent.sqlite")
    async with erasing(folder) as erased:
        assert "c-201" in erased.left(*KINDS)
        await erased.eraser.replay()
        assert erased.left(*KINDS) == LEFT
        assert in_files(folder, "07700900123") != [], "the other customer's"
        assert in_files(folder, "c-201") == []


async def test_a_copy_from_before_the_account_was_known_is_erased_as_well(tmp_path: Path) -> None:
    async with erasing(tmp_path) as erased:
        await erased.store.commit([*CLOSED, *of_line("201")], durable=True)
        await erased.eraser.erase("A1001")
        await erased.store.commit([call("back"), registration("back")], durable=True)
        assert await erased.eraser.replay() == 2
        assert erased.left(*KINDS) == ["e-201"]


async def test_who_comes_back_as_a_customer_keeps_what_is_new(erased: Erased) -> None:
    await erased.eraser.erase("A1001")
    again = account("A1001", "201", since=AT + 2 * DAY_MS, until=AT + 9 * DAY_MS)
    await erased.store.commit([*again, call("new", at=AT + 3 * DAY_MS)], durable=True)
    await erased.eraser.replay()
    assert erased.left(*KINDS) == sorted([*LEFT, "new", *(record.id for record in again)])


@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("at", range(1, 48))
async def test_a_kill_at_any_step_leaves_nothing_that_the_next_start_does_not_finish(
    tmp_path: Path, at: int, locked: bool
) -> None:
    async with erasing(tmp_path, locked=locked) as erased:
        await erased.store.commit([*CLOSED, *of_line("201"), *OTHERS], durable=True)
        erased.kills_at = at
        try:
            await erased.eraser.erase("A1001")
            assert erased.steps < at, "every step was tried"
        except Killed:
            pass
    async with erasing(tmp_path, locked=locked) as again:
        await again.eraser.replay()
        if at == 1:  # Before the ledger had it: nothing was begun.
            assert len(again.left(*KINDS)) == len(LEFT) + len(CLOSED) + len(of_line("201")) - 1
            await again.eraser.erase("A1001")
        assert again.left(*KINDS) == LEFT
        assert {CONTENT} == {*erased.destroyed, *again.destroyed}
        assert {"account A1001", "subject A1001"} <= {*erased.forgotten, *again.forgotten} or not locked
        totals = again.stored(Total)
        assert sum(each.calls for each in totals) == 1, "what was cut is counted once"


async def test_a_second_erasure_finds_nothing_more(erased: Erased) -> None:
    await erased.eraser.erase("A1001")
    assert [fate for fate in await erased.eraser.erase("A1001") if fate.why is None] == []
    assert await erased.eraser.replay() == 0


async def test_without_a_vault_no_recording_is_called_erased(tmp_path: Path) -> None:
    async with erasing(tmp_path, vault=False) as erased:
        await erased.store.commit([*CLOSED, *recording()], durable=True)
        with pytest.raises(StoreError, match="no site key"):
            await erased.eraser.erase("A1001")
        assert CONTENT in erased.left(*KINDS)


async def test_a_recording_that_is_lost_goes_with_its_key_as_any(tmp_path: Path) -> None:
    async with erasing(tmp_path) as erased:
        tape, sound = recording()
        assert isinstance(sound, Content)
        lost = replace(sound, state=ContentState.LOST, deleted_at=AT + 10_000)
        await erased.store.commit([*CLOSED, tape, lost], durable=True)
        await erased.eraser.erase("A1001")
        assert erased.left(*KINDS) == []
        assert erased.destroyed == [CONTENT]


async def test_a_press_of_a_call_that_is_up_is_left_alone(tmp_path: Path) -> None:
    async with erasing(tmp_path) as erased:
        press = optin("press", calls=Calls.ONE, how=How.PRESS, trigger=Trigger.BUTTON)
        await erased.store.commit([*CLOSED, press], durable=True)
        fates = await erased.eraser.erase("A1001")
        assert Fate(kind="optin", count=1, why=Why.GOING_ON) in fates
        assert erased.left(OptIn) == ["press"]


async def test_what_went_stands_in_no_log_of_the_store(erased: Erased) -> None:
    await erased.store.commit([call("secret", number="07700900999")], durable=True)
    assert in_files(erased.folder, "07700900999")
    await erased.eraser.erase("A1001")
    assert in_files(erased.folder, "07700900999") == []


async def test_the_next_line_is_found_by_its_index(erased: Erased) -> None:
    with closing(sqlite3.connect(erased.folder / "agent.sqlite")) as database:
        for kind in ("call", "text", "registration", "recording", "content", "optin"):
            plan = database.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[f'lines_{kind}']}", {"after": ""}).fetchall()
            assert [row[3].split()[0] for row in plan] == ["SEARCH"], plan


# -- with a keyring -------------------------------------------------------------------------------------------------


async def test_what_stood_for_a_line_is_forgotten_and_of_another_it_is_not(tmp_path: Path) -> None:
    async with erasing(tmp_path, locked=True) as erased:
        safe = [record for record in of_line("201") if record.id != "e-201"]
        await erased.store.commit([*CLOSED, *safe, *OTHERS], durable=True)
        assert {line.name for line in erased.stored(Line)} == {"201", "202"}
        await erased.eraser.erase("A1001")
        assert [line.name for line in erased.stored(Line)] == ["202"]
        assert erased.left(*KINDS) == [each for each in LEFT if each != "e-201"]
        (total,) = erased.stored(Total)
        assert total.line == ERASED


async def test_an_emergency_keeps_the_name_of_its_line_for_as_long_as_it_stays(tmp_path: Path) -> None:
    async with erasing(tmp_path, locked=True) as erased:
        await erased.store.commit([*CLOSED, *of_line("201")], durable=True)
        await erased.eraser.erase("A1001")
        (emergency,) = erased.stored(Emergency)
        assert (emergency.line, emergency.ip) == ("201", "192.0.2.1")
        assert await erased.store.remove("emergency", [emergency.id]) == 1
        await erased.eraser.replay()
        assert erased.stored(Line) == []


async def test_a_copy_that_is_put_back_is_unreadable_and_goes_all_the_same(tmp_path: Path) -> None:
    folder, copy = tmp_path / "agent", tmp_path / "copy"
    folder.mkdir()
    async with erasing(folder, locked=True) as erased:
        safe = [record for record in of_line("201") if record.id != "e-201"]
        await erased.store.commit([*CLOSED, *safe, *OTHERS], durable=True)
    shutil.copy(folder / "agent.sqlite", copy)
    async with erasing(folder, locked=True) as erased:
        await erased.eraser.erase("A1001")
    shutil.copy(copy, folder / "agent.sqlite")
    async with erasing(folder, locked=True) as erased:
        (back,) = [each for each in erased.stored(Call) if each.id == "c-201"]
        assert (back.line, back.number) == (ERASED, None)
        await erased.eraser.replay()
        assert erased.left(*KINDS) == [each for each in LEFT if each != "e-201"]
        assert in_files(folder, "c-201") == []


async def test_the_numbers_of_an_account_that_is_gone_are_unreadable_in_every_copy(tmp_path: Path) -> None:
    folder, copy = tmp_path / "agent", tmp_path / "copy"
    folder.mkdir()
    async with erasing(folder, locked=True) as erased:
        await erased.store.commit([*CLOSED, *OTHERS], durable=True)
    shutil.copy(folder / "agent.sqlite", copy)
    async with erasing(folder, locked=True) as erased:
        await erased.eraser.erase("A1001")
    shutil.copy(copy, folder / "agent.sqlite")
    async with erasing(folder, locked=True) as erased:
        numbers = {service.account: service.number for service in erased.stored(Service) if service.line is None}
        assert numbers == {"A1001": None, "A1002": "01134960202"}
        await erased.eraser.replay()
        assert {service.account for service in erased.stored(Service)} == {"A1002"}


@pytest.mark.parametrize("state", [ContentState.KEPT, ContentState.LOST])
async def test_an_account_that_is_called_as_a_line_takes_none_of_its_recordings_with_it(
    tmp_path: Path, state: ContentState
) -> None:
    async with erasing(tmp_path, locked=True) as erased:
        others = [replace(each, state=state) if isinstance(each, Content) else each for each in OTHERS]
        await erased.store.commit([*account("202", "201", until=CLOSED_AT), *others], durable=True)
        await erased.eraser.erase("202")
        assert "202" not in erased.forgotten
        assert "account 202" in erased.forgotten


async def test_what_is_held_stays_though_nobody_can_tell_now_whose_it_is(tmp_path: Path) -> None:
    async with erasing(tmp_path, locked=True) as erased:
        await erased.store.commit([*CLOSED, *of_line("201")], durable=True)
        erased.holds = Holds().taken_up([hold("calls")])
        await erased.eraser.erase("A1001")
        # The keyring is under another site key until the agent is restarted.
        file = KeyFile(path=tmp_path / "site-key", former=tmp_path / "site-key.old", read=site_key_in)
        file.path.write_text(KEY.hex() + "\n")
        file.path.chmod(0o600)
        with closing(Keyring(tmp_path / "agent.keys", KEY)) as keyring:
            rotate(keyring, file)
        with pytest.raises(StoreError):
            await erased.eraser.replay()
        assert {call.line for call in erased.stored(Call)} == {LOCKED}
        assert erased.left(Call, Account) == ["a-A1001", "c-201", "u-201"]


async def test_what_comes_of_a_line_after_the_erasure_has_another_handle(tmp_path: Path) -> None:
    async with erasing(tmp_path, locked=True) as erased:
        await erased.store.commit([*account("A1001", "201", until=None), call("c1")], durable=True)
        (before,) = erased.stored(Line)
        await erased.eraser.erase("A1001")
        await erased.store.commit([call("later", at=AT + 2 * DAY_MS)], durable=True)
        (after,) = erased.stored(Line)
        assert (after.name, after.id != before.id) == ("201", True)
        assert [(each.id, each.line) for each in erased.stored(Call)] == [("later", "201")]
        await erased.eraser.replay()
        assert [each.id for each in erased.stored(Call)] == ["later"]


# -- the ledger -----------------------------------------------------------------------------------------------------


def test_the_ledger_is_its_owners_alone_and_has_no_name_in_it(tmp_path: Path) -> None:
    ledger = Erasures(tmp_path / "ledger", KEY)
    assert ledger.read() == []
    ledger.write(["A1001"], [Span(line="201", begin=1, end=9)], 9)
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o600
    content = (tmp_path / "ledger").read_text()
    assert "A1001" not in content
    assert '"201"' not in content
    assert [(each.of, each.begin, each.end) for each in ledger.read()] == [
        (ledger.account("A1001"), 0, 9),
        (ledger.line("201"), 1, 9),
    ]
    assert ledger.line("A1001") != ledger.account("A1001")
    assert Erasures(tmp_path / "ledger", bytes(32)).line("201") != ledger.line("201")


def test_the_ledger_only_grows_and_has_nothing_twice(tmp_path: Path) -> None:
    ledger = Erasures(tmp_path / "ledger", KEY)
    ledger.write(["A1001"], [], 9)
    first = (tmp_path / "ledger").read_bytes()
    ledger.write(["A1001"], [], 9)
    assert (tmp_path / "ledger").read_bytes() == first
    ledger.write(["A1002"], [], 9)
    assert (tmp_path / "ledger").read_bytes().startswith(first)


@pytest.mark.parametrize("cut", range(1, 60))
def test_half_a_line_that_a_crash_left_is_none_and_is_in_nobodys_way(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "ledger"
    ledger = Erasures(path, KEY)
    ledger.write(["A1001"], [], 9)
    whole = path.read_bytes()
    ledger.write(["A1002"], [], 9)
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    assert len(ledger.read()) == 1
    ledger.write(["A1003"], [], 9)
    assert [each.of for each in ledger.read()] == [ledger.account("A1001"), ledger.account("A1003")]


@pytest.mark.parametrize(
    "content", [b"nonsense\n", b"{}\n", b'{"of": "a", "from": 1, "until": 2}\n', b"[" * 100_000 + b"\n"]
)
def test_a_damaged_ledger_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger").write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Erasures(tmp_path / "ledger", KEY).read()
    with pytest.raises(StoreError, match="damaged"):
        Erasures(tmp_path / "ledger", KEY).write(["A1"], [], 1)
    assert (tmp_path / "ledger").read_bytes() == content


def test_a_ledger_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "ledger").symlink_to(tmp_path / "other")
    with pytest.raises(StoreError, match="cannot be used"):
        Erasures(tmp_path / "ledger", KEY).write(["A1"], [], 1)
    assert (tmp_path / "other").read_bytes() == b""


async def test_nothing_is_erased_that_the_ledger_does_not_have(erased: Erased) -> None:
    (erased.folder / "agent.keys.erasures").mkdir()
    with pytest.raises(StoreError, match="cannot be used"):
        await erased.eraser.erase("A1001")
    assert "c-201" in erased.left(*KINDS)
    assert erased.destroyed == []
