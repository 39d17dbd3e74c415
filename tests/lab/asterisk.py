"""A real Asterisk of the lab's own: its folder, ports, configuration and life."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.ami import AmiError, AmiSession
from tests.lab.etc import phone_sections, trunk_sections
from tests.lab.ports import RTP_PORTS, free_port, free_sip_port, rtp_start
from tests.lab.provision import Installation

ETC = Path(__file__).parent / "etc"
DIALPLAN = Path(__file__).parents[2] / "dialplan"
TRUNKS = ("trunk-a", "trunk-b")
START_S = 30.0
_PREFIX = "telephony-lab-"


class LabError(Exception):
    """Asterisk did not do what the lab needs; says what its log says."""


class Asterisk:
    """An Asterisk on ports of 127.0.0.1 that nobody else uses; it dies with the process that started it.

        async with Asterisk(installation(None, print)) as lab:
            print(await lab.cli("pjsip show endpoints"))

    Phones 201..209 land in context `phones` (the dialplan under test), 301..302 in `unmodified` (a PBX without it).
    Trunks trunk-a and trunk-b lead to `trunk_ports`, where a `Trunk` of tests.lab.sip may listen.
    """

    def __init__(self, installation: Installation, *, status_on_refresh: bool = False) -> None:
        self.installation = installation
        self.sip_port = free_sip_port()
        self.ami_port = free_port(socket.SOCK_STREAM)
        self.chan_sip_port = free_port()
        self.iax_port = free_port()
        self.trunk_ports = {name: free_port() for name in TRUNKS}
        self.agent_user = "agent"
        self.agent_secret = secrets.token_hex(16)
        self.check_secret = secrets.token_hex(16)
        self._status_on_refresh = status_on_refresh
        self._process: asyncio.subprocess.Process | None = None
        shared = (installation.root or Path("/")) / "tmp"
        _sweep(shared)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=shared))
        # the same folder, as a chrooted Asterisk sees it
        self._inside = Path("/tmp") / self.folder.name
        self._write()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Asterisk's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def recordings(self) -> Path:
        """The folder where MixMonitor puts its files."""
        return self.folder / "spool" / "monitor"

    async def start(self) -> None:
        """Starts Asterisk and returns when it has said FullyBooted.

        Raises LabError when it ends before, or says nothing for 30 s.
        """
        command = self.installation.command(self._inside)
        log = (self.folder / "log" / "console").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, cwd="/"
            )
        try:
            async with asyncio.timeout(START_S):
                await self._fully_booted(self._process)
        except TimeoutError:
            await self.kill()
            raise LabError(f"Asterisk was not ready after {START_S:.0f} s\n{self.log()}") from None

    async def _fully_booted(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if process.returncode is not None:
                raise LabError(f"Asterisk ended with {process.returncode}\n{self.log()}")
            with contextlib.suppress(OSError, AmiError):
                async with AmiSession("127.0.0.1", self.ami_port, "check", self.check_secret) as ami:
                    await ami.until("Event", "FullyBooted")
                    return
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Ends Asterisk in good order; kills it when that takes over 5 s."""
        if self._process is None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        self._process = None

    async def kill(self) -> None:
        """Ends Asterisk as a power cut would (SIGKILL)."""
        if self._process is None:
            return
        if command := self.installation.kill_command(self._inside):
            killing = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
            await killing.wait()
        else:
            self._signal(signal.SIGKILL)
        await self._process.wait()
        self._process = None

    async def restart(self) -> None:
        """Stops and starts again, with the same folder, ports and database."""
        await self.stop()
        await self.start()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def cli(self, command: str) -> str:
        """What Asterisk's command line answers, without colours."""
        async with AmiSession("127.0.0.1", self.ami_port, "check", self.check_secret) as ami:
            answer = await ami.action("Command", Command=command)
        return "\n".join(value for key, value in answer if key == "Output")

    def log(self) -> str:
        """The last 40 lines that Asterisk wrote to its console and log."""
        lines: list[str] = []
        for path in (self.folder / "log" / "console", self.folder / "log" / "messages"):
            if path.exists():
                lines += path.read_text(errors="replace").splitlines()
        return "\n".join(lines[-40:])

    def _write(self) -> None:
        for name in ("etc", "lib", "db", "spool/monitor", "run", "log"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "lib" / "agi").mkdir()
        # Asterisk does not start without its documentation
        data = self.installation.data_dir
        (self.folder / "lib" / "documentation").symlink_to(data / "documentation")
        # a transfer by feature code fails when its prompt is missing, and Debian's sounds are another package
        sounds = self.folder / "lib" / "sounds" / "en"
        sounds.mkdir(parents=True)
        for prompt in ("pbx-transfer", "beep", "beeperr"):
            (sounds / f"{prompt}.alaw").write_bytes(b"\xd5" * 800)
        etc = self.folder / "etc"
        shutil.copytree(DIALPLAN, etc / "telephony-agent")
        values = {
            "DIR": str(self._inside),
            "MODULES": str(self.installation.modules_dir),
            "AMI_PORT": str(self.ami_port),
            "SIP_PORT": str(self.sip_port),
            "CHAN_SIP_PORT": str(self.chan_sip_port),
            "IAX_PORT": str(self.iax_port),
            "AGENT_SECRET": self.agent_secret,
            "CHECK_SECRET": self.check_secret,
            "STATUS_ON_REFRESH": "yes" if self._status_on_refresh else "no",
            "PHONES": phone_sections(),
            "TRUNKS": trunk_sections(self.trunk_ports),
        }
        first = rtp_start()
        values |= {"RTP_START": str(first), "RTP_END": str(first + RTP_PORTS - 1)}
        for name in ("acl", "cdr", "cel", "pjproject", "udptl"):
            (etc / f"{name}.conf").touch()
        for template in ETC.glob("*.conf"):
            text = template.read_text()
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            path = etc / template.name
            path.write_text(self._loadable(text))
            os.chmod(path, 0o600)

    def _loadable(self, text: str) -> str:
        """The file without the lines that load a module, or name a profile, which this Asterisk does not have."""
        # 16.28 knows the option and not the built-in profiles, and refuses the endpoint
        located = int(self.installation.version.split(".")[0]) >= 20
        modules = self.installation.modules
        return "".join(
            line
            for line in text.splitlines(keepends=True)
            if (not line.startswith("load=") or line.removeprefix("load=").strip() in modules)
            and (located or not line.startswith("geoloc_"))
        )


def _sweep(shared: Path) -> None:
    """Removes the folders of processes that were killed before they could do so themselves."""
    for folder in shared.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
