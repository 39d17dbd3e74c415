"""What remains of itemised calls and texts when their numbers go."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from agent.core.records.calls import NumberClass
from agent.core.records.terms import Handled, Readers, RetentionClass, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What calls and texts of one line in one month to one class and area of numbers came to; no number (P06, P20)."""

    KIND: ClassVar[str] = "total"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.VAT
    BASIS: ClassVar[str] = "legal obligation: VAT Notice 700/21, records of what was supplied for six years"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.BILLING))

    id: Annotated[str, "keep one for each month, class, area and line: these, one behind the other"]
    line: Annotated[str | None, "say who was supplied; none where Asterisk did not tell", Handled()]
    month_at: Annotated[int, "the month that was billed, its first instant (UTC)"]
    number_class: Annotated[NumberClass, "what was supplied"]
    area: Annotated[str | None, "what was supplied: the rate goes by it"]
    calls: Annotated[int, "how many calls"]
    billable_s: Annotated[int, "how much of them"]
    texts: Annotated[int, "how many texts"] = 0
