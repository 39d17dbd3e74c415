"""Every call exactly once, with the seconds that Asterisk counted: the records beside Asterisk's own CDRs."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.duties.check import Login, Sight, findings, gather, look, look_at_calls
from agent.sources.ami import Address, Credentials
from agent.sources.ami_inquiry import inquiry
from tests.lab.agent import AgentProcess
from tests.lab.ami import AmiSession
from tests.lab.calls import TRUNKS, CallsLab, Forwarding, stored
from tests.lab.provision import installation
from tests.lab.sip import Callee, Consult, Dial, Phone, Talk, Transfer, Trunk, start_trunk_call, trunk_call
from tests.lab.sipp import SippRun

OUTSIDE, MOBILE = "01134960100", "07700900123"


@pytest.fixture
async def pbx(version: str) -> AsyncIterator[CallsLab]:
    async with CallsLab(installation(version, print)) as lab:
        yield lab


async def answered(lab: CallsLab, phones: dict[str, Phone]) -> None:
    """Within the PBX, out, in, free, forked, queued, forwarded by the dialplan, originated, 999."""
    async with Callee(phones["202"]), Trunk(lab, "trunk-a"):
        await phones["201"].call("202", steps=[Talk(1.6)])
        await phones["201"].call(OUTSIDE, steps=[Talk(2.2)])
        await phones["201"].call("08001111")
        await trunk_call(lab, "trunk-a", "01134960202", caller="07700900456")
        await phones["201"].call("602", steps=[Talk(2)])
        await phones["201"].call("999")
        async with Callee(phones["203"], ring_s=3):
            await phones["201"].call("601")
            await phones["204"].call("600", steps=[Talk(1.5)])
        async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as ami:
            order = {"Channel": "PJSIP/202", "Context": "phones", "Exten": OUTSIDE, "Priority": "1", "Async": "true"}
            await ami.action("Originate", **order)
            await ami.until("Event", "DialEnd")
            await asyncio.sleep(1.2)  # so long they talk
        await lab.cli("channel request hangup all")
        await lab.quiet()


async def transferred(lab: CallsLab, phones: dict[str, Phone]) -> None:
    """Blind by REFER and by code, attended, parked and taken back."""
    async with Callee(phones["202"]), Trunk(lab, "trunk-a"):
        async with Callee(phones["203"]):
            await phones["201"].call("202", steps=[Talk(1), Transfer("203")])
            await phones["201"].call("202", steps=[Talk(1), Consult("203", 1)])
            await phones["201"].call(OUTSIDE, steps=[Talk(1), Transfer("203")])
            await asyncio.sleep(1.5)  # so long those talk who are left
            await lab.cli("channel request hangup all")
            await lab.quiet()
        async with Callee(phones["203"], steps=[Talk(1), Dial("#1"), Dial("202"), Talk(1)]):
            await phones["204"].call("203", steps=[Talk(6)])
        parked = await phones["204"].start_call("202", steps=[Talk(1), Transfer("700")])
        await asyncio.sleep(2.5)  # nothing tells when it is parked
        await phones["205"].call("701")
        await parked.done()
        await lab.quiet()


async def in_vain(lab: CallsLab, phones: dict[str, Phone]) -> None:
    """Busy, refused, given up, nobody there, forwarded by the phone."""
    for code in (486, 480, 503):
        async with Callee(phones["202"], answers=code):
            await phones["201"].call("202", expect=code)
    async with Trunk(lab, "trunk-a", answers=486):
        await phones["201"].call(OUTSIDE, expect=486)
    async with Callee(phones["203"], ring_s=20):
        await phones["201"].abandon("203")
    unregistered = await phones["201"].start_call("208", expect=503)
    await unregistered.stop()
    async with Forwarding(phones["202"], MOBILE), Trunk(lab, "trunk-a"):
        await phones["201"].call("202", steps=[Talk(1.7)])
        await trunk_call(lab, "trunk-a", "01134960202", caller="07700900456", steps=[Talk(1.7)])
    await lab.quiet()


async def all_in(lab: CallsLab, agent: AgentProcess) -> list[dict[str, Any]]:
    """The records, once all that Asterisk wrote is stored and destroyed."""
    await lab.quiet()
    taken = lab.file.with_name(lab.file.name + ".taken")
    # the leg that ends last is written after its channel has gone
    await agent.until(
        lambda: len(agent.stored("call")) >= len(lab.cdrs()) and not lab.file.exists() and not taken.exists(),
        "all calls",
    )
    return agent.stored("call")


async def test_a_mixed_run_is_what_asterisk_counted(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent:
        await answered(pbx, phones)
        # Killed in mid-call, and more calls while it is down.
        async with Callee(phones["202"]):
            call = await phones["201"].start_call("202", steps=[Talk(2)])
            await asyncio.sleep(0.5)
            await agent.kill()
            await call.done()
        await transferred(pbx, phones)
        assert pbx.file.exists()
        await agent.start()
        await in_vain(pbx, phones)
        # Stopped in order, and Asterisk too.
        await all_in(pbx, agent)
        await agent.stop()
        async with Callee(phones["202"]), Trunk(pbx, "trunk-a"):
            await phones["203"].call(OUTSIDE)
            await pbx.quiet()
        await pbx.restart()
        await agent.start()
        calls = await all_in(pbx, agent)
    assert stored(calls) == pbx.told()
    assert len(calls) > 25
    assert len({call["id"] for call in calls}) == len(calls)
    emergencies = [call for call in calls if call["number_class"] == "emergency"]
    assert {(call["billable_s"], call["itemised"]) for call in emergencies} == {(0, False)}
    _no_number(agent, [OUTSIDE, MOBILE, "7700900456", "08001111", "1134960202"])


def _no_number(agent: AgentProcess, numbers: list[str]) -> None:
    """None is anywhere in clear: not in the store, nor in a log."""
    for path in agent.folder.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert not [number for number in numbers if number.encode() in held], path


async def test_whose_call_it_was_and_which_way_it_went(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent:
        async with Callee(phones["202"]), Trunk(pbx, "trunk-a"):
            await phones["201"].call("202")
            await phones["201"].call(OUTSIDE)
            await phones["201"].call("08001111")
            incoming = await start_trunk_call(pbx, "trunk-a", "01134960202", caller="07700900456")
            await incoming.done()
        async with Forwarding(phones["202"], MOBILE), Trunk(pbx, "trunk-a"):
            await trunk_call(pbx, "trunk-a", "01134960202", caller="07700900456", steps=[Talk(1.7)])
        calls = await all_in(pbx, agent)
    seen = [(c["line"], c["direction"], c["number_class"], c["itemised"]) for c in calls if c["billable_s"]]
    assert seen[:4] == [
        ("201", "internal", "internal", False),
        ("201", "outgoing", "geographic", True),
        ("201", "outgoing", "helpline", False),
        ("202", "incoming", "mobile", False),
    ]
    forwarded = [call for call in calls if call["forwarded_class"] == "mobile"]
    assert {(call["line"], call["direction"]) for call in forwarded} == {("202", "incoming")}
    # The call on to the mobile is that of the phone that sent it there, not of who called in.
    onward = [call for call in calls if call["direction"] == "outgoing" and call["number_class"] == "mobile"]
    assert {call["line"] for call in onward if call["billable_s"]} == {"202"}
    assert {call["call"] for call in onward} == {call["call"] for call in forwarded}


async def test_who_pays_for_what_is_handed_on_and_after_asterisk_gave_names_anew(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent, Trunk(pbx, "trunk-a"):
        async with Callee(phones["203"]):
            await phones["201"].call(OUTSIDE, steps=[Talk(1), Transfer("203")])
            await asyncio.sleep(1.5)  # so long those talk who are left
            await pbx.cli("channel request hangup all")
            await all_in(pbx, agent)
        await pbx.restart()
        await phones["204"].call(OUTSIDE, steps=[Talk(1)])
        calls = await all_in(pbx, agent)
    assert stored(calls) == pbx.told()
    billed = [(call["line"], call["direction"], call["number_class"]) for call in calls if call["itemised"]]
    assert billed == [
        ("201", "outgoing", "geographic"),
        ("201", "outgoing", "geographic"),
        ("204", "outgoing", "geographic"),
    ]
    # The names of channels to the trunk were the same.
    assert calls[0]["call"] == calls[1]["call"] != calls[2]["call"]


async def test_a_caller_who_breaks_lines_breaks_no_other_call(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    hostile = 'call1,%221%22%0D%0Acall1,"2","'
    async with pbx.agent(tmp_path / "agent") as agent:
        async with Callee(phones["202"]), Trunk(pbx, "trunk-a"):
            await trunk_call(pbx, "trunk-a", "01134960202", caller=hostile.replace('"', "%22"))
            await phones["201"].call(OUTSIDE)
        calls = await all_in(pbx, agent)
        metrics = agent.get("/metrics")[1]
    assert stored(calls) == pbx.told()
    assert [(call["direction"], call["number_class"]) for call in calls] == [
        ("incoming", "unknown"),
        ("outgoing", "geographic"),
    ]
    assert "telephony_call_lines_unreadable_total 0.0" in metrics


async def test_what_was_recorded_says_so(pbx: CallsLab, tmp_path: Path) -> None:
    phones = await pbx.phones()
    async with pbx.agent(tmp_path / "agent") as agent, Callee(phones["202"]):
        await phones["201"].call("202")
        async with AmiSession("127.0.0.1", pbx.ami_port, "check", pbx.check_secret) as ami:
            call = await phones["201"].start_call("202", steps=[Talk(2)])
            up = await ami.until("Event", "BridgeEnter")
            await ami.action("MixMonitor", Channel=dict(up)["Channel"], File="unasked.wav")
            await call.done()
        calls = await all_in(pbx, agent)
    assert [call["recorded"] for call in calls] == [False, True]


async def test_a_number_that_its_caller_withholds_is_kept_nowhere(version: str, tmp_path: Path) -> None:
    lab, withheld, shown = CallsLab(installation(version, print)), "07700900456", "07700900457"
    pjsip, extensions = lab.folder / "etc" / "pjsip.conf", lab.folder / "etc" / "extensions.conf"
    # As a carrier hands calls over: who calls stands in P-Asserted-Identity.
    text = pjsip.read_text().replace("\ncontext=incoming\n", "\ncontext=incoming\ntrust_id_inbound=yes\n")
    pjsip.write_text(text.replace("send_pai=yes\n", ""))
    with extensions.open("a") as file:
        file.write("[ordinary-incoming](+)\nexten => 01134960299,1,Dial(Local/203@internal/n,1)\n")
        file.write(" same => n,Dial(PJSIP/202,30)\n")
    async with lab, lab.agent(tmp_path / "agent") as agent:
        phones = await lab.phones()

        async def called(number: str, who: str, *privacy: str, talk_s: float = 1) -> SippRun:
            headers = [f"P-Asserted-Identity: <sip:{who}@127.0.0.1>", *privacy]
            return await start_trunk_call(
                lab, "trunk-a", number, caller="anonymous", steps=[Talk(talk_s)], headers=headers
            )

        async with Callee(phones["202"]), Callee(phones["203"], ring_s=20):
            await (await called("01134960202", withheld, "Privacy: id")).done()
            await (await called("01134960202", shown)).done()
            # 203 was rung through a Local channel, and its leg is read long before the call ends.
            calling = await called("01134960299", withheld, "Privacy: id", talk_s=8)
            await agent.until(lambda: len(agent.stored("call")) == 3, "the leg of 203")
            assert "0 active" not in await lab.cli("core show channels count")
            await calling.done()
        calls = await all_in(lab, agent)
        assert [row["src"] for row in lab.cdrs()].count(withheld) == len(calls) - 1, "Asterisk has it"
    assert [(call["line"], call["direction"], call["number"]) for call in calls if call["line"]] == [
        ("202", "incoming", None),
        ("202", "incoming", shown),
        ("203", "incoming", None),
        ("202", "incoming", None),
    ]
    assert withheld not in str(calls)


async def test_check_knows_what_asterisk_writes(pbx: CallsLab, tmp_path: Path) -> None:
    found = await checked(pbx)
    assert {found[id][0] for id in ("calls.file", "calls.module", "calls.mapping", "calls.settings")} == {"ok"}
    conf = pbx.folder / "etc" / "cdr_custom.conf"
    conf.write_text(conf.read_text().replace("CDR(billsec)", "CDR(duration)"))
    assert (await checked(pbx))["calls.mapping"][0] == "problem"


async def checked(pbx: CallsLab) -> dict[str, tuple[str, str]]:
    """What a check says of calls."""
    host = look(pbx.folder / "agent.sqlite", None, calls=look_at_calls(pbx.file, TRUNKS))
    address = Address(host="127.0.0.1", port=pbx.ami_port, ssl=None)
    async with inquiry(address, Credentials(username="agent", secret=pbx.agent_secret)) as asker:
        logins = [Login(name="agent", sessions=("express", "bulk"), pbx=asker)]
        etc = pbx.folder / "etc"
        sight = Sight(logins=logins, etc=etc, numbers=(), forms=(), loopback=True, tls=False, host=host)
        evidence = await gather(sight, lambda: int(time.time() * 1000))
    found = [one for one in findings(evidence) if one.id.startswith(("calls.", "texts."))]
    return {one.id: (one.severity.value, json.dumps(one.text)) for one in found}
