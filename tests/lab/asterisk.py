"""A real Asterisk of the lab's own: its folder, ports, configuration and life."""

import asyncio
import contextlib
import importlib.util
import os
import re
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
from tests.lab.memory import SHARED_MEMORY, may_mount, mount_memory, unmount_below
from tests.lab.ports import RTP_PORTS, free_port, free_sip_port, rtp_start
from tests.lab.provision import Installation
from tests.lab.tone import prompt_tone

ETC = Path(__file__).parent / "etc"
DIALPLAN = Path(__file__).parents[2] / "dialplan"
TRUNKS = ("trunk-a", "trunk-b")
PROMPTS = ("start", "stop", "party", "away", "refused", "announcement")
START_S = 30.0
_PREFIX = "telephony-lab-"
_PLAYED = re.compile(r"<([^>]+)> Playing '([^'.]+)")


class LabError(Exception):
    """Asterisk did not do what the lab needs; says what its log says."""


class Asterisk:
    """An Asterisk on ports of 127.0.0.1 that nobody else uses; it dies with the process that started it.

        async with Asterisk(installation(None, print)) as lab:
            print(await lab.cli("pjsip show endpoints"))

    Phones 201..209 land in context `phones` (the dialplan under test), 301..302 in `unmodified` (a PBX without it).
    Trunks trunk-a and trunk-b lead to `trunk_ports`, where a `Trunk` of tests.lab.sip may listen.
    What MixMonitor writes lies in `memory_mb` megabytes of memory, which a private root needs the right to mount;
    0 leaves it on the disk.
    """

    def __init__(self, installation: Installation, *, status_on_refresh: bool = False, memory_mb: int = 256) -> None:
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
        self._memory_mb = memory_mb
        shared = (installation.root or Path("/")) / "tmp"
        if memory_mb and installation.root is None and not may_mount():
            # then all of the folder is in memory
            shared = SHARED_MEMORY
        _sweep(shared)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=shared))
        self._inside = self.inside(self.folder)
        self._write()

    async def __aenter__(self) -> Self:
        if self._memory_mb and may_mount():
            mount_memory(self.recordings, self._memory_mb)
        try:
            await self.start()
        except BaseException:
            await self.kill()
            self._remove()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self._remove()

    def _remove(self) -> None:
        unmount_below(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def inside(self, path: Path) -> Path:
        """A path of this machine as Asterisk sees it, which may run in a root of its own."""
        return Path("/") / path.relative_to(self.installation.root or "/")

    @property
    def pid(self) -> int | None:
        """Asterisk's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def recordings(self) -> Path:
        """The folder where MixMonitor puts its files, in memory unless it was said otherwise."""
        return self.folder / "spool" / "monitor"

    @property
    def socket(self) -> Path:
        """Where AGI scripts ask the agent: RECORDING_SOCKET of the lab's dialplan."""
        return self.folder / "run" / "recording.sock"

    async def start(self) -> None:
        """Starts Asterisk and returns when it has said FullyBooted.

        Raises LabError when it ends before, or says nothing for 30 s.
        """
        command = self.installation.command(self._inside)
        log = (self.folder / "log" / "console").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
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

    async def written(self, name: str) -> Path:
        """The file of this name that MixMonitor wrote, once Asterisk has closed it: that is after the call has ended.

        Raises TimeoutError after a minute.
        """
        path = self.recordings / name
        async with asyncio.timeout(60):
            while not path.exists() or str(path) in self._open_files():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return path

    def _open_files(self) -> list[str]:
        names: list[str] = []
        for descriptor in Path("/proc", str(self.pid), "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(descriptor))
        return names

    async def log_prompts(self) -> None:
        """Has Asterisk write down from now on what it plays to whom, for `prompts`."""
        with (self.folder / "etc" / "logger.conf").open("a") as file:
            file.write("prompts => verbose(3)\n")
        await self.cli("logger reload")

    def prompts(self) -> list[tuple[str, str]]:
        """What it has played since `log_prompts`: the channel and the prompt's name, in order."""
        path = self.folder / "log" / "prompts"
        return _PLAYED.findall(path.read_text(errors="replace")) if path.exists() else []

    async def cli(self, command: str) -> str:
        """What Asterisk's command line answers, without colours."""
        async with AmiSession("127.0.0.1", self.ami_port, "check", self.check_secret) as ami:
            answer = await ami.action("Command", Command=command)
        return "\n".join(value for key, value in answer if key == "Output")

    async def channels(self) -> list[dict[str, str]]:
        """The headers of CoreShowChannel for each channel."""
        found: list[dict[str, str]] = []
        async with AmiSession("127.0.0.1", self.ami_port, "check", self.check_secret) as ami:
            asked = await ami.send("CoreShowChannels")
            async for message in ami.messages():
                headers = dict(message)
                if headers.get("ActionID") != asked:
                    continue
                if headers.get("Event") == "CoreShowChannelsComplete":
                    return found
                if headers.get("Event") == "CoreShowChannel":
                    found.append(headers)
        raise AmiError("the session ended before the list of channels did")

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
        self._write_agi(self.folder / "lib" / "agi")
        # Asterisk does not start without its documentation
        data = self.installation.data_dir
        (self.folder / "lib" / "documentation").symlink_to(data / "documentation")
        # a transfer by feature code fails when its prompt is missing, and Debian's sounds are another package
        sounds = self.folder / "lib" / "sounds" / "en"
        sounds.mkdir(parents=True)
        for prompt in ("pbx-transfer", "beep", "beeperr"):
            (sounds / f"{prompt}.alaw").write_bytes(b"\xd5" * 800)
        for number, prompt in enumerate(PROMPTS, 1):
            (sounds / f"recording-{prompt}.alaw").write_bytes(prompt_tone(number))
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

    def _write_agi(self, folder: Path) -> None:
        """The AGI scripts under test and what they import, which is pure Python and runs on any."""
        folder.mkdir()
        for name in ("asterisk", "six"):
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            origin = Path(found.origin)
            if found.submodule_search_locations:
                shutil.copytree(origin.parent, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(origin, folder)
        for script in (DIALPLAN / "agi").glob("*.py"):
            shutil.copy(script, folder)
            (folder / script.name).chmod(0o755)

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
            unmount_below(folder)
            shutil.rmtree(folder, ignore_errors=True)
