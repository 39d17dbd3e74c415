"""What customers' requests lead to: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator
from typing import Annotated, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.views import asking
from agent.views.asking import Answer, Asked, Id, Refusal, Words


class SubjectControls(Protocol):
    """What the running agent does on request.

    Each raises `agent.views.asking.Refusal` where the request is closed, asks for something else, or nobody has checked
    who asks; and StoreError where something could not be stored, read or erased. An empty answer says that it goes on.

    ``by`` is who asks, ``id`` the whole id of a request. It is in the audit before anything is done or shown.
    """

    def erase(self, id: str, by: str, *, dry_run: bool) -> AsyncIterator[Answer]:
        """Erase its account; of each kind how many records went, and how many stay, why and until when."""

    async def rectify(self, id: str, record: str, cells: dict[str, str], by: str) -> Answer:
        """Put right a service of the account (``line``, ``number``, ``from``, ``until``), or an opt-in's ``purpose``.

        What it says now; the audit has the names of the fields alone.
        """

    def fly(self) -> AsyncIterator[Answer]:
        """Store, read, erase and search for a customer that never was: ``ok``, and where it was ``found``."""

    def copied(self, id: str, by: str, *, sole_user: bool) -> AsyncIterator[Answer]:
        """What the account is to be given a copy of: first whose it is, then each record, kind by kind.

        ``sole_user``: it was found that the customer alone uses the lines (`agent.core.copying`).
        """


class _Copy(Asked):
    id: Id
    sole_user: bool = Field(False, description="true or false")


_CELL = "at most 80 characters"
_Cell = Annotated[str, Field(max_length=80, description=_CELL)]


class _Rectify(Asked):
    id: Id
    record: Id
    line: _Cell | None = Field(None, description=_CELL)
    number: _Cell | None = Field(None, description=_CELL)
    begin: _Cell | None = Field(None, description=_CELL)
    end: _Cell | None = Field(None, description=_CELL)
    purpose: Words | None = Field(None, description="1 to 500 printable characters")


class _Erase(Asked):
    id: Id
    dry_run: bool = Field(False, description="true or false")


def add(app: FastAPI, controls: SubjectControls) -> None:
    """The routes, for ``app`` (`agent.views.control.application`)."""

    @app.post("/subjects/copy")
    async def _copy(request: Request) -> Response:
        asked, by = await asking.read(request, _Copy)
        return await asking.several(controls.copied(asked.id, by, sole_user=asked.sole_user))

    @app.post("/subjects/rectify")
    async def _rectify(request: Request) -> Response:
        asked, by = await asking.read(request, _Rectify)
        told = {
            "line": asked.line,
            "number": asked.number,
            "from": asked.begin,
            "until": asked.end,
            "purpose": asked.purpose,
        }
        cells = {name: text for name, text in told.items() if text is not None}
        if not cells:
            raise Refusal(422, "say what is right: line, number, begin, end or purpose")
        return asking.whole(await controls.rectify(asked.id, asked.record, cells, by))

    @app.post("/subjects/canary")
    async def _canary(request: Request) -> Response:
        await asking.read(request, Asked)
        return await asking.several(controls.fly())

    @app.post("/subjects/erase")
    async def _erase(request: Request) -> Response:
        asked, by = await asking.read(request, _Erase)
        return await asking.several(controls.erase(asked.id, by, dry_run=asked.dry_run))
