"""What customers' requests lead to: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.views import asking
from agent.views.asking import Answer, Asked, Id


class SubjectControls(Protocol):
    """What the running agent does on request.

    Each raises `agent.views.asking.Refusal` where the request is closed, asks for something else, or nobody has checked
    who asks; and StoreError where something could not be stored, read or erased.

    ``by`` is who asks, ``id`` the whole id of a request. It is in the audit before anything is done or shown.
    """

    def erase(self, id: str, by: str, *, dry_run: bool) -> AsyncIterator[Answer]:
        """Erase its account; of each kind how many records went, and how many stay, why and until when."""


class _Erase(Asked):
    id: Id
    dry_run: bool = Field(False, description="true or false")


def add(app: FastAPI, controls: SubjectControls) -> None:
    """The routes, for ``app`` (`agent.views.control.application`)."""

    @app.post("/subjects/erase")
    async def _erase(request: Request) -> Response:
        asked, by = await asking.read(request, _Erase)
        return await asking.several(controls.erase(asked.id, by, dry_run=asked.dry_run))
