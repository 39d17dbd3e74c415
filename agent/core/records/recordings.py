"""Recordings of calls, what they rest on, and what became of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, LINK, NOBODY, Handled, Locked, Readers, RetentionClass, Role

#: Who works here is not the customer's to know.
_STAFF: Readers = frozenset((Role.SUPPORT, Role.OFFICER))
_OFFICER: Readers = frozenset((Role.OFFICER,))


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


#: Which class of content each trigger makes.
CONTENT_CLASS = {
    Trigger.BUTTON: ContentClass.USER,
    Trigger.CODE: ContentClass.USER,
    Trigger.SERVICE: ContentClass.USER,
    Trigger.PA: ContentClass.PA,
    Trigger.CUSTOMER_SERVICE: ContentClass.CUSTOMER_SERVICE,
}


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
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.OFFICER))

    id: Annotated[str, ID]
    line: Annotated[str | None, "say who opted in, or on whose leg an unasked recording ran", Handled()]
    leg: Annotated[str | None, "whether the caller or the callee asked"]
    trigger: Annotated[Trigger, "which of the published triggers it was"]
    opted_in: Annotated[bool, "whether anybody asked for it"]
    started_at: Annotated[int | None, "when capture began; none if it never did"] = None
    stopped_at: Annotated[int | None, "when capture, or the opt-in, ended"] = None
    pauses: Annotated[tuple[Pause, ...], "when nothing was captured"] = ()
    state: Annotated[RecordingState, "where it stands"]
    blind: Annotated[bool, "whether part of it passed while the agent was not listening"] = False
    links: Annotated[tuple[str, ...], LINK, NOBODY] = ()
    optin: Annotated[str | None, "which opt-in it rests on"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptIn:
    """Somebody's wish that calls be recorded: for one call by a press, or until it is withdrawn (P11)."""

    KIND: ClassVar[str] = "optin"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "accountability: show that the recording was asked for"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.OFFICER))
    AGED_BY: ClassVar[tuple[str, ...]] = ("withdrawn_at",)

    id: Annotated[str, ID]
    line: Annotated[str, "whose calls; of customer services the queue or number", Handled()]
    trigger: Annotated[Trigger, "which of the published triggers it allows"]
    calls: Annotated[Calls, "which of the calls"]
    how: Annotated[How, "how it was given"]
    by: Annotated[str | None, "who wrote it down; none where the line itself pressed", Locked(), _STAFF] = None
    purpose: Annotated[str, "what for, in the words of who wrote it down", Locked()] = ""
    given_at: Annotated[int, "since when"]
    withdrawn_at: Annotated[int | None, "until when"] = None
    withdrawn_by: Annotated[
        str | None, "who withdrew it; none: the call ended, or the line pressed", Locked(), _STAFF
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What became of the content of one recording; its ``id`` is the recording's, or of a stray file its own."""

    KIND: ClassVar[str] = "content"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.RECORDING
    BASIS: ClassVar[str] = "consent; accountability: show what was kept and what was destroyed"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.OFFICER))

    id: Annotated[str, ID]
    line: Annotated[str | None, "whose it is", Handled()] = None
    kept_as: Annotated[ContentClass | None, "how long it may be kept; none where nothing was"] = None
    state: Annotated[ContentState, "what became of it"]
    began_at: Annotated[int, "whose time on the line it is of: when capture began; of a stray file as the next"]
    stored_at: Annotated[int, "since when it is kept, or when it was destroyed"]
    size_bytes: Annotated[int, "length of what was captured"] = 0
    duration_ms: Annotated[int | None, "length of what was captured, in time; the pauses are not in it"] = None
    sha256: Annotated[str | None, "show that the encrypted file is whole"] = None
    key: Annotated[str | None, "which account's key its own key is wrapped with"] = None
    deleted_at: Annotated[int | None, "when it went"] = None
    deleted_by: Annotated[str | None, "who deleted it; none where the agent did", _OFFICER] = None
    reason: Annotated[Reason | None, "why it went"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Somebody used a recording."""

    KIND: ClassVar[str] = "access"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT
    BASIS: ClassVar[str] = "security: who has heard what"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))

    id: Annotated[str, ID]
    at: Annotated[int, "when"]
    by: Annotated[str, "who"]
    recording: Annotated[str, "which recording; empty for a list of them"]
    use: Annotated[Use, "what was done"]
    reason: Annotated[str, "why, in their own words"]
