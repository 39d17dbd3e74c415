"""Asks the running agent on its control socket (`agent.views.control`), or ends the command with one sentence."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from agent.cli.common import ASTERISK, NO_AGENT, NONE_SUCH, PROBLEMS, STORE, USAGE, fail
from agent.config import Config
from agent.views import unix

#: One value of what is asked; None is left out.
Asked = str | int | list[str] | None

#: How long the agent may take for one answer, or for one line of it.
ANSWER_S = 60.0
#: An agent that is well says so within this time, whatever it says.
_SOON_S = 5.0

_CODES = {
    400: USAGE,
    404: NONE_SUCH,
    408: USAGE,
    409: PROBLEMS,
    410: NONE_SUCH,
    413: USAGE,
    422: USAGE,
    502: ASTERISK,
    503: STORE,
}


def ask(config: Config, path: str, **asked: Asked) -> dict[str, Any]:
    """The agent's one answer."""
    answer = next(stream(config, "POST", path, **asked), None)
    if answer is None:
        fail(NO_AGENT, "the agent answered nothing", "see its log")
    return answer


def answers(config: Config) -> bool:
    """Whether an agent answers on its socket: one that hangs still takes connections."""
    with unix.address(unix.beside(config.store.path)) as name:
        transport = httpx.HTTPTransport(uds=name)
        with httpx.Client(transport=transport, base_url="http://agent", timeout=_SOON_S, trust_env=False) as client:
            try:
                client.get("/")
            except (httpx.HTTPError, OSError):
                return False
    return True


def stream(config: Config, method: str, path: str, **asked: Asked) -> Iterator[dict[str, Any]]:
    """The agent's answers, one after another as they come."""
    with _response(config, method, path, _object(asked)) as response:
        yield from _answers(response)


def upload(
    config: Config, path: str, asked: Mapping[str, Any], rows: Sequence[tuple[int, Mapping[str, str]]]
) -> Iterator[dict[str, Any]]:
    """The agent's answers to what is asked of ``rows``, each a JSON line behind it."""
    content = "\n".join(map(_written, (asked, *rows)))
    with _response(config, "POST", path, content) as response:
        yield from _answers(response)


def _answers(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        answer = json.loads(line)
        if "error" in answer:
            _refused(503, line.encode())
        yield answer


def _object(asked: Mapping[str, Asked]) -> str:
    return _written({name: value for name, value in asked.items() if value is not None})


def _written(asked: object) -> str:
    text = json.dumps(asked, ensure_ascii=False)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        fail(USAGE, "what is asked is not UTF-8 text", "look at your terminal's encoding")
    return text


@contextmanager
def pour(config: Config, path: str, **asked: str | None) -> Iterator[tuple[int, Iterator[bytes]]]:
    """What the agent pours out, and how many bytes that is; ends the command where it breaks off before them."""
    with _response(config, "POST", path, _object(asked)) as response:
        yield int(response.headers["content-length"]), response.iter_bytes()


@contextmanager
def _response(config: Config, method: str, path: str, content: str) -> Iterator[httpx.Response]:
    place = unix.beside(config.store.path)
    with _explained(place), unix.address(place) as address:
        transport = httpx.HTTPTransport(uds=address)
        with (
            httpx.Client(transport=transport, base_url="http://agent", timeout=ANSWER_S, trust_env=False) as client,
            client.stream(method, path, content=content.encode()) as response,
        ):
            if response.is_error:
                _refused(response.status_code, response.read())
            yield response


def _refused(status: int, content: bytes) -> None:
    if status not in _CODES:
        fail(NO_AGENT, f"the agent failed: HTTP {status}", "see its log")
    answer = json.loads(content)
    fail(_CODES[status], answer["error"], answer.get("hint", ""))


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectError as error:
        match _system_error(error):
            case PermissionError():
                fail(NO_AGENT, f"only the agent's user may use {place}", "run this command as that user")
            case FileNotFoundError() | ConnectionRefusedError():
                fail(NO_AGENT, f"no agent is running on this store: nobody answers at {place}", "start it")
            case other:
                fail(NO_AGENT, f"the agent cannot be asked at {place}: {other or error}")
    except httpx.TimeoutException:
        fail(NO_AGENT, f"the agent has not answered for {ANSWER_S:.0f} s", "see its log")
    except httpx.TransportError:
        fail(NO_AGENT, "the agent hung up before the end of its answer", "see its log")
    except (ValueError, LookupError):
        fail(NO_AGENT, f"what answers at {place} is no agent")


def _system_error(error: BaseException) -> OSError | None:
    """The operating system's own error below the library's."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    return cause
