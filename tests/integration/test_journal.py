"""The journal of emergencies over AMI: read in order, cleared when kept, and never in anybody's way."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.core.wire import Message
from agent.sources import journal as journal_module
from agent.sources.ami import Address, AmiSource, Credentials, Timing
from tests.integration.ami_ear import QUICK, SEED, WANTED, Ear, running
from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, event, list_of, response

TIMING = replace(QUICK, journal_s=0.2, journal_after_s=0.01, journal_kept_s=0.1)
NOON = 1_795_348_800


class Books:
    """A ledger that says what it is told to say, and notes in which order it was asked."""

    def __init__(self) -> None:
        self.up: set[str] = set()
        self.readings: list[set[str]] = []
        self.storing = asyncio.Event()
        self.storing.set()
        self.waited = 0

    def reading(self) -> None:
        pass

    def read(self, calls: Collection[str]) -> None:
        self.readings.append(set(calls))

    def over(self, call: str) -> bool:
        return call not in self.up

    async def kept(self) -> None:
        self.waited += 1
        await self.storing.wait()


def entry(call: int, stage: str, second: float, uniqueid: int | None = None) -> tuple[str, str]:
    """Key and value, as our dialplan writes them."""
    id = f"{NOON}.{uniqueid or call}"
    value = f"Stage={stage}|Call={NOON}.{call}|Number=999|At={NOON + second:.3f}|Uniqueid={id}|Linkedid={NOON}.{call}"
    return f"/emergency-journal/{NOON}.{call}/{id}-{stage}-0", value


class Journaled(FakeAsterisk):
    """It keeps a journal in its database."""

    def __init__(self) -> None:
        super().__init__()
        self.database: dict[str, str] = {}
        self.replies["DBGetTree"] = self._tree
        self.replies["DBDel"] = self._delete

    def _tree(self, peer: Peer, action: Action) -> list[bytes]:
        if action["Family"] != "emergency-journal" or not self.database:
            return [response(action, "Error", "Message: Database entry not found")]
        rows = [event("DBGetTreeResponse", Key=key, Val=value) for key, value in self.database.items()]
        return list_of(action, "DBGetTreeComplete", *rows)

    def _delete(self, peer: Peer, action: Action) -> list[bytes]:
        found = self.database.pop(f"/{action['Family']}/{action['Key']}", None)
        return [response(action, "Error" if found is None else "Success", "Message: Key deleted successfully")]


@pytest.fixture
async def fake() -> AsyncIterator[Journaled]:
    async with Journaled() as fake:
        yield fake


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def ear() -> Ear:
    return Ear()


class Clock:
    def __init__(self) -> None:
        self.at = NOON * 1000

    def __call__(self) -> int:
        return self.at


@asynccontextmanager
async def listening(
    fake: FakeAsterisk, ear: Ear, books: Books, clock: Clock | None = None, timing: Timing = TIMING
) -> AsyncIterator[AmiSource]:
    source = AmiSource(
        address=Address(host="127.0.0.1", port=fake.port),
        credentials=Credentials(username="agent", secret=SECRET),
        wanted=WANTED,
        listener=ear,
        ledger=books,
        clock=clock or Clock(),
        timing=timing,
        chance=random.Random(SEED),
    )
    async with running(source.run()):
        yield source


def heard(ear: Ear) -> list[str]:
    """The stages that were handed on, in their order."""
    return [m.get("Key").rpartition("-")[0].rpartition("-")[2] for m in ear.all("DBGetTreeResponse")]


def actions(fake: FakeAsterisk, name: str) -> list[Action]:
    return [action for peer in fake.peers for action in peer.asked(name)]


async def test_it_is_heard_in_the_order_of_its_times_before_the_channels(
    fake: Journaled, ear: Ear, books: Books
) -> None:
    fake.database = dict(
        [entry(1, "Ended", 9), entry(1, "Dialled", 0), entry(2, "Trying", 5, 7), entry(2, "Dialled", 4)]
    )
    fake.replies["CoreShowChannels"] = lambda peer, action: list_of(
        action, "CoreShowChannelsComplete", event("UserEvent", UserEvent="RecordingOfChannels")
    )
    async with listening(fake, ear, books) as source:
        await ear.until(lambda: source.in_step and not fake.database)
    names = ear.names()
    assert heard(ear)[:4] == ["Dialled", "Dialled", "Trying", "Ended"]
    assert names.index("UserEvent") > max(i for i, name in enumerate(names[:6]) if name == "DBGetTreeResponse")
    assert books.readings[0] == {f"{NOON}.1", f"{NOON}.2"}


async def test_it_is_cleared_entry_by_entry_once_it_is_kept(fake: Journaled, ear: Ear, books: Books) -> None:
    fake.database = dict([entry(1, "Dialled", 0), entry(1, "Ended", 9), entry(2, "Dialled", 4)])
    books.up = {f"{NOON}.2"}
    books.storing.clear()
    async with listening(fake, ear, books):
        await ear.until(lambda: books.waited >= 2)
        assert not actions(fake, "DBDel"), "the store has not taken it"
        # written behind the reading: it stays for the next one
        late = entry(1, "CallbackEnded", 99)
        fake.replies["DBDel"] = lambda peer, action: (fake.database.update([late]), fake._delete(peer, action))[1]
        books.storing.set()
        await ear.until(lambda: bool(actions(fake, "DBDel")))
        fake.replies["DBDel"] = fake._delete
        await ear.until(lambda: set(fake.database) == {entry(2, "Dialled", 4)[0]})
        assert "CallbackEnded" in heard(ear)
        books.up.clear()
        await ear.until(lambda: not fake.database and books.readings[-1] == set())


async def test_after_the_end_of_an_emergency_it_is_read_at_once(fake: Journaled, ear: Ear, books: Books) -> None:
    async with listening(fake, ear, books, timing=replace(TIMING, journal_s=3600.0)) as source:
        await ear.until(lambda: source.in_step and len(books.readings) == 1)
        fake.database = dict([entry(1, "Dialled", 0)])
        assert source.journal is not None
        source.journal.ended()
        await ear.until(lambda: not fake.database)


async def test_entries_of_nobodys_cost_themselves_alone(
    fake: Journaled, ear: Ear, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    odd = {
        "/emergency-journal/x": "",
        f"/emergency-journal/{NOON}.1/forged": entry(2, "Ended", 1)[1],
        f"/emergency-journal/{NOON}.1/{NOON}.1-Dialled-0": "Stage=Dialled|Call=|At=never",
    }
    fake.database = {**odd, **dict([entry(3, "Dialled", 0)])}
    async with listening(fake, ear, books, clock) as source:
        await ear.until(lambda: set(fake.database) == set(odd))
        assert set(heard(ear)) == {"Dialled"}
        assert books.readings[0] == {f"{NOON}.3"}
        assert source.journal is not None
        assert source.journal.odd == 3
        reads = len(books.readings)
        await ear.until(lambda: len(books.readings) > reads + 1)
        assert set(fake.database) == set(odd)
        clock.at += 86_400_000
        await ear.until(lambda: not fake.database)
    warned = [record for record in caplog.records if "not our dialplan's" in record.message]
    assert len(warned) == 1, "once, not at every reading"
    assert f"{NOON}" not in caplog.text


async def test_what_the_agent_failed_to_take_in_is_not_cleared(fake: Journaled, ear: Ear, books: Books) -> None:
    class Faulty(Ear):
        def hear(self, session: str, message: Message, at: int) -> None:
            if message.get("Key").startswith(f"/emergency-journal/{NOON}.1/"):
                raise KeyError
            super().hear(session, message, at)

    fake.database = dict([entry(1, "Dialled", 0), entry(1, "Ended", 9), entry(2, "Dialled", 4), entry(2, "Ended", 9)])
    async with listening(fake, Faulty(), books):
        await ear.until(lambda: len(books.readings) > 3)
    assert set(fake.database) == {entry(1, "Dialled", 0)[0], entry(1, "Ended", 9)[0]}


@pytest.mark.parametrize("denied", ["DBGetTree", "DBDel"])
async def test_without_the_right_it_says_so_once(
    fake: Journaled, ear: Ear, books: Books, denied: str, caplog: pytest.LogCaptureFixture
) -> None:
    fake.database = dict([entry(1, "Dialled", 0), entry(1, "Ended", 9)])
    fake.replies[denied] = lambda peer, action: [response(action, "Error", "Message: Permission denied")]
    async with listening(fake, ear, books) as source:
        await ear.until(lambda: source.in_step and len(actions(fake, denied)) > 3)
    assert bool(books.readings) == (denied != "DBGetTree"), "it is not known to be empty"
    warned = [record for record in caplog.records if denied in record.message]
    assert len(warned) == 1
    assert len(fake.database) == 2


async def test_a_pbx_without_our_dialplan_has_none(
    fake: Journaled, ear: Ear, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(fake, ear, books) as source:
        await ear.until(lambda: source.in_step and len(books.readings) > 1)
    assert books.readings[0] == set()
    assert not [
        record for record in caplog.records if record.levelno >= logging.WARNING and "journal" in record.message
    ]


async def test_a_big_one_lets_others_have_their_turn(fake: Journaled, ear: Ear, books: Books) -> None:
    fake.database = dict(entry(call, "Dialled", call / 1000) for call in range(1, 10_001))
    books.up = {f"{NOON}.{call}" for call in range(1, 10_001)}
    turns: list[int] = []

    class Counting(Ear):
        def hear(self, session: str, message: Message, at: int) -> None:
            super().hear(session, message, at)
            if message.name == "DBGetTreeResponse":
                turns.append(spins)

    spins = 0

    async def spin() -> None:
        nonlocal spins
        while True:
            spins += 1
            await asyncio.sleep(0)

    counting = Counting()
    async with listening(fake, counting, books):
        await counting.until(lambda: bool(counting.all("FullyBooted")))
        spinning = asyncio.create_task(spin())
        await counting.until(lambda: len(turns) >= 10_000)
        spinning.cancel()
    # Of the first reading alone: the next may have begun, and nobody counts any more. 0: before anybody counted.
    longest = max(Counter(turn for turn in turns[:10_000] if turn).values())
    assert longest <= journal_module._AT_ONCE


async def test_the_connection_may_go_at_any_moment(fake: Journaled, ear: Ear, books: Books) -> None:
    fake.database = dict([entry(1, "Dialled", 0), entry(1, "Ended", 9)])
    fake.replies["DBDel"] = fake.hang_up
    async with listening(fake, ear, books) as source:
        await ear.until(lambda: ("bulk", "closed") in ear.states or ("bulk", "reset") in ear.states)
        fake.replies["DBDel"] = fake._delete
        await ear.until(lambda: source.in_step and not fake.database)
    assert heard(ear)[:4] == ["Dialled", "Ended"] * 2


async def test_a_database_that_does_not_answer_keeps_nothing_else_waiting(
    fake: Journaled, ear: Ear, books: Books, caplog: pytest.LogCaptureFixture
) -> None:
    fake.replies["DBGetTree"] = lambda peer, action: []
    async with listening(fake, ear, books, timing=replace(TIMING, list_s=0.2)) as source:
        await ear.until(lambda: source.in_step)
    assert books.readings == [], "nothing is known of what it holds"
    assert "no answer from Asterisk" in caplog.text


async def test_what_is_told_of_an_emergency_is_believed_on_the_express_session_alone(
    fake: Journaled, ear: Ear, books: Books
) -> None:
    async with listening(fake, ear, books) as source:
        await ear.until(lambda: source.in_step)
        await fake.emit(event("UserEvent", UserEvent="EmergencyProbe"), event("UserEvent", UserEvent="Emergency"))
        await ear.until(lambda: len(ear.all("UserEvent")) == 2)
    heard = [(session, message.get("UserEvent")) for session, message in ear.heard if message.name == "UserEvent"]
    assert sorted(heard) == [("express", "Emergency"), ("express", "EmergencyProbe")]
