"""The commands as a user runs them, and a running agent beside a fake Asterisk for them to ask."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from typer.testing import CliRunner

from agent.cli import cli
from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "agent"]

SITES = """
[sites.leeds]
name = "Leeds office"
number = "12"
street = "Wellington Street"
town = "Leeds"
postcode = "LS1 4AP"
contact = "Reception, 0113 496 0000"
[networks]
"192.0.2.0/24" = { site = "leeds", floor = "2" }
[lines]
"201" = { site = "leeds", floor = "2" }
"""


def telephony_agent(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELEPHONY_AGENT_")}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=clean | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def told(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command within this process, which is quicker."""
    with chdir(cwd):
        done = CliRunner(env={"NO_COLOR": "1", **environ}).invoke(cli, arguments, prog_name="telephony-agent")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


def one_sentence(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with this exit code and one line that says so, with these words in it."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("telephony-agent:")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in done.stderr


class Desk:
    """A running agent, its fake Asterisk, and commands for both."""

    def __init__(self, fake: FakeAsterisk, agent: AgentProcess) -> None:
        self.fake = fake
        self.agent = agent
        self.calls = 0

    async def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command with the agent's own configuration."""
        return await asyncio.to_thread(
            told,
            *arguments,
            cwd=self.agent.folder,
            TELEPHONY_AGENT_CONFIG="agent.toml",
            **environ,
        )

    async def json(self, *arguments: str) -> list[Any]:
        """What a command prints with --json, which ends well."""
        done = await self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def call(self, *stages: str, **headers: str) -> str:
        """An emergency from line 201 that goes through these stages; its id, once it is stored."""
        self.calls += 1
        known = {record["id"] for record in self.agent.stored("emergency")}
        await self.stages(*stages, **headers)
        await self.agent.until(lambda: len(self.agent.stored("emergency")) > len(known), "a new emergency")
        (id,) = {record["id"] for record in self.agent.stored("emergency")} - known
        return str(id)

    async def stages(self, *stages: str, **headers: str) -> None:
        """More of the latest call."""
        unique = f"1795380280.{self.calls}"
        for stage in stages:
            told = {"UserEvent": "Emergency", "Stage": stage, "Call": unique, "Number": "999", "Address": "192.0.2.7"}
            leg = {"Trunk": "emergency-1", "Attempt": "1", "Cli": "+441134960000"} if stage != "Dialled" else {}
            channel = {"Channel": f"PJSIP/201-{self.calls:08x}", "Uniqueid": unique, "Linkedid": unique}
            await self.fake.emit(event("UserEvent", **channel, **(told | leg | headers)))


@asynccontextmanager
async def desk(folder: Path, settings: str = "") -> AsyncIterator[Desk]:
    """An agent that is ready, with a table of sites; its configuration, store and log are in ``folder``."""
    folder.mkdir(exist_ok=True)
    (folder / "sites.toml").write_text(SITES)
    async with FakeAsterisk() as fake:
        lab = cast(Asterisk, SimpleNamespace(agent_secret=SECRET, agent_user="agent", ami_port=fake.port))
        written = f'[emergency]\nsites_file = "sites.toml"\n{settings}'
        async with AgentProcess(lab, folder=folder, settings=written) as agent:
            yield Desk(fake, agent)
