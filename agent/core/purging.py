"""What goes when: the plan of the purge, and what it came to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from agent.core.records import RECORDS, Ground, Record, RetentionClass, retentions

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The records of one kind and class, of which those that ended before ``before`` (ms) go.

    ``of_class`` is None where the kind has no other class. What is younger than ``consented_before`` (ms) stays where
    the customer has consented to a history of what is on no bill (PECR regulation 7(3)); None: consent changes nothing.
    """

    kind: str
    retention: RetentionClass
    of_class: RetentionClass | None
    before: int
    ground: Ground
    consented_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many records, and when the first and the last of them had ended (ms)."""

    records: int
    oldest_at: int
    newest_at: int


def counted(ended: Iterable[int], before: Count | None = None) -> Count | None:
    """``before``, and the records that ended at these instants (ms) as well; None while there are none."""
    instants = list(ended)
    known = [*instants, *(() if before is None else (before.oldest_at, before.newest_at))]
    if not known:
        return None
    already = 0 if before is None else before.records
    return Count(records=already + len(instants), oldest_at=min(known), newest_at=max(known))


def plan(days: Callable[[RetentionClass], int], now: int, kinds: Iterable[type[Record]] = RECORDS) -> tuple[Step, ...]:
    """What goes at ``now`` (ms): each kind of record, of calls each class, by the term of that.

    What goes of itemised calls leaves totals behind (`agent.core.records.Total`).
    """
    return tuple(
        Step(
            kind=record.KIND,
            retention=retention,
            of_class=retention if len(classes) > 1 else None,
            before=now - days(retention) * DAY_MS,
            ground=Ground.CUT if retention is RetentionClass.CALL else Ground.EXPIRED,
            consented_before=(
                now - days(RetentionClass.CALL) * DAY_MS if retention is RetentionClass.UNBILLED else None
            ),
        )
        for record in kinds
        for classes in (retentions(record),)
        for retention in classes
    )
