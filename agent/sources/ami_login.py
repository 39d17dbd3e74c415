"""The way in to AMI: connect, check who is there, and log in."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ssl import SSLContext, SSLError

from agent.sources.ami_connection import Connection, NotAmi


class LoginRefused(Exception):
    """Asterisk knows no such user with this secret from here; the message is one sentence for the operator."""


class InUse(LoginRefused):
    """The user may log in only once, and somebody is: perhaps a connection of ours that Asterisk does not know lost."""


class Mute(NotAmi):
    """Nothing greets there: of an Asterisk that hangs the kernel still takes connections."""


class TlsRefused(Exception):
    """The TLS handshake failed: wrong certificate, or no TLS at that port; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where AMI listens; ``ssl`` is a client context for its TLS port."""

    host: str
    port: int
    ssl: SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A user of manager.conf."""

    username: str
    secret: str = field(repr=False)


@asynccontextmanager
async def connected(
    address: Address, take: Callable[[Connection, bytes], None], *, connect_s: float, greeting_s: float
) -> AsyncIterator[Connection]:
    """A connection that Asterisk has greeted, gone when the block is left.

    Raises:
        NotAmi: something else answers there.
        Mute: nothing does within ``greeting_s``.
        TlsRefused: no handshake, or a certificate that ``address.ssl`` does not trust.
        OSError: no connection.
    """
    connection = Connection(take)
    name = address.host if address.ssl else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            await loop.create_connection(
                lambda: connection.reading, address.host, address.port, ssl=address.ssl, server_hostname=name
            )
    except SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "no handshake"
        raise TlsRefused(f"Asterisk at {address} cannot be trusted over TLS: {reason}") from None
    try:
        await _greeting(connection, address, greeting_s)
        yield connection
    finally:
        connection.abort("stopped")
        await connection.gone.wait()


async def _greeting(connection: Connection, address: Address, limit_s: float) -> None:
    is_not = f"What listens at {address} is not Asterisk's Manager Interface"
    try:
        async with asyncio.timeout(limit_s):
            await connection.greeted
    except NotAmi:
        raise NotAmi(f"{is_not}: it speaks some other protocol") from None
    except TimeoutError:
        raise Mute(f"{is_not}: it says nothing") from None


async def log_in(
    connection: Connection, address: Address, credentials: Credentials, limit_s: float, *, events: str = "off"
) -> None:
    """Log in, with no ``events`` yet: by MD5 challenge where it is offered, else with the secret itself.

    Raises:
        LoginRefused: Asterisk said no.
        InUse: not while somebody else is logged in as this user.
        TimeoutError, SessionDown: Asterisk said nothing.
    """
    user = {"Username": credentials.username}
    login = {"Action": "Login", **user, "Events": events}
    answer = await connection.ask({"Action": "Challenge", "AuthType": "MD5", **user}, limit_s)
    challenge = answer.headers.get("Challenge", "") if answer.ok else ""
    if "In Use" not in answer.message:
        if challenge:
            digest = hashlib.md5((challenge + credentials.secret).encode(), usedforsecurity=False)
            login |= {"AuthType": "MD5", "Key": digest.hexdigest()}
        else:
            login |= {"Secret": credentials.secret}
        answer = await connection.ask(login, limit_s)
    if not answer.ok:
        refused = f"Asterisk at {address} refused the login of user '{credentials.username}'"
        if "In Use" in answer.message:
            why = "it is logged in already and manager.conf has allowmultiplelogin=no; the agent needs two sessions"
            raise InUse(f"{refused}: {why}")
        raise LoginRefused(f"{refused}: wrong name, wrong secret, or an address that `permit` leaves out")
