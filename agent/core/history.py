"""What of an account's calls and texts whoever sees its bill may be shown: nobody learns who called for help.

Freephone and helpline numbers and emergencies never come out of here, whatever the store says of them: each number is
looked at again. An account that is not itemised has sums alone (PECR 2003, regulation 9). What is on no bill (incoming,
or not answered) is shown with the account's history consent only; what stayed within the PBX never.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent.core.numbering import FREE, Plan
from agent.core.records import Account, Call, CallOutcome, Direction, NumberClass, Text, TextOutcome, TextSize

#: Short numbers of the network's own look like those within a PBX, and may cost something.
_HIDDEN = FREE - {NumberClass.INTERNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One call or text as the customer sees it.

    ``number`` as it is dialled in the country, None where it is not kept; ``at`` in ms since 1970 UTC.
    """

    kind: str
    at: int
    line: str
    direction: Direction
    number: str | None
    number_class: NumberClass
    outcome: CallOutcome | TextOutcome
    duration_s: int | None = None
    size: TextSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many calls, or texts, of one direction and class, and how long the calls were together."""

    kind: str
    direction: Direction
    number_class: NumberClass
    count: int
    duration_s: int


@dataclass(slots=True)
class History:
    """The items of ``account``, one after another, and what they come to."""

    account: Account
    plan: Plan
    _sums: dict[tuple[str, Direction, NumberClass], tuple[int, int]] = field(default_factory=dict)

    def items(self, records: Iterable[Call | Text]) -> Iterator[Item]:
        """What may be shown of ``records``: none where the account is not itemised, but they are counted."""
        for record in records:
            item = self._item(record)
            if item is None:
                continue
            key = item.kind, item.direction, item.number_class
            count, duration_s = self._sums.get(key, (0, 0))
            self._sums[key] = count + 1, duration_s + (item.duration_s or 0)
            if self.account.itemised:
                yield item

    def sums(self) -> list[Sum]:
        """What has been shown, or counted, until now."""
        return [
            Sum(kind=kind, direction=direction, number_class=number_class, count=count, duration_s=duration_s)
            for (kind, direction, number_class), (count, duration_s) in sorted(self._sums.items())
        ]

    def _item(self, record: Call | Text) -> Item | None:
        if record.line is None or record.direction is Direction.INTERNAL or record.number_class in FREE:
            return None
        if not record.itemised and not self.account.history_consent:
            return None
        if calls_for_help(self.plan, record.number or ""):
            return None
        return Item(
            kind=record.KIND,
            at=record.started_at if isinstance(record, Call) else record.at,
            line=record.line,
            direction=record.direction,
            number=self.plan.national(record.number or "") or None,
            number_class=record.number_class,
            outcome=record.outcome,
            duration_s=record.billable_s if isinstance(record, Call) else None,
            size=record.size if isinstance(record, Text) else None,
        )


def calls_for_help(plan: Plan, number: str) -> bool:
    """Whether ``number``, in any way that it can be read, is freephone, a helpline's or an emergency's."""
    # Also without an outside line and a withheld number before it.
    found = {number, plan.national(number)}
    for _ in range(2):
        found |= {text.removeprefix(prefix) for text in found for prefix in plan.policy.prefixes}
    return any(plan.kind(text) in _HIDDEN for text in found)
