"""Traffic and devices in figures for planning, from which nobody can be read."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.calls import Direction, NumberClass
from agent.core.records.terms import Readers, RetentionClass, Role

_PLACE = "keep one for each place in its period: these, one behind the other"
_FOLDED = "none: of several together that are too few each"
_LINES = "show that it is of enough lines that nobody can be read from it"


class Aggregated(StrEnum):
    """What is aggregated."""

    TRAFFIC = "traffic"
    DEVICES = "devices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The calls of one hour, in one direction, to one class of numbers; of at least ten lines (P07)."""

    KIND: ClassVar[str] = "traffic"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.PLANNING
    BASIS: ClassVar[str] = "legitimate interests: planning of the network"
    READERS: ClassVar[Readers] = frozenset((Role.ENGINEER,))

    id: Annotated[str, _PLACE]
    day_at: Annotated[int, "which day (UTC), its first instant"]
    clock_hour: Annotated[int | None, f"find the busy hour (0 to 23, UTC, in which they were placed); {_FOLDED}"]
    direction: Annotated[Direction | None, f"plan trunks by direction; {_FOLDED}"]
    number_class: Annotated[NumberClass | None, f"plan trunks by what is called; {_FOLDED}"]
    lines: Annotated[int, _LINES]
    attempts: Annotated[int, "how many legs of calls were placed"]
    answered: Annotated[int, "how many of them were answered: the answer-seizure ratio"]
    carried_s: Annotated[int, "how long they took up their lines: Erlangs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """How many lines had one make of device in one month; at least ten (P07)."""

    KIND: ClassVar[str] = "devices"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.PLANNING
    BASIS: ClassVar[str] = "legitimate interests: planning of the network"
    READERS: ClassVar[Readers] = frozenset((Role.ENGINEER,))

    id: Annotated[str, _PLACE]
    month_at: Annotated[int, "which month (UTC), its first instant"]
    vendor: Annotated[str | None, f"plan for what is in use; {_FOLDED}"]
    model: Annotated[str | None, f"plan for what is in use; {_FOLDED}"]
    firmware: Annotated[str | None, f"plan for what is in use; {_FOLDED}"]
    lines: Annotated[int, _LINES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """That one day or month was aggregated, so that it is once and for all; nobody in it."""

    KIND: ClassVar[str] = "aggregate"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.PLANNING
    BASIS: ClassVar[str] = "accountability: show what the figures are of"
    READERS: ClassVar[Readers] = frozenset((Role.ENGINEER,))

    id: Annotated[str, _PLACE]
    of: Annotated[Aggregated, "what was aggregated"]
    period_at: Annotated[int, "which day or month, its first instant"]
    at: Annotated[int, "when it was"]
    cells: Annotated[int, "how many figures there are of it"]
