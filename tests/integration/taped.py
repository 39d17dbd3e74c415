"""What the agent does about recordings, put together as it runs: real files, in a monitor folder that is memory."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.assembly.recorder import Recorder, recorder
from agent.config import load
from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker
from agent.core.policy import Policy
from agent.core.records import Alarm, Calls, Content, Record, Recording, Trigger
from agent.core.signals import Capture, CaptureChanged, ChannelDown, Signal, Wish
from agent.keys import Keys
from agent.people.control import Keeping
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.sources.ami import Address, AmiSource, Credentials
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from tests.integration.ami_ear import QUICK
from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, response
from tests.integration.waves import wave
from tests.scenarios.made import AT

DAY_MS = 86_400_000
PATIENCE_S = 60.0
SPOKEN = wave(16_000)
#: What Asterisk 16 and 22 answer.
NO_CHANNEL = "Message: No such channel"
NOT_CAPTURED = "Message: Could not stop monitoring channel"
DENIED = "Message: Permission denied"


async def until(true: Callable[[], Any]) -> Any:
    """Wait until ``true`` gives something, and give that; raises TimeoutError when it does not."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := true()):  # noqa: ASYNC110 - what is waited for is in files as well
            await asyncio.sleep(0.01)
    return found


class Office(FakeAsterisk):
    """An Asterisk whose channels can be captured; ``denied`` are the actions that its manager.conf does not allow."""

    def __init__(self, monitor: Path) -> None:
        super().__init__()
        self.monitor = monitor
        self.denied: set[str] = set()
        #: Of each channel the file of its latest capture, and how many captures run.
        self.files: dict[str, str] = {}
        self.captures: dict[str, int] = {}
        #: Told of a capture that Asterisk began, or ended, because it was asked.
        self.heard: Callable[[str, Capture], None] = lambda channel, capture: None
        self.marks: dict[str, str] = {}
        self.replies = {
            "Getvar": self._file,
            "StopMixMonitor": self._stop,
            "MixMonitor": self._start,
            "Originate": lambda peer, action: [self._answer_to(action, "Message: Originate successfully queued")],
        }

    def captured(self, channel: str, file: str, content: bytes = SPOKEN, *, under: Path | None = None) -> Path:
        """Somebody begins a capture of ``channel`` into ``file``, which is ``content`` so far."""
        path = (under or self.monitor) / file
        path.write_bytes(content)
        self.files[channel] = str(path)
        self.captures[channel] = self.captures.get(channel, 0) + 1
        return path

    def asked(self, name: str) -> list[Action]:
        """The actions of this name that were asked, by whomever."""
        return [action for peer in self.peers for action in peer.asked(name)]

    def _answer_to(self, action: Action, *lines: str) -> bytes:
        if action["Action"] in self.denied:
            return response(action, "Error", DENIED)
        return response(action, "Success", *lines)

    def _file(self, peer: Peer, action: Action) -> list[bytes]:
        file = self.files.get(action["Channel"], "")
        return [self._answer_to(action, f"Variable: {action['Variable']}", f"Value: {file}")]

    def _stop(self, peer: Peer, action: Action) -> list[bytes]:
        channel = action["Channel"]
        if action["Action"] in self.denied:
            return [self._answer_to(action)]
        if not self.captures.get(channel):
            return [response(action, "Error", NOT_CAPTURED if channel in self.files else NO_CHANNEL)]
        self.captures[channel] -= 1
        self.heard(channel, Capture.STOPPED)
        return [self._answer_to(action, "Message: Stopped monitoring channel")]

    def _start(self, peer: Peer, action: Action) -> list[bytes]:
        if action["Action"] not in self.denied:
            self.captured(action["Channel"], action["File"])
            self.heard(action["Channel"], Capture.STARTED)
        return [self._answer_to(action, "Message: Started monitoring channel")]


@dataclass
class BreakableStore:
    """A store that takes nothing while ``refuses``, or does not answer before ``slow`` is set."""

    store: SqliteStore
    refuses: StoreError | None = None
    #: Kinds of which it takes none.
    unwanted: set[str] = field(default_factory=set)
    slow: asyncio.Event | None = None

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.refuses is not None:
            raise self.refuses
        if any(record.KIND in self.unwanted for record in records):
            raise StoreError("the store does not take that", "a test")
        await self.store.commit(records, durable=durable, prepared=prepared)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


FULL = StoreError("the disk is full", "make room", everything=True)


@dataclass(slots=True)
class Taped:
    """The agent, as far as recordings go, and what is around it; ``now`` is its clock (ms)."""

    folder: Path
    monitor: Path
    pipeline: Pipeline
    store: BreakableStore
    asterisk: Office
    source: AmiSource
    recorder: Recorder
    keys: Keys
    fields: Fields | None
    clock: dict[str, int]

    @property
    def engine(self) -> Engine:
        return self.pipeline.engine

    @property
    def sealed(self) -> Path:
        return self.folder / "sealed"

    def hear(self, signal: Signal) -> None:
        self.pipeline.put(self.engine.step(signal))

    def capture(self, channel: str, what: Capture) -> None:
        """Asterisk tells of a capture of the channel ``PJSIP/<channel>``."""
        self.hear(
            CaptureChanged(
                at=self.clock["now"],
                channel=self.engine.link(channel),
                linked=self.engine.link(channel),
                line="201",
                capture=what,
                name=f"PJSIP/{channel}",
            )
        )

    def hang_up(self, channel: str) -> None:
        link = self.engine.link(channel)
        self.hear(ChannelDown(at=self.clock["now"], channel=link, linked=link, line="201"))

    def wish(self, channel: str, trigger: Trigger = Trigger.BUTTON, line: str = "201") -> Wish:
        link = self.engine.link(channel)
        calls = Calls.OUTGOING
        return Wish(
            at=self.clock["now"], channel=link, linked=link, line=line, leg="caller", trigger=trigger, calls=calls
        )

    async def granted(self, channel: str) -> str:
        """A press on ``channel``, which is granted."""
        id = await self.recorder.granting.grant(self.wish(channel))
        assert len(id) == 16, id
        return id

    async def recording(self, channel: str, content: bytes = SPOKEN) -> str:
        """A recording that was asked for and runs."""
        id = await self.granted(channel)
        self.asterisk.captured(f"PJSIP/{channel}", f"{id}.wav", content)
        self.capture(channel, Capture.STARTED)
        await until(lambda: self.state(id) == "recording")
        return id

    def read(self, kind: type[Any]) -> list[Any]:
        with SqliteReader(self.folder / "agent.sqlite", self.fields) as reader:
            return list(reader.read(kind.KIND))

    def state(self, id: str) -> str | None:
        return next((each.state.value for each in self.read(Recording) if each.id == id), None)

    def content(self, id: str) -> Content | None:
        return next((each for each in self.read(Content) if each.id == id), None)

    def alarm(self, subject: str) -> Alarm | None:
        """The latest alarm about ``subject``."""
        return next((each for each in reversed(self.read(Alarm)) if each.subject == subject), None)

    def stands(self, subject: str) -> str:
        """What the alarm about ``subject`` says while it stands; else nothing."""
        alarm = self.alarm(subject)
        return alarm.what if alarm is not None and alarm.cleared_at is None and alarm.closed_at is None else ""

    def plain(self) -> list[str]:
        """The files in the monitor folder."""
        return sorted(path.name for path in self.monitor.iterdir() if not path.name.startswith("."))

    def put_away(self) -> list[Path]:
        return sorted((self.monitor / ".quarantine").glob("*"))


def configured(folder: Path, monitor: Path, port: int, more: str = "") -> Any:
    (folder / "site-key").write_text("0f" * 32)
    (folder / "site-key").chmod(0o600)
    (folder / "agent.toml").write_text(
        f"""
[ami]
host = "127.0.0.1"
port = {port}
username = "agent"
[store]
url = "sqlite:///./agent.sqlite"
[keys]
site_key_file = "site-key"
[recording]
monitor_dir = "{monitor}"
store_dir = "sealed"
socket = "door.sock"
min_free_mb = 1
{more}
"""
    )
    return load(folder / "agent.toml", {"TELEPHONY_AGENT_AMI__SECRET": SECRET})


def memory(folder: Path, kilobytes: int = 8192) -> Path:
    """A folder in memory (needs root), to be taken away with `forgotten`."""
    folder.mkdir(exist_ok=True)
    if not folder.is_mount():
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], check=True)
    return folder


def forgotten(folder: Path) -> None:
    while folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@asynccontextmanager
async def taped(
    folder: Path,
    *,
    more: str = "",
    monitor: Path | None = None,
    logged_in: bool = True,
    at: int = AT,
    held: Collection[str] = (),
) -> AsyncIterator[Taped]:
    """One run of the agent in ``folder``, over what earlier runs there have left; its parts are not running yet.

    The content of the lines ``held`` must not be destroyed.
    """
    folder.mkdir(exist_ok=True)
    monitor = folder / "monitor" if monitor is None else monitor
    async with Office(monitor) as asterisk:
        config = configured(folder, monitor, asterisk.port, more)
        clock = {"now": at}
        keys = Keys(config)
        fields = keys.fields(lambda: clock["now"])
        sqlite = await SqliteStore.open(folder / "agent.sqlite", fields=fields)
        store = BreakableStore(sqlite)
        engine = Engine(policy=Policy(), link=Linker(bytes(32)), new_id=new_id)
        engine.restore(await sqlite.open_records())
        pipeline = Pipeline(engine, store)
        keeping = Keeping(pipeline)
        source = AmiSource(
            address=Address(host="127.0.0.1", port=asterisk.port),
            credentials=Credentials(username="agent", secret=SECRET),
            wanted=WANTED,
            listener=pipeline,
            clock=lambda: clock["now"],
            timing=QUICK,
        )
        made = recorder(
            config,
            pipeline,
            source,
            keeping,
            keys,
            reader=lambda: SqliteReader(folder / "agent.sqlite", fields),
            held=lambda content: content.line in held,
            destroying=asyncio.Lock(),
            clock=lambda: clock["now"],
            for_deletion=lambda: clock["now"],
            new_id=new_id,
        )
        pipeline.observers += made.observers
        tasks = [asyncio.create_task(pipeline.run())]
        found = Taped(
            folder=folder,
            monitor=monitor,
            pipeline=pipeline,
            store=store,
            asterisk=asterisk,
            source=source,
            recorder=made,
            keys=keys,
            fields=fields,
            clock=clock,
        )
        asterisk.heard = lambda channel, capture: found.capture(channel.removeprefix("PJSIP/"), capture)
        if logged_in:
            tasks.append(asyncio.create_task(source.run()))
            await until(lambda: source.in_step)
        try:
            yield found
        finally:
            await made.close()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await pipeline.drain()
            await sqlite.close()
            keys.close()


def new_id() -> str:
    return os.urandom(8).hex()
