"""The recordings of calls that are up: grants them, routes each signal to its recording, and notices unasked ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.core import recording
from agent.core.book import Book
from agent.core.bridges import Bridges, Member
from agent.core.consents import Consents
from agent.core.policy import Policy
from agent.core.recording import Tape
from agent.core.records import Calls, OptIn, Record, Recording, RecordingState, Trigger
from agent.core.signals import (
    Ask,
    Capture,
    CaptureChanged,
    CaptureOrder,
    ChannelDown,
    Gone,
    Joined,
    LiveChannel,
    LiveChannelsListed,
    Order,
    RecordingAsked,
    Signal,
    Wish,
)

Output = Recording | OptIn | CaptureOrder

_RUNNING = frozenset((RecordingState.RECORDING, RecordingState.PAUSED))


class Why(StrEnum):
    """Why a recording is not granted; the caller hears a prompt of this name (dialplan/README.md)."""

    EMERGENCY = "emergency"
    NOBODY_OPTED_IN = "nobody"
    RUNNING = "running"
    NOT_SAFE = "unsafe"
    NO_SPACE = "full"
    NOT_STORED = "unstored"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The recording ``id`` may begin, once ``records`` are stored durably."""

    id: str
    records: list[Record]


@dataclass(slots=True)
class Tapes:
    """The latest recording of each channel.

    ``in_emergency`` tells whether one of some channels and Linkedids (keyed hashes) is of an emergency call.
    """

    policy: Policy
    new_id: Callable[[], str]
    in_emergency: Callable[..., bool] = lambda *_: False
    consents: Consents = field(init=False)
    bridges: Bridges = field(default_factory=Bridges)
    book: Book[Tape] = field(default_factory=Book)
    #: Opt-ins that the dialplan told, and that nobody had granted.
    unbelieved: int = 0
    #: Of each recording the channels that were in its call since it began.
    _met: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consents = Consents(self.new_id)

    # -- grants ---------------------------------------------------------------------------------------------------

    def grant(self, wish: Wish) -> Grant | Why:
        """Whether ``wish`` may be fulfilled: never on a leg of an emergency, never without an opt-in, never twice."""
        others = [member.channel for member in self.bridges.with_(wish.channel)]
        if self.in_emergency(wish.channel, wish.linked, *others):
            return Why.EMERGENCY
        tape = self.book.find(wish.channel)
        if tape is not None and tape.state in _RUNNING:
            return Why.RUNNING
        given = self.consents.given_for(wish)
        if given is None:
            return Why.NOBODY_OPTED_IN
        if tape is not None:
            self.book.close(tape.id)
        optin, records = given
        fresh = recording.granted(wish, id=self.new_id(), optin=optin.id)
        self.book.put(fresh.id, fresh, fresh.channel)
        return Grant(id=fresh.id, records=[*records, recording.minimise(fresh)])

    def grant_line(self, line: str, at: int) -> tuple[Grant, str]:
        """Grant what `Wish` would, to the call in which ``line`` talks now; and the name of its channel.

        Raises:
            LookupError: it talks in no call.
            ValueError: it may not be recorded, or talks in several calls.
        """
        talking = self.bridges.of_line(line)
        if len(talking) != 1:
            if not talking:
                raise LookupError("this line is in no call now")
            raise ValueError("this line is in several calls now: let the phone itself start it")
        (member,) = talking
        granted = self.grant(_service(member, line, at))
        if isinstance(granted, Why):
            raise ValueError(_REFUSED[granted])
        return granted, member.name

    def ask(self, id: str, ask: Ask, at: int) -> tuple[Tape, list[Output]]:
        """Somebody asks, not by the phone, for a pause or the end of the recording ``id``; and its channel then.

        Raises:
            LookupError: no recording with this id is known to run.
        """
        tape = self.running(id)
        signal = RecordingAsked(
            at=at, channel=tape.channel, linked=tape.linked, line=tape.line, ask=ask, trigger=tape.trigger
        )
        return tape, list(self._stepped(tape, signal))

    def running(self, id: str) -> Tape:
        """The recording ``id``, while it is granted, running or paused.

        Raises:
            LookupError: it is not.
        """
        tape = self.book.states.get(id)
        if tape is None or tape.state in recording.ENDED or tape.over:
            raise LookupError("no recording with this id runs now")
        return tape

    def met_anybody(self, id: str) -> bool:
        """Whether the leg of the recording ``id`` talked to anybody, as far as that was heard."""
        return bool(self._met.get(id))

    def withdrawn(self, optin: str) -> Iterator[CaptureOrder]:
        """What rests on an opt-in that was taken back ends."""
        for tape in self.book.states.values():
            if tape.optin == optin and tape.state in _RUNNING and tape.name:
                yield CaptureOrder(order=Order.STOP, name=tape.name, recording=tape.id, trigger=tape.trigger)

    # -- what is heard --------------------------------------------------------------------------------------------

    def hear(self, signal: Signal) -> Iterator[Output]:
        """The records as ``signal`` leaves them, if they changed, and what Asterisk is to be asked."""
        match signal:
            case RecordingAsked():
                yield from self._asked(signal)
            case CaptureChanged():
                yield from self._captured(signal)
            case Joined():
                yield from self._joined(signal)
            case ChannelDown():
                if (tape := self.book.find(signal.channel)) is not None:
                    yield from self._stepped(tape, signal)
            case LiveChannel():
                yield from self._found_up(signal)
            case LiveChannelsListed():
                for tape in self.book.unproved():
                    yield from self._stepped(tape, Gone(at=signal.at))
        self.bridges.hear(signal)

    def _asked(self, signal: RecordingAsked) -> Iterator[Output]:
        tape = self.book.find(signal.channel)
        again = signal.ask is Ask.OPT_IN and (tape is None or tape.state in recording.ENDED)
        if again and not self.policy.optins_told:
            self.unbelieved += 1
            return
        yield from self._stepped(self._another(tape) if again else tape, signal)

    def _captured(self, signal: CaptureChanged) -> Iterator[Output]:
        tape = self.book.find(signal.channel)
        if signal.capture is not Capture.STARTED:
            yield from self._stepped(tape, signal)
            return
        if tape is not None and tape.state in _RUNNING and tape.state is not RecordingState.PAUSED:
            # A second capture on a channel that has one: it is told apart from the first by its file alone.
            yield _order(Order.VERIFY, signal.name, tape)
            return
        fresh = tape is None or tape.state in recording.ENDED
        yield from self._stepped(self._another(tape) if fresh else tape, signal)
        if (tape := self.book.find(signal.channel)) is not None:
            # With whom it begins hears it announced by the dialplan.
            self._met_by(tape)
            yield _order(Order.VERIFY if tape.opted_in else Order.STOP_UNASKED, signal.name, tape)

    def _joined(self, signal: Joined) -> Iterator[Output]:
        """Who comes into a recorded call is told so; a recording that an emergency comes into ends."""
        self.bridges.hear(signal)
        members = [*self.bridges.with_(signal.channel), *filter(None, [self.bridges.member(signal.channel)])]
        emergency = self.in_emergency(*(key for member in members for key in (member.channel, member.linked)))
        for member in members:
            tape = self.book.find(member.channel)
            if tape is None or tape.state not in _RUNNING:
                continue
            if tape.name != member.name:
                self.book.states[tape.id] = tape = replace(tape, name=member.name)
            if emergency and not self.policy.emergencies_recorded:
                yield _order(Order.STOP, member.name, tape)
            elif tape.opted_in:
                yield from (_order(Order.WELCOME, name, tape) for name in self._met_by(tape))
        if emergency and self.policy.emergencies_recorded:
            yield from self._begun_for_emergency(members, signal.at)

    def _met_by(self, tape: Tape) -> list[str]:
        """The names of the channels that ``tape`` hears for the first time, which from now on it has met."""
        met = self._met.setdefault(tape.id, set())
        fresh = [other for other in self.bridges.with_(tape.channel) if other.channel not in met]
        met.update(other.channel for other in fresh)
        return [other.name for other in fresh]

    def _begun_for_emergency(self, members: list[Member], at: int) -> Iterator[Output]:
        for member in members:
            if member.line is None or self.book.find(member.channel) is not None:
                continue
            optin = self.consents.covering(member.line, Trigger.SERVICE, Calls.OUTGOING)
            if optin is None or not self.in_emergency(member.channel):
                continue
            wish = _service(member, member.line, at)
            fresh = recording.granted(wish, id=self.new_id(), optin=optin.id)
            self.book.put(fresh.id, fresh, fresh.channel)
            yield recording.minimise(fresh)
            yield _order(Order.BEGIN, member.name, fresh)

    def _found_up(self, signal: LiveChannel) -> Iterator[Output]:
        """What captures a channel that was up before the agent heard of it has to be asked."""
        tape = self.book.find(signal.channel)
        if tape is not None:
            self.book.prove(tape.id)
            if not tape.over and tape.name != signal.name:
                self.book.states[tape.id] = tape = replace(tape, name=signal.name)
        if signal.name and (tape is None or tape.opted_in):
            yield CaptureOrder(order=Order.VERIFY, name=signal.name, recording="" if tape is None else tape.id)

    def found_unasked(self, name: str, at: int) -> list[Output]:
        """Asterisk was asked, and captures the channel ``name`` (live, of which no capture was heard) unasked."""
        member = next((each for each in self.bridges.everybody() if each.name == name), None)
        tape = Tape(
            id=self.new_id(),
            channel="" if member is None else member.channel,
            linked="" if member is None else member.linked,
            line=None if member is None else member.line,
            leg=None,
            trigger=Trigger.NONE,
            opted_in=False,
            state=RecordingState.STOPPED,
            started_at=at,
            stopped_at=at,
            blind=True,
        )
        return [recording.minimise(tape), _order(Order.STOP_UNASKED, name, tape)]

    def _another(self, tape: Tape | None) -> Tape | None:
        """No recording yet: the channel begins another one, and of ``tape`` nothing more will be heard."""
        if tape is not None:
            self.book.close(tape.id)
        return None

    def _stepped(self, tape: Tape | None, signal: Signal) -> Iterator[Recording | OptIn]:
        if tape is None:
            if not isinstance(signal, RecordingAsked | CaptureChanged):
                return
            after = recording.begin(signal, id=self.new_id())
            if after is None:
                return
        else:
            after = recording.step(tape, signal)
            if after is tape:
                self.book.prove(tape.id)
                return
        self.book.put(after.id, after, after.channel)
        if after.over:
            self.book.close(after.id)
        record = recording.minimise(after)
        if tape is None or record != recording.minimise(tape):
            yield record
            yield from self.consents.ended(record)

    def tick(self, at: int) -> None:
        """Forget recordings whose calls have been over for long."""
        for tape in self.book.tick(at):
            self._met.pop(tape.id, None)

    def regained(self) -> None:
        """The session is back: what was up has to be proved again."""
        self.book.unprove()
        self.bridges.clear()

    def restore(self, records: Iterable[Recording | OptIn]) -> None:
        """Take up the recordings that ran, and the opt-ins that stood, when an earlier run stopped."""
        records = list(records)
        self.consents.restore(record for record in records if isinstance(record, OptIn))
        for record in records:
            if isinstance(record, Recording):
                tape = recording.restore(record)
                self.book.put(tape.id, tape, tape.channel)
        self.book.unprove()


_REFUSED = {
    Why.EMERGENCY: "it carries an emergency call, which nobody records",
    Why.NOBODY_OPTED_IN: "nobody has opted in to the recording service for this line",
    Why.RUNNING: "it is recorded already",
}


def _service(member: Member, line: str, at: int) -> Wish:
    leg = "caller" if member.channel == member.linked else "callee"
    calls = Calls.OUTGOING if leg == "caller" else Calls.INCOMING
    return Wish(
        at=at,
        channel=member.channel,
        linked=member.linked,
        line=line,
        leg=leg,
        trigger=Trigger.SERVICE,
        calls=calls,
    )


def _order(order: Order, name: str, tape: Tape) -> CaptureOrder:
    return CaptureOrder(order=order, name=name, recording=tape.id, trigger=tape.trigger)
