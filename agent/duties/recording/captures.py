"""Carries out in Asterisk what is to be done to captures: verify, stop, begin, and tell who comes into the call."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import PurePath
from typing import Any

import structlog

from agent.core import recording
from agent.core.lanes import Lane
from agent.core.recording import Tape
from agent.core.records import Record, Recording, RecordingState, Severity
from agent.core.signals import Ask, CaptureOrder, Order
from agent.core.tapes import Tapes
from agent.duties.recording.actions import STOP, Action, Actions
from agent.duties.recording.destroying import UNASKED, Destroying
from agent.duties.recording.granting import Granting
from agent.duties.recording.parts import Books, Folder
from agent.ports import StoreError

log = structlog.get_logger()

#: The subject of an alarm about a capture of which there is no record.
_NO_RECORD = "unasked"
_REFUSED = "Asterisk refused to record this call"
_UNSTOPPED = "Asterisk refused to stop this recording: the agent's user needs the write class system"


class Captures:
    """`order` never waits. ``enforce``: what nobody asked for is stopped and destroyed, else only told.

    ``stray`` is called where a file may be left that belongs to nobody, ``elsewhere`` where Asterisk writes a granted
    recording to another folder.
    """

    def __init__(
        self,
        *,
        ask: Action,
        tapes: Tapes,
        books: Books,
        granting: Granting,
        folder: Folder | None,
        enforce: bool,
        clock: Callable[[], int],
        stray: Callable[[], None],
        elsewhere: Callable[[], None],
    ) -> None:
        self._asterisk = Actions(ask, books)
        self._tapes = tapes
        self._books = books
        self._granting = granting
        self._folder = folder
        self._elsewhere = elsewhere
        self._destroying = Destroying(books=books, folder=folder, clock=clock, stray=stray)
        self._enforce = enforce
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        #: Captures that nobody asked for, and those that Asterisk would not stop.
        self.unasked = self.unstopped = 0
        #: Orders that failed.
        self.failures = 0
        #: Told of each unasked capture how long (s) after it was heard of Asterisk said that it is stopped.
        self.watchers: list[Callable[[float], None]] = []

    @property
    def undestroyed(self) -> int:
        """Captures that nobody asked for whose file is elsewhere, or could not be destroyed."""
        return self._destroying.undestroyed

    def order(self, order: CaptureOrder) -> None:
        """See to it, soon."""
        work: Callable[[CaptureOrder], Coroutine[Any, Any, None]]
        match order.order:
            case Order.VERIFY:
                work = self._verify
            case Order.STOP_UNASKED:
                work = self._stop_unasked
            case Order.STOP:
                work = self._stop
            case Order.BEGIN:
                work = self._begin
            case Order.WELCOME:
                work = self._welcome
        task = asyncio.create_task(self._guarded(work, order))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __call__(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records that have been committed: of a capture that has ended no alarm says that it runs."""
        for record in records:
            over = isinstance(record, Recording) and record.state in recording.ENDED
            if over and record.id not in self._destroying.left:
                self._books.condition(record.id, None)

    async def finish(self) -> None:
        """Give up what is under way: the next login looks at every channel anew."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, work: Callable[[CaptureOrder], Coroutine[Any, Any, None]], order: CaptureOrder) -> None:
        try:
            await work(order)
        except (ConnectionError, TimeoutError, ValueError) as error:
            # After the next login every channel is looked at anew.
            self.failures += 1
            log.warning("capture_order_failed", exception=type(error).__name__)

    # -- what the agent itself sees to ----------------------------------------------------------------------------

    async def _verify(self, order: CaptureOrder) -> None:
        """A capture is the granted one only if it writes the file that was named in the grant."""
        file = await self._asterisk.file(order.name)
        tape = self._tapes.book.states.get(order.recording)
        named = tape is not None and tape.opted_in and PurePath(file or "").name == f"{order.recording}.wav"
        if named and self._folder is not None and self._folder.wrote(file or ""):
            if self._running(order.recording):
                self._books.put(self._tapes.found_captured(order.recording, self._clock()))
            else:
                await self._asterisk.stopped(order.name)  # It has ended meanwhile, and may be kept up to here.
            return
        if named:
            self._elsewhere()
        heard = tape is not None and tape.opted_in and tape.state is RecordingState.RECORDING
        if file is None or (not file and not heard and (not self._enforce or self._may_begin(order))):
            return
        if not self._enforce:
            # A channel's name is no subject: it says whose call it is.
            text = f"{UNASKED} may be running; [recording] enforce is off"
            self._books.condition(order.recording or _NO_RECORD, text)
            return
        # The channel remembers the name when the capture is over: only what can be stopped is running.
        if await self._asterisk.stopped(order.name):
            self.unasked += 1
            for output in self._tapes.found_unasked(order.name, self._clock()):
                if isinstance(output, CaptureOrder):
                    await self._destroying.destroyed(output, file)
                else:
                    self._books.put([output])

    def _may_begin(self, order: CaptureOrder) -> bool:
        """Whether something was granted to the channel, perhaps just now, which a stop would end at its beginning."""
        members = self._tapes.bridges.everybody()
        tapes = [self._tapes.book.find(member.channel) for member in members if member.name == order.name]
        tapes.append(self._tapes.book.states.get(order.recording))
        return any(tape is not None and tape.state is RecordingState.OPTED_IN for tape in tapes)

    async def _stop_unasked(self, order: CaptureOrder) -> None:
        self.unasked += 1
        began = asyncio.get_running_loop().time()
        if not self._enforce:
            self._books.condition(order.recording, f"{UNASKED} runs; [recording] enforce is off")
            return
        self._books.condition(order.recording, f"{UNASKED} is being stopped")
        # Both at once: a stop waits for no question.
        file, stopped = await asyncio.gather(
            self._asterisk.file(order.name), self._asterisk.stopped(order.name), return_exceptions=True
        )
        if isinstance(stopped, BaseException):
            self._books.condition(order.recording, f"{UNASKED} could not be stopped: Asterisk does not answer")
            raise stopped
        if not stopped and STOP in self._asterisk.denied:
            text = f"{UNASKED} runs and cannot be stopped: Asterisk refuses StopMixMonitor (write class system)"
            self.unstopped += 1
            self._books.condition(order.recording, text, Severity.CRITICAL)
            return
        for told in self.watchers:
            told(asyncio.get_running_loop().time() - began)
        await self._destroying.destroyed(order, "" if isinstance(file, BaseException) else file or "")

    async def _stop(self, order: CaptureOrder) -> None:
        if not await self._asterisk.stopped(order.name) and STOP in self._asterisk.denied:
            text = "a recording that must not go on cannot be stopped: Asterisk refuses StopMixMonitor"
            self.unstopped += 1
            self._books.condition(order.recording, text, Severity.CRITICAL)
            return
        log.info("recording_stopped", id=order.recording)

    async def _begin(self, order: CaptureOrder) -> None:
        """The agent itself begins a recording, once the record that it rests on is stored."""
        if await self._granting.possible() is not None or not self._running(order.recording):
            return
        try:
            await self._books.keep([self._record(order.recording)])
        except StoreError:
            return
        if self._running(order.recording):
            await self._asterisk.captured(order.name, order.recording, "")

    async def _welcome(self, order: CaptureOrder) -> None:
        await self._asterisk.welcomed(order.name, order.trigger)

    # -- what people ask for --------------------------------------------------------------------------------------

    async def start(self, line: str, by: str) -> Recording:
        """Record the call in which ``line`` talks now, by its opt-in that stands.

        Raises:
            LookupError: it talks in no call.
            ValueError: not possible now.
            ConnectionError, TimeoutError: Asterisk is away.
        """
        await self._possible()
        grant, name = self._tapes.grant_line(line, self._clock())
        try:
            if not await self._granting.stored(grant):
                raise ValueError("the opt-in could not be stored: nothing is recorded")
            if not await self._asterisk.captured(name, grant.id, "b"):
                raise ValueError(_REFUSED)
        except ValueError:
            self._granting.given_up(grant.id, self._clock())
            raise
        log.info("recording_started", id=grant.id, by=bool(by))
        return self._record(grant.id)

    async def stop(self, id: str, by: str) -> Recording:
        """End a recording; what was captured is kept. Raises as `start`."""
        tape = self._known(id, by, "stopped")
        if not await self._asterisk.stopped(tape.name) and STOP in self._asterisk.denied:
            raise ValueError(_UNSTOPPED)
        _, outputs = self._tapes.ask(id, Ask.OPT_OUT, self._clock()) if self._running(id) else (tape, [])
        self._books.put(outputs)
        return self._record(id)

    async def pause(self, id: str, by: str) -> Recording:
        """Capture nothing until it is resumed. Raises as `start`."""
        tape = self._known(id, by, "paused")
        if tape.state is not RecordingState.RECORDING:
            raise ValueError("it captures nothing now, so there is nothing to pause")
        _, outputs = self._tapes.ask(id, Ask.PAUSE, self._clock())
        self._books.put(outputs)
        if not await self._asterisk.stopped(tape.name) and STOP in self._asterisk.denied:
            # Else the end of the call would be taken for the pause.
            self._books.put(self._tapes.ask(id, Ask.RESUME, self._clock())[1] if self._running(id) else [])
            raise ValueError(_UNSTOPPED)
        return self._record(id)

    async def resume(self, id: str, by: str) -> Recording:
        """Capture again. Raises as `start`."""
        tape = self._known(id, by, "resumed")
        if tape.state is not RecordingState.PAUSED:
            raise ValueError("it is not paused")
        await self._possible()
        if not self._running(id):
            raise LookupError("no recording with this id runs now")
        if not await self._asterisk.captured(tape.name, id, "ab"):
            raise ValueError(_REFUSED)
        return self._record(id)

    async def _possible(self) -> None:
        if (why := await self._granting.possible()) is not None:
            raise ValueError(f"nothing can be recorded safely now ({why.value}): see the log, and `check`")

    def _known(self, id: str, by: str, what: str) -> Tape:
        tape = self._tapes.running(id)
        if not tape.name:
            raise ValueError("Asterisk has not told yet which channel it is on: try again in a second")
        log.info(f"recording_{what}", id=id, by=bool(by))
        return tape

    def _running(self, id: str) -> bool:
        tape = self._tapes.book.states.get(id)
        return tape is not None and tape.state not in recording.ENDED and not tape.over

    def _record(self, id: str) -> Recording:
        return recording.minimise(self._tapes.book.states[id])
