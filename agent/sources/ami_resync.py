"""What the bulk session asks Asterisk: the full snapshot after each login, and single look-ups in between."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from agent.core.signals import Lookup
from agent.core.wire import Message
from agent.sources.ami_connection import Answer, SessionDown
from agent.sources.ami_session import Session

log = logging.getLogger(__name__)

_CONTACTS: Final = ("PJSIPShowRegistrationInboundContactStatuses", "ContactStatusDetailComplete")

#: Contacts first, channels last: an emergency call found up must find the registration that it came from.
SNAPSHOT: Final = (
    _CONTACTS,
    ("SIPpeers", "PeerlistComplete"),
    ("IAXpeerlist", "PeerlistComplete"),
)
_CHANNELS: Final = ("CoreShowChannels", "CoreShowChannelsComplete")

IN_FLIGHT: Final = 8
MOST_PENDING: Final = 5_000

#: Where Asterisk's own database keeps the PJSIP contacts, by their contact ids.
_FAMILY: Final = "registrar/contact"


async def resync(session: Session, journal: Callable[[], Awaitable[None]] | None = None) -> bool:
    """Ask for every registration and channel; the events are heard as they come. True when all of it was told.

    A FullyBooted is heard before the lists and never within one, where it would make them close what they had named.
    The ``journal`` of emergencies is read between them: it knows when a call ended that is up no more, the list of
    channels does not.

    Raises:
        SessionDown, TimeoutError: as Session.ask_list.
    """
    session.hear(Message("FullyBooted", {}))
    whole = True
    for action, complete in SNAPSHOT:
        whole = await _list(session, action, complete) and whole
    if journal is not None:
        await journal()
    return await _list(session, *_CHANNELS) and whole


async def _list(session: Session, action: str, complete: str) -> bool:
    answer = await session.ask_list({"Action": action}, complete)
    if answer.ok or _no_such_module(answer):
        return True
    if _empty(answer):
        # Nothing follows the Error of an empty list, and what is gone must still be closed.
        session.hear(Message(complete, {}))
        return True
    why = "no right to ask" if "denied" in answer.message else "refused"
    log.warning("AMI session %s has no full snapshot: %s: %s", session.name, action, why)
    return False


def _no_such_module(answer: Answer) -> bool:
    return "unknown command" in answer.message.lower()


def _empty(answer: Answer) -> bool:
    text = answer.message.lower()
    return text.startswith("no ") and "found" in text


class LookupQueue:
    """Look-ups that wait their turn: each once, IN_FLIGHT asked at a time.

    Those too many to ask, and those that Asterisk's database does not answer, become one full list of contacts.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # A dict for its order: a look-up that is waiting already need not wait twice.
        self._pending: dict[Lookup, None] = {}
        self._waiting = asyncio.Event()
        self._unanswered = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pending)

    def put(self, lookup: Lookup) -> None:
        """Have ``lookup`` asked soon; what Asterisk answers is heard like any event."""
        self._pending[lookup] = None
        if len(self._pending) > MOST_PENDING:
            self._pending.clear()
            self._unanswered.set()
        self._waiting.set()

    async def run(self) -> None:
        """Ask, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._list_when_unanswered())
            for _ in range(IN_FLIGHT):
                group.create_task(self._ask_in_turn())

    async def _ask_in_turn(self) -> None:
        while True:
            await self._waiting.wait()
            if not self._pending:
                self._waiting.clear()
                continue
            lookup = next(iter(self._pending))
            del self._pending[lookup]
            try:
                await self._ask(lookup)
            except SessionDown:
                # The snapshot after the next login will tell what these would have.
                self._pending.clear()
            except TimeoutError:
                log.warning("a look-up had no answer")
            except ValueError:
                log.warning("a look-up was dropped: its name would not stay one AMI header")

    async def _ask(self, lookup: Lookup) -> None:
        if lookup.technology == "PJSIP":
            if not (lookup.contact and await self._described(lookup.contact)):
                self._unanswered.set()
        elif lookup.technology == "SIP":
            answer = await self._session.ask({"Action": "SIPshowpeer", "Peer": lookup.endpoint})
            if answer.ok:
                self._session.hear(Message("Response", dict(answer.headers)))

    async def _described(self, contact: str) -> bool:
        # Not PJSIPShowEndpoint: its AuthDetail holds the phone's password in clear. Not DBGet: 16 cuts at 256 bytes.
        action = {"Action": "DBGetTree", "Family": f"{_FAMILY}/{contact}"}
        return (await self._session.ask_list(action, "DBGetTreeComplete")).events > 0

    async def _list_when_unanswered(self) -> None:
        # A contact is not in AstDB when it has gone meanwhile, or where sorcery keeps contacts elsewhere (realtime).
        while True:
            await self._unanswered.wait()
            self._unanswered.clear()
            try:
                await _list(self._session, *_CONTACTS)
            except SessionDown:
                continue
            except TimeoutError:
                log.warning("a full list of contacts had no answer")
            await asyncio.sleep(self._session.timing.relist_s)
