"""Looks up what is an account's and what the ledger of erasures names, and says of each record whether it stays."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from agent.core.accounts import Span, spans
from agent.core.erasing import GOES, Stay, begun_at, contract_stay, proof_stay, stay
from agent.core.holds import Holds
from agent.core.personal import NO_OWNER
from agent.core.records import (
    Account,
    Consent,
    Content,
    ContentState,
    Emergency,
    Line,
    Record,
    Request,
    RetentionClass,
    Service,
)
from agent.ports import Reader

#: Records that are read together, on a connection that holds nobody up.
_PAGE = 500
_LAST_MS = 253_402_300_799_999
#: What stands for the name of a line in the store.
_HANDLE = re.compile(r"~[0-9a-f]{16}")
#: The kinds that are locked with the key of a line's handle.
_LOCKED: tuple[type[Record], ...] = (*GOES, Emergency)

Found = list[tuple[Record, Stay | None]]


class Entry(Protocol):
    """One line of the ledger: all that began from ``begin`` until ``end`` (ms) was erased."""

    @property
    def of(self) -> str:
        """What stands for the account or the line."""

    @property
    def begin(self) -> int:
        """The first instant."""

    @property
    def end(self) -> int:
        """The instant behind the last."""


class Ledger(Protocol):
    """What was erased (`agent.stores.erasures.Erasures`). Reading and writing block, and raise StoreError."""

    def account(self, reference: str) -> str:
        """What stands for an account."""

    def line(self, name: str) -> str:
        """What stands for a line."""

    def read(self) -> Sequence[Entry]:
        """Everything that was erased."""

    def write(self, accounts: Iterable[str], lines: Iterable[Span], at: int) -> None:
        """Write down what is going to be erased at ``at`` (ms); on return it is on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """What `agent.duties.erasing.Eraser` asks; all but `pages` blocks."""

    reader: Callable[[], AbstractContextManager[Reader]]
    ledger: Ledger
    holds: Callable[[], Holds]
    days: Callable[[RetentionClass], int]
    clock: Callable[[], int]

    def spans(self, account: str) -> list[Span]:
        """The lines of an account until now, each in its time."""
        with self.reader() as reader:
            return spans(reader.of(Service, account), 0, self.clock() + 1)

    def contract(self, account: str) -> Found:
        """What says that the account has lines and numbers, itself last: by it the others are found."""
        with self.reader() as reader:
            services, own = reader.of(Service, account), reader.of(Account, account)
        lines = {service.line for service in services if service.line is not None}
        found: Found = []
        for each in own:
            why = contract_stay(each, lines, self.holds())
            found += [*((record, why) for record in services), (each, why)]
        return found

    def proofs(self, account: str) -> Found:
        """Its requests, and its consents to tell third parties."""
        with self.reader() as reader:
            found: list[Consent | Request] = [*reader.of(Request, account)]
            for record in reader.read(Consent.KIND):
                if isinstance(record, Consent) and record.account == account:
                    found.append(record)
        return [(record, proof_stay(record, self.days)) for record in found]

    def named(self, entries: Sequence[Entry]) -> tuple[list[Span], dict[str, int]]:
        """What the store has of what the ledger names: lines, and accounts with the instant of their erasure."""
        hashed: dict[str, list[Entry]] = {}
        for entry in entries:
            hashed.setdefault(entry.of, []).append(entry)
        with self.reader() as reader:
            names = {name for kind in GOES for name in reader.lines(kind.KIND)}
            for line in reader.read(Line.KIND):
                if isinstance(line, Line):
                    names |= {line.name, line.id}
            accounts = {record.account for record in reader.read(Account.KIND) if isinstance(record, Account)}
        lines = [
            Span(line=name, begin=entry.begin, end=entry.end)
            for name in sorted(names)
            for entry in hashed.get(self.ledger.line(name), ())
        ]
        ends = {account: [entry.end for entry in hashed.get(self.ledger.account(account), ())] for account in accounts}
        return lines, {account: max(found) for account, found in ends.items() if found}

    async def pages(self, kind: type[Record], span: Span) -> AsyncIterator[list[Record]]:
        """The records of one kind that began within ``span``, oldest first, as they are asked for."""
        rows = self._rows(kind, span)
        try:
            while page := await asyncio.to_thread(lambda: list(islice(rows, _PAGE))):
                yield page
        finally:
            rows.close()

    def _rows(self, kind: type[Record], span: Span) -> Generator[Record, None, None]:
        with self.reader() as reader:
            for record in reader.read(kind.KIND, since=span.begin, line=span.line):
                if begun_at(record) >= (_LAST_MS if span.end is None else span.end):
                    return
                yield record

    def handles(self, lines: Sequence[Span]) -> list[Span]:
        """The handles that have stood for ``lines``; of each the same time is erased."""
        with self.reader() as reader:
            return [
                Span(line=held.handle, begin=span.begin, end=span.end)
                for span in lines
                for held in reader.handles_of(span.line)
            ]

    def left_over(self, lines: Sequence[Span]) -> list[str]:
        """The handles in ``lines``, and those that stood for them, of which no record is left but totals."""
        with self.reader() as reader:
            found = {span.line for span in lines if _HANDLE.fullmatch(span.line)}
            for span in lines:
                for held in reader.handles_of(span.line):
                    if held.until_at is not None:
                        found.add(held.handle)
            return [handle for handle in sorted(found) if not any(_any_of(reader, kind, handle) for kind in _LOCKED)]

    def stays(self, record: Record) -> Stay | None:
        """Why a record of a line stays; None: it goes."""
        return stay(record, self.holds(), self.days)

    def nobodys(self, account: str) -> bool:
        """Whether nothing else can be under the key that earlier agents gave an account: that of a line called so."""
        with self.reader() as reader:
            sound = reader.read(Content.KIND, line=account)
            kept = any(
                isinstance(each, Content) and each.state in (ContentState.KEPT, ContentState.LOST) for each in sound
            )
        return account != NO_OWNER and not kept


def _any_of(reader: Reader, kind: type[Record], line: str) -> bool:
    return next(iter(reader.read(kind.KIND, line=line, limit=1)), None) is not None
