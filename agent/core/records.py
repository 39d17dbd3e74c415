"""Everything that is kept: one frozen class a table, each field with its purpose."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from agent.core.instants import rfc3339


class RetentionClass(StrEnum):
    """A kind of record with its own term; the days are configuration."""

    REGISTRATION = "registration"
    EMERGENCY = "emergency"
    RECORDING = "recording"
    OPERATIONS = "operations"


class Outcome(StrEnum):
    """How an emergency call ended."""

    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    FAILED = "failed"


class SeenBy(StrEnum):
    """What told of an emergency: our dialplan's events, plain call events, or (reserved) a journal in AstDB."""

    DIALPLAN = "dialplan"
    CALLS = "calls"
    JOURNAL = "journal"


class IpSource(StrEnum):
    """Where a registration's address was taken from, best first."""

    SECURITY = "security"
    PROXY = "proxy"
    CONTACT = "contact"


class Trigger(StrEnum):
    """What started a recording; ``none`` is a recording that nobody opted into."""

    BUTTON = "button"
    CODE = "code"
    SERVICE = "service"
    PA = "pa"
    CUSTOMER_SERVICE = "customer_service"
    NONE = "none"


class RecordingState(StrEnum):
    """Where a recording stands."""

    OPTED_IN = "opted_in"
    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"
    NOT_STARTED = "not_started"


_ID = "tell records apart; random, says nothing of the person"
_LINK = "find an open record again after a restart; keyed hashes, dropped when the record closes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A span in which one phone was registered to one line from one address (P10)."""

    KIND: ClassVar[str] = "registration"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.REGISTRATION
    BASIS: ClassVar[str] = "contract; detection of fraud"

    id: Annotated[str, _ID]
    line: Annotated[str, "say whose phone it is"]
    ip: Annotated[str | None, "locate a phone that calls 999; trace misuse of an account"]
    ip_source: Annotated[IpSource, "say how far the address can be trusted"]
    transport: Annotated[str | None, "tell an unencrypted registration from an encrypted one"]
    vendor: Annotated[str, "support a device; find the devices a fault touches"]
    model: Annotated[str, "support a device; find the devices a fault touches"]
    firmware: Annotated[str, "find devices whose firmware generation has a known fault"]
    first_seen: Annotated[int, "begin of the span"]
    last_seen: Annotated[int, "last proof of the span"]
    refreshes: Annotated[int, "tell a steady phone from a flapping one"]
    ended_at: Annotated[int | None, "end of the span"] = None
    links: Annotated[tuple[str, ...], _LINK] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """One call to an emergency number, from dialling to hang-up (P05)."""

    KIND: ClassVar[str] = "emergency"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; obligation to carry emergency calls"

    id: Annotated[str, _ID]
    line: Annotated[str | None, "say who called"]
    number: Annotated[str, "which emergency number"]
    ip: Annotated[str | None, "locate the caller"]
    vendor: Annotated[str | None, "tell whether the device can hold an emergency call"]
    model: Annotated[str | None, "tell whether the device can hold an emergency call"]
    started_at: Annotated[int, "when it was dialled"]
    answered_at: Annotated[int | None, "when the emergency services answered"] = None
    ended_at: Annotated[int | None, "when it ended"] = None
    outcome: Annotated[Outcome, "whether the caller got through"] = Outcome.IN_PROGRESS
    trunk: Annotated[str | None, "which trunk carried it"] = None
    attempts: Annotated[int, "how many trunks were tried"] = 0
    ring_ms: Annotated[int | None, "time to answer, from dialling; none when it was not witnessed"] = None
    talk_ms: Annotated[int | None, "length of the conversation; none when its end was not witnessed"] = None
    seen_by: Annotated[SeenBy, "what told of it"]
    blind: Annotated[bool, "whether part of it passed while the agent was not listening"] = False
    test: Annotated[bool, "a rehearsal, not an emergency"] = False
    links: Annotated[tuple[str, ...], _LINK] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A gap in a recording; ``resumed_at`` is None when it was never resumed."""

    paused_at: int
    resumed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording of a call's content, or one opt-in that started none (P11)."""

    KIND: ClassVar[str] = "recording"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.RECORDING
    BASIS: ClassVar[str] = "consent"

    id: Annotated[str, _ID]
    line: Annotated[str | None, "say who opted in, or on whose leg an unasked recording ran"]
    leg: Annotated[str | None, "whether the caller or the callee asked"]
    trigger: Annotated[Trigger, "which of the published triggers it was"]
    opted_in: Annotated[bool, "whether anybody asked for it"]
    started_at: Annotated[int | None, "when capture began; none if it never did"] = None
    stopped_at: Annotated[int | None, "when capture, or the opt-in, ended"] = None
    pauses: Annotated[tuple[Pause, ...], "when nothing was captured"] = ()
    state: Annotated[RecordingState, "where it stands"]
    blind: Annotated[bool, "whether part of it passed while the agent was not listening"] = False
    links: Annotated[tuple[str, ...], _LINK] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How many registration attempts failed for one cause within one hour; no person in it."""

    KIND: ClassVar[str] = "failure"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "security of the network"

    id: Annotated[str, _ID]
    hour: Annotated[int, "the hour counted, its first instant"]
    cause: Annotated[str, "the kind of failure"]
    count: Annotated[int, "how many"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A time in which one AMI session was not listening; no person in it."""

    KIND: ClassVar[str] = "blind"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "accountability: say what cannot have been seen"

    id: Annotated[str, _ID]
    session: Annotated[str, "express or bulk"]
    cause: Annotated[str, "why it was blind"]
    from_at: Annotated[int, "begin of the gap"]
    until_at: Annotated[int | None, "end of the gap"] = None


Record = Registration | Emergency | Recording | Failure | Blind
RECORDS: tuple[type[Record], ...] = (Registration, Emergency, Recording, Failure, Blind)

#: Fields that count milliseconds since 1970; shown and stored as RFC 3339 text, which sorts in the order of time.
INSTANTS = frozenset(
    (
        "first_seen",
        "last_seen",
        "ended_at",
        "started_at",
        "answered_at",
        "stopped_at",
        "hour",
        "from_at",
        "until_at",
    )
)
_INTERNAL = frozenset(("links",))


def document(record: Record) -> dict[str, Any]:
    """The record as others see it: ``kind`` first, times in RFC 3339 UTC, without the restart links."""
    shown: dict[str, Any] = {"kind": record.KIND}
    for item in fields(record):
        if item.name in _INTERNAL:
            continue
        value = getattr(record, item.name)
        if item.name in INSTANTS and value is not None:
            value = rfc3339(value)
        elif item.name == "pauses":
            value = [
                {
                    "paused_at": rfc3339(pause.paused_at),
                    "resumed_at": None if pause.resumed_at is None else rfc3339(pause.resumed_at),
                }
                for pause in value
            ]
        shown[item.name] = value
    return shown
