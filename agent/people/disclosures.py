"""Carries out what people ask of disclosures: nothing leaves that is not in the register before, durably."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import structlog

from agent.core import disclosure
from agent.core.disclosure import Register, Scope, Windows, in_order
from agent.core.numbering import Plan
from agent.core.powers import POWERS
from agent.core.records import AuditUse, Disclosure, Leaf, Record, Service, Step, document
from agent.people.auditing import Auditing
from agent.people.permitting import Permitting
from agent.people.released import consented, released
from agent.ports import Reader, StoreError
from agent.stores.bundles import Bundles
from agent.views.asking import Answer, Refusal
from agent.views.disclosures import Proposal, Who

log = structlog.get_logger()

#: What the audit says of the reason: the register has it, and the audit is shown to more people.
_SEE = "see the register"
#: A bundle that nobody fetched goes after so long.
BUNDLE_DAYS = 7
_DAY_S = 86_400
EVERY_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosures:
    """`agent.views.disclosures.DisclosureControls` of one running agent.

    ``register`` gives the register, gone on from what is stored, or raises StoreError; ``keep`` returns once records
    are stored durably; ``reader`` opens the store for reading, ``plan`` tells what kind of number a number is.
    """

    register: Callable[[], Register]
    permitting: Permitting
    auditing: Auditing
    bundles: Bundles
    keep: Callable[[Sequence[Record]], Awaitable[None]]
    reader: Callable[[], AbstractContextManager[Reader]]
    plan: Plan
    clock: Callable[[], int]
    new_id: Callable[[], str]
    new_salt: Callable[[], str]
    #: One step after another: the register has an order.
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    #: Entries that the store has not confirmed, by disclosure and step; they wait in memory for it.
    _waiting: dict[tuple[str, Step], tuple[Disclosure, Leaf]] = field(default_factory=dict, init=False)

    async def propose(self, asked: Proposal, who: Who) -> Disclosure:
        """See `agent.views.disclosures.DisclosureControls`."""
        id, now = self.new_id(), self.clock()
        scope = await asyncio.to_thread(self.permitting.scope, asked)
        entry = Disclosure(
            id=id,
            disclosure=id,
            step=Step.PROPOSED,
            at=now,
            by=who.name,
            login=who.login,
            party=asked.party,
            authority=asked.authority,
            power=asked.power,
            consent=asked.consent,
            reference=asked.reference,
            emergency=asked.emergency,
            account=asked.account,
            lines=" ".join(scope.lines),
            since_at=scope.since_at,
            until_at=scope.until_at,
            kinds=scope.kinds,
            fields=scope.fields,
            reason=asked.reason,
            secret_until_at=asked.secret_until,
            salt=self.new_salt(),
        )
        await asyncio.to_thread(self.permitting.check, entry, scope)
        power = POWERS.get(asked.power)
        if power is not None and power.secret and asked.secret_until is None:
            raise Refusal(409, "nobody may be told of this one (IPA 2016 s.82): say until when it stays secret")
        if asked.secret_until is not None and asked.secret_until <= now:
            raise Refusal(409, "a disclosure stays secret until a day in the future")
        await self.auditing.note(by=who.shown, use=AuditUse.PROPOSED, subject=id, reason=_SEE)
        return await self._written(entry)

    async def release(self, id: str, reason: str, who: Who) -> Answer:
        """See `agent.views.disclosures.DisclosureControls`."""
        async with self._turn:
            entries = await self._entries(id)
            if (unfinished := await asyncio.to_thread(self._unpublished, entries)) is not None:
                # It is in the register already; the agent, or the store, broke off behind that.
                return await self._published(unfinished)
            proposal = _undecided(entries)
            if why := disclosure.second_refusal(proposal, who.name, who.login):
                raise Refusal(409, why)
            scope = _scope(proposal)
            await asyncio.to_thread(self.permitting.check, proposal, scope)
            await self.auditing.note(by=who.shown, use=AuditUse.DISCLOSED, subject=id, reason=_SEE)
            hashed = await asyncio.to_thread(self._bundled, proposal, scope)
            # The hour, and a consent, may have ended while it was gathered.
            await asyncio.to_thread(self.permitting.check, proposal, scope)
            entry = replace(self._next(proposal, Step.RELEASED, self.clock(), reason, who), bundle=hashed)
            await self._registered(entry)
            return await self._published(entry)

    async def refuse(self, id: str, reason: str, who: Who) -> Disclosure:
        """See `agent.views.disclosures.DisclosureControls`."""
        async with self._turn:
            proposal = _undecided(await self._entries(id))
            await self.auditing.note(by=who.shown, use=AuditUse.REFUSED, subject=id, reason=_SEE)
            entry = self._next(proposal, Step.REFUSED, self.clock(), reason, who)
            await self._registered(entry)
        return entry

    async def listed(self, reason: str, by: str, *, secret: bool, id: str | None = None) -> AsyncIterator[Answer]:
        """See `agent.views.disclosures.DisclosureControls`."""
        found = await asyncio.to_thread(self._all) if id is None else await self._entries(id)
        now = self.clock()
        shown = [each for each in found if secret or disclosure.may_be_told(each, now)]
        if id is not None and not shown:
            raise Refusal(404, "no disclosure has this id")
        await self.auditing.note(by=by, use=AuditUse.LISTED, subject=id, reason=reason)
        for each in shown:
            yield document(each)

    async def run(self) -> None:
        """Finish or remove what an earlier run left behind, and remove old bundles, until cancelled."""
        while True:
            try:
                await self._tidy()
            except StoreError as error:
                log.error("bundles_unusable", reason=str(error), hint=error.hint)
            await asyncio.sleep(EVERY_S)

    async def _tidy(self) -> None:
        async with self._turn:
            for id in await asyncio.to_thread(self.bundles.unpublished):
                done = await asyncio.to_thread(self._unpublished, await self._entries(id))
                await asyncio.to_thread(self.bundles.drop if done is None else self.bundles.publish, id)
            await asyncio.to_thread(self.bundles.expire, self.clock() / 1000 - BUNDLE_DAYS * _DAY_S)

    # -- the register -------------------------------------------------------------------------------------------------

    async def _written(self, entry: Disclosure) -> Disclosure:
        async with self._turn:
            await self._registered(entry)
        return entry

    async def _registered(self, entry: Disclosure) -> None:
        """Write an entry and its leaf in one step."""
        register = await asyncio.to_thread(self.register)
        leaf = register.append(entry)
        key = entry.disclosure, entry.step
        self._waiting[key] = entry, leaf
        await self.keep([entry, leaf])
        del self._waiting[key]
        log.info("registered", leaf=leaf.seq)

    def _next(self, proposal: Disclosure, step: Step, at: int, reason: str, who: Who) -> Disclosure:
        return replace(
            proposal,
            id=self.new_id(),
            step=step,
            at=at,
            by=who.name,
            login=who.login,
            reason=reason,
            salt=self.new_salt(),
        )

    async def _published(self, entry: Disclosure) -> Answer:
        place = await asyncio.to_thread(self.bundles.publish, entry.disclosure)
        return document(entry) | {"folder": str(place)}

    def _unpublished(self, entries: Sequence[Disclosure]) -> Disclosure | None:
        """The release whose bundle lies there whole, and has no name yet."""
        done = next((entry for entry in entries if entry.step is Step.RELEASED), None)
        return done if done is not None and self.bundles.hash_of(done.disclosure) == done.bundle else None

    async def _entries(self, id: str) -> list[Disclosure]:
        """All entries of a disclosure, the proposal first; what waits in memory is stored before."""
        for key in [key for key in self._waiting if key[0] == id]:
            await self.keep(self._waiting[key])
            del self._waiting[key]

        def read() -> list[Disclosure]:
            with self.reader() as reader:
                return sorted(reader.of(Disclosure, id), key=lambda entry: entry.step is not Step.PROPOSED)

        return await asyncio.to_thread(read)

    def _all(self) -> list[Disclosure]:
        with self.reader() as reader:
            return [record for record in reader.read(Disclosure.KIND) if isinstance(record, Disclosure)]

    def _bundled(self, proposal: Disclosure, scope: Scope) -> str:
        with self.reader() as reader:
            times = disclosure.windows(scope, proposal.account, _services(reader, proposal, scope))
            rows = {kind: self._rows(reader, kind, proposal, times) for kind in scope.kinds}
            return self.bundles.write(proposal.id, _header(proposal), rows)

    def _rows(self, reader: Reader, kind: str, proposal: Disclosure, times: Windows) -> Iterator[Answer]:
        if proposal.consent:
            return consented(reader, kind, proposal.fields, times, self.plan)
        return released(reader, kind, proposal.fields, times, proposal.emergency)


def _services(reader: Reader, proposal: Disclosure, scope: Scope) -> list[Service]:
    """By what it is told whose the lines were; a power that names lines asks for all of their time."""
    if proposal.account:
        return reader.of(Service, proposal.account)
    return [each for line in scope.lines for each in reader.services(line=line)] if proposal.consent else []


def _undecided(entries: Sequence[Disclosure]) -> Disclosure:
    """What was proposed, and is not decided yet."""
    match disclosure.state_of(entries):
        case None:
            raise Refusal(404, "no disclosure has this id")
        case Step.PROPOSED:
            return entries[0]
        case state:
            raise Refusal(409, f"this disclosure was {state} before")


def _header(entry: Disclosure) -> Answer:
    """What whoever gets the bundle is told of it: nothing of who works here, nor why they let it go."""
    told = document(entry)
    return {
        name: told[name] for name in ("id", "party", "reference", "account", "lines", "since_at", "until_at", "fields")
    }


def _scope(entry: Disclosure) -> Scope:
    return Scope(
        lines=tuple(entry.lines.split()), since_at=entry.since_at, until_at=entry.until_at, fields=entry.fields
    )


def restored(sign: Callable[[bytes], str], reader: Callable[[], AbstractContextManager[Reader]]) -> Register:
    """The register, gone on from the leaves that are stored.

    Raises:
        StoreError: they cannot be read.
    """
    register = Register(sign=sign)
    with reader() as opened:
        register.restore(in_order(opened.read(Leaf.KIND)))
    return register
