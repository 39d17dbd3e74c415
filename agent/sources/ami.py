"""Asterisk over AMI as one source: an express session for emergencies beside a bulk session for the rest."""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from agent.core.lanes import Lane
from agent.core.records import Emergency, Record
from agent.core.signals import Lookup
from agent.ports import Ledger, Listener
from agent.sources.ami_connection import Answer, NotAmi, SessionDown
from agent.sources.ami_filters import Filters
from agent.sources.ami_login import Address, Credentials, LoginRefused, TlsRefused
from agent.sources.ami_resync import LookupQueue, resync
from agent.sources.ami_session import Session, State, Timing
from agent.sources.journal import Journal

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

#: How long the bulk session waits for an emergency at the longest: a disk or a desk that hangs must not cost it its
#: connection, which Asterisk cuts when the kernel holds some 4 MB.
HOLD_S = 0.1


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
        ledger: Ledger | None = None,
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
                resync=self._resync if snapshots else None,
                timing=timing,
                chance=chance,
            )

        self.express = session("express", frozenset({b"UserEvent"}), Filters.express(), snapshots=False)
        self.bulk = session("bulk", wanted, Filters.bulk(wanted), snapshots=True)
        self._lookups = LookupQueue(self.bulk)
        self._journal = None if ledger is None else Journal(self.bulk, ledger, clock)
        self._told_apart = False
        self._held: asyncio.TimerHandle | None = None

    @property
    def sessions(self) -> tuple[Session, Session]:
        """Express, then bulk."""
        return self.express, self.bulk

    @property
    def in_step(self) -> bool:
        """Both logged in to the same Asterisk, and all that was up when the bulk session came is known."""
        return all(session.state is State.IN_STEP for session in self.sessions) and self._same_asterisk()

    @property
    def journal(self) -> Journal | None:
        """What reads the dialplan's journal; None where nobody keeps a ledger."""
        return self._journal

    def look_up(self, lookup: Lookup) -> None:
        """Have Asterisk describe one endpoint's contacts; its answer is heard like any event."""
        self._lookups.put(lookup)

    def give_way(self, urgent: bool) -> None:
        """Read nothing of the bulk session while an emergency is on its way: the processor is the emergency's."""
        if not urgent:
            self._go_on()
        elif self._held is None:
            self.bulk.hold()
            self._held = asyncio.get_running_loop().call_later(HOLD_S, self._go_on)

    def _go_on(self) -> None:
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self.bulk.release()

    def stored(self, lane: Lane, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        """Records are in the store: of an emergency that is over, the entries in the journal have done their work."""
        over = any(isinstance(record, Emergency) and record.ended_at is not None for record in records)
        if over and self._journal is not None:
            self._journal.ended()

    async def run(self) -> None:
        """Keep both sessions up until cancelled.

        Raises:
            LoginRefused, NotAmi, TlsRefused: from the first session that could never log in.
        """
        parts = [self.express.run(), self.bulk.run(), self._lookups.run()]
        await _together(*parts, *([] if self._journal is None else [self._journal.run()]))

    async def _resync(self, session: Session) -> bool:
        return await resync(session, None if self._journal is None else self._journal.read)

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
