"""Each known defect of panoramisk 1.4 that could reach the agent, and what a hostile or broken peer can send."""

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.sources.ami import Session, SessionDown, State, Timing
from tests.integration.ami_ear import QUICK, Ear, running, session_to
from tests.integration.fake_asterisk import FakeAsterisk, event, list_of, response


@pytest.fixture
async def fake() -> AsyncIterator[FakeAsterisk]:
    async with FakeAsterisk() as server:
        yield server


@pytest.fixture
async def ear() -> Ear:
    return Ear()


@pytest.fixture
async def session(fake: FakeAsterisk, ear: Ear) -> AsyncIterator[Session]:
    """A session that is in step."""
    one = session_to(fake.port, ear)
    async with running(one.run()):
        await ear.until(lambda: one.state is State.IN_STEP)
        yield one


async def sent(fake: FakeAsterisk, ear: Ear, *messages: bytes) -> None:
    """Send these bytes, then a last Hangup, and wait until that has been heard."""
    await fake.send(fake.peers[0], b"".join(messages) + event("Hangup", Last="yes"))
    await ear.until(lambda: any(message.get("Last") for message in ear.all("Hangup")))


async def test_a_raising_listener_costs_one_message_not_the_chunk_or_the_socket(
    fake: FakeAsterisk, ear: Ear, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    ear.deaf_to = "ContactStatus"
    with caplog.at_level(logging.DEBUG):
        await sent(fake, ear, event("Hangup"), event("ContactStatus", URI="sip:canary@203.0.113.7"), event("Hangup"))
    assert ear.names() == ["Hangup", "Hangup", "Hangup"]
    assert (session.faults, fake.connections) == (1, 1)
    assert "KeyError at hear:" in caplog.text
    assert "canary" not in caplog.text


async def test_two_event_headers_do_not_drop_the_connection(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await sent(fake, ear, event("ContactStatus", Event="Hangup"))
    assert ear.names() == ["Hangup"], "the one that is doubtful is not believed, what follows is"
    assert fake.connections == 1


async def test_an_originate_without_async_is_answered(fake: FakeAsterisk, session: Session) -> None:
    fake.replies["Originate"] = lambda peer, action: [
        response(action, "Success", "Message: Originate successfully queued")
    ]
    assert (await session.ask({"Action": "Originate", "Channel": "Local/s@x"})).ok


@pytest.mark.parametrize("text", ["Added interface to queue", "Output will follow"])
async def test_an_answer_is_an_answer_whatever_its_text(fake: FakeAsterisk, session: Session, text: str) -> None:
    fake.replies["QueueAdd"] = lambda peer, action: [response(action, "Success", f"Message: {text}")]
    assert (await session.ask({"Action": "QueueAdd"})).message == text


async def test_utf8_split_over_two_reads_stays_whole(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    fake.dribble = True
    await sent(fake, ear, event("ContactStatus", AOR="Zoë–201"))
    assert [m.get("AOR") for m in ear.all("ContactStatus")] == ["Zoë–201"]


async def test_latin_1_bytes_are_kept_apart_not_dropped(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await sent(
        fake, ear, b"Event: ContactStatus\r\nAOR: Zo\xeb\r\n\r\n", b"Event: ContactStatus\r\nAOR: Zo\xe9\r\n\r\n"
    )
    assert [m.get("AOR") for m in ear.all("ContactStatus")] == ["Zo\\xeb", "Zo\\xe9"]


async def test_empty_headers_are_there(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await sent(fake, ear, b"Event: ContactStatus\r\nAOR: \r\nURI:\r\n\r\n")
    assert ear.all("ContactStatus")[0].headers == {"Event": "ContactStatus", "AOR": "", "URI": ""}


async def test_a_header_without_a_space_is_there(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await sent(fake, ear, b"Event:ContactStatus\r\nAOR:201\r\n\r\n")
    assert ear.all("ContactStatus")[0].get("AOR") == "201"


async def test_percent_signs_are_left_alone(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await sent(fake, ear, event("ContactStatus", Result="a%20b"))
    assert ear.all("ContactStatus")[0].get("Result") == "a%20b"


async def test_a_list_answered_by_an_error_resolves(fake: FakeAsterisk, session: Session) -> None:
    fake.replies["PJSIPShowContacts"] = lambda peer, action: [response(action, "Error", "Message: No Contacts found")]
    answer = await session.ask_list({"Action": "PJSIPShowContacts"}, "ContactListComplete")
    assert (answer.ok, answer.message) == (False, "No Contacts found")


async def test_a_list_ends_at_its_own_last_event(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    other = event("ContactStatusDetailComplete", ActionID="of another session")
    fake.replies["Show"] = lambda peer, action: [
        other,
        *list_of(action, "ContactStatusDetailComplete", event("ContactStatusDetail", AOR="201")),
    ]
    assert (await session.ask_list({"Action": "Show"}, "ContactStatusDetailComplete")).ok
    assert ear.names() == ["ContactStatusDetailComplete", "ContactStatusDetail", "ContactStatusDetailComplete"]


async def test_a_timed_out_action_leaves_nothing_behind(fake: FakeAsterisk, session: Session) -> None:
    fake.replies["Slow"] = lambda peer, action: []
    with pytest.raises(TimeoutError):
        await session.ask({"Action": "Slow"}, 0.05)
    with pytest.raises(TimeoutError):
        await session.ask_list({"Action": "Slow"}, "SlowComplete", 0.05)
    assert session._connection is not None
    open_ones = [q for q in session._connection.responses.values() if q["Action"] != "Ping"]
    assert (open_ones, session._connection.ends) == ([], {})


async def test_pings_are_answered_and_do_not_pile_up(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    await ear.until(lambda: len(fake.peers[0].asked("Ping")) > 3)
    assert session._connection is not None
    assert len(session._connection.responses) <= 1
    assert fake.connections == 1


async def test_a_silent_peer_is_noticed(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    fake.silent = True
    await ear.until(lambda: ("bulk", "silent") in ear.states)
    fake.silent = False
    await ear.until(lambda: session.reconnects == 1 and session.state is State.IN_STEP)


async def test_silence_counts_from_the_last_byte(fake: FakeAsterisk) -> None:
    class Clocked(Ear):
        lost_at = 0

        def lost(self, session: str, cause: str, at: int) -> None:
            self.lost_at = self.lost_at or at
            super().lost(session, cause, at)

    ear, now = Clocked(), [1_000]
    session = session_to(fake.port, ear, clock=lambda: now[0])
    async with running(session.run()):
        await ear.until(lambda: session.state is State.IN_STEP)
        fake.silent = True
        await fake.emit(event("Hangup"))
        await ear.until(lambda: bool(ear.heard))
        now[0] = 9_000
        await ear.until(lambda: ("bulk", "silent") in ear.states)
    assert ear.lost_at == 1_000


async def test_the_default_timing_notices_silence_within_ten_seconds() -> None:
    timing = Timing()
    assert timing.ping_after_s + timing.ping_timeout_s < 10


async def test_sending_while_down_fails_at_once(ear: Ear) -> None:
    with pytest.raises(SessionDown):
        await session_to(1, ear).ask({"Action": "Ping"})


async def test_an_answer_that_the_cut_took_fails_at_once(fake: FakeAsterisk, session: Session) -> None:
    fake.replies["Cut"] = fake.hang_up
    with pytest.raises(SessionDown):
        await session.ask({"Action": "Cut"}, 60)


async def test_what_was_unanswered_is_not_sent_again_later(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    fake.replies["Originate"] = fake.hang_up
    with pytest.raises(SessionDown):
        await session.ask({"Action": "Originate"}, 60)
    await ear.until(lambda: session.reconnects == 1 and session.state is State.IN_STEP)
    await fake.emit(event("FullyBooted"), event("Hangup"))
    await ear.until(lambda: bool(ear.heard) and session.state is State.IN_STEP)
    assert fake.peers[0].asked("Originate") == []


async def test_stopping_during_the_back_off_does_not_reconnect(fake: FakeAsterisk, ear: Ear) -> None:
    session = session_to(fake.port, ear, timing=replace(QUICK, backoff_first_s=60, backoff_last_s=60))
    async with running(session.run()) as task:
        await ear.until(lambda: session.state is State.IN_STEP)
        fake.cut()
        await ear.until(lambda: session.state is State.DOWN)
        task.cancel()
        await asyncio.wait([task])
    assert (fake.connections, ear.states[-1]) == (1, ("bulk", "closed"))


@pytest.mark.parametrize(
    "action",
    [
        {"Action": "Ping\r\nAction: Hangup"},
        {"Action": "Ping", "Peer": "1\r\n\r\nAction: Command"},
        {"Action": "Ping", "Peer": "1\n"},
        {"Action": "Ping", "Peer\r": "1"},
        {"Action": "Ping", "Peer: 1": "1"},
    ],
)
async def test_a_line_break_in_an_action_is_refused(
    fake: FakeAsterisk, session: Session, action: dict[str, str]
) -> None:
    before = len(fake.peers[0].actions) - len(fake.peers[0].asked("Ping"))
    with pytest.raises(ValueError, match="line break"):
        await session.ask(action)
    assert len(fake.peers[0].actions) - len(fake.peers[0].asked("Ping")) == before


async def test_a_secret_that_is_not_ascii_is_neither_lost_nor_logged(
    fake: FakeAsterisk, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    fake.challenge = ""
    fake.replies["Login"] = lambda peer, action: [response(action, "Success" if action["Secret"] == "pâß" else "Error")]
    session = session_to(fake.port, ear, secret="pâß")
    with caplog.at_level(logging.DEBUG):
        async with running(session.run()):
            await ear.until(lambda: session.state is State.IN_STEP)
    assert "pâß" not in caplog.text


async def test_a_command_gives_every_line_of_its_output(fake: FakeAsterisk, session: Session) -> None:
    lines = "Message: Command output follows", "Output: one: 1", "Output: ", "Output:   three"
    fake.replies["Command"] = lambda peer, action: [response(action, "Success", *lines)]
    assert (await session.ask({"Action": "Command", "Command": "x"})).output == ["one: 1", "", "  three"]


async def test_answers_out_of_order_find_their_questions(fake: FakeAsterisk, session: Session) -> None:
    held: list[bytes] = []

    def second_first(peer: object, action: dict[str, str]) -> list[bytes]:
        held.insert(0, response(action, "Success", f"Message: {action['Number']}"))
        return held if len(held) == 3 else []

    fake.replies["Number"] = second_first
    answers = await asyncio.gather(*(session.ask({"Action": "Number", "Number": str(n)}) for n in range(3)))
    assert [answer.message for answer in answers] == ["0", "1", "2"]


async def test_one_byte_at_a_time_is_read_like_one_chunk(fake: FakeAsterisk, ear: Ear) -> None:
    fake.dribble = True
    session = session_to(fake.port, ear)
    async with running(session.run()):
        await ear.until(lambda: session.state is State.IN_STEP)
        await sent(fake, ear, event("Hangup", Channel="PJSIP/201-1"), event("VarSet"), event("ContactStatus"))
    assert ear.names() == ["Hangup", "ContactStatus", "Hangup"]


async def test_a_message_without_an_end_is_bounded_and_what_follows_is_heard(
    fake: FakeAsterisk, ear: Ear, session: Session
) -> None:
    chunk = b"X" * (1 << 20)
    await fake.send(fake.peers[0], b"Event: Hangup\r\nChannel: ")
    tracemalloc.start()
    try:
        for _ in range(64):
            await fake.send(fake.peers[0], chunk)
        await sent(fake, ear, b"\r\n\r\n")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert session.received_bytes > 64 << 20
    assert session.oversized == 1
    assert ear.names() == ["Hangup"]
    assert most < 16 << 20


async def test_a_flood_is_heard_whole_and_the_session_stays(fake: FakeAsterisk, ear: Ear, session: Session) -> None:
    flood = event("VarSet", Variable="x", Value="y" * 380) * 200
    for _ in range(100):
        await fake.send(fake.peers[0], flood + event("ContactStatus"))
    await sent(fake, ear)
    assert ear.names() == ["ContactStatus"] * 100 + ["Hangup"]
    assert session.unwanted_messages == 20_000
    assert (fake.connections, session.state) == (1, State.IN_STEP)
