"""The control side: what people ask of the running agent, on a Unix socket of its own and never on TCP."""

import asyncio
import json
import pwd
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from agent.core.alarms import COMMENT_LIMIT, NAME_LIMIT
from agent.core.records import Alarm, Detail, document
from agent.ports import StoreError

MOST_BYTES = 1 << 16
#: How long a client may take to send what it asks.
BODY_S = 10.0

Answer = Mapping[str, Any]


class Refusal(Exception):
    """What was asked is not done; the message is one sentence, ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Controls(Protocol):
    """What the running agent does on request; each raises `Refusal`, or StoreError where it could not be stored.

    ``by`` is who asks; ``id`` is the whole id of an alarm, or of the emergency that it is about.
    """

    async def acknowledge(self, id: str, by: str) -> Alarm:
        """Somebody takes an alarm on; it is stored durably on return."""

    async def close(self, id: str, by: str, comment: str) -> Alarm:
        """An alarm is over; ``comment`` says what came of it. It is stored durably on return."""

    async def look(self, id: str, by: str, reason: str) -> Detail:
        """The fuller view of an emergency, after the look itself is stored durably."""

    def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[Answer]:
        """Place a rehearsal call; tells each step, and at the end each proof."""

    async def phones(self) -> list[Answer]:
        """For each registered phone, whether it can reach the emergency services with the right address."""

    async def reload(self, by: str) -> Answer:
        """Read the tables of sites and of channels again; what is in them now."""


def _words(most: int) -> Any:
    """A text on one line, to be shown on any terminal: white space becomes single spaces."""

    def check(value: object) -> str:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if not text or len(text) > most or not text.isprintable():
            raise ValueError
        return text

    return BeforeValidator(check), Field(description=f"1 to {most} printable characters")


_Id = Annotated[str, Field(pattern="^[0-9a-f]{1,64}$", description="1 to 64 hexadecimal digits")]
#: With the login behind it, as "name (login)", a name is not longer than alarms keep it.
_NAME, _LOGIN = 40, NAME_LIMIT - 43
_Name = Annotated[str, *_words(_NAME)]
_Text = Annotated[str, *_words(COMMENT_LIMIT)]
_Endpoint = Annotated[str, Field(pattern="^[!-~]{1,80}$", description="the name of an endpoint")]


class _Asked(BaseModel):
    """What any request may hold."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    by: _Name | None = Field(None, description=f"1 to {_NAME} printable characters")


class _Acknowledge(_Asked):
    id: _Id


class _Close(_Asked):
    id: _Id
    comment: _Text


class _Look(_Asked):
    id: _Id
    reason: _Text


class _Rehearse(_Asked):
    line: _Endpoint | None = Field(None, description="the name of an endpoint")
    trunk: _Endpoint | None = Field(None, description="the name of an endpoint")


T = TypeVar("T", bound=_Asked)


def application(controls: Controls) -> FastAPI:
    """The routes: each takes a JSON object and gives one, or JSON lines.

    A refusal is ``{"error": "one sentence", "hint": "what to do"}``.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refusal)
    async def _refused(_: Request, error: Refusal) -> Response:
        return _json(_error(error), error.status)

    @app.exception_handler(StoreError)
    async def _unstored(_: Request, error: StoreError) -> Response:
        return _json(_error(error), 503)

    @app.exception_handler(HTTPException)
    async def _unknown(_: Request, error: HTTPException) -> Response:
        return _json({"error": error.detail}, error.status_code)

    @app.post("/acknowledge")
    async def _acknowledge(request: Request) -> Response:
        asked, by = await _read(request, _Acknowledge)
        return _json(document(await controls.acknowledge(asked.id, by)))

    @app.post("/close")
    async def _close(request: Request) -> Response:
        asked, by = await _read(request, _Close)
        return _json(document(await controls.close(asked.id, by, asked.comment)))

    @app.post("/look")
    async def _look(request: Request) -> Response:
        asked, by = await _read(request, _Look)
        return _json(document(await controls.look(asked.id, by, asked.reason)))

    @app.post("/rehearse")
    async def _rehearse(request: Request) -> Response:
        asked, by = await _read(request, _Rehearse)
        steps = controls.rehearse(by, asked.line, asked.trunk)
        # A refusal has a status only as long as nothing was sent.
        first = await anext(steps)
        return StreamingResponse(_lines(first, steps), media_type="application/x-ndjson")

    @app.get("/phones")
    async def _phones() -> Response:
        return Response("".join(map(_line, await controls.phones())), media_type="application/x-ndjson")

    @app.post("/reload")
    async def _reload(request: Request) -> Response:
        _, by = await _read(request, _Asked)
        return _json(await controls.reload(by))

    return app


async def _lines(first: Answer, rest: AsyncIterator[Answer]) -> AsyncIterator[str]:
    yield _line(first)
    try:
        async for step in rest:
            yield _line(step)
    except (Refusal, StoreError) as error:
        yield _line(_error(error))


def _line(answer: Answer) -> str:
    return json.dumps(answer) + "\n"


def _json(answer: Answer, status: int = 200) -> Response:
    return Response(json.dumps(answer), status_code=status, media_type="application/json")


def _error(error: Refusal | StoreError) -> Answer:
    return {"error": str(error), "hint": error.hint if isinstance(error, StoreError) else ""}


async def _read(request: Request, model: type[T]) -> tuple[T, str]:
    """What is asked, and by whom."""
    content = b""
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise Refusal(413, f"a request has at most {MOST_BYTES} bytes")
    except TimeoutError:
        raise Refusal(408, f"a request must be there whole within {BODY_S:.0f} s") from None
    try:
        asked = model.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise Refusal(422, _explained(model, error)) from None
    return asked, await asyncio.to_thread(_who, request, asked.by)


def _explained(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name not in model.model_fields:
        return f"a request is a JSON object of {', '.join(model.model_fields)}"
    missing = "is missing: " if first["type"] == "missing" else "takes "
    return f"{name} {missing}{model.model_fields[name].description}"


def _who(request: Request, by: str | None) -> str:
    """Who asks: the login that the kernel vouches for (`agent.views.unix`), behind the name that a person gives."""
    uid = int(request.client.host) if request.client is not None else -1
    try:
        login = pwd.getpwuid(uid).pw_name[:_LOGIN]
    except KeyError:
        login = f"uid {uid}"
    return f"{by} ({login})" if by else login
