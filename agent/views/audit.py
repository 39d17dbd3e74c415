"""What people ask of the audit: the route, on the control socket beside the others."""

from collections.abc import AsyncIterator
from typing import Annotated, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.views import asking
from agent.views.asking import LAST_MS, Answer, Asked, Words


class AuditControls(Protocol):
    """What the running agent shows of the audit; who asked, and why, is an entry before anything is shown."""

    def listed(self, since: int | None, subject: str | None, reason: str, by: str) -> AsyncIterator[Answer]:
        """Entries at or after ``since`` (ms), oldest first; about one ``subject`` where it is named."""


class _List(Asked):
    since: Annotated[int, Field(ge=0, le=LAST_MS)] | None = Field(None, description="milliseconds since 1970")
    subject: Words | None = Field(None, description="an account, line or record id")
    reason: Words


def add(app: FastAPI, controls: AuditControls) -> None:
    """The route of the audit, for ``app`` (`agent.views.control.application`)."""

    @app.post("/audit/list")
    async def _list(request: Request) -> Response:
        asked, by = await asking.read(request, _List)
        return await asking.several(controls.listed(asked.since, asked.subject, asked.reason, by))
