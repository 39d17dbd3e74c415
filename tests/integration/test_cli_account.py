"""Accounts as people and programs use them: a file is taken over whole or not at all, and each look is on record."""

import asyncio
import gc
import getpass
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.people.importing import BATCH
from agent.stores.sqlite import Fields
from agent.stores.vault import Keyring
from agent.views import asking, unix
from tests.integration.accounted import NOW, Accounted, accounted
from tests.integration.commands import one_sentence

LOGIN = getpass.getuser()
WHY = ("--reason", "the customer rang")
HEAD = "account,line,number,from,until,itemised,history_consent\n"
THREE = HEAD + (
    "A1001,201,,2024-03-01,,yes,\nA1001,,0113 496 0100,2024-03-01,,,\nB7,202,,2024-07-01,2025-07-01T08:30:00Z,no,yes\n"
)


@pytest.fixture
async def agent(tmp_path: Path) -> AsyncIterator[Accounted]:
    async with accounted(tmp_path / "agent") as agent:
        yield agent


async def test_a_file_is_taken_over_once(agent: Accounted) -> None:
    done = await agent.imported(THREE)
    assert (done.returncode, done.stdout) == (0, "added 3, ended 0, changed 0, unchanged 0\n"), done.stderr
    again = await agent.imported("\ufeff" + THREE.replace("\n", "\r\n"))
    assert (again.returncode, again.stdout) == (0, "added 0, ended 0, changed 0, unchanged 3\n"), again.stderr
    assert [(each["account"], each["itemised"], each["history_consent"]) for each in agent.stored("account")] == [
        ("A1001", True, False),
        ("B7", False, True),
    ]
    assert [(each["line"], each["number"], each["from_at"]) for each in agent.stored("service")][-1] == (
        "202",
        None,
        "2024-06-30T23:00:00.000Z",
    )
    assert agent.audited() == [("imported", None, "an import of 3 rows")]
    for written in map(str, agent.log):
        for canary in ("A1001", "01134960100", "B7"):
            assert canary not in written


async def test_a_dry_run_shows_each_change_and_changes_nothing(agent: Accounted) -> None:
    await agent.imported(THREE)
    before = [*agent.stored("account"), *agent.stored("service")]
    done = await agent.imported(
        HEAD
        + "A1001,201,,2024-03-01,2026-01-01,,\n"
        + "C9,201,,2026-01-01,,,\n"
        + "B7,202,,2024-07-01,2025-08-01,,\n"
        + "A1001,,+44 113 496 0100,2024-03-01,,,\n",
        "--dry-run",
    )
    assert done.stdout.splitlines() == [
        "row 2: ended: A1001, line 201 from 2024-03-01 until 2026-01-01",
        "row 4: changed: B7, line 202 from 2024-07-01 until 2025-08-01",
        "row 3: added: C9, line 201 from 2026-01-01",
        "would be added 1, ended 1, changed 1, unchanged 1",
    ], done.stderr
    assert [*agent.stored("account"), *agent.stored("service")] == before


async def test_every_bad_row_is_told_and_nothing_is_imported(agent: Accounted) -> None:
    done = await agent.imported(
        HEAD
        + "A1,201,,2024-03-01,,,\n"
        + "A2,201,,2025-03-01,,,\n"
        + "A3,,999,2024-03-01,,,\n"
        + "A4,,0113,2024-03-01,,,\n"
        + "A5,205,,2024-03-01,2023-03-01,,\n"
        + "A1,201,,2024-03-01,,,\n"
        + "A6,2\x1b[2J,,2024-03-01,,,\n"
        + "Mrs Smith,206,,2024-03-01,,,\n"
        + "A7,207\n"
        + "A8,208,,2024-03-01,,,,too much\n"
    )
    one_sentence(done, 2, "9 mistakes in accounts.csv: nothing was imported")
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("row ")]
    assert [line.partition(":")[0] for line in told] == [f"row {number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11)]
    assert "is A1's from 2024-03-01" in told[0]
    assert "emergency number" in told[1]
    assert "is no number" in told[2]
    assert "until is not after from" in told[3]
    assert "says again what row 2 says" in told[4]
    assert "control character" in told[5]
    assert "no reference" in told[6]
    assert "is no column" in told[7]
    assert "is no column" in told[8]
    assert agent.stored("account") == agent.stored("service") == []
    again = await agent.run("account", "import", "accounts.csv", "--json")
    assert again.returncode == 2
    *mistakes, counted = map(json.loads, again.stdout.splitlines())
    assert [each["row"] for each in mistakes] == [3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert counted == {"rows": 10, "mistakes": 9}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column account"),
        ("account,line\n", "no column from"),
        ("account,from\n", "no column line or number"),
        ("account,line,from,postcode\n", "'postcode' is no column"),
        ("account,line,line,from\n", "stands there twice"),
        (HEAD + '"A1', "is no CSV"),
    ],
)
async def test_a_file_that_is_no_table_is_refused(agent: Accounted, text: str, words: str) -> None:
    one_sentence(await agent.imported(text), 2, words)


async def test_files_that_cannot_be_read(agent: Accounted) -> None:
    (agent.folder / "latin.csv").write_bytes(HEAD.encode() + b"A1,\xe4,,2024-01-01,,,\n")
    one_sentence(await agent.run("account", "import", "latin.csv"), 2, "row 2 is not UTF-8")
    one_sentence(await agent.run("account", "import", "none.csv"), 2, "none.csv cannot be read")
    one_sentence(await agent.run("account", "import", "."), 2, "cannot be read")
    (agent.folder / "a.toml").write_text("account = 1")
    one_sentence(await agent.run("account", "import", "a.toml"), 2, "[[service]]")
    (agent.folder / "b.toml").write_text("[[service")
    one_sentence(await agent.run("account", "import", "b.toml"), 2, "is no TOML")


async def test_toml_says_the_same(agent: Accounted) -> None:
    text = (
        '[[service]]\naccount = "A1001"\nline = "201"\nfrom = 2024-03-01\nitemised = false\n'
        '[[service]]\naccount = "A1001"\nnumber = "01134960100"\nfrom = 2024-03-01T10:00:00Z\nuntil = 2025-01-01\n'
    )
    done = await agent.imported(text, name="accounts.toml")
    assert (done.returncode, done.stdout) == (0, "added 2, ended 0, changed 0, unchanged 0\n"), done.stderr
    assert agent.stored("account")[0]["itemised"] is False
    wrong = await agent.imported(text + '[[service]]\naccount = 7\nline = "x"\nfrom = 1\n', name="accounts.toml")
    one_sentence(wrong, 2, "1 mistakes")
    assert "row 3:" in wrong.stderr


async def test_what_is_exported_can_be_imported(agent: Accounted) -> None:
    await agent.imported(THREE + "D1,=cmd|x!A1,,2024-03-01,,,\nD1,+441134960199,,2024-03-01,,,\n")
    done = await agent.run("account", "export", "--to", "out.csv", *WHY)
    assert done.returncode == 0, done.stderr
    written = (agent.folder / "out.csv").read_bytes().decode()
    assert (agent.folder / "out.csv").stat().st_mode & 0o777 == 0o600
    assert written.splitlines()[0] == HEAD.strip()
    assert "A1001,,01134960100,2024-03-01,,yes,no" in written.splitlines()
    assert "B7,202,,2024-07-01,2025-07-01T08:30:00.000Z,no,yes" in written.splitlines()
    assert "'=cmd|x!A1" in written
    for cell in written.replace("\r\n", ",").split(","):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert (await agent.imported(written)).stdout == "added 0, ended 0, changed 0, unchanged 5\n"
    again = await agent.run("account", "export", "--to", "out.csv", *WHY)
    one_sentence(again, 2, "out.csv cannot be made")
    assert ("exported", None, "the customer rang") in agent.audited()


@pytest.mark.parametrize(
    "what", ["A1001", "201", "0113 496 0100", "+441134960100", "0044 113 496 0100", "+44 (0)113 496 0100"]
)
async def test_an_account_is_found_by_its_reference_its_lines_and_its_numbers(agent: Accounted, what: str) -> None:
    await agent.imported(THREE)
    (found,) = await agent.json("account", "find", what, *WHY)
    assert found["account"]["account"] == "A1001"
    assert {(each["line"], each["number"]) for each in found["services"]} == {("201", None), (None, "01134960100")}
    assert agent.audited()[1:] == [("looked_up", "A1001", "the customer rang")]
    table = (await agent.run("account", "find", what, *WHY)).stdout
    assert "01134960100" in table


async def test_a_line_is_found_with_whoever_had_it_then(agent: Accounted) -> None:
    await agent.imported(HEAD + "A1,201,,2024-01-01,2025-01-01,,\nA2,201,,2025-01-01,,,\n")
    for at, account in (("2024-06-01", "A1"), ("2025-01-01", "A2"), ("2024-12-31T23:59:59Z", "A1")):
        (found,) = await agent.json("account", "find", "201", "--at", at, *WHY)
        assert found["account"]["account"] == account
    one_sentence(await agent.run("account", "find", "201", "--at", "2023-12-31", *WHY), 6, "no account has this")
    one_sentence(await agent.run("account", "find", "201", "--at", "soon", *WHY), 2, "--at 'soon' is no time")


@pytest.mark.parametrize("what", ["nobody", "' OR 1 --", "", "\x1b[2J", "%", "999", "0" * 80])
async def test_who_looks_for_nobody_is_on_record_too(agent: Accounted, what: str) -> None:
    await agent.imported(THREE)
    one_sentence(await agent.run("account", "find", what, *WHY), 6, "no account has this")
    assert agent.audited()[1:] == [("looked_up", None, "the customer rang")]


@pytest.mark.parametrize(
    "command", [("find", "201"), ("show", "A1001"), ("list",), ("export",), ("correct", "0f")], ids=lambda each: each[0]
)
async def test_nobody_looks_without_a_reason(agent: Accounted, command: tuple[str, ...]) -> None:
    await agent.imported(THREE)
    done = await agent.run("account", *command)
    assert done.returncode == 2
    assert "--reason" in done.stderr
    one_sentence(await agent.run("account", *command, "--reason", " "), 2, "reason takes")
    assert len(agent.audited()) == 1


async def test_nothing_is_shown_before_the_look_is_on_disk(agent: Accounted) -> None:
    await agent.imported(THREE)
    with closing(sqlite3.connect(agent.folder / "agent.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for path, asked in (("find", {"what": "201"}), ("show", {"account": "A1001"}), ("list", {}), ("export", {})):
            answer = await agent.asked(f"/accounts/{path}", {"reason": "asked", **asked})
            assert (answer.status_code, "A1001" in answer.text) == (503, False), answer.text
        other.execute("ROLLBACK")


async def test_show_and_list(agent: Accounted) -> None:
    await agent.imported(THREE)
    (shown,) = await agent.json("account", "show", "B7", "--by", "Sam", *WHY)
    assert (shown["account"]["closed_at"], shown["services"][0]["line"]) == ("2025-07-01T08:30:00.000Z", "202")
    assert [each["account"] for each in await agent.json("account", "list", *WHY)] == ["A1001", "B7"]
    assert "B7" in (await agent.run("account", "list", *WHY)).stdout
    one_sentence(await agent.run("account", "show", "nobody", *WHY), 6, "no account has this reference")
    assert agent.audited()[1:] == [
        ("shown", "B7", "the customer rang"),
        ("listed", None, "the customer rang"),
        ("listed", None, "the customer rang"),
    ]
    assert {each["by"] for each in agent.stored("audit")} == {LOGIN, f"Sam ({LOGIN})"}


async def test_a_correction_says_who_and_why_and_keeps_what_was_wrong(agent: Accounted) -> None:
    await agent.imported(THREE)
    (shown,) = await agent.json("account", "show", "A1001", *WHY)
    (id,) = [each["id"] for each in shown["services"] if each["line"] == "201"]
    done = await agent.run("account", "correct", id[:12], "--line", "203", "--from", "2024-04-01", "--by", "Kim", *WHY)
    assert done.returncode == 0, done.stderr
    (shown,) = await agent.json("account", "show", "A1001", *WHY)
    wrong = next(each for each in shown["services"] if each["id"] == id)
    right = next(each for each in shown["services"] if each["line"] == "203")
    assert (wrong["line"], wrong["corrected_by"], wrong["correction"]) == ("201", f"Kim ({LOGIN})", "the customer rang")
    assert (right["from_at"], right["corrected_at"]) == ("2024-03-31T23:00:00.000Z", None)
    assert ("rectified", "A1001", "the customer rang") in agent.audited()
    one_sentence(await agent.run("account", "find", "201", *WHY), 6, "no account has this")
    for arguments, code, words in (
        ((id, "--line", "204"), 1, "corrected before"),
        ((right["id"], "--line", "203"), 1, "says already"),
        ((right["id"], "--number", "01134960100"), 2, "this service is no number"),
        ((right["id"], "--line", "two words"), 2, "is no line"),
        ((right["id"], "--until", "2020-01-01"), 1, "until is not after from"),
        ((right["id"], "--until", "soon"), 2, "until 'soon' is no time"),
        (("00" * 8, "--line", "204"), 6, "no service has an id that begins so"),
        (("nobody's", "--line", "204"), 2, "id takes"),
    ):
        one_sentence(await agent.run("account", "correct", *arguments, *WHY), code, words)
    ended = await agent.run("account", "correct", right["id"], "--until", "2024-05-01", *WHY)
    assert ended.returncode == 0, ended.stderr
    right = next(each for each in agent.stored("service") if each["until_at"] == "2024-04-30T23:00:00.000Z")
    assert (await agent.run("account", "correct", right["id"], "--until", "none", *WHY)).returncode == 0
    taken = await agent.run("account", "correct", right["id"], "--line", "202", *WHY)
    one_sentence(taken, 1, "corrected before")


@pytest.mark.parametrize(
    "body", [b"", b"{}\n[1]", b"{}\n{}", b'{}\n["2", {}]', b'{}\n[2, {"a": 1}]', b"{}\n" + b"[" * 9999]
)
async def test_what_is_no_import_is_refused(agent: Accounted, body: bytes) -> None:
    answer = await agent.asked("/accounts/import", body)
    assert answer.status_code == (200 if body == b"" else 422), answer.text
    assert agent.stored("account") == []


async def test_a_number_is_locked_with_the_key_of_its_account_and_found_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    keyring = Keyring(tmp_path / "keys", bytes(32))
    locking = Fields(folder / "agent.sqlite", lambda: keyring, lambda: NOW)
    async with accounted(folder, locking) as agent:
        assert (await agent.imported(THREE)).returncode == 0
        assert (await agent.imported(THREE)).stdout == "added 0, ended 0, changed 0, unchanged 3\n"
        (found,) = await agent.json("account", "find", "0113 496 0100", *WHY)
        assert "01134960100" in [each["number"] for each in found["services"]]
        assert "A1001,,01134960100" in (await agent.run("account", "export", *WHY)).stdout
        await agent.store.checkpoint()
        assert b"01134960100" not in (folder / "agent.sqlite").read_bytes()
        keyring.destroy_account("account A1001")
        one_sentence(await agent.run("account", "find", "0113 496 0100", *WHY), 6, "no account has this")
        one_sentence(await agent.run("account", "find", "201", *WHY), 6, "no account has this")
        (found,) = await agent.json("account", "find", "A1001", *WHY)
        assert {(each["line"], each["number"]) for each in found["services"]} == {(None, None)}
        assert "A1001,,," not in (await agent.run("account", "export", *WHY)).stdout
    keyring.close()


async def test_numbers_that_cannot_be_read_are_not_imported_anew(tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    keyring = Keyring(tmp_path / "keys", bytes(32))
    async with accounted(folder, Fields(folder / "agent.sqlite", lambda: keyring, lambda: NOW)) as agent:
        await agent.imported(THREE)
    keyring.close()
    async with accounted(folder) as agent:
        one_sentence(await agent.imported(THREE), 3, "cannot be read now")
        for command in (("find", "201"), ("find", "0113 496 0100"), ("show", "A1001"), ("export",)):
            one_sentence(await agent.run("account", *command, *WHY), 3, "cannot be read now")
        assert len(agent.stored("service")) == 3


async def test_an_import_never_holds_up_an_emergency_for_longer_than_one_small_transaction(agent: Accounted) -> None:
    sizes: list[int] = []
    agent.pipeline.observers.append(lambda lane, records, seconds: sizes.append(len(records)))
    done = await agent.imported(HEAD + "".join(f"A{n // 3},L{n},,2024-03-01,,,\n" for n in range(600)))
    assert done.stdout == "added 600, ended 0, changed 0, unchanged 0\n", done.stderr
    assert len(sizes) > 10
    assert max(sizes) <= BATCH + 2


async def test_of_two_imports_at_once_the_second_is_held_against_the_first(agent: Accounted) -> None:
    done = await asyncio.gather(
        *(
            agent.asked(
                "/accounts/import", b'{}\n[2, {"account": "A%d", "line": "201", "from": "2024-01-01"}]' % number
            )
            for number in range(4)
        )
    )
    told = [json.loads(each.text.splitlines()[-1]) for each in done]
    assert sorted(("mistakes" in each) for each in told) == [False, True, True, True]
    assert len(agent.stored("service")) == 1


async def test_an_import_that_is_too_long_is_refused(agent: Accounted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_UPLOADED", 1000)
    one_sentence(await agent.imported(THREE + "#" * 2000), 2, "at most 1000 bytes")
    assert agent.stored("account") == []


async def test_whoever_hangs_up_in_the_middle_of_an_import_is_in_nobodys_way(agent: Accounted) -> None:
    rows = "\n".join(json.dumps([n, {"account": "A1", "line": f"L{n}", "from": "2024-01-01"}]) for n in range(3000))
    body = f"{{}}\n{rows}".encode()
    head = f"POST /accounts/import HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_unix_connection(unix.beside(agent.folder / "agent.sqlite"))
    writer.write(head + body)
    assert await reader.read(100)
    writer.close()
    again = await agent.asked("/accounts/import", body)
    counted = json.loads(again.text.splitlines()[-1])
    assert counted["added"] + counted["unchanged"] == 3000
    assert len(agent.stored("service")) == 3000


async def test_the_garbage_collector_has_everything_again_afterwards(agent: Accounted) -> None:
    for body in (
        b"{}\n{}",
        b'{}\n[2, {"account": "A1"}]',
        b'{}\n[2, {"account": "A1", "line": "x", "from": "2024-01-01"}]',
    ):
        await agent.asked("/accounts/import", body)
        assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


async def test_without_an_agent_there_is_one_sentence(tmp_path: Path) -> None:
    async with accounted(tmp_path / "agent") as gone:
        pass
    one_sentence(await gone.imported(THREE), 7, "no agent is running")
    one_sentence(await gone.run("account", "find", "201", *WHY), 7, "no agent is running")
