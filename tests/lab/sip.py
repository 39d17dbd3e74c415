"""Phones, trunks and emergency services: who they are, and what they do on the wire."""

import secrets
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.lab import scenarios
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Consult, Dial, Hold, Listen, RecordButton, Say, Step, Talk, Transfer
from tests.lab.etc import password
from tests.lab.ports import free_port
from tests.lab.sipp import SipError, SippRun, run_sipp
from tests.lab.wire import Request

__all__ = [
    "Callee",
    "Consult",
    "Dial",
    "Hold",
    "Listen",
    "Phone",
    "RecordButton",
    "Say",
    "SipError",
    "Talk",
    "Transfer",
    "Trunk",
    "start_trunk_call",
    "trunk_call",
    "trunk_text",
]


class Phone:
    """One phone, at an address of its own within 127.0.0.0/8.

    phone = Phone(lab, "201", user_agent="Yealink SIP-T46U 108.86.0.45", local_ip="127.0.0.5")
    await phone.register()
    await phone.call("999", steps=[Talk(1)])

    `caller` is the user part of its From, where that is not the line; `headers` are more lines of its INVITEs.
    """

    def __init__(
        self,
        lab: Asterisk,
        line: str,
        *,
        user_agent: str = "lab phone",
        local_ip: str = "127.0.0.1",
        secret: str | None = None,
        name: str = "A Caller",
        caller: str = "",
        headers: Sequence[str] = (),
        server_port: int | None = None,
        tcp: bool = False,
        contact_host: str = "",
    ) -> None:
        self.lab = lab
        self.line = line
        self.user_agent = user_agent
        self.local_ip = local_ip
        self.port = free_port(host=local_ip)
        self.secret = secret if secret is not None else password(line)
        self.name = name
        self.caller = caller
        self.headers = headers
        self.call_id = f"{secrets.token_hex(12)}@{local_ip}"
        self._server = ("127.0.0.1", server_port or lab.sip_port)
        self._cseq = 1
        self._tcp = tcp
        self._contact = f"{contact_host}:{self.port}" if contact_host else ""

    async def register(self, *, expires: int = 300, expect: int = 200) -> None:
        """Registers, or refreshes (the Call-ID stays the same); `expect` is the final SIP answer.

        Raises SipError when Asterisk answers otherwise.
        """
        scenario = scenarios.register(
            line=self.line,
            password=self.secret,
            user_agent=self.user_agent,
            expires=expires,
            cseq=self._cseq,
            expect=expect,
            contact=self._contact,
        )
        self._cseq += 2
        run = await self._run(scenario, "register", port=self.port, call_id=self.call_id)
        await run.done()

    async def refresh(self, *, expires: int = 300) -> None:
        """Registers the same contact again, as phones do every few minutes."""
        await self.register(expires=expires)

    async def unregister(self) -> None:
        """Takes the contact back (Expires: 0)."""
        await self.register(expires=0)

    async def start_call(self, number: str, *, steps: Sequence[Step] = (Talk(1),), expect: int = 200) -> SippRun:
        """Begins a call and returns at once; await `done()` of what comes back."""
        scenario = scenarios.call(
            line=self.line,
            password=self.secret,
            user_agent=self.user_agent,
            number=number,
            name=self.name,
            steps=steps,
            expect=expect,
            caller=self.caller,
            headers=self.headers,
        )
        return await self._run(scenario, f"call-{self.line}")

    async def call(self, number: str, *, steps: Sequence[Step] = (Talk(1),), expect: int = 200) -> None:
        """A whole call: answered it goes through `steps` and hangs up, unless the other side did before.

        To let the other side hang up, end with a long Talk.  `expect` other than 200: the call is refused with it.
        Raises SipError when it went otherwise.
        """
        await (await self.start_call(number, steps=steps, expect=expect)).done()

    async def abandon(self, number: str, *, ring_s: float = 1.0) -> None:
        """Calls and hangs up after `ring_s` seconds of ringing, before anybody answers."""
        scenario = scenarios.abandoned_call(
            line=self.line,
            password=self.secret,
            user_agent=self.user_agent,
            number=number,
            name=self.name,
            ring_s=ring_s,
        )
        await (await self._run(scenario, f"abandon-{self.line}")).done()

    async def text(self, number: str, body: str, *, expect: int = 202) -> None:
        """Sends a text (SIP MESSAGE); `expect` is the final SIP answer, 202 where Asterisk took it."""
        scenario = scenarios.text(
            line=self.line,
            password=self.secret,
            user_agent=self.user_agent,
            number=number,
            name=self.name,
            body=body,
            expect=expect,
        )
        await (await self._run(scenario, f"text-{self.line}")).done()

    async def _run(self, scenario: str, title: str, port: int | None = None, call_id: str | None = None) -> SippRun:
        return await run_sipp(
            scenario,
            folder=self.lab.folder / "sipp",
            title=title,
            local=(self.local_ip, port or free_port(host=self.local_ip)),
            remote=self._server,
            call_id=call_id,
            tcp=self._tcp,
        )


class _Answering:
    """Takes every call that comes to one address, each by the same scenario, until it is left."""

    def __init__(self, lab: Asterisk, title: str, local: tuple[str, int], scenario: str) -> None:
        self._lab = lab
        self._title = title
        self._local = local
        self._scenario = scenario

    async def __aenter__(self) -> Self:
        self._run = await run_sipp(
            self._scenario,
            folder=self._lab.folder / "sipp",
            title=self._title,
            local=self._local,
            remote=("127.0.0.1", self._lab.sip_port),
            calls=None,
        )
        await self._run.listening()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._run.stop()

    def received(self, method: str) -> list[Request]:
        """The requests of this method that came so far, repetitions left out; also after it was left."""
        return self._run.received(method)

    @property
    def invites(self) -> list[Request]:
        """The INVITEs that began a call, in the order in which they came."""
        return [request for request in self.received("INVITE") if "tag=" not in request.header("To")]


class Callee(_Answering):
    """A registered phone that takes calls.

    async with Callee(phone, ring_s=0.2):
        await other.call("202")
    """

    def __init__(
        self, phone: Phone, *, answers: int | None = 200, ring_s: float = 0.2, steps: Sequence[Step] = ()
    ) -> None:
        scenario = scenarios.answering(answers=answers, ring_s=ring_s, steps=steps, user_agent=phone.user_agent)
        super().__init__(phone.lab, f"callee-{phone.line}", (phone.local_ip, phone.port), scenario)


class Trunk(_Answering):
    """What is at the other end of a trunk: the emergency services, or a carrier that refuses.

    `answers`: 200 answers after `ring_s` and waits for the BYE, or hangs up after `steps`; another code refuses;
    None swallows the INVITE.

        async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b", answers=200, ring_s=0.5) as psap:
            await phone.call("999")
        assert psap.invites[0].cli == "+441134960000"
    """

    def __init__(
        self,
        lab: Asterisk,
        name: str,
        *,
        answers: int | None = 200,
        ring_s: float = 0.2,
        steps: Sequence[Step] = (),
        progress: int = 180,
    ) -> None:
        scenario = scenarios.answering(
            answers=answers, ring_s=ring_s, steps=steps, user_agent="lab carrier", progress=progress
        )
        super().__init__(lab, name, ("127.0.0.1", lab.trunk_ports[name]), scenario)


async def start_trunk_call(
    lab: Asterisk,
    trunk: str,
    number: str,
    *,
    caller: str = "999",
    name: str = "",
    steps: Sequence[Step] = (Talk(1),),
    expect: int = 200,
    headers: Sequence[str] = (),
) -> SippRun:
    """Begins a call into the PBX from the far end of `trunk` to `number`, as when the emergency services ring back.

    Returns at once; await `done()` of what comes back. Where a `Trunk` takes calls, this is another socket beside it.
    `headers` are more lines of the INVITE.
    """
    scenario = scenarios.incoming(
        trunk=trunk,
        user_agent="lab carrier",
        caller=caller,
        name=name,
        number=number,
        steps=steps,
        expect=expect,
        headers=headers,
    )
    return await run_sipp(
        scenario,
        folder=lab.folder / "sipp",
        title=f"call-from-{trunk}",
        local=("127.0.0.1", free_port()),
        remote=("127.0.0.1", lab.sip_port),
    )


async def trunk_text(
    lab: Asterisk, trunk: str, number: str, body: str, *, caller: str, name: str = "", expect: int = 202
) -> None:
    """Sends a text into the PBX from the far end of `trunk` to `number`."""
    scenario = scenarios.text(
        line=caller,
        password="",
        user_agent="lab carrier",
        number=number,
        name=name,
        body=body,
        expect=expect,
        trunk=trunk,
    )
    run = await run_sipp(
        scenario,
        folder=lab.folder / "sipp",
        title=f"text-from-{trunk}",
        local=("127.0.0.1", free_port()),
        remote=("127.0.0.1", lab.sip_port),
    )
    await run.done()


async def trunk_call(
    lab: Asterisk,
    trunk: str,
    number: str,
    *,
    caller: str = "999",
    name: str = "",
    steps: Sequence[Step] = (Talk(1),),
    expect: int = 200,
) -> None:
    """The whole of such a call: answered it goes through `steps` and hangs up, unless the other side did before.

    `expect` other than 200: the call is refused with it.
    Raises SipError when it went otherwise.
    """
    run = await start_trunk_call(lab, trunk, number, caller=caller, name=name, steps=steps, expect=expect)
    await run.done()
