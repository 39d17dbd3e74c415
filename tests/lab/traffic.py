"""Traffic that shows what the agent captures: phones of several makes, emergencies, recordings, an ordinary call."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.lab.asterisk import Asterisk
from tests.lab.inbox import Inbox
from tests.lab.sip import Callee, Consult, Dial, Phone, RecordButton, Talk, Transfer, Trunk

Say = Callable[[str], None]

MAKES = {
    "201": "Yealink SIP-T46U 108.86.0.45",
    "202": "snomD785/10.1.184.14",
    "203": "Grandstream GXP2170 1.0.11.64",
    "204": "PolyVVX-VVX_450-UA/6.4.3.5814",
    "205": "Cisco-CP-8841-3PCC/12.0.1",
    "206": "Gigaset N510 IP PRO/42.250.00.000.000",
    "207": "Zoiper v2.10.19.3",
}


def phones_of(lab: Asterisk) -> dict[str, Phone]:
    """A phone of every make of MAKES, by its line, each at an address of its own."""
    return {
        line: Phone(lab, line, user_agent=user_agent, local_ip=_address(line)) for line, user_agent in MAKES.items()
    }


async def demonstrate(lab: Asterisk, say: Say, phones: dict[str, Phone] | None = None) -> dict[str, Phone]:
    """About 25 s of telephony, told to `say` line by line.

    Returns its phones, to be passed in again: then they refresh their registrations instead of making new ones.
    """
    phones = phones or phones_of(lab)
    for line, phone in phones.items():
        say(f"{line} registers from {phone.local_ip}: {phone.user_agent}")
        await phone.register()
    say("201 calls 999: the first trunk refuses, the emergency services answer on the second")
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b", ring_s=1.0):
        await phones["201"].call("999", steps=[Talk(3)])
    say("204 calls 112 and hangs up while it rings")
    async with Trunk(lab, "trunk-a", ring_s=30):
        await phones["204"].abandon("112", ring_s=2)
    say("202 calls 203 and presses the record button, twice: on, off")
    async with Callee(phones["203"], ring_s=0.5):
        await phones["202"].call("203", steps=[Talk(1), RecordButton(True), Talk(2), RecordButton(False), Talk(0.5)])
    say("205 dials *1206, which records the call, and pauses the recording to read out a card number")
    async with Callee(phones["206"], ring_s=0.5):
        await phones["205"].call("*1206", steps=[Talk(1), Dial("*32"), Talk(1), Dial("*33"), Talk(1)])
    say("206 calls 201: an ordinary call")
    async with Callee(phones["201"], ring_s=0.5):
        await phones["206"].call("201", steps=[Talk(2)])
    say("203 texts 202: kept is that it did, and not what it wrote")
    async with Inbox(phones["202"]):
        await phones["203"].text("202", "Meet me at ten")
    say("somebody tries to register as 203 with a wrong password")
    await Phone(lab, "203", secret="wrong", local_ip="127.0.9.9").register(expect=401)
    say("207, a softphone, goes away")
    await phones["207"].unregister()
    return phones


async def failover(lab: Asterisk, say: Say) -> None:
    """999 over two trunks: refused by the first, answered by the second; then refused by both."""
    phone = await _registered(lab, "201")
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b"):
        await phone.call("999", steps=[Talk(1)])
    async with Trunk(lab, "trunk-a", answers=486), Trunk(lab, "trunk-b", answers=404):
        await phone.call("18000", expect=503)


async def blind_transfer(lab: Asterisk, say: Say) -> None:
    """201 calls 999 and transfers it blind to 202, by REFER; the emergency services hang up later."""
    caller, colleague = await _registered(lab, "201"), await _registered(lab, "202")
    async with Trunk(lab, "trunk-a", steps=[Talk(3)]), Callee(colleague):
        await caller.call("999", steps=[Talk(0.5), Transfer("202")])
        await idle(lab)


async def attended_transfer(lab: Asterisk, say: Say) -> None:
    """201 calls 999, talks to 202, and connects the two: by the phone's own button, then by feature code *2."""
    caller, colleague = await _registered(lab, "201"), await _registered(lab, "202")
    async with Trunk(lab, "trunk-a", steps=[Talk(5)]), Callee(colleague):
        await caller.call("999", steps=[Talk(0.5), Consult("202", 1)])
        await idle(lab)
    async with Trunk(lab, "trunk-a", steps=[Talk(8)]), Callee(colleague):
        await caller.call("999", steps=[Talk(0.5), Dial("*2202"), Talk(4)])
        await idle(lab)


async def unmodified(lab: Asterisk, say: Say) -> None:
    """A PBX without the dialplan under test: 999 answered, 999 transferred blind, 112 on the second trunk."""
    caller, colleague = await _registered(lab, "301"), await _registered(lab, "302")
    async with Trunk(lab, "trunk-a", ring_s=0.5):
        await caller.call("999", steps=[Talk(1)])
    async with Trunk(lab, "trunk-a", ring_s=30):
        await caller.abandon("999", ring_s=0.5)
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b"):
        await caller.call("112", steps=[Talk(1)])
    async with Trunk(lab, "trunk-a", steps=[Talk(3)]), Callee(colleague):
        await caller.call("999", steps=[Talk(0.5), Transfer("302")])
        await idle(lab)


async def unmodified_attended(lab: Asterisk, say: Say) -> None:
    """A PBX without the dialplan under test: 999 transferred with consultation."""
    caller, colleague = await _registered(lab, "301"), await _registered(lab, "302")
    async with Trunk(lab, "trunk-a", steps=[Talk(6)]), Callee(colleague):
        await caller.call("999", steps=[Talk(0.5), Consult("302", 1)])
        await idle(lab)


async def _demonstration(lab: Asterisk, say: Say) -> None:
    await demonstrate(lab, say)


TRAFFIC: dict[str, Callable[[Asterisk, Say], Awaitable[None]]] = {
    "demo": _demonstration,
    "failover": failover,
    "blind-transfer": blind_transfer,
    "attended-transfer": attended_transfer,
    "unmodified": unmodified,
    "unmodified-attended-transfer": unmodified_attended,
}


async def idle(lab: Asterisk) -> None:
    """Waits until no channel is up.

    Raises TimeoutError after 30 s.
    """
    async with asyncio.timeout(60):
        while not (await lab.cli("core show channels count")).startswith("0 active channels"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _registered(lab: Asterisk, line: str) -> Phone:
    phone = Phone(lab, line, user_agent=MAKES.get(line, "snomD785/10.1.184.14"), local_ip=_address(line))
    await phone.register()
    return phone


def _address(line: str) -> str:
    return f"127.0.{line[0]}.{int(line[1:])}"
