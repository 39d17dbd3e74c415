"""Carries out in Asterisk what is to be done to captures: verify, stop, begin, and tell who comes into the call."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import PurePath
from typing import Any, Protocol

import structlog

from agent.core import recording
from agent.core.recording import Tape
from agent.core.records import Content, ContentState, Reason, Recording, RecordingState, Severity
from agent.core.signals import Ask, CaptureOrder, Order
from agent.core.tapes import Tapes
from agent.duties.recording.granting import Granting
from agent.duties.recording.parts import Books, Folder
from agent.ports import Reply, StoreError

log = structlog.get_logger()

#: MixMonitor's file may come a little after its start, with the first sound.
_LOOKS, _LOOK_S = 40, 0.05
#: The context that says a prompt to a channel (dialplan/recording.conf).
_SPEAKER = "recording-speaker"
_MOST_STOPS = 8

_UNASKED = "a recording that nobody asked for"


class Action(Protocol):
    """`agent.sources.ami.Session.ask`."""

    def __call__(self, action: Mapping[str, str], timeout_s: float | None = None) -> Awaitable[Reply]: ...


class Captures:
    """`order` never waits. ``enforce``: what nobody asked for is stopped and destroyed, else only told."""

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
    ) -> None:
        self._ask = ask
        self._tapes = tapes
        self._books = books
        self._granting = granting
        self._folder = folder
        self._enforce = enforce
        self._clock = clock
        #: Called where a file may be left that belongs to nobody.
        self._stray = stray
        self._tasks: set[asyncio.Task[None]] = set()
        self._denied: set[str] = set()
        #: Captures that nobody asked for: in all, those that Asterisk would not stop, those whose file is elsewhere.
        self.unasked = self.unstopped = self.undestroyed = 0
        self.failures = 0
        #: Told of each unasked capture how long (s) after it was heard of Asterisk said that it is stopped.
        self.watchers: list[Callable[[float], None]] = []

    def order(self, order: CaptureOrder) -> None:
        """See to it, soon."""
        work: Coroutine[Any, Any, None]
        match order.order:
            case Order.VERIFY:
                work = self._verify(order)
            case Order.STOP_UNASKED:
                work = self._stop_unasked(order)
            case Order.STOP:
                work = self._stop(order)
            case Order.BEGIN:
                work = self._begin(order)
            case Order.WELCOME:
                work = self._welcome(order)
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (ConnectionError, TimeoutError, ValueError) as error:
            # After the next login every channel is looked at anew.
            self.failures += 1
            log.warning("capture_order_failed", exception=type(error).__name__)

    # -- what the agent itself sees to ----------------------------------------------------------------------------

    async def _verify(self, order: CaptureOrder) -> None:
        """A capture is the granted one only if it writes the file that was named in the grant."""
        file = await self._file(order.name)
        tape = self._tapes.book.states.get(order.recording)
        expected = tape is not None and tape.opted_in and tape.state not in recording.ENDED
        if not file or (expected and PurePath(file).name == f"{order.recording}.wav"):
            return
        if not self._enforce:
            self._told_of(order.recording or order.name, f"{_UNASKED} may be running; [recording] enforce is off")
            return
        # The channel remembers the name when the capture is over: only what can be stopped is running.
        if await self._stopped(order.name):
            self.unasked += 1
            for output in self._tapes.found_unasked(order.name, self._clock()):
                if isinstance(output, CaptureOrder):
                    await self._destroyed(output, file)
                else:
                    self._books.put([output])

    async def _stop_unasked(self, order: CaptureOrder) -> None:
        self.unasked += 1
        began = asyncio.get_running_loop().time()
        if not self._enforce:
            self._books.condition(order.recording, f"{_UNASKED} runs; [recording] enforce is off")
            return
        self._books.condition(order.recording, f"{_UNASKED} is being stopped")
        stopping = asyncio.create_task(self._stopped(order.name))
        file = await self._file(order.name)
        if not await stopping and "StopMixMonitor" in self._denied:
            text = f"{_UNASKED} runs and cannot be stopped: Asterisk refuses StopMixMonitor (write class system)"
            self.unstopped += 1
            self._books.condition(order.recording, text, Severity.CRITICAL)
            return
        for told in self.watchers:
            told(asyncio.get_running_loop().time() - began)
        await self._destroyed(order, file)

    async def _destroyed(self, order: CaptureOrder, file: str) -> None:
        """Destroy what an unasked capture wrote; it is in the monitor folder, or a person has to look for it."""
        log.warning("recording_unasked", id=order.recording)
        size = None if self._folder is None else await self._shredded(self._folder, file)
        if size is None:
            self.undestroyed += 1
            text = f"{_UNASKED} was stopped; its file is not in [recording] monitor_dir: look for it and destroy it"
            self._books.condition(order.recording, text, Severity.CRITICAL)
            self._stray()
            return
        now = self._clock()
        content = Content(
            id=order.recording,
            state=ContentState.SHREDDED,
            stored_at=now,
            size_bytes=size,
            deleted_at=now,
            reason=Reason.UNASKED,
        )
        self._books.put([content])
        self._books.condition(order.recording, f"{_UNASKED} was stopped, and its file destroyed")
        self._books.condition(order.recording, None)

    async def _shredded(self, folder: Folder, file: str) -> int | None:
        """The size of what was destroyed, 0 where no sound came before the stop; None where the file is elsewhere."""
        # Asterisk may see the folder by another path (a container): its own name is the same.
        in_folder = PurePath(file).parent.name == folder.path("x").parent.name
        path = None
        for _ in range(_LOOKS):
            if (path := await asyncio.to_thread(folder.find, file)) is not None:
                break
            await asyncio.sleep(_LOOK_S)
        if path is None:
            return 0 if in_folder else None
        try:
            size = path.stat().st_size
            await asyncio.to_thread(folder.shred, path)
        except FileNotFoundError:
            return 0
        except (OSError, StoreError) as error:
            self.failures += 1
            log.error("shred_failed", reason=error.strerror if isinstance(error, OSError) else str(error))
            return None
        return size

    async def _stop(self, order: CaptureOrder) -> None:
        await self._stopped(order.name)
        log.info("recording_stopped", id=order.recording)

    async def _begin(self, order: CaptureOrder) -> None:
        """The agent itself begins a recording, once the record that it rests on is stored."""
        tape = self._tapes.book.states.get(order.recording)
        if tape is None:
            return
        if await self._granting.possible() is not None:
            return
        try:
            await self._books.keep([recording.minimise(tape)])
        except StoreError:
            return
        await self._captured(order.name, order.recording, "")

    async def _welcome(self, order: CaptureOrder) -> None:
        if "Originate" in self._denied or "," in order.name:
            return
        answer = await self._ask(
            {
                "Action": "Originate",
                "Channel": f"Local/party*{order.trigger.value}@{_SPEAKER}/n",
                "Application": "ChanSpy",
                "Data": f"{order.name},qwS",
                "Timeout": "10000",
                "Async": "true",
            }
        )
        self._refused("Originate", answer)

    # -- what people ask for --------------------------------------------------------------------------------------

    async def start(self, line: str, by: str) -> Recording:
        """Record the call in which ``line`` talks now, by its opt-in that stands.

        Raises:
            LookupError: it talks in no call.
            ValueError: not possible now.
            ConnectionError, TimeoutError: Asterisk is away.
        """
        if (why := await self._granting.possible()) is not None:
            raise ValueError(f"nothing can be recorded safely now ({why.value}): see the log, and `check`")
        grant, name = self._tapes.grant_line(line, self._clock())
        if not await self._granting.stored(grant):
            raise ValueError("the opt-in could not be stored: nothing is recorded")
        log.info("recording_started", id=grant.id, by=bool(by))
        if not await self._captured(name, grant.id, "b"):
            raise ValueError("Asterisk refused to record this call")
        return self._record(grant.id)

    async def stop(self, id: str, by: str) -> Recording:
        """End a recording; what was captured is kept. Raises as `start`."""
        tape = self._known(id, by, "stopped")
        await self._stopped(tape.name)
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
        await self._stopped(tape.name)
        return self._record(id)

    async def resume(self, id: str, by: str) -> Recording:
        """Capture again. Raises as `start`."""
        tape = self._known(id, by, "resumed")
        if tape.state is not RecordingState.PAUSED:
            raise ValueError("it is not paused")
        if not await self._captured(tape.name, id, "a"):
            raise ValueError("Asterisk refused to record this call")
        return self._record(id)

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

    # -- Asterisk's actions ---------------------------------------------------------------------------------------

    async def _file(self, name: str) -> str:
        """What the channel's latest capture writes, as Asterisk calls it; "" where nothing ever captured it."""
        answer = await self._ask({"Action": "Getvar", "Channel": name, "Variable": "MIXMONITOR_FILENAME"})
        self._refused("Getvar", answer)
        return answer.headers.get("Value", "").strip() if answer.ok else ""

    async def _stopped(self, name: str) -> bool:
        """Stop all that captures a channel; whether there was anything."""
        for number in range(_MOST_STOPS):
            answer = await self._ask({"Action": "StopMixMonitor", "Channel": name})
            if not answer.ok:
                self._refused("StopMixMonitor", answer)
                return number > 0
        return True

    async def _captured(self, name: str, id: str, options: str) -> bool:
        action = {"Action": "MixMonitor", "Channel": name, "File": f"{id}.wav", "Options": options}
        answer = await self._ask({key: value for key, value in action.items() if value})
        self._refused("MixMonitor", answer)
        return answer.ok

    def _refused(self, action: str, answer: Reply) -> None:
        if "denied" in answer.message.lower() and action not in self._denied:
            self._denied.add(action)
            log.warning("action_denied", action=action, hint="give the agent's user the write classes of the example")

    def _told_of(self, subject: str, text: str) -> None:
        # A channel's name is no subject: it says whose call it is.
        self._books.condition(subject if len(subject) == 16 else "unasked", text)
