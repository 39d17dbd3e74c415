"""Texts as `dialplan/text.conf` writes them down: one record of each, of what it says nothing was ever written.

| direction | line | other number |
|---|---|---|
| outgoing | who sent it | what was sent to the trunk |
| incoming | who it is for | the sender's |
| internal | who sent it | the line that it is for |
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from agent.core.areas import area
from agent.core.lines import shape, unquoted
from agent.core.numbering import FREE, Plan
from agent.core.records import Direction, NumberClass, Text, TextOutcome, TextSize

#: The fields of a line, in its order.
FIELDS = ("at", "direction", "line", "number", "size", "outcome")

_LINE = shape("text1", len(FIELDS))
_SECONDS = re.compile(r"(\d{1,11})\.(\d{6})")
_NAME_LIMIT = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One text, with its number in clear: never to be stored, queued or logged. ``at_us`` is since 1970 UTC.

    Asterisk hands texts on one after another, so that no two were sent in one microsecond.
    """

    at_us: int
    direction: Direction
    line: str
    number: str
    size: TextSize
    outcome: TextOutcome


def parse(line: bytes) -> Sent | None:
    """The text in one of `agent.core.lines.Lines`; None where it is not one that the dialplan wrote whole."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    at, direction, own, number, size, outcome = unquoted(found)
    seconds = _SECONDS.fullmatch(at)
    if seconds is None:
        return None
    try:
        return Sent(
            at_us=int(seconds[1]) * 1_000_000 + int(seconds[2]),
            direction=Direction(direction),
            line=own[:_NAME_LIMIT],
            number=number[:_NAME_LIMIT],
            size=TextSize(size),
            outcome=TextOutcome(outcome),
        )
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Makes records of texts; ``link`` hashes under a key."""

    plan: Plan
    link: Callable[[str], str]

    def records(self, sent: Iterable[Sent]) -> Iterator[Text]:
        """Of each its record."""
        for each in sent:
            yield self._record(each)

    def _record(self, sent: Sent) -> Text:
        kind = self._kind(sent)
        number = None if kind is NumberClass.EMERGENCY else self._kept(sent)
        itemised = sent.direction is Direction.OUTGOING and sent.outcome is TextOutcome.SENT and kind not in FREE
        return Text(
            id=self.link(f"text {sent.at_us} {sent.direction} {sent.line} {sent.number}"),
            line=sent.line or None,
            direction=sent.direction,
            number_class=kind,
            number=number,
            at=sent.at_us // 1000,
            size=sent.size,
            outcome=sent.outcome,
            itemised=itemised,
            area=area(number) if itemised and number is not None else None,
        )

    def _kind(self, sent: Sent) -> NumberClass:
        kind = self.plan.kind(sent.number)
        if kind is NumberClass.EMERGENCY or sent.outcome is TextOutcome.REFUSED:
            return NumberClass.EMERGENCY
        if sent.direction is Direction.INTERNAL:
            return NumberClass.INTERNAL
        # A short number of the network's own, which the plan does not name.
        return NumberClass.UNKNOWN if kind is NumberClass.INTERNAL else kind

    def _kept(self, sent: Sent) -> str | None:
        if sent.direction is not Direction.INTERNAL:
            return self.plan.national(sent.number) or None
        return sent.number if sent.number.isprintable() and sent.number else None
