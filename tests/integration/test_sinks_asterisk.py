"""What Asterisk is asked for a text and for a ring, and what its answers mean."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from agent.ports import ChannelError, Receipt, Reply
from agent.sinks.asterisk import Message, Ring
from agent.sources.ami import Answer, SessionDown
from agent.sources.ami_connection import refuse_line_breaks
from tests.integration.notices import Words, alarm, notice


@dataclass
class Session:
    """Answers every action alike; refuses what the real session would."""

    answer: Answer | Exception = field(default_factory=lambda: Answer(ok=True, headers={}))
    asked: list[dict[str, str]] = field(default_factory=list)
    completes: list[str] = field(default_factory=list)
    limit_s: float | None = None

    async def ask(self, action: Mapping[str, str], timeout_s: float | None = None) -> Reply:
        refuse_line_breaks(action)
        self.asked.append(dict(action))
        self.limit_s = timeout_s
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def ask_list(self, action: Mapping[str, str], complete: str, timeout_s: float | None = None) -> Reply:
        self.completes.append(complete)
        return await self.ask(action, timeout_s)


def rang(response: str, reason: str) -> Answer:
    return Answer(ok=True, headers={"Response": response, "Reason": reason})


def bell(session: Session, number: str | None = None) -> Ring:
    return Ring(session, "204", number=number, caller="999 desk", ring_s=20, sound="beep")


async def test_a_text_is_one_line_of_ami_however_long_and_hostile_it_is() -> None:
    session = Session()
    words = Words("999\r\nAction: Hangup", "Ω\n" * 5000)
    assert await Message(session, "203", most_characters=600).send(words, alarm(), notice()) is Receipt.SENT
    (action,) = session.asked
    assert (action["Action"], action["To"]) == ("MessageSend", "pjsip:203")
    assert all(len(f"{key}: {value}\r\n") < 1024 for key, value in action.items())
    body = base64.b64decode(action["Base64Body"]).decode()
    assert body.startswith("999\r\nAction: Hangup\nΩ\n")
    assert len(body.encode()) <= 720


async def test_a_text_is_cut_where_the_operator_says() -> None:
    session = Session()
    await Message(session, "203", most_characters=70).send(Words("t", "x" * 500), alarm(), notice())
    assert len(base64.b64decode(session.asked[0]["Base64Body"])) == 70


async def test_what_a_ring_asks_for() -> None:
    session = Session(rang("Success", "4"))
    assert await bell(session).send(Words(), alarm(), notice()) is Receipt.DELIVERED
    assert session.asked == [
        {
            "Action": "Originate",
            "Channel": "PJSIP/204",
            "Application": "Playback",
            "Data": "beep&beep&beep",
            "Async": "true",
            "CallerID": '"999 desk" <>',
            "Timeout": "20000",
        }
    ]
    assert session.completes == ["OriginateResponse"]
    assert session.limit_s is not None
    assert session.limit_s > 20


async def test_a_number_is_rung_over_a_trunk() -> None:
    session = Session(rang("Success", "4"))
    await bell(session, "+447700900123").send(Words(), alarm(), notice())
    assert session.asked[0]["Channel"] == "PJSIP/+447700900123@204"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (rang("Failure", "3"), "unanswered"),
        (rang("Failure", "5"), "busy"),
        (rang("Failure", "8"), "congested"),
        (rang("Failure", "0"), "refused"),
        (rang("", ""), "refused"),
        (Answer(ok=False, headers={"Message": "Permission denied"}), "denied"),
        (Answer(ok=False, headers={"Message": "Channel not specified"}), "refused"),
        (SessionDown("closed"), "pbx_down"),
        (ValueError("a line break"), "unfit"),
    ],
)
async def test_why_nobody_was_reached(answer: Answer | Exception, kind: str) -> None:
    with pytest.raises(ChannelError) as caught:
        await bell(Session(answer)).send(Words(), alarm(), notice())
    assert caught.value.kind == kind


async def test_a_phone_that_is_not_registered_takes_no_text() -> None:
    session = Session(Answer(ok=False, headers={"Message": "Message failed to send."}))
    with pytest.raises(ChannelError) as caught:
        await Message(session, "203", most_characters=300).send(Words(), alarm(), notice())
    assert caught.value.kind == "refused"


async def test_what_would_be_a_second_action_is_not_sent() -> None:
    session = Session()
    with pytest.raises(ChannelError) as caught:
        await Message(session, "203\r\nAction: Hangup", most_characters=300).send(Words(), alarm(), notice())
    assert caught.value.kind == "unfit"
    assert session.asked == []
