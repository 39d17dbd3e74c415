"""The control side: what people ask of the running agent, on a Unix socket of its own and never on TCP."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from agent.core.records import Alarm, Detail, document
from agent.ports import StoreError
from agent.views import asking
from agent.views.asking import LAST_MS, MOST_BYTES, Answer, Asked, Endpoint, Id, Refusal, Words

__all__ = ["MOST_BYTES", "Answer", "Controls", "Refusal", "Routes", "application"]

#: Adds the routes of one subject, as `agent.views.recordings.add` does.
Routes = Callable[[FastAPI], None]


class Controls(Protocol):
    """What the running agent does on request; each raises `Refusal`, or StoreError where it could not be stored.

    ``by`` is who asks; ``id`` is the whole id of an alarm, or of the emergency that it is about.
    """

    async def acknowledge(self, id: str, by: str) -> Alarm:
        """Somebody takes an alarm on; it is stored durably on return."""

    async def close(self, id: str, by: str, comment: str) -> Alarm:
        """An alarm is over; ``comment`` says what came of it. It is stored durably on return."""

    def emergencies(self, since: int | None) -> AsyncIterator[Sequence[Answer]]:
        """Each emergency begun at or after ``since`` (ms), oldest first, with its alarm; a page of them at a time."""

    async def emergency(self, id: str) -> Answer:
        """All that is kept of one emergency but its fuller view."""

    async def look(self, id: str, by: str, reason: str) -> Detail:
        """The fuller view of an emergency, after the look itself is stored durably."""

    def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[Answer]:
        """Place a rehearsal call; tells each step, and at the end each proof."""

    async def phones(self) -> list[Answer]:
        """For each registered phone, whether it can reach the emergency services with the right address."""

    async def reload(self, by: str) -> Answer:
        """Read the tables of sites and of channels again; what is in them now."""


class _Acknowledge(Asked):
    id: Id


class _Emergencies(Asked):
    since: Annotated[int, Field(ge=0, le=LAST_MS)] | None = Field(None, description="milliseconds since 1970")


class _Emergency(Asked):
    id: Id


class _Close(Asked):
    id: Id
    comment: Words


class _Look(Asked):
    id: Id
    reason: Words


class _Rehearse(Asked):
    line: Endpoint | None = Field(None, description="the name of an endpoint")
    trunk: Endpoint | None = Field(None, description="the name of an endpoint")


def application(controls: Controls, *more: Routes) -> FastAPI:
    """The routes, and ``more``: each takes a JSON object and gives one, or JSON lines, of recordings also a wave.

    A refusal is ``{"error": "one sentence", "hint": "what to do"}``.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refusal)
    async def _refused(_: Request, error: Refusal) -> Response:
        return asking.whole(asking.refused(error), error.status)

    @app.exception_handler(StoreError)
    async def _unstored(_: Request, error: StoreError) -> Response:
        return asking.whole(asking.refused(error), 503)

    @app.exception_handler(HTTPException)
    async def _unknown(_: Request, error: HTTPException) -> Response:
        return asking.whole({"error": error.detail}, error.status_code)

    @app.post("/acknowledge")
    async def _acknowledge(request: Request) -> Response:
        asked, by = await asking.read(request, _Acknowledge)
        return asking.whole(document(await controls.acknowledge(asked.id, by)))

    @app.post("/close")
    async def _close(request: Request) -> Response:
        asked, by = await asking.read(request, _Close)
        return asking.whole(document(await controls.close(asked.id, by, asked.comment)))

    @app.post("/emergencies")
    async def _emergencies(request: Request) -> Response:
        asked, _ = await asking.read(request, _Emergencies)
        return await asking.pages(controls.emergencies(asked.since))

    @app.post("/emergency")
    async def _emergency(request: Request) -> Response:
        asked, _ = await asking.read(request, _Emergency)
        return asking.whole(await controls.emergency(asked.id))

    @app.post("/look")
    async def _look(request: Request) -> Response:
        asked, by = await asking.read(request, _Look)
        return asking.whole(document(await controls.look(asked.id, by, asked.reason)))

    @app.post("/rehearse")
    async def _rehearse(request: Request) -> Response:
        asked, by = await asking.read(request, _Rehearse)
        return await asking.several(controls.rehearse(by, asked.line, asked.trunk))

    @app.get("/phones")
    async def _phones() -> Response:
        return Response("".join(map(asking.line, await controls.phones())), media_type="application/x-ndjson")

    @app.post("/reload")
    async def _reload(request: Request) -> Response:
        _, by = await asking.read(request, Asked)
        return asking.whole(await controls.reload(by))

    for add in more:
        add(app)
    return app
