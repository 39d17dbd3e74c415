"""The command `check` where it cannot log in, or is told nothing: one clear sentence, an exit code, no secret."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.fake_asterisk import SECRET, FakeAsterisk, response
from tests.lab.ports import free_port

CANARY = "canary-0c2a"


async def check(
    folder: Path, port: int, *options: str, secret: str = CANARY, ami: str = "", **environment: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one run."""
    (folder / "agent.toml").write_text(
        f'[ami]\nport = {port}\n{ami}\n[store]\nurl = "sqlite:///./agent.sqlite"\n[http]\nlisten = "127.0.0.1:0"\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "check", "--config", str(folder / "agent.toml"), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TELEPHONY_AGENT_AMI__SECRET": secret, **environment},
    )
    out, err = await process.communicate()
    assert secret not in (out + err).decode()
    assert "Traceback" not in err.decode()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


async def test_nothing_listens(tmp_path: Path) -> None:
    code, out, err = await check(tmp_path, port := free_port())
    assert (code, out) == (4, "")
    assert f"no connection to Asterisk at 127.0.0.1:{port}: " in err


async def test_something_else_listens(tmp_path: Path, fake: FakeAsterisk) -> None:
    fake.banner = b"SSH-2.0-OpenSSH_9.2p1\r\n"
    code, out, err = await check(tmp_path, fake.port)
    assert (code, out) == (4, "")
    assert "is not Asterisk's Manager Interface: it speaks some other protocol" in err


async def test_the_secret_is_wrong(tmp_path: Path, fake: FakeAsterisk) -> None:
    code, out, err = await check(tmp_path, fake.port)
    assert (code, out) == (4, "")
    assert "refused the login of user 'agent': wrong name, wrong secret" in err


async def test_no_tls_at_that_port(tmp_path: Path, fake: FakeAsterisk) -> None:
    code, out, err = await check(tmp_path, fake.port, ami="tls = true")
    assert (code, out) == (4, "")
    assert "cannot be trusted over TLS" in err


async def test_asterisk_goes_away_in_the_middle(tmp_path: Path, fake: FakeAsterisk) -> None:
    fake.replies["Ping"] = fake.hang_up
    code, out, err = await check(tmp_path, fake.port, secret=SECRET)
    assert (code, out) == (4, "")
    assert "closed the connection" in err


async def test_a_mistake_in_the_configuration(tmp_path: Path) -> None:
    code, out, err = await check(tmp_path, 5038, ami="prot = 1\nusername = 7")
    assert (code, out) == (2, "")
    assert "prot" in err
    assert "username" in err


async def test_what_is_not_shown_is_unknown_and_never_guessed(tmp_path: Path, fake: FakeAsterisk) -> None:
    fake.filter_allowed = False
    fake.replies["ListCommands"] = lambda peer, action: [response(action, "Success", "Ping: Alive.  (Priv: <none>)")]
    code, out, _ = await check(tmp_path, fake.port, "--json", "--asterisk-etc", str(tmp_path), secret=SECRET)
    found = {finding["id"]: finding for finding in map(json.loads, out.splitlines())}
    assert code == 1
    unknown = {id for id, finding in found.items() if finding["severity"] == "unknown"}
    assert unknown >= {"rights.agent.read", "ami.timestampevents", "ami.bindaddr", "numbers", "emergency.contexts"}
    assert found["rights.agent.write.system"]["severity"] == "problem"
    assert all(finding["text"].startswith("could not be seen: ") for id, finding in found.items() if id in unknown)


async def test_files_show_what_ami_does_not(tmp_path: Path, fake: FakeAsterisk) -> None:
    (tmp_path / "manager.conf").write_text(f"[general]\n[agent]\nsecret={SECRET}\nread=system,call,user,dtmf\n")
    code, out, _ = await check(tmp_path, fake.port, "--json", "--asterisk-etc", str(tmp_path), secret=SECRET)
    found = {finding["id"]: finding["severity"] for finding in map(json.loads, out.splitlines())}
    assert code == 1
    wrong = ("rights.agent.read.security", "rights.agent.read.dtmf", "ami.timestampevents")
    assert [found[id] for id in wrong] == ["problem", "problem", "problem"]
    assert (found["ami.writetimeout.agent"], found["ami.bindaddr"]) == ("warning", "warning")


async def test_a_second_login_that_is_refused(tmp_path: Path, fake: FakeAsterisk) -> None:
    def once(peer: object, action: dict[str, str]) -> list[bytes]:
        if fake.connections > 1:
            return [response(action, "Error", "Message: User Already In Use")]
        return [response(action, "Success", "Challenge: ")]

    fake.replies["Challenge"] = once
    code, out, _ = await check(tmp_path, fake.port, "--json", secret=SECRET)
    found = {finding["id"]: finding for finding in map(json.loads, out.splitlines())}
    assert code == 1
    assert "the agent needs two sessions" in found["login.agent"]["text"]
    assert "allowmultiplelogin=yes" in found["login.agent"]["fix"]


async def test_the_http_address_and_the_store_are_tried(tmp_path: Path, fake: FakeAsterisk) -> None:
    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 some other server\r\n")
        writer.close()

    other = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with other:
        _, out, _ = await check(
            tmp_path,
            fake.port,
            "--json",
            secret=SECRET,
            TELEPHONY_AGENT_HTTP__LISTEN=f"127.0.0.1:{other.sockets[0].getsockname()[1]}",
            TELEPHONY_AGENT_STORE__URL=f"sqlite://{tmp_path}/missing/agent.sqlite",
        )
    found = {finding["id"]: finding for finding in map(json.loads, out.splitlines())}
    assert (found["http"]["severity"], found["store"]["severity"]) == ("problem", "problem")
    assert "Address already in use" in found["http"]["text"]
    assert "there is no folder" in found["store"]["text"]
    assert not (tmp_path / "missing").exists()
