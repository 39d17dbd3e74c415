"""The agent's own purges: when, what they put on record, whom they warn, what raises the alarm."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from agent.core.records import Cause, Purge, Record, Severity
from agent.duties.voicemail import Agent, Pbx, Plan, Terms, rounds, run
from agent.duties.voicemail.lock import ASTERISKS
from agent.sources.ami import Address, Credentials
from agent.sources.ami_inquiry import Unreachable, inquiry
from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, event, list_of, response
from tests.integration.voicemails import DAY_MS, NOW, counted, killed, leave, rest

HOUR_MS = 3_600_000


class Beside:
    """The duty beside a fake Asterisk, at a time that the test sets; what it stored and reported."""

    def __init__(self, fake: FakeAsterisk, spool: Path) -> None:
        self.fake = fake
        self.spool = spool
        self.now = NOW
        self.kept: list[Purge] = []
        self.reports: list[tuple[Cause, str, str | None, Severity]] = []
        self.warn = False
        self._ids = count(1)
        self._changed = asyncio.Event()
        self._asked: list[Action] = []
        fake.replies["VoicemailRefresh"] = fake.replies["MessageSend"] = self._well

    def _well(self, peer: Peer, action: Action) -> list[bytes]:
        self._asked.append(action)
        return [response(action, "Success", "Message: done")]

    def asked(self, name: str) -> list[Action]:
        """The actions of this name so far."""
        return [action for action in self._asked if action["Action"] == name]

    def keep(self, records: Iterable[Record]) -> None:
        self.kept += [record for record in records if isinstance(record, Purge)]
        self._changed.set()

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Pbx]:
        address = Address(host="127.0.0.1", port=self.fake.port, ssl=None)
        try:
            async with inquiry(address, Credentials(username="agent", secret=SECRET)) as asker:
                yield asker
        except Unreachable as error:
            raise ConnectionError(str(error)) from None

    @asynccontextmanager
    async def running(self, history: Iterable[Purge] = ()) -> AsyncIterator[None]:
        """The duty, until the block ends."""

        async def past() -> list[Purge]:
            return list(history)

        def report(*told: object) -> None:
            cause, subject, what, severity = told
            assert isinstance(cause, Cause)
            assert isinstance(severity, Severity)
            self.reports.append((cause, str(subject), None if what is None else str(what), severity))
            self._changed.set()

        agent = Agent(
            connect=self._connect,
            keep=self.keep,
            report=report,
            history=past,
            clock=lambda: self.now,
            new_id=lambda: f"{next(self._ids):016x}",
        )
        plan = Plan(spool=self.spool, terms=Terms(), every_h=24, warn=self.warn)
        task = asyncio.create_task(run(plan, agent))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until the duty has made ``true`` true."""
        async with asyncio.timeout(60):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    @property
    def done(self) -> list[Purge]:
        """The purges that came to their end."""
        return [purge for purge in self.kept if purge.done_at is not None]


@pytest.fixture
async def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Beside]:
    monkeypatch.setattr(rounds, "LOOK_EVERY_S", 0.01)
    async with FakeAsterisk() as fake:
        yield Beside(fake, tmp_path / "spool")


def inbox(beside: Beside, mailbox: str = "201") -> Path:
    return beside.spool / "default" / mailbox / "INBOX"


async def test_a_purge_is_on_record_from_its_beginning_to_its_end(beside: Beside) -> None:
    for number, days in enumerate([40, 28, 2]):
        leave(inbox(beside), number, days=days)
    leave(inbox(beside, "202"), 0, days=1)
    async with beside.running():
        await beside.until(lambda: bool(beside.reports))
    begun, done = beside.kept
    assert begun == Purge(id="0000000000000001", at=NOW)
    assert done == Purge(id=begun.id, at=NOW, done_at=NOW, mailboxes=2, unheard=1, kept=3, due=1)
    assert beside.reports == [(Cause.VOICEMAIL, "purge", None, Severity.WARNING)]
    (refresh,) = beside.asked("VoicemailRefresh")
    assert (refresh["Context"], refresh["Mailbox"]) == ("default", "201")


async def test_the_next_one_is_a_day_later(beside: Beside) -> None:
    leave(inbox(beside), 0, days=29.5)
    async with beside.running([Purge(id="1", at=NOW - 23 * HOUR_MS, done_at=NOW)]):
        # It looks again and again, and would have purged within the first look.
        await _looked(beside, 5)
        assert beside.kept == []
        beside.now += HOUR_MS
        await beside.until(lambda: len(beside.done) == 1)
        beside.now += 23 * HOUR_MS
        await _looked(beside, 5)
        assert len(beside.done) == 1
        beside.now += HOUR_MS
        await beside.until(lambda: len(beside.done) == 2)
    assert [purge.unheard for purge in beside.done] == [0, 1]


async def test_an_interrupted_one_is_taken_up_at_once(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    history = [Purge(id="1", at=NOW - 2 * HOUR_MS, done_at=NOW), Purge(id="2", at=NOW - HOUR_MS)]
    async with beside.running(history):
        await beside.until(lambda: len(beside.done) == 1)
    assert counted(inbox(beside)) == []


async def test_a_line_is_warned_of_a_message_once(beside: Beside) -> None:
    beside.warn = True
    leave(inbox(beside), 0, days=28)
    leave(inbox(beside), 1, days=28.5)
    leave(inbox(beside, "202"), 0, days=2)
    async with beside.running():
        await beside.until(lambda: len(beside.done) == 1)
        (sent,) = beside.asked("MessageSend")
        assert sent["To"] == "pjsip:201"
        words = base64.b64decode(sent["Base64Body"]).decode()
        assert words.startswith("2 voicemail messages will be deleted from 24 November 2026 on unless you listen")
        beside.now += DAY_MS
        await beside.until(lambda: len(beside.done) == 2)
    assert len(beside.asked("MessageSend")) == 1
    leave(inbox(beside, "202"), 1, days=25.5)
    async with beside.running([*beside.done]):
        beside.now += DAY_MS
        await beside.until(lambda: len(beside.done) == 3)
    assert [sent["To"] for sent in beside.asked("MessageSend")] == ["pjsip:201", "pjsip:202"]


async def test_unless_it_is_wanted_nobody_is_warned(beside: Beside) -> None:
    leave(inbox(beside), 0, days=28)
    async with beside.running():
        await beside.until(lambda: len(beside.done) == 1)
    assert beside.done[0].due == 1
    assert beside.asked("MessageSend") == []


async def test_what_cannot_be_deleted_is_an_alarm_until_it_can(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    odd = inbox(beside) / "msg0001.txt"
    odd.mkdir()
    rest(inbox(beside))
    async with beside.running():
        await beside.until(lambda: len(beside.reports) == 1)
        odd.rmdir()
        beside.now += DAY_MS
        await beside.until(lambda: len(beside.reports) == 2)
    (*_, what, _), (*_, cleared, _) = beside.reports
    assert what is not None
    assert what.startswith("1 voicemail messages or mailboxes could not be purged")
    assert "201" not in what
    assert cleared is None


async def test_without_its_folder_there_is_an_alarm_and_no_path_in_it(beside: Beside) -> None:
    async with beside.running():
        await beside.until(lambda: bool(beside.reports))
    assert beside.reports[0][2] == "the voicemail spool cannot be used: No such file or directory"
    assert beside.done == []


async def test_a_mailbox_in_use_is_purged_soon_after(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    # Somebody has been listening for three days, and the folder was opened two days ago.
    up = {"Application": "VoiceMailMain", "Duration": "72:00:01", "Channel": "PJSIP/canary"}
    beside.fake.replies["CoreShowChannels"] = lambda _, action: list_of(
        action, "CoreShowChannelsComplete", event("CoreShowChannel", **up)
    )
    leave(inbox(beside, "202"), 0, days=40)
    os.utime(inbox(beside, "202"), (NOW // 1000 - 4 * 86_400,) * 2)
    async with beside.running():
        await beside.until(lambda: len(beside.done) == 1)
        assert (beside.done[0].unheard, beside.done[0].kept, beside.done[0].due) == (1, 1, 1)
        assert (counted(inbox(beside)), counted(inbox(beside, "202"))) == ([0], [])
        del beside.fake.replies["CoreShowChannels"]
        rest(inbox(beside))
        beside.now += rounds.AGAIN_MS
        await beside.until(lambda: len(beside.done) == 2)
    assert counted(inbox(beside)) == []
    assert beside.done[1].mailboxes == 1


async def test_where_asterisk_is_away_only_quiet_mailboxes_are_purged(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    leave(inbox(beside, "202"), 0, days=40)
    os.utime(inbox(beside, "202"), (NOW // 1000 - 1800,) * 2)
    await beside.fake.stop()
    async with beside.running():
        await beside.until(lambda: len(beside.done) == 1)
    assert (counted(inbox(beside)), counted(inbox(beside, "202"))) == ([], [0])


async def test_an_answer_that_cannot_be_understood_counts_as_none(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    os.utime(inbox(beside), (NOW // 1000 - 1800,) * 2)
    up = {"Application": "VoiceMailMain", "Duration": "canary", "Channel": "PJSIP/canary"}
    beside.fake.replies["CoreShowChannels"] = lambda _, action: list_of(
        action, "CoreShowChannelsComplete", event("CoreShowChannel", **up)
    )
    async with beside.running():
        await beside.until(lambda: len(beside.done) == 1)
    assert counted(inbox(beside)) == [0]


async def test_the_lock_of_a_killed_purge_does_not_stay_until_the_next_day(beside: Beside) -> None:
    leave(inbox(beside), 0, days=40)
    killed(beside.spool, 0)
    lock = inbox(beside) / ASTERISKS
    assert lock.exists()
    async with beside.running([Purge(id="1", at=NOW, done_at=NOW)]):
        async with asyncio.timeout(60):
            while lock.exists():
                await _looked(beside, 1)
    assert beside.kept == []


async def _looked(beside: Beside, times: int) -> None:
    """Let the duty look so often whether something is due."""
    for _ in range(times):
        await asyncio.sleep(rounds.LOOK_EVERY_S)
