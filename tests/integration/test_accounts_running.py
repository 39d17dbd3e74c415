"""Accounts in an agent that runs: taken over, found, and in its audit; its log knows nothing of them."""

from pathlib import Path

from tests.integration.commands import desk, one_sentence

HEAD = "account,line,number,from,until,itemised,history_consent\n"
WHY = ("--reason", "the customer rang")


async def test_a_running_agent_takes_accounts_and_finds_them(tmp_path: Path) -> None:
    async with desk(tmp_path / "agent") as agent:
        file = agent.agent.folder / "accounts.csv"
        file.write_text(HEAD + "A1001,201,,2024-03-01,,,\nA1001,,0113 496 0100,2024-03-01,,,\n")
        done = await agent.run("account", "import", "accounts.csv")
        assert (done.returncode, done.stdout) == (0, "added 2, ended 0, changed 0, unchanged 0\n"), done.stderr
        (found,) = await agent.json("account", "find", "+44 113 496 0100", *WHY)
        assert found["account"]["account"] == "A1001"
        one_sentence(await agent.run("account", "find", "209", *WHY), 6, "no account has this")
        history = ("history", "A1001", "--from", "2024-03-01", *WHY)
        assert "Nothing in this time." in (await agent.run(*history)).stdout
        audited = await agent.json("audit", "list", *WHY)
        assert [each["use"] for each in sorted(audited, key=lambda each: int(each["seq"]))] == [
            "imported",
            "looked_up",
            "looked_up",
            "history",
            "listed",
        ]
        log = agent.agent.log
        for canary in ("A1001", "01134960100", "4960100"):
            assert canary not in log
