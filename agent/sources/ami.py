"""Asterisk over AMI as one source: an express session for emergencies beside a bulk session for the rest."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

from agent.core.signals import Lookup
from agent.ports import Listener
from agent.sources.ami_connection import Answer, NotAmi, SessionDown
from agent.sources.ami_filters import Filters
from agent.sources.ami_login import Address, Credentials, LoginRefused, TlsRefused
from agent.sources.ami_resync import LookupQueue, resync
from agent.sources.ami_session import Session, State, Timing

__all__ = [
    "Address",
    "AmiSource",
    "Answer",
    "Credentials",
    "Filters",
    "LoginRefused",
    "NotAmi",
    "Session",
    "SessionDown",
    "State",
    "Timing",
    "TlsRefused",
]

log = logging.getLogger(__name__)


class AmiSource:
    """Both sessions to one Asterisk.

    Two, because one TCP stream has head-of-line blocking: behind 100,000 queued registrations a 999 would wait.
    ``wanted`` are the event names for the bulk session; ``clock`` gives ms since 1970 UTC. The express session logs in
    with ``express_credentials`` where it has a user of its own.
    """

    def __init__(
        self,
        *,
        address: Address,
        credentials: Credentials,
        express_credentials: Credentials | None = None,
        wanted: frozenset[bytes],
        listener: Listener,
        clock: Callable[[], int],
        timing: Timing | None = None,
        chance: random.Random | None = None,
    ) -> None:
        def session(name: str, wanted: frozenset[bytes], filters: Filters, *, snapshots: bool) -> Session:
            return Session(
                name=name,
                address=address,
                credentials=credentials if snapshots else express_credentials or credentials,
                wanted=wanted,
                filters=filters,
                listener=listener,
                clock=clock,
                resync=resync if snapshots else None,
                timing=timing,
                chance=chance,
            )

        self.express = session("express", frozenset({b"UserEvent"}), Filters.express(), snapshots=False)
        self.bulk = session("bulk", wanted, Filters.bulk(wanted), snapshots=True)
        self._lookups = LookupQueue(self.bulk)
        self._told_apart = False

    @property
    def sessions(self) -> tuple[Session, Session]:
        """Express, then bulk."""
        return self.express, self.bulk

    @property
    def in_step(self) -> bool:
        """Both logged in to the same Asterisk, and all that was up when the bulk session came is known."""
        return all(session.state is State.IN_STEP for session in self.sessions) and self._same_asterisk()

    def look_up(self, lookup: Lookup) -> None:
        """Have Asterisk describe one endpoint's contacts; its answer is heard like any event."""
        self._lookups.put(lookup)

    async def run(self) -> None:
        """Keep both sessions up until cancelled.

        Raises:
            LoginRefused, NotAmi, TlsRefused: from the first session that could never log in.
        """
        await _together(self.express.run(), self.bulk.run(), self._lookups.run())

    def _same_asterisk(self) -> bool:
        # Behind one name there may be two (DNS, a load balancer); Asterisk does not tell every user when it started.
        apart = bool(self.express.startup and self.bulk.startup and self.express.startup != self.bulk.startup)
        if apart and not self._told_apart:
            log.error("the AMI sessions express and bulk reached two different Asterisks")
        self._told_apart = apart
        return not apart


async def _together(*parts: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        failure: BaseException = failures
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        raise failure from None
