"""Asterisk may keep its contacts elsewhere than in its own database (sorcery.conf): they are described all the same."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Phone


@pytest.fixture
async def forgetful(version: str) -> AsyncIterator[Asterisk]:
    """An Asterisk that keeps contacts in memory alone, as another keeps them in a database of its operator's."""
    lab = Asterisk(installation(version, print))
    etc = lab.folder / "etc"
    (etc / "sorcery.conf").write_text("[res_pjsip]\ncontact=memory\n")
    with (etc / "modules.conf").open("a") as modules:
        modules.write("load=res_sorcery_memory.so\n")
    async with lab:
        yield lab


async def test_a_phone_is_kept_with_its_device(forgetful: Asterisk, tmp_path: Path) -> None:
    async with AgentProcess(forgetful, folder=tmp_path / "agent") as agent:
        await Phone(forgetful, "201", user_agent="snomD785/10.1.184.14", local_ip="127.0.5.1").register()
        assert "201;@" not in await forgetful.cli("database show registrar")
        span = await agent.one("registration", line="201", vendor="snom")
        assert (span["ip"], span["ip_source"]) == ("127.0.5.1", "security")
