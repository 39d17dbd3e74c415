"""The agent itself as a process beside the lab's Asterisk, and what it has stored."""

import asyncio
import json
import os
import re
import secrets
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from agent import keys
from agent.config import load
from agent.core.records import document
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader
from tests.lab.asterisk import Asterisk
from tests.lab.provision import die_with_parent
from tests.lab.roots import cache_folder

WAIT_S = 60.0
POLL_S = 0.05
_SERVES = '"event": "http"'


def _environment() -> dict[str, str]:
    """As where it is installed, its modules are compiled once, and not at each start; but not into this folder."""
    compiled = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache_folder() / "pycache")}
    compiled.pop("PYTHONDONTWRITEBYTECODE", None)
    return compiled


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class AgentError(Exception):
    """The agent did not do what was waited for; says what it stored and logged."""


class Pbx(Protocol):
    """What an agent has to know of the PBX that it logs in to."""

    @property
    def agent_user(self) -> str: ...
    @property
    def agent_secret(self) -> str: ...
    @property
    def ami_port(self) -> int: ...


class AgentProcess:
    """One `telephony-agent run` with a configuration, a store and a log of its own; `ami_port` if not the lab's.

    It serves HTTP on the port `listen`; on 0 on another at each start.

    `recording` lets it record, with these lines more in `[recording]`: it has the lab's monitor folder then, a folder
    `recordings` of its own, and a site key that stays the same in the same `folder`. `site_key` gives it one without.

    async with AgentProcess(lab) as agent:
        await phone.call("999")
        record = await agent.one("emergency", outcome="answered")
    """

    def __init__(
        self,
        lab: Pbx,
        *,
        folder: Path | None = None,
        settings: str = "",
        ami: str = "",
        ami_port: int = 0,
        listen: int = 0,
        recording: str | None = None,
        site_key: bool = False,
        log_level: str = "debug",
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="telephony-agent-"))
        self.folder.mkdir(exist_ok=True)
        self.store = self.folder / "agent.sqlite"
        self.recordings = self.folder / "recordings"
        self.config = self.folder / "agent.toml"
        self._process: asyncio.subprocess.Process | None = None
        secret = self.folder / "ami-secret"
        secret.write_text(lab.agent_secret)
        secret.chmod(0o600)
        self.config.write_text(
            f'[ami]\nport = {ami_port or lab.ami_port}\nusername = "{lab.agent_user}"\nsecret_file = "{secret}"\n{ami}'
            f'[store]\nurl = "sqlite://{self.store}"\n'
            f'[http]\nlisten = "127.0.0.1:{listen}"\n'
            f'[log]\nlevel = "{log_level}"\n{settings}'
            f"{'' if recording is None else self._may_record(lab, recording)}"
            f"{self._keys() if site_key or recording is not None else ''}"
        )

    def _may_record(self, lab: Pbx, recording: str) -> str:
        assert isinstance(lab, Asterisk)
        return (
            f'\n[recording]\nmonitor_dir = "{lab.recordings}"\nstore_dir = "{self.recordings}"\n'
            f'socket = "{lab.socket}"\n{recording}\n'
        )

    def _keys(self) -> str:
        key = self.folder / "site-key"
        if not key.exists():
            key.touch(0o600)
            key.write_text(secrets.token_hex(32))
        return f'\n[keys]\nsite_key_file = "{key}"\n'

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def processor_s(self) -> float:
        """Seconds of processor time that it has had since it was started."""
        # proc(5): behind the name in brackets, from field 3 on; utime is field 14, stime 15
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def log(self) -> str:
        """All that it has written to its standard error."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    @property
    def http_port(self) -> int:
        """The port that it serves HTTP on, as its log says; 0 before."""
        ports = re.findall(r'"port": (\d+)', self.log)
        return int(ports[-1]) if ports else 0

    async def start(self, *, ready: bool = True) -> None:
        """Starts it, and returns when it says that it is ready (unless told not to wait)."""
        served = self.log.count(_SERVES)
        with open(self.folder / "log", "ab", opener=_private) as log:
            self._process = await asyncio.create_subprocess_exec(
                *(*die_with_parent(), sys.executable, "-m", "agent", "run", "--config", str(self.config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                # a Ctrl-C at the terminal is for who started it all, who then stops each in turn
                start_new_session=True,
            )
        if ready:
            await self.until(lambda: self.log.count(_SERVES) > served and self.get("/readyz")[0] == 200, "ready")

    async def stop(self) -> int | None:
        """Ends it as systemd would (SIGTERM); its exit code."""
        if self._process is None:
            return None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_S):
            code = await self._process.wait()
        self._process = None
        return code

    async def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL)."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self._process = None

    async def exited(self) -> int:
        """Its exit code, when it ends by itself."""
        assert self._process is not None
        async with asyncio.timeout(WAIT_S):
            return await self._process.wait()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP GET; status 0 where nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def reader(self) -> SqliteReader:
        """Opens its store, with its keys.

        Raises StoreError while there is none.
        """
        config = load(self.config, {}, secrets_required=False)
        return SqliteReader(self.store, keys.reading(config, lambda: 0))

    def stored(self, kind: str) -> list[dict[str, Any]]:
        """The stored records of a kind, as `list --json` shows them."""
        try:
            with self.reader() as reader:
                return [json.loads(json.dumps(document(record))) for record in reader.read(kind)]
        except StoreError:
            return []

    async def some(self, kind: str, count: int, **wanted: object) -> list[dict[str, Any]]:
        """Exactly so many stored records with these values, waited for."""
        await self.until(lambda: len(self._matching(kind, wanted)) >= count, f"{count} × {kind} {wanted}")
        found = self._matching(kind, wanted)
        if len(found) != count:
            raise AgentError(f"{len(found)} instead of {count} × {kind} {wanted}: {found}")
        return found

    async def one(self, kind: str, **wanted: object) -> dict[str, Any]:
        """The one stored record with these values, waited for."""
        return (await self.some(kind, 1, **wanted))[0]

    def _matching(self, kind: str, wanted: Mapping[str, object]) -> list[dict[str, Any]]:
        return [
            record
            for record in self.stored(kind)
            if all(value(record[name]) if callable(value) else record[name] == value for name, value in wanted.items())
        ]

    async def until(self, met: Callable[[], object], what: str) -> None:
        """Waits for a condition.

        Raises AgentError after a minute, or when the agent ends.
        """
        try:
            async with asyncio.timeout(WAIT_S):
                while not await asyncio.to_thread(met):
                    if self._process is not None and self._process.returncode is not None:
                        raise AgentError(f"the agent ended while waiting for {what}\n{self.log[-4000:]}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            stored = {kind: self.stored(kind) for kind in ("registration", "emergency", "recording")}
            raise AgentError(f"never: {what}\nstored: {json.dumps(stored, indent=1)}\n{self.log[-4000:]}") from None
