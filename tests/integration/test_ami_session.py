"""One AMI session: the login, the filters, being lost and coming back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from ssl import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, SSLContext

import pytest

from agent.core.wire import Message
from agent.sources.ami import Address, Credentials, Filters, LoginRefused, NotAmi, Session, State, TlsRefused
from tests.integration.ami_ear import PATIENCE_S, QUICK, WANTED, Ear, running, session_to
from tests.integration.fake_asterisk import Action, FakeAsterisk, Peer, event, response

CERTIFICATE = Path(__file__).parent / "tls" / "loopback.pem"


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
async def ear() -> Ear:
    return Ear()


async def in_step(ear: Ear, session: Session) -> None:
    await ear.until(lambda: session.state is State.IN_STEP)


async def test_logs_in_by_challenge_and_never_sends_the_secret(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        login = fake.peers[0].asked("Login")[0]
    assert login["AuthType"] == "MD5"
    assert login["Events"] == "off"
    assert "Secret" not in login
    assert "s3cret" not in repr(Credentials(username="agent", secret="s3cret"))


@pytest.mark.parametrize("challenge", ["", "refused"])
async def test_logs_in_plainly_where_no_challenge_is_offered(fake: FakeAsterisk, ear: Ear, challenge: str) -> None:
    if challenge:
        fake.replies["Challenge"] = lambda peer, action: [response(action, "Error", "Message: Must specify AuthType")]
    else:
        fake.replies["Challenge"] = lambda peer, action: [response(action, "Success", "Challenge: ")]
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        assert fake.peers[0].asked("Login")[0]["Secret"] == "s3cret"


async def test_events_come_only_after_the_filters(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        actions = [action["Action"] for action in fake.peers[0].actions]
    assert fake.connections == 1
    assert actions[:2] == ["Challenge", "Login"]
    assert max(i for i, name in enumerate(actions) if name == "Filter") < actions.index("Events")


@pytest.mark.parametrize("match_criteria", [True, False], ids=["22", "16"])
@pytest.mark.parametrize("filters", [Filters.bulk(WANTED), Filters.express()], ids=["bulk", "express"])
async def test_filters_cut_what_is_not_wanted(
    fake: FakeAsterisk, ear: Ear, match_criteria: bool, filters: Filters
) -> None:
    fake.match_criteria = match_criteria
    session = session_to(fake.port, ear, filters=filters)
    async with running(session.run()):
        await in_step(ear, session)
        assert session.filtered
        await fake.emit(
            event("VarSet", Value="Event: Hangup"),
            event("HangupRequest"),
            event("UserEvent", UserEvent="RecordingStart"),
            event("UserEvent", UserEvent="EmergencyDialled"),
            event("Hangup"),
        )
        last = ("UserEvent", "EmergencyDialled") if filters == Filters.express() else ("Hangup", "")
        await ear.until(lambda: bool(ear.heard) and (ear.heard[-1][1].name, ear.heard[-1][1].get("UserEvent")) == last)
    wanted = ["EmergencyDialled"] if filters == Filters.express() else ["RecordingStart", ""]
    assert [m.get("UserEvent") for _, m in ear.heard] == wanted
    assert session.unwanted_messages == 0


async def test_goes_on_unfiltered_without_the_right_to_filter(fake: FakeAsterisk, ear: Ear) -> None:
    fake.filter_allowed = False
    session = session_to(fake.port, ear, filters=Filters.express(), wanted=frozenset({b"UserEvent"}))
    async with running(session.run()):
        await in_step(ear, session)
        assert not session.filtered
        await fake.emit(
            event("VarSet"), event("UserEvent", UserEvent="Other"), event("UserEvent", UserEvent="EmergencyEnd")
        )
        await ear.until(lambda: bool(ear.heard))
    assert [m.get("UserEvent") for _, m in ear.heard] == ["EmergencyEnd"]
    assert session.unwanted_messages == 1


async def test_half_installed_filters_never_cut_what_is_wanted(fake: FakeAsterisk, ear: Ear) -> None:
    def refuse_hangup(peer: Peer, action: Action) -> list[bytes]:
        if "name(Hangup)" in action.get("MatchCriteria", ""):
            return [response(action, "Error", "Message: Filter was formatted incorrectly.")]
        return [fake._filter(peer, action)]

    fake.replies["Filter"] = refuse_hangup
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        await fake.emit(event("Hangup"))
        await ear.until(lambda: ear.names() == ["Hangup"])
    assert not session.filtered


async def test_a_wrong_secret_is_one_clear_error_and_no_storm(fake: FakeAsterisk, ear: Ear) -> None:
    with pytest.raises(
        LoginRefused, match=r"^Asterisk at 127\.0\.0\.1:\d+ refused the login of user 'agent': wrong"
    ) as refused:
        await session_to(fake.port, ear, secret="not-it").run()
    assert "not-it" not in str(refused.value)
    assert fake.connections == 1
    assert ear.states == []


async def test_a_user_that_may_log_in_only_once_is_told_so(fake: FakeAsterisk, ear: Ear) -> None:
    fake.replies["Challenge"] = lambda peer, action: [response(action, "Error", "Message: Login Already In Use")]
    with pytest.raises(LoginRefused, match="allowmultiplelogin"):
        await session_to(fake.port, ear).run()


async def test_a_login_refused_later_is_retried_slowly(
    fake: FakeAsterisk, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_to(fake.port, ear, timing=replace(QUICK, refused_s=0.3))
    async with running(session.run()):
        await in_step(ear, session)
        fake.replies["Login"] = lambda peer, action: [response(action, "Error", "Message: Authentication failed")]
        fake.cut()
        await ear.until(lambda: fake.connections == 3)
        del fake.replies["Login"]
        await in_step(ear, session)
    assert ear.states[:3] == [("bulk", "regained"), ("bulk", "closed"), ("bulk", "regained")]
    assert "the login is refused" in caplog.text
    assert "next try in 0.3 s" in caplog.text


async def test_an_asterisk_that_hung_is_heard_again_as_soon_as_it_is_well(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear, timing=replace(QUICK, refused_s=3600))
    async with running(session.run()):
        await in_step(ear, session)
        banner, fake.banner, fake.silent = fake.banner, b"", True  # The kernel goes on taking connections.
        await ear.until(lambda: fake.connections == 3)
        fake.banner, fake.silent = banner, False
        await in_step(ear, session)
    assert ear.states[:3] == [("bulk", "regained"), ("bulk", "silent"), ("bulk", "regained")]


async def test_a_login_that_asterisk_takes_for_one_still_up_is_tried_again_soon(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear, timing=replace(QUICK, refused_s=3600))
    async with running(session.run()):
        await in_step(ear, session)
        fake.replies["Challenge"] = lambda peer, action: [response(action, "Error", "Message: Login Already In Use")]
        fake.cut()
        await ear.until(lambda: fake.connections == 3)
        del fake.replies["Challenge"]
        await in_step(ear, session)


@pytest.mark.parametrize(
    ("banner", "does"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "speaks some other protocol"),
        (b"Asterisk Call Manager/" + b"x" * 200, "speaks some other protocol"),
        (b"", "says nothing"),
    ],
    ids=["ssh", "long", "mute"],
)
async def test_a_peer_that_is_not_ami_is_one_clear_error(
    fake: FakeAsterisk, ear: Ear, banner: bytes, does: str
) -> None:
    fake.banner = banner
    with pytest.raises(NotAmi, match=rf"^What listens at 127\.0\.0\.1:\d+ is not Asterisk's .* Interface: it {does}$"):
        await session_to(fake.port, ear).run()


async def test_waits_for_an_asterisk_that_is_still_starting(ear: Ear) -> None:
    fake = FakeAsterisk()
    await fake.start()
    await fake.stop()
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await ear.until(lambda: session.state is State.DOWN)
        async with fake:
            await in_step(ear, session)


async def test_comes_back_after_a_restart_and_says_both(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        before = session.received_messages
        await fake.emit(event("Shutdown", Shutdown="Cleanly", Restart="True"))
        await ear.until(lambda: session.received_messages > before)
        await fake.stop()
        await ear.until(lambda: ("bulk", "shutdown") in ear.states)
        with pytest.raises(ConnectionError):
            await session.ask({"Action": "Ping"})
        await fake.start()
        await in_step(ear, session)
        assert session.reconnects == 1
    assert ear.states == [("bulk", "regained"), ("bulk", "shutdown"), ("bulk", "regained"), ("bulk", "stopped")]


async def test_half_a_message_before_the_cut_is_nothing_after_it(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        await fake.send(fake.peers[0], b"Event: Hangup\r\nChannel: PJSIP/20")
        await ear.until(lambda: session.received_bytes > 0)
        fake.cut()
        await ear.until(lambda: session.reconnects == 1)
        await in_step(ear, session)
        await fake.emit(event("Hangup", Channel="PJSIP/202-1"))
        await ear.until(lambda: bool(ear.heard))
    assert [m.get("Channel") for m in ear.all("Hangup")] == ["PJSIP/202-1"]


async def test_backs_off_longer_each_time_with_jitter(ear: Ear) -> None:
    session = session_to(1, ear, timing=replace(QUICK, backoff_first_s=0.2, backoff_last_s=30.0))
    waits = [session._backoff_s(tries) for tries in range(40)]
    assert all(0.5 * min(30.0, 0.2 * 2**i) <= wait <= min(30.0, 0.2 * 2**i) for i, wait in enumerate(waits))
    assert len(set(waits)) == len(waits)


async def test_an_asterisk_that_closes_at_once_is_not_stormed(
    fake: FakeAsterisk, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_to(fake.port, ear, timing=replace(QUICK, backoff_first_s=0.05, backoff_last_s=1.0))
    tries: list[int] = []

    def remembered(number: int) -> float:
        tries.append(number)
        return original(number)

    fake.replies["CoreStatus"] = fake.hang_up
    original = session._backoff_s
    monkeypatch.setattr(session, "_backoff_s", remembered)
    async with running(session.run()):
        await ear.until(lambda: len(tries) == 4)
    assert tries == [0, 1, 2, 3]


async def test_a_fully_booted_later_asks_for_a_new_snapshot(fake: FakeAsterisk, ear: Ear) -> None:
    snapshots = 0

    async def resync(session: Session) -> bool:
        nonlocal snapshots
        snapshots += 1
        await session.ask_list({"Action": "CoreShowChannels"}, "CoreShowChannelsComplete")
        return True

    session = session_to(fake.port, ear, resync=resync)
    async with running(session.run()):
        await in_step(ear, session)
        await fake.emit(event("FullyBooted", Status="Fully Booted"))
        await ear.until(lambda: snapshots == 2 and session.state is State.IN_STEP)


async def test_a_snapshot_that_never_ends_is_begun_again(fake: FakeAsterisk, ear: Ear) -> None:
    async def resync(session: Session) -> bool:
        await session.ask_list({"Action": "Endless"}, "EndlessComplete", 0.1)
        return True

    fake.replies["Endless"] = lambda peer, action: [response(action, "Success", "EventList: start")]
    session = session_to(fake.port, ear, resync=resync)
    async with running(session.run()):
        await ear.until(lambda: ("bulk", "stalled") in ear.states and session.reconnects > 0)


async def test_hears_in_order_and_within_the_call(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        await fake.emit(*(event("Hangup", Number=str(number)) for number in range(5_000)))
        await ear.until(lambda: len(ear.heard) == 5_000)
    assert [m.get("Number") for m in ear.all("Hangup")] == [str(number) for number in range(5_000)]


async def test_each_counter_counts(fake: FakeAsterisk, ear: Ear) -> None:
    fake.filter_allowed = False
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await in_step(ear, session)
        before = session.received_bytes, session.received_messages
        sent = event("VarSet") + event("Hangup")
        await fake.emit(event("VarSet"), event("Hangup"))
        await ear.until(lambda: bool(ear.heard))
    assert (session.wanted_messages, session.unwanted_messages, session.faults) == (1, 1, 0)
    assert session.received_bytes - before[0] >= len(sent)
    assert session.received_messages - before[1] >= 2


async def test_an_event_that_nobody_wanted_is_seen_when_a_question_waits_for_it(fake: FakeAsterisk, ear: Ear) -> None:
    fake.filter_allowed = False
    session = session_to(fake.port, ear)
    rung = event("OriginateResponse", Privilege="call,all", ActionID="somebody's", Response="Success")

    def ring(peer: Peer, action: Action) -> list[bytes]:
        own = event("OriginateResponse", Privilege="call,all", ActionID=action["ActionID"], Response="Failure")
        return [response(action, "Success", "Message: Originate successfully queued"), rung, own]

    fake.replies["Originate"] = ring
    async with running(session.run()):
        await in_step(ear, session)
        seen = session.unwanted_messages
        for count in (1, 2, 3):
            await fake.emit(rung)
            await ear.until(lambda count=count: session.unwanted_messages == seen + count)  # type: ignore[misc]
        answer = await session.ask_list({"Action": "Originate", "Async": "true"}, "OriginateResponse")
        assert answer.headers["Response"] == "Failure"


async def test_tls_that_is_not_trusted_is_one_clear_error(ear: Ear) -> None:
    server = SSLContext(PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CERTIFICATE)
    async with FakeAsterisk(tls=server) as fake:
        session = session_to(fake.port, ear)
        session._address = Address(host="localhost", port=fake.port, ssl=SSLContext(PROTOCOL_TLS_CLIENT))
        with pytest.raises(TlsRefused, match=r"cannot be trusted over TLS: self.signed certificate"):
            await session.run()
        trusting = SSLContext(PROTOCOL_TLS_CLIENT)
        trusting.load_verify_locations(CERTIFICATE)
        session = session_to(fake.port, ear)
        session._address = Address(host="localhost", port=fake.port, ssl=trusting)
        async with running(session.run()):
            await in_step(ear, session)


async def test_tls_to_a_plain_port_is_one_clear_error(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    session._address = Address(host="localhost", port=fake.port, ssl=SSLContext(PROTOCOL_TLS_CLIENT))
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(TlsRefused):
            await session.run()


async def test_a_synthetic_message_is_heard_like_any(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear)
    session.hear(Message("ContactStatusDetailComplete", {}))
    assert ear.names() == ["ContactStatusDetailComplete"]


async def test_regained_is_said_before_what_comes_right_behind_it(fake: FakeAsterisk, ear: Ear) -> None:
    order: list[str] = []

    class Ordered(Ear):
        def regained(self, session: str, at: int) -> None:
            order.append("regained")

        def hear(self, session: str, message: Message, at: int) -> None:
            order.append(message.name)

    fake.replies["Events"] = lambda peer, action: [response(action, "Success", "Events: On") + event("Hangup") * 2]
    session = session_to(fake.port, Ordered())
    async with running(session.run()):
        await in_step(ear, session)
    assert order == ["regained", "Hangup", "Hangup"]


async def test_answers_are_not_events(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear, wanted=WANTED | {b"Response"})
    async with running(session.run()):
        await in_step(ear, session)
        assert (await session.ask({"Action": "Ping"})).ok
    assert ear.heard == []


async def test_a_peer_that_greets_and_then_says_nothing_is_tried_again(fake: FakeAsterisk, ear: Ear) -> None:
    fake.silent = True
    session = session_to(fake.port, ear, timing=replace(QUICK, answer_s=0.1))
    async with running(session.run()):
        await ear.until(lambda: fake.connections == 2)
        fake.silent = False
        await in_step(ear, session)
    assert ear.states[0] == ("bulk", "regained")


NOW = {"Privilege": "call,all", "Timestamp": "1795392182.370123"}


async def test_what_a_caller_smuggles_in_is_not_heard(fake: FakeAsterisk, ear: Ear) -> None:
    """Line breaks in a caller's number end an event and begin another (seen on Asterisk 16 and 22)."""
    session = session_to(fake.port, ear, wanted=WANTED | {b"Newchannel", b"DialBegin"})
    async with running(session.run()):
        await in_step(ear, session)
        forged = "1\r\n\r\nEvent: Newchannel\r\nPrivilege: call,all\r\nUniqueid: 7\r\nExten: 999"
        await fake.emit(
            event("Newchannel", **NOW, Uniqueid="1.1", Exten="201"),
            event("Newchannel", **NOW, CallerIDNum=forged, Uniqueid="1.2", Exten="201"),
            event("DialBegin", **NOW, CallerIDNum="1\r\nDestUniqueid: 7", DestUniqueid="1.4"),
            event("Hangup", **NOW, CallerIDNum="1\r\nUniqueid: 7", Uniqueid="1.3"),
        )
        await ear.until(lambda: bool(ear.all("Hangup")))
    assert [message.get("Exten") for message in ear.all("Newchannel")] == ["201", ""]
    assert [message.get("Uniqueid") for message in ear.all("Hangup")] == ["1.3"]
    assert ear.all("DialBegin") == []
    assert session.forged == 2


async def test_without_timestamps_all_that_comes_is_heard(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear, wanted=WANTED | {b"Newchannel"})
    async with running(session.run()):
        await in_step(ear, session)
        await fake.emit(event("Newchannel", Exten="999"))
        await ear.until(lambda: bool(ear.all("Newchannel")))
    assert session.forged == 0
