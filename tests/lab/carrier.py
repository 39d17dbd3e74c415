"""The far end of a trunk that carries so many calls at once and no more, which SIPp cannot be told."""

import asyncio
import re
from types import TracebackType
from typing import Self

from tests.lab.asterisk import Asterisk

_WAIT_S = 60.0
_SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
)


class Carrier(asyncio.DatagramProtocol):
    """Answers calls at once while fewer than `channels` are up, and refuses the others with 503.

    async with Carrier(lab, "trunk-a", channels=2) as carrier:
        await phone.start_call("01134960123")
        await carrier.carries("01134960123")
    """

    def __init__(self, lab: Asterisk, trunk: str, *, channels: int) -> None:
        self._address = ("127.0.0.1", lab.trunk_ports[trunk])
        self._channels = channels
        self._calls: dict[str, str] = {}
        self._changed = asyncio.Event()
        #: the numbers that were refused, in their order
        self.refused: list[str] = []

    @property
    def up(self) -> list[str]:
        """The numbers of the calls that are up, the oldest first."""
        return list(self._calls.values())

    async def carries(self, *numbers: str) -> None:
        """Waits until exactly these calls are up.

        Raises AssertionError after a minute.
        """
        try:
            async with asyncio.timeout(_WAIT_S):
                while sorted(self.up) != sorted(numbers):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.up} are up, and not {list(numbers)}") from None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One SIP request or ACK of Asterisk's."""
        head = data.decode("utf-8", "replace").partition("\r\n\r\n")[0]
        method, uri, *_ = head.split(" ", 2)
        call_id, to = _header(head, "Call-ID")[0], _header(head, "To")[0]
        if method == "INVITE" and call_id not in self._calls:
            number = uri.removeprefix("sip:").partition("@")[0]
            if len(self._calls) >= self._channels:
                self.refused.append(number)
                self._answer(head, 503, addr)
                return
            self._calls[call_id] = number
        if method in ("BYE", "CANCEL"):
            self._calls.pop(call_id, None)
        self._changed.set()
        if method != "ACK":
            self._answer(head, 200, addr, _SDP if method == "INVITE" else "", tag="" if ";tag=" in to else ";tag=far")

    def _answer(self, head: str, code: int, addr: tuple[str, int], body: str = "", tag: str = ";tag=far") -> None:
        host, port = self._address
        lines = [
            f"SIP/2.0 {code} {'OK' if code == 200 else 'Service Unavailable'}",
            *(f"Via: {via}" for via in _header(head, "Via")),
            f"From: {_header(head, 'From')[0]}",
            f"To: {_header(head, 'To')[0]}{tag}",
            f"Call-ID: {_header(head, 'Call-ID')[0]}",
            f"CSeq: {_header(head, 'CSeq')[0]}",
            f"Contact: <sip:far@{host}:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
            "",
            body,
        ]
        self._transport.sendto("\r\n".join(lines).encode(), addr)


def _header(head: str, name: str) -> list[str]:
    return re.findall(rf"^{name}: *(.*?)\r?$", head, re.M | re.I)
