"""The dead man's handle: a marked event that goes all the way an emergency goes, every few seconds."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import structlog

from agent.core.lanes import Lane
from agent.core.records import Cause, Probe, Record, Severity
from agent.duties.assurance.condition import Condition

log = structlog.get_logger()

NAME = "EmergencyProbe"
SUBJECT = "probe"
#: Older than this many intervals, and than so many seconds, the last probe says that something is wrong.
_MISSED, _LEAST_S = 3, 15.0
#: Without the right to send one (write class user), how soon it is tried again; Asterisk tells each refusal to others.
_DENIED_S = 300.0


class Answer(Protocol):
    """Asterisk's answer to an action."""

    @property
    def ok(self) -> bool:
        """Whether it was done."""

    @property
    def message(self) -> str:
        """Why not."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The first of each key."""


class Handle:
    """Sends probes through ``ask`` (the bulk session), and hears of their commits as an observer of the pipeline.

    ``clock`` gives ms; ``why`` says in words where the way is known to be broken, "" where it is not. Each
    ConnectionError and TimeoutError of ``ask`` is a probe that was not sent.
    """

    def __init__(
        self,
        *,
        every_s: float,
        ask: Callable[[Mapping[str, str]], Awaitable[Answer]],
        report: Callable[[Condition], None],
        clock: Callable[[], int],
        why: Callable[[], str],
    ) -> None:
        self.every_s = every_s
        #: When the last probe was committed, by the agent's own clock; None before the first.
        self.came_at: int | None = None
        #: Asterisk lets the agent send none: then there is nothing to miss.
        self.denied = False
        self._ask = ask
        self._report = report
        self._clock = clock
        self._why = why
        self._since = clock()

    def __call__(self, _lane: Lane, records: Sequence[Record], _seconds: float) -> None:
        """Observe a commit."""
        if any(isinstance(record, Probe) for record in records):
            self.came_at = self._since = self._clock()

    @property
    def late_after_s(self) -> float:
        """How old the last probe may be."""
        return max(_MISSED * self.every_s, _LEAST_S)

    async def run(self) -> None:
        """Send and watch, until cancelled."""
        if not self.every_s:
            self._report(Condition(cause=Cause.PROBE, subject=SUBJECT, what=None))
            await asyncio.Event().wait()
        while True:
            await self._send()
            self.watch()
            await asyncio.sleep(_DENIED_S if self.denied else self.every_s)

    async def _send(self) -> None:
        try:
            probe = {"Action": "UserEvent", "UserEvent": NAME, "Probe": secrets.token_hex(8)}
            answer = await self._ask(probe)
        except (ConnectionError, TimeoutError):
            return
        denied = not answer.ok and "denied" in answer.message.lower()
        if denied and not self.denied:
            log.warning("no_probe", reason="the agent's user has no write class user", hint="see manager.conf.example")
        if self.denied and not denied:
            self._since = self._clock()
        self.denied = denied

    def watch(self) -> None:
        """Say whether the last probe is too old."""
        age_s = (self._clock() - self._since) / 1000
        what = None
        if age_s > self.late_after_s and not self.denied:
            why = self._why() or "it is sent, and does not come back"
            what = f"no probe has come through Asterisk into the store: the agent may miss emergencies ({why})"
        self._report(Condition(cause=Cause.PROBE, subject=SUBJECT, what=what, severity=Severity.CRITICAL))
