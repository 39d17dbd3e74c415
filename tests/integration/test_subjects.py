"""What customers ask for is done from the command line, once it is on record who asked; nothing before that."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.commands import desk, one_sentence
from tests.integration.customers import call, optin, registration
from tests.integration.requested import Requested, requested


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Requested]:
    async with requested(tmp_path / "agent") as found:
        await found.agent.keep(registration("r1"), call("c1"), call("c2", "202"))
        await found.agent.keep(optin("00000000000000f1"))
        yield found


async def identified(asked: Requested, asks: str) -> str:
    return await asked.opened(asks, "--identity", "called back on the number on file")


async def test_an_erasure_says_first_what_it_would_do_and_then_what_it_did(asked: Requested) -> None:
    id = await identified(asked, "erasure")
    dry = await asked.agent.json("subject", "erase", id, "--dry-run")
    assert {each["kind"]: each["count"] for each in dry if each["stays"] is None} == {
        "call": 1,
        "registration": 1,
        "optin": 1,
    }
    assert len(asked.agent.stored("call")) == 2

    done = await asked.agent.run("subject", "erase", id[:8], "--by", "Sam")
    assert done.returncode == 0, done.stderr
    assert "the contract runs" in done.stdout
    assert [each["id"] for each in asked.agent.stored("call")] == ["c2"]
    assert asked.agent.stored("registration") == asked.agent.stored("optin") == []
    audited = [(each["use"], each["subject"], each["reason"]) for each in asked.agent.stored("audit")][1:]
    assert audited == [("shown", "A1001", f"request {id}"), ("erased", "A1001", f"request {id}")]
    assert (await asked.request(id))["closed_at"] is None
    assert "A1001" not in str(asked.agent.log)


async def test_nothing_is_erased_before_it_is_on_record_who_asks(asked: Requested) -> None:
    unknown, other = await asked.opened("erasure"), await identified(asked, "access")
    closed = await identified(asked, "erasure")
    await asked.agent.run("subject", "close", closed, "--outcome", "refused", "--answer", "no")
    one_sentence(await asked.agent.run("subject", "erase", unknown), 1, "nobody has checked who asks")
    one_sentence(await asked.agent.run("subject", "erase", unknown, "--dry-run"), 1, "nobody has checked who asks")
    one_sentence(await asked.agent.run("subject", "erase", other), 1, "asks for access")
    one_sentence(await asked.agent.run("subject", "erase", closed), 1, "closed")
    one_sentence(await asked.agent.run("subject", "erase", "0123456789abcdef"), 6, "no request")
    assert len(asked.agent.stored("call")) == 2
    assert "erased" not in [each["use"] for each in asked.agent.stored("audit")]


async def test_the_running_agent_erases_and_erases_again_what_is_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    folder.mkdir()
    rows = tmp_path / "accounts.csv"
    rows.write_text("account,line,number,from,until\nA1001,201,,2020-01-01,\n")
    async with desk(folder) as running:
        done = await running.run("account", "import", str(rows))
        assert done.returncode == 0, done.stderr
        (opened,) = await running.json("subject", "open", "A1001", "--asks", "erasure", "--identity", "by letter")
        found = await running.json("subject", "erase", opened["id"])
        assert {each["stays"] for each in found} == {"the contract runs"}
        assert len(json.dumps(found)) > 0
    (ledger,) = folder.glob("*.erasures")
    assert "A1001" not in ledger.read_text()
