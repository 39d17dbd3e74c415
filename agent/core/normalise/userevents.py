"""What our dialplan says of emergencies and recordings (dialplan/README.md), at once and in its journal."""

from collections.abc import Mapping

from agent.core.instants import from_epoch
from agent.core.normalise.identity import NAME_LIMIT, Linker, Reader, ip_of, line_of, on_channel
from agent.core.records import Trigger
from agent.core.signals import Ask, EmergencyStage, Probed, Proved, RecordingAsked, Signal, Stage, Strange
from agent.core.wire import Message

_STAGES = frozenset(Stage)
_ASKS = frozenset(Ask)
_TRIGGERS = frozenset(Trigger) - {Trigger.NONE}


#: Longer is no telephone number (E.164 has 15 digits).
_CLI_LIMIT = 32

#: What the dialplan says that it is o'clock, and what Asterisk does, are one clock's.
_DAY_MS = 86_400_000


def _user_event(message: Message, at: int, link: Linker) -> Signal | None:
    subject = message.get("UserEvent")
    if subject == "Emergency":
        return _emergency(message, at, link)
    if subject == "EmergencyProbe":
        return Probed(at=at)
    if subject == "EmergencyProof":
        return _proof(message, at, link)
    if subject == "Recording":
        return _recording(message, at, link)
    return None


def _emergency(message: Message, at: int, link: Linker) -> Signal:
    if not _of_a_channel(message):
        return Strange(at=at)
    told = from_epoch(message.get("At"))
    if told is not None and abs(told - at) <= _DAY_MS:
        at = told
    return stage_of(message.headers, at, link, line=line_of(message.get("Channel")))


def _of_a_channel(message: Message) -> bool:
    """Whether a dialplan sent it: then Asterisk's snapshot of the channel comes before all that the dialplan adds.

    The action UserEvent can add a Uniqueid of its choice, but only behind the event's name (seen on 16 and 22).
    """
    first = next((key for key in message.headers if key in ("Uniqueid", "UserEvent")), "")
    return first == "Uniqueid" and bool(message.get("Uniqueid"))


def stage_of(
    headers: Mapping[str, str], at: int, link: Linker, *, line: str | None, journal: bool = False
) -> EmergencyStage:
    """The stage that ``headers`` tell of; those of an event and of a journal's entry are the same."""
    stage, attempt = headers.get("Stage", ""), headers.get("Attempt", "")
    return EmergencyStage(
        at=at,
        channel=link(headers.get("Uniqueid", "")),
        linked=link(headers.get("Linkedid", "")),
        line=line,
        stage=Stage(stage) if stage in _STAGES else Stage.STRANGE,
        call=link(headers.get("Call", "") or headers.get("Linkedid", "")),
        number=headers.get("Number", ""),
        trunk=headers.get("Trunk", "")[:NAME_LIMIT] or None,
        attempt=int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 4 else 0,
        test=headers.get("Test") == "1",
        ip=ip_of(headers.get("Address", "")),
        cli="".join(filter("+0123456789".__contains__, headers.get("Cli", "")))[:_CLI_LIMIT] or None,
        journal=journal,
    )


def _proof(message: Message, at: int, link: Linker) -> Proved:
    return Proved(
        at=at,
        call=link(message.get("Call")),
        trunk=message.get("Trunk")[:NAME_LIMIT],
        cli="".join(filter("+0123456789".__contains__, message.get("Cli")))[:_CLI_LIMIT],
        priority=message.get("SipPriority")[:NAME_LIMIT],
        resource_priority=message.get("ResourcePriority")[:NAME_LIMIT],
        location=message.get("Location") == "yes",
    )


def _recording(message: Message, at: int, link: Linker) -> Signal | None:
    ask, trigger = message.get("Action"), message.get("Trigger")
    if ask not in _ASKS or trigger not in _TRIGGERS:
        return None
    return RecordingAsked(
        at=at,
        **on_channel(message, link),
        ask=Ask(ask),
        trigger=Trigger(trigger),
    )


READERS: dict[str, Reader] = {"UserEvent": _user_event}
