"""What our dialplan says of emergencies and recordings (dialplan/README.md)."""

from agent.core.normalise.identity import NAME_LIMIT, Linker, Reader, on_channel
from agent.core.records import Trigger
from agent.core.signals import Ask, EmergencyStage, RecordingAsked, Signal, Stage
from agent.core.wire import Message

_STAGES = frozenset(Stage)
_ASKS = frozenset(Ask)
_TRIGGERS = frozenset(Trigger) - {Trigger.NONE}


def _user_event(message: Message, at: int, link: Linker) -> Signal | None:
    subject = message.get("UserEvent")
    if subject == "Emergency":
        return _emergency(message, at, link)
    if subject == "Recording":
        return _recording(message, at, link)
    return None


def _emergency(message: Message, at: int, link: Linker) -> Signal:
    stage, attempt = message.get("Stage"), message.get("Attempt")
    return EmergencyStage(
        at=at,
        **on_channel(message, link),
        stage=Stage(stage) if stage in _STAGES else Stage.STRANGE,
        call=link(message.get("Call") or message.get("Linkedid")),
        number=message.get("Number"),
        trunk=message.get("Trunk")[:NAME_LIMIT] or None,
        attempt=int(attempt) if attempt.isascii() and attempt.isdigit() and len(attempt) < 4 else 0,
        test=message.get("Test") == "1",
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
