"""The webhook against real servers: what it sends, whom it believes, what it will not do."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.ports import ChannelError, Receipt
from agent.sinks.webhook import Webhook
from tests.integration.notices import AT, Words, alarm, notice
from tests.integration.web_ear import WebEar, listening

CERTIFICATE = Path(__file__).parent / "tls" / "loopback.pem"
SECRET = b"correct horse battery"


@pytest.fixture
def ear() -> Iterator[WebEar]:
    with listening() as ear:
        yield ear


def webhook(url: str, ca_file: Path | None = None) -> Webhook:
    return Webhook(url, SECRET, lambda: AT + 1_234, ca_file=ca_file)


async def refused(url: str, ca_file: Path | None = None) -> str:
    with pytest.raises(ChannelError) as caught:
        await webhook(url, ca_file).send(Words(), alarm(), notice())
    assert str(caught.value) == caught.value.kind
    return caught.value.kind


async def test_what_is_posted(ear: WebEar) -> None:
    receipt = await webhook(ear.url("/desk?site=1")).send(Words(), alarm(level=2, escalated_at=AT + 5), notice())
    assert receipt is Receipt.DELIVERED
    (request,) = ear.requests
    assert request.path == "/desk?site=1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["idempotency-key"] == "n1"
    assert json.loads(request.body) == {
        "version": 1,
        "notice": {"id": "n1", "news": "raised", "raised_at": "2026-11-23T00:00:00.000Z"},
        "alarm": {
            "id": "a1",
            "cause": "emergency",
            "subject": "e1",
            "severity": "critical",
            "what": "call to 999: calling",
            "test": False,
            "level": 2,
            "raised_at": "2026-11-23T00:00:00.000Z",
            "acknowledged_at": None,
            "escalated_at": "2026-11-23T00:00:00.005Z",
            "cleared_at": None,
            "closed_at": None,
        },
        "title": Words().title,
        "text": Words().body,
    }


async def test_the_signature_is_over_time_and_body(ear: WebEar) -> None:
    await webhook(ear.url()).send(Words(), alarm(), notice())
    (request,) = ear.requests
    at, _, signed = request.headers["telephony-agent-signature"].removeprefix("t=").partition(",v1=")
    assert int(at) == AT // 1000 + 1
    expected = hmac.new(SECRET, f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signed, expected)


async def test_a_hostile_text_stays_one_json_string_of_bounded_length(ear: WebEar) -> None:
    words = Words('"},\r\nX-Evil: 1\u2028', "\x00" * 100_000)
    await webhook(ear.url()).send(words, alarm(), notice())
    (request,) = ear.requests
    assert json.loads(request.body)["title"] == words.title
    assert len(request.body) < 32_000
    assert "x-evil" not in request.headers


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
async def test_a_refusal_is_told_by_its_status(ear: WebEar, status: int) -> None:
    ear.answers = [status]
    assert await refused(ear.url()) == f"http_{status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(ear: WebEar, status: int) -> None:
    ear.answers = [status]
    assert await refused(ear.url()) == f"http_{status}"
    assert [request.path for request in ear.requests] == ["/desk"]


async def test_nobody_listens(ear: WebEar) -> None:
    with listening() as gone:
        url = gone.url()
    assert await refused(url) == "unreachable"


async def test_a_proxy_of_the_environment_is_not_used(ear: WebEar, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as gone:
        pass
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, gone.url(""))
    assert await webhook(ear.url()).send(Words(), alarm(), notice()) is Receipt.DELIVERED


async def test_a_certificate_that_is_not_trusted() -> None:
    with listening(CERTIFICATE) as ear:
        assert await refused(ear.url(scheme="https")) == "tls"
        assert ear.requests == []
        trusted = webhook(ear.url(scheme="https"), CERTIFICATE)
        assert await trusted.send(Words(), alarm(), notice()) is Receipt.DELIVERED


async def test_a_certificate_for_another_name() -> None:
    with listening(CERTIFICATE, host="127.0.0.2") as ear:
        assert await refused(ear.url(scheme="https"), CERTIFICATE) == "tls"
        assert ear.requests == []


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _cut_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 20")
    writer.close()


async def _endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x" * 65536)
        await writer.drain()


async def test_a_server_that_never_answers_is_given_up_when_cancelled() -> None:
    server = await asyncio.start_server(_silent, "127.0.0.1", 0)
    async with server:
        sending = webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(Words(), alarm(), notice())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sending, 0.3)


async def test_an_answer_that_is_cut_off() -> None:
    server = await asyncio.start_server(_cut_off, "127.0.0.1", 0)
    async with server:
        assert await refused(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") == "broken"


async def test_an_answer_without_end_is_not_read() -> None:
    server = await asyncio.start_server(_endless, "127.0.0.1", 0)
    async with server:
        sending = webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").send(Words(), alarm(), notice())
        assert await asyncio.wait_for(sending, 10) is Receipt.DELIVERED
