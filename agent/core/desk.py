"""The emergencies that are up, or lately were: recognises them, routes each signal, says who calls from where."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.core import emergency
from agent.core.book import Book
from agent.core.emergency import CALLBACKS
from agent.core.evidence import Call, restore
from agent.core.numbers import emergency_number
from agent.core.policy import Policy
from agent.core.records import Detail, Emergency
from agent.core.registration import Whereabouts, is_proxy
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
    Stage,
    Strange,
)
from agent.core.sites import Sites

#: What an event that our dialplan did not write could claim as its number is cut and cleaned to this.
_NUMBER_LIMIT = 16

#: A registration that comes later than this after a call says nothing of the phone that placed it.
_LATE_MS = 600_000

#: By how much a PBX's clock may be ahead of the agent's before the end of a call is taken by the agent's.
_AHEAD_MS = 60_000

#: A journal that cannot be read may be mended for so long after the time for calling back. Then its calls are
#: forgotten: what tells of them, hashes of channels among it, would stay for ever, and be more with each call.
_UNREAD_MS = 86_400_000


@dataclass(slots=True)
class Desk:
    """One call each, however many trunks, sessions, transfers and entries of the journal tell of it.

    A call that is over is remembered, and its record keeps its links, while the journal may hold entries of it and the
    emergency services may call back.
    """

    policy: Policy
    new_id: Callable[[], str]
    whereabouts: Callable[[str, int, str | None], Whereabouts]
    sites: Sites | None = None
    #: Events that claimed to be of an emergency, and that no dialplan had sent.
    strange: int = 0
    #: What the journal told of real emergencies and nothing else had; calls back that no phone of the line took.
    recovered: int = 0
    missed: int = 0
    book: Book[Call] = field(init=False)
    _live: list[LiveChannel] = field(default_factory=list)
    _back_at: int | None = None
    #: Calls of which the journal held nothing when it was last read, those of which it held something, and those told
    #: of since that reading began.
    _cleared: set[str] = field(default_factory=set)
    _written: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _filed: set[str] = field(default_factory=set)
    #: Of each call its calls back, by Linkedid: whether one was taken, when that is known.
    _back: dict[str, dict[str, bool]] = field(default_factory=dict)
    _now: int = 0
    #: By how much the clock was set since the end of a call whose fuller view is still there.
    _shifted_ms: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.book = Book(linger_ms=self.policy.callback_ms)

    def hear(self, signal: Signal) -> Iterator[Emergency | Detail]:
        """The records as ``signal`` leaves them, if they changed."""
        match signal:
            case EmergencyStage():
                yield from self._staged(signal)
            case ChannelUp():
                yield from self._came_up(signal)
            case LiveChannel():
                self._live.append(replace(signal, listed_from=self._back_at))
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
            case Strange():
                self.strange += 1

    def _staged(self, signal: EmergencyStage) -> Iterator[Emergency | Detail]:
        if signal.stage in CALLBACKS:
            # Its channels are of another call, and a call that is long forgotten does not begin anew by it.
            if (call := self.book.find(signal.call)) is not None:
                self._called_back(call, signal)
                yield from self._stepped(call, signal, "", "")
            return
        call = self.book.find(signal.call, signal.channel, signal.linked)
        number = "".join(filter(str.isdecimal, signal.number))[:_NUMBER_LIMIT] or "unknown"
        yield from self._stepped(call, signal, number, signal.call)

    def _called_back(self, call: Call, signal: EmergencyStage) -> None:
        back = self._back.setdefault(call.id, {})
        if signal.stage is Stage.CALLBACK_ANSWERED:
            back[signal.linked] = True
        elif signal.stage is Stage.CALLBACK_ENDED and signal.linked not in back:
            back[signal.linked] = False
            self.missed += not call.test

    def _found_up(self) -> Iterator[Emergency | Detail]:
        # The list has no order, and a leg says nothing until its caller is known.
        for live in sorted(self._live, key=lambda live: live.channel != live.linked):
            yield from self._came_up(live)

    def _came_up(self, signal: ChannelUp | LiveChannel) -> Iterator[Emergency | Detail]:
        call = self.book.find(signal.channel, signal.linked)
        number = emergency_number(signal.number, self.policy)
        if call is not None or number is not None:
            yield from self._stepped(call, signal, number or "", signal.channel)

    def _stepped(self, call: Call | None, signal: Signal, number: str, caller: str) -> Iterator[Emergency | Detail]:
        before = call
        if call is None:
            if not isinstance(signal, EmergencyStage | ChannelUp | DialBegun | LiveChannel):
                return
            call = emergency.begin(signal, id=self.new_id(), number=number, caller=caller)
        placed = emergency.placed_by(call, signal) if number else call
        after = self._located(emergency.step(placed, signal), signal)
        if before is None or (after.line, after.ip) != (before.line, before.ip):
            after = self._placed(after)
        journal = isinstance(signal, EmergencyStage) and signal.journal
        # What the journal tells may have been long ago: only what lives shows that a call is up.
        self.book.put(after.id, after, *_channels(after, signal), proved=not journal)
        if isinstance(signal, EmergencyStage):
            self._told.add(after.id)
            self._cleared.discard(after.id)
        if after is before:
            return
        if journal and not after.test and (before is None or replace(after, voices=before.voices) != before):
            self.recovered += 1
        if after.ended_at is None:
            self.book.reopen(after.id)
        else:
            self.book.close(after.id)
        yield from self._news(before, after)

    def _news(self, before: Call | None, after: Call) -> Iterator[Emergency | Detail]:
        record, detail = emergency.minimise(after), self._detail(after)
        told = None if before is None else self._detail(before)
        if before is None or record != emergency.minimise(before):
            yield record
        if detail is not None and detail != told:
            yield detail
        elif detail is None and told is not None:
            # Its time was over before its end was told (by the journal): what is stored of it must not stay for ever.
            yield replace(told, cli=None, address=None, contact=None, until_at=self._until(after))

    def _detail(self, call: Call) -> Detail | None:
        """The fuller view, unless its time is over, or it is in the store alone."""
        if call.id in self._filed:
            return None
        detail, until_at = emergency.detail(call), self._until(call)
        if detail is None or (until_at is not None and until_at <= self._now):
            return None
        return replace(detail, until_at=until_at)

    def _until(self, call: Call) -> int | None:
        """When the fuller view goes: by the agent's own clock where the PBX's is ahead; None while the call is up."""
        if call.ended_at is None:
            return None
        shifted_ms = self._shifted_ms.get(call.id, 0)
        heard_at = (self.book.over_at(call.id) or self._now) - shifted_ms
        ahead = heard_at and call.ended_at - heard_at > _AHEAD_MS
        return (heard_at if ahead else call.ended_at) + self.policy.detail_ms + shifted_ms

    # -- where it comes from -------------------------------------------------------------------------------------

    def described(self, line: str, at: int) -> Iterator[Emergency | Detail]:
        """The device of ``line`` became known: calls of it that were told without are told with it."""
        calls = [call for call in self.book.states.values() if call.line == line and call.vendor is None]
        for call in calls:
            if call.ended_at is not None and at - call.ended_at > _LATE_MS:
                continue
            located = self._filled(call, self.whereabouts(line, at, call.ip))
            if located is not call:
                located = self._placed(located) if located.ip != call.ip else located
                self.book.states[call.id] = located
                yield from self._news(call, located)

    def _located(self, call: Call, signal: Signal) -> Call:
        """With the address that the dialplan told, else that of the registration; and the device at that address.

        The registration may be told after the call, by the slower session. The caller's Newchannel follows its INVITE's
        authentication on the same session: that is the moment to tell which of a line's phones calls, and what was
        supposed before gives way to it.
        """
        told = signal.ip if isinstance(signal, EmergencyStage) else None
        if told is not None and not call.ip_told and not is_proxy(told, self.policy):
            vendor, model = (call.vendor, call.model) if told == call.ip else (None, None)
            call = replace(call, ip=told, ip_told=True, vendor=vendor, model=model)
        invited = isinstance(signal, ChannelUp) and signal.channel == call.caller and not call.ip_told
        if call.line is None or (not invited and call.ip is not None and call.vendor is not None):
            return call
        here = self.whereabouts(call.line, signal.at, None if invited else call.ip)
        if isinstance(signal, EmergencyStage) and signal.journal and (here.since or 0) > signal.at:
            return call
        if invited and here.ip is not None:
            located = replace(call, ip=here.ip, vendor=here.vendor, model=here.model)
            return call if located == call else located
        return self._filled(call, here)

    def _filled(self, call: Call, here: Whereabouts) -> Call:
        ip, vendor, model = call.ip or here.ip, call.vendor or here.vendor, call.model or here.model
        same = (ip, vendor, model) == (call.ip, call.vendor, call.model)
        return call if same else replace(call, ip=ip, vendor=vendor, model=model)

    def _placed(self, call: Call) -> Call:
        if self.sites is None:
            return call
        place = self.sites.place(call.line, call.ip)
        site, contact = (None, None) if place.site is None else (place.site.id, place.site.contact)
        return replace(call, site=site, certainty=place.certainty, address=place.address, contact=contact)

    # -- the clock -------------------------------------------------------------------------------------------------

    def clock_set(self, by_ms: int) -> Iterator[Emergency | Detail]:
        """The agent's clock, which is the PBX's as a rule, was set by so much.

        How long what goes on takes is not known any more; a fuller view stays for as long as it would have.
        """
        told = {id: self._detail(call) for id, call in self.book.states.items()}
        self.book.shift(by_ms)
        self._now += by_ms
        for id, call in list(self.book.states.items()):
            after = emergency.clock_set(call)
            if after is not call:
                self.book.states[id] = after
                yield from self._news(call, after)
            elif call.ended_at is not None and (detail := told[id]) is not None:
                self._shifted_ms[id] = self._shifted_ms.get(id, 0) + by_ms
                if detail != (moved := self._detail(call)) and moved is not None:
                    yield moved

    # -- what is over ----------------------------------------------------------------------------------------------

    def tick(self, at: int) -> Iterator[Emergency]:
        """Forget calls that nothing more can come of, and tell their records for the last time, without their links.

        The fuller view goes from memory when its time is over.
        """
        self._now = at
        for call in self.book.tick(at, held=lambda id: self._is_held(id, at)):
            self._cleared.discard(call.id)
            self._told.discard(call.id)
            self._filed.discard(call.id)
            self._back.pop(call.id, None)
            self._shifted_ms.pop(call.id, None)
            yield replace(emergency.minimise(call), links=())
        for call in list(self.book.states.values()):
            if emergency.detail(call) is not None and self._detail(call) is None:
                self.book.states[call.id] = replace(call, cli=None, address=None, contact=None)

    def _is_held(self, id: str, at: int) -> bool:
        """Whether the journal may hold entries of this call, by which it would begin anew."""
        over_at = self.book.over_at(id)
        unread = over_at is not None and at - over_at >= self.policy.callback_ms + _UNREAD_MS
        return id in self._written or (id not in self._cleared and not unread)

    def reading(self) -> None:
        """The journal is about to be read."""
        self._told.clear()

    def read(self, calls: Collection[str]) -> None:
        """The whole journal was read: it holds entries of ``calls`` (keyed hashes), and of no others."""
        self._written = {call.id for call in map(self.book.find, calls) if call is not None}
        self._cleared = self.book.states.keys() - self._written - self._told

    def known(self, id: str) -> tuple[Emergency | None, Detail | None]:
        """The emergency with this id as it stands, and the fuller view of it, as far as they are in memory."""
        call = self.book.states.get(id)
        return (None, None) if call is None else (emergency.minimise(call), self._detail(call))

    def filed(self, id: str) -> bool:
        """Whether the fuller view of this emergency is in the store alone."""
        return id in self._filed

    def over(self, call: str) -> bool:
        """Whether ``call`` (keyed hash) is not up, as far as is known."""
        found = self.book.find(call)
        return found is None or found.ended_at is not None

    def concerns(self, *keys: str) -> bool:
        """Whether one of ``keys`` (keyed hashes of channels and Linkedids) is of an emergency, or of a call back."""
        return self.book.find(*keys) is not None or any(key in back for back in self._back.values() for key in keys)

    def regained(self, at: int | None = None) -> None:
        """The session that lists channels is back, since ``at``: what was up has to be proved again."""
        self._back_at = at
        self.book.unprove()
        self._live.clear()

    def restore(self, records: Iterable[Emergency | Detail]) -> None:
        """Take up the calls that were up, or of which more could come, when an earlier run stopped."""
        records = list(records)
        details = {record.emergency: record for record in records if isinstance(record, Detail)}
        for record in records:
            if not isinstance(record, Emergency):
                continue
            call = restore(record)
            if (detail := details.get(call.id)) is not None:
                call = replace(call, cli=detail.cli, address=detail.address, contact=detail.contact)
            self.book.put(call.id, call, call.caller, call.linked, *call.legs, *call.answered_legs)
            if call.ended_at is not None:
                self.book.close(call.id)
                # The fuller view of a call that was over is complete, and is not read back.
                self._filed.add(call.id)
        self.book.unprove()


def _channels(call: Call, signal: Signal) -> Iterable[str]:
    """By which channels ``signal`` lets ``call`` be found."""
    yield call.caller
    match signal:
        case EmergencyStage() if signal.stage not in CALLBACKS:
            yield signal.call
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
