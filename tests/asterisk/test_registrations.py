"""Phones register over SIP; their spans are in the store."""

import asyncio
from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.iax import register_iax
from tests.lab.sip import Phone, Talk, Trunk

YEALINK = "Yealink SIP-T46U 108.86.0.45 805e0c112233"
SNOM = "snomD785/10.1.184.14"


async def test_a_phone_is_kept_as_line_address_and_device_only(lab: Asterisk, agent: AgentProcess) -> None:
    # behind a NAT: the contact names an address that is not the one the REGISTER came from
    phone = Phone(lab, "201", user_agent=YEALINK, local_ip="127.0.5.1", contact_host="10.1.2.3")
    await phone.register()
    span = await agent.one("registration", line="201", vendor="Yealink")
    assert span["ip"] == "127.0.5.1"
    assert span["ip_source"] == "security"
    assert (span["transport"], span["model"], span["firmware"]) == ("udp", "T46U", "108")
    assert (span["refreshes"], span["ended_at"]) == (0, None)
    assert set(span) == {
        *("kind", "id", "line", "ip", "ip_source", "transport", "vendor", "model", "firmware"),
        *("first_seen", "last_seen", "refreshes", "ended_at", "site", "certainty"),
    }


async def test_refreshes_are_counted_and_a_removal_ends_the_span(lab: Asterisk, agent: AgentProcess) -> None:
    phone = Phone(lab, "202", user_agent=SNOM, local_ip="127.0.5.2")
    await phone.register()
    await phone.refresh()
    await phone.refresh()
    span = await agent.one("registration", line="202", refreshes=2)
    assert span["last_seen"] > span["first_seen"]
    await phone.unregister()
    ended = await agent.one("registration", line="202", ended_at=bool)
    assert (ended["id"], ended["refreshes"]) == (span["id"], 2)


async def test_an_expiry_ends_the_span(lab: Asterisk, agent: AgentProcess) -> None:
    await Phone(lab, "203", user_agent=SNOM, local_ip="127.0.5.3").register(expires=2)
    span = await agent.one("registration", line="203", vendor="snom")
    assert span["ended_at"] is None
    gone = await agent.one("registration", line="203", ended_at=bool)
    assert gone["id"] == span["id"]


async def test_over_tcp(lab: Asterisk, agent: AgentProcess) -> None:
    await Phone(lab, "203", user_agent=SNOM, local_ip="127.0.5.3", tcp=True).register()
    span = await agent.one("registration", line="203", vendor="snom")
    assert (span["transport"], span["ip"], span["ip_source"]) == ("tcp", "127.0.5.3", "security")


async def test_another_address_begins_another_span(lab: Asterisk, agent: AgentProcess) -> None:
    phone = Phone(lab, "204", user_agent=SNOM, local_ip="127.0.5.4", contact_host="10.1.2.4")
    await phone.register()
    await agent.one("registration", line="204", ip_source="security")
    phone.local_ip = "127.0.6.4"
    await phone.refresh()
    moved = await agent.one("registration", line="204", ip="127.0.6.4")
    left = await agent.one("registration", line="204", ip="127.0.5.4", ended_at=bool)
    assert moved["ended_at"] is None
    assert moved["vendor"] == left["vendor"] == "snom"


async def test_a_phone_that_starts_anew_is_the_same_phone(lab: Asterisk, agent: AgentProcess) -> None:
    phone = Phone(lab, "205", user_agent=SNOM, local_ip="127.0.5.5")
    await phone.register()
    first = await agent.one("registration", line="205", vendor="snom")
    # Asterisk tells an expiry to the second, and only by the expiry that the contact was registered again
    await asyncio.sleep(2.5)
    phone.call_id = "another-call-id-after-a-reboot"
    await phone.register()
    again = await agent.one("registration", line="205", refreshes=1)
    assert again["id"] == first["id"]


async def test_the_address_behind_a_proxy_is_taken_and_marked(lab: Asterisk, tmp_path: Path) -> None:
    settings = '[registration]\nproxies = ["127.0.7.0/24"]\n'
    async with AgentProcess(lab, folder=tmp_path / "agent", settings=settings) as agent:
        phone = Phone(lab, "206", user_agent=SNOM, local_ip="127.0.7.7", contact_host="198.51.100.9")
        await phone.register()
        span = await agent.one("registration", line="206", ip_source="proxy")
        assert span["ip"] == "198.51.100.9"


async def test_two_phones_on_a_line_are_two_spans(lab: Asterisk, agent: AgentProcess) -> None:
    await Phone(lab, "207", user_agent=SNOM, local_ip="127.0.5.7").register()
    await Phone(lab, "207", user_agent=YEALINK, local_ip="127.0.6.7").register()
    await agent.some("registration", 2, line="207", ended_at=None, ip_source="security")
    # a 999 says from which of the two
    async with Trunk(lab, "trunk-a"):
        await Phone(lab, "207", local_ip="127.0.6.7").call("999", steps=[Talk(0.2)])
    call = await agent.one("emergency", line="207", outcome="answered")
    assert (call["ip"], call["vendor"]) == ("127.0.6.7", "Yealink")


async def test_refused_attempts_are_counted_by_cause_and_nobody_is_named(lab: Asterisk, agent: AgentProcess) -> None:
    await Phone(lab, "208", secret="wrong").register(expect=401)
    await Phone(lab, "299").register(expect=401)
    wrong = await agent.one("failure", cause="wrong_secret")
    unknown = await agent.one("failure", cause="unknown_account")
    assert wrong["count"] >= 1
    assert unknown["count"] >= 1
    assert set(wrong) == {"kind", "id", "hour", "cause", "count"}
    assert agent.stored("registration") == []


async def test_what_was_registered_before_the_agent_is_known_at_once(lab: Asterisk, tmp_path: Path) -> None:
    phone = Phone(lab, "201", user_agent=SNOM, local_ip="127.0.5.1")
    await phone.register()
    async with AgentProcess(lab, folder=tmp_path / "agent") as agent:
        known = await agent.one("registration", line="201", vendor="snom")
        assert (known["ip"], known["ip_source"]) == ("127.0.5.1", "contact")
        await phone.refresh()
        proved = await agent.one("registration", line="201", ip_source="security")
        assert proved["id"] == known["id"]


async def test_a_restarted_agent_goes_on_with_its_spans(lab: Asterisk, agent: AgentProcess) -> None:
    stays, goes = Phone(lab, "201", user_agent=SNOM, local_ip="127.0.5.1"), Phone(lab, "202", user_agent=SNOM)
    await stays.register()
    await goes.register()
    before = await agent.some("registration", 2, vendor="snom", ip_source="security")
    assert await agent.stop() == 0
    await goes.unregister()
    await agent.start()
    gone = await agent.one("registration", line="202", ended_at=bool)
    await stays.refresh()
    still = await agent.one("registration", line="201", refreshes=1)
    assert {gone["id"], still["id"]} == {span["id"] for span in before}
    assert still["ended_at"] is None
    blind = await agent.some("blind", 2, until_at=bool)
    assert {(gap["session"], gap["cause"]) for gap in blind} == {("express", "stopped"), ("bulk", "stopped")}


async def test_an_asterisk_restart_is_survived_and_its_blind_time_kept(lab: Asterisk, agent: AgentProcess) -> None:
    phone = Phone(lab, "201", user_agent=SNOM, local_ip="127.0.5.1")
    await phone.register()
    span = await agent.one("registration", line="201", vendor="snom")
    # Asterisk writes its database about once a second: a kill before that loses the contact
    await asyncio.sleep(1.5)
    await lab.kill()
    await agent.until(lambda: agent.get("/readyz")[0] == 503, "not ready")
    assert agent.get("/healthz")[0] == 200
    await lab.start()
    await agent.until(lambda: agent.get("/readyz")[0] == 200, "ready again")
    await phone.refresh()
    after = await agent.one("registration", line="201", refreshes=1)
    assert after["id"] == span["id"]
    gaps = await agent.some("blind", 2, until_at=bool)
    assert {gap["session"] for gap in gaps} == {"express", "bulk"}


async def test_chan_sip(version: str, lab: Asterisk, agent: AgentProcess) -> None:
    """chan_sip left Asterisk after 20; where it is there, its peers are kept as well."""
    if version != "16":
        assert "chan_sip.so" not in lab.installation.modules
        return
    phone = Phone(lab, "401", user_agent=SNOM, local_ip="127.0.5.8", server_port=lab.chan_sip_port)
    await phone.register()
    span = await agent.one("registration", line="401", vendor="snom")
    assert span["ip"] == "127.0.5.8"
    await phone.unregister()
    await agent.one("registration", line="401", ended_at=bool)


async def test_iax2(lab: Asterisk, agent: AgentProcess) -> None:
    assert "chan_iax2.so" in lab.installation.modules
    await register_iax(lab, "501", local_ip="127.0.5.9")
    span = await agent.one("registration", line="501")
    assert (span["ip"], span["vendor"], span["ended_at"]) == ("127.0.5.9", "unknown", None)
    await register_iax(lab, "501", local_ip="127.0.5.9", refresh_s=0)
    await agent.one("registration", line="501", ended_at=bool)
