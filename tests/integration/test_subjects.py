"""What customers ask for is done from the command line, once it is on record who asked; nothing before that."""

import asyncio
import csv
import io
import json
import os
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from agent.core.erasing import Fate
from agent.core.instants import rfc3339
from agent.core.records import Calls, Content, ContentState, NumberClass, Service, Trigger
from agent.duties import copies
from agent.duties.erasing import Eraser
from agent.duties.voicemail import SpoolError, empty
from tests.integration.commands import desk, one_sentence
from tests.integration.customers import CONTENT, DAY_MS, call, optin, recording, registration
from tests.integration.requested import Requested, requested
from tests.scenarios.made import AT, emergency


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
        assert {each["kind"]: each["stays"] for each in found} == {
            "account": "the contract runs",
            "service": "the contract runs",
            "request": "it shows that what was done was agreed to, or answered",
        }
        assert len(json.dumps(found)) > 0
    (ledger,) = folder.glob("*.erasures")
    assert "A1001" not in ledger.read_text()


# -- copies ---------------------------------------------------------------------------------------------------------


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_copy_has_all_that_is_the_customers_and_nothing_of_another(asked: Requested) -> None:
    folder = asked.agent.folder / "copy"
    id = await identified(asked, "access")
    (made,) = await asked.agent.json("subject", "export", id, "--to", "copy")
    found = files(folder)
    manifest = json.loads(found["manifest.json"])
    assert (manifest["request"], manifest["account"], manifest["delete_by"]) == (id, "A1001", made["delete_by"])
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        name: sha256(content).hexdigest() for name, content in found.items() if name != "manifest.json"
    }
    assert [each["id"] for each in json.loads(found["records/call.json"])] == ["c1"]
    assert [each["line"] for each in json.loads(found["records/registration.json"])] == ["201"]
    assert [each["account"] for each in json.loads(found["records/account.json"])] == ["A1001"]
    assert json.loads(found["records/request.json"])[0]["id"] == id
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    audited = [(each["use"], each["subject"]) for each in asked.agent.stored("audit")]
    assert audited[-1] == ("exported", "A1001")
    assert b"A1002" not in b"".join(found.values())


async def test_calls_for_help_are_in_no_file_unless_the_customer_alone_uses_the_lines(asked: Requested) -> None:
    secret = call("c-help", number="08001111", number_class=NumberClass.MOBILE)
    await asked.agent.keep(secret, replace(emergency(id="e1"), started_at=AT))
    id = await identified(asked, "access")
    await asked.agent.json("subject", "export", id, "--to", "first")
    shared = files(asked.agent.folder / "first")
    assert "records/emergency.json" not in shared
    assert not [name for name, content in shared.items() if b"c-help" in content or b"08001111" in content]
    assert b"whether there were any or not" in shared["index.html"]

    await asked.agent.json("subject", "export", id, "--to", "second", "--sole-user")
    alone = files(asked.agent.folder / "second")
    assert b"08001111" in alone["records/call.csv"]
    assert b"e1" in alone["records/emergency.json"]
    assert "alone" in asked.agent.stored("audit")[-1]["reason"]


async def test_what_people_write_is_no_formula_and_no_markup_in_a_copy(asked: Requested) -> None:
    evil = '=HYPERLINK("http://x")<script>alert(1)</script>'
    await asked.agent.keep(optin("00000000000000f2", purpose=evil))
    id = await identified(asked, "access")
    await asked.agent.json("subject", "export", id, "--to", "copy")
    found = files(asked.agent.folder / "copy")
    (row,) = [
        row for row in csv.DictReader(io.StringIO(found["records/optin.csv"].decode())) if "HYPER" in row["purpose"]
    ]
    assert row["purpose"] == "'" + evil
    assert [each["purpose"] for each in json.loads(found["records/optin.json"])][-1] == evil
    assert b"<script" not in found["index.html"]


async def test_no_copy_is_made_where_it_must_not_and_half_a_one_never(
    asked: Requested, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = asked.agent.folder
    unknown, id, other = (
        await asked.opened("access"),
        await identified(asked, "access"),
        await identified(asked, "erasure"),
    )
    (folder / "there").mkdir()
    before = sorted(path.name for path in folder.iterdir())
    for arguments, code, words in (
        ((unknown, "--to", "copy"), 1, "nobody has checked who asks"),
        ((other, "--to", "copy"), 1, "asks for erasure"),
        ((id, "--to", "there"), 2, "is there already"),
        ((id, "--to", "no/such/folder"), 2, "cannot be made"),
        ((id,), 2, "--to FOLDER"),
        ((id, "--to", "copy", "--mailbox", "201@default"), 2, "spool"),
        (("0123456789abcdef", "--to", "copy"), 6, "no request"),
    ):
        one_sentence(await asked.agent.run("subject", "export", *arguments), code, words)

    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agent.cli.copies.Copy.finish", broken)
    one_sentence(await asked.agent.run("subject", "export", id, "--to", "copy"), 2, "No space left")
    assert sorted(path.name for path in folder.iterdir()) == before


async def test_the_sound_files_of_a_mailbox_are_in_the_copy(asked: Requested) -> None:
    folder = asked.agent.folder
    inbox = folder / "spool" / "default" / "201" / "INBOX"
    inbox.mkdir(parents=True)
    (inbox / "msg0000.wav").write_bytes(b"message")
    (inbox.parent / "unavail.wav").write_bytes(b"greeting")
    (inbox.parent / "busy.wav").symlink_to(folder / "agent.toml")
    with (folder / "agent.toml").open("a") as settings:
        settings.write('[voicemail]\nspool_dir = "spool"\n')
    id = await identified(asked, "access")
    (made,) = await asked.agent.json("subject", "export", id, "--to", "copy", "--mailbox", "201@default")
    found = {name: content for name, content in files(folder / "copy").items() if name.startswith("sounds/")}
    assert found == {
        "sounds/default/201/INBOX/msg0000.wav": b"message",
        "sounds/default/201/unavail.wav": b"greeting",
    }
    assert made["sounds"] == 2
    for box in ("../201@default", "201", "202@default", "..@.."):
        done = await asked.agent.run("subject", "export", id, "--to", "other", "--mailbox", box)
        assert done.returncode in (1, 2)
        assert not (folder / "other").exists()


def test_a_copy_goes_when_its_time_is_over_and_nothing_else_does(tmp_path: Path) -> None:
    for name, until in (("old", AT), ("new", AT + 1)):
        (tmp_path / name / "records").mkdir(parents=True)
        (tmp_path / name / "manifest.json").write_text(json.dumps({"delete_by": rfc3339(until)}))
    (tmp_path / "others").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "manifest.json").write_text('{"delete_by": 1}')
    (tmp_path / "link").symlink_to(tmp_path / "old")
    assert copies.sweep(tmp_path, AT) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "new", "others", "strange"]
    assert copies.sweep(tmp_path / "none", AT) == 0


@pytest.mark.parametrize("written", ["00c0ffee.part", "00c0ffee.part/recordings", "00c0ffee.part/recordings/1.wav"])
def test_half_a_copy_goes_a_day_after_anything_was_written_to_it(tmp_path: Path, written: str) -> None:
    """A kill or a power cut leaves it, with recordings that anybody can play."""
    part = tmp_path / "00c0ffee.part"
    (part / "recordings").mkdir(parents=True)
    (part / "recordings" / "1.wav").write_bytes(b"RIFF")
    (part / "link").symlink_to(tmp_path)
    for each in (part / "recordings" / "1.wav", part / "recordings", part / "link", part):
        os.utime(each, (0, 0), follow_symlinks=False)
    os.utime(tmp_path / written, (AT / 1000, AT / 1000))
    (tmp_path / "partial").mkdir()
    (tmp_path / "file.part").touch()
    assert copies.sweep(tmp_path, AT + DAY_MS - 1) == 0
    assert (part / "recordings" / "1.wav").exists()
    assert copies.sweep(tmp_path, AT + DAY_MS) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.part", "partial"]


async def test_the_recordings_are_in_the_copy_as_anybody_can_play_them(asked: Requested) -> None:
    await asked.agent.keep(*recording(), *recording("00000000000000ab"))
    asked.vault.held[CONTENT] = b"0123456789"
    (gone,) = [each for each in recording("00000000000000ab") if isinstance(each, Content)]
    await asked.agent.keep(replace(gone, state=ContentState.DELETED, deleted_at=AT))
    id = await identified(asked, "access")
    (made,) = await asked.agent.json("subject", "export", id, "--to", "copy")
    found = {name: content for name, content in files(asked.agent.folder / "copy").items() if name.endswith(".wav")}
    assert (found, made["sounds"]) == ({f"recordings/{CONTENT}.wav": b"0123456789"}, 1)
    (access,) = asked.agent.stored("access")
    assert (access["recording"], access["use"], access["reason"]) == (CONTENT, "exported", f"request {id}")


async def test_what_was_wrongly_noted_as_the_customers_is_in_no_copy(asked: Requested) -> None:
    wrong = {"account": "A1001", "from_at": AT - 99, "corrected_at": AT - 9, "corrected_by": "kim (501)"}
    await asked.agent.keep(
        Service(id="wrong", number="01134969999", correction="typed wrong: it is A1002's", **wrong),  # type: ignore[arg-type]
        optin("00000000000000f3", by="kim (501)"),
    )
    id = await identified(asked, "access")
    await asked.agent.json("subject", "export", id, "--to", "copy")
    found = files(asked.agent.folder / "copy")
    assert {each["number"] for each in json.loads(found["records/service.json"])} == {None, "01134960101"}
    assert b"00000000000000f3" in found["records/optin.json"]
    for secret in (b"01134969999", b"kim (501)", b"A1002"):
        assert not [name for name, content in found.items() if secret in content], secret


async def test_the_sound_of_who_had_the_line_before_is_in_no_copy_of_who_has_it_now(asked: Requested) -> None:
    await asked.agent.keep(
        Service(id="before", account="A0999", line="203", from_at=AT - 9, until_at=AT),
        Service(id="since", account="A1001", line="203", from_at=AT),
        *recording(line="203", at=AT - 1, stopped_at=AT + 9),
        *recording("00000000000000ab", "203", AT),
        call("c3", "203", AT - 1, duration_s=99),
        call("c4", "203", AT),
    )
    asked.vault.held |= {CONTENT: b"0123456789", "00000000000000ab": b"0123456789"}
    id = await identified(asked, "access")
    await asked.agent.json("subject", "export", id, "--to", "copy")
    found = files(asked.agent.folder / "copy")
    assert [name for name in found if name.endswith(".wav")] == ["recordings/00000000000000ab.wav"]
    assert not [name for name, content in found.items() if CONTENT.encode() in content]


async def test_no_recording_of_a_call_for_help_is_in_a_copy_nor_one_of_which_nobody_knows(asked: Requested) -> None:
    ids = [f"{number:016x}" for number in range(0xA0, 0xA5)]
    known, helped, called_999, unknown, pressed = ids
    press = optin("00000000000000f2", at=AT - 4 * DAY_MS, calls=Calls.ONE, withdrawn_at=AT - 4 * DAY_MS + 99)
    await asked.agent.keep(
        *recording(known, trigger=Trigger.SERVICE, optin="00000000000000f1"),
        *recording(helped, at=AT - DAY_MS, trigger=Trigger.SERVICE, optin="00000000000000f1"),
        call("help", at=AT - DAY_MS - 5_000, number="08001111", number_class=NumberClass.HELPLINE, billable_s=0),
        *recording(called_999, at=AT - 2 * DAY_MS),
        call("beside", at=AT - 2 * DAY_MS),
        replace(emergency(id="e1"), line="201", started_at=AT - 2 * DAY_MS, ended_at=AT - 2 * DAY_MS + 9),
        *recording(unknown, at=AT - 3 * DAY_MS),
        press,
        *recording(pressed, at=AT - 4 * DAY_MS, optin=press.id),
        call("pressed", at=AT - 4 * DAY_MS, forwarded="116123", forwarded_class=NumberClass.HELPLINE),
    )
    asked.vault.held |= dict.fromkeys(ids, b"0123456789")
    id = await identified(asked, "access")
    await asked.agent.json("subject", "export", id, "--to", "shared")
    found = files(asked.agent.folder / "shared")
    assert [name for name in found if name.endswith(".wav")] == [f"recordings/{known}.wav"]
    for secret in (*ids[1:], press.id):
        assert not [name for name, content in found.items() if secret.encode() in content], secret
    assert [each["id"] for each in json.loads(found["records/optin.json"])] == ["00000000000000f1"]
    await asked.agent.json("subject", "export", id, "--to", "alone", "--sole-user")
    alone = files(asked.agent.folder / "alone")
    assert len([name for name in alone if name.endswith(".wav")]) == len(ids)
    assert press.id.encode() in alone["records/optin.json"]


async def test_a_recording_that_breaks_off_leaves_no_copy(asked: Requested) -> None:
    await asked.agent.keep(*recording())
    id = await identified(asked, "access")
    one_sentence(await asked.agent.run("subject", "export", id, "--to", "copy"), 3, "key of this recording is gone")
    assert not list(asked.agent.folder.glob("copy*"))


# -- corrections ----------------------------------------------------------------------------------------------------


async def test_what_is_wrong_is_put_right_and_the_audit_has_the_names_of_the_fields_alone(asked: Requested) -> None:
    await asked.agent.keep(optin("00000000000000f3", calls=Calls.INCOMING, purpose="training"))
    id = await identified(asked, "rectification")
    (given,) = await asked.agent.json("subject", "rectify", id, "00000000000000f1", "--purpose", "proof of orders")
    assert given["purpose"] == "proof of orders"
    (service,) = [each for each in asked.agent.stored("service") if each["line"] == "201"]
    (right,) = await asked.agent.json("subject", "rectify", id, service["id"], "--line", "301")
    assert (right["line"], right["account"]) == ("301", "A1001")
    kept = {each["id"]: each["purpose"] for each in asked.agent.stored("optin")}
    assert kept == {"00000000000000f1": "proof of orders", "00000000000000f3": "training"}
    audited = [each["reason"] for each in asked.agent.stored("audit") if each["use"] == "rectified"]
    assert audited == [f"request {id}: purpose", f"request {id}: line"]


async def test_nothing_is_put_right_of_another_account_or_unasked(asked: Requested) -> None:
    await asked.agent.keep(optin("00000000000000f4", "202"))
    id, other = await identified(asked, "rectification"), await identified(asked, "access")
    (service,) = [each for each in asked.agent.stored("service") if each["line"] == "202"]
    own = next(each["id"] for each in asked.agent.stored("service") if each["line"] == "201")
    before = asked.agent.stored("service"), asked.agent.stored("optin")
    for arguments, code, words in (
        ((id, service["id"], "--line", "301"), 6, "no service"),
        ((id, "00000000000000f4", "--purpose", "mine"), 6, "no opt-in"),
        ((id, own), 2, "say what is right"),
        ((id, own, "--line", "202"), 1, "A1002"),
        ((id, own, "--line", "301", "--purpose", "x"), 2, "an opt-in"),
        ((other, own, "--line", "301"), 1, "asks for access"),
    ):
        one_sentence(await asked.agent.run("subject", "rectify", *arguments), code, words)
    assert (asked.agent.stored("service"), asked.agent.stored("optin")) == before
    assert "rectified" not in [each["use"] for each in asked.agent.stored("audit")]


# -- mailboxes ------------------------------------------------------------------------------------------------------


async def test_a_mailbox_goes_with_its_greetings_and_no_other_does(asked: Requested) -> None:
    folder = asked.agent.folder
    for box in ("201", "202"):
        (folder / "spool" / "default" / box / "INBOX").mkdir(parents=True)
        (folder / "spool" / "default" / box / "INBOX" / "msg0000.wav").write_bytes(b"message")
        (folder / "spool" / "default" / box / "unavail.wav").write_bytes(b"greeting")
    (folder / "spool" / "default" / "201" / "busy.wav").symlink_to(folder / "agent.toml")
    with (folder / "agent.toml").open("a") as settings:
        settings.write('[voicemail]\nspool_dir = "spool"\n')
    id = await identified(asked, "erasure")
    before = files(folder / "spool")
    dry = await asked.agent.json("subject", "erase", id, "--mailbox", "201@default", "--dry-run")
    assert dry[-1] == {"kind": "voicemail", "count": 3, "stays": None, "until": None}
    assert files(folder / "spool") == before
    done = await asked.agent.json("subject", "erase", id, "--mailbox", "201@default")
    assert done[-1] == dry[-1]
    assert sorted(files(folder / "spool")) == ["default/202/INBOX/msg0000.wav", "default/202/unavail.wav"]
    assert (folder / "agent.toml").exists(), "what a link names stays"
    assert not list((folder / "spool").rglob(".lock"))
    one_sentence(await asked.agent.run("subject", "erase", id, "--mailbox", "203@default"), 1, "cannot be erased")


async def test_a_mailbox_goes_only_with_a_request_that_may_erase(asked: Requested) -> None:
    folder = asked.agent.folder
    (folder / "spool" / "default" / "201").mkdir(parents=True)
    (folder / "spool" / "default" / "201" / "unavail.wav").write_bytes(b"greeting")
    with (folder / "agent.toml").open("a") as settings:
        settings.write('[voicemail]\nspool_dir = "spool"\n')
    unknown = await asked.opened("erasure")
    done = await asked.agent.run("subject", "erase", unknown, "--mailbox", "201@default")
    one_sentence(done, 1, "nobody has checked who asks")
    assert len(files(folder / "spool")) == 1


def test_a_mailbox_that_is_in_use_is_waited_for_and_then_told(tmp_path: Path) -> None:
    inbox = tmp_path / "default" / "201" / "INBOX"
    inbox.mkdir(parents=True)
    (inbox / "msg0000.wav").write_bytes(b"message")
    (inbox / ".lock").write_bytes(b"")
    with pytest.raises(SpoolError, match="somebody is in the mailbox"):
        empty(tmp_path, ("default", "201"), wait_s=0.0)
    assert (inbox / "msg0000.wav").exists()
    (inbox / ".lock").unlink()
    assert empty(tmp_path, ("default", "201")) == 1


# -- long work ------------------------------------------------------------------------------------------------------


async def test_who_waits_for_long_work_is_told_that_it_goes_on_and_who_hangs_up_does_not_end_it(
    asked: Requested, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.views.asking.BEAT_S", 0.01)
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def erase(_: Eraser, account: str) -> list[Fate]:
        begun.set()
        await go_on.wait()
        done.set()
        return [Fate(kind="call", count=1)]

    monkeypatch.setattr(Eraser, "erase", erase)
    id = await identified(asked, "erasure")
    waiting = asyncio.create_task(asked.agent.json("subject", "erase", id))
    async with asyncio.timeout(60):
        await begun.wait()
        go_on.set()
        assert await waiting == [{"kind": "call", "count": 1, "stays": None, "until": None}]
    for event in (begun, go_on, done):
        event.clear()
    hanging = asyncio.create_task(asked.agent.asked("/subjects/erase", {"id": id}))
    async with asyncio.timeout(60):
        await begun.wait()
        hanging.cancel()
        with suppress(asyncio.CancelledError):
            await hanging
        go_on.set()
        await done.wait()
