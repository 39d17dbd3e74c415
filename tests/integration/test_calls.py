"""From Asterisk's file of calls to the store: each once, whatever is killed, full, hostile or in the way."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import pytest

from agent.assembly.calls import Intake
from agent.core.call import Calls
from agent.core.engine import Engine
from agent.core.lanes import Lane
from agent.core.normalise import Linker
from agent.core.numbering import Plan
from agent.core.policy import Policy
from agent.core.records import Alarm, Call, Cause, NumberClass, Severity, Text
from agent.core.text import Texts
from agent.pipeline import Pipeline
from agent.sources.cdr import BATCH, CallSource
from agent.sources.cdr_file import CallFile, CallFileError
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.stores.vault import shred
from tests.integration.commands import ROOT
from tests.scenarios.cdrs import cdr, text
from tests.scenarios.made import emergency

MANY = 2 * BATCH + 5
KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
import tests.integration.test_calls as made
left = int(sys.argv[2])
def step(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def audit(event, arguments):
    if event in ("os.rename", "os.remove") or (event == "open" and str(arguments[0]).endswith(".taken")):
        step()
async def run():
    async with made.Reading(Path(sys.argv[1])) as reading:
        sys.addaudithook(audit)
        reading.pipeline.observers.append(step)
        await reading.source.once()
    left_over = left
    print(left_over)
asyncio.run(run())
"""


def clock() -> int:
    return 1_000


class Reading:
    """A reader of one file of calls, the whole way into a real store."""

    def __init__(self, folder: Path, *, name: str = "agent.sqlite", trunks: tuple[str, ...] = ("trunk-a",)) -> None:
        self.folder = folder
        self.file = folder / "telephony-agent.csv"
        self.taken = folder / "telephony-agent.csv.taken"
        self.store_path = folder / name
        self._trunks = frozenset(trunks)

    async def __aenter__(self) -> "Reading":
        self.store = await SqliteStore.open(self.store_path)
        engine = Engine(policy=Policy(), link=Linker(b"key"), new_id=lambda: token_hex(8))
        self.pipeline = Pipeline(engine, self.store)
        calls = Calls(plan=Plan(), trunks=self._trunks, link=engine.link)
        file = CallFile(self.file, shred, looks=0)
        texts = Texts(plan=Plan(), link=engine.link)
        self.source = CallSource(file, calls, texts, Intake(self.pipeline, clock).keep, clock)
        self._running = asyncio.create_task(self.pipeline.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running.cancel()
        with suppress(asyncio.CancelledError):
            await self._running
        await self.store.close()

    def stored(self) -> list[Call]:
        with SqliteReader(self.store_path) as reader:
            return [record for record in reader.read("call") if isinstance(record, Call)]

    def texts(self) -> list[Text]:
        with SqliteReader(self.store_path) as reader:
            return [record for record in reader.read("text") if isinstance(record, Text)]

    def left(self) -> list[str]:
        return [path.name for path in (self.file, self.taken) if os.path.lexists(path)]


@pytest.fixture
async def reading(tmp_path: Path) -> AsyncIterator[Reading]:
    async with Reading(tmp_path) as reading:
        yield reading


def some(count: int, begin: int = 0) -> bytes:
    return b"".join(cdr(number) for number in range(begin, begin + count))


async def test_each_once_and_nothing_is_left(reading: Reading) -> None:
    reading.file.write_bytes(some(MANY))
    held = os.open(reading.file, os.O_RDONLY)
    os.close(held)
    assert await reading.source.once()
    assert not await reading.source.once()
    assert len(reading.stored()) == MANY
    assert {call.billable_s for call in reading.stored()} == {7}
    assert reading.left() == []
    # Asterisk makes the file anew.
    reading.file.write_bytes(some(3, begin=MANY - 1))
    assert await reading.source.once()
    assert len(reading.stored()) == MANY + 2


async def test_what_was_read_is_overwritten_and_not_only_unlinked(reading: Reading) -> None:
    reading.file.write_bytes(some(2))
    os.link(reading.file, reading.folder / "backup")
    await reading.source.once()
    assert not (reading.folder / "backup").read_bytes().strip(b"\0")


async def test_it_is_not_read_while_asterisk_still_writes(reading: Reading) -> None:
    with reading.file.open("ab") as asterisk:
        asterisk.write(some(2) + cdr(2)[:50])
        asterisk.flush()
        assert not await reading.source.once()
        assert reading.left() == ["telephony-agent.csv.taken"]
        asterisk.write(cdr(2)[50:])
    reading.file.write_bytes(cdr(3))
    assert await reading.source.once()
    assert await reading.source.once()
    assert len(reading.stored()) == 4
    assert reading.source.unreadable == 0


@pytest.mark.parametrize("step", range(9))
async def test_killed_at_any_step(tmp_path: Path, step: int) -> None:
    file = tmp_path / "telephony-agent.csv"
    file.write_bytes(some(MANY))
    script = [sys.executable, "-c", KILLED, str(tmp_path), str(step)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    done = await asyncio.to_thread(subprocess.run, script, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == (-9 if step < STEPS else 0), done.stderr
    # Asterisk goes on meanwhile.
    with file.open("ab") as asterisk:
        asterisk.write(some(2, begin=MANY))
    async with Reading(tmp_path) as reading:
        while await reading.source.once():
            pass
        assert len(reading.stored()) == MANY + 2
        assert reading.left() == []


#: Renamed, opened, three commits, opened to be overwritten, removed.
STEPS = 7


async def test_two_agents_never_take_the_same(tmp_path: Path) -> None:
    async with Reading(tmp_path, name="a.sqlite") as one, Reading(tmp_path, name="b.sqlite") as other:
        total = 0
        for _ in range(5):
            one.file.write_bytes(some(MANY, begin=total))
            total += MANY
            await asyncio.gather(one.source.once(), other.source.once(), return_exceptions=True)
            while one.left():
                await one.source.once()
        ids = [call.id for call in (*one.stored(), *other.stored())]
        assert (len(ids), len(set(ids))) == (total, total)


async def test_a_full_disk_keeps_the_file_until_there_is_room(reading: Reading) -> None:
    reading.file.write_bytes(some(MANY))
    refused = asyncio.Event()
    reading.pipeline.refusals.append(lambda *_: refused.set())
    await reading.store.writer.database.execute("PRAGMA max_page_count = 1")
    reader = asyncio.create_task(reading.source.once())
    await refused.wait()
    assert reading.left() == ["telephony-agent.csv.taken"]
    assert reading.stored() == []
    # One batch waits, and no more is read.
    assert reading.pipeline.lanes.depth(Lane.ORDINARY) <= BATCH
    await reading.store.writer.database.execute("PRAGMA max_page_count = 1000000")
    assert await reader
    assert len(reading.stored()) == MANY
    assert reading.left() == []


async def test_an_emergency_waits_for_no_file_of_calls(reading: Reading) -> None:
    reading.file.write_bytes(some(40 * BATCH))
    order: list[str] = []
    reading.pipeline.observers.append(lambda lane, records, _: order.append(lane.name))

    def dial(lane: Lane, records: Sequence[object], seconds: float) -> None:
        if len(order) == 5:
            reading.pipeline.put([emergency()])

    reading.pipeline.observers.append(dial)
    await reading.source.once()
    assert order.index("EMERGENCY") == 5
    assert len(reading.stored()) == 40 * BATCH


async def test_a_file_that_is_none_is_left_alone(reading: Reading) -> None:
    precious = reading.folder / "precious"
    precious.write_bytes(some(1))
    for place in (reading.file, reading.taken):
        place.symlink_to(precious)
        with pytest.raises(CallFileError, match="left alone: it is no regular file"):
            await reading.source.once()
        place.unlink()
        os.mkfifo(place)
        with pytest.raises(CallFileError, match="left alone"):
            await reading.source.once()
        place.unlink()
    assert precious.read_bytes() == some(1)
    assert reading.stored() == []


async def test_another_programs_file_is_not_destroyed(reading: Reading) -> None:
    other = b'"Ann","201","07700900123","phones"\n' * 50
    reading.file.write_bytes(other)
    with pytest.raises(CallFileError, match=r"holds no line that cdr_custom.conf.example"):
        await reading.source.once()
    assert reading.taken.read_bytes() == other


async def test_one_bad_line_is_counted_and_costs_no_other(reading: Reading) -> None:
    reading.file.write_bytes(cdr(1) + cdr(2)[:70] + cdr(3, src='9"\r\ncall1,"4","' * 700) + os.urandom(3_000) + cdr(5))
    assert await reading.source.once()
    assert len(reading.stored()) == 3
    assert reading.source.unreadable == 2


async def test_without_trunks_nothing_is_read(tmp_path: Path) -> None:
    async with Reading(tmp_path, trunks=()) as reading:
        reading.file.write_bytes(some(1))
        with pytest.raises(CallFileError, match="names no trunks"):
            await reading.source.once()
        assert reading.left() == ["telephony-agent.csv"]


async def test_a_folder_that_is_missing_is_told_and_mended(tmp_path: Path) -> None:
    file = CallFile(tmp_path / "none" / "calls.csv", shred, looks=0)
    with pytest.raises(CallFileError, match="cannot be opened: No such file"):
        file.take()
    assert file.waiting_bytes() == 0


async def test_legs_of_one_call_are_read_together_while_they_come(tmp_path: Path) -> None:
    file = CallFile(tmp_path / "calls.csv", shred, looks=3)
    sizes = []
    for number in range(4):
        with file.path.open("ab") as asterisk:
            asterisk.write(cdr(number))
        descriptor = file.take()
        sizes.append(descriptor is not None)
        if descriptor is not None:
            os.close(descriptor)
    # Never for ever.
    assert sizes == [False, False, False, True]


async def test_texts_are_kept_beside_calls_each_once(reading: Reading) -> None:
    both = b"".join(cdr(number) + text(number) for number in range(MANY))
    for _ in range(2):
        # As after a kill between the commit and the removal: the same file again.
        reading.file.write_bytes(both)
        assert await reading.source.once()
    assert (len(reading.stored()), len(reading.texts())) == (MANY, MANY)
    assert (reading.source.unreadable, reading.source.plumbing) == (0, 0)
    assert reading.left() == []


async def test_a_text_to_the_emergency_services_is_alarmed_before_anything_else_of_its_file(reading: Reading) -> None:
    order: list[str] = []
    reading.pipeline.observers.append(lambda _lane, records, _seconds: order.extend(each.KIND for each in records))
    refused = [text(number, number="999", outcome="refused") for number in (MANY, MANY + 1)]
    other = text(MANY + 2, number="112", outcome="refused", line="202")
    reading.file.write_bytes(b"".join((*refused, other)) + some(3))
    assert await reading.source.once()
    with SqliteReader(reading.store_path) as reader:
        alarms = [record for record in reader.read("alarm") if isinstance(record, Alarm)]
    first = {text.line: text.id for text in reversed(reading.texts())}
    assert {(alarm.cause, alarm.subject, alarm.severity) for alarm in alarms} == {
        (Cause.TEXT, first["201"], Severity.CRITICAL),
        (Cause.TEXT, first["202"], Severity.CRITICAL),
    }
    assert len(alarms) == 2
    assert not any("201" in str(word) for alarm in alarms for word in (alarm.subject, alarm.what))
    assert "ring the line" in alarms[0].what
    assert order[0] == "alarm"
    assert {record.number_class for record in reading.texts()} == {NumberClass.EMERGENCY}
