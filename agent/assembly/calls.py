"""From the configuration to the calls and texts that Asterisk writes down, and from there into the store."""

import asyncio
from collections.abc import Callable, Sequence

from agent.config import Config
from agent.core import call
from agent.core.lanes import Lane
from agent.core.numbering import Plan
from agent.core.records import Call, Key, Record, Text, TextOutcome, key_of
from agent.core.text import Texts
from agent.pipeline import Pipeline
from agent.sources.cdr import CallSource
from agent.sources.cdr_file import CallFile
from agent.stores.vault import shred
from agent.views.metrics import CallsState

#: With more than this waiting in its lane nothing is read, long before any would be shed.
ROOM = 20_000


class Intake:
    """Puts calls and texts on their way and waits for their commit, which is durable; an observer of the pipeline."""

    def __init__(self, pipeline: Pipeline, clock: Callable[[], int]) -> None:
        self._pipeline = pipeline
        self._clock = clock
        self._missing: set[Key] = set()
        self._moved = asyncio.Event()
        pipeline.observers.append(self)

    async def keep(self, records: Sequence[Call | Text]) -> None:
        """Return when ``records`` are in the store; for as long as it takes nothing, they wait, and no more is read.

        Whatever else waits in the ordinary lane goes before them. A text to the emergency services raises an alarm,
        which does not wait for that.
        """
        for record in records:
            if isinstance(record, Text) and record.outcome is TextOutcome.REFUSED:
                self._pipeline.put(self._pipeline.engine.refused(record, self._clock()))
        while self._pipeline.lanes.depth(Lane.ORDINARY) > ROOM:
            await self._next()
        self._missing = {key_of(record) for record in records}
        self._pipeline.put(records)
        while self._missing:
            await self._next()

    async def _next(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed; see `agent.pipeline.Observer`."""
        self._missing.difference_update(key_of(record) for record in records)
        self._moved.set()


def plan(config: Config) -> Plan:
    """The numbering plan, as the operator uses it."""
    return Plan(policy=config.policy(), helplines=frozenset(config.calls.helplines))


def source(config: Config, pipeline: Pipeline, *, clock: Callable[[], int]) -> CallSource | None:
    """What reads the calls, where a file of them is configured."""
    wanted = config.calls
    if wanted.cdr_file is None:
        return None
    numbers, link = plan(config), pipeline.engine.link
    calls = call.Calls(
        plan=numbers,
        trunks=frozenset(wanted.trunks),
        link=link,
        recorded=pipeline.engine.recorded,
    )
    texts = Texts(plan=numbers, link=link)
    return CallSource(CallFile(wanted.cdr_file, shred), calls, texts, Intake(pipeline, clock).keep, clock)


def state(reading: CallSource | None) -> CallsState | None:
    """What a scrape shows of it."""
    if reading is None:
        return None
    return CallsState(
        read_at=reading.read_at,
        waiting_bytes=reading.waiting_bytes,
        unreadable=reading.unreadable,
        plumbing=reading.plumbing,
        usable=not reading.fault,
    )
