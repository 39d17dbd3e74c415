"""A full trunk: the emergency gets through, an ordinary call makes room, and nothing else does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.carrier import Carrier
from tests.lab.journal import stages
from tests.lab.sip import Callee, Consult, Phone, Talk, Transfer, Trunk, start_trunk_call
from tests.lab.sipp import SippRun

FIRST, SECOND, THIRD = "01134960111", "01134960222", "01134960333"

Start = Callable[[str, str], Awaitable[SippRun]]


async def settings(lab: Asterisk, **values: str) -> None:
    """Sets globals of the dialplan; a trunk's dash is written as two underscores."""
    for name, value in values.items():
        await lab.cli(f'dialplan set global {name.replace("__", "-")} "{value}"')


@asynccontextmanager
async def calls(lab: Asterisk) -> AsyncIterator[Start]:
    """Starts calls of a line to a number; those that are up at the end are left to Asterisk's own."""
    running: list[SippRun] = []

    async def start(line: str, number: str) -> SippRun:
        run = await Phone(lab, line, local_ip=f"127.0.6.{line[1:]}").start_call(number, steps=[Talk(60)])
        running.append(run)
        return run

    try:
        yield start
    finally:
        for run in running:
            await run.stop()


async def test_the_newest_ordinary_call_is_given_up(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_LIMIT_trunk__a="2")
    async with Carrier(lab, "trunk-a", channels=2) as carrier, calls(lab) as start:
        await start("201", FIRST)
        await carrier.carries(FIRST)
        newest = await start("202", SECOND)
        await carrier.carries(FIRST, SECOND)
        await start("203", "999")
        await carrier.carries(FIRST, "999")
        await newest.done()
    assert carrier.refused == []
    (given_up,) = await stages(lab, "Preempted")
    (dialled,) = await stages(lab, "Dialled")
    assert (given_up["Call"], given_up["Trunk"], given_up["Number"]) == (dialled["Call"], "trunk-a", "999")


async def test_without_a_limit_nothing_is_given_up(lab: Asterisk) -> None:
    async with Carrier(lab, "trunk-a", channels=1) as carrier, Trunk(lab, "trunk-b") as second, calls(lab) as start:
        await start("201", FIRST)
        await carrier.carries(FIRST)
        await Phone(lab, "202").call("999", steps=[Talk(0.2)])
        assert carrier.up == [FIRST]
    assert carrier.refused == ["999"]
    assert [invite.number for invite in second.invites] == ["999"]
    assert await stages(lab, "Preempted") == []


async def test_an_emergency_and_a_call_back_are_never_given_up(lab: Asterisk) -> None:
    """With nothing else to give up the call goes on, and finds the next trunk."""
    await settings(lab, EMERGENCY_LIMIT_trunk__a="2", EMERGENCY_CLI_trunk__a="+441134960209")
    caller = Phone(lab, "201", local_ip="127.0.6.1")
    await caller.register()
    async with Carrier(lab, "trunk-a", channels=1) as carrier, Callee(caller), calls(lab) as start:
        await caller.call("999", steps=[Talk(0.2)])
        call_back = await start_trunk_call(lab, "trunk-a", "01134960209", steps=[Talk(4)])
        await start("202", "999")
        await carrier.carries("999")
        async with Trunk(lab, "trunk-b"):
            await Phone(lab, "203").call("112", steps=[Talk(0.2)])
        assert carrier.up == ["999"]
        await call_back.done()
    assert [stage["Stage"] for stage in await stages(lab, "Preempted", "CallbackAnswered")] == ["CallbackAnswered"]


@pytest.mark.parametrize(
    ("hand_over", "legs"),
    [(Transfer("202"), ["999"]), (Consult("202", 0.5), ["999"]), (Consult(FIRST, 0.5), ["999", FIRST])],
    ids=["blind", "attended", "to the outside"],
)
async def test_a_transferred_emergency_is_never_given_up(
    lab: Asterisk, hand_over: Transfer | Consult, legs: list[str]
) -> None:
    colleague = Phone(lab, "202", local_ip="127.0.6.2")
    await colleague.register()
    async with Carrier(lab, "trunk-a", channels=len(legs)) as carrier, Trunk(lab, "trunk-b"), Callee(colleague):
        await Phone(lab, "201").call("999", steps=[Talk(0.5), hand_over])
        await carrier.carries(*legs)
        await settings(lab, EMERGENCY_LIMIT_trunk__a=str(len(legs)))
        await Phone(lab, "203").call("999", steps=[Talk(0.2)])
        assert carrier.up == legs
    assert carrier.refused == ["999"]
    assert await stages(lab, "Preempted") == []


async def test_a_trunk_of_more_channels_than_asterisk_lists_at_once(lab: Asterisk) -> None:
    """CHANNELS() cuts its list off at 4,096 bytes, 178 channels of trunk-a."""
    await settings(lab, EMERGENCY_LIMIT_trunk__a="182")
    numbers = [f"01134{number:06}" for number in range(182)]
    async with (
        Carrier(lab, "trunk-a", channels=182) as carrier,
        calls(lab) as start,
        AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
    ):
        for number in numbers:
            if number == numbers[-1]:
                await carrier.carries(*numbers[:-1])
            await ami.action(
                "Originate", Channel=f"PJSIP/{number}@trunk-a", Application="Wait", Data="60", Async="true"
            )
        await carrier.carries(*numbers)
        await start("201", "999")
        await carrier.carries(*numbers[:-1], "999")
    assert carrier.refused == []


async def test_two_emergencies_at_once_give_up_two_calls(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_LIMIT_trunk__a="3", EMERGENCY_TRUNKS="trunk-a,trunk-a")
    async with Carrier(lab, "trunk-a", channels=3) as carrier, calls(lab) as start:
        for line, numbers in (("201", [FIRST]), ("202", [FIRST, SECOND]), ("203", [FIRST, SECOND, THIRD])):
            await start(line, numbers[-1])
            await carrier.carries(*numbers)
        await asyncio.gather(start("204", "999"), start("205", "112"))
        await carrier.carries(FIRST, "999", "112")
    assert len(await stages(lab, "Preempted")) == 2


async def test_a_far_end_that_is_full_below_the_limit(lab: Asterisk) -> None:
    """The trunk is named again behind the others: then it is known to be full, whatever is counted here."""
    await settings(lab, EMERGENCY_LIMIT_trunk__a="5", EMERGENCY_TRUNKS="trunk-a,trunk-b,trunk-a")
    async with Carrier(lab, "trunk-a", channels=1) as carrier, Trunk(lab, "trunk-b", answers=503), calls(lab) as start:
        await start("201", FIRST)
        await carrier.carries(FIRST)
        await Phone(lab, "202").call("999", steps=[Talk(0.2)])
    assert carrier.refused == ["999"]
    (given_up,) = await stages(lab, "Preempted")
    (answered,) = await stages(lab, "Answered")
    assert (given_up["Trunk"], answered["Trunk"], answered["Attempt"]) == ("trunk-a", "trunk-a", "3")


async def test_endpoints_that_share_a_carrier(lab: Asterisk) -> None:
    """An endpoint for emergencies alone counts and gives up the calls of the ordinary one beside it."""
    await settings(
        lab, EMERGENCY_TRUNKS="trunk-b", EMERGENCY_LIMIT_trunk__b="1", EMERGENCY_SHARES_trunk__b="trunk-a,loopback"
    )
    async with Carrier(lab, "trunk-a", channels=1) as carrier, Trunk(lab, "trunk-b"), calls(lab) as start:
        await start("201", FIRST)
        await carrier.carries(FIRST)
        await Phone(lab, "202").call("999", steps=[Talk(0.2)])
        await carrier.carries()


async def test_a_reserve_is_left_free_by_ordinary_calls(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_LIMIT_trunk__a="2", EMERGENCY_RESERVE_trunk__a="1")
    async with Carrier(lab, "trunk-a", channels=2) as carrier, calls(lab) as start:
        await start("201", FIRST)
        await carrier.carries(FIRST)
        await Phone(lab, "202").call(SECOND, expect=503)
        await start("203", "999")
        await carrier.carries(FIRST, "999")
    assert carrier.refused == []
    assert await stages(lab, "Preempted") == []


async def test_a_rehearsal_gives_up_nothing_and_goes_first(lab: Asterisk) -> None:
    await settings(lab, EMERGENCY_LIMIT_trunk__a="2", EMERGENCY_TRUNKS="trunk-a")
    await settings(lab, EMERGENCY_REHEARSAL_NUMBER="01134960998")
    async with (
        Carrier(lab, "trunk-a", channels=3) as carrier,
        calls(lab) as start,
        AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami,
    ):
        await start("201", FIRST)
        await start("202", SECOND)
        await carrier.carries(FIRST, SECOND)
        await ami.action(
            "Originate",
            Channel="Local/place@emergency-rehearsal/n",
            Context="emergency-rehearsal",
            Exten="listen",
            Priority="1",
            Variable="LINE=201",
            Async="true",
        )
        await carrier.carries(FIRST, SECOND, "01134960998")
        await start("203", "999")
        await carrier.carries(FIRST, SECOND, "999")
    (given_up,) = await stages(lab, "Preempted")
    assert "Test" not in given_up
