"""What `make run` does without a PBX of one's own: a real Asterisk, the agent, phones and the desk, all of it live."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agent.cli.shown import cell, grid
from agent.core.records import Record, document
from agent.ports import StoreError
from tests.lab.agent import AgentError, AgentProcess
from tests.lab.asterisk import Asterisk, LabError
from tests.lab.calls import CallsLab
from tests.lab.desk import Desk, demonstrate_desk
from tests.lab.ports import free_port
from tests.lab.provision import Installation, NoAsteriskError, installation
from tests.lab.sip import SipError

CAPTURE = Path(__file__).parents[1] / "scenarios" / "captures" / "asterisk-22-demo.ami"
#: The columns of each kind's table: those that fit on 80, and those that need 100.
COLUMNS = {
    "emergency": ("line number site certainty outcome trunk started_at seen_by", " callbacks test"),
    "recording": ("line leg trigger opted_in state started_at stopped_at pauses", ""),
    "content": ("line kept_as state duration_ms size_bytes stored_at", " reason"),
    "call": ("line direction number_class outcome billable_s started_at", " recorded itemised"),
    "text": ("line direction number_class size outcome at", ""),
    "registration": ("line ip site certainty vendor model ended_at", " first_seen"),
}
WIDE = 100
KINDS = {"emergency": 6, "recording": 4, "content": 3, "call": 4, "text": 2, "registration": 8}
#: What somebody may want to see of it, on the command line.
TO_TRY = (
    "emergency list",
    "emergency phones",
    "list calls --limit 5",
    'recording list --reason "to see how it looks"',
    "promises verify",
)
REFRESH_S = 0.25
AGAIN_S = 20.0
_PREFIX = "telephony-agent-demo-"
CRASHED = (LabError, SipError, AgentError)


def main() -> None:
    """Runs until Ctrl-C and leaves no process behind."""
    console = Console()
    try:
        found = installation(None, lambda text: console.print(text, style="dim", highlight=False))
    except NoAsteriskError as reason:
        console.print(f"{str(reason)[:1].upper()}{str(reason)[1:]}", style="bold", soft_wrap=True)
        console.print("Until then, a captured AMI stream of Asterisk 22 is replayed: real bytes, no live PBX.\n")
        sys.exit(asyncio.run(_replay(console)))
    try:
        asyncio.run(_demonstrate(console, found))
    except CRASHED as error:
        sys.exit(f"the demonstration failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


async def _replay(console: Console) -> int:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "agent", "replay", str(CAPTURE))
    code = await process.wait()
    again = f"\nthe same again: telephony-agent replay {CAPTURE.relative_to(Path.cwd())}"
    console.print(again, style="dim", soft_wrap=True)
    return code


async def _demonstrate(console: Console, found: Installation) -> None:
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    console.print(f"starting Asterisk {found.version} on 127.0.0.1", style="dim", highlight=False)
    try:
        screen = _Screen(console)
        desk = Desk(screen.hear)
        listen = free_port(socket.SOCK_STREAM)
        async with CallsLab(found) as lab, desk.beside(lab, folder, lab.settings, listen) as agent:
            where = f"AMI on port {lab.ami_port}, SIP on port {lab.sip_port}, store {agent.store}"
            console.print(where, style="dim", soft_wrap=True)
            console.print(f"metrics on http://127.0.0.1:{listen}/metrics", style="dim", highlight=False)
            console.print("to try beside it, in another terminal:", style="dim")
            for words in TO_TRY:
                line = f"  {_command()} --config {agent.config} {words}"
                console.print(line, highlight=False, markup=False, soft_wrap=True)
            console.print()
            await _until_interrupted(_traffic(lab, agent, desk, screen), screen.run(agent))
            console.print("stopping", style="dim")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    console.print("stopped: Asterisk, the agent and the phones are gone", style="dim")


def _command() -> str:
    """The command as it is called here."""
    beside = Path(sys.executable).with_name("telephony-agent")
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)


def _sweep(shared: Path) -> None:
    """Removes the folders of this user's demonstrations that were killed before they could do so themselves."""
    for folder in shared.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and folder.stat().st_uid == os.getuid() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


async def _until_interrupted(*parts: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(part) for part in parts]
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted.set)
    waiting = asyncio.create_task(interrupted.wait())
    try:
        done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()
    finally:
        for task in (*tasks, waiting):
            task.cancel()
        await asyncio.gather(*tasks, waiting, return_exceptions=True)


async def _traffic(lab: Asterisk, agent: AgentProcess, desk: Desk, screen: "_Screen") -> None:
    phones = None
    while True:
        phones = await demonstrate_desk(lab, agent, desk, screen.say, phones)
        screen.say(f"all of it again in {AGAIN_S:.0f} s; Ctrl-C ends it")
        await asyncio.sleep(AGAIN_S)


class _Screen:
    """What happens and what the desk hears, above what was kept of it; on no terminal, a line for each of the three."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: deque[str] = deque(maxlen=8)
        self._heard: list[str] = []
        self._shown: set[Record] = set()

    def say(self, text: str) -> None:
        self._said.append(text)
        if not self._console.is_terminal:
            self._console.print(f"traffic  {text}", highlight=False, markup=False, soft_wrap=True)

    def hear(self, title: str, lines: list[str]) -> None:
        self._heard = [title, *lines]
        if not self._console.is_terminal:
            self._console.print(f"desk     {title}", highlight=False, markup=False, soft_wrap=True)

    async def run(self, agent: AgentProcess) -> None:
        with self._live() as live:
            while True:
                with contextlib.suppress(StoreError), agent.reader() as reader:
                    self._show(live, {kind: list(reader.read(kind, limit=limit)) for kind, limit in KINDS.items()})
                await asyncio.sleep(REFRESH_S)

    @contextlib.contextmanager
    def _live(self) -> Iterator[Live | None]:
        if not self._console.is_terminal:
            yield None
            return
        with Live(console=self._console, auto_refresh=False, vertical_overflow="crop") as live:
            yield live

    def _show(self, live: Live | None, kept: dict[str, list[Record]]) -> None:
        if live is not None:
            live.update(self._page(kept), refresh=True)
            return
        for record in (record for records in kept.values() for record in records if record not in self._shown):
            self._shown.add(record)
            self._console.print(f"kept     {_line(record)}", highlight=False, markup=False, soft_wrap=True)

    def _page(self, kept: dict[str, list[Record]]) -> RenderableType:
        most = max(3, self._console.height // 6)
        wide = self._console.width >= WIDE
        return Group(
            Text.assemble(("on the wire", "bold"), ("   Ctrl-C ends it", "dim")),
            *(_one_line(text, "dim") for text in list(self._said)[-most:]),
            Text("\nat the desk", style="bold"),
            *(_one_line(text, "dim") for text in self._heard[:most]),
            Text(),
            *(_table(kind, records, wide=wide) for kind, records in kept.items() if records),
        )


def _one_line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _table(kind: str, records: list[Record], *, wide: bool) -> Table:
    columns = "".join(COLUMNS[kind][: 1 + wide]).split()
    shown = grid(columns, title=f"{kind} (latest)")
    for record in records:
        values = document(record)
        over = values.get("ended_at") is not None
        faded = values.get("test") or (kind == "registration" and over)
        style = "dim" if faded else "bold red" if kind == "emergency" and not over else None
        # a time to the second is 8 characters long
        cells = (
            cell(values[column], days=False)[: 8 if column.endswith(("_at", "_seen")) else None] for column in columns
        )
        shown.add_row(*cells, style=style)
    return shown


def _line(record: Record) -> str:
    return " ".join(f"{name}={value}" for name, value in document(record).items() if value not in (None, [], False, ""))


if __name__ == "__main__":
    main()
