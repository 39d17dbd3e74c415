"""What is known of the way that a 999 would go; nobody is in it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Readers, RetentionClass, Role


class Verdict(StrEnum):
    """What a context does with an emergency number: ours, ours but easily beaten, something else, not seen."""

    OURS = "ours"
    WEAK = "weak"
    BROKEN = "broken"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What one context does with one emergency number; no person in it."""

    KIND: ClassVar[str] = "path"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "obligation to carry emergency calls"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER))

    id: Annotated[str, ID]
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
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER))

    id: Annotated[str, ID]
    at: Annotated[int, "when it came through"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A time in which one AMI session was not listening; no person in it."""

    KIND: ClassVar[str] = "blind"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "accountability: say what cannot have been seen"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER))

    id: Annotated[str, ID]
    session: Annotated[str, "express or bulk"]
    cause: Annotated[str, "why it was blind"]
    from_at: Annotated[int, "begin of the gap"]
    until_at: Annotated[int | None, "end of the gap"] = None
