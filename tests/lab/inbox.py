"""A phone or a carrier that takes texts, or is told how many messages its mailbox holds."""

from types import TracebackType
from typing import Self

from tests.lab.messages import receive, response, scenario, send
from tests.lab.sip import Phone
from tests.lab.sipp import run_sipp
from tests.lab.wire import Request


class Inbox:
    """A registered phone that answers every SIP MESSAGE, or NOTIFY outside a dialog, with 200, until it is left.

    With the name of a trunk it is the carrier behind that.

    async with Inbox(phone) as inbox:
        ...
    assert inbox.texts[0].body == "hello"
    """

    def __init__(self, phone: Phone, method: str = "MESSAGE", *, trunk: str = "") -> None:
        self._phone = phone
        self._method = method
        self._trunk = trunk

    async def __aenter__(self) -> Self:
        lab = self._phone.lab
        local = ("127.0.0.1", lab.trunk_ports[self._trunk]) if self._trunk else (self._phone.local_ip, self._phone.port)
        self._run = await run_sipp(
            scenario(receive(request=self._method), send(response(200, self._phone.user_agent), retransmit=False)),
            folder=lab.folder / "sipp",
            title=f"inbox-{self._trunk or self._phone.line}",
            local=local,
            remote=("127.0.0.1", lab.sip_port),
            calls=None,
        )
        await self._run.listening()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._run.stop()

    @property
    def texts(self) -> list[Request]:
        """What came so far, repetitions left out."""
        return self._run.received(self._method)
