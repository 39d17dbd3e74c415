"""Carries out what people ask of accounts: who looked at one, and why, is stored durably before anything is shown."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from heapq import merge
from itertools import islice, takewhile

import structlog

from agent.core.accounts import (
    COLUMNS,
    Unfit,
    holds,
    own_number,
    spans,
)
from agent.core.history import History
from agent.core.instants import rfc3339
from agent.core.numbering import Plan
from agent.core.records import Account, AuditUse, Call, Service, Text, document
from agent.pacing import rested
from agent.people.auditing import Auditing
from agent.ports import Reader, StoreError
from agent.stores.sqlite import LOCKED
from agent.views.asking import Answer, Refusal

log = structlog.get_logger()

#: Rows that are read, or told, at once.
PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """`agent.views.accounts.AccountControls` of one running agent.

    ``reader`` opens the store for reading.
    """

    auditing: Auditing
    reader: Callable[[], AbstractContextManager[Reader]]
    plan: Plan
    clock: Callable[[], int]

    async def found(self, what: str, at: int | None, reason: str, by: str) -> Sequence[Answer]:
        """See `agent.views.accounts.AccountControls`."""
        found = await asyncio.to_thread(self._found, what.strip(), self.clock() if at is None else at)
        for answer in found:
            subject = answer["account"]["account"]
            await self.auditing.note(by=by, use=AuditUse.LOOKED_UP, subject=subject, reason=reason)
        if not found:
            await self.auditing.note(by=by, use=AuditUse.LOOKED_UP, reason=reason)
            raise Refusal(404, "no account has this reference, line or number at that time")
        return found

    def _found(self, what: str, at: int) -> list[Answer]:
        with self.reader() as reader:
            services = reader.services(line=what)
            with suppress(Unfit):  # It can be a reference or a line all the same.
                services += reader.services(number=own_number(what, self.plan))
            held = [each.account for each in services if holds(each, at)]
            references = dict.fromkeys([*(each.account for each in reader.of(Account, what)), *held])
            if not references:
                # That nobody has it can only be told where lines and numbers can be read.
                _check_readable(each for each in reader.read(Service.KIND, limit=1) if isinstance(each, Service))
            return [
                {
                    "account": document(account),
                    "services": [document(each) for each in reader.of(Service, account.account) if holds(each, at)],
                }
                for reference in references
                for account in reader.of(Account, reference)
            ]

    async def shown(self, account: str, reason: str, by: str) -> Answer:
        """See `agent.views.accounts.AccountControls`."""

        def looked() -> Answer:
            with self.reader() as reader:
                return {
                    "account": document(_exactly(reader, account)),
                    "services": [document(each) for each in reader.of(Service, account)],
                }

        answer = await asyncio.to_thread(looked)
        await self.auditing.note(by=by, use=AuditUse.SHOWN, subject=account, reason=reason)
        return answer

    async def listed(self, reason: str, by: str) -> AsyncIterator[Sequence[Answer]]:
        """See `agent.views.accounts.AccountControls`."""
        await self.auditing.note(by=by, use=AuditUse.LISTED, reason=reason)
        async for page in _pages(self._documents(Account.KIND)):
            yield page

    def _documents(self, kind: str) -> Iterator[Answer]:
        with self.reader() as reader:
            yield from map(document, reader.read(kind))

    async def exported(self, reason: str, by: str) -> AsyncIterator[Sequence[Answer]]:
        """See `agent.views.accounts.AccountControls`."""
        await self.auditing.note(by=by, use=AuditUse.EXPORTED, reason=reason)
        async for page in _pages(self._rows()):
            yield page

    def _rows(self) -> Iterator[Answer]:
        with self.reader() as reader:
            # Nothing that the garbage collector would look through.
            flags = {
                each.account: (each.itemised, each.history_consent)
                for each in reader.read(Account.KIND)
                if isinstance(each, Account)
            }
            for service in reader.read(Service.KIND):
                if not isinstance(service, Service) or service.corrected_at is not None:
                    continue
                _check_readable([service])
                if service.line is None and service.number is None:
                    continue  # It was erased.
                values = (
                    service.account,
                    service.line,
                    service.number,
                    rfc3339(service.from_at),
                    None if service.until_at is None else rfc3339(service.until_at),
                    *flags.get(service.account, (True, False)),
                )
                yield dict(zip(COLUMNS, values, strict=True))

    async def history(
        self, account: str, begin: int, end: int, reason: str, by: str
    ) -> AsyncIterator[Sequence[Answer]]:
        """See `agent.views.accounts.AccountControls`."""
        if end <= begin:
            raise Refusal(422, "until is not after from")
        await asyncio.to_thread(self._known, account)
        await self.auditing.note(by=by, use=AuditUse.HISTORY, subject=account, reason=reason)
        async for page in _pages(self._history(account, begin, end)):
            yield page

    def _known(self, account: str) -> None:
        with self.reader() as reader:
            _exactly(reader, account)

    def _history(self, account: str, begin: int, end: int) -> Iterator[Answer]:
        with self.reader() as reader:
            history = History(_exactly(reader, account), self.plan)
            yield {
                "account": account,
                "itemised": history.account.itemised,
                "from": rfc3339(begin),
                "until": rfc3339(end),
            }
            for span in spans(reader.of(Service, account), begin, end):
                for item in history.items(_used(reader, span.line, span.begin, span.end or end)):
                    yield asdict(item) | {"at": rfc3339(item.at)}
            for each in history.sums():
                yield {"sum_of": each.kind} | {name: value for name, value in asdict(each).items() if name != "kind"}


def _used(reader: Reader, line: str, begin: int, end: int) -> Iterator[Call | Text]:
    """Calls and texts of ``line`` that from ``begin`` until before ``end``, oldest first, as they are asked for."""
    calls = (each for each in reader.read(Call.KIND, since=begin, line=line) if isinstance(each, Call))
    texts = (each for each in reader.read(Text.KIND, since=begin, line=line) if isinstance(each, Text))
    return takewhile(lambda each: _begun(each) < end, merge(calls, texts, key=_begun))


def _begun(record: Call | Text) -> int:
    return record.started_at if isinstance(record, Call) else record.at


def _exactly(reader: Reader, account: str) -> Account:
    found = reader.of(Account, account)
    if not found:
        raise Refusal(404, "no account has this reference")
    return found[0]


def _check_readable(services: Iterable[Service]) -> None:
    if any(LOCKED in (service.line, service.number) for service in services):
        raise StoreError("lines and numbers cannot be read now", "see telephony-agent keys status")


async def _pages(rows: Iterator[Answer]) -> AsyncIterator[list[Answer]]:
    """Pages of ``rows``, each read off the event loop."""
    at_a_pace = rested(rows)
    while page := await asyncio.to_thread(lambda: list(islice(at_a_pace, PAGE))):
        yield page
