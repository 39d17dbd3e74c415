"""What people ask of the running agent about recordings: the routes, on the control socket beside the others."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.types import Send

from agent.core.records import Calls, Content, OptIn, Reason, Recording, Trigger, Use, document
from agent.ports import StoreError
from agent.views import asking
from agent.views.asking import LAST_MS, Answer, Asked, Endpoint, Id, Words

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The content of a recording: ``chunks`` are ``size_bytes`` in all, or end with a StoreError."""

    size_bytes: int
    chunks: AsyncIterator[bytes]


class RecordingControls(Protocol):
    """What the running agent does on request; each raises `agent.views.asking.Refusal`, or StoreError where something
    could not be stored or opened.

    ``by`` is who asks; ``id`` is a whole id. Who uses a recording, and why, is stored durably before anything of it is
    shown, given out or destroyed.
    """

    async def opt_in(self, line: str, trigger: Trigger, calls: Calls, purpose: str, by: str) -> OptIn:
        """Write down a standing opt-in; it is stored durably on return."""

    async def withdraw(self, id: str, by: str) -> OptIn:
        """Take a standing opt-in back; it is stored durably on return."""

    def listed(self, line: str | None, since: int | None, reason: str, by: str) -> AsyncIterator[Answer]:
        """Each recording begun at or after ``since`` (ms), oldest first, with what became of its content."""

    async def open(self, id: str, use: Use, reason: str, by: str) -> Wave:
        """The content of one recording, to be played or exported."""

    async def delete(self, id: str, why: Reason, reason: str, by: str) -> Content:
        """Destroy the content of one recording and its key; on return it is stored durably that it went."""

    async def start(self, line: str, by: str) -> Recording:
        """Record the call that ``line`` is in, by an opt-in of it that stands."""

    async def stop(self, id: str, by: str) -> Recording:
        """End a recording; what was captured is kept."""

    async def pause(self, id: str, by: str) -> Recording:
        """Capture nothing until it is resumed."""

    async def resume(self, id: str, by: str) -> Recording:
        """Capture again."""


class _OptIn(Asked):
    line: Endpoint
    trigger: Literal["service", "pa", "customer_service"] = Field(description="service, pa or customer_service")
    calls: Literal["all", "incoming", "outgoing"] = Field("all", description="all, incoming or outgoing")
    purpose: Words


class _One(Asked):
    id: Id


class _List(Asked):
    line: Endpoint | None = Field(None, description="the name of an endpoint")
    since: Annotated[int, Field(ge=0, le=LAST_MS)] | None = Field(None, description="milliseconds since 1970")
    reason: Words


class _Use(Asked):
    id: Id
    reason: Words


class _Delete(Asked):
    id: Id
    why: Literal["customer", "erasure", "mistake"] = Field(description="customer, erasure or mistake")
    reason: Words


class _Start(Asked):
    line: Endpoint


class _Streamed(StreamingResponse):
    """A wave; where it breaks off the connection is cut, so that nobody takes what came for the whole."""

    async def stream_response(self, send: Send) -> None:
        """See StreamingResponse; the server hangs up on a response that has no end."""
        try:
            await super().stream_response(send)
        except StoreError as error:
            log.error("wave_broke_off", reason=str(error), hint=error.hint)


def add(app: FastAPI, controls: RecordingControls) -> None:
    """The routes of recordings and of opt-ins, for ``app`` (`agent.views.control.application`)."""

    @app.post("/optins/add")
    async def _opt_in(request: Request) -> Response:
        asked, by = await asking.read(request, _OptIn)
        trigger, calls = Trigger(asked.trigger), Calls(asked.calls)
        return asking.whole(document(await controls.opt_in(asked.line, trigger, calls, asked.purpose, by)))

    @app.post("/optins/withdraw")
    async def _withdraw(request: Request) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await controls.withdraw(asked.id, by)))

    @app.post("/recordings/list")
    async def _list(request: Request) -> Response:
        asked, by = await asking.read(request, _List)
        return await asking.several(controls.listed(asked.line, asked.since, asked.reason, by))

    @app.post("/recordings/play")
    async def _play(request: Request) -> Response:
        return await _opened(request, controls, Use.PLAYED)

    @app.post("/recordings/export")
    async def _export(request: Request) -> Response:
        return await _opened(request, controls, Use.EXPORTED)

    @app.post("/recordings/delete")
    async def _delete(request: Request) -> Response:
        asked, by = await asking.read(request, _Delete)
        return asking.whole(document(await controls.delete(asked.id, Reason(asked.why), asked.reason, by)))

    @app.post("/recordings/start")
    async def _start(request: Request) -> Response:
        asked, by = await asking.read(request, _Start)
        return asking.whole(document(await controls.start(asked.line, by)))

    @app.post("/recordings/stop")
    async def _stop(request: Request) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await controls.stop(asked.id, by)))

    @app.post("/recordings/pause")
    async def _pause(request: Request) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await controls.pause(asked.id, by)))

    @app.post("/recordings/resume")
    async def _resume(request: Request) -> Response:
        asked, by = await asking.read(request, _One)
        return asking.whole(document(await controls.resume(asked.id, by)))


async def _opened(request: Request, controls: RecordingControls, use: Use) -> Response:
    asked, by = await asking.read(request, _Use)
    wave = await controls.open(asked.id, use, asked.reason, by)
    return _Streamed(wave.chunks, media_type="audio/wav", headers={"Content-Length": str(wave.size_bytes)})
