"""What somebody has to look at, and who was told."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Readers, RetentionClass, Role


class Cause(StrEnum):
    """What an alarm is about."""

    EMERGENCY = "emergency"
    REHEARSAL = "rehearsal"
    LOCATION = "location"
    PATH = "path"
    TRUNK = "trunk"
    ADDRESS = "address"
    PROBE = "probe"
    CHANNEL = "channel"
    RECORDING = "recording"
    VOICEMAIL = "voicemail"
    HOLD = "hold"
    REQUEST = "request"
    TEXT = "text"
    STORE = "store"
    CLOCK = "clock"


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    WARNING = "warning"


class News(StrEnum):
    """What a notice tells of its alarm."""

    RAISED = "raised"
    WORSENED = "worsened"
    ESCALATED = "escalated"
    CLEARED = "cleared"
    CLOSED = "closed"


class Delivery(StrEnum):
    """How far a notice has come: handed over to its channel, received (where the channel tells), or of no use now."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that somebody has to look at: an emergency, or what stands in the way of the next one."""

    KIND: ClassVar[str] = "alarm"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; obligation to carry emergency calls"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER))

    id: Annotated[str, ID]
    cause: Annotated[Cause, "what it is about"]
    subject: Annotated[str, "the record, context, trunk or channel that it is about"]
    what: Annotated[str, "one line for the desk; nothing of a person"] = ""
    severity: Annotated[Severity, "how soon somebody has to look"]
    test: Annotated[bool, "a rehearsal"] = False
    level: Annotated[int, "how far it was escalated, from 1"] = 1
    raised_at: Annotated[int, "when it was raised"]
    acknowledged_at: Annotated[int | None, "when somebody took it on"] = None
    acknowledged_by: Annotated[str | None, "who took it on"] = None
    escalated_at: Annotated[int | None, "when it was last escalated, nobody having taken it on"] = None
    cleared_at: Annotated[int | None, "when its cause went"] = None
    closed_at: Annotated[int | None, "when it was closed"] = None
    closed_by: Annotated[str | None, "who closed it; none when it closed by itself"] = None
    comment: Annotated[str | None, "what came of it"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One telling of one alarm on one channel."""

    KIND: ClassVar[str] = "notice"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "accountability: show that the desk was told"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER))

    id: Annotated[str, ID]
    alarm: Annotated[str, "which alarm"]
    cause: Annotated[Cause, "an emergency's go first"]
    channel: Annotated[str, "the channel's name in the configuration"]
    news: Annotated[News, "what is told"]
    state: Annotated[Delivery, "how far it has come"] = Delivery.PENDING
    raised_at: Annotated[int, "when it was due"]
    try_at: Annotated[int, "when it is tried next"]
    attempts: Annotated[int, "how often it was tried"] = 0
    error: Annotated[str | None, "the kind of the last failure"] = None
    sent_at: Annotated[int | None, "when the channel took it"] = None
    delivered_at: Annotated[int | None, "when it was received, where the channel tells"] = None
    done_at: Annotated[int | None, "when nothing more was to be done"] = None
