"""Starting, stopping and failing beside a real Asterisk."""

import asyncio
import os
import random
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Phone, Talk, Trunk


async def test_sigterm_at_any_moment_leaves_a_clean_store(lab: Asterisk, agent: AgentProcess) -> None:
    """Between two commits, within a commit, while starting: the next start goes on, and no emergency is lost."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    chance = random.Random(seed)
    phone = Phone(lab, "201", local_ip="127.0.5.1")
    await phone.register()
    async with Trunk(lab, "trunk-a", ring_s=0.1):
        for number in range(6):
            call = await phone.start_call("999", steps=[Talk(1)])
            await asyncio.sleep(chance.uniform(0, 1.2))
            code = await agent.stop()
            assert code == 0, agent.log[-2000:]
            with closing(sqlite3.connect(agent.store)) as store:
                assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert sorted(path.name for path in agent.folder.glob("*-wal")) == []
            await agent.start()
            await call.done()
            await agent.until(lambda: not [c for c in agent.stored("emergency") if c["ended_at"] is None], "all over")
            assert len(agent.stored("emergency")) in (number, number + 1)
    # a call that went by wholly while the agent was down cannot be known by call events; all others are there once
    calls = agent.stored("emergency")
    assert len({call["id"] for call in calls}) == len(calls)
    assert len(calls) >= 3


async def test_a_wrong_password_is_one_sentence_and_no_storm(lab: Asterisk, tmp_path: Path) -> None:
    agent = AgentProcess(lab, folder=tmp_path / "agent")
    (agent.folder / "ami-secret").write_text("not the secret")
    await agent.start(ready=False)
    assert await agent.exited() == 4
    (sentence,) = [line for line in agent.log.splitlines() if line.startswith("telephony-agent:")]
    assert "refused the login" in sentence
    assert "not the secret" not in agent.log
    assert "Traceback" not in agent.log


async def test_a_port_that_is_not_ami(lab: Asterisk, tmp_path: Path) -> None:
    async with await asyncio.start_server(_not_ami, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        agent = AgentProcess(lab, folder=tmp_path / "agent")
        agent.config.write_text(agent.config.read_text().replace(f"port = {lab.ami_port}", f"port = {port}"))
        await agent.start(ready=False)
        assert await agent.exited() == 4
    assert "not" in agent.log.splitlines()[-1]
    assert "Traceback" not in agent.log


async def _not_ami(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    await writer.drain()
    writer.close()


async def test_the_agent_waits_for_an_asterisk_that_is_still_down(lab: Asterisk, tmp_path: Path) -> None:
    await lab.stop()
    agent = AgentProcess(lab, folder=tmp_path / "agent")
    await agent.start(ready=False)
    await agent.until(lambda: agent.get("/healthz")[0] == 200, "up")
    status, body = agent.get("/readyz")
    assert status == 503
    assert '"store":true' in body
    await lab.start()
    await agent.until(lambda: agent.get("/readyz")[0] == 200, "ready")
    assert await agent.stop() == 0
