"""An Asterisk that writes its calls down twice: as the agent reads them, and as cdr_csv does, to compare."""

import asyncio
import csv
import secrets
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from agent.core.cdr import TEMPLATE
from agent.core.numbers import emergency_number
from agent.core.policy import Policy
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk, LabError
from tests.lab.provision import Installation
from tests.lab.sip import Phone

LINES = ("201", "202", "203", "204", "205")
TRUNKS = ("trunk-a", "trunk-b", "emergency-trunk-a", "emergency-trunk-b")
_MODULES = "func_cdr res_parking app_queue res_cdrel_custom cdr_custom cdr_csv".split()
#: 600 a queue, 601 two phones at once, 602 forwarded by the dialplan, 700 parks, 70X takes back
_DIALPLAN = """
[internal](+)
exten => 600,1,Queue(sales,t,,,20)
exten => 601,1,Dial(PJSIP/202&PJSIP/203,30,tT)
exten => 602,1,Dial(Local/07700900123@outbound,30)
exten => 700,1,Park()
exten => _70X,1,ParkedCall(default,${EXTEN})
[ordinary-incoming](+)
include => forwarded
[forwarded]
exten => _07X.,1,Dial(PJSIP/${EXTEN}@trunk-a,30)
"""
_OUTCOMES = {"ANSWERED": "answered", "BUSY": "busy", "NO ANSWER": "no_answer", "CANCEL": "cancelled"}
Seen = tuple[str, int, int, str]


class CallsLab(Asterisk):
    """The lab's Asterisk with CDRs."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation)
        etc, self.folder_of_calls = self.folder / "etc", self.folder / "log" / "cdr-custom"
        self.folder_of_calls.mkdir()
        (self.folder / "log" / "cdr-csv").mkdir()
        self.file = self.folder_of_calls / "telephony-agent.csv"
        (etc / "cdr_custom.conf").write_text(f"[mappings]\n{self.file.name} => {TEMPLATE}\n")
        (etc / "cdr.conf").write_text(
            "[general]\nenable=yes\nunanswered=no\ncongestion=yes\n[csv]\nusegmtime=yes\nloguniqueid=yes\n"
        )
        (etc / "queues.conf").write_text(
            "[general]\n[sales]\nstrategy=ringall\ntimeout=10\nmember=>PJSIP/202\nmember=>PJSIP/203\n"
        )
        (etc / "res_parking.conf").write_text(
            "[general]\n[default]\nparkext=700\nparkpos=701-709\ncontext=parked\nparkingtime=20\n"
        )
        with (etc / "modules.conf").open("a") as modules:
            modules.writelines(f"load={name}.so\n" for name in _MODULES if f"{name}.so" in installation.modules)
        with (etc / "extensions.conf").open("a") as extensions:
            extensions.write(_DIALPLAN)

    @property
    def settings(self) -> str:
        """What an agent that reads its calls has in its configuration."""
        trunks = ", ".join(f'"{trunk}"' for trunk in TRUNKS)
        return f'[calls]\ncdr_file = "{self.file}"\ntrunks = [{trunks}]\n'

    def agent(self, folder: Path) -> AgentProcess:
        """The agent that reads its calls, with a site key that stays the same in the same folder."""
        folder.mkdir(exist_ok=True)
        key = folder / "site-key"
        if not key.exists():
            key.touch(0o600)
            key.write_text(secrets.token_hex(32))
        settings = f'{self.settings}[keys]\nsite_key_file = "{key}"\n'
        return AgentProcess(self, folder=folder, settings=settings)

    async def phones(self) -> dict[str, Phone]:
        """All registered."""
        found = {line: Phone(self, line, local_ip=f"127.0.8.{number}") for number, line in enumerate(LINES, 1)}
        for phone in found.values():
            await phone.register()
        return found

    def cdrs(self) -> list[dict[str, str]]:
        """Asterisk's own CDRs, but for those in which it talked to itself."""
        names = (
            "accountcode src dst dcontext clid channel dstchannel lastapp lastdata start answer end duration billsec"
            " disposition amaflags uniqueid userfield"
        ).split()
        path = self.folder / "log" / "cdr-csv" / "Master.csv"
        with path.open(newline="", errors="replace") as file:
            rows = [dict(zip(names, row, strict=False)) for row in csv.reader(file)]
        both_local = ("Local/", "")
        return [
            row for row in rows if not (row["channel"].startswith("Local/") and (row["dstchannel"][:6] in both_local))
        ]

    def told(self) -> Counter[Seen]:
        """What Asterisk counted of each: begin (to the second), duration, billable seconds, outcome."""
        return Counter(
            (
                datetime.fromisoformat(row["start"]).replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                int(row["duration"]),
                # An emergency is free of charge, and has a record of its own.
                0 if emergency_number(row["dst"], Policy()) else int(row["billsec"]),
                _OUTCOMES.get(row["disposition"], "failed"),
            )
            for row in self.cdrs()
        )

    async def written_texts(self, count: int) -> bytes:
        """The file, once so many texts are in it: Asterisk takes a text before its dialplan runs."""
        async with asyncio.timeout(60):
            while not self.file.exists() or (held := self.file.read_bytes()).count(b'text1,"') < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return held

    async def quiet(self) -> None:
        """Return when no call is up any more.

        Raises LabError, with what Asterisk wrote last, after a minute.
        """
        up = ""
        try:
            async with asyncio.timeout(60):
                while not up.startswith("0 active channels"):
                    up = await self.cli("core show channels count")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise LabError(f"still up after a minute:\n{up}\n{self.log()}") from None


def stored(calls: list[dict[str, Any]]) -> Counter[Seen]:
    """The same of what the agent keeps."""
    return Counter((call["started_at"][:19], call["duration_s"], call["billable_s"], call["outcome"]) for call in calls)


class Forwarding:
    """A phone whose user has every call sent on to `number` (SIP 302)."""

    def __init__(self, phone: Phone, number: str) -> None:
        self._phone = phone
        self._number = number

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        local = (self._phone.local_ip, self._phone.port)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Moved(self._number), local_addr=local)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()


class _Moved(asyncio.DatagramProtocol):
    def __init__(self, number: str) -> None:
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head, *lines = data.decode().split("\r\n")
        if not head.startswith("INVITE"):
            return
        kept = [line for line in lines if line.partition(":")[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
        kept = [f"{line};tag=moved" if line.startswith("To:") else line for line in kept]
        answer = ["SIP/2.0 302 Moved", *kept, f"Contact: <sip:{self._number}@127.0.0.1>", "Content-Length: 0", "", ""]
        self._transport.sendto("\r\n".join(answer).encode(), addr)
