"""Turns a captured session into the records that the agent would have stored."""

import secrets
from collections.abc import Iterable
from dataclasses import replace

from agent.config import Config
from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker
from agent.core.records import Alarm, Entry, Key, Notice, Record, key_of
from agent.core.signals import CaptureOrder, Lookup
from agent.core.wire import Message
from agent.sources.replay import Summary, replay
from agent.world import new_id

#: How often time passes in a capture, as it does for the running agent.
_TICK_MS = 1000


def replayed(config: Config, chunks: Iterable[bytes], *, source: str) -> tuple[list[Record], Summary]:
    """The records that the agent would store of a captured session, each once, in its last state; what was read.

    Raises:
        NotACapture: ``source`` holds no AMI message.
    """
    policy = replace(config.policy(), optins_told=True)
    ear = _Ear(Engine(policy=policy, link=Linker(secrets.token_bytes(32)), new_id=new_id))
    summary = replay(chunks, WANTED, ear, source=source)
    # A replay says what happened; the alarms of it, and who would have been told, are the running agent's.
    return [record for record in ear.records.values() if not isinstance(record, Alarm | Entry | Notice)], summary


class _Ear:
    """A listener that keeps the last state of each record."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ticked_at = 0
        self.records: dict[Key, Record] = {}

    def hear(self, session: str, message: Message, at: int) -> None:  # noqa: ARG002
        outputs = list(self._engine.hear(message, at))
        if at - self._ticked_at >= _TICK_MS:
            outputs += self._engine.tick(at)
            self._ticked_at = at
        kept = (output for output in outputs if not isinstance(output, Lookup | CaptureOrder))
        self.records.update((key_of(output), output) for output in kept)

    def lost(self, session: str, cause: str, at: int) -> None:
        """A capture has one session only."""

    def regained(self, session: str, at: int) -> None:
        """A capture has one session only."""
