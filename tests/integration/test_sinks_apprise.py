"""Apprise against a real SMTP conversation and real HTTP: what arrives, what is told again, what never leaks."""

import asyncio
import email
import email.policy
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from agent.core.records import Severity
from agent.ports import ChannelError, Receipt
from agent.sinks.apprise import AppriseChannel
from tests.integration.notices import Words, alarm, notice
from tests.integration.web_ear import WebEar, listening


@dataclass(slots=True)
class MailServer:
    """Just enough SMTP (RFC 5321) for a mail to arrive."""

    port: int = 0
    takes: bool = True
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=agent@example.com&to=desk@example.com&mode=insecure"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 desk ESMTP\r\n")
        while line := (await reader.readline()).strip():
            match line[:4].upper():
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    content = await reader.readuntil(b"\r\n.\r\n")
                    mail = email.message_from_bytes(content[:-5], policy=email.policy.default)
                    self.mails.append(mail)
                    writer.write(b"250 taken\r\n")
                case b"RCPT" if not self.takes:
                    writer.write(b"450 mailbox busy\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
        writer.close()


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    mail = MailServer()
    server = await asyncio.start_server(mail.serve, "127.0.0.1", 0)
    mail.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mail


@pytest.fixture
def ear() -> Iterator[WebEar]:
    with listening() as ear:
        yield ear


def json_url(ear: WebEar, path: str = "") -> str:
    return f"json://user:hidden-password@127.0.0.1:{ear.port}{path}"


def calls() -> list[threading.Thread]:
    """The calls of Apprise that have not come back, the oldest first."""
    return [thread for thread in threading.enumerate() if thread.name == "apprise"]


async def returned(calls: list[threading.Thread]) -> None:
    """Return when these calls have come back, and what they brought is known."""
    for call in calls:
        await asyncio.to_thread(call.join, 60)
    await asyncio.sleep(0)


async def test_a_mail(post: MailServer) -> None:
    channel = AppriseChannel([post.url], most_characters=2000)
    assert await channel.send(Words(), alarm(), notice()) is Receipt.SENT
    (mail,) = post.mails
    assert mail["Subject"] == Words().title
    assert mail["To"] == "desk@example.com"
    text = mail.get_body(("plain", "html"))
    assert text is not None
    assert "12 Wellington Street, Leeds LS1 4AP" in text.get_content()


async def test_hostile_words_add_no_header_and_no_markup(post: MailServer) -> None:
    channel = AppriseChannel([f"{post.url}&format=html"], most_characters=2000)
    words = Words("999\r\nBcc: thief@example.com\n\nhello", "<script>alert(1)</script> & more")
    await channel.send(words, alarm(), notice())
    (mail,) = post.mails
    assert mail["Bcc"] is None
    assert mail["Subject"] == "999 Bcc: thief@example.com hello"
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


async def test_two_in_a_row_are_not_throttled(post: MailServer) -> None:
    # Apprise by itself would leave 5.5 s between two mails.
    channel = AppriseChannel([post.url], most_characters=2000)
    async with asyncio.timeout(5):
        await channel.send(Words(), alarm(), notice())
        await channel.send(Words("the second"), alarm("a2"), notice("n2", alarm="a2"))
    assert [mail["Subject"] for mail in post.mails] == [Words().title, "the second"]


async def test_a_mail_that_is_refused(post: MailServer) -> None:
    post.takes = False
    channel = AppriseChannel([post.url], most_characters=2000)
    with pytest.raises(ChannelError) as caught:
        await channel.send(Words(), alarm(), notice())
    assert caught.value.kind == "failed"


async def test_severity_and_length(ear: WebEar) -> None:
    channel = AppriseChannel([json_url(ear)], most_characters=70)
    await channel.send(Words("t", "x" * 500), alarm(), notice())
    await channel.send(Words("t", "short"), alarm(severity=Severity.WARNING), notice("n2"))
    first, second = ear.requests
    assert b'"failure"' in first.body
    assert b'"warning"' in second.body
    assert first.body.count(b"x") <= 71


async def test_only_who_has_not_taken_it_is_told_again(ear: WebEar) -> None:
    with listening() as second:
        second.answers = [500]
        channel = AppriseChannel([json_url(ear), json_url(second)], most_characters=2000)
        with pytest.raises(ChannelError):
            await channel.send(Words(), alarm(), notice())
        assert await channel.send(Words(), alarm(), notice()) is Receipt.SENT
        assert (len(ear.requests), len(second.requests)) == (1, 2)
        # another notice goes to both
        await channel.send(Words(), alarm(), notice("n2"))
        assert (len(ear.requests), len(second.requests)) == (2, 3)


async def test_whoever_took_it_is_told_once_though_another_does_not_answer_in_time(ear: WebEar) -> None:
    with listening() as tar_pit:
        tar_pit.hold.clear()
        channel = AppriseChannel([json_url(ear), json_url(tar_pit)], most_characters=2000)
        first = asyncio.create_task(channel.send(Words(), alarm(), notice()))
        assert await asyncio.to_thread(tar_pit.came.acquire, timeout=60)
        await returned(calls()[:-1])
        first.cancel()  # As the channel's time-out does.
        await asyncio.wait([first])
        again = asyncio.create_task(channel.send(Words(), alarm(), notice()))
        assert await asyncio.to_thread(tar_pit.came.acquire, timeout=60)
        again.cancel()
        await asyncio.wait([again])
        assert len(ear.requests) == 1
        # and what it takes too late it has taken as well
        tar_pit.hold.set()
        await returned(calls())
        assert await channel.send(Words(), alarm(), notice()) is Receipt.SENT
        assert (len(ear.requests), len(tar_pit.requests)) == (1, 2)


async def test_whoever_took_it_hears_once_what_becomes_of_it_while_another_does_not_answer(ear: WebEar) -> None:
    with listening() as tar_pit:
        tar_pit.hold.clear()
        channel = AppriseChannel([json_url(ear), json_url(tar_pit)], most_characters=2000)
        for title in ("999 CALL", "999 CALL FAILED", "999 CALL FAILED"):
            hung = calls()
            attempt = asyncio.create_task(channel.send(Words(title), alarm(), notice()))
            assert await asyncio.to_thread(tar_pit.came.acquire, timeout=60)
            await returned([call for call in calls() if call not in hung][:-1])
            attempt.cancel()
            await asyncio.wait([attempt])
        assert [b"999 CALL FAILED" in told.body for told in ear.requests] == [False, True]
        tar_pit.hold.set()
        await returned(calls())


async def test_threads_that_could_not_be_started_are_not_waited_for(
    ear: WebEar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    channel = AppriseChannel([json_url(ear)], most_characters=2000)
    with monkeypatch.context() as full:
        full.setattr("agent.sinks.apprise.threading.Thread.start", none_left)
        for _ in range(4):
            with pytest.raises(RuntimeError):
                await channel.send(Words(), alarm(), notice())
    assert await channel.send(Words(), alarm(), notice()) is Receipt.SENT


async def test_a_plug_in_that_blocks_stalls_nothing(ear: WebEar) -> None:
    ear.hold.clear()
    blocked = AppriseChannel([json_url(ear)], most_characters=2000)
    with listening() as other:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(blocked.send(Words(), alarm(), notice()), 0.1)
        with pytest.raises(ChannelError) as caught:
            await blocked.send(Words(), alarm(), notice())
        assert caught.value.kind == "stuck"
        free = AppriseChannel([json_url(other)], most_characters=2000)
        assert await free.send(Words(), alarm(), notice()) is Receipt.SENT
    assert all(call.daemon for call in calls())
    # and when the calls come back, it is asked again
    ear.hold.set()
    async with asyncio.timeout(60):
        while True:
            try:
                assert await blocked.send(Words(), alarm(), notice("n9")) is Receipt.SENT
                break
            except ChannelError:
                await asyncio.sleep(0.05)


async def test_nothing_of_it_is_logged(ear: WebEar, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ear.answers = [200, 403]
    channel = AppriseChannel([json_url(ear, "/secret-path")], most_characters=2000)
    await channel.send(Words(), alarm(), notice())
    with pytest.raises(ChannelError):
        await channel.send(Words(), alarm(), notice("n2"))
    with pytest.raises(ValueError, match="no URL"):
        AppriseChannel(["nonesuch://user:hidden-password@example.com"], most_characters=2000)
    for secret in ("hidden-password", "secret-path", "Wellington", "line 201"):
        assert secret not in caplog.text
    assert not [record for record in caplog.records if record.name.startswith("apprise")]
