"""Voicemail that goes, on a real Asterisk: what it counts, what it plays and which lamp is lit afterwards."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.duties.check import Login, Sight, findings, gather, look
from agent.duties.voicemail import Asterisk as PurgedAsterisk
from agent.sources.ami import Address, Credentials
from agent.sources.ami_inquiry import Inquiry, inquiry
from tests.integration.commands import ROOT, telephony_agent
from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.inbox import Inbox
from tests.lab.provision import installation
from tests.lab.sip import Dial, Phone, Talk
from tests.lab.sipp import SippRun

DAY_S = 86_400
#: What VoiceMailMain says; a prompt that is missing ends it.
PROMPTS = (
    "youhave no INBOX Old Urgent messages message and onefor opts helpexit goodbye first last prev next repeat delete"
    " undelete deleted undeleted toforward savemessage advopts nomore saved login password incorrect incorrect-mailbox"
)
#: Loaded here alone: no dialplan of the agent's needs them.
MODULES = ("res_pjsip_mwi_body_generator", "res_pjsip_mwi", "app_voicemail")
WAIT_S = 60.0

KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from agent.duties.voicemail import Asterisk, Order, Terms, purge
left = int(sys.argv[2])
def pace():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
def clock():
    return int(time.time() * 1000)
asyncio.run(purge(Order(spool=Path(sys.argv[1]), terms=Terms(), at=clock(), pace=pace), Asterisk(None, clock)))
"""


async def until(seen: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so; Asterisk tells of none of it by itself."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if await seen():
                return
            await asyncio.sleep(0.05)


class Mailbox:
    """The mailbox of phone 208, a caller who leaves messages in it, and the command that purges it."""

    def __init__(self, lab: Asterisk, folder: Path) -> None:
        self.lab = lab
        self.spool = lab.folder / "spool" / "voicemail"
        self.path = self.spool / "default" / "208"
        self.owner = Phone(lab, "208", local_ip="127.0.5.8")
        self.caller = Phone(lab, "201", local_ip="127.0.5.1")
        self.agent = AgentProcess(lab, folder=folder, settings=f'[voicemail]\nspool_dir = "{self.spool}"\n')

    async def leave(self, count: int) -> None:
        """Messages from line 201, each of about a second and like no other."""
        for _ in range(count):
            before = await self.new()
            await self.caller.call("*98208", steps=[Talk(1.2)])
            await until(partial(self._other_than, before))
            wave = max((self.path / "INBOX").glob("*.wav"))
            header = wave.read_bytes()[:44]
            wave.write_bytes(header + os.urandom(wave.stat().st_size - len(header)))

    async def _other_than(self, count: int) -> bool:
        return await self.new() != count

    async def new(self) -> int:
        """How many new messages Asterisk counts."""
        found = re.search(r"208 .*?(\d+)\s*$", await self.lab.cli("voicemail show users"), re.MULTILINE)
        assert found is not None
        return int(found[1])

    def age(self, folder: str, days: float, numbers: Sequence[int]) -> None:
        """These messages came so many days ago, and nobody has opened their folder since yesterday."""
        at = int(time.time() - days * DAY_S)
        for number in numbers:
            index = self.path / folder / f"msg{number:04d}.txt"
            index.write_text(re.sub(r"origtime=\d+", f"origtime={at}", index.read_text()))
            for part in index.parent.glob(f"{index.stem}.*"):
                os.utime(part, (at, at))
        self.rest(folder)

    def rest(self, folder: str) -> None:
        """Nobody has opened this folder since yesterday."""
        os.utime(self.path / folder, (time.time() - DAY_S,) * 2)

    def sound(self, folder: str, number: int) -> bytes:
        """What was recorded of a message."""
        return (self.path / folder / f"msg{number:04d}.wav").read_bytes()

    def names(self, folder: str) -> list[str]:
        """All that is in a folder."""
        return sorted(path.name for path in (self.path / folder).iterdir())

    async def purge(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The command; its counts, without those that are 0."""
        done = await asyncio.to_thread(
            telephony_agent, "voicemail", "purge", "--json", *arguments, "--config", str(self.agent.config), cwd=ROOT
        )
        assert done.returncode == code, done.stderr
        found = json.loads(done.stdout)
        return {name: count for name, count in found.items() if isinstance(count, int) and count}

    async def listen(self, seconds: float) -> SippRun:
        """Begin to listen to the new messages, and be at the first one."""
        await self.lab.log_prompts()
        call = await self.owner.start_call("*97", steps=[Talk(1), Dial("1"), Talk(seconds)])
        await until(self._plays)
        return call

    async def _plays(self) -> bool:
        return any("msg0000" in prompt for _, prompt in self.lab.prompts())


@pytest.fixture
async def box(version: str, tmp_path: Path) -> AsyncIterator[Mailbox]:
    lab = Asterisk(installation(version, print))
    pjsip, sounds = lab.folder / "etc" / "pjsip.conf", lab.folder / "lib" / "sounds" / "en"
    begin = "[208]\ntype=endpoint\n"
    assert begin in pjsip.read_text()
    pjsip.write_text(pjsip.read_text().replace(begin, f"{begin}mailboxes=208@default\n"))
    with (lab.folder / "etc" / "modules.conf").open("a") as modules:
        modules.writelines(f"load={name}.so\n" for name in MODULES)
    (sounds / "digits").mkdir()
    for name in (*(f"vm-{prompt}" for prompt in PROMPTS.split()), *(f"digits/{digit}" for digit in range(10))):
        (sounds / f"{name}.alaw").write_bytes(b"\xd5" * 80)
    async with lab:
        found = Mailbox(lab, tmp_path / "agent")
        await found.owner.register()
        await found.caller.register()
        yield found


def lamp(inbox: Inbox) -> str:
    """What the phone was told last."""
    (line,) = re.findall(r"^Voice-Message: (.*) \(", inbox.texts[-1].body, re.MULTILINE)
    return str(line)


async def lit(inbox: Inbox, expected: str) -> None:
    """Wait until the phone was told so much."""

    async def told() -> bool:
        return bool(inbox.texts) and lamp(inbox) == expected

    await until(told)


async def test_leave_purge_leave_again_and_listen(box: Mailbox) -> None:
    async with Inbox(box.owner, "NOTIFY") as phone:
        await box.leave(4)
        await lit(phone, "4/0")
        greetings = {name: name.encode() for name in ("unavail.wav", "busy.alaw", "greet.wav", "temp.wav")}
        for name, sound in greetings.items():
            (box.path / name).write_bytes(sound)
            os.utime(box.path / name, (1, 1))
        kept = [box.sound("INBOX", 1), box.sound("INBOX", 3)]
        box.age("INBOX", 31, [0, 2])

        assert await box.purge("--dry-run") == {"dry_run": True, "mailboxes": 1, "unheard": 2, "kept": 2}
        assert await box.new() == 4
        assert await box.purge() == {"mailboxes": 1, "unheard": 2, "kept": 2}

        await lit(phone, "2/0")
        assert await box.new() == 2
        assert [box.sound("INBOX", number) for number in (0, 1)] == kept
        await box.leave(1)
        await lit(phone, "3/0")
        assert box.names("INBOX") == [
            f"msg{number:04d}.{ending}" for number in range(3) for ending in ("alaw", "txt", "wav")
        ]
        fresh = box.sound("INBOX", 2)

        # The second is deleted while it is listened to, so the first and the third are left; the first was heard.
        await box.owner.call(
            "*97", steps=[Talk(1), Dial("1"), Talk(2), Dial("6"), Talk(1), Dial("7"), Talk(1), Dial("#")]
        )
        await lit(phone, "1/1")
        assert (box.sound("INBOX", 0), box.sound("Old", 0)) == (fresh, kept[0])

        # Heard just now, however old: it has its whole term from here on.
        assert await box.purge() == {"mailboxes": 1, "kept": 2}
        box.age("Old", 15, [0])
        assert await box.purge() == {"mailboxes": 1, "heard": 1, "kept": 1}
        await lit(phone, "1/0")
        assert {name: (box.path / name).read_bytes() for name in greetings} == greetings


async def test_nothing_is_taken_from_under_somebody_who_listens(box: Mailbox) -> None:
    await box.leave(3)
    box.age("INBOX", 31, [0, 2])
    third = box.sound("INBOX", 1)
    call = await box.listen(4)

    assert await box.purge() == {"mailboxes": 1, "kept": 3, "due": 2, "in_use": 1}
    await call.done()

    # The first was heard, so Asterisk has moved it and numbered the rest anew.
    assert await box.new() == 2
    assert box.sound("INBOX", 0) == third
    box.age("INBOX", 31, [1])
    assert await box.purge() == {"mailboxes": 1, "unheard": 1, "kept": 2}
    assert await box.new() == 1


async def test_who_listens_elsewhere_keeps_nobodys_messages(box: Mailbox) -> None:
    await box.leave(1)
    box.age("INBOX", 31, [0])
    # 201 has no mailbox and is asked for one: Asterisk tells of it as of everybody who listens.
    call = await box.caller.start_call("*97", steps=[Talk(4)])

    async def asked() -> bool:
        return any(channel["Application"] == "VoiceMailMain" for channel in await box.lab.channels())

    await until(asked)
    assert await box.purge() == {"mailboxes": 1, "unheard": 1}
    await call.done()


@pytest.mark.parametrize("step", [1, 5, 8])
async def test_killed_half_way_and_resumed(box: Mailbox, step: int) -> None:
    await box.leave(3)
    kept = [box.sound("INBOX", number) for number in (1, 2)]
    box.age("INBOX", 31, [0])
    script = [sys.executable, "-c", KILLED, str(box.spool), str(step)]
    done = await asyncio.to_thread(subprocess.run, script, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -9
    box.rest("INBOX")

    # Until then Asterisk is kept out, so that it finds nothing half done.
    assert (box.path / "INBOX" / ".lock").exists()
    await box.purge()
    box.rest("INBOX")
    await box.purge()
    assert await box.new() == 2
    assert [box.sound("INBOX", number) for number in (0, 1)] == kept
    await box.leave(1)
    assert box.names("INBOX") == [
        f"msg{number:04d}.{ending}" for number in range(3) for ending in ("alaw", "txt", "wav")
    ]


async def test_without_asterisk_it_goes_all_the_same(box: Mailbox) -> None:
    await box.leave(2)
    box.age("INBOX", 31, [0])
    await box.lab.stop()
    assert await box.purge() == {"mailboxes": 1, "unheard": 1, "kept": 1, "unlit": 1}
    await box.lab.start()
    assert await box.new() == 1


async def test_the_running_agent_does_it_by_itself(box: Mailbox) -> None:
    async with Inbox(box.owner, "NOTIFY") as phone:
        await box.leave(2)
        box.age("INBOX", 31, [0])
        async with box.agent as agent:
            done = await agent.one("purge", unheard=1)
            await lit(phone, "1/0")
    assert (done["mailboxes"], done["kept"], done["failed"]) == (1, 1, 0)
    assert done["at"] <= done["done_at"]
    assert box.names("INBOX") == ["msg0000.alaw", "msg0000.txt", "msg0000.wav"]


async def test_the_owner_is_warned_on_the_phone(box: Mailbox) -> None:
    async with Inbox(box.owner) as phone, logged_in(box.lab) as asker:
        assert await PurgedAsterisk(asker, lambda: 0).warned("208", [1_795_867_200_000, 1_795_953_600_000])

        async def told() -> bool:
            return bool(phone.texts)

        await until(told)
        assert not await PurgedAsterisk(asker, lambda: 0).warned("207", [0])
    assert phone.texts[0].body == (
        "2 voicemail messages will be deleted from 28 November 2026 on unless you listen to them or save them again."
    )


async def test_check_says_that_it_can_go(box: Mailbox, version: str) -> None:
    await box.leave(1)
    found = await checked(box)
    assert found["voicemail.storage"] == ("ok", "app_voicemail keeps its messages as files")
    assert found["voicemail.spool"][0] == "ok"
    assert found["voicemail.lamps"] == ("ok", "phones are told when messages were deleted")
    conf = box.lab.folder / "etc" / "voicemail.conf"
    conf.write_text(conf.read_text().replace("pollmailboxes=yes", "pollmailboxes=no"))
    severity, _ = (await checked(box))["voicemail.lamps"]
    assert severity == ("ok" if version == "22" else "warning")


async def checked(box: Mailbox) -> dict[str, tuple[str, str]]:
    """What a check says of voicemail."""
    host = look(box.agent.store, None, box.spool)
    async with logged_in(box.lab) as pbx:
        logins = [Login(name="agent", sessions=("express", "bulk"), pbx=pbx)]
        sight = Sight(logins=logins, etc=None, numbers=(), forms=(), loopback=True, tls=False, host=host)
        evidence = await gather(sight, lambda: int(time.time() * 1000))
    found = [one for one in findings(evidence) if one.id.startswith("voicemail.")]
    return {one.id: (one.severity.value, one.text) for one in found}


def logged_in(lab: Asterisk) -> AbstractAsyncContextManager[Inquiry]:
    """A login with the agent's rights."""
    address = Address(host="127.0.0.1", port=lab.ami_port, ssl=None)
    return inquiry(address, Credentials(username="agent", secret=lab.agent_secret))
