"""Ordinary calls."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import Handled, Locked, Readers, RetentionClass, Role


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One leg of an ordinary call: one CDR of Asterisk's (P03, P04, P14); of an emergency: that it was one."""

    KIND: ClassVar[str] = "call"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CALL
    BASIS: ClassVar[str] = "contract; PECR regulation 7"
    AGED_BY: ClassVar[tuple[str, ...]] = ("started_at",)
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.BILLING))

    id: Annotated[str, "keep each once, however often it is read: keyed hash of Asterisk's own identity of the CDR"]
    call: Annotated[str, "tell which legs were one call; keyed hash of Asterisk's Linkedid"]
    line: Annotated[str | None, "say whose call it is; none where Asterisk does not tell", Handled()]
    direction: Annotated[Direction, "bill what went out, and nothing else"]
    number_class: Annotated[NumberClass, "rate it; keep what is free off every bill"]
    number: Annotated[str | None, "itemise it for the customer", Locked(indexed=True)] = None
    forwarded_class: Annotated[NumberClass | None, "rate a forwarded call; none where it was not forwarded"] = None
    forwarded: Annotated[str | None, "itemise it for the customer", Locked()] = None
    started_at: Annotated[int, "when it was placed"]
    duration_s: Annotated[int, "plan the network: how long it took up its line"]
    billable_s: Annotated[int, "bill it to the second, as Asterisk counted; of an emergency always 0"]
    outcome: Annotated[CallOutcome, "whether it got through"]
    recorded: Annotated[bool, "whether any of it was recorded"] = False
    itemised: Annotated[bool, "whether it may stand on a bill, and so how long it is kept"] = False
    area: Annotated[str | None, "what stays of the number when it goes; none where it stands on no bill"] = None
