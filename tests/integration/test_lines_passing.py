"""A line that passes from an account to the next: its opt-ins end, and what comes of it has another handle."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from agent.assembly.lifetimes import Lifetimes
from agent.config import Config
from agent.core.instants import rfc3339
from agent.core.records import Calls, OptIn, Registration, Trigger
from agent.keys import Keys
from agent.people.holds import Holding
from agent.people.importing import BATCH
from agent.people.recordings import Recordings
from agent.ports import StoreError
from agent.stores.sqlite import Fields
from agent.stores.sqlite.opening import connect
from agent.stores.vault import Keyring
from agent.world import now_ms
from tests.contract.stored import registration
from tests.integration.accounted import NOW, Accounted, accounted
from tests.integration.commands import desk, one_sentence
from tests.integration.fake_asterisk import Action, Peer, event, list_of
from tests.integration.test_keys_running import settings
from tests.scenarios.made import AT

HEAD = "account,line,number,from,until,itemised,history_consent\n"
HIS = "A1001,201,,2024-03-01,,,\n"
DAY_MS = 86_400_000
WHY = ("--reason", "the customer rang")


@dataclass(slots=True)
class Passed:
    """The agent with A1001's line 201, of which there is a registration; ``times`` is the clock of what locks."""

    agent: Accounted
    keyring: Keyring
    times: list[int]

    async def registered(self, id: str, at: int) -> str:
        """Store a registration of the line; the handle that it stands under."""
        self.times[0] = at
        await self.agent.store.commit([registration(id, at)], durable=True)
        return self.handle(id)

    def handle(self, id: str) -> str:
        """What stands in the store in place of the line's name."""
        with closing(connect(self.agent.folder / "agent.sqlite", "mode=ro")) as database:
            (handle,) = database.execute("SELECT line FROM registrations WHERE id = ?", (id,)).fetchone()
            return str(handle)

    def of_line(self) -> list[str]:
        with self.agent.reader() as reader:
            return [record.id for record in reader.read(Registration.KIND, line="201")]


@pytest.fixture
async def passed(tmp_path: Path) -> AsyncIterator[Passed]:
    keyring, times = Keyring(tmp_path / "keys", bytes(32)), [AT - 10 * DAY_MS]
    folder = tmp_path / "agent"
    async with accounted(folder, Fields(folder / "agent.sqlite", lambda: keyring, lambda: times[0])) as agent:
        assert (await agent.imported(HEAD + HIS)).returncode == 0
        passed = Passed(agent, keyring, times)
        await passed.registered("a", AT - 10 * DAY_MS)
        yield passed
    keyring.close()


async def test_the_next_holders_records_stand_under_another_handle_from_the_import_on(passed: Passed) -> None:
    assert await passed.registered("b", AT - 3 * DAY_MS) == passed.handle("a")
    done = await passed.agent.imported(HEAD + HIS.replace(",,,", ",2026-11-20,,") + "A1002,201,,2026-11-20,,,\n")
    assert done.stdout == "added 1, ended 1, changed 0, unchanged 0\n", done.stderr
    hers = await passed.registered("c", NOW)
    assert passed.handle("a") == passed.handle("b") != hers
    assert passed.of_line() == ["a", "b", "c"], "they are found by the name of the line"
    # Importing it again, and the next start, look at it again: she keeps her handle.
    await passed.agent.imported(HEAD + HIS.replace(",,,", ",2026-11-20,,") + "A1002,201,,2026-11-20,,,\n")
    await passed.agent.passing(NOW + DAY_MS).look()
    assert await passed.registered("d", NOW + DAY_MS) == hers


async def test_a_line_passes_on_when_its_time_comes(passed: Passed) -> None:
    passing = passed.agent.passing(NOW + 10 * DAY_MS)
    await passed.agent.imported(HEAD + HIS.replace(",,,", ",2026-12-01,,"))
    assert await passed.registered("b", NOW) == passed.handle("a"), "it is still theirs"
    await passing.look()
    assert await passed.registered("c", NOW + 10 * DAY_MS) != passed.handle("a")


async def test_a_correction_passes_it_on_as_well(passed: Passed) -> None:
    (shown,) = await passed.agent.json("account", "show", "A1001", *WHY)
    (service,) = shown["services"]
    await passed.agent.run("account", "correct", service["id"], "--until", "2026-11-20", *WHY)
    assert await passed.registered("b", NOW) != passed.handle("a")


async def test_what_was_known_to_be_anothers_before_the_line_was_heard_of_ends_nothing(passed: Passed) -> None:
    await passed.agent.imported(HEAD + "A900,201,,2020-01-01,2024-03-01,,\n")
    assert await passed.registered("b", NOW) == passed.handle("a")


async def test_while_the_keys_cannot_be_used_it_is_put_off(passed: Passed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StoreError("the keyring cannot be read")

    passing = passed.agent.passing()
    await passing.look()
    with monkeypatch.context() as away:
        away.setattr(Fields, "handles_of", broken)
        await passed.agent.imported(HEAD + HIS.replace(",,,", ",2026-11-20,,"))
        with passed.agent.reader() as reader:
            services = reader.services(line="201")
        async with passing.changing() as stored:
            stored(services)
    assert [each["event"] for each in passed.agent.log].count("handles_not_retired") == 2
    await passing.look()
    assert await passed.registered("b", NOW) != passed.handle("a")


async def test_when_its_time_comes_its_opt_ins_end_also_while_the_agent_was_down(passed: Passed) -> None:
    agent, consents = passed.agent, passed.agent.pipeline.engine.consents
    await agent.imported(HEAD + HIS.replace(",,,", ",2026-12-01,,"))
    await agent.keep(*consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW))
    await agent.keep(*consents.add("202", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW))
    await agent.passing(NOW + DAY_MS).look()
    assert len(consents.standing()) == 2
    with agent.reader() as reader:
        restarted = reader.open(OptIn)
    for given in consents.standing():
        consents.withdraw(given.id, "the agent stops", NOW)
    consents.restore(restarted)
    await agent.passing(NOW + 10 * DAY_MS).look()
    assert [given.line for given in consents.standing()] == ["202"]
    assert consents.covering("202", Trigger.SERVICE, Calls.INCOMING, NOW + 10 * DAY_MS), "no account ever had it"
    with agent.reader() as reader:
        his, others = sorted(reader.read(OptIn.KIND), key=lambda record: getattr(record, "line", ""))
    assert [getattr(each, "withdrawn_at", None) for each in (his, others)] == [NOW + 10 * DAY_MS, None]
    with closing(connect(agent.folder / "agent.sqlite", "mode=ro")) as database:
        handles = database.execute("SELECT line FROM optins WHERE id = ?", (his.id,)).fetchall()
    assert handles == [(passed.handle("a"),)], "it is his still"


async def test_the_opt_in_of_a_customer_who_renews_goes_on(passed: Passed) -> None:
    consents = passed.agent.pipeline.engine.consents
    (given,) = consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW - 30 * DAY_MS)
    await passed.agent.keep(given)
    done = await passed.agent.imported(HEAD + HIS.replace(",,,", ",2026-11-20,,") + "A1001,201,,2026-11-20,,,\n")
    assert done.returncode == 0, done.stderr
    assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) == given


async def test_a_clock_that_was_put_ahead_ends_no_opt_in_but_nothing_is_recorded_by_it_then(
    passed: Passed, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, consents, now, ahead = passed.agent, passed.agent.pipeline.engine.consents, NOW, NOW + 3650 * DAY_MS

    async def withdraw(id: str, by: str) -> None:
        await agent.keep(*consents.withdraw(id, by, now))

    monkeypatch.setattr("agent.assembly.lifetimes.now_ms", lambda: ahead)
    lifetimes = Lifetimes(
        config=Config(),
        keys=cast(Keys, SimpleNamespace(wanted=False)),
        key=bytes(32),
        store=agent.store,
        pipeline=agent.pipeline,
        reader=agent.reader,
        holding=cast(Holding, SimpleNamespace(gate=asyncio.Lock())),
        recordings=cast(Recordings, SimpleNamespace(vault=None, withdraw=withdraw)),
        clock=lambda: now,
    )
    await agent.imported(HEAD + HIS.replace(",,,", ",2026-12-31,,"))
    (given,) = consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW)
    await agent.keep(given)
    consents.doubt(consents.standing())
    await lifetimes.passing.look()
    assert consents.covering("201", Trigger.SERVICE, Calls.ALL, ahead) is None
    assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) == given
    # The next holder may ask for it herself, if the clock was right and is believed tomorrow.
    assert consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "bob", ahead)
    now = ahead
    await lifetimes.passing.look()
    assert [each.by for each in consents.standing()] == ["bob"]


async def test_an_opt_in_of_a_line_that_was_never_theirs_ends_with_the_correction(passed: Passed) -> None:
    consents = passed.agent.pipeline.engine.consents
    await passed.agent.keep(*consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW))
    (shown,) = await passed.agent.json("account", "show", "A1001", *WHY)
    (service,) = shown["services"]
    done = await passed.agent.run("account", "correct", service["id"], "--line", "209", *WHY)
    assert done.returncode == 0, done.stderr
    assert consents.standing() == []


async def test_a_line_that_was_once_noted_wrongly_opts_in_as_before(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent") as here:
        (here.agent.folder / "accounts.csv").write_text(HEAD + "A3001,250,,2024-03-01,,,\n")
        assert (await here.run("account", "import", "accounts.csv")).returncode == 0
        (shown,) = await here.json("account", "show", "A3001", *WHY)
        (service,) = shown["services"]
        done = await here.run("account", "correct", service["id"], "--line", "205", *WHY)
        assert done.returncode == 0, done.stderr
        asked = ("recording", "optin", "add", "250", "--trigger", "service", "--purpose", "the provider's own")
        done = await here.run(*asked)
        assert done.returncode == 0, done.stderr


async def test_nothing_is_recorded_while_nobody_can_tell_whose_the_line_is(
    passed: Passed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise StoreError("the keyring cannot be read")

    consents = passed.agent.pipeline.engine.consents
    (given,) = consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW)
    await passed.agent.keep(given)
    with passed.agent.reader() as reader:
        services = reader.services(line="201")
    with monkeypatch.context() as away:
        away.setattr(Fields, "indexes", broken)
        async with passed.agent.passing().changing() as stored:
            stored(services)
        assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) is None
    await passed.agent.passing().look()
    assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) == given


async def test_one_service_that_cannot_be_read_holds_up_the_opt_ins_and_the_handle_of_its_line_alone(
    passed: Passed,
) -> None:
    agent, consents = passed.agent, passed.agent.pipeline.engine.consents
    await agent.imported(
        HEAD + "A3001,301,,2024-03-01,,,\nA3002,302,,2024-03-01,,,\n" + HIS.replace(",,,", ",2026-11-20,,")
    )
    for line in ("301", "302", "201"):
        await agent.keep(*consents.add(line, Trigger.SERVICE, Calls.ALL, "minutes", "ann", AT - 10 * DAY_MS))
    with closing(connect(agent.folder / "agent.sqlite", "mode=rw")) as database:
        damage = "UPDATE services SET line = substr(line, 1, length(line) - 6) || ? WHERE account = 'A3001'"
        (whole,) = database.execute("SELECT line FROM services WHERE account = 'A3001'").fetchone()
        database.execute(damage, ("AAAAAA",))
        database.commit()
        consents.doubt(consents.standing())  # As a start does.
        await agent.passing(NOW).look()
        assert {given.line for given in consents.standing()} == {"301", "302"}, "the third is his no more"
        assert consents.covering("301", Trigger.SERVICE, Calls.ALL, NOW) is None
        assert consents.covering("302", Trigger.SERVICE, Calls.ALL, NOW)
        assert str(agent.told[-1]).startswith("nothing is recorded by some opt-ins that stand: the lines and numbers")
        assert await passed.registered("b", NOW) != passed.handle("a")
        database.execute("UPDATE services SET line = ? WHERE account = 'A3001'", (whole,))
        database.commit()
    await agent.passing(NOW).look()
    assert consents.covering("301", Trigger.SERVICE, Calls.ALL, NOW)
    assert agent.told[-1] is None


async def test_the_handle_of_a_line_waits_for_its_opt_in(passed: Passed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StoreError("it cannot be read")

    agent, consents, passing = passed.agent, passed.agent.pipeline.engine.consents, passed.agent.passing()
    await agent.keep(*consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", AT - 10 * DAY_MS))
    await passing.look()
    with monkeypatch.context() as away:
        away.setattr("agent.duties.passing.stays_until", broken)
        await agent.imported(HEAD + HIS.replace(",,,", ",2026-11-20,,"))
        with agent.reader() as reader:
            services = reader.services(line="201")
        async with passing.changing() as stored:
            stored(services)
    assert await passed.registered("b", NOW) == passed.handle("a")
    await passing.look()
    with closing(connect(agent.folder / "agent.sqlite", "mode=ro")) as database:
        assert database.execute("SELECT line FROM optins").fetchall() == [(passed.handle("a"),)], "it is his still"
    assert await passed.registered("c", NOW) != passed.handle("a")


async def test_an_import_of_many_rows_ends_no_opt_in_of_who_has_the_line_by_the_last_of_them(passed: Passed) -> None:
    consents = passed.agent.pipeline.engine.consents
    (given,) = consents.add("301", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW)
    await passed.agent.keep(given)
    before, after = "A2001,301,,2019-01-01,2023-01-01,,\n", "A2002,301,,2023-01-01,,,\n"
    between = "".join(f"B{n},4{n:03},,2020-01-01,,,\n" for n in range(2 * BATCH))
    done = await passed.agent.imported(HEAD + before + between + after)
    assert done.returncode == 0, done.stderr
    assert consents.covering("301", Trigger.SERVICE, Calls.ALL, NOW) == given


async def test_while_half_of_a_change_is_stored_nothing_is_recorded_and_nothing_judged(passed: Passed) -> None:
    consents, passing = passed.agent.pipeline.engine.consents, passed.agent.passing()
    (given,) = consents.add("201", Trigger.SERVICE, Calls.ALL, "minutes", "ann", NOW)
    await passed.agent.keep(given)
    await passing.look()
    with passed.agent.reader() as reader:
        services = reader.services(line="201")
    async with passing.changing() as stored:
        stored(services)
        looking = asyncio.create_task(passing.look())
        await asyncio.sleep(0)
        assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) is None
        assert not looking.done()
    await looking
    assert consents.covering("201", Trigger.SERVICE, Calls.ALL, NOW) == given, "it was seen to"


@pytest.mark.parametrize("locked", [True, False], ids=["with a site key", "without"])
async def test_no_opt_in_of_who_had_the_line_records_the_next_one(tmp_path: Path, locked: bool) -> None:
    folder = tmp_path / "agent"
    async with desk(folder, settings(folder) if locked else "") as here:

        def marks(peer: Peer, action: Action) -> list[bytes]:
            mark = event("DBGetTreeResponse", Key="/recording-optin/service/201", Val="all")
            found = [mark] if action["Family"] == "recording-optin" else []
            return list_of(action, "DBGetTreeComplete", *found)

        def unmarked() -> list[str]:
            return [action["Key"] for peer in here.fake.peers for action in peer.asked("DBDel")]

        asked = ("recording", "optin", "add", "201", "--trigger", "service", "--purpose", "his own notes")
        (folder / "accounts.csv").write_text(HEAD + HIS)
        assert (await here.run("account", "import", "accounts.csv")).returncode == 0
        done = await here.run(*asked)
        assert done.returncode == 0, done.stderr
        here.fake.replies["DBGetTree"] = marks
        passed_at = rfc3339(now_ms())
        (folder / "accounts.csv").write_text(HEAD + f"A1001,201,,2024-03-01,{passed_at},,\n")
        done = await here.run("account", "import", "accounts.csv")
        assert done.returncode == 0, done.stderr
        assert await here.json("recording", "optin", "list") == []
        (his,) = await here.json("recording", "optin", "list", "--all")
        assert (his["purpose"], his["withdrawn_by"]) == ("his own notes", "agent: the line passed")
        await here.agent.until(lambda: "service/201" in unmarked(), "the mark taken back")
        # Nobody has the line now; then she asks for it herself.
        one_sentence(await here.run(*asked), 1, "this line is no account's now")
        (folder / "accounts.csv").write_text(HEAD + f"A1002,201,,{passed_at},,,\n")
        assert (await here.run("account", "import", "accounts.csv")).returncode == 0
        done = await here.run(*asked)
        assert done.returncode == 0, done.stderr
        assert [each["line"] for each in await here.json("recording", "optin", "list")] == ["201"]


async def test_a_running_agent_sees_to_it_from_the_command_to_the_store(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with desk(folder, settings(folder)) as here:

        async def opted_in(trigger: str) -> str:
            """Have an opt-in of the line stored; the handle that it stands under."""
            command = ("recording", "optin", "add", "201", "--trigger", trigger, "--purpose", "minutes")
            done = await here.run(*command)
            assert done.returncode == 0, done.stderr
            with closing(connect(here.agent.store, "mode=ro")) as database:
                rows = database.execute("SELECT line FROM optins WHERE trigger = ?", (trigger,)).fetchall()
            return str(rows[0][0])

        first = await opted_in("pa")
        passed_at = rfc3339(now_ms())
        (folder / "accounts.csv").write_text(HEAD + f"A1001,201,,2024-03-01,{passed_at},,\nA1002,201,,{passed_at},,,\n")
        done = await here.run("account", "import", "accounts.csv")
        assert done.returncode == 0, done.stderr
        hers = await opted_in("service")
        assert first.startswith("~"), "it is a handle"
        assert hers.startswith("~")
        assert hers != first
        assert {each["line"] for each in await here.json("list", "optins", "--line", "201")} == {"201"}
