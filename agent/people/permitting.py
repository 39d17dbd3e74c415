"""Looks up what a disclosure rests on, and refuses it where that does not carry it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from agent.core import disclosure
from agent.core.disclosure import Scope
from agent.core.records import Consent, Disclosure, Emergency, Service
from agent.ports import Reader
from agent.views.asking import Refusal
from agent.views.disclosures import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Permitting:
    """``reader`` opens the store for reading. Every call blocks."""

    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]

    def check(self, entry: Disclosure, scope: Scope) -> None:
        """Nothing, where ``scope`` may leave by what ``entry`` names, now.

        Raises:
            Refusal: it may not.
            StoreError: the store cannot be read.
        """
        why = disclosure.basis_refusal(entry) or disclosure.scope_refusal(scope, of_emergency=bool(entry.emergency))
        if why is None and entry.consent:
            with self.reader() as reader:
                # Of an account's own time alone: what its lines were before is not in the scope then.
                asked = () if entry.account else scope.lines
                services = [each for line in asked for each in reader.services(line=line)]
            given = self._consent(entry.consent)
            why = disclosure.consent_refusal(given, entry.party, scope, services, self.clock())
            if why is None and given is not None and entry.account not in ("", given.account):
                why = "this consent is another account's"
        elif why is None:
            call = self._emergency(entry.emergency) if entry.emergency else None
            named = bool(entry.emergency)
            why = disclosure.power_refusal(entry.power, entry.authority, scope, call, self.clock(), named=named)
        if why is not None:
            raise Refusal(409, why)

    def scope(self, asked: Proposal) -> Scope:
        """The scope of a proposal, with what the emergency call, or the account, that it is about has to say.

        Raises:
            Refusal: there is no such call or account, or it is about two things at once.
            StoreError: the store cannot be read.
        """
        scope = asked.scope
        if sum(map(bool, (scope.lines, asked.account, asked.emergency))) > 1:
            raise Refusal(409, "a disclosure is about lines, an account or an emergency call, not about two of them")
        if asked.emergency:
            call = self._emergency(asked.emergency)
            if call is None:
                raise Refusal(404, "no emergency call of this id is stored")
            until = max(self.clock(), call.started_at + 1)
            return replace(scope, lines=disclosure.lines_of(call), since_at=call.started_at, until_at=until)
        if not asked.account:
            return scope
        with self.reader() as reader:
            services = reader.of(Service, asked.account)
        every = tuple({each.line for each in services if each.line is not None})
        lines = disclosure.windows(replace(scope, lines=every), asked.account, services)
        if not lines:
            raise Refusal(404, "no line was of that account in that time")
        return replace(scope, lines=tuple(sorted(lines)))

    def _consent(self, id: str) -> Consent | None:
        with self.reader() as reader:
            return next((each for each in reader.find(Consent, id) if each.id == id), None)

    def _emergency(self, id: str) -> Emergency | None:
        with self.reader() as reader:
            return next((each for each in reader.find(Emergency, id) if each.id == id), None)
