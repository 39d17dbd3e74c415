"""Texts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.calls import Direction, NumberClass
from agent.core.records.terms import Handled, Locked, Readers, RetentionClass, Role


class TextSize(StrEnum):
    """How much a text says, in bytes: to 160, to 480, more."""

    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


class TextOutcome(StrEnum):
    """What became of a text: handed on (nobody tells whether it arrived), not handed on, refused as it was to 999."""

    SENT = "sent"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One text, never what it says (P04, P13, P14)."""

    KIND: ClassVar[str] = "text"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CALL
    BASIS: ClassVar[str] = "contract; PECR regulation 7"
    AGED_BY: ClassVar[tuple[str, ...]] = ("at",)
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.BILLING))

    id: Annotated[str, "keep each once, however often it is read: keyed hash of the line that the dialplan wrote of it"]
    line: Annotated[str | None, "say whose text it is; none where its sender is no line", Handled()]
    direction: Annotated[Direction, "bill what went out, and nothing else"]
    number_class: Annotated[NumberClass, "rate it; keep what is free off every bill"]
    number: Annotated[str | None, "itemise it for the customer", Locked(indexed=True)] = None
    at: Annotated[int, "when it was sent"]
    size: Annotated[TextSize, "rate it, and plan the network"]
    outcome: Annotated[TextOutcome, "whether it was handed on"]
    itemised: Annotated[bool, "whether it may stand on a bill, and so how long it is kept"] = False
    area: Annotated[str | None, "what stays of the number when it goes; none where it stands on no bill"] = None
