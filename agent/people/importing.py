"""Takes over from a file whose lines and numbers are whose, and puts right what is wrong of them."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import islice
from typing import TypeVar

import structlog

from agent.core.accounts import (
    Change,
    Entry,
    Mistake,
    Unfit,
    What,
    compare,
    correct,
    instant,
    line_name,
    own_number,
    read,
    settled,
)
from agent.core.instants import rfc3339
from agent.core.numbering import Plan
from agent.core.records import Account, AuditUse, Service, document
from agent.pacing import rested
from agent.people.auditing import Auditing
from agent.people.control import Keeping
from agent.ports import Reader, StoreError
from agent.stores.sqlite import LOCKED
from agent.views.asking import Answer, Refusal

log = structlog.get_logger()

#: Mistakes that are told at once.
PAGE = 200
#: Changes that are stored at once: an emergency waits for one transaction at the most.
BATCH = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Importing:
    """`agent.views.accounts.ImportControls` of one running agent.

    ``reader`` opens the store for reading, ``zone`` is where the customers' days begin. ``changing`` is
    `agent.duties.passing.Passing.changing`.
    """

    keeping: Keeping
    auditing: Auditing
    reader: Callable[[], AbstractContextManager[Reader]]
    changing: Callable[[], AbstractAsyncContextManager[Callable[[Iterable[Service]], None]]]
    plan: Plan
    zone: tzinfo
    clock: Callable[[], int]
    new_id: Callable[[], str]
    #: One change after another: each is held against what is stored.
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def imported(self, lines: Sequence[bytes], by: str, *, dry_run: bool) -> AsyncIterator[Sequence[Answer]]:
        """See `agent.views.accounts.ImportControls`."""
        async with self._changing:
            try:
                mistakes, changes = await asyncio.to_thread(self._compared, lines, by)
                async for page in self._carried_out(lines, mistakes, changes, by, dry_run=dry_run):
                    yield page
            finally:
                gc.unfreeze()

    async def _carried_out(
        self, lines: Sequence[bytes], mistakes: list[Mistake], changes: list[Change], by: str, *, dry_run: bool
    ) -> AsyncIterator[Sequence[Answer]]:
        if mistakes:
            for some in _paged(iter(mistakes)):
                yield [{"row": each.row, "mistake": each.what} for each in some]
            yield [{"rows": len(lines), "mistakes": len(mistakes)}]
            return
        if not dry_run and changes:
            await self.auditing.note(by=by, use=AuditUse.IMPORTED, reason=f"an import of {len(lines)} rows")
        counted = {str(what): 0 for what in What}
        async with self.changing() as stored:
            for batch in _batches(changes):
                if not dry_run:
                    records = [record for change in batch for record in change.records]
                    await self.keeping.keep(records)
                    stored(_services(records))
                for change in batch:
                    counted[change.what] += 1
                yield [_told(change) for change in batch]
        if not dry_run:
            log.info("accounts_imported", rows=len(lines), **counted)
        yield [{"rows": len(lines), **counted, "unchanged": len(lines) - len(changes)}]

    def _compared(self, lines: Sequence[bytes], by: str) -> tuple[list[Mistake], list[Change]]:
        mistakes: list[Mistake] = []
        changes: list[Change] = []
        with _left_alone(), self.reader() as reader:
            accounts = {
                account.account: account
                for account in rested(reader.read(Account.KIND))
                if isinstance(account, Account)
            }
            services = (_readable(each) for each in rested(reader.read(Service.KIND)) if isinstance(each, Service))
            entries = self._entries(rested(lines), mistakes)
            found = compare(entries, accounts, services, by=by, at=self.clock(), new_id=self.new_id)
            for each in rested(found):
                if isinstance(each, Mistake):
                    mistakes.append(each)
                else:
                    changes.append(each)
        return sorted(mistakes, key=lambda mistake: mistake.row), changes

    def _entries(self, lines: Iterable[bytes], mistakes: list[Mistake]) -> Iterator[Entry]:
        for line in lines:
            row, cells = _row(line)
            try:
                yield read(row, cells, self.plan, self.zone)
            except Unfit as error:
                mistakes.append(Mistake(row=row, what=str(error)))

    async def corrected(self, id: str, cells: dict[str, str], reason: str, by: str) -> Answer:
        """See `agent.views.accounts.ImportControls`."""
        async with self._changing:
            records = await asyncio.to_thread(self._corrected, id, cells, reason, by)
            right = records[1]
            await self.auditing.note(by=by, use=AuditUse.RECTIFIED, subject=right.account, reason=reason)
            async with self.changing() as stored:
                await self.keeping.keep(records)
                stored(_services(records))
        log.info("service_corrected", service=records[0].id, place=right.id)
        return document(right)

    def _corrected(self, id: str, cells: dict[str, str], reason: str, by: str) -> tuple[Service, Service, Account]:
        with self.reader() as reader:
            wrong = _only(reader.find(Service, id))
            try:
                right = self._righted(wrong, cells)
                others = reader.services(line=right.line, number=right.number)
                kept, right = correct(wrong, right, others, by=by, at=self.clock(), why=reason)
            except Unfit as error:
                raise Refusal(422, str(error)) from None
            except ValueError as error:
                raise Refusal(409, str(error)) from None
            (account,) = reader.of(Account, wrong.account)[:1]
            services = [each for each in reader.of(Service, wrong.account) if each.id != wrong.id]
        return kept, right, settled(account, [*services, right])

    def _righted(self, wrong: Service, cells: dict[str, str]) -> Service:
        right = replace(wrong, id=self.new_id())
        for name, text in cells.items():
            if name in ("line", "number") and getattr(wrong, name) is None:
                raise Unfit(f"this service is no {name}")
            if name == "line":
                right = replace(right, line=line_name(text))
            elif name == "number":
                right = replace(right, number=own_number(text, self.plan))
            elif name == "from":
                right = replace(right, from_at=instant(name, text, self.zone))
            else:
                right = replace(right, until_at=None if text == "none" else instant(name, text, self.zone))
        return right


def _readable(service: Service) -> Service:
    # Beside lines and numbers that cannot be read each of the file would be a new one.
    if LOCKED in (service.line, service.number):
        raise StoreError("the lines and numbers that are stored cannot be read now", "see telephony-agent keys status")
    return service


def _services(records: Iterable[Account | Service]) -> Iterator[Service]:
    return (each for each in records if isinstance(each, Service))


def _only(found: list[Service]) -> Service:
    if not found:
        raise Refusal(404, "no service has an id that begins so")
    if len(found) > 1:
        raise Refusal(404, "the ids of several services begin so: write more of it")
    return found[0]


def _row(line: bytes) -> tuple[int, dict[str, str]]:
    try:
        row, cells = json.loads(line)
        texts = [*cells, *cells.values()]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Refusal(422, "a row is the JSON of a number and of the columns' texts") from None
    if not isinstance(row, int) or not all(isinstance(text, str) for text in texts):
        raise Refusal(422, "a row is the JSON of a number and of the columns' texts")
    return row, cells


def _told(change: Change) -> Answer:
    service = change.service
    return {
        "row": change.row,
        "change": change.what,
        "account": change.account,
        "line": None if service is None else service.line,
        "number": None if service is None else service.number,
        "from": None if service is None else rfc3339(service.from_at),
        "until": None if service is None or service.until_at is None else rfc3339(service.until_at),
    }


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    records = 0
    for change in changes:
        batch.append(change)
        records += len(change.records)
        if records >= BATCH:
            yield batch
            batch, records = [], 0
    if batch:
        yield batch


@contextmanager
def _left_alone() -> Iterator[None]:
    """What is made meanwhile is not the garbage collector's, until `gc.unfreeze`.

    To look through 100,000 rows took it 0.16 s, in which nothing else runs: an emergency would wait.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _paged(rows: Iterator[T]) -> Iterator[list[T]]:
    while page := list(islice(rows, PAGE)):
        yield page
