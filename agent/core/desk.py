"""The emergencies that are up: recognises them, routes each signal to its call, says who calls from where."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.core import emergency
from agent.core.book import Book
from agent.core.emergency import Call
from agent.core.numbers import emergency_number
from agent.core.policy import Policy
from agent.core.records import Emergency
from agent.core.registration import Whereabouts
from agent.core.signals import (
    ChannelDown,
    ChannelUp,
    DialBegun,
    DialEnded,
    EmergencyStage,
    Gone,
    LiveChannel,
    LiveChannelsListed,
    Signal,
)

#: What an event that our dialplan did not write could claim as its number is cut and cleaned to this.
_NUMBER_LIMIT = 16


@dataclass(slots=True)
class Desk:
    """One call each, however many trunks, sessions and transfers tell of it."""

    policy: Policy
    new_id: Callable[[], str]
    whereabouts: Callable[[str, int, str | None], Whereabouts]
    book: Book[Call] = field(default_factory=Book)
    _live: list[LiveChannel] = field(default_factory=list)

    def hear(self, signal: Signal) -> Iterator[Emergency]:
        """The record as ``signal`` leaves it, if it changed."""
        match signal:
            case EmergencyStage():
                call = self.book.find(signal.call, signal.channel, signal.linked)
                number = "".join(filter(str.isdecimal, signal.number))[:_NUMBER_LIMIT] or "unknown"
                yield from self._stepped(call, signal, number, signal.call)
            case ChannelUp():
                yield from self._came_up(signal)
            case LiveChannel():
                self._live.append(signal)
            case DialBegun():
                call = self.book.find(signal.channel, signal.linked)
                to_emergency = signal.number in self.policy.emergency_numbers
                # A Local channel dials on for its call, perhaps in another form of the number.
                if to_emergency or (call is not None and (signal.channel == call.caller or signal.line is None)):
                    yield from self._stepped(call, signal, signal.number, signal.channel)
            case DialEnded():
                if (call := self.book.find(signal.dest)) is not None:
                    yield from self._stepped(call, signal, "", "")
            case ChannelDown():
                if any(live.channel == signal.channel for live in self._live):
                    yield from self._found_up()
                if (call := self.book.find(signal.channel)) is not None:
                    yield from self._stepped(call, signal, "", "")
            case LiveChannelsListed():
                yield from self._found_up()
                self._live.clear()
                for call in self.book.unproved():
                    yield from self._stepped(call, Gone(at=signal.at), "", "")

    def _found_up(self) -> Iterator[Emergency]:
        # The list has no order, and a leg says nothing until its caller is known.
        for live in sorted(self._live, key=lambda live: live.channel != live.linked):
            yield from self._came_up(live)

    def _came_up(self, signal: ChannelUp | LiveChannel) -> Iterator[Emergency]:
        call = self.book.find(signal.channel, signal.linked)
        number = emergency_number(signal.number, self.policy)
        if call is not None or number is not None:
            yield from self._stepped(call, signal, number or "", signal.channel)

    def _stepped(self, call: Call | None, signal: Signal, number: str, caller: str) -> Iterator[Emergency]:
        before = call
        if call is None:
            if not isinstance(signal, EmergencyStage | ChannelUp | DialBegun | LiveChannel):
                return
            call = emergency.begin(signal, id=self.new_id(), number=number, caller=caller)
        invited = isinstance(signal, ChannelUp) and signal.channel == call.caller
        after = self._located(emergency.step(call, signal), signal.at, invited=invited)
        self.book.put(after.id, after, *_channels(after, signal))
        if after is before:
            return
        if after.ended_at is None:
            self.book.reopen(after.id)
        else:
            self.book.close(after.id)
        record = emergency.minimise(after)
        if before is None or record != emergency.minimise(before):
            yield record

    def described(self, line: str, at: int) -> Iterator[Emergency]:
        """The device of ``line`` became known: calls of it that were told without are told with it."""
        for call in [call for call in self.book.states.values() if call.line == line and call.vendor is None]:
            located = self._located(call, at, invited=False)
            if located is not call:
                self.book.states[call.id] = located
                yield emergency.minimise(located)

    def _located(self, call: Call, at: int, *, invited: bool) -> Call:
        """With the address and device of the registration, which the slower session may tell after the call.

        The caller's Newchannel follows its INVITE's authentication on the same session: that is the moment to tell
        which of a line's phones calls, and what was supposed before gives way to it.
        """
        if call.line is None or (not invited and call.ip is not None and call.vendor is not None):
            return call
        here = self.whereabouts(call.line, at, None if invited else call.ip)
        if invited and here.ip is not None:
            located = replace(call, ip=here.ip, vendor=here.vendor, model=here.model)
        else:
            ip, vendor, model = call.ip or here.ip, call.vendor or here.vendor, call.model or here.model
            located = replace(call, ip=ip, vendor=vendor, model=model)
        return call if located == call else located

    def tick(self, at: int) -> None:
        """Forget calls that have been over for long."""
        self.book.tick(at)

    def regained(self) -> None:
        """The session that lists channels is back: what was up has to be proved again."""
        self.book.unprove()
        self._live.clear()

    def restore(self, records: Iterable[Emergency]) -> None:
        """Take up the calls that were up when an earlier run stopped."""
        for record in records:
            call = emergency.restore(record)
            self.book.put(call.id, call, call.caller, *call.legs, *call.answered_legs)
        self.book.unprove()


def _channels(call: Call, signal: Signal) -> Iterable[str]:
    """By which channels ``signal`` lets ``call`` be found."""
    yield call.caller
    match signal:
        case EmergencyStage():
            yield signal.channel
            yield signal.linked
        case ChannelUp() | LiveChannel():
            if signal.channel == call.caller:
                yield signal.linked
            elif signal.channel in call.legs:
                yield signal.channel
        case DialBegun():
            yield signal.linked
            if signal.dest in call.legs:
                yield signal.dest
