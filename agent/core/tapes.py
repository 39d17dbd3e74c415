"""The recordings of calls that are up: grants them, routes each signal to its recording, and notices unasked ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import takewhile

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
    ChannelUp,
    DialBegun,
    EmergencyStage,
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
#: What is asked of a channel comes this long after its end at the most: the AGI script gives up sooner.
_LATE_MS = 60_000

#: A grant that was not made use of by then is none any more: a dialplan begins at once.
_UNUSED_MS = 60_000


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
    #: Channels that have lately ended, and since when by the clock of the ticks.
    _ended: dict[str, int | None] = field(default_factory=dict)
    #: Recordings that were granted and have not begun, and since when by that clock.
    _granted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consents = Consents(self.new_id)

    # -- grants ---------------------------------------------------------------------------------------------------

    def grant(self, wish: Wish) -> Grant | Why:
        """Whether ``wish`` may be fulfilled: never on a leg of an emergency, never without an opt-in, never twice.

        What was granted to the channel before, and has not begun, gives way to it.
        """
        if self._near_emergency(wish.channel, wish.linked):
            return Why.EMERGENCY
        if wish.channel in self._ended:
            return Why.NOBODY_OPTED_IN
        tape = self.book.find(wish.channel)
        if tape is not None and tape.state in _RUNNING:
            return Why.RUNNING
        given = self.consents.given_for(wish)
        if given is None:
            return Why.NOBODY_OPTED_IN
        given_up = [] if tape is None else self._given_up(tape, wish.at)
        optin, records = given
        fresh = recording.granted(wish, id=self.new_id(), optin=optin.id)
        self.book.put(fresh.id, fresh, fresh.channel)
        return Grant(id=fresh.id, records=[*given_up, *records, recording.minimise(fresh)])

    def _given_up(self, tape: Tape, at: int) -> list[Recording | OptIn]:
        """What is left to say of ``tape``, of which nothing more will be heard."""
        left = list(self._stepped(tape, _asked_for(tape, Ask.OPT_OUT, at)))
        self._close(tape)
        return left

    def grant_line(self, line: str, at: int) -> tuple[Grant, str]:
        """Grant what `Wish` would, to the call in which ``line`` talks now; and the name of its channel.

        Raises:
            LookupError: it talks in no call.
            ValueError: it may not be recorded, is recorded or about to be, or talks in several calls.
        """
        talking = self.bridges.of_line(line)
        if len(talking) != 1:
            if not talking:
                raise LookupError("this line is in no call now")
            raise ValueError("this line is in several calls now: let the phone itself start it")
        (member,) = talking
        tape = self.book.find(member.channel)
        if tape is not None and tape.state is RecordingState.OPTED_IN:
            # The phone was quicker, and may be about to begin under that name.
            raise ValueError(_REFUSED[Why.RUNNING])
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
        return tape, list(self._stepped(tape, _asked_for(tape, ask, at)))

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

    def withdrawn(self, at: int) -> Iterator[Output]:
        """What rests on an opt-in that was taken back ends."""
        for tape in list(self.book.states.values()):
            if not tape.opted_in or tape.state in recording.ENDED or self.consents.stands(tape.optin):
                continue
            if tape.state is not RecordingState.RECORDING:
                yield from self._stepped(tape, _asked_for(tape, Ask.OPT_OUT, at))
            # Muted, it is paused and captures on: it is stopped as well.
            if tape.state in _RUNNING and tape.name:
                yield _order(Order.STOP, tape.name, tape)

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
            case EmergencyStage() | ChannelUp() | DialBegun():
                if isinstance(signal, ChannelUp):
                    self._ended.pop(signal.channel, None)
                yield from self._barred_with(signal.channel, signal.at)
            case ChannelDown():
                self._ended.pop(signal.channel, None)  # The latest ones stand last.
                self._ended[signal.channel] = None
                if (tape := self.book.find(signal.channel)) is not None:
                    yield from self._stepped(tape, signal)
            case LiveChannel():
                if signal.channel in self._ended:
                    return  # It went while the list was on its way.
                yield from self._found_up(signal)
            case LiveChannelsListed():
                yield from self._listed(signal)
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
        started = signal.capture is Capture.STARTED
        if signal.capture is Capture.UNMUTED and (tape is None or tape.state in recording.ENDED):
            # Something captures here that should not, or its stop is on the way.
            yield CaptureOrder(order=Order.VERIFY, name=signal.name, recording="")
            return
        if started and tape is not None and tape.state is RecordingState.RECORDING:
            # Beside a granted one nobody can have granted another, whatever file it writes: both end.
            if tape.opted_in:
                yield from self._unasked(signal.name, signal.at, signal)
            else:
                yield _order(Order.STOP_UNASKED, signal.name, tape)
            return
        fresh = started and (tape is None or tape.state in recording.ENDED)
        yield from self._stepped(self._another(tape) if fresh else tape, signal)
        tape = self.book.find(signal.channel)
        if tape is None or tape.state is not RecordingState.RECORDING:
            return
        # With whom it begins hears it announced by the dialplan.
        self._met_by(tape)
        if not tape.opted_in:
            if started:
                yield _order(Order.STOP_UNASKED, signal.name, tape)
        elif self._barred(tape):
            yield _order(Order.STOP, signal.name, tape)
        elif started:
            yield _order(Order.VERIFY, signal.name, tape)

    def _joined(self, signal: Joined) -> Iterator[Output]:
        """Who comes into a recorded call is told so; a recording that an emergency comes into ends."""
        self.bridges.hear(signal)
        members = self.bridges.around(signal.channel)
        for member in members:
            if (tape := self._running_on(member.channel)) is not None:
                # Before the list of the channels that are up, nobody knows who was there when it began.
                yield from self._told_to(self._named(tape, member.name), signal.at, known=tape.id in self._met)
        if self.policy.emergencies_recorded and self._near_emergency(signal.channel, signal.linked):
            yield from self._begun_for_emergency(members, signal.at)

    def _running_on(self, channel: str) -> Tape | None:
        tape = self.book.find(channel)
        return tape if tape is not None and tape.opted_in and tape.state in _RUNNING else None

    def _named(self, tape: Tape, name: str) -> Tape:
        if tape.name != name:
            self.book.states[tape.id] = tape = replace(tape, name=name)
        return tape

    def _told_to(self, tape: Tape, at: int, *, known: bool) -> Iterator[Output]:
        """Tell whom ``tape`` hears for the first time, as far as it is ``known`` whom it has heard."""
        if self._barred(tape):
            yield from self._barred_from(tape, at)
        elif known:
            # Into an emergency nobody speaks.
            silent = self._near_emergency(tape.channel, tape.linked)
            fresh = self._met_by(tape)
            yield from (_order(Order.WELCOME, name, tape) for name in fresh if not silent)

    def _met_by(self, tape: Tape) -> list[str]:
        """The names of the channels that ``tape`` hears for the first time, which from now on it has met."""
        met = self._met.setdefault(tape.id, set())
        fresh = [other for other in self.bridges.with_(tape.channel) if other.channel not in met]
        met.update(other.channel for other in fresh)
        return [other.name for other in fresh]

    def _barred(self, tape: Tape) -> bool:
        """Whether ``tape`` may not capture: an emergency is in its call, or its opt-in was taken back."""
        if not self.consents.stands(tape.optin):
            return True
        allowed = self.policy.emergencies_recorded and tape.trigger is Trigger.SERVICE
        return not allowed and self._near_emergency(tape.channel, tape.linked)

    def _barred_from(self, tape: Tape, at: int) -> Iterator[Output]:
        """It is stopped; of one that is paused nothing may come any more, so that nobody resumes it."""
        if tape.state is RecordingState.PAUSED:
            yield from self._stepped(tape, _asked_for(tape, Ask.OPT_OUT, at))
        if tape.name:
            yield _order(Order.STOP, tape.name, tape)

    def _barred_with(self, channel: str, at: int) -> Iterator[Output]:
        """Of the call of ``channel`` more is known: what is recorded of it may have turned out to be an emergency."""
        for near in {channel, *(member.channel for member in self.bridges.with_(channel))}:
            tape = self._running_on(near)
            if tape is not None and self._barred(tape):
                yield from self._barred_from(tape, at)

    def _near_emergency(self, channel: str, linked: str) -> bool:
        """Whether ``channel``, or who hears it, is of an emergency."""
        around = self.bridges.around(channel)
        return self.in_emergency(channel, linked, *(key for near in around for key in (near.channel, near.linked)))

    def _begun_for_emergency(self, members: list[Member], at: int) -> Iterator[Output]:
        for member in members:
            if member.line is None or self.book.find(member.channel) is not None:
                continue
            wish = _service(member, member.line, at)
            optin = self.consents.covering(member.line, Trigger.SERVICE, wish.calls, at)
            if optin is None or not self.in_emergency(member.channel):
                continue
            fresh = recording.granted(wish, id=self.new_id(), optin=optin.id)
            self.book.put(fresh.id, fresh, fresh.channel)
            yield recording.minimise(fresh)
            yield _order(Order.BEGIN, member.name, fresh)

    def _found_up(self, signal: LiveChannel) -> Iterator[Output]:
        """What captures a channel that was up before the agent heard of it has to be asked."""
        tape = self.book.find(signal.channel)
        if tape is not None:
            self.book.prove(tape.id)
        if not signal.name:
            return
        if tape is None or tape.state in recording.ENDED:
            yield CaptureOrder(order=Order.VERIFY, name=signal.name, recording="")
        else:
            tape = self._named(tape, signal.name)
            yield _order(Order.VERIFY if tape.opted_in else Order.STOP_UNASKED, signal.name, tape)

    def _listed(self, signal: LiveChannelsListed) -> Iterator[Output]:
        """What was not in the list is gone; of the rest it is known now who hears it."""
        for tape in self.book.unproved():
            yield from self._stepped(tape, Gone(at=signal.at))
        for tape in list(self.book.states.values()):
            if tape.opted_in and tape.state in _RUNNING and tape.name:
                known = tape.id in self._met
                self._met.setdefault(tape.id, {near.channel for near in self.bridges.with_(tape.channel)})
                yield from self._told_to(tape, signal.at, known=known)
        yield from self.consents.unused({tape.optin for tape in self.book.states.values()}, signal.at)

    def found_captured(self, id: str, at: int) -> list[Output]:
        """Asterisk was asked, and has captured the recording ``id``: where that was not heard, it began unheard."""
        tape = self.book.states.get(id)
        if tape is None or tape.state is not RecordingState.OPTED_IN:
            return []
        started = CaptureChanged(
            at=at, channel=tape.channel, linked=tape.linked, line=tape.line, capture=Capture.STARTED, name=tape.name
        )
        outputs: list[Output] = list(self._stepped(replace(tape, blind=True), started))
        self._met_by(tape)
        return [*outputs, _order(Order.STOP, tape.name, tape)] if self._barred(tape) and tape.name else outputs

    def found_unasked(self, name: str, at: int) -> list[Output]:
        """Asterisk was asked, and captures the channel ``name`` (live, of which no capture was heard) unasked."""
        member = next((each for each in self.bridges.everybody() if each.name == name), None)
        return self._unasked(name, at, member)

    def _unasked(self, name: str, at: int, leg: CaptureChanged | Member | None) -> list[Output]:
        tape = Tape(
            id=self.new_id(),
            channel="" if leg is None else leg.channel,
            linked="" if leg is None else leg.linked,
            line=None if leg is None else leg.line,
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
            self._close(tape)
        return None

    def _close(self, tape: Tape) -> None:
        self.book.close(tape.id)
        self.consents.forget(tape.optin)

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
        record = recording.minimise(after)
        if tape is None or record != recording.minimise(tape):
            yield record
            yield from self.consents.follow(record)
        if after.over:
            self._close(after)

    def tick(self, at: int) -> Iterator[Output]:
        """End grants that were not made use of, and forget recordings whose calls have been over for long."""
        granted = {tape.id: tape for tape in self.book.states.values() if tape.state is RecordingState.OPTED_IN}
        self._granted = {id: self._granted.get(id, at) for id in granted}
        for id, begun in self._granted.items():
            if at - begun >= _UNUSED_MS:
                yield from self._given_up(granted[id], at)
        for tape in self.book.tick(at):
            self._met.pop(tape.id, None)
        for channel, since in reversed(self._ended.items()):
            if since is not None:
                break
            self._ended[channel] = at
        late = takewhile(lambda ended: at - (ended[1] or 0) >= _LATE_MS, self._ended.items())
        for channel, _ in list(late):
            del self._ended[channel]

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


def _asked_for(tape: Tape, ask: Ask, at: int) -> RecordingAsked:
    return RecordingAsked(
        at=at, channel=tape.channel, linked=tape.linked, line=tape.line, ask=ask, trigger=tape.trigger
    )


def _order(order: Order, name: str, tape: Tape) -> CaptureOrder:
    return CaptureOrder(order=order, name=name, recording=tape.id, trigger=tape.trigger)
