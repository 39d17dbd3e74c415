"""Figures from which nobody can be read: no cell of fewer than ten lines, and none that others give away.

Cells that are too small are folded into coarser ones, step by step; what is too small at the end is left out. The cells
are a partition: each call is in one of them at the most, and no total is kept beside them that would count what was
left out. So there is nothing to subtract the shown ones from: a total of them is their sum.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agent.core.instants import rfc3339
from agent.core.purging import DAY_MS
from agent.core.records import Devices, Direction, NumberClass, Traffic

#: Lines that a cell is of at the least.
K = 10
#: A day is aggregated so long after its end, so that calls told late are in it.
SETTLED_MS = 2 * DAY_MS

Hour = tuple[int | None, Direction | None, NumberClass | None]
Make = tuple[str | None, str | None, str | None]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was counted: which lines it is of, and any number of counts."""

    lines: frozenset[str]
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one line in one hour of a day, in one direction to one class; of no line where none is known."""

    hour: int
    direction: Direction
    number_class: NumberClass
    line: str | None
    attempts: int
    answered: int
    carried_s: int


def folded(cells: Mapping[Key, Cell], coarser: Sequence[Callable[[Key], Key]], k: int = K) -> dict[Key, Cell]:
    """``cells``, those of fewer than ``k`` lines joined under their coarser key, one step after another.

    What is of fewer at the last step is left out. A step must give no key that a finer one may have.
    """
    shown, small = {key: cell for key, cell in cells.items() if len(cell.lines) >= k}, dict(cells)
    for coarsen in coarser:
        small = _joined((coarsen(key), cell) for key, cell in small.items() if len(cell.lines) < k)
        shown |= {key: cell for key, cell in small.items() if len(cell.lines) >= k}
    return shown


def traffic(day_at: int, calls: Iterable[Calls], k: int = K) -> list[Traffic]:
    """The figures of a day: by hour, direction and class; else of the rest of the day by both, by direction, in all."""
    cells: dict[Hour, Cell] = _joined(
        (
            (each.hour, each.direction, each.number_class),
            Cell(lines=_known(each.line), counts=(each.attempts, each.answered, each.carried_s)),
        )
        for each in calls
    )
    steps: tuple[Callable[[Hour], Hour], ...] = (
        lambda key: (None, key[1], key[2]),
        lambda key: (None, key[1], None),
        lambda _: (None, None, None),
    )
    return [
        Traffic(
            id=_id(day_at, key),
            day_at=day_at,
            clock_hour=key[0],
            direction=key[1],
            number_class=key[2],
            lines=len(cell.lines),
            attempts=cell.counts[0],
            answered=cell.counts[1],
            carried_s=cell.counts[2],
        )
        for key, cell in folded(cells, steps, k).items()
    ]


def devices(month_at: int, lines: Iterable[tuple[str, str, str, str]], k: int = K) -> list[Devices]:
    """The devices of a month, from (vendor, model, firmware, line): by firmware, else by model, by vendor, in all."""
    cells: dict[Make, Cell] = _joined(
        ((vendor, model, firmware), Cell(lines=_known(line))) for vendor, model, firmware, line in lines
    )
    steps: tuple[Callable[[Make], Make], ...] = (
        lambda key: (key[0], key[1], None),
        lambda key: (key[0], None, None),
        lambda _: (None, None, None),
    )
    return [
        Devices(
            id=_id(month_at, key),
            month_at=month_at,
            vendor=key[0],
            model=key[1],
            firmware=key[2],
            lines=len(cell.lines),
        )
        for key, cell in folded(cells, steps, k).items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What the figures of a day come to: ``asr`` is answered of attempts, ``erlangs`` the mean of the day.

    ``unplaced`` are the attempts of figures that are of no one hour: of the busy hour they may be some or none.
    """

    day_at: int
    attempts: int
    asr: float
    erlangs: float
    busy_hour: int | None
    busy_erlangs: float | None
    unplaced: int


def by_day(figures: Iterable[Traffic]) -> list[Day]:
    """The days of these figures, in order; each is the sum of what is shown of it, and of nothing else."""
    of_day: dict[int, list[Traffic]] = {}
    for figure in figures:
        of_day.setdefault(figure.day_at, []).append(figure)
    return [_day(at, of_day[at]) for at in sorted(of_day)]


def _day(at: int, figures: Sequence[Traffic]) -> Day:
    carried = [0] * 24
    for figure in figures:
        if figure.clock_hour is not None:
            carried[figure.clock_hour] += figure.carried_s
    attempts = sum(figure.attempts for figure in figures)
    busiest = max(range(24), key=lambda hour: (carried[hour], -hour))
    return Day(
        day_at=at,
        attempts=attempts,
        asr=round(sum(figure.answered for figure in figures) / attempts, 3),
        erlangs=_erlangs(sum(figure.carried_s for figure in figures), 24),
        busy_hour=busiest if carried[busiest] else None,
        busy_erlangs=_erlangs(carried[busiest], 1) if carried[busiest] else None,
        unplaced=sum(figure.attempts for figure in figures if figure.clock_hour is None),
    )


def _erlangs(carried_s: int, hours: int) -> float:
    """Lines that were taken up at a time, on average."""
    return round(carried_s / (3600 * hours), 3)


def settled(day_at: int, term_ms: int, now: int) -> bool:
    """Whether a day is to be aggregated: it is over, and either long enough, or some of it is about to go."""
    over = day_at + DAY_MS
    return now >= over and (now >= over + SETTLED_MS or now >= day_at + term_ms)


def _joined(cells: Iterable[tuple[Key, Cell]]) -> dict[Key, Cell]:
    lines: dict[Key, set[str]] = {}
    counts: dict[Key, tuple[int, ...]] = {}
    for key, cell in cells:
        lines.setdefault(key, set()).update(cell.lines)  # In place: a cell has as many as there are customers.
        before = counts.get(key)
        counts[key] = cell.counts if before is None else tuple(map(sum, zip(before, cell.counts, strict=True)))
    return {key: Cell(lines=frozenset(lines[key]), counts=counts[key]) for key in lines}


def _known(line: str | None) -> frozenset[str]:
    return frozenset(() if line is None else (line,))


def _id(at: int, key: Sequence[object]) -> str:
    return " ".join((rfc3339(at)[:10], *("-" if part is None else str(part) for part in key)))
