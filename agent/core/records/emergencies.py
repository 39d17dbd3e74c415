"""Calls to the emergency services, and who looked at them.

Where the caller was, and whatever the emergency services may ask, is personal. An entry of the timeline and the reason
of a look are not: the one names no person, and the other must be on record before anybody is shown where to send help,
whether keys can be had or not.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.registrations import Certainty
from agent.core.records.terms import ID, LINK, NOBODY, Handled, Locked, Readers, RetentionClass, Role


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """One call to an emergency number, from dialling to hang-up (P05)."""

    KIND: ClassVar[str] = "emergency"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; obligation to carry emergency calls"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER, Role.CUSTOMER))
    AGED_BY: ClassVar[tuple[str, ...]] = ("ended_at", "started_at")

    id: Annotated[str, ID]
    line: Annotated[str | None, "say who called", Handled()]
    number: Annotated[str, "which emergency number"]
    ip: Annotated[str | None, "locate the caller", Locked()]
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
    links: Annotated[tuple[str, ...], LINK, NOBODY] = ()
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
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.SERVICES))
    AGED_BY: ClassVar[tuple[str, ...]] = ("until_at",)

    id: Annotated[str, ID]
    emergency: Annotated[str, "which emergency"]
    cli: Annotated[str | None, "number that the emergency services were shown, to be called back on", Locked()] = None
    address: Annotated[str | None, "where to send help: address, floor and room on file", Locked()] = None
    contact: Annotated[str | None, "who lets help in", Locked()] = None
    until_at: Annotated[int | None, "when it goes; none while the call is up"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an emergency's timeline; written once, chained to the line before it."""

    KIND: ClassVar[str] = "entry"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.EMERGENCY
    BASIS: ClassVar[str] = "vital interests; accountability"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.OFFICER))

    id: Annotated[str, ID]
    emergency: Annotated[str, "which emergency"]
    seq: Annotated[int, "its place in the timeline, from 1"]
    at: Annotated[int, "when it happened"]
    what: Annotated[str, "what happened: one word of the agent's own"]
    detail: Annotated[str, "which trunk, which outcome, which channel of notice; nothing of a person"] = ""
    by: Annotated[str | None, "who did it, where somebody did"] = None
    chain: Annotated[str, "keyed hash over the line and the line before it: shows a line changed or missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Somebody looked at the fuller view of an emergency."""

    KIND: ClassVar[str] = "look"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT
    BASIS: ClassVar[str] = "security: who has seen what"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))

    id: Annotated[str, ID]
    at: Annotated[int, "when"]
    by: Annotated[str, "who"]
    emergency: Annotated[str, "which emergency"]
    reason: Annotated[str, "why, in their own words"]
