"""One synchronous step from message to minimal records: normalise, route to the machine, minimise."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.core.desk import Desk
from agent.core.normalise import Linker, normalise
from agent.core.policy import Policy
from agent.core.records import Blind, Emergency, Failure, Record, Recording, Registration
from agent.core.registrar import Registrar
from agent.core.signals import (
    AttemptFailed,
    Booted,
    ChannelUp,
    Lookup,
    OnChannel,
    Signal,
)
from agent.core.tapes import Tapes
from agent.core.wire import Message

Output = Record | Lookup

_HOUR_MS = 3_600_000


@dataclass(slots=True)
class Engine:
    """All that the agent knows while it runs. Same messages, same times: same records, ids aside."""

    policy: Policy
    link: Linker
    new_id: Callable[[], str]
    registrar: Registrar = field(init=False)
    desk: Desk = field(init=False)
    tapes: Tapes = field(init=False)
    _failures: dict[str, Failure] = field(default_factory=dict)
    _blind: dict[str, Blind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registrar = Registrar(self.policy, self.new_id)
        self.desk = Desk(self.policy, self.new_id, self.registrar.whereabouts)
        self.tapes = Tapes(self.new_id)

    def hear(self, message: Message, at: int) -> list[Output]:
        """What ``message``, arrived at ``at`` (ms), gives to keep or to ask."""
        signal = normalise(message, at, self.link)
        return [] if signal is None else list(self.step(signal))

    def step(self, signal: Signal) -> Iterator[Output]:
        """Route one signal."""
        if isinstance(signal, Booted):
            self.synchronise()
        elif isinstance(signal, AttemptFailed):
            yield self._failed(signal)
        else:
            if isinstance(signal, ChannelUp) and signal.line is not None:
                self.registrar.called(signal.line)
            # Emergencies first: nothing that another machine does can come between a signal and its emergency.
            yield from self.desk.hear(signal)
            yield from self.tapes.hear(signal)
            if not isinstance(signal, OnChannel):
                for output in self.registrar.hear(signal):
                    yield output
                    if isinstance(output, Registration) and output.ended_at is None:
                        yield from self.desk.described(output.line, signal.at)

    def tick(self, at: int) -> list[Output]:
        """Time passed; call it about once a second."""
        self.desk.tick(at)
        self.tapes.tick(at)
        return list(self.registrar.tick(at))

    def synchronise(self) -> None:
        """The bulk session is back, full lists follow: what they do not show is gone."""
        self.registrar.regained()
        self.desk.regained()
        self.tapes.regained()

    def lost(self, session: str, cause: str, at: int) -> list[Record]:
        """``session`` stopped listening."""
        if session in self._blind:
            return []
        self._blind[session] = Blind(id=self.new_id(), session=session, cause=cause, from_at=at)
        return [self._blind[session]]

    def regained(self, session: str, at: int) -> list[Record]:
        """``session`` listens again."""
        blind = self._blind.pop(session, None)
        return [] if blind is None else [replace(blind, until_at=max(at, blind.from_at))]

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what had not ended when an earlier run stopped."""
        records = list(records)
        self.registrar.restore(record for record in records if isinstance(record, Registration))
        self.desk.restore(record for record in records if isinstance(record, Emergency))
        self.tapes.restore(record for record in records if isinstance(record, Recording))
        self._blind.update((record.session, record) for record in records if isinstance(record, Blind))

    def _failed(self, signal: AttemptFailed) -> Failure:
        counted = self._failures.get(signal.cause)
        if counted is None or counted.hour != _hour(signal.at):
            counted = Failure(id=self.new_id(), hour=_hour(signal.at), cause=signal.cause, count=0)
        self._failures[signal.cause] = replace(counted, count=counted.count + 1)
        return self._failures[signal.cause]


def _hour(at: int) -> int:
    return at - at % _HOUR_MS
