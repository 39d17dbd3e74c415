"""What people ask of the running agent, as it arrives: a JSON object, checked field by field, and who sent it."""

import asyncio
import json
import pwd
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent.core.alarms import COMMENT_LIMIT, NAME_LIMIT
from agent.ports import StoreError

MOST_BYTES = 1 << 16
#: How long a client may take to send what it asks.
BODY_S = 10.0
#: The same of a table: 100,000 rows are 15 MB.
MOST_UPLOADED, UPLOAD_S = 1 << 26, 60.0
#: Instants past it have no RFC 3339 form.
LAST_MS = 253_402_300_799_999

Answer = Mapping[str, Any]

#: So often who waits for long work is told that it goes on.
BEAT_S = 10.0
BEAT: Answer = {}
#: What was begun is done, whether anybody waits for it or not.
_WORKING: set[asyncio.Future[Any]] = set()

Result = TypeVar("Result")


class Refusal(Exception):
    """What was asked is not done; the message is one sentence, ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _words(most: int) -> Any:
    """A text on one line, to be shown on any terminal: white space becomes single spaces."""

    def check(value: object) -> str:
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if not text or len(text) > most or not text.isprintable():
            raise ValueError
        return text

    return BeforeValidator(check), Field(description=f"1 to {most} printable characters")


#: With the login behind it, as "name (login)", a name is not longer than alarms keep it.
_NAME, _LOGIN = 40, NAME_LIMIT - 43
Id = Annotated[str, Field(pattern="^[0-9a-f]{1,64}$", description="1 to 64 hexadecimal digits")]
Name = Annotated[str, *_words(_NAME)]
Words = Annotated[str, *_words(COMMENT_LIMIT)]
Endpoint = Annotated[str, Field(pattern="^[!-~]{1,80}$", description="the name of an endpoint")]


class Asked(BaseModel):
    """What any request may hold."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    by: Name | None = Field(None, description=f"1 to {_NAME} printable characters")


T = TypeVar("T", bound=Asked)


async def read(request: Request, model: type[T]) -> tuple[T, str]:
    """What is asked, and by whom.

    Raises:
        Refusal: it is too long, too slow, or not what ``model`` takes.
    """
    content = b"".join([chunk async for chunk in _body(request, MOST_BYTES, BODY_S)])
    return await _asked(request, model, content)


async def read_lines(request: Request, model: type[T]) -> tuple[T, str, list[bytes]]:
    """What is asked on the first line, by whom, and the lines behind it, unchecked.

    Raises:
        Refusal: they are too long, too slow, or the first is not what ``model`` takes.
    """
    lines: list[bytes] = []
    rest = b""
    # Cut as it comes: of a whole table it would hold up the event loop.
    async for chunk in _body(request, MOST_UPLOADED, UPLOAD_S):
        *whole, rest = (rest + chunk).split(b"\n")
        lines += whole
    first, *lines = [*lines, rest]
    asked, by = await _asked(request, model, first)
    return asked, by, [line for line in lines if line]


async def _body(request: Request, most: int, seconds: float) -> AsyncIterator[bytes]:
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise Refusal(413, f"a request has at most {most} bytes")
                yield chunk
    except TimeoutError:
        raise Refusal(408, f"a request must be there whole within {seconds:.0f} s") from None


async def _asked(request: Request, model: type[T], content: bytes) -> tuple[T, str]:
    try:
        asked = model.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise Refusal(422, _explained(model, error)) from None
    return asked, await asyncio.to_thread(_who, request, asked.by)


def line(answer: Answer) -> str:
    """One answer of several."""
    return json.dumps(answer) + "\n"


async def several(answers: AsyncIterator[Answer]) -> Response:
    """One answer after another, as they come."""
    # A refusal has a status only as long as nothing was sent.
    first = await anext(answers, None)
    return StreamingResponse(_lines(first, answers), media_type="application/x-ndjson")


async def _lines(first: Answer | None, rest: AsyncIterator[Answer]) -> AsyncIterator[str]:
    if first is None:
        return
    yield line(first)
    try:
        async for answer in rest:
            yield line(answer)
    except (Refusal, StoreError) as error:
        yield line(refused(error))


async def pages(answers: AsyncIterator[Sequence[Answer]]) -> Response:
    """Many answers, a page of them at a time."""
    first = await anext(answers, None)
    return StreamingResponse(_pages(first, answers), media_type="application/x-ndjson")


async def _pages(first: Sequence[Answer] | None, rest: AsyncIterator[Sequence[Answer]]) -> AsyncIterator[str]:
    if first is None:
        return
    yield "".join(map(line, first))
    try:
        async for page in rest:
            yield "".join(map(line, page))
    except (Refusal, StoreError) as error:
        yield line(refused(error))


async def patiently(work: Coroutine[Any, Any, Result]) -> AsyncIterator[Result | None]:
    """None again and again until ``work`` is done, and then what came of it; who hangs up does not end it."""
    task = asyncio.ensure_future(work)
    _WORKING.add(task)
    task.add_done_callback(_WORKING.discard)
    while not (await asyncio.wait([task], timeout=BEAT_S))[0]:
        yield None
    yield task.result()


def whole(answer: Answer, status: int = 200) -> Response:
    """The one answer."""
    return Response(json.dumps(answer), status_code=status, media_type="application/json")


def refused(error: Refusal | StoreError) -> Answer:
    """Why what was asked is not done."""
    return {"error": str(error), "hint": error.hint if isinstance(error, StoreError) else ""}


def _explained(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if name not in model.model_fields:
        return f"a request is a JSON object of {', '.join(model.model_fields)}"
    missing = "is missing: " if first["type"] == "missing" else "takes "
    return f"{name} {missing}{model.model_fields[name].description}"


def login(request: Request) -> str:
    """The login that whoever asks came in by, through sudo and su as well (`agent.views.unix`); empty if unknown."""
    number = -1 if request.client is None else request.client.port
    return "" if number < 0 else _name_of(number)


def _who(request: Request, by: str | None) -> str:
    """Who asks: the login that the kernel vouches for (`agent.views.unix`), behind the name that a person gives."""
    name = _name_of(int(request.client.host) if request.client is not None else -1)
    return f"{by} ({name})" if by else name


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name[:_LOGIN]
    except KeyError:
        return f"uid {uid}"
