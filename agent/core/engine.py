"""One synchronous step from message to minimal records: normalise, route to the machine, minimise, tell the desk."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.core.alarms import AlarmPolicy, Alarms
from agent.core.consents import Consents
from agent.core.desk import Desk
from agent.core.instants import rfc3339
from agent.core.normalise import Linker, normalise
from agent.core.policy import Policy
from agent.core.recorded import Recorded
from agent.core.records import (
    Alarm,
    Blind,
    Cause,
    Detail,
    Emergency,
    Failure,
    Notice,
    OptIn,
    Probe,
    Record,
    Recording,
    Registration,
    Severity,
    Text,
)
from agent.core.registrar import Registrar
from agent.core.signals import (
    AttemptFailed,
    Booted,
    Capture,
    CaptureChanged,
    CaptureOrder,
    ChannelUp,
    Lookup,
    OfRegistration,
    OnChannel,
    Probed,
    Proved,
    Signal,
)
from agent.core.sites import Sites
from agent.core.tapes import Tapes
from agent.core.timeline import Timeline
from agent.core.wire import Message

Output = Record | Lookup | CaptureOrder

_HOUR_MS = 3_600_000
_PROOFS = 8
#: From here on a clock that was set is nothing that can wait; so far apart two clocks are told of.
_GREAT_MS, _APART_MS = 60_000, 5_000
#: That the clock was set is news for so long.
_NEWS_MS = 600_000
_HERE = "this machine"


@dataclass(slots=True)
class Engine:
    """All that the agent knows while it runs. Same messages, same times: same records, ids aside.

    Every emergency's record is followed, in the same step, by what it adds to its timeline, its alarm and the notices
    of that, so that one transaction keeps them all. ``at`` is the agent's own clock, in ms since 1970 UTC.
    """

    policy: Policy
    link: Linker
    new_id: Callable[[], str]
    sites: Sites | None = None
    alarm_policy: AlarmPolicy = field(default_factory=AlarmPolicy)
    timeline_key: bytes = b""
    registrar: Registrar = field(init=False)
    desk: Desk = field(init=False)
    tapes: Tapes = field(init=False)
    alarms: Alarms = field(init=False)
    timeline: Timeline = field(init=False)
    #: What arrived at the far end of the latest rehearsals, by the emergency's id.
    proofs: dict[str, Proved] = field(default_factory=dict)
    #: Which calls were recorded, for the records of calls, which come when these have ended.
    recorded: Recorded = field(default_factory=Recorded)
    #: When the clock was last set, by itself; None while nobody has to be told any more.
    _set_at: int | None = None
    _failures: dict[str, Failure] = field(default_factory=dict)
    _blind: dict[str, Blind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.registrar = Registrar(self.policy, self.new_id, self.sites)
        self.desk = Desk(self.policy, self.new_id, self.registrar.whereabouts, self.sites)
        self.tapes = Tapes(self.policy, self.new_id, self.desk.concerns)
        self.alarms = Alarms(self.alarm_policy, self.new_id)
        self.timeline = Timeline(self.timeline_key, self.new_id)

    def hear(self, message: Message, at: int) -> Iterable[Output]:
        """What ``message``, arrived at ``at`` (ms), gives to keep or to ask; heard as it is taken, one after another.

        So an emergency is on its way before anything else that the message concerns could fail.
        """
        signal = normalise(message, at, self.link)
        return () if signal is None else self.step(signal, at)

    def step(self, signal: Signal, at: int | None = None) -> Iterator[Output]:
        """Route one signal, heard at ``at``; at its own instant, where that is None."""
        now = signal.at if at is None else at
        if isinstance(signal, Booted):
            self.synchronise(signal.at)
        elif isinstance(signal, AttemptFailed):
            yield self._failed(signal)
        elif isinstance(signal, Probed):
            # By the clock that its age is told by, which need not be the PBX's.
            yield Probe(id="probe", at=now)
            yield from self._compared(signal.at, now)
        elif isinstance(signal, Proved):
            self._proved(signal)
        else:
            if isinstance(signal, ChannelUp) and signal.line is not None:
                self.registrar.called(signal.line)
            elif isinstance(signal, CaptureChanged) and signal.capture is Capture.STARTED:
                self.recorded.add(signal.linked)
            # Emergencies first: nothing that another machine does can come between a signal and its emergency.
            if not isinstance(signal, OfRegistration):
                yield from self._followed(self.desk.hear(signal), signal, now)
                yield from self.tapes.hear(signal)
            if not isinstance(signal, OnChannel):
                for output in self._placed(self.registrar.hear(signal), now):
                    yield output
                    if isinstance(output, Registration) and output.ended_at is None and self.desk.book.states:
                        yield from self._followed(self.desk.described(output.line, signal.at), signal, now)

    def tick(self, at: int) -> Iterator[Output]:
        """Time passed; call it about once a second, and take all of it. Emergencies first, as in `hear`."""
        yield from self._followed(self.desk.tick(at), None, at)
        if self._set_at is not None and not 0 <= at - self._set_at < _NEWS_MS:
            self._set_at = None
            yield from self.condition(Cause.CLOCK, _HERE, None, Severity.WARNING, at)
        yield from self._told(self.alarms.tick(at))
        yield from self._placed(self.registrar.tick(at), at)
        yield from self.tapes.tick(at)
        self.timeline.tick(at)

    def relocate(self, sites: Sites | None, at: int) -> list[Output]:
        """Take another table of sites; what it places elsewhere."""
        self.sites = self.desk.sites = sites
        return list(self._placed(self.registrar.relocate(sites), at))

    # -- opt-ins --------------------------------------------------------------------------------------------------

    @property
    def consents(self) -> Consents:
        """The opt-ins that stand."""
        return self.tapes.consents

    def withdraw(self, optin: str, by: str, at: int) -> list[Output]:
        """See `agent.core.consents.Consents.withdraw`; what is recorded by it ends."""
        return [*self.consents.withdraw(optin, by, at), *self.tapes.withdrawn(at)]

    # -- the desk: who is told, who does what --------------------------------------------------------------------

    def adopt(self, policy: AlarmPolicy) -> None:
        """See `agent.core.alarms.Alarms.adopt`."""
        self.alarm_policy = policy
        self.alarms.adopt(policy)

    def condition(self, cause: Cause, subject: str, what: str | None, severity: Severity, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.condition`."""
        return list(self._told(self.alarms.condition(cause, subject, what, severity, at)))

    def refused(self, text: Text, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.refused`."""
        return list(self._told(self.alarms.refused(text, at)))

    def acknowledge(self, id: str, by: str, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.acknowledge`, also for what is raised."""
        return list(self._told(self.alarms.acknowledge(id, by, at)))

    def close(self, id: str, by: str, comment: str, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.close`, also for what is raised."""
        return list(self._told(self.alarms.close(id, by, comment, at)))

    def due(self, at: int) -> list[Notice]:
        """See `agent.core.alarms.Alarms.due`."""
        return self.alarms.due(at)

    def handed(self, notice: str, at: int, *, receipt: bool = False) -> list[Record]:
        """See `agent.core.alarms.Alarms.handed`."""
        return list(self._told(self.alarms.handed(notice, at, receipt=receipt)))

    def received(self, notice: str, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.received`."""
        return list(self._told(self.alarms.received(notice, at)))

    def failed(self, notice: str, error: str, at: int) -> list[Record]:
        """See `agent.core.alarms.Alarms.failed`."""
        return list(self._told(self.alarms.failed(notice, error, at)))

    def _followed(self, records: Iterable[Emergency | Detail], signal: Signal | None, now: int) -> Iterator[Record]:
        """Each emergency, then what its change adds to its timeline and its alarm."""
        for record in records:
            yield record
            if isinstance(record, Emergency):
                yield from self.timeline.noted(record, signal, now)
                yield from self._told(self.alarms.noted(record, now))

    def _told(self, records: Iterable[Record]) -> Iterator[Record]:
        """Alarms and notices, each followed by what it adds to an emergency's timeline."""
        for record in records:
            yield record
            yield from self.timeline.told(record)

    def _placed(self, outputs: Iterable[Output], now: int) -> Iterator[Output]:
        """Registrations; where each phone is, is looked at on the way."""
        for output in outputs:
            if isinstance(output, Registration):
                self.alarms.placed(output, now)
            yield output

    # -- the clock ------------------------------------------------------------------------------------------------

    def clock_set(self, by_ms: int, at: int) -> Iterator[Output]:
        """Somebody, or something, set the agent's clock by so much; ``at`` is what it says now."""
        self.alarms.clock_set(by_ms)
        yield from self._followed(self.desk.clock_set(by_ms), None, at)
        self.tapes.book.shift(by_ms)
        for session, blind in self._blind.items():
            # Its length is what counts.
            self._blind[session] = replace(blind, from_at=blind.from_at + by_ms)
            yield self._blind[session]
        how = f"was put {'forward' if by_ms > 0 else 'back'} by {abs(by_ms) / 1000:.0f} s at {rfc3339(at)[:19]}Z"
        what = f"it {how}: times before and after do not fit together, also in Asterisk's own records of calls"
        severity = Severity.CRITICAL if abs(by_ms) >= _GREAT_MS else Severity.WARNING
        self._set_at = at
        yield from self.condition(Cause.CLOCK, _HERE, what, severity, at)

    def _compared(self, told_at: int, at: int) -> Iterator[Record]:
        """An event that Asterisk sent at ``told_at``, by its own clock, was heard at ``at``, by the agent's."""
        apart_ms = told_at - at
        if abs(apart_ms) >= _APART_MS:
            where = f"{'ahead of' if apart_ms > 0 else 'behind'} this machine's"
            what = f"it is {abs(apart_ms) / 1000:.0f} s {where}: what is kept has its times, alarms have this machine's"
            yield from self.condition(Cause.CLOCK, "Asterisk", what, Severity.WARNING, at)
        elif abs(apart_ms) < _APART_MS // 2:
            yield from self.condition(Cause.CLOCK, "Asterisk", None, Severity.WARNING, at)

    # -- what nobody can hear -------------------------------------------------------------------------------------

    def synchronise(self, at: int | None = None) -> None:
        """The bulk session is back, since ``at``; full lists follow: what they do not show is gone."""
        self.registrar.regained()
        self.desk.regained(at)
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
        self.desk.restore(record for record in records if isinstance(record, Emergency | Detail))
        self.tapes.restore(record for record in records if isinstance(record, Recording | OptIn))
        self.alarms.restore(records)
        self.recorded.restore(records)
        self.timeline.restore(records)
        self._blind.update((record.session, record) for record in records if isinstance(record, Blind))
        for record in records:
            if isinstance(record, Alarm) and (record.cause, record.subject) == (Cause.CLOCK, _HERE):
                self._set_at = record.raised_at

    def _proved(self, signal: Proved) -> None:
        call = self.desk.book.find(signal.call)
        if call is not None and call.test:
            self.proofs[call.id] = signal
            while len(self.proofs) > _PROOFS:
                del self.proofs[next(iter(self.proofs))]

    def _failed(self, signal: AttemptFailed) -> Failure:
        counted = self._failures.get(signal.cause)
        if counted is None or counted.hour != _hour(signal.at):
            counted = Failure(id=self.new_id(), hour=_hour(signal.at), cause=signal.cause, count=0)
        self._failures[signal.cause] = replace(counted, count=counted.count + 1)
        return self._failures[signal.cause]


def _hour(at: int) -> int:
    return at - at % _HOUR_MS
