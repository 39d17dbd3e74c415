"""The desk's commands beside a real Asterisk: which phones can call, a call from ringing to closed, a rehearsal."""

import asyncio
import getpass
import json
from pathlib import Path

from tests.integration.commands import SITES, told
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.sip import Phone, Talk, Trunk


async def test_from_the_first_look_to_the_last(lab: Asterisk, tmp_path: Path) -> None:
    for name, value in (
        ("REHEARSAL_NUMBER", "01134960998"),
        ("TRUNKS", "trunk-a, trunk-b, loopback"),
        ("CLI_loopback", "+441134960201"),
    ):
        await lab.cli(f'dialplan set global EMERGENCY_{name} "{value}"')
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "sites.toml").write_text(SITES.replace("192.0.2.0/24", "127.0.5.0/24"))
    async with AgentProcess(lab, folder=folder, settings='[emergency]\nsites_file = "sites.toml"\n') as agent:

        async def command(*words: str) -> tuple[int, str]:
            done = await asyncio.to_thread(told, *words, cwd=folder, TELEPHONY_AGENT_CONFIG="agent.toml")
            return done.returncode, done.stdout

        phone = Phone(lab, "201", local_ip="127.0.5.1")
        await phone.register()
        await Phone(lab, "301", local_ip="127.0.5.2").register()
        await agent.some("registration", 2, ip=lambda ip: ip is not None)
        await agent.until(lambda: agent.stored("path"), "the paths looked at")
        code, out = await command("emergency", "phones", "--json")
        answers = {known["line"]: known["answer"] for known in map(json.loads, out.splitlines())}
        assert (code, answers) == (1, {"201": "yes", "301": "no_path"})

        async with Trunk(lab, "trunk-a"):
            calling = asyncio.create_task(phone.call("999", steps=[Talk(8)]))
            call = await agent.one("emergency", answered_at=lambda at: at is not None)
            assert await command("emergency", "ack", call["id"], "--by", "Sam") == (
                0,
                f"taken on by Sam ({getpass.getuser()})\n",
            )
            code, out = await command("emergency", "show", call["id"], "--full", "--reason", "the police asked")
            assert code == 0
            assert "12 Wellington Street" in out
            assert (await command("emergency", "close", call["id"], "--comment", "too early"))[0] == 1
            await calling
        await agent.one("emergency", outcome="answered", ended_at=lambda at: at is not None)
        assert (await command("emergency", "close", call["id"], "--comment", "a fire"))[0] == 0
        code, out = await command("emergency", "list", "--json")
        (shown,) = map(json.loads, out.splitlines())
        assert (code, shown["line"], shown["site"], shown["alarm"]["comment"]) == (0, "201", "leeds", "a fire")
        assert (await command("emergency", "list", "--open"))[1] == ""
        code, out = await command("emergency", "show", call["id"], "--json")
        assert (code, json.loads(out)["timeline"]["problems"]) == (0, [])

        for wrong in (("--line", "nope"), ("--line", "201", "--trunk", "nope")):
            assert await command("emergency", "test", *wrong) == (6, "")
        assert not [alarm for alarm in agent.stored("alarm") if alarm["subject"] == "rehearsal"]
        code, out = await command("emergency", "test", "--line", "201", "--trunk", "loopback", "--json")
        proofs = {step["proof"]: step["ok"] for step in map(json.loads, out.splitlines()) if "proof" in step}
        assert (code, proofs["routing"], proofs["cli"], proofs["acknowledgement"]) == (0, True, True, True)
        assert len((await command("emergency", "list", "--json"))[1].splitlines()) == 1
        assert len((await command("emergency", "list", "--json", "--tests"))[1].splitlines()) == 2
