"""What of an account's calls may be shown to whoever sees its bill: nobody learns from it who called for help.

Freephone and helpline numbers and emergencies never come out of here, whatever the store says of them: each number is
looked at again. An account that is not itemised has sums alone (PECR 2003, regulation 9). What is on no bill (incoming,
or not answered) is shown with the account's history consent only; what stayed within the PBX never.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent.core.numbering import FREE, Plan
from agent.core.records import Account, Call, CallOutcome, Direction, NumberClass

#: Short numbers of the network's own look like those within a PBX, and may cost something.
_HIDDEN = FREE - {NumberClass.INTERNAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One call as the customer sees it; ``number`` as it is dialled in the country, None where it is not kept."""

    at: int
    line: str
    direction: Direction
    number: str | None
    number_class: NumberClass
    outcome: CallOutcome
    duration_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How many calls of one direction and class, and how long they were together."""

    direction: Direction
    number_class: NumberClass
    count: int
    duration_s: int


@dataclass(slots=True)
class History:
    """The items of ``account``, one after another, and what they come to."""

    account: Account
    plan: Plan
    _sums: dict[tuple[Direction, NumberClass], tuple[int, int]] = field(default_factory=dict)

    def items(self, calls: Iterable[Call]) -> Iterator[Item]:
        """What may be shown of ``calls``: none where the account is not itemised, but they are counted."""
        for call in calls:
            item = self._item(call)
            if item is None:
                continue
            count, duration_s = self._sums.get((item.direction, item.number_class), (0, 0))
            self._sums[item.direction, item.number_class] = count + 1, duration_s + item.duration_s
            if self.account.itemised:
                yield item

    def sums(self) -> list[Sum]:
        """What has been shown, or counted, until now."""
        return [
            Sum(direction=direction, number_class=kind, count=count, duration_s=duration_s)
            for (direction, kind), (count, duration_s) in sorted(self._sums.items())
        ]

    def _item(self, call: Call) -> Item | None:
        if call.line is None or call.direction is Direction.INTERNAL or call.number_class in FREE:
            return None
        if not call.itemised and not self.account.history_consent:
            return None
        number = self.plan.national(call.number or "")
        if any(self.plan.kind(text) in _HIDDEN for text in self._readings(call.number or "", number)):
            return None
        return Item(
            at=call.started_at,
            line=call.line,
            direction=call.direction,
            number=number or None,
            number_class=call.number_class,
            outcome=call.outcome,
            duration_s=call.billable_s,
        )

    def _readings(self, *texts: str) -> set[str]:
        """What a number may mean: also without an outside line and a withheld number before it."""
        found = set(texts)
        for _ in range(2):
            found |= {text.removeprefix(prefix) for text in found for prefix in self.plan.policy.prefixes}
        return found
