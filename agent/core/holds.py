"""The legal holds that stand: what they keep from being deleted, and which of them are overdue for review."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.core.accounts.spans import Span
from agent.core.personal import is_hidden
from agent.core.records import (
    Access,
    Alarm,
    Call,
    Content,
    Detail,
    Emergency,
    Hold,
    Kept,
    Look,
    OptIn,
    Record,
    Recording,
    Registration,
    Text,
)

#: The kinds of record that each word of a hold keeps. A timeline stays as long as its emergency does.
COVERED: Mapping[Kept, tuple[type[Record], ...]] = {
    Kept.CALLS: (Call, Text),
    Kept.REGISTRATIONS: (Registration,),
    Kept.EMERGENCIES: (Emergency, Detail, Alarm, Look),
    Kept.RECORDINGS: (Recording, OptIn, Content, Access),
}

#: A hold has to be reviewed once a year at the least.
REVIEW_MS = 366 * 86_400_000

_WORD_OF = {record.KIND: word for word, records in COVERED.items() for record in records}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be held, as `agent.core.records.Hold` has it; instants in ms."""

    account: str | None
    lines: tuple[str, ...]
    kinds: tuple[Kept, ...]
    from_at: int | None
    until_at: int | None
    authority: str
    reference: str
    reviewer: str
    review_at: int


@dataclass(frozen=True, slots=True)
class Holds:
    """The holds that stand, by id; another one whenever one is placed, reviewed or lifted.

    ``accounts`` are the lines of each account that one is on, in the times in which they are its. While it cannot be
    told whose data one keeps, it keeps everybody's.
    """

    standing: Mapping[str, Hold] = field(default_factory=dict)
    accounts: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    _of_line: Mapping[str, Sequence[tuple[Hold, Span]]] = field(init=False)
    _of_anybody: Sequence[Hold] = field(init=False)

    def __post_init__(self) -> None:
        of_line: dict[str, list[tuple[Hold, Span]]] = {}
        of_anybody: list[Hold] = []
        for hold in self.standing.values():
            if any(map(is_hidden, hold.lines)) or (hold.account is not None and hold.account not in self.accounts):
                of_anybody.append(hold)
            own = [Span(line=line, begin=0, end=None) for line in hold.lines]
            for span in (*own, *self.accounts.get(hold.account or "", ())):
                of_line.setdefault(span.line, []).append((hold, span))
        object.__setattr__(self, "_of_line", of_line)
        object.__setattr__(self, "_of_anybody", of_anybody)

    def taken_up(self, holds: Iterable[Hold]) -> "Holds":
        """With these as they are now; one that was lifted stands no more."""
        standing = dict(self.standing) | {hold.id: hold for hold in holds}
        return Holds({id: hold for id, hold in standing.items() if hold.lifted_at is None}, self.accounts)

    def of(self, accounts: Mapping[str, Sequence[Span]]) -> "Holds":
        """With these lines of the accounts."""
        return self if accounts == self.accounts else Holds(self.standing, accounts)

    def keeps(self, kind: str, line: str | None, begun_at: int, ended_at: int) -> bool:
        """Whether a record of ``line`` that tells of this time (ms, both ends) must not be deleted."""
        if line is not None and is_hidden(line):
            # It may be a line that is held.
            return self.keeps_since(kind) is not None
        if line is None or not (self._of_anybody or line in self._of_line):
            return False
        word = _WORD_OF.get(kind)
        held = [hold for hold, span in self._of_line.get(line, ()) if _within(span, begun_at, ended_at)]
        return any(word in hold.kinds and _touches(hold, begun_at, ended_at) for hold in (*held, *self._of_anybody))

    def keeps_account(self, account: str, lines: Collection[str]) -> bool:
        """Whether what says that ``lines`` are the account's must not be deleted."""
        unknown = bool(self._of_anybody) or any(map(is_hidden, lines))
        return any(
            unknown or hold.account == account or not {*lines}.isdisjoint(hold.lines) for hold in self.standing.values()
        )

    def unread(self) -> list[Hold]:
        """Those of which it cannot be told now whose data they keep, for want of a key."""
        return [hold for hold in self._of_anybody if any(map(is_hidden, (*hold.lines, hold.account or "")))]

    def keeps_since(self, kind: str) -> int | None:
        """The first instant (ms) of which any record of ``kind`` may be kept; None where none is."""
        word = _WORD_OF.get(kind)
        begins = [hold.from_at or 0 for hold in self.standing.values() if word in hold.kinds]
        return min(begins, default=None)

    def overdue(self, at: int) -> Iterator[Hold]:
        """Those whose review date has passed; they stay in force."""
        return (hold for hold in self.standing.values() if hold.review_at <= at)

    def reviewed(self, id: str, by: str, review_at: int, at: int) -> Hold:
        """The hold whose id begins with ``id``, which ``by`` has found to be needed on; the next review is due.

        Raises:
            LookupError: none that stands has such an id, or several have.
            ValueError: the review is not ahead, or further than a year.
        """
        hold = self._standing(id)
        _check_review(review_at, at)
        return replace(hold, reviewed_at=at, reviewed_by=by, review_at=review_at)

    def lifted(self, id: str, by: str, why: str, at: int) -> Hold:
        """The hold whose id begins with ``id``, as ``by`` has lifted it.

        Raises:
            LookupError: none that stands has such an id, or several have.
        """
        return replace(self._standing(id), lifted_at=at, lifted_by=by, lifted_why=why)

    def _standing(self, id: str) -> Hold:
        found = [hold for hold in self.standing.values() if hold.id.startswith(id)]
        if len(found) > 1:
            raise LookupError("several holds have an id that begins so: write more of it")
        if not found:
            raise LookupError("no hold that stands has an id that begins so")
        return found[0]


def placed(order: Order, id: str, by: str, at: int) -> Hold:
    """The hold of ``order``, as ``by`` has placed it.

    Raises:
        ValueError: it ends before it begins, keeps nothing, or its review is not ahead, or further than a year.
    """
    if not order.kinds or not (order.lines or order.account):
        raise ValueError("a hold keeps at least one kind of data of an account or of at least one line")
    if order.from_at is not None and order.until_at is not None and order.until_at < order.from_at:
        raise ValueError("the time that a hold is about cannot end before it begins")
    _check_review(order.review_at, at)
    return Hold(
        id=id,
        account=order.account,
        lines=tuple(dict.fromkeys(order.lines)),
        kinds=tuple(dict.fromkeys(order.kinds)),
        from_at=order.from_at,
        until_at=order.until_at,
        authority=order.authority,
        reference=order.reference,
        placed_at=at,
        placed_by=by,
        reviewer=order.reviewer,
        review_at=order.review_at,
    )


def _check_review(review_at: int, at: int) -> None:
    if not at < review_at <= at + REVIEW_MS:
        raise ValueError("the review date of a hold is ahead, and within a year")


def _touches(hold: Hold, begun_at: int, ended_at: int) -> bool:
    after = hold.from_at is None or ended_at >= hold.from_at
    return after and (hold.until_at is None or begun_at <= hold.until_at)


def _within(span: Span, begun_at: int, ended_at: int) -> bool:
    return ended_at >= span.begin and (span.end is None or begun_at < span.end)
