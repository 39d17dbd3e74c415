"""What the agent relies on from AMI, held against the fake and against real Asterisks alike."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import pytest
import pytest_asyncio

from agent.core.normalise import WANTED as ALL_WANTED
from agent.core.normalise import Linker, normalise
from agent.core.signals import Lookup
from agent.core.wire import Message
from agent.sources.ami import Address, AmiSource, Credentials, LoginRefused, Timing
from tests.integration.ami_ear import Ear, running
from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event, list_of, response
from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Phone

WANTED = frozenset(
    {b"ContactStatusDetailComplete", b"CoreShowChannelsComplete", b"PeerlistComplete", b"UserEvent", b"FullyBooted"}
)
TIMING = Timing(ping_after_s=0.3, ping_timeout_s=2.0, backoff_first_s=0.05, backoff_last_s=0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A peer under the contract: where it is, and how it is restarted."""

    port: int
    username: str
    secret: str
    restart: Callable[[], Awaitable[None]]
    #: Makes Asterisk emit one UserEvent of this name, and others that nobody here wants.
    user_event: Callable[[str], Awaitable[None]]
    #: Has phone 205 register, with this User-Agent.
    register: Callable[[str], Awaitable[None]]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[
        pytest.param("fake"),
        pytest.param("22", marks=pytest.mark.asterisk),
        pytest.param("16", marks=pytest.mark.asterisk),
    ],
)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """The fake as Asterisk 22, then the real ones."""
    kind = cast(str, request.param)
    if kind == "fake":
        async with FakeAsterisk() as fake:

            async def again() -> None:
                await fake.stop()
                await fake.start()

            fake.replies["PJSIPShowEndpoint"] = lambda peer, action: (
                list_of(action, "EndpointDetailComplete")
                if action["Endpoint"] == "201"
                else [response(action, "Error", f"Message: Unable to retrieve endpoint {action['Endpoint']}", "")]
            )

            async def tell(name: str) -> None:
                await fake.emit(event("SuccessfulAuth", Service="AMI"), event("UserEvent", UserEvent=name))

            async def register(user_agent: str) -> None:
                _register(fake, user_agent)

            yield Server(
                port=fake.port, username="agent", secret=SECRET, restart=again, user_event=tell, register=register
            )
        return
    async with Asterisk(installation(kind, print)) as lab:

        async def emit(name: str) -> None:
            async with AmiSession("127.0.0.1", lab.ami_port, "check", lab.check_secret) as eyes:
                await eyes.action("UserEvent", UserEvent=name)

        async def sip(user_agent: str) -> None:
            await Phone(lab, "205", user_agent=user_agent, local_ip="127.0.5.5").register()

        user, secret = lab.agent_user, lab.agent_secret
        yield Server(
            port=lab.ami_port, username=user, secret=secret, restart=lab.restart, user_event=emit, register=sip
        )


def _register(fake: FakeAsterisk, user_agent: str) -> None:
    """What Asterisk 22 answered of one such phone, in its list and out of its database."""
    uri = "sip:205@127.0.5.5:36572;transport=UDP"
    contact, call_id, expires = "205;@5893dc6f842b68c1e56bd9746b27cd94", "81aec1564@127.0.5.5", "1795384368"
    listed = {"AOR": "205", "URI": uri, "UserAgent": user_agent, "RegExpire": expires, "CallID": call_id}
    listed |= {"ViaAddress": "127.0.5.5:36572", "EndpointName": "205", "ID": contact}
    value = {"via_addr": "127.0.5.5", "via_port": "36572", "call_id": call_id, "endpoint": "205", "uri": uri}
    value |= {"user_agent": user_agent, "expiration_time": expires}
    stored = event("DBGetTreeResponse", Key=f"/registrar/contact/{contact}", Val=json.dumps(value))
    fake.replies["PJSIPShowRegistrationInboundContactStatuses"] = lambda peer, action: list_of(
        action, "ContactStatusDetailComplete", event("ContactStatusDetail", **listed)
    )
    fake.replies["DBGetTree"] = lambda peer, action: list_of(
        action, "DBGetTreeComplete", *([stored] if contact in action["Family"] else [])
    )


@pytest.fixture
def ear() -> Ear:
    return Ear()


def source_to(server: Server, ear: Ear, *, secret: str = "", wanted: frozenset[bytes] = WANTED) -> AmiSource:
    return AmiSource(
        address=Address(host="127.0.0.1", port=server.port),
        credentials=Credentials(username=server.username, secret=secret or server.secret),
        wanted=wanted,
        listener=ear,
        clock=lambda: 0,
        timing=TIMING,
    )


async def test_both_sessions_come_up_filtered_and_in_step(server: Server, ear: Ear) -> None:
    source = source_to(server, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        assert all(session.filtered for session in source.sessions)
        assert source.bulk.startup == source.express.startup != ""
        assert ear.names()[:2] == ["FullyBooted", "ContactStatusDetailComplete"]
        assert ear.names()[-1] == "CoreShowChannelsComplete"
        before = sum(session.received_messages for session in source.sessions)
        await ear.until(lambda: all(session.received_messages for session in source.sessions))
        await ear.until(lambda: sum(session.received_messages for session in source.sessions) >= before + 4)
        assert (source.in_step, source.bulk.reconnects) == (True, 0)


async def test_the_filters_cut_inside_asterisk(server: Server, ear: Ear) -> None:
    source = source_to(server, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        before, unwanted = len(ear.heard), source.bulk.unwanted_messages
        for name in ("RecordingStart", "NotEmergency", "EmergencyDialled"):
            await server.user_event(name)
        await ear.until(lambda: len(ear.heard) == before + 2)
        told = [(session, message.get("UserEvent")) for session, message in ear.heard[before:]]
        # Each login of the lab's own makes a SuccessfulAuth, which the agent may read but did not ask for.
        assert (source.express.unwanted_messages, source.bulk.unwanted_messages) == (0, unwanted)
    assert [name for session, name in told if session == "express"] == ["EmergencyDialled"]
    assert [name for session, name in told if session == "bulk"] == ["RecordingStart"]


async def test_a_wrong_secret_is_refused_once(server: Server, ear: Ear) -> None:
    with pytest.raises(LoginRefused):
        await source_to(server, ear, secret="wrong").run()


async def test_a_restart_is_lost_regained_and_in_step_again(server: Server, ear: Ear) -> None:
    source = source_to(server, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        await server.restart()
        await ear.until(lambda: source.bulk.reconnects > 0 and source.express.reconnects > 0 and source.in_step)
    bulk = [state for session, state in ear.states if session == "bulk"]
    assert (bulk[0], bulk[2], bulk[-1]) == ("regained", "regained", "stopped")
    assert bulk[1] in {"closed", "reset", "shutdown"}


async def test_actions_that_asterisk_does_not_know_or_cannot_do_are_answered(server: Server, ear: Ear) -> None:
    source = source_to(server, ear)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        unknown = await source.bulk.ask({"Action": "NoSuchAction"})
        assert (unknown.ok, "unknown command" in unknown.message) == (False, True)
        show = {"Action": "PJSIPShowEndpoint", "Endpoint": "999"}
        missing = await source.bulk.ask_list(show, "EndpointDetailComplete")
        assert (missing.ok, "Unable to retrieve" in missing.message) == (False, True)
        there = await source.bulk.ask_list(show | {"Endpoint": "201"}, "EndpointDetailComplete")
        assert there.ok
        assert (await source.bulk.ask({"Action": "Ping"})).headers["Ping"] == "Pong"


async def test_the_database_describes_one_contact_as_the_full_list_does(server: Server, ear: Ear) -> None:
    # longer than the 256 bytes at which DBGet of Asterisk 16 cuts
    await server.register('snomD785/10.1.184.14 "x" ' + 200 * "y")
    source, link = source_to(server, ear, wanted=ALL_WANTED), Linker(b"key")
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        (listed,) = ear.all("ContactStatusDetail")
        source.look_up(Lookup(technology="PJSIP", endpoint="205", contact=listed.get("ID")))
        await ear.until(lambda: bool(ear.all("DBGetTreeResponse")))
        (stored,) = ear.all("DBGetTreeResponse")
        assert normalise(stored, 0, link) == normalise(listed, 0, link) is not None
        # a contact that nothing names is named as Asterisk itself names it
        assert normalise(Message(listed.name, dict(listed.headers) | {"ID": ""}), 0, link) == normalise(stored, 0, link)
        assert len(ear.all("ContactStatusDetailComplete")) == 1


async def test_a_contact_that_is_not_in_the_database_is_told_by_a_full_list(server: Server, ear: Ear) -> None:
    source = source_to(server, ear, wanted=ALL_WANTED)
    async with running(source.run()):
        await ear.until(lambda: source.in_step)
        tree = {"Action": "DBGetTree", "Family": "registrar/contact/205;@gone"}
        missing = await source.bulk.ask_list(tree, "DBGetTreeComplete")
        assert (missing.ok, missing.events) == (True, 0)
        source.look_up(Lookup(technology="PJSIP", endpoint="205", contact="205;@gone"))
        await ear.until(lambda: len(ear.all("ContactStatusDetailComplete")) == 2)
