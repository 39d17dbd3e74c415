"""What people ask of disclosures: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.core.disclosure import Scope
from agent.core.records import Consent, Disclosure, document
from agent.views import asking
from agent.views.asking import LAST_MS, Answer, Asked, Endpoint, Id, Name, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asks: the ``name`` that they give, and the ``login`` that the kernel vouches for, empty where it knows none.

    ``shown`` is both, as other records have it.
    """

    name: str
    login: str
    shown: str


_HEX = "1 to 64 hexadecimal digits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is to leave, to whom, and by which right: a ``consent``, or a ``power`` and its ``authority``.

    With an ``account`` the scope has no lines of its own: it is about those of the account, while they were its; with
    an ``emergency`` about the line of that call, from its begin.
    """

    party: str
    authority: str
    power: str
    consent: str
    reference: str
    emergency: str
    account: str
    scope: Scope
    reason: str
    secret_until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consenting:
    """What a customer consents to."""

    account: str
    lines: Sequence[str]
    party: str
    kinds: Sequence[str]
    purpose: str
    expires_at: int


class ConsentControls(Protocol):
    """What the running agent does on request; each raises `agent.views.asking.Refusal`, or StoreError where something
    could not be stored. What is refused changes nothing.
    """

    async def add(self, asked: Consenting, by: str) -> Consent:
        """Write down that a customer consents; stored durably on return."""

    async def withdraw(self, id: str, by: str) -> Consent:
        """Write down that a consent is withdrawn; stored durably on return."""

    def listed(self, reason: str, by: str) -> AsyncIterator[Answer]:
        """Each consent, oldest first."""


class DisclosureControls(Protocol):
    """What the running agent does on request; each raises as those of `ConsentControls`."""

    async def propose(self, asked: Proposal, who: Who) -> Disclosure:
        """Propose a disclosure; its entry is in the register on return."""

    async def release(self, id: str, reason: str, who: Who) -> Answer:
        """Let go what another person proposed; the entry, and the folder in which the bundle is."""

    async def refuse(self, id: str, reason: str, who: Who) -> Disclosure:
        """Decide that nothing leaves; the entry is in the register on return."""

    def listed(self, reason: str, by: str, *, secret: bool, id: str | None = None) -> AsyncIterator[Answer]:
        """The entries, oldest first, or those of one disclosure; with ``secret`` also those nobody may be told of."""


_Instant = Annotated[int, Field(ge=0, le=LAST_MS)]
_Lines = Annotated[list[Endpoint], Field(max_length=1000, description="a list of names of lines")]
_Texts = Annotated[list[Annotated[str, Field(pattern="^[a-z_.]{1,60}$")]], Field(min_length=1, max_length=200)]
_Account = Annotated[str, Field(pattern="^[!-~]{1,80}$", description="the reference of an account")]
_Word = Annotated[str, Field(pattern="^[a-z0-9_]{0,40}$")]


class _Consent(Asked):
    account: _Account
    lines: _Lines
    party: Words
    kinds: _Texts = Field(description="a list of kinds of record")
    purpose: Words
    expires_at: _Instant = Field(description="milliseconds since 1970")


class _Named(Asked):
    by: Name = Field(description="your name: 1 to 40 printable characters")


class _One(Asked):
    id: Id


class _Reason(Asked):
    reason: Words


class _Propose(_Named):
    party: Words
    authority: _Word = Field("", description="an authority of the list")
    power: _Word = Field("", description="a power of the list")
    consent: Id | None = Field(None, description=_HEX)
    reference: Words
    emergency: Id | None = Field(None, description=_HEX)
    account: _Account | None = Field(None, description="the reference of an account")
    lines: _Lines = Field(default_factory=list)
    since: _Instant = Field(0, description="milliseconds since 1970")
    until: _Instant = Field(0, description="milliseconds since 1970")
    fields: _Texts = Field(description="a list of fields, each as kind.field")
    reason: Words
    secret_until: _Instant | None = Field(None, description="milliseconds since 1970")


class _Decide(_Named):
    id: Id
    reason: Words


class _List(Asked):
    reason: Words
    secret: bool = Field(False, description="true or false")
    id: Id | None = Field(None, description=_HEX)


def add(app: FastAPI, controls: DisclosureControls, consents: ConsentControls) -> None:
    """The routes of disclosures and consents, for ``app`` (`agent.views.control.application`)."""

    @app.post("/consents/add")
    async def _add(request: Request) -> Response:
        asked, by = await asking.read(request, _Consent)
        consenting = Consenting(
            account=asked.account,
            lines=asked.lines,
            party=asked.party,
            kinds=asked.kinds,
            purpose=asked.purpose,
            expires_at=asked.expires_at,
        )
        return asking.whole(document(await consents.add(consenting, by)))

    @app.post("/consents/withdraw")
    async def _withdraw(request: Request) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await consents.withdraw(asked.id, by)))

    @app.post("/consents/list")
    async def _consents(request: Request) -> Response:
        asked, by = await asking.read(request, _Reason)
        return await asking.several(consents.listed(asked.reason, by))

    @app.post("/disclosures/propose")
    async def _propose(request: Request) -> Response:
        asked, by = await asking.read(request, _Propose)
        proposal = Proposal(
            party=asked.party,
            authority=asked.authority,
            power=asked.power,
            consent=asked.consent or "",
            reference=asked.reference,
            emergency=asked.emergency or "",
            account=asked.account or "",
            scope=Scope(
                lines=tuple(dict.fromkeys(asked.lines)),
                since_at=asked.since,
                until_at=asked.until,
                fields=tuple(dict.fromkeys(asked.fields)),
            ),
            reason=asked.reason,
            secret_until=asked.secret_until,
        )
        return asking.whole(document(await controls.propose(proposal, _who(request, asked, by))))

    @app.post("/disclosures/release")
    async def _release(request: Request) -> Response:
        asked, by = await asking.read(request, _Decide)
        return asking.whole(await controls.release(asked.id, asked.reason, _who(request, asked, by)))

    @app.post("/disclosures/refuse")
    async def _refuse(request: Request) -> Response:
        asked, by = await asking.read(request, _Decide)
        return asking.whole(document(await controls.refuse(asked.id, asked.reason, _who(request, asked, by))))

    @app.post("/disclosures/list")
    async def _list(request: Request) -> Response:
        asked, by = await asking.read(request, _List)
        return await asking.several(controls.listed(asked.reason, by, secret=asked.secret, id=asked.id))


def _who(request: Request, asked: _Named, by: str) -> Who:
    return Who(name=asked.by, login=asking.login(request), shown=by)
