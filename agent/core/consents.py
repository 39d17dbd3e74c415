"""The opt-ins: given for one call by a press, or standing until they are withdrawn; the default everywhere is none."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from agent.core.recording import ENDED
from agent.core.records import Calls, How, OptIn, Record, Recording, Trigger
from agent.core.signals import Wish

#: What a press in a call opts in to; the others stand.
PRESSES = frozenset((Trigger.BUTTON, Trigger.CODE))
STANDING = frozenset((Trigger.SERVICE, Trigger.PA, Trigger.CUSTOMER_SERVICE))


@dataclass(slots=True)
class Consents:
    """Every opt-in that has not been withdrawn. ``at`` is the agent's clock in ms."""

    new_id: Callable[[], str]
    _standing: dict[str, OptIn] = field(default_factory=dict)
    #: Of those that stand, until when (ms) the line is whose it was when it was given; None: no end is known. Nothing
    #: is recorded by one of which that has not been looked up.
    _until: dict[str, int | None] = field(default_factory=dict)
    #: Of calls that are up: by the opt-in's id.
    _of_calls: dict[str, OptIn] = field(default_factory=dict)

    def add(
        self, line: str, trigger: Trigger, calls: Calls, purpose: str, by: str, at: int, until: int | None = None
    ) -> list[Record]:
        """Write down a standing opt-in of whose the line is ``until`` then (ms; None: no end of that is known).

        Raises:
            ValueError: it is given by a press only, or stands already.
        """
        if trigger not in STANDING or calls is Calls.ONE:
            raise ValueError("a press opts in to one call, in the call: only service, pa and customer_service stand")
        same = [
            held for held in self._standing.values() if (held.line, held.trigger, held.calls) == (line, trigger, calls)
        ]
        # One of who had the line before may stand for a while yet, and records nothing.
        if not all(self._passed(held, at) for held in same):
            raise ValueError("the line has opted in to just this already")
        given = OptIn(
            id=self.new_id(),
            line=line,
            trigger=trigger,
            calls=calls,
            how=How.COMMAND,
            by=by,
            purpose=purpose,
            given_at=at,
        )
        self._standing[given.id] = given
        self._until[given.id] = until
        return [given]

    def withdraw(self, id: str, by: str, at: int) -> list[Record]:
        """Take a standing opt-in back.

        Raises:
            LookupError: none with this id stands.
        """
        given = self._standing.pop(id, None)
        if given is None:
            raise LookupError("no opt-in with this id stands: it is unknown, withdrawn, or of one call only")
        self._until.pop(id, None)
        return [replace(given, withdrawn_at=max(at, given.given_at), withdrawn_by=by)]

    def reworded(self, given: OptIn, purpose: str) -> OptIn:
        """``given`` with what it is for put right; where it stands, it goes on so."""
        changed = replace(self._standing.get(given.id, given), purpose=purpose)
        if given.id in self._standing:
            self._standing[given.id] = changed
        return changed

    def standing(self) -> list[OptIn]:
        """Those that stand, oldest first."""
        return sorted(self._standing.values(), key=lambda given: (given.given_at, given.id))

    def doubtful(self, at: int, lines: Collection[str | None] = ()) -> list[OptIn]:
        """Those that stand of which is to be looked up whose the line is: it was not yet, or has passed by ``at``.

        So are all of ``lines``.
        """
        return [given for given in self._standing.values() if given.line in lines or not self._holds(given, at)]

    def settle(self, until: Mapping[str, int | None]) -> None:
        """It was looked up, by the opt-in's id, until when (ms) the line is whose it was when it was given."""
        self._until.update((id, end) for id, end in until.items() if id in self._standing)

    def doubt(self, optins: Iterable[OptIn]) -> None:
        """It could not be looked up."""
        for given in optins:
            self._until.pop(given.id, None)

    def covering(self, line: str, trigger: Trigger, calls: Calls, at: int) -> OptIn | None:
        """The standing opt-in by which such a call of ``line`` is recorded: one of who has the line at ``at``."""
        for given in self._standing.values():
            asked = (given.line, given.trigger) == (line, trigger) and given.calls in (Calls.ALL, calls)
            if asked and self._holds(given, at):
                return given
        return None

    def given_for(self, wish: Wish) -> tuple[OptIn, list[Record]] | None:
        """The opt-in that ``wish`` rests on, and what is to be written down of it; None: nobody opted in.

        A press is its own. A call with customer services rests on the opt-in of the queue, and on the caller's, who has
        heard the announcement and stayed.
        """
        if wish.trigger in PRESSES:
            given = self._one(wish, How.PRESS)
            return given, [given]
        standing = self.covering(wish.line, wish.trigger, wish.calls, wish.at)
        if standing is None or wish.trigger is not Trigger.CUSTOMER_SERVICE:
            return None if standing is None else (standing, [])
        given = self._one(wish, How.ANNOUNCED)
        return given, [given]

    def stands(self, optin: str | None) -> bool:
        """Whether what rests on ``optin`` may go on; None is an opt-in that was told, in a capture replayed."""
        if optin is None or optin in self._standing:
            return True
        given = self._of_calls.get(optin)
        if given is None or given.how is not How.ANNOUNCED:
            return given is not None
        return any((held.line, held.trigger) == (given.line, given.trigger) for held in self._standing.values())

    def follow(self, recording: Recording) -> Iterator[OptIn]:
        """The opt-in of one call ends with its recording; and goes on, where the end turns out to be a pause."""
        given = self._of_calls.get(recording.optin or "")
        if given is None:
            return
        ended = recording.state in ENDED
        until = max(recording.stopped_at or given.given_at, given.given_at) if ended else None
        if until != given.withdrawn_at:
            self._of_calls[given.id] = given = replace(given, withdrawn_at=until)
            yield given

    def forget(self, optin: str | None) -> None:
        """Nothing more will be heard of the one call that ``optin`` is for, if it is for one."""
        self._of_calls.pop(optin or "", None)

    def unused(self, optins: Collection[str | None], at: int) -> Iterator[OptIn]:
        """Opt-ins of one call whose recording is none of those that rest on ``optins``: it ended unheard."""
        for given in [given for id, given in self._of_calls.items() if id not in optins]:
            self.forget(given.id)
            yield replace(given, withdrawn_at=max(at, given.given_at))

    def restore(self, records: Iterable[OptIn]) -> None:
        """Take up those that had not been withdrawn when an earlier run stopped."""
        for given in records:
            (self._of_calls if given.calls is Calls.ONE else self._standing)[given.id] = given

    def _holds(self, given: OptIn, at: int) -> bool:
        until = self._until.get(given.id, 0)
        return until is None or at < until

    def _passed(self, given: OptIn, at: int) -> bool:
        until = self._until.get(given.id)
        return until is not None and until <= at

    def _one(self, wish: Wish, how: How) -> OptIn:
        given = OptIn(
            id=self.new_id(), line=wish.line, trigger=wish.trigger, calls=Calls.ONE, how=how, by=None, given_at=wish.at
        )
        self._of_calls[given.id] = given
        return given
