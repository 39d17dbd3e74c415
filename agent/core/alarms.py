"""The alarms that are open: raises, escalates, clears and closes them, and says who is to be told.

raised      At the first sight of an emergency: each call is an alarm of its own, whatever else is open. For anything
            else one alarm a cause and subject: a trunk that is down is down once. Phones that are not where their
            address says are gathered by place first (`agent.core.strays`).
escalated   A critical one that nobody takes on, level by level; an emergency also when the call is over, for nobody
            at the desk has seen it yet. Taking it on stops that. A warning can wait, and is not escalated.
cleared     An emergency when it ended with an answer; anything else when its cause went.
closed      An emergency by a person with a comment, once the call is over, or by the agent a day later; that day
            begins anew with a restart for what nobody has taken on. Anything else by itself when its cause has been
            away for ``QUIET_MS``: what flaps stays one alarm, told twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from agent.core import notices
from agent.core.alarm import AlarmPolicy, ChannelRule, Input, is_call, is_real, levels, step
from agent.core.instants import rfc3339
from agent.core.notices import Notices
from agent.core.records import Alarm, Cause, Emergency, News, Notice, Outcome, Record, Registration, Severity, Text
from agent.core.strays import Strays
from agent.core.wording import of_call, plain

__all__ = ["AlarmPolicy", "Alarms", "ChannelRule", "is_call"]

#: How long the cause of an alarm must have been away until it is over.
QUIET_MS = 300_000

#: After this time an emergency that nobody closed is closed by the agent.
DAY_MS = 86_400_000

#: What is over is remembered this long, for what is still told of it.
LINGER_MS = 1_200_000

#: A person's name and words, and a sentence on what is wrong, are cut to this.
NAME_LIMIT, COMMENT_LIMIT, WHAT_LIMIT = 80, 500, 200

BY_ITSELF = "closed by the agent: a day had passed, and nobody had closed it"

TWICE = "closed by the agent: another alarm tells of the same"

_Key = tuple[Cause, str]


@dataclass(slots=True)
class Alarms:
    """Every open alarm, and who is told of it.

    ``at`` is always the agent's own clock in ms, never a PBX's: what a journal tells hours late is news now. The
    subjects of `condition` are the caller's to bound: contexts, trunks and channels are configured.
    """

    policy: AlarmPolicy
    new_id: Callable[[], str]
    #: also those that were closed lately, by id
    alarms: dict[str, Alarm] = field(default_factory=dict)
    notices: Notices = field(init=False)
    strays: Strays = field(default_factory=Strays)
    _open: dict[_Key, str] = field(default_factory=dict)
    #: calls that may still be told of, as they were told last; since when they have been over; which had failed
    _calls: dict[str, Emergency] = field(default_factory=dict)
    _over: dict[str, int] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)
    #: by how much the clock was set since an open alarm was raised
    _shifted_ms: dict[str, int] = field(default_factory=dict)
    #: emergencies' alarms that were open when this run began, until its first `tick`
    _restored: set[str] = field(default_factory=set)
    #: channels that were told of less before, and are still to hear of the emergencies that nobody has taken on
    _joined: set[str] = field(default_factory=set)
    #: alarms that waited, when an earlier run stopped, on a channel that is not there any more
    _stranded: set[str] = field(default_factory=set)
    #: of which text of a line the latest alarm is
    _texts: dict[str, str] = field(default_factory=dict)
    #: closed by a person while its cause was still there: how bad it was then
    _silenced: dict[_Key, Severity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notices = Notices(self.policy, self.new_id)

    def adopt(self, policy: AlarmPolicy) -> None:
        """Tell other channels from now on; what waits on a channel that is not there any more is dropped.

        Of the emergencies that nobody has taken on, those that were told of less before are told with the next `tick`.
        """
        before = {rule.name: rule for rule in self.policy.channels}
        self._joined |= {rule.name for rule in policy.channels if _hears_more(rule, before.get(rule.name))}
        self.policy = self.notices.policy = policy

    # -- calls ----------------------------------------------------------------------------------------------------

    def noted(self, emergency: Emergency, at: int) -> Iterator[Record]:
        """An emergency's record as it is now."""
        known, failed = emergency.id in self._calls, emergency.outcome is Outcome.FAILED
        worse = failed and emergency.id not in self._failed
        self._remember(emergency, at)
        alarm = self._standing((Cause.EMERGENCY, emergency.id))
        if alarm is not None:
            yield from self._followed(alarm, emergency, at, worse=worse)
        elif worse or not known:
            cause = Cause.REHEARSAL if emergency.test else Cause.EMERGENCY
            severity = Severity.WARNING if emergency.test else Severity.CRITICAL
            fresh = self._fresh((cause, emergency.id), of_call(emergency), severity, at, test=emergency.test)
            yield from self._raised(_cleared_by(emergency, fresh, at), at)

    def _followed(self, alarm: Alarm, emergency: Emergency, at: int, *, worse: bool) -> Iterator[Record]:
        what, test = of_call(emergency), alarm.test or emergency.test
        told = alarm if (alarm.what, alarm.test) == (what, test) else replace(alarm, what=what, test=test)
        after = _cleared_by(emergency, told, at)
        if after is not alarm:
            yield self._kept(after)
        if worse:
            yield from self.notices.told(after, News.WORSENED, at)
        elif after.cleared_at is not None and alarm.cleared_at is None:
            yield from self.notices.told(after, News.CLEARED, at)

    def _remember(self, emergency: Emergency, at: int) -> None:
        self._calls[emergency.id] = emergency
        if emergency.outcome is Outcome.FAILED:
            self._failed.add(emergency.id)
        if emergency.ended_at is not None:
            self._over.setdefault(emergency.id, at)
        else:
            self._over.pop(emergency.id, None)

    # -- what stands in the way of the next call ------------------------------------------------------------------

    def placed(self, registration: Registration, at: int) -> None:
        """Where a phone is, as its registration's record tells; alarms of it come with a later `tick`."""
        self.strays.placed(registration, at)

    def lines(self, alarm: Alarm) -> tuple[str, ...]:
        """The lines that an alarm of ``Cause.LOCATION`` is about, sorted, or ``Cause.TEXT``, as far as is known."""
        if alarm.cause is Cause.LOCATION:
            return self.strays.lines(alarm.subject)
        return tuple(line for line, text in self._texts.items() if line and text == alarm.subject)

    def refused(self, text: Text, at: int) -> Iterator[Record]:
        """A text to the emergency services that reached nobody: one alarm a line, and no record of it names that."""
        line = text.line or ""
        what = f"sent {rfc3339(text.at)}, and refused: it reached nobody; ring the line, or go there"
        if (Cause.TEXT, self._texts.get(line, "")) not in self._open:
            self._texts[line] = text.id
        yield from self._condition((Cause.TEXT, self._texts[line]), what, Severity.CRITICAL, at)

    def condition(self, cause: Cause, subject: str, what: str | None, severity: Severity, at: int) -> Iterator[Record]:
        """What stands in the way of the next emergency: ``what`` is a sentence while it is so, None when it is not.

        The same again changes nothing; another sentence replaces the first; a higher severity is told anew.
        """
        yield from self._condition((cause, subject), what, severity, at)

    def _condition(
        self, key: _Key, what: str | None, severity: Severity, at: int, *, grown: bool = False
    ) -> Iterator[Record]:
        alarm = self._standing(key)
        if what is None:
            self._silenced.pop(key, None)
            if alarm is not None and (went := step(alarm, Input.WENT, at)) is not alarm:
                yield self._kept(went)
            return
        what = plain(what, WHAT_LIMIT)
        if alarm is None:
            silenced = self._silenced.get(key)
            if silenced is None or grown or _worse(severity, silenced):
                self._silenced.pop(key, None)
                yield from self._raised(self._fresh(key, what, severity, at), at)
            return
        after, worse = step(alarm, Input.CAME_BACK, at), _worse(severity, alarm.severity)
        if worse:
            # From here on it is to be taken on within the time that a critical one has.
            after = replace(after, severity=severity, escalated_at=at)
        if what != after.what:
            after = replace(after, what=what)
        if after is not alarm:
            yield self._kept(after)
        if worse or grown:
            yield from self.notices.told(after, News.WORSENED, at)

    # -- what people do -------------------------------------------------------------------------------------------

    def acknowledge(self, id: str, by: str, at: int) -> Iterator[Record]:
        """``by`` takes on the alarm with this id, or that of the emergency with this id: it is not escalated further.

        Raises:
            LookupError: nothing open has this id.
            ValueError: it is closed, somebody else has taken it on, or ``by`` is blank.
        """
        alarm, by = self._found(id), _name(by)
        if alarm.acknowledged_at is not None:
            if alarm.acknowledged_by == by:
                return
            raise ValueError(f"{alarm.acknowledged_by} has taken it on already")
        taken = step(alarm, Input.ACKNOWLEDGED, at, by=by)
        yield self._kept(taken)
        yield from self.notices.dropped(taken, at, only=News.ESCALATED)

    def close(self, id: str, by: str, comment: str, at: int) -> Iterator[Record]:
        """``by`` closes the alarm with this id, or that of the emergency with this id, saying what came of it.

        What still stands in the way of the next call is raised again when it gets worse, and after a restart.

        Raises:
            LookupError: nothing open has this id.
            ValueError: it is closed already, its call is up, or ``by`` or ``comment`` is blank.
        """
        alarm, by, comment = self._found(id), _name(by), plain(comment, COMMENT_LIMIT)
        if not comment:
            raise ValueError("a comment is needed: say what came of it")
        if is_call(alarm) and self._is_up(alarm.subject):
            raise ValueError("its call is still up: acknowledge it now, close it after the call")
        if not is_call(alarm) and alarm.cleared_at is None and alarm.cause is not Cause.TEXT:
            # A refused text has no cause that could go or stand: the next one is told anyway.
            self._silenced[_key(alarm)] = alarm.severity
        yield from self._closed(step(alarm, Input.CLOSED, at, by=by, comment=comment), News.CLOSED, at)

    # -- what time does -------------------------------------------------------------------------------------------

    def clock_set(self, by_ms: int) -> None:
        """The agent's clock was set by so much: an emergency is open for the day that it would have been."""
        self._over = {id: since + by_ms for id, since in self._over.items()}
        for id in self._open.values():
            self._shifted_ms[id] = self._shifted_ms.get(id, 0) + by_ms

    def tick(self, at: int) -> Iterator[Record]:
        """Escalate, close what is over, and tell what was gathered; call it about once a second."""
        for finding in list(self.strays.tick(at)):
            key = (Cause.LOCATION, finding.subject)
            yield from self._condition(key, finding.what, Severity.WARNING, at, grown=finding.grown)
            if finding.what is None and key not in self._open:
                self.strays.forget(finding.subject)
        for emergency in [call for call in self._calls.values() if call.ended_at is None]:
            # It was up when an earlier run stopped, which had raised nothing of it.
            if (Cause.EMERGENCY, emergency.id) not in self._open:
                del self._calls[emergency.id]
                yield from self.noted(emergency, at)
        self._begin_anew(at)
        yield from self._orphaned(at)
        # In one order, whatever the store gave them back in: emergencies first, then the oldest.
        found = (self.alarms[id] for id in self._open.values())
        for alarm in sorted(found, key=lambda one: (not is_real(one), one.raised_at, one.id)):
            yield from self._aged(alarm, at)
        yield from self._caught_up(at)
        yield from self.notices.tick(at, lambda id: id in self.alarms and self.alarms[id].closed_at is None)
        self._forget(at)

    def _begin_anew(self, at: int) -> None:
        """Count the day of what nobody had taken on from the start: the clock may have been set in an earlier run."""
        for alarm in (self.alarms[id] for id in self._restored):
            if alarm.closed_at is None and alarm.acknowledged_at is None:
                self._shifted_ms[alarm.id] = at - alarm.raised_at
        self._restored.clear()

    def _orphaned(self, at: int) -> Iterator[Record]:
        """End what nothing else would: of a channel that was taken away, and of what another alarm tells as well."""
        names = _names(self.policy)
        for alarm in [one for one in self.alarms.values() if one.closed_at is None]:
            if self._open.setdefault(_key(alarm), alarm.id) != alarm.id:
                # Both the store and its stand-in had raised it.
                yield from self._closed(step(alarm, Input.CLOSED, at, comment=TWICE), News.CLOSED, at)
            elif alarm.cause is Cause.CHANNEL and alarm.subject not in names:
                yield from self.condition(Cause.CHANNEL, alarm.subject, None, alarm.severity, at)

    def _caught_up(self, at: int) -> Iterator[Record]:
        """Whoever came in place of a channel, also while the agent did not run, hears of what nobody has taken on.

        Who had heard of it before a restart is not known any more: telling somebody twice is the safe side.
        """
        if not self._joined and not self._stranded:
            return
        heard = self.notices.heard()
        for id in list(self._open.values()):
            alarm = self.alarms[id]
            if is_real(alarm) and alarm.acknowledged_at is None:
                names = _names(self.policy) if id in self._stranded else self._joined
                yield from self.notices.joined(alarm, names - heard.get(id, set()), at)
        self._joined.clear()
        self._stranded.clear()

    def _aged(self, alarm: Alarm, at: int) -> Iterator[Record]:
        raised_at = alarm.raised_at + self._shifted_ms.get(alarm.id, 0)
        over_at = self._over.get(alarm.subject)
        since = (raised_at, over_at, alarm.escalated_at, alarm.acknowledged_at, alarm.cleared_at)
        latest = max(at for at in since if at is not None)
        if is_call(alarm) and not self._is_up(alarm.subject) and at - latest >= DAY_MS:
            yield from self._closed(step(alarm, Input.CLOSED, at, comment=BY_ITSELF), News.CLOSED, at)
        elif not is_real(alarm) and alarm.cleared_at is not None and at - alarm.cleared_at >= QUIET_MS:
            # Of a rehearsal it was told when its call ended.
            yield from self._closed(step(alarm, Input.CLOSED, at), None if is_call(alarm) else News.CLEARED, at)
        elif self._waits_for_somebody(alarm) and not (
            # below 0 when the clock was set back
            0 <= at - max(alarm.raised_at, alarm.escalated_at or 0) < self.policy.escalate_after_ms
        ):
            level = next((one for one in levels(self.policy, alarm) if one > alarm.level), None)
            if level is not None:
                escalated = self._kept(step(alarm, Input.ESCALATED, at, level=level))
                yield escalated
                yield from self.notices.told(escalated, News.ESCALATED, at)

    def _waits_for_somebody(self, alarm: Alarm) -> bool:
        urgent = is_real(alarm) or (not is_call(alarm) and alarm.cleared_at is None)
        return urgent and alarm.severity is Severity.CRITICAL and alarm.acknowledged_at is None

    def _forget(self, at: int) -> None:
        for id, alarm in list(self.alarms.items()):
            if alarm.closed_at is not None and at - alarm.closed_at >= LINGER_MS:
                del self.alarms[id]
                if alarm.cause is Cause.TEXT:
                    self._texts = {line: text for line, text in self._texts.items() if text != alarm.subject}
        for id, since in list(self._over.items()):
            # After a restart it is a PBX's, whose clock may be ahead.
            self._over[id] = min(since, at)
            more = self._calls[id].links or (Cause.EMERGENCY, id) in self._open
            if at - since >= LINGER_MS and not more:
                del self._over[id], self._calls[id]
                self._failed.discard(id)

    # -- what channels do -----------------------------------------------------------------------------------------

    def due(self, at: int) -> list[Notice]:
        """What is to be sent at ``at``, in the order of `agent.core.notices.turn`."""
        return self.notices.due(at)

    def begun(self, notice_id: str) -> None:
        """The notice is put into words now, and sent: what becomes of its alarm from here on is told after it."""
        self.notices.begun(notice_id)

    def handed(self, notice_id: str, at: int, *, receipt: bool = False) -> Iterator[Record]:
        """The notice's channel took it; ``receipt``: and will tell when it is received."""
        yield from self.notices.happened(notice_id, notices.Input.HANDED, at, receipt=receipt)
        notice = self.notices.all.get(notice_id)
        if notice is not None and self.notices.refused(notice.channel) is None:
            yield from self.condition(Cause.CHANNEL, notice.channel, None, Severity.CRITICAL, at)

    def received(self, notice_id: str, at: int) -> Iterator[Record]:
        """The channel says that the notice has arrived."""
        yield from self.notices.happened(notice_id, notices.Input.RECEIVED, at)

    def failed(self, notice_id: str, error: str, at: int) -> Iterator[Record]:
        """The channel did not take the notice; ``error`` is the kind of failure, with nothing of a person in it.

        A channel that refuses again and again is an alarm on the others.
        """
        yield from self.notices.happened(notice_id, notices.Input.FAILED, at, error=plain(error, NAME_LIMIT))
        notice = self.notices.all.get(notice_id)
        if notice is not None and (kind := self.notices.refused(notice.channel)) is not None:
            what = f"the channel {notice.channel} takes no notices: {kind}"
            yield from self.condition(Cause.CHANNEL, notice.channel, what, Severity.CRITICAL, at)

    # -- restart --------------------------------------------------------------------------------------------------

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what was open when an earlier run stopped: alarms, notices, emergencies, registrations."""
        # Of two alarms of one thing the first is kept: that which somebody has taken on.
        for record in sorted(records, key=lambda one: isinstance(one, Alarm) and one.acknowledged_at is None):
            match record:
                case Alarm():
                    self._kept(record)
                case Notice():
                    self.notices.keep(record)
                case Emergency():
                    self._remember(record, record.ended_at or 0)
                case Registration():
                    self.strays.placed(record, record.first_seen)
        self._stranded = self.notices.stranded()
        self._restored = {alarm.id for alarm in self.alarms.values() if is_real(alarm)}
        for alarm in self.alarms.values():
            if alarm.cause is Cause.LOCATION and alarm.closed_at is None:
                self.strays.restored(alarm.subject, alarm.what)

    # -- the books ------------------------------------------------------------------------------------------------

    def _standing(self, key: _Key) -> Alarm | None:
        id = self._open.get(key)
        return None if id is None else self.alarms[id]

    def _found(self, id: str) -> Alarm:
        alarm = self.alarms.get(id) or self._standing((Cause.EMERGENCY, id))
        if alarm is None:
            alarm = next((one for one in reversed(self.alarms.values()) if is_call(one) and one.subject == id), None)
        if alarm is None:
            raise LookupError("no open alarm and no emergency of one has this id")
        if alarm.closed_at is not None:
            raise ValueError(f"it is closed already, by {alarm.closed_by or 'the agent'}")
        return alarm

    def _is_up(self, emergency: str) -> bool:
        call = self._calls.get(emergency)
        return call is not None and call.ended_at is None

    def _fresh(self, key: _Key, what: str, severity: Severity, at: int, *, test: bool = False) -> Alarm:
        (cause, subject), id = key, self.new_id()
        fresh = Alarm(id=id, cause=cause, subject=subject, what=what, severity=severity, test=test, raised_at=at)
        first = next(iter(levels(self.policy, fresh)), 1)
        return fresh if first == fresh.level else replace(fresh, level=first)

    def _raised(self, alarm: Alarm, at: int) -> Iterator[Record]:
        yield self._kept(alarm)
        yield from self.notices.told(alarm, News.RAISED, at)

    def _closed(self, alarm: Alarm, news: News | None, at: int) -> Iterator[Record]:
        yield self._kept(alarm)
        yield from self.notices.closed(alarm, news, at)
        if alarm.cause is Cause.LOCATION:
            self.strays.forget(alarm.subject)

    def _kept(self, alarm: Alarm) -> Alarm:
        self.alarms[alarm.id] = alarm
        if alarm.closed_at is None:
            self._open.setdefault(_key(alarm), alarm.id)
        else:
            self._shifted_ms.pop(alarm.id, None)
            if self._open.get(_key(alarm)) == alarm.id:
                del self._open[_key(alarm)]
        return alarm


def _key(alarm: Alarm) -> _Key:
    # One key for a call, whether it is known for a rehearsal early or late.
    return (Cause.EMERGENCY if is_call(alarm) else alarm.cause, alarm.subject)


def _cleared_by(emergency: Emergency, alarm: Alarm, at: int) -> Alarm:
    return step(alarm, Input.WENT if emergency.outcome is Outcome.ANSWERED else Input.CAME_BACK, at)


def _names(policy: AlarmPolicy) -> set[str]:
    return {rule.name for rule in policy.channels}


def _hears_more(rule: ChannelRule, before: ChannelRule | None) -> bool:
    """Whether a channel is told by ``rule`` of emergencies of which ``before`` told it nothing, or later."""
    if before is None or rule.level < before.level:
        return True
    first = rule.news & {News.RAISED, News.ESCALATED}
    return Cause.EMERGENCY in rule.causes - before.causes or not first <= before.news


def _worse(severity: Severity, than: Severity) -> bool:
    return severity is Severity.CRITICAL and than is not Severity.CRITICAL


def _name(by: str) -> str:
    if not (name := plain(by, NAME_LIMIT)):
        raise ValueError("a name is needed: say who does it")
    return name
