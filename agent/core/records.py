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
    DETAIL = "detail"
    AUDIT = "audit"
    CONSENT = "consent"
    CALL = "call"
    UNBILLED = "unbilled"


class Outcome(StrEnum):
    """How an emergency call ended."""

    IN_PROGRESS = "in_progress"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    FAILED = "failed"


class SeenBy(StrEnum):
    """What told of an emergency: our dialplan's events, plain call events, or only its journal in AstDB."""

    DIALPLAN = "dialplan"
    CALLS = "calls"
    JOURNAL = "journal"


class Certainty(StrEnum):
    """How sure it is that a phone is where its address on file says."""

    EXPECTED = "expected"
    MOVED = "moved"
    UNKNOWN = "unknown"


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


class Verdict(StrEnum):
    """What a context does with an emergency number: ours, ours but easily beaten, something else, not seen."""

    OURS = "ours"
    WEAK = "weak"
    BROKEN = "broken"
    UNSEEN = "unseen"


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


class Calls(StrEnum):
    """Which calls of a line an opt-in is for; ``one`` is the call in which somebody asked."""

    ALL = "all"
    INCOMING = "incoming"
    OUTGOING = "outgoing"
    ONE = "one"


class How(StrEnum):
    """How an opt-in was given."""

    PRESS = "press"
    COMMAND = "command"
    ANNOUNCED = "announced"


class ContentClass(StrEnum):
    """Whose recording it is, and so how long it is kept; the days are configuration."""

    USER = "user"
    PA = "pa"
    CUSTOMER_SERVICE = "customer_service"


class ContentState(StrEnum):
    """What became of what was captured: encrypted and kept, gone without our doing, deleted, never kept."""

    KEPT = "kept"
    LOST = "lost"
    DELETED = "deleted"
    SHREDDED = "shredded"


class Reason(StrEnum):
    """Why content is not there any more."""

    EXPIRED = "expired"
    CUSTOMER = "customer"
    ERASURE = "erasure"
    MISTAKE = "mistake"
    UNASKED = "unasked"
    ORPHAN = "orphan"
    EMPTY = "empty"
    MISSING = "missing"


class Use(StrEnum):
    """What somebody did with a recording."""

    LISTED = "listed"
    PLAYED = "played"
    EXPORTED = "exported"
    DELETED = "deleted"


class NumberClass(StrEnum):
    """A kind of number (`agent.core.numbering`); what is freephone or a helpline stands on no bill."""

    GEOGRAPHIC = "geographic"
    MOBILE = "mobile"
    FREEPHONE = "freephone"
    HELPLINE = "helpline"
    INTERNATIONAL = "international"
    PREMIUM = "premium"
    INTERNAL = "internal"
    EMERGENCY = "emergency"
    UNKNOWN = "unknown"


class Direction(StrEnum):
    """Which way a call went, seen from its line."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    INTERNAL = "internal"


class CallOutcome(StrEnum):
    """How an ordinary call ended, as Asterisk says; it tells a call that its caller gave up only where set up so."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: Which class of content each trigger makes.
CONTENT_CLASS = {
    Trigger.BUTTON: ContentClass.USER,
    Trigger.CODE: ContentClass.USER,
    Trigger.SERVICE: ContentClass.USER,
    Trigger.PA: ContentClass.PA,
    Trigger.CUSTOMER_SERVICE: ContentClass.CUSTOMER_SERVICE,
}


_ID = "tell records apart; random, says nothing of the person"
_LINK = "find an open record again after a restart; keyed hashes and instants, dropped when it can change no more"


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
    site: Annotated[str | None, "say before a call which address 999 would be given"] = None
    certainty: Annotated[Certainty | None, "warn of a phone that is not where its address says"] = None


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
    site: Annotated[str | None, "send help to the right address"] = None
    certainty: Annotated[Certainty | None, "say how far the address can be trusted"] = None
    preempted: Annotated[bool, "whether an ordinary call was given up for it"] = False
    callbacks: Annotated[int, "how often the emergency services reached the caller again"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What the emergency services may ask about a call within the hour after it; then it is deleted."""

    KIND: ClassVar[str] = "detail"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.DETAIL
    BASIS: ClassVar[str] = "vital interests"

    id: Annotated[str, _ID]
    emergency: Annotated[str, "which emergency"]
    cli: Annotated[str | None, "the number that the emergency services were shown, to be called back on"] = None
    address: Annotated[str | None, "where to send help: address, floor and room on file"] = None
    contact: Annotated[str | None, "who lets help in"] = None
    until_at: Annotated[int | None, "when it goes; none while the call is up"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an emergency's timeline; written once, chained to the line before it."""

    KIND: ClassVar[str] = "entry"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; accountability"

    id: Annotated[str, _ID]
    emergency: Annotated[str, "which emergency"]
    seq: Annotated[int, "its place in the timeline, from 1"]
    at: Annotated[int, "when it happened"]
    what: Annotated[str, "what happened: one word of the agent's own"]
    detail: Annotated[str, "which trunk, which outcome, which channel of notice; nothing of a person"] = ""
    by: Annotated[str | None, "who did it, where somebody did"] = None
    chain: Annotated[str, "keyed hash over the line and the line before it: shows a line changed or missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that somebody has to look at: an emergency, or what stands in the way of the next one."""

    KIND: ClassVar[str] = "alarm"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; obligation to carry emergency calls"

    id: Annotated[str, _ID]
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

    id: Annotated[str, _ID]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Somebody looked at the fuller view of an emergency."""

    KIND: ClassVar[str] = "look"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT
    BASIS: ClassVar[str] = "security: who has seen what"

    id: Annotated[str, _ID]
    at: Annotated[int, "when"]
    by: Annotated[str, "who"]
    emergency: Annotated[str, "which emergency"]
    reason: Annotated[str, "why, in their own words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What one context does with one emergency number; no person in it."""

    KIND: ClassVar[str] = "path"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "obligation to carry emergency calls"

    id: Annotated[str, _ID]
    context: Annotated[str, "the context that phones land in"]
    number: Annotated[str, "what is dialled"]
    verdict: Annotated[Verdict, "whether the call would go out"]
    route: Annotated[str, "what the dialplan would run, to tell a change"]
    since_at: Annotated[int, "since when it is so"]
    gone_at: Annotated[int | None, "when no phone landed there any more"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The last dead-man probe that came all the way through Asterisk into the store."""

    KIND: ClassVar[str] = "probe"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "obligation to carry emergency calls"

    id: Annotated[str, _ID]
    at: Annotated[int, "when it came through"]


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
    optin: Annotated[str | None, "which opt-in it rests on"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptIn:
    """Somebody's wish that calls be recorded: for one call by a press, or until it is withdrawn (P11)."""

    KIND: ClassVar[str] = "optin"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "accountability: show that the recording was asked for"

    id: Annotated[str, _ID]
    line: Annotated[str, "whose calls; of customer services the queue or number"]
    trigger: Annotated[Trigger, "which of the published triggers it allows"]
    calls: Annotated[Calls, "which of the calls"]
    how: Annotated[How, "how it was given"]
    by: Annotated[str | None, "who wrote it down; none where the line itself pressed"] = None
    purpose: Annotated[str, "what for, in the words of who wrote it down"] = ""
    given_at: Annotated[int, "since when"]
    withdrawn_at: Annotated[int | None, "until when"] = None
    withdrawn_by: Annotated[str | None, "who withdrew it; none where the call ended or the line pressed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What became of the content of one recording; its ``id`` is the recording's, or of a stray file its own."""

    KIND: ClassVar[str] = "content"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.RECORDING
    BASIS: ClassVar[str] = "consent; accountability: show what was kept and what was destroyed"

    id: Annotated[str, _ID]
    line: Annotated[str | None, "whose it is"] = None
    kept_as: Annotated[ContentClass | None, "how long it may be kept; none where nothing was"] = None
    state: Annotated[ContentState, "what became of it"]
    stored_at: Annotated[int, "since when it is kept, or when it was destroyed"]
    size_bytes: Annotated[int, "length of what was captured"] = 0
    duration_ms: Annotated[int | None, "length of what was captured, in time; the pauses are not in it"] = None
    sha256: Annotated[str | None, "show that the encrypted file is whole"] = None
    key: Annotated[str | None, "which account's key its own key is wrapped with"] = None
    deleted_at: Annotated[int | None, "when it went"] = None
    deleted_by: Annotated[str | None, "who deleted it; none where the agent did"] = None
    reason: Annotated[Reason | None, "why it went"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Somebody used a recording."""

    KIND: ClassVar[str] = "access"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT
    BASIS: ClassVar[str] = "security: who has heard what"

    id: Annotated[str, _ID]
    at: Annotated[int, "when"]
    by: Annotated[str, "who"]
    recording: Annotated[str, "which recording; empty for a list of them"]
    use: Annotated[Use, "what was done"]
    reason: Annotated[str, "why, in their own words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """One purge of the voicemail spool; counts alone, nobody in it (P15)."""

    KIND: ClassVar[str] = "purge"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "accountability: show that voicemails are regularly deleted"

    id: Annotated[str, _ID]
    at: Annotated[int, "when it began"]
    done_at: Annotated[int | None, "when it was through; none if it was interrupted"] = None
    mailboxes: Annotated[int, "how many mailboxes were looked at"] = 0
    heard: Annotated[int, "heard messages deleted"] = 0
    unheard: Annotated[int, "messages deleted that nobody had heard"] = 0
    trashed: Annotated[int, "messages deleted for good that their owner had deleted"] = 0
    leftover: Annotated[int, "parts of messages deleted that an interruption had left"] = 0
    kept: Annotated[int, "messages that may stay"] = 0
    due: Annotated[int, "messages that go within the time of the warning"] = 0
    failed: Annotated[int, "messages that should have gone and could not be deleted"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One leg of an ordinary call: one CDR of Asterisk's (P03, P04, P14); of an emergency: that it was one."""

    KIND: ClassVar[str] = "call"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CALL
    BASIS: ClassVar[str] = "contract; PECR regulation 7"

    id: Annotated[str, "keep each once, however often it is read: keyed hash of Asterisk's own identity of the CDR"]
    call: Annotated[str, "tell which legs were one call; keyed hash of Asterisk's Linkedid"]
    line: Annotated[str | None, "say whose call it is; none where Asterisk does not tell"]
    direction: Annotated[Direction, "bill what went out, and nothing else"]
    number_class: Annotated[NumberClass, "rate it; keep what is free off every bill"]
    number: Annotated[str | None, "itemise it for the customer; encrypted, none without a site key"] = None
    number_index: Annotated[str | None, "find the calls with a number; keyed hash, none without a site key"] = None
    forwarded_class: Annotated[NumberClass | None, "rate a forwarded call; none where it was not forwarded"] = None
    forwarded: Annotated[str | None, "itemise it for the customer; encrypted, none without a site key"] = None
    started_at: Annotated[int, "when it was placed"]
    duration_s: Annotated[int, "plan the network: how long it took up its line"]
    billable_s: Annotated[int, "bill it to the second, as Asterisk counted; of an emergency always 0"]
    outcome: Annotated[CallOutcome, "whether it got through"]
    recorded: Annotated[bool, "whether any of it was recorded"] = False
    itemised: Annotated[bool, "whether it may stand on a bill, and so how long it is kept"] = False


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


Record = (
    Registration
    | Emergency
    | Recording
    | Failure
    | Blind
    | Detail
    | Entry
    | Alarm
    | Notice
    | Look
    | Path
    | Probe
    | OptIn
    | Content
    | Access
    | Purge
    | Call
)
RECORDS: tuple[type[Record], ...] = (
    Registration,
    Emergency,
    Recording,
    Failure,
    Blind,
    Detail,
    Entry,
    Alarm,
    Notice,
    Look,
    Path,
    Probe,
    OptIn,
    Content,
    Access,
    Purge,
    Call,
)

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
        "at",
        "raised_at",
        "acknowledged_at",
        "escalated_at",
        "cleared_at",
        "closed_at",
        "try_at",
        "sent_at",
        "delivered_at",
        "done_at",
        "since_at",
        "gone_at",
        "given_at",
        "withdrawn_at",
        "stored_at",
        "deleted_at",
    )
)
_INTERNAL = frozenset(("links",))

Key = tuple[str, str]


def retentions(record: type[Record]) -> tuple[RetentionClass, ...]:
    """The classes of a kind of record: of calls those that may stand on a bill, and the rest (`Call.itemised`)."""
    return (RetentionClass.CALL, RetentionClass.UNBILLED) if record is Call else (record.RETENTION,)


def key_of(record: Record) -> Key:
    """What tells a record from all others: an id alone is its own within a kind only."""
    return record.KIND, record.id


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
