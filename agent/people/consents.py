"""Carries out what people ask of consents to disclosures: each is on record durably before it counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from agent.core.powers import KINDS
from agent.core.records import AuditUse, Consent, Record, document
from agent.people.auditing import Auditing
from agent.ports import Reader
from agent.views.asking import Answer, Refusal
from agent.views.disclosures import Consenting

#: What the audit says of the reason: the consent has it.
_SEE = "see the consent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consents:
    """`agent.views.disclosures.ConsentControls` of one running agent.

    ``keep`` returns once records are stored durably; ``reader`` opens the store for reading.
    """

    auditing: Auditing
    keep: Callable[[Sequence[Record]], Awaitable[None]]
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]
    new_id: Callable[[], str]

    async def add(self, asked: Consenting, by: str) -> Consent:
        """See `agent.views.disclosures.ConsentControls`."""
        now = self.clock()
        if asked.expires_at <= now:
            raise Refusal(409, "a consent expires in the future")
        if wrong := [kind for kind in asked.kinds if kind not in KINDS]:
            raise Refusal(409, f"nothing of kind {wrong[0]} leaves; kinds: {', '.join(KINDS)}")
        given = Consent(
            id=self.new_id(),
            account=asked.account,
            lines=" ".join(dict.fromkeys(asked.lines)),
            party=asked.party,
            kinds=tuple(dict.fromkeys(asked.kinds)),
            purpose=asked.purpose,
            by=by,
            given_at=now,
            expires_at=asked.expires_at,
        )
        await self.auditing.note(by=by, use=AuditUse.CONSENTED, subject=given.id, reason=_SEE)
        await self.keep([given])
        return given

    async def withdraw(self, id: str, by: str) -> Consent:
        """See `agent.views.disclosures.ConsentControls`."""
        given = await asyncio.to_thread(self._found, id)
        if given is None:
            raise Refusal(404, "there is no such consent")
        if given.withdrawn_at is not None:
            raise Refusal(409, "this consent was withdrawn before")
        await self.auditing.note(by=by, use=AuditUse.WITHDRAWN, subject=id, reason=_SEE)
        gone = replace(given, withdrawn_at=self.clock(), withdrawn_by=by)
        await self.keep([gone])
        return gone

    async def listed(self, reason: str, by: str) -> AsyncIterator[Answer]:
        """See `agent.views.disclosures.ConsentControls`."""
        await self.auditing.note(by=by, use=AuditUse.LISTED, subject=None, reason=reason)
        for each in await asyncio.to_thread(self._all):
            yield document(each)

    def _found(self, id: str) -> Consent | None:
        with self.reader() as reader:
            return next((each for each in reader.find(Consent, id) if each.id == id), None)

    def _all(self) -> list[Consent]:
        with self.reader() as reader:
            return [record for record in reader.read(Consent.KIND) if isinstance(record, Consent)]
