"""What people ask of accounts: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.views import asking
from agent.views.asking import LAST_MS, Answer, Asked, Id, Words

_Ms = Annotated[int, Field(ge=0, le=LAST_MS)]
_ME = "milliseconds since 1970"
_Reference = Annotated[str, Field(pattern="^[!-~]{1,32}$", description="the reference of an account")]
_Cell = Annotated[str, Field(max_length=80, description="at most 80 characters")]


class ImportControls(Protocol):
    """What the running agent changes on request; it raises as `AccountControls`, and each change is in the audit."""

    def imported(self, lines: Sequence[bytes], by: str, *, dry_run: bool) -> AsyncIterator[Sequence[Answer]]:
        """Each change, once it is stored, or each mistake; and at the end how many there were.

        A line is the JSON of ``[row, {column: text}]``.
        """

    async def corrected(self, id: str, cells: dict[str, str], reason: str, by: str) -> Answer:
        """What stands in place of the service whose id begins with ``id``: another ``line``, ``number``, ``from`` or
        ``until``.
        """


class AccountControls(Protocol):
    """What the running agent does on request; each raises `agent.views.asking.Refusal`, or StoreError where something
    could not be stored or read.

    ``by`` is who asks; instants are in ms since 1970 UTC. Who looks at an account, and why, is an entry of the audit
    before anything of it is shown.
    """

    async def found(self, what: str, at: int | None, reason: str, by: str) -> Sequence[Answer]:
        """The accounts that have this reference, line or number at an instant, now where it is None."""

    async def shown(self, account: str, reason: str, by: str) -> Answer:
        """One account with all its services, those that were wrong as well."""

    def listed(self, reason: str, by: str) -> AsyncIterator[Sequence[Answer]]:
        """Every account, by when it was opened."""

    def exported(self, reason: str, by: str) -> AsyncIterator[Sequence[Answer]]:
        """Every service that was not corrected, with what its account says."""

    def history(self, account: str, begin: int, end: int, reason: str, by: str) -> AsyncIterator[Sequence[Answer]]:
        """What may be shown of the account's calls and texts from ``begin`` until before ``end``.

        ``{"account": …}`` first, then each ``{"kind": …}`` by line and time, then each ``{"sum_of": …}``.
        """


class _Import(Asked):
    dry_run: bool = Field(False, description="true or false")


class _Find(Asked):
    what: _Cell
    at: _Ms | None = Field(None, description=_ME)
    reason: Words


class _Show(Asked):
    account: _Reference
    reason: Words


class _All(Asked):
    reason: Words


class _Correct(Asked):
    id: Id
    line: _Cell | None = Field(None, description="at most 80 characters")
    number: _Cell | None = Field(None, description="at most 80 characters")
    begin: _Cell | None = Field(None, description="at most 80 characters")
    end: _Cell | None = Field(None, description="at most 80 characters")
    reason: Words


class _History(Asked):
    account: _Reference
    begin: _Ms = Field(description=_ME)
    end: _Ms = Field(description=_ME)
    reason: Words


def add(app: FastAPI, controls: AccountControls, importing: ImportControls) -> None:
    """The routes of accounts, for ``app`` (`agent.views.control.application`)."""

    @app.post("/accounts/import")
    async def _import(request: Request) -> Response:
        asked, by, lines = await asking.read_lines(request, _Import)
        return await asking.pages(importing.imported(lines, by, dry_run=asked.dry_run))

    @app.post("/accounts/find")
    async def _find(request: Request) -> Response:
        asked, by = await asking.read(request, _Find)
        return await asking.pages(_one(await controls.found(asked.what, asked.at, asked.reason, by)))

    @app.post("/accounts/show")
    async def _show(request: Request) -> Response:
        asked, by = await asking.read(request, _Show)
        return asking.whole(await controls.shown(asked.account, asked.reason, by))

    @app.post("/accounts/list")
    async def _list(request: Request) -> Response:
        asked, by = await asking.read(request, _All)
        return await asking.pages(controls.listed(asked.reason, by))

    @app.post("/accounts/export")
    async def _export(request: Request) -> Response:
        asked, by = await asking.read(request, _All)
        return await asking.pages(controls.exported(asked.reason, by))

    @app.post("/accounts/correct")
    async def _correct(request: Request) -> Response:
        asked, by = await asking.read(request, _Correct)
        told = {"line": asked.line, "number": asked.number, "from": asked.begin, "until": asked.end}
        cells = {name: text for name, text in told.items() if text is not None}
        return asking.whole(await importing.corrected(asked.id, cells, asked.reason, by))

    @app.post("/accounts/history")
    async def _history(request: Request) -> Response:
        asked, by = await asking.read(request, _History)
        return await asking.pages(controls.history(asked.account, asked.begin, asked.end, asked.reason, by))


async def _one(page: Sequence[Answer]) -> AsyncIterator[Sequence[Answer]]:
    yield page
