"""Starting, stopping and failing beside a real Asterisk."""

import asyncio
import os
import random
import re
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
        for number in range(1, 6):
            # longer than a restart takes: no call goes by unseen
            call = await phone.start_call("999", steps=[Talk(5)])
            await asyncio.sleep(chance.uniform(0, 2))
            code = await agent.stop()
            assert code == 0, agent.log[-2000:]
            with closing(sqlite3.connect(agent.store)) as store:
                assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert sorted(path.name for path in agent.folder.glob("*-wal")) == []
            await agent.start()
            await call.done()
            await agent.some("emergency", number, outcome="answered")
    calls = agent.stored("emergency")
    assert len(calls) == 5
    assert {call["line"] for call in calls} == {"201"}


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


async def test_an_express_user_that_may_only_listen(lab: Asterisk, tmp_path: Path) -> None:
    """With manager.conf's own filter and no write right at all (dialplan/manager.conf.example)."""
    own = f'express_username = "agent-express"\nexpress_secret_file = "{tmp_path}/agent/ami-secret"\n'
    async with AgentProcess(lab, folder=tmp_path / "agent", ami=own) as agent:
        phone = Phone(lab, "201", local_ip="127.0.5.1")
        await phone.register()
        async with Trunk(lab, "trunk-a"):
            await phone.call("999", steps=[Talk(0.5)])
        await agent.one("emergency", outcome="answered", seen_by="dialplan")
        metrics = agent.get("/metrics")[1]
        (heard,) = re.findall(r'telephony_ami_messages_wanted_total\{session="express"\} (\S+)', metrics)
        (received,) = re.findall(r'telephony_ami_messages_total\{session="express"\} (\S+)', metrics)
        # Dialled, Trying, Answered, LegEnded, Ended, and nothing else but the answers to its own few questions
        assert float(heard) == 5
        assert float(received) < 25
