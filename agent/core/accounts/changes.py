"""What an import changes: every service that is new, ended or another, or every row that cannot be taken.

The whole file is held against all that is stored before anything changes. A row says what is to be; what no row
names stays. A row is about the service of the same account, line or number, and begin: one that had no end gets it, one
that had another is corrected. An account is open while one of its services has no end, and closes with the last.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.core.accounts.rows import Entry
from agent.core.instants import rfc3339
from agent.core.records import Account, Service

_Thing = tuple[str | None, str | None]
_Key = tuple[str, str | None, str | None, int]
_FLAGS = ("itemised", "history_consent")


class What(StrEnum):
    """What becomes of a service, or of its account."""

    ADDED = "added"
    ENDED = "ended"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change, of row ``row``; ``records`` are to be kept together. ``service`` None: of the account alone."""

    row: int
    what: What
    account: str
    service: Service | None
    records: tuple[Account | Service, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """Why row ``row`` cannot be taken, in a sentence without a full stop."""

    row: int
    what: str


class Conflict(ValueError):
    """A line or number would be two accounts' at one time; the message is a sentence without a full stop."""


@dataclass(slots=True)
class _Held:
    """A service as it would be, and in whose place; ``row`` None: as it is stored."""

    service: Service
    row: int | None = None
    what: What | None = None
    wrong: Service | None = None


@dataclass(slots=True)
class _Comparing:
    by: str
    at: int
    new_id: Callable[[], str]
    wanted: dict[_Key, Entry] = field(default_factory=dict)
    #: What the file says of an account, by the account and the column; and in which row.
    flags: dict[tuple[str, str], tuple[bool, int]] = field(default_factory=dict)
    things: dict[_Thing, list[_Held]] = field(default_factory=dict)
    of_account: dict[str, list[_Held]] = field(default_factory=dict)

    def take(self, entry: Entry) -> Iterator[Mistake]:
        first = self.wanted.setdefault((entry.account, entry.line, entry.number, entry.from_at), entry)
        if first is not entry:
            yield Mistake(row=entry.row, what=f"says again what row {first.row} says")
            return
        for name in _FLAGS:
            said = getattr(entry, name)
            known, row = (
                self.flags.setdefault((entry.account, name), (said, entry.row)) if said is not None else (said, 0)
            )
            if known != said:
                yield Mistake(row=entry.row, what=f"row {row} says otherwise of {name} for the account {entry.account}")

    def meet(self, service: Service) -> None:
        """Hold what is stored against what is wanted of it."""
        if service.corrected_at is not None:
            return
        held = _Held(service)
        entry = self.wanted.pop((service.account, service.line, service.number, service.from_at), None)
        if entry is not None:
            held.row = entry.row
            if entry.until_at != service.until_at:
                held.service = replace(service, until_at=entry.until_at)
                held.what = What.ENDED
                if service.until_at is not None:
                    held.what = What.CHANGED
                    held.service = replace(held.service, id=self.new_id())
                    held.wrong = _corrected(service, self.by, self.at, "imported anew")
        self._hold(held)

    def add(self) -> None:
        """Take as new what is wanted and was not met."""
        for entry in self.wanted.values():
            service = Service(
                id=self.new_id(),
                account=entry.account,
                line=entry.line,
                number=entry.number,
                from_at=entry.from_at,
                until_at=entry.until_at,
            )
            self._hold(_Held(service, entry.row, What.ADDED))

    def _hold(self, held: _Held) -> None:
        self.things.setdefault((held.service.line, held.service.number), []).append(held)
        self.of_account.setdefault(held.service.account, []).append(held)

    def conflicts(self, held: list[_Held]) -> Iterator[Mistake]:
        """What of one line or number would be given twice at one time."""
        if all(each.row is None for each in held):
            return
        held.sort(key=lambda each: (each.service.from_at, each.service.account))
        longest = held[0]
        for each in held[1:]:
            if _beyond(longest.service, each.service.from_at):
                later, earlier = (each, longest) if each.row is not None else (longest, each)
                if later.row is not None:
                    where = "in the store" if earlier.row is None else f"in row {earlier.row}"
                    yield Mistake(row=later.row, what=f"{_clash(later.service, earlier.service)}, {where}")
            if longest.service.until_at is not None and _beyond(each.service, longest.service.until_at):
                longest = each

    def changes(self, account: str, held: list[_Held], known: Account | None) -> Iterator[Change]:
        """What is to be kept of one account: its services, and itself with the first of them."""
        was = known or Account(id=self.new_id(), account=account, opened_at=0)
        itemised, _ = self.flags.get((account, "itemised"), (was.itemised, 0))
        consent, _ = self.flags.get((account, "history_consent"), (was.history_consent, 0))
        fresh = settled(replace(was, itemised=itemised, history_consent=consent), [each.service for each in held])
        own: tuple[Account, ...] = () if fresh == known else (fresh,)
        for each in held:
            if each.row is None or each.what is None:
                continue
            yield Change(
                row=each.row,
                what=each.what,
                account=account,
                service=each.service,
                records=(*own, *(() if each.wrong is None else (each.wrong,)), each.service),
            )
            own = ()
        if own:
            row = min(each.row for each in held if each.row is not None)
            yield Change(row=row, what=What.CHANGED, account=account, service=None, records=own)


def compare(
    entries: Iterable[Entry],
    accounts: Mapping[str, Account],
    services: Iterable[Service],
    *,
    by: str,
    at: int,
    new_id: Callable[[], str],
) -> Iterator[Change | Mistake]:
    """What ``entries`` change of all ``services`` and ``accounts`` (by reference) that are stored; or mistakes alone.

    ``by`` imports at ``at`` (ms). Both are taken one by one, so that whoever gives them sets the pace.
    """
    comparing = _Comparing(by, at, new_id)
    wrong = False
    for entry in entries:
        for mistake in comparing.take(entry):
            wrong = True
            yield mistake
    touched = {account for account, *_ in comparing.wanted}
    for service in services:
        comparing.meet(service)
    comparing.add()
    for held in comparing.things.values():
        for mistake in comparing.conflicts(held):
            wrong = True
            yield mistake
    if wrong:
        return
    for account, held in comparing.of_account.items():
        if account in touched:
            yield from comparing.changes(account, held, accounts.get(account))


def settled(account: Account, services: Sequence[Service]) -> Account:
    """``account`` as long open as its ``services`` say, of which at least one was never corrected."""
    right = [service for service in services if service.corrected_at is None]
    ends = [service.until_at for service in right]
    return replace(
        account,
        opened_at=min(service.from_at for service in right),
        closed_at=None if None in ends else max(end for end in ends if end is not None),
    )


def correct(
    wrong: Service, right: Service, others: Iterable[Service], *, by: str, at: int, why: str
) -> tuple[Service, Service]:
    """``wrong`` as it is kept, and ``right`` in its place; ``others`` are or were the same line or number.

    Raises:
        Conflict: ``right`` would be two accounts' at one time.
        ValueError: ``wrong`` was corrected before, or ``right`` says nothing else, or ends before it begins.
    """
    if wrong.corrected_at is not None:
        raise ValueError("this service was corrected before: correct the one that stands in its place")
    if replace(right, id=wrong.id) == wrong:
        raise ValueError("that is what the service says already")
    if right.until_at is not None and right.until_at <= right.from_at:
        raise ValueError("until is not after from")
    for other in others:
        if other.id != wrong.id and other.corrected_at is None and _overlap(other, right):
            raise Conflict(_clash(right, other))
    return _corrected(wrong, by, at, why), right


def _corrected(wrong: Service, by: str, at: int, why: str) -> Service:
    return replace(wrong, corrected_at=at, corrected_by=by, correction=why)


def _overlap(one: Service, other: Service) -> bool:
    return _beyond(one, other.from_at) and _beyond(other, one.from_at)


def _beyond(service: Service, at: int) -> bool:
    """Whether it goes on past ``at``."""
    return service.until_at is None or service.until_at > at


def _clash(one: Service, other: Service) -> str:
    thing = f"line {one.line}" if one.line is not None else f"number {one.number}"
    until = "" if other.until_at is None else f" until {rfc3339(other.until_at)}"
    return f"{thing} is {other.account}'s from {rfc3339(other.from_at)}{until}"
