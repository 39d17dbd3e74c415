"""Both sessions together: one Asterisk, its snapshot, and the look-ups in between."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest

from agent.core.signals import Lookup
from agent.sources.ami import LoginRefused
from agent.sources.ami_resync import IN_FLIGHT, MOST_PENDING, SNAPSHOT
from tests.integration.ami_ear import QUICK, Ear, running, source_to
from tests.integration.fake_asterisk import Action, FakeAsterisk, Peer, event, list_of, response

CONTACTS = "PJSIPShowRegistrationInboundContactStatuses"


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
async def ear() -> Ear:
    return Ear()


def bulk_peer(fake: FakeAsterisk) -> Peer:
    return next(peer for peer in fake.peers if peer.asked(CONTACTS))


def pjsip(name: str) -> Lookup:
    return Lookup(technology="PJSIP", endpoint=name, contact=f"{name};@0")


def stored(peer: Peer, action: Action) -> list[bytes]:
    return list_of(action, "DBGetTreeComplete", event("DBGetTreeResponse", Key=f"/{action['Family']}", Val="{}"))


async def test_the_snapshot_is_asked_in_order_by_the_bulk_session_alone(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        lists = {*dict(SNAPSHOT), "CoreShowChannels"}
        asked = [a["Action"] for a in bulk_peer(fake).actions if a["Action"] in lists]
        assert sum(bool(peer.asked("CoreShowChannels")) for peer in fake.peers) == 1
    assert asked == [CONTACTS, "SIPpeers", "IAXpeerlist", "CoreShowChannels"]


async def test_the_snapshot_is_heard_between_regained_and_in_step(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies[CONTACTS] = lambda peer, action: list_of(
        action, "ContactStatusDetailComplete", *(event("ContactStatusDetail", AOR=str(n)) for n in range(201, 204))
    )
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        heard = [m.get("AOR") for m in ear.all("ContactStatusDetail")]
        again = await source.bulk.ask_list({"Action": CONTACTS}, "ContactStatusDetailComplete")
        assert again.events == 3
    assert heard == ["201", "202", "203"]
    assert ear.names()[:5] == ["FullyBooted", *["ContactStatusDetail"] * 3, "ContactStatusDetailComplete"]


async def test_fully_booted_in_the_middle_of_a_list_waits_for_the_next(fake: FakeAsterisk, ear: Ear) -> None:
    """Within the list it would make the list's end close what the list had named before."""

    def booting(peer: Peer, action: Action) -> list[bytes]:
        first, *rest = list_of(
            action, "ContactStatusDetailComplete", *(event("ContactStatusDetail", AOR=str(n)) for n in range(201, 204))
        )
        return [first, event("FullyBooted"), *rest] if len(peer.asked(CONTACTS)) == 1 else [first, *rest]

    fake.replies[CONTACTS] = booting
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
    whole = ["FullyBooted", *["ContactStatusDetail"] * 3, "ContactStatusDetailComplete"]
    assert ear.names() == whole * 2


async def test_an_empty_list_answered_by_an_error_still_closes_what_is_gone(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies[CONTACTS] = lambda peer, action: [response(action, "Error", "Message: No Contacts found")]
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
    assert ear.names() == ["FullyBooted", "ContactStatusDetailComplete"]


async def test_a_snapshot_that_rights_forbid_is_never_in_step(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies[CONTACTS] = lambda peer, action: [response(action, "Error", "Message: Permission denied")]
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: any(peer.asked("CoreShowChannels") for peer in fake.peers))
        await source.bulk.ask({"Action": "Ping"})
        await ear.until(lambda: source.express.state.value == "in_step")
        assert (source.bulk.state.value, source.in_step) == ("logged_in", False)
    assert ear.names() == ["FullyBooted"]


async def test_in_step_again_after_a_restart(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        await fake.stop()
        await ear.until(lambda: not source.in_step)
        fake.startup = "22:00:00"
        await fake.start()
        await ear.until(lambda: source.in_step)
        assert len(bulk_peer(fake).asked(CONTACTS)) == 1
        assert source.bulk.startup == source.express.startup == "2026-11-22 22:00:00"


async def test_two_asterisks_behind_one_address_are_noticed(
    fake: FakeAsterisk, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    fake.replies["CoreStatus"] = lambda peer, action: [
        response(action, "Success", "CoreStartupDate: 2026-11-22", f"CoreStartupTime: {fake.peers.index(peer)}")
    ]
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: all(session.state.value == "in_step" for session in source.sessions))
        assert not source.in_step
    assert "two different Asterisks" in caplog.text


async def test_a_refused_login_ends_both_with_the_plain_error(fake: FakeAsterisk, ear: Ear) -> None:
    with pytest.raises(LoginRefused):
        await source_to(fake.port, ear, secret="wrong").run()
    await ear.until(lambda: not fake.peers)
    assert fake.connections <= 2


async def test_a_pjsip_look_up_is_heard_and_asks_for_nothing_else(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies["DBGetTree"] = stored
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.look_up(pjsip("207"))
        await ear.until(lambda: bool(ear.all("DBGetTreeResponse")))
        await source.bulk.ask({"Action": "Ping"})
        assert [action["Family"] for action in bulk_peer(fake).asked("DBGetTree")] == ["registrar/contact/207;@0"]
        assert len(bulk_peer(fake).asked(CONTACTS)) == 1
        assert not bulk_peer(fake).asked("PJSIPShowEndpoint")
    assert [message.get("Key") for message in ear.all("DBGetTreeResponse")] == ["/registrar/contact/207;@0"]


async def test_contacts_that_the_database_lacks_become_one_full_list(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear, timing=replace(QUICK, relist_s=3600.0))
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        for number in range(20):
            source.look_up(pjsip(str(number)))
        await ear.until(lambda: len(ear.all("ContactStatusDetailComplete")) == 2)
        await ear.until(lambda: len(bulk_peer(fake).asked("DBGetTree")) == 20)
        source.look_up(pjsip("late"))
        await ear.until(lambda: len(bulk_peer(fake).asked("DBGetTree")) == 21)
        await source.bulk.ask({"Action": "Ping"})
        assert len(bulk_peer(fake).asked(CONTACTS)) == 2


async def test_what_came_too_late_for_one_full_list_has_the_next(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear, timing=replace(QUICK, relist_s=0.01))
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        for lists in (2, 3):
            source.look_up(pjsip("207"))
            await ear.until(partial(lambda wanted: len(ear.all("ContactStatusDetailComplete")) == wanted, lists))
        assert len(bulk_peer(fake).asked("DBGetTree")) == 2


async def test_a_miss_between_answers_to_others_is_noticed(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies["DBGetTree"] = lambda peer, action: (
        list_of(action, "DBGetTreeComplete") if "/missing;" in action["Family"] else stored(peer, action)
    )
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        for name in ("201", "missing", "202"):
            source.look_up(pjsip(name))
        await ear.until(lambda: len(ear.all("ContactStatusDetailComplete")) == 2)
    assert len(ear.all("DBGetTreeResponse")) == 2


@pytest.mark.parametrize("name", ["no name yet", "refused"])
async def test_what_cannot_be_asked_alone_becomes_a_full_list(fake: FakeAsterisk, ear: Ear, name: str) -> None:
    fake.replies["DBGetTree"] = lambda peer, action: [response(action, "Error", "Message: Permission denied")]
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.look_up(pjsip("201") if name == "refused" else Lookup(technology="PJSIP", endpoint="201"))
        await ear.until(lambda: len(ear.all("ContactStatusDetailComplete")) == 2)
        assert len(bulk_peer(fake).asked("DBGetTree")) == (name == "refused")


async def test_a_chan_sip_look_up_is_heard_as_a_response(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies["SIPshowpeer"] = lambda peer, action: [
        response(action, "Success", f"ObjectName: {action['Peer']}", "SIP-Useragent: snomD785/10.1.64.14")
        if action["Peer"] == "401"
        else response(action, "Error", "Message: Peer not found.")
    ]
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.look_up(Lookup(technology="SIP", endpoint="999"))
        source.look_up(Lookup(technology="SIP", endpoint="401"))
        await ear.until(lambda: bool(ear.all("Response")))
    assert [m.get("SIP-Useragent") for m in ear.all("Response")] == ["snomD785/10.1.64.14"]


async def test_a_look_up_that_would_inject_an_action_is_dropped_and_the_next_is_asked(
    fake: FakeAsterisk, ear: Ear
) -> None:
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        source.look_up(pjsip("201\r\n\r\nAction: Command"))
        source.look_up(pjsip("201"))
        await ear.until(lambda: bool(bulk_peer(fake).asked("DBGetTree")))
        assert not bulk_peer(fake).asked("Command")


async def test_look_ups_wait_once_each_and_few_at_a_time(fake: FakeAsterisk, ear: Ear) -> None:
    open_ones: list[tuple[Peer, Action]] = []

    def hold(peer: Peer, action: Action) -> list[bytes]:
        open_ones.append((peer, action))
        return []

    fake.replies["DBGetTree"] = hold
    source = source_to(fake.port, ear, timing=replace(QUICK, list_s=20.0))
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        for _ in range(3):
            for number in range(20):
                source.look_up(pjsip(str(number)))
        await ear.until(lambda: len(open_ones) == IN_FLIGHT)
        for answered in range(20):
            await ear.until(partial(lambda before: len(open_ones) > before, answered))
            assert len(open_ones) - answered <= IN_FLIGHT
            peer, action = open_ones[answered]
            await fake.send(peer, b"".join(list_of(action, "DBGetTreeComplete")))
        await source.bulk.ask({"Action": "Ping"})
    assert [action["Family"] for _, action in open_ones] == [f"registrar/contact/{n};@0" for n in range(20)]


async def test_a_storm_of_look_ups_becomes_one_full_list(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        for number in range(MOST_PENDING + 1):
            source.look_up(pjsip(str(number)))
        await ear.until(lambda: len(bulk_peer(fake).asked(CONTACTS)) == 2)
        await source.bulk.ask({"Action": "Ping"})
        assert not bulk_peer(fake).asked("DBGetTree")


async def test_look_ups_while_down_leave_it_to_the_next_snapshot(fake: FakeAsterisk, ear: Ear) -> None:
    source = source_to(fake.port, ear)
    source.look_up(pjsip("201"))
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        await fake.stop()
        await ear.until(lambda: source.bulk.state.value == "down")
        source.look_up(pjsip("202"))
        await fake.start()
        await ear.until(lambda: source.in_step)
        assert not bulk_peer(fake).asked("DBGetTree")
