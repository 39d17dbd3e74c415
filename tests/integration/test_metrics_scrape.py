"""What a scrape costs: it walks through no phones, however many there are."""

import asyncio
from collections.abc import Callable, Iterator, ValuesView
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from agent.assembly.alerts import Desk
from agent.assembly.status import path_state, snapshot
from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker
from agent.core.policy import Policy
from agent.core.records import Certainty, IpSource, Registration
from agent.core.registration import Span
from agent.duties.alerting import Alerting
from agent.duties.assurance import Condition, Demands, Handle, Rehearsals, Subjects, Watch
from agent.duties.assurance.watch import Line
from agent.pipeline import Pipeline
from agent.sources.ami import Address, AmiSource, Credentials
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.views.metrics import Metrics
from tests.integration.exposition import samples


class Watched(dict[str, Span]):
    """Spans that count how often somebody walks through them."""

    walks = 0

    def __iter__(self) -> Iterator[str]:
        self.walks += 1
        return super().__iter__()

    def values(self) -> ValuesView[Span]:  # type: ignore[override]
        self.walks += 1
        return super().values()


def registration(n: int) -> Registration:
    return Registration(
        id=str(n),
        line=str(n),
        ip="203.0.113.7",
        ip_source=IpSource.SECURITY,
        transport="udp",
        vendor=("snom", "Yealink")[n % 2],
        model="",
        firmware="",
        first_seen=n,
        last_seen=n,
        refreshes=0,
        links=(f"PJSIP:{n}",),
        certainty=Certainty.EXPECTED,
    )


def report(_: Condition) -> None:
    """Nobody is told."""


def unreachable() -> AbstractAsyncContextManager[Line]:
    """No Asterisk answers."""
    raise ConnectionError


async def test_ten_thousand_phones_are_counted_without_a_walk(tmp_path: Path) -> None:
    ids = iter(map(str, range(100_000)))
    engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: next(ids))
    engine.registrar.spans = spans = Watched()
    engine.restore(registration(n) for n in range(10_000))
    store = await SqliteStore.open(tmp_path / "agent.sqlite", say=lambda _: None)
    pipeline = Pipeline(engine, store)
    source = AmiSource(
        address=Address(host="127.0.0.1", port=1),
        credentials=Credentials(username="agent", secret="s3cret"),
        wanted=WANTED,
        listener=pipeline,
        ledger=pipeline,
        clock=clock,
    )
    watch = _watch(spans.values)
    looking = asyncio.create_task(watch.run())
    await _counted(watch)
    alerting = Alerting([], Desk(pipeline, lambda: SqliteReader(tmp_path / "agent.sqlite")), clock)
    path = watch, _handle(source), _rehearsals(source, spans.values)
    metrics = Metrics(lambda: snapshot(source, pipeline, alerting, path_state(*path)))
    spans.walks = 0
    found = samples(metrics)
    assert spans.walks == 0
    assert found["telephony_registrations", ("snom",)] == 5_000
    assert found["telephony_phones_by_certainty", ("expected",)] == 10_000
    assert found["telephony_phones_by_reach", ("unseen",)] == 10_000
    looking.cancel()
    await store.close()


async def test_counting_the_phones_gives_others_their_turn() -> None:
    engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: "id")
    engine.restore(registration(n) for n in range(10_000))
    watch = _watch(engine.registrar.spans.values)
    looking = asyncio.create_task(watch.run())
    assert await _counted(watch) >= 10
    looking.cancel()


async def _counted(watch: Watch) -> int:
    """Wait for the phones to be counted; how many turns others had meanwhile."""
    turns = 0
    async with asyncio.timeout(60):
        while not watch.state().phones:
            await asyncio.sleep(0)
            turns += 1
    return turns


def clock() -> int:
    return 0


def _watch(registered: Callable[[], ValuesView[Span]]) -> Watch:
    return Watch(
        connect=unreachable,
        subjects=Subjects(numbers=("999",), prefixes=(), demands=Demands(stale_days=1, carrier=None)),
        every_s=30,
        sites=lambda: None,
        registered=registered,
        keep=lambda _: None,
        report=report,
        clock=clock,
        new_id=lambda: "id",
    )


def _handle(source: AmiSource) -> Handle:
    return Handle(every_s=5, ask=source.bulk.ask, report=report, clock=clock, why=lambda: "")


def _rehearsals(source: AmiSource, registered: Callable[[], ValuesView[Span]]) -> Rehearsals:
    return Rehearsals(
        every_h=0,
        ask=source.bulk.ask,
        registered=registered,
        proof=lambda _: None,
        acknowledge=lambda *_: None,
        report=report,
        passed=lambda: None,
        clock=clock,
    )
