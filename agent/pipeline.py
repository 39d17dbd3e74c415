"""The middle of the way: what a source says goes through the core into the lanes, and from there into the store."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from itertools import islice
from typing import Any

import structlog

from agent.core.engine import Engine, Output
from agent.core.lanes import Lane, Lanes, lane_of
from agent.core.records import Call, Emergency, Hold, Key, Record, Recording, Text, key_of
from agent.core.signals import CaptureOrder, Lookup
from agent.core.wire import Message
from agent.ports import GaveWay, NotReady, Store, StoreError

log = structlog.get_logger()
_logger = logging.getLogger(__name__)

#: Seconds between attempts while the store refuses; a new emergency is tried at once whatever this says.
RETRY_FIRST_S, RETRY_LAST_S = 0.1, 5.0
#: How often in a row it is made ready for the same records; another program may destroy a key meanwhile.
_ATTEMPTS = 10

#: How long (s) an emergency waits for a store that neither takes nor refuses it, until others are told of it.
PATIENCE_S = 1.0
#: Of so many records behind a transaction the keys are fetched with its own: each trip to the disk takes milliseconds.
_AHEAD = 2_000

Observer = Callable[[Lane, Sequence[Record], float], None]


class Pipeline:
    """An `agent.ports.Listener` and `Ledger`: each message becomes minimal records within the call that brings it.

    Observers are told of records after their commit, never before, with the lane and the commit's duration (s).
    """

    def __init__(self, engine: Engine, store: Store, *, ask: Callable[[Lookup], None] = lambda _: None) -> None:
        self.engine = engine
        self.lanes = Lanes()
        self.ask = ask
        #: Carries out what is to be done to captures; never waits.
        self.order: Callable[[CaptureOrder], None] = lambda _: None
        self.observers: list[Observer] = []
        #: Told what the store has just refused, and why.
        self.refusals: list[Callable[[StoreError, Sequence[Record]], None]] = []
        #: Told of emergencies' records that have waited too long for an answer of the store, and again while they do.
        self.delays: list[Callable[[Sequence[Record]], None]] = []
        self.store_errors = 0
        #: Of observers, and of whatever else must not touch the lanes when it breaks.
        self.failures: Counter[str] = Counter()
        self.storing = True
        #: Told whether an emergency is on its way into the store.
        self.urgent: Callable[[bool], None] = lambda _: None
        #: Whether one has come for which the store was not asked yet: whatever it has begun instead gives way. It
        #: looks at it from its own thread.
        self.hurried = False
        self._store = store
        self._wake = asyncio.Event()
        #: Of the emergency lane: what is not in the store in this state.
        self._unkept: dict[Key, Record] = {}
        #: Since when (loop time), in that order.
        self._waiting_since: dict[Key, float] = {}
        self._patience: asyncio.TimerHandle | None = None
        self._kept_some = asyncio.Event()
        self._preparing: set[asyncio.Task[None]] = set()

    # -- what a source says: synchronous, so that nothing un-minimised ever waits -------------------------------

    def hear(self, session: str, message: Message, at: int) -> None:  # noqa: ARG002
        """One message; see `agent.ports.Listener`."""
        self._take(self.engine.hear(message, at))

    def lost(self, session: str, cause: str, at: int) -> None:
        """A session stopped listening; see `agent.ports.Listener`."""
        self._take(self.engine.lost(session, cause, at))

    def regained(self, session: str, at: int) -> None:
        """A session listens again; see `agent.ports.Listener`."""
        if session == "bulk":
            self.engine.synchronise(at)
        self._take(self.engine.regained(session, at))

    def tick(self, at: int) -> None:
        """Time passed."""
        self._take(self.engine.tick(at))

    def clock_set(self, by_ms: int, at: int) -> None:
        """See `agent.core.engine.Engine.clock_set`."""
        log.error("clock_set", by_ms=by_ms)
        self._take(self.engine.clock_set(by_ms, at))

    def put(self, records: Iterable[Output]) -> None:
        """What people and duties add; it goes the way of everything else."""
        self._take(records)

    def _take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Lookup):
                self.ask(output)
            elif isinstance(output, CaptureOrder):
                self.order(output)
            else:
                if self.lanes.put(output) is Lane.EMERGENCY:
                    self._await(output)
                self._wake.set()

    def _await(self, record: Record) -> None:
        """It is to be in the store soon."""
        loop, key = asyncio.get_running_loop(), key_of(record)
        self._unkept[key] = record
        self.hurried = True
        self.urgent(True)
        self._waiting_since.setdefault(key, loop.time())
        if self._patience is None:
            self._patience = loop.call_later(PATIENCE_S, self._impatient)

    def _impatient(self) -> None:
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(PATIENCE_S, self._impatient) if self._unkept else None
        late = loop.time() - PATIENCE_S
        if waiting := [self._unkept[key] for key, since in self._waiting_since.items() if since <= late]:
            for told in self.delays:
                self._tell(told, waiting)

    @property
    def emergency_waits_s(self) -> float:
        """For how long the oldest record of an emergency has waited for the store; 0 where none does."""
        oldest = next(iter(self._waiting_since.values()), None)
        return 0.0 if oldest is None else max(0.0, asyncio.get_running_loop().time() - oldest)

    # -- what the journal's reader asks: see `agent.ports.Ledger` ------------------------------------------------

    def reading(self) -> None:
        """The journal of emergencies is about to be read."""
        self.engine.desk.reading()

    def read(self, calls: Collection[str]) -> None:
        """It was read: it holds something of ``calls`` (raw ids), and of no others."""
        self.engine.desk.read([self.engine.link(call) for call in calls])

    def over(self, call: str) -> bool:
        """Whether ``call`` (raw id) is not up, as far as it was heard."""
        return self.engine.desk.over(self.engine.link(call))

    async def kept(self) -> None:
        """Return when every record of the emergency lane that is there now is in the store, or a later state of it."""
        waiting = set(self._unkept)
        while waiting := waiting & self._unkept.keys():
            self._kept_some.clear()
            await self._kept_some.wait()

    # -- into the store ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what waits, emergencies first, until cancelled."""
        retry_s = RETRY_FIRST_S
        while True:
            self._wake.clear()
            refused = await self.drain()
            if not refused:
                retry_s = RETRY_FIRST_S
                await self._wake.wait()
                continue
            try:
                async with asyncio.timeout(retry_s):
                    await self._woken_by_an_emergency(sum(lane_of(record) is Lane.EMERGENCY for record in refused))
            except TimeoutError:
                retry_s = min(RETRY_LAST_S, retry_s * 2)

    async def drain(self) -> list[Record]:
        """Write until nothing waits, or the store takes nothing; what it refused, which waits again."""
        taken: list[Record] = []
        undone = 0
        refused: dict[Key, Record] = {}
        held: dict[Key, Record] = {}
        try:
            while (work := self.lanes.take()) is not None:
                lane, taken = work
                if lane is Lane.EMERGENCY:
                    self.hurried = False
                making_ready = None
                if lane is not Lane.EMERGENCY:
                    making_ready = self._store.prepare(list(taken), islice(self.lanes.waiting(lane), _AHEAD))
                error = None if making_ready is None else await self._made_ready(making_ready)
                if making_ready is not None and self.lanes.depth(Lane.EMERGENCY):
                    self.lanes.put_back(taken)
                    taken = []
                    continue  # It goes before what waits for keys.
                if error is not None and (unready := self._unready(taken)):
                    self._refused(error, unready)
                    held.update((key_of(record), record) for record in unready)
                    taken = [record for record in taken if key_of(record) not in held]
                try:
                    took_any = bool(taken) and await self._written(lane, taken, refused, held)
                    undone = 0
                except NotReady as error:
                    undone += not isinstance(error, GaveWay)
                    if undone < _ATTEMPTS:
                        self.lanes.put_back(taken)
                        taken = []
                        continue  # An emergency that came meanwhile goes before what waits for its keys again.
                    self._refused(error, taken)
                    held.update((key_of(record), record) for record in taken)
                    took_any, taken, undone = False, [], 0
                self.lanes.put_back(taken)
                taken = []
                if took_any:
                    # What was held back when the store took nothing goes on as soon as it takes something.
                    self.lanes.put_back([*held.values()])
                    held.clear()
                if not took_any and lane is Lane.ORDINARY and not self.lanes.depth(Lane.EMERGENCY):
                    break
        finally:
            # Also when cancelled: the store finishes a commit that it began, and written twice is written once.
            self.lanes.put_back([*taken, *refused.values(), *held.values()])
        return [*refused.values(), *held.values()]

    async def finish(self, within_s: float) -> list[Record]:
        """`drain` before a stop; ordinary records that are not in the store after that are given up.

        The next start's lists tell of phones again, and calls are read again. Nothing else is given up.
        """
        try:
            async with asyncio.timeout(within_s):
                return await self.drain()
        except TimeoutError:
            log.warning("given_up", records=self.lanes.give_up(), hint="the next start lists every phone again")
        return await self.drain()

    async def _made_ready(self, making: Coroutine[Any, Any, None]) -> StoreError | None:
        """Return when ``making`` is over, with why it failed; or, while it goes on, as soon as an emergency waits."""
        task = asyncio.create_task(making)
        self._preparing.add(task)
        task.add_done_callback(self._made)
        while not task.done() and not self.lanes.depth(Lane.EMERGENCY):
            self._wake.clear()
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait((task, woken), return_when=asyncio.FIRST_COMPLETED)
            finally:
                woken.cancel()
        try:
            return task.result() if task.done() else None
        except StoreError as error:
            return error

    def _unready(self, records: Sequence[Record]) -> list[Record]:
        """Those of ``records`` that cannot be committed until something is made ready for them."""
        waiting = []
        for record in records:
            if (making_ready := self._store.prepare([record])) is not None:
                making_ready.close()
                waiting.append(record)
        return waiting

    def _made(self, task: asyncio.Task[None]) -> None:
        self._preparing.discard(task)
        if not task.cancelled():
            task.exception()  # Where an emergency came first, nobody else asks for it; it is tried again.

    async def _written(
        self,
        lane: Lane,
        taken: list[Record],
        refused: dict[Key, Record],
        held: dict[Key, Record],
    ) -> bool:
        """Move ``taken`` into the store, or what it will not have into ``refused``; whether the store took any.

        Into ``held`` where it takes nothing at all: then nobody asks it for each record.
        """
        error = await self._committed(lane, list(taken))
        if error is None or error.everything:
            for record in taken:
                refused.pop(key_of(record), None)
                held.pop(key_of(record), None)
                if error is not None:
                    held[key_of(record)] = record
            taken.clear()
            return error is None
        # One record that the store will not have must not keep the others out, nor the lanes behind it waiting.
        took_any, alone = False, len(taken) == 1
        while taken and (lane is Lane.EMERGENCY or not self.lanes.depth(Lane.EMERGENCY)):
            if not alone and await self._committed(lane, taken[:1]) is None:
                took_any = True
                refused.pop(key_of(taken[0]), None)
            else:
                refused[key_of(taken[0])] = taken[0]
            del taken[0]
        return took_any

    async def _committed(self, lane: Lane, records: list[Record]) -> StoreError | None:
        """Why the store refused them; None when it has them."""
        started = time.perf_counter()
        try:
            # Of a call there is nothing left but its record, once that counts as stored.
            durable = lane is not Lane.ORDINARY or any(isinstance(record, Call | Text) for record in records)
            await self._store.commit(records, durable=durable, prepared=True)
        except NotReady:
            raise
        except StoreError as error:
            self._refused(error, records)
            return error
        if not self.storing:
            self.storing = True
            log.info("store_back")
        if lane is Lane.EMERGENCY:
            for record in records:
                if self._unkept.get(key_of(record)) is record:
                    del self._unkept[key_of(record)], self._waiting_since[key_of(record)]
            self._kept_some.set()
            if not self._unkept:
                self.urgent(False)
        self._told(lane, records, time.perf_counter() - started)
        return None

    def _refused(self, error: StoreError, records: Sequence[Record]) -> None:
        self.store_errors += 1
        for told in self.refusals:
            self._tell(told, error, records)
        if self.storing:
            self.storing = False
            log.error("store_refuses", reason=str(error), hint=error.hint)

    def _told(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:
        debugs = _logger.isEnabledFor(logging.DEBUG)  # A line that nobody reads took a fifth of a record's time.
        for record in records:
            if isinstance(record, Emergency | Recording):
                log.info("kept", kind=record.KIND, id=record.id)
            elif debugs and not isinstance(record, Hold):  # Of a hold it may have to stay secret that there is one.
                log.debug("kept", kind=record.KIND, id=record.id)
        for observer in self.observers:
            self._tell(observer, lane, records, seconds)

    def _tell(self, observer: Callable[..., None], *news: object) -> None:
        try:
            observer(*news)
        except Exception:  # an edge that breaks is counted, never an outage of the lanes
            name = getattr(observer, "__qualname__", type(observer).__name__)
            self.failures[name] += 1
            log.exception("observer_failed", observer=name)

    async def _woken_by_an_emergency(self, refused: int) -> None:
        """Return when an emergency waits beside those ``refused``, also one that came while the store was asked."""
        while self.lanes.depth(Lane.EMERGENCY) <= refused:
            self._wake.clear()
            await self._wake.wait()
