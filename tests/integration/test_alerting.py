"""The delivery of notices, over the real core and the real store: order, durability, retries, restarts."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agent.assembly import alerts
from agent.assembly.alerts import Desk
from agent.core.alarms import AlarmPolicy, ChannelRule
from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import (
    Alarm,
    Cause,
    Delivery,
    News,
    Notice,
    NumberClass,
    Record,
    RetentionClass,
    Severity,
    TextOutcome,
)
from agent.core.wire import parse
from agent.duties.alerting import Alerting, Handed, Route
from agent.pipeline import Pipeline
from agent.ports import ChannelError, Receipt, StoreError, Text
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.integration.customers import text
from tests.integration.fake_asterisk import event

LONG_S = 60.0
_ids = count()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Recorded:
    """A channel that remembers what it took; ``refuses`` is the kind of its refusal, ``held`` lets it hang."""

    def __init__(self, receipt: Receipt = Receipt.SENT) -> None:
        self.receipt = receipt
        self.refuses: str | None = None
        self.held = False
        self.go = asyncio.Event()
        self.tried: list[str] = []
        self.took: list[tuple[str, News]] = []
        self.texts: list[str] = []
        self.before: Callable[[Alarm, Notice], None] = lambda alarm, notice: None

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:
        self.tried.append(notice.id)
        self.before(alarm, notice)
        if self.held:
            await self.go.wait()
        if self.refuses is not None:
            raise ChannelError(self.refuses)
        self.took.append((alarm.subject, notice.news))
        self.texts.append(f"{text.title}\n{text.body}")
        return self.receipt

    async def until(self, met: Callable[[], bool]) -> None:
        async with asyncio.timeout(LONG_S):
            while not met():  # noqa: ASYNC110 - it is awaited whatever changes it
                await asyncio.sleep(0.01)


class Broken(Recorded):
    """A channel with a fault of its own."""

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:
        self.tried.append(notice.id)
        raise RuntimeError("of its own")


class Forgetful(Recorded):
    """A channel that wants to be reminded."""

    every_s = 0.1

    def __init__(self) -> None:
        super().__init__()
        self.reminded: list[list[str]] = []

    async def remind(self, alarms: Sequence[tuple[Text, Alarm]]) -> None:
        self.reminded.append([alarm.id for _, alarm in alarms])


class Locked:
    """The real store; while ``full`` it refuses everything."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.full = False

    def prepare(self, records: Sequence[Record], behind: Iterable[Record] = ()) -> Coroutine[Any, Any, None] | None:
        return self._store.prepare(records, behind)

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        if self.full:
            raise StoreError("the disk is full", everything=True)
        await self._store.commit(records, durable=durable, prepared=prepared)

    async def open_records(self) -> list[Record]:
        return await self._store.open_records()

    async def remove(self, kind: str, ids: Sequence[str], *, cut: bool = False, told: Sequence[Record] = ()) -> int:
        return await self._store.remove(kind, ids, cut=cut, told=told)

    async def expire(self, retention: RetentionClass, before: int) -> list[str]:
        return await self._store.expire(retention, before)

    async def checkpoint(self) -> bool:
        return await self._store.checkpoint()

    async def close(self) -> None:
        await self._store.close()


class Bench:
    """An agent without its sources: what it is told goes into the store, and from there to the channels."""

    def __init__(self, store: Locked, pipeline: Pipeline, alerting: Alerting, path: Path) -> None:
        self.store, self.pipeline, self.alerting, self.path = store, pipeline, alerting, path
        self.handed: list[Handed] = []
        alerting.watchers.append(self.handed.append)

    def stage(self, stage: str, call: str = "1.1", **headers: str) -> None:
        """One UserEvent of the emergency dialplan."""
        about = {"UserEvent": "Emergency", "Stage": stage, "Call": call, "Number": "999", **headers}
        channel = {"Channel": f"PJSIP/201-{call[-1] * 8}", "Uniqueid": call, "Linkedid": call}
        message = parse(event("UserEvent", **channel, **about).removesuffix(b"\r\n\r\n"))
        self.pipeline.hear("express", message, now_ms())

    def condition(self, cause: Cause, subject: str, what: str | None) -> None:
        """Something operational."""
        self.pipeline.put(self.pipeline.engine.condition(cause, subject, what, Severity.CRITICAL, now_ms()))

    def notices(self) -> list[Notice]:
        """What is stored of notices."""
        with SqliteReader(self.path) as reader:
            return [record for record in reader.read("notice") if isinstance(record, Notice)]

    def alarms(self) -> list[Alarm]:
        """What is stored of alarms."""
        with SqliteReader(self.path) as reader:
            return [record for record in reader.read("alarm") if isinstance(record, Alarm)]

    async def until(self, met: Callable[[], object]) -> None:
        async with asyncio.timeout(LONG_S):
            while not met():  # noqa: ASYNC110 - it is in the store that it can be seen
                await asyncio.sleep(0.01)


def rule(name: str, *, level: int = 1, causes: Sequence[Cause] = tuple(Cause)) -> ChannelRule:
    return ChannelRule(name=name, level=level, causes=frozenset(causes), news=frozenset(News))


def route(name: str, channel: Recorded, *, timeout_s: float = 10, level: int = 1) -> Route:
    return Route(rule=rule(name, level=level), channel=channel, timeout_s=timeout_s)


@asynccontextmanager
async def running(path: Path, *routes: Route, reader: Callable[[], SqliteReader] | None = None) -> AsyncIterator[Bench]:
    """A bench for the length of the block; at its end everything is stopped as a SIGKILL would, but for the store."""
    store = Locked(await SqliteStore.open(path))
    policy = AlarmPolicy(channels=tuple(each.rule for each in routes))
    engine = Engine(
        policy=Policy(),
        link=Linker(b"key"),
        new_id=lambda: f"id-{next(_ids):06}",
        alarm_policy=policy,
        timeline_key=b"k" * 32,
    )
    engine.restore(await store.open_records())
    pipeline = Pipeline(engine, store)
    alerting = Alerting(routes, Desk(pipeline, reader or (lambda: SqliteReader(path))), now_ms)
    pipeline.observers.append(alerting)
    pipeline.refusals.append(alerting.refused_by_store)
    tasks = [asyncio.create_task(pipeline.run()), asyncio.create_task(alerting.run())]
    try:
        yield Bench(store, pipeline, alerting, path)
        assert not pipeline.failures
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sqlite"


async def test_an_emergency_is_told_and_that_is_on_record(path: Path) -> None:
    desk, pager = Recorded(Receipt.DELIVERED), Recorded(Receipt.SENT)
    async with running(path, route("desk", desk), route("pager", pager)) as bench:
        bench.stage("Dialled")
        await bench.until(lambda: len([notice for notice in bench.notices() if notice.done_at]) == 2)
        told = {notice.channel: notice for notice in bench.notices()}
        assert (told["desk"].state, told["pager"].state) == (Delivery.DELIVERED, Delivery.SENT)
        assert told["desk"].sent_at is not None
        assert told["desk"].delivered_at is not None
        assert told["pager"].delivered_at is None
        assert (told["desk"].attempts, told["desk"].news) == (1, News.RAISED)
        (alarm,) = bench.alarms()
        assert desk.took == pager.took == [(alarm.subject, News.RAISED)]
        assert "999" in desk.texts[0]
        assert {handed.channel for handed in bench.handed} == {"desk", "pager"}
        for handed in bench.handed:
            assert handed.cause is Cause.EMERGENCY
            assert handed.since_dialled_ms is not None
            assert 0 <= handed.since_raised_ms <= handed.since_dialled_ms < LONG_S * 1000


async def test_nothing_operational_is_told_before_it_is_stored(path: Path) -> None:
    desk = Recorded()
    desk.refuses = "unreachable"
    async with running(path, route("desk", desk)) as bench:
        bench.condition(Cause.TRUNK, "trunk-a", "trunk-a is down")
        await desk.until(lambda: bool(desk.tried))
        (first,) = bench.notices()
        bench.store.full = True
        bench.condition(Cause.TRUNK, "trunk-b", "trunk-b is down")
        # the first is tried again meanwhile, so the channel is not asleep
        await desk.until(lambda: len(desk.tried) >= 3)
        assert set(desk.tried) == {first.id}
        assert set(bench.alerting.refusals) == {("desk", "unreachable")}
        assert bench.pipeline.store_errors
        desk.refuses = None
        bench.store.full = False
        await desk.until(lambda: len(desk.took) == 2)


async def test_a_full_disk_does_not_keep_an_emergency_from_the_desk(path: Path) -> None:
    def unreadable() -> SqliteReader:
        raise StoreError("the disk is gone")

    desk = Recorded()
    async with running(path, route("desk", desk), reader=unreadable) as bench:
        bench.store.full = True
        bench.stage("Dialled")
        await desk.until(lambda: bool(desk.took))
        assert "999" in desk.texts[0]
        assert "201" in desk.texts[0]
        bench.store.full = False
        bench.stage("Ended")
        await bench.until(lambda: [each.state for each in bench.notices()] == [Delivery.SENT])
        assert len(desk.took) == 1, "told once"


async def test_a_second_emergency_is_told_by_itself(path: Path) -> None:
    desk = Recorded()
    async with running(path, route("desk", desk)) as bench:
        bench.stage("Dialled", "1.1")
        await desk.until(lambda: len(desk.took) == 1)
        bench.stage("Dialled", "2.2")
        await desk.until(lambda: len(desk.took) == 2)
        assert len({subject for subject, _ in desk.took}) == 2


async def test_a_call_that_fails_while_its_first_notice_is_under_way_is_told_as_failed(path: Path) -> None:
    desk = Recorded()
    desk.held = True
    async with running(path, route("desk", desk)) as bench:
        bench.stage("Dialled")
        await desk.until(lambda: len(desk.tried) == 1)
        bench.stage("Failed")
        bench.stage("Ended")
        desk.go.set()
        await desk.until(lambda: len(desk.took) == 2)
        assert [news for _, news in desk.took] == [News.RAISED, News.WORSENED]
        assert "FAILED" not in desk.texts[0]
        assert "999 CALL FAILED, nobody was reached" in desk.texts[1]
        await bench.until(lambda: [each.state for each in bench.notices()] == [Delivery.SENT] * 2)


async def test_a_hanging_channel_holds_up_itself_alone(path: Path) -> None:
    dead, desk = Recorded(), Recorded()
    dead.held = True
    async with running(path, route("dead", dead, timeout_s=0.3), route("desk", desk)) as bench:
        for call in ("1.1", "2.2", "3.3"):
            bench.stage("Dialled", call)
        await desk.until(lambda: len(desk.took) == 3)
        assert dead.took == []
        await bench.until(lambda: [each.error for each in bench.notices() if each.channel == "dead"] == ["timeout"] * 3)
        assert bench.alerting.refusals["dead", "timeout"] >= 3


async def test_an_operational_notice_under_way_never_holds_up_an_emergency(path: Path) -> None:
    desk = Recorded()
    desk.held = True
    async with running(path, route("desk", desk)) as bench:
        bench.condition(Cause.TRUNK, "trunk-a", "trunk-a is down")
        await desk.until(lambda: len(desk.tried) == 1)
        desk.held = False
        bench.stage("Dialled")
        await desk.until(lambda: len(desk.took) == 1)
        desk.go.set()
        await desk.until(lambda: len(desk.took) == 2)
        assert desk.took[1] == ("trunk-a", News.RAISED)


async def test_notices_of_one_channel_go_one_by_one_the_oldest_first(path: Path) -> None:
    desk = Recorded()
    desk.held = True
    async with running(path, route("desk", desk)) as bench:
        for subject in ("a", "b", "c"):
            bench.condition(Cause.TRUNK, subject, f"{subject} is down")
            await asyncio.sleep(0.005)
        await bench.until(lambda: len(bench.notices()) == 3)
        assert len(desk.tried) == 1
        desk.held = False
        desk.go.set()
        await desk.until(lambda: len(desk.took) == 3)
        assert [subject for subject, _ in desk.took] == ["a", "b", "c"]


async def test_a_dead_channel_is_an_alarm_on_the_others(path: Path) -> None:
    dead, desk = Recorded(), Recorded()
    dead.refuses = "http_503"
    async with running(path, route("dead", dead), route("desk", desk)) as bench:
        bench.stage("Dialled")
        await desk.until(lambda: ("dead", News.RAISED) in desk.took)
        (alarm,) = [alarm for alarm in bench.alarms() if alarm.cause is Cause.CHANNEL]
        assert "http_503" in alarm.what
        assert len(dead.tried) >= 3
        # alive again, it takes what it had refused, and the alarm is cleared
        dead.refuses = None
        await bench.until(lambda: all(alarm.cleared_at for alarm in bench.alarms() if alarm.cause is Cause.CHANNEL))
        assert dead.took[0][1] is News.RAISED


async def test_a_fault_in_a_channel_is_a_refusal_like_any_other(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, desk = Broken(), Recorded()
    async with running(path, route("broken", broken), route("desk", desk)) as bench:
        bench.stage("Dialled")
        await bench.until(lambda: any(each.error == "RuntimeError" for each in bench.notices()))
        await desk.until(lambda: len(desk.took) >= 1)


async def test_who_only_counts_costs_nobody_an_alert(path: Path) -> None:
    def faulty(handed: Handed) -> None:
        raise RuntimeError("of its own")

    desk = Recorded()
    async with running(path, route("desk", desk)) as bench:
        bench.alerting.watchers.insert(0, faulty)
        bench.stage("Dialled", "1.1")
        bench.stage("Dialled", "2.2")
        await desk.until(lambda: len(desk.took) == 2)
        await bench.until(lambda: len(bench.handed) == 2)
        assert bench.alerting.failures == 2


async def test_retries_go_on_after_a_restart(path: Path) -> None:
    desk = Recorded()
    desk.refuses = "unreachable"
    async with running(path, route("desk", desk)) as bench:
        bench.stage("Dialled")
        bench.stage("Ended")
        await bench.until(lambda: any(each.attempts for each in bench.notices()))
    (before,) = bench.notices()
    again = Recorded()
    async with running(path, route("desk", again)) as bench:
        await again.until(lambda: len(again.took) == 1)
        assert again.tried == [before.id]
        await bench.until(lambda: bench.notices()[0].state is Delivery.SENT)
        assert bench.notices()[0].attempts > before.attempts


async def test_after_a_restart_it_is_told_as_fully_as_before(path: Path) -> None:
    desk = Recorded()
    desk.refuses = "unreachable"
    async with running(path, route("desk", desk)) as bench:
        bench.stage("Dialled")
        bench.stage("Trying", Trunk="trunk-a", Attempt="1", Cli="+441134960000")
        bench.stage("Ended")
        await bench.until(lambda: any(each.attempts for each in bench.notices()))
    again = Recorded()
    async with running(path, route("desk", again)):
        await again.until(lambda: len(again.took) == 1)
    assert "Number shown to the emergency services: +441134960000" in again.texts[0]


async def test_killed_between_sending_and_storing_it_is_sent_again_with_the_same_id(path: Path) -> None:
    desk = Recorded()
    async with running(path, route("desk", desk)) as bench:

        def fill(alarm: Alarm, notice: Notice) -> None:
            bench.store.full = True

        desk.before = fill
        bench.stage("Dialled")
        await desk.until(lambda: len(desk.took) == 1)
    again = Recorded()
    async with running(path, route("desk", again)):
        await again.until(lambda: len(again.took) == 1)
        assert again.tried == desk.tried


async def test_it_is_reminded_of_what_is_open_and_after_a_restart(path: Path) -> None:
    first = Forgetful()
    async with running(path, route("am", first)) as bench:
        bench.stage("Dialled")
        await bench.until(lambda: len(first.reminded) >= 2)
        (alarm,) = bench.alarms()
        assert first.reminded[-1] == [alarm.id]
    second = Forgetful()
    async with running(path, route("am", second)) as bench:
        await bench.until(lambda: len(second.reminded) >= 1)
        assert second.reminded[-1] == [alarm.id]
        bench.stage("Ended")
        await bench.until(lambda: bench.pipeline.engine.alarms.alarms)
        bench.pipeline.put(bench.pipeline.engine.close(alarm.id, "Ann", "it was a fire", now_ms()))
        await bench.until(lambda: (alarm.subject, News.CLOSED) in second.took)
        told = len(second.reminded)
        await asyncio.sleep(0.3)
        assert len(second.reminded) == told


async def over(path: Path, *routes: Route) -> Alarm:
    """The alarm, stored, of a call that was given up before anybody answered."""
    async with running(path, *routes) as bench:
        bench.stage("Dialled")
        bench.stage("Ended")
        await bench.until(lambda: [alarm.what for alarm in bench.alarms() if "hung up" in alarm.what])
        (alarm,) = bench.alarms()
        return alarm


async def test_a_disk_that_does_not_answer_costs_one_thread_and_no_reminder(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "READ_S", 0.05)
    alarm = await over(path, route("am", Forgetful()))
    asked: list[int] = []
    answers = threading.Event()

    def hung() -> SqliteReader:
        asked.append(threading.get_ident())
        answers.wait()
        return SqliteReader(path)

    am, desk = Forgetful(), Recorded()
    async with running(path, route("am", am), route("desk", desk), reader=hung) as bench:
        try:
            await bench.until(lambda: len(am.reminded) >= 10)
            assert am.reminded[-1] == [alarm.id]
            bench.condition(Cause.TRUNK, "trunk-a", "trunk-a is down")
            await desk.until(lambda: ("trunk-a", News.RAISED) in desk.took)
            assert len(asked) == 1
        finally:
            answers.set()
        told = len(am.reminded)
        await bench.until(lambda: len(asked) > 1 and len(am.reminded) > told)


async def test_a_slow_disk_is_not_waited_for_behind_all_who_ask_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "READ_S", 0.5)
    alarm = await over(path, route("desk", Recorded()))
    asked: list[int] = []

    def slow() -> SqliteReader:
        asked.append(threading.get_ident())
        threading.Event().wait(0.2)
        raise StoreError("the disk is slow")

    async with running(path) as bench:
        desk = Desk(bench.pipeline, slow)
        told = await asyncio.gather(*(desk.telling(alarm.id) for _ in range(10)))
        assert [telling is not None and telling.alarm.id for telling in told] == [alarm.id] * 10
        assert 1 <= len(asked) < 10


async def test_other_channels_are_taken_without_a_restart(path: Path) -> None:
    dead, desk = Recorded(), Recorded()
    dead.held = True
    async with running(path, route("desk", dead)) as bench:
        bench.stage("Dialled")
        await dead.until(lambda: len(dead.tried) == 1)
        bench.alerting.take([route("desk", desk)])
        await desk.until(lambda: len(desk.took) == 1)
        assert desk.tried == dead.tried


async def test_a_text_to_999_is_told_with_its_line_which_no_record_of_the_alarm_names(path: Path) -> None:
    refused = text(
        "t9",
        "smith-leeds",
        outcome=TextOutcome.REFUSED,
        number=None,
        number_class=NumberClass.EMERGENCY,
        itemised=False,
    )
    desk = Recorded(Receipt.DELIVERED)
    async with running(path, route("desk", desk)) as bench:
        # It is told before the text is stored, and of a second one of the line while that stands nothing is.
        for sent in (refused, replace(refused, id="t10")):
            bench.pipeline.put(bench.pipeline.engine.refused(sent, now_ms()))
        await desk.until(lambda: len(desk.took) == 1)
        assert "A text to the emergency services (line smith-leeds): sent" in desk.texts[0]
        await bench.until(bench.alarms)
        (alarm,) = bench.alarms()
        assert (alarm.cause, alarm.subject, alarm.severity) == (Cause.TEXT, "t9", Severity.CRITICAL)
        assert "smith-leeds" not in str((alarm, bench.notices()))
        await bench.store.commit([refused], durable=True)
    async with running(path, route("desk", desk)) as bench:
        bench.pipeline.put(bench.pipeline.engine.close(alarm.id, "sam", "rung, all is well", now_ms()))
        await desk.until(lambda: len(desk.took) == 2)
        assert "CLOSED: CRITICAL: A text to the emergency services (line smith-leeds)" in desk.texts[1]
        # What somebody has closed silences no later one.
        bench.pipeline.put(bench.pipeline.engine.refused(replace(refused, id="t11"), now_ms()))
        await desk.until(lambda: len(desk.took) == 3)
        await bench.store.remove("text", ["t9"])
    async with running(path, route("desk", desk)) as bench:
        (later,) = [each for each in bench.alarms() if each.closed_at is None]
        bench.pipeline.put(bench.pipeline.engine.close(later.id, "sam", "the same", now_ms()))
        await desk.until(lambda: len(desk.took) == 4)
        assert "A text to the emergency services (t11)" in desk.texts[3]
