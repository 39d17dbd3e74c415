"""States of calls that are up, or lately were, found by any of their channels."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

State = TypeVar("State")

#: A call that is over is remembered this long, for what the slower of the two AMI sessions still tells of it.
LINGER_MS = 600_000


@dataclass(slots=True)
class Book(Generic[State]):
    """By id, and by channel (keyed hashes); a call that is over lingers for ``linger_ms``."""

    linger_ms: int = LINGER_MS
    states: dict[str, State] = field(default_factory=dict)
    _of_channel: dict[str, str] = field(default_factory=dict)
    _channels: dict[str, set[str]] = field(default_factory=dict)
    _over_at: dict[str, int | None] = field(default_factory=dict)
    _proved: set[str] = field(default_factory=set)

    def find(self, *channels: str) -> State | None:
        """The state that the first known one of ``channels`` belongs to."""
        for channel in channels:
            if (id := self._of_channel.get(channel)) is not None:
                return self.states[id]
        return None

    def put(self, id: str, state: State, *channels: str, proved: bool = True) -> None:
        """Keep ``state``, to be found by ``channels`` as well from now on."""
        self.states[id] = state
        if proved:
            self._proved.add(id)
        known = self._channels.setdefault(id, set())
        for channel in channels:
            if channel and channel not in known:
                self._of_channel[channel] = id
                known.add(channel)

    def prove(self, id: str) -> None:
        """It was heard of since the session came back, so nothing of it can have been missed since."""
        self._proved.add(id)

    def unprove(self) -> None:
        """A session came back: what is up has to be proved again."""
        self._proved.clear()

    def unproved(self) -> list[State]:
        """States not heard of since the session came back."""
        return [state for id, state in self.states.items() if id not in self._proved]

    def close(self, id: str) -> None:
        """Its call is over; it lingers."""
        self._over_at.setdefault(id, None)

    def reopen(self, id: str) -> None:
        """Late evidence: its call is not over."""
        self._over_at.pop(id, None)

    def over_at(self, id: str) -> int | None:
        """Since when its call is over by the clock of the ticks; None while it is up, and until the next tick."""
        return self._over_at.get(id)

    def shift(self, by_ms: int) -> None:
        """The clock of the ticks was set by so much."""
        self._over_at = {id: None if at is None else at + by_ms for id, at in self._over_at.items()}

    def tick(self, at: int, *, held: Callable[[str], bool] = lambda _: False) -> list[State]:
        """Forget calls that have been over for long, by the clock of the ticks alone: a PBX's may be hours off.

        Those whose id is ``held`` are kept. What was forgotten.
        """
        forgotten = []
        for id, over_at in list(self._over_at.items()):
            if over_at is None:
                self._over_at[id] = at
            elif at - over_at >= self.linger_ms and not held(id):
                forgotten.append(self.states[id])
                self._forget(id)
        return forgotten

    def _forget(self, id: str) -> None:
        del self._over_at[id], self.states[id]
        self._proved.discard(id)
        for channel in self._channels.pop(id):
            if self._of_channel.get(channel) == id:
                del self._of_channel[channel]
