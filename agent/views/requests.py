"""What people do with customers' requests about their data: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal, Protocol

from fastapi import FastAPI, Response
from fastapi import Request as Asking
from pydantic import Field

from agent.core.records import Asks, Request, RequestOutcome, Waits, document
from agent.views import asking
from agent.views.asking import LAST_MS, Answer, Asked, Id, Words


class RequestControls(Protocol):
    """What the running agent does on request; each raises `agent.views.asking.Refusal`, or StoreError where it could
    not be stored.

    ``by`` is who asks, ``id`` a whole id. What was done, and by whom, is in the audit before it counts.
    """

    async def open(self, account: str, asks: Asks, received_at: int | None, identity: str | None, by: str) -> Request:
        """Write down a request; ``received_at`` (ms) None: now. ``identity``: how it was checked who asks."""

    async def identify(self, id: str, how: str, by: str) -> Request:
        """Write down how it was checked who asks."""

    async def pause(self, id: str, waits_for: Waits, by: str) -> Request:
        """Let its time stand still until the customer has said what is needed."""

    async def resume(self, id: str, by: str) -> Request:
        """Let its time go on."""

    async def extend(self, id: str, why: str, by: str) -> Request:
        """Give it two months more, of which the customer was told."""

    async def close(self, id: str, outcome: RequestOutcome, answer: str, by: str) -> Request:
        """It was answered."""

    def listed(self, reason: str, by: str, *, closed: bool) -> AsyncIterator[Answer]:
        """The requests that wait for an answer, oldest first; with ``closed`` the others as well."""

    async def show(self, id: str, reason: str, by: str) -> Answer:
        """One request."""


#: An account's reference (`agent.core.records.Account`).
Reference = Annotated[str, Field(pattern="^[!-~]{1,32}$", description="an account's reference")]


class _Open(Asked):
    account: Reference
    asks: Literal["access", "rectification", "erasure"] = Field(description="access, rectification or erasure")
    received_at: Annotated[int, Field(ge=0, le=LAST_MS)] | None = Field(None, description="milliseconds since 1970")
    identity: Words | None = Field(None, description="1 to 500 printable characters")


class _One(Asked):
    id: Id


class _Identify(_One):
    how: Words


class _Pause(_One):
    waits_for: Literal["identity", "clarification"] = Field(description="identity or clarification")


class _Extend(_One):
    why: Words


class _Close(_One):
    outcome: Literal["granted", "partly", "refused", "withdrawn"] = Field(
        description="granted, partly, refused or withdrawn"
    )
    answer: Words


class _List(Asked):
    closed: bool = Field(False, description="true or false")
    reason: Words


class _Show(_One):
    reason: Words


def add(app: FastAPI, controls: RequestControls) -> None:
    """The routes of requests, for ``app`` (`agent.views.control.application`)."""

    @app.post("/requests/open")
    async def _open(request: Asking) -> Response:
        asked, by = await asking.read(request, _Open)
        opened = await controls.open(asked.account, Asks(asked.asks), asked.received_at, asked.identity, by)
        return asking.whole(document(opened))

    @app.post("/requests/identify")
    async def _identify(request: Asking) -> Response:
        asked, by = await asking.read(request, _Identify)
        return asking.whole(document(await controls.identify(asked.id, asked.how, by)))

    @app.post("/requests/pause")
    async def _pause(request: Asking) -> Response:
        asked, by = await asking.read(request, _Pause)
        return asking.whole(document(await controls.pause(asked.id, Waits(asked.waits_for), by)))

    @app.post("/requests/resume")
    async def _resume(request: Asking) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await controls.resume(asked.id, by)))

    @app.post("/requests/extend")
    async def _extend(request: Asking) -> Response:
        asked, by = await asking.read(request, _Extend)
        return asking.whole(document(await controls.extend(asked.id, asked.why, by)))

    @app.post("/requests/close")
    async def _close(request: Asking) -> Response:
        asked, by = await asking.read(request, _Close)
        closed = await controls.close(asked.id, RequestOutcome(asked.outcome), asked.answer, by)
        return asking.whole(document(closed))

    @app.post("/requests/list")
    async def _list(request: Asking) -> Response:
        asked, by = await asking.read(request, _List)
        return await asking.several(controls.listed(asked.reason, by, closed=asked.closed))

    @app.post("/requests/show")
    async def _show(request: Asking) -> Response:
        asked, by = await asking.read(request, _Show)
        return asking.whole(await controls.show(asked.id, asked.reason, by))
