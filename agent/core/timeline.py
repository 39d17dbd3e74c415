"""The timeline of each emergency: what happened, one line a fact, written once and chained to the line before.

A line is derived from what changed between two states of the emergency's record, or of its alarm and notices, and has
the instant of the fact itself. Lines stand in the order in which the agent heard of them; two sessions and the journal
tell of one call, so a fact can come late, and its instant then lies before that of the line above it. What turns out
differently is a line of its own (``corrected``, ``reopened``): no line is ever rewritten.

The chain: each line carries a BLAKE2b hash, keyed, over its own fields and the hash of the line before; the first one's
predecessor is a hash of the emergency's id. What that shows, to whom has the key:

    a line changed, added, exchanged, or missing before another     yes, by the lines alone
    the last lines cut off     where something else still tells of them: give `verify` the emergency, its alarms and
                               their notices, whose answer, end, acknowledgement … each have a line
    an emergency deleted with all its records, or made anew by somebody who has the key     no, nothing here can
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from agent.core.chain import chained
from agent.core.evidence import restore
from agent.core.notices import back_off
from agent.core.records import Alarm, Delivery, Emergency, Entry, Notice, Outcome, Record, SeenBy
from agent.core.signals import DialBegun, DialEnded, EmergencyStage, Signal

#: Two voices tell of one instant; where they differ by less than this, the emergency's record alone has the better one.
SAME_MS = 1_000

#: What is over is remembered this long, for what is still told of it.
LINGER_MS = 1_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What a line says, before it has its place."""

    at: int
    what: str
    detail: str = ""
    by: str | None = None


@dataclass(slots=True)
class _Head:
    """Where a timeline has got to."""

    seq: int = 0
    chain: str = ""
    record: Emergency | None = None
    alarms: dict[str, Alarm] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    #: since when nothing more is expected
    over_at: int | None = None


@dataclass(slots=True)
class Timeline:
    """Where every timeline that may still go on has got to; ``key`` is of 64 bytes at the most."""

    key: bytes
    new_id: Callable[[], str]
    _heads: dict[str, _Head] = field(default_factory=dict)
    _of_alarm: dict[str, str] = field(default_factory=dict)

    def noted(self, emergency: Emergency, signal: Signal | None, now: int) -> Iterator[Entry]:
        """The lines that tell what ``signal`` (None: time alone) has changed in a record, heard at ``now``."""
        head = self._heads.setdefault(emergency.id, _Head())
        before, head.record, head.over_at = head.record, emergency, None
        for fact in changes(before, emergency, signal, now):
            yield self._next(emergency.id, head, fact)

    def told(self, record: Record) -> Iterator[Entry]:
        """The lines that tell what has become of an emergency's alarm or notice; of other records none."""
        match record:
            case Alarm() if (head := self._heads.get(record.subject)) is not None:
                before = head.alarms.get(record.id)
                head.alarms[record.id], head.over_at = record, None
                self._of_alarm[record.id] = record.subject
                for fact in _of_alarm(before, record):
                    yield self._next(record.subject, head, fact)
            case Notice() if (emergency := self._of_alarm.get(record.alarm)) is not None:
                head = self._heads[emergency]
                notice = head.notices.get(record.id)
                head.notices[record.id] = record
                for fact in _of_notice(notice, record):
                    yield self._next(emergency, head, fact)

    def tick(self, at: int) -> None:
        """Forget the timelines of calls that have been over, and their alarms closed, for long."""
        for emergency, head in list(self._heads.items()):
            if not _is_over(head):
                continue
            if head.over_at is None:
                head.over_at = at
            elif at - head.over_at >= LINGER_MS:
                del self._heads[emergency]
                for alarm in head.alarms:
                    del self._of_alarm[alarm]

    def restore(self, records: Iterable[Record]) -> None:
        """Go on from the last lines of an earlier run; ``records`` holds all lines of what is still open."""
        records = list(records)
        for record in records:
            match record:
                case Emergency():
                    self._heads.setdefault(record.id, _Head()).record = record
                case Entry():
                    head = self._heads.setdefault(record.emergency, _Head())
                    if record.seq > head.seq:
                        head.seq, head.chain = record.seq, record.chain
        for record in records:
            if isinstance(record, Alarm) and record.subject in self._heads:
                self._heads[record.subject].alarms[record.id] = record
                self._of_alarm[record.id] = record.subject
        for record in records:
            if isinstance(record, Notice) and record.alarm in self._of_alarm:
                self._heads[self._of_alarm[record.alarm]].notices[record.id] = record

    def _next(self, emergency: str, head: _Head, fact: Fact) -> Entry:
        head.seq += 1
        head.chain = link(
            self.key,
            head.chain or first(self.key, emergency),
            (emergency, head.seq, fact.at, fact.what, fact.detail, fact.by),
        )
        return Entry(
            id=self.new_id(),
            emergency=emergency,
            seq=head.seq,
            at=fact.at,
            what=fact.what,
            detail=fact.detail,
            by=fact.by,
            chain=head.chain,
        )


def _is_over(head: _Head) -> bool:
    call = head.record
    up = call is not None and (call.ended_at is None or bool(call.links))
    return not up and all(alarm.closed_at is not None for alarm in head.alarms.values())


# -- what happened --------------------------------------------------------------------------------------------------


def changes(before: Emergency | None, after: Emergency, signal: Signal | None, now: int) -> Iterator[Fact]:
    """What happened to a call between two states of its record; ``before`` is None at the first sight of it."""
    at = now if signal is None else signal.at
    trunk = signal.trunk if isinstance(signal, EmergencyStage | DialBegun | DialEnded) else None
    trunk = trunk or after.trunk or ""
    if before is None:
        yield Fact(at=after.started_at, what="dialled", detail=after.number)
    elif moved(before.started_at, after.started_at):
        yield Fact(at=after.started_at, what="corrected", detail="dialled")
    if after.seen_by is SeenBy.JOURNAL and before is None:
        yield Fact(at=now, what="told", detail="by the journal")
    yield from _circumstances(before, after, at)
    if after.attempts > (before.attempts if before is not None else 0):
        yield Fact(at=at, what="trying", detail=trunk)
    if after.links:
        refused, failed = _refusals(after)
        refused_before, failed_before = (0, False) if before is None else _refusals(before)
        if refused > refused_before:
            yield Fact(at=at, what="refused", detail=trunk)
        if failed and not failed_before:
            yield Fact(at=at, what="failed")
    if after.answered_at is not None:
        if before is None or before.answered_at is None:
            yield Fact(at=after.answered_at, what="answered", detail=after.trunk or "")
        elif moved(before.answered_at, after.answered_at):
            yield Fact(at=after.answered_at, what="corrected", detail="answered")
    yield from _end(before, after, at)
    if after.callbacks > (before.callbacks if before is not None else 0):
        yield Fact(at=at, what="callback")


def _circumstances(before: Emergency | None, after: Emergency, at: int) -> Iterator[Fact]:
    """What became known of the call, beside how it went."""
    if after.ip is not None or after.certainty is not None:
        here = (after.ip, after.site, after.certainty)
        if before is None or here != (before.ip, before.site, before.certainty):
            detail = " ".join(filter(None, (after.certainty, after.site and f"at {after.site}")))
            yield Fact(at=at, what="located", detail=detail)
    if after.test and (before is None or not before.test):
        yield Fact(at=at, what="rehearsal")
    if after.blind and (before is None or not before.blind):
        yield Fact(at=at, what="blind")
    if after.preempted and (before is None or not before.preempted):
        yield Fact(at=at, what="preempted")


def _end(before: Emergency | None, after: Emergency, at: int) -> Iterator[Fact]:
    ended_at, outcome = (None, Outcome.IN_PROGRESS) if before is None else (before.ended_at, before.outcome)
    if after.ended_at is None:
        if ended_at is not None:
            yield Fact(at=at, what="reopened")
    elif ended_at is None or outcome is not after.outcome:
        yield Fact(at=after.ended_at, what="ended", detail=after.outcome)
    elif moved(ended_at, after.ended_at):
        yield Fact(at=after.ended_at, what="corrected", detail="ended")


def _refusals(record: Emergency) -> tuple[int, bool]:
    call = restore(record)
    return max(call.refused, len(call.refused_legs)), call.all_failed


def moved(before: int | None, after: int | None) -> bool:
    """Whether an instant turned out to be another, not just told by another voice."""
    return before is not None and after is not None and abs(after - before) >= SAME_MS


def _of_alarm(before: Alarm | None, after: Alarm) -> Iterator[Fact]:
    if before is None:
        yield Fact(at=after.raised_at, what="raised", detail=after.severity)
    for name, what, detail, by in (
        ("acknowledged_at", "acknowledged", "", after.acknowledged_by),
        ("escalated_at", "escalated", f"to level {after.level}", None),
        ("cleared_at", "cleared", "", None),
        ("closed_at", "closed", "", after.closed_by),
    ):
        at = getattr(after, name)
        if at is not None and (before is None or at != getattr(before, name)):
            yield Fact(at=at, what=what, detail=detail, by=by)


def _of_notice(before: Notice | None, after: Notice) -> Iterator[Fact]:
    told = f"{after.news} on {after.channel}"
    if after.sent_at is not None and (before is None or before.sent_at is None):
        yield Fact(at=after.sent_at, what="sent", detail=told)
    if after.state is Delivery.DELIVERED and after.delivered_at is not None:
        if before is None or before.delivered_at is None:
            yield Fact(at=after.delivered_at, what="received", detail=told)
    elif after.attempts == 1 and after.error is not None and (before is None or before.error is None):
        yield Fact(at=after.try_at - back_off(1), what="undelivered", detail=f"{told}: {after.error}")


# -- the chain ------------------------------------------------------------------------------------------------------


def first(key: bytes, emergency: str) -> str:
    """What the first line of a timeline is chained to."""
    return _hash(key, ("timeline", emergency))


def link(key: bytes, previous: str, line: Sequence[str | int | None]) -> str:
    """The hash of a line (emergency, seq, at, what, detail, by) that follows one with the hash ``previous``."""
    return _hash(key, (previous, *line))


def _hash(key: bytes, parts: Iterable[str | int | None]) -> str:
    return chained(key, b"timeline", parts)


def verify(
    entries: Iterable[Entry],
    key: bytes,
    *,
    emergency: Emergency | None = None,
    alarms: Iterable[Alarm] = (),
    notices: Iterable[Notice] = (),
) -> list[str]:
    """What is wrong with the lines of one emergency, in words; empty where nothing is.

    Beside the chain it is checked that what the emergency's record, its alarms and its notices tell has a line.
    """
    lines = list(entries)
    problems = list(_broken(lines, key))
    told = {line.what for line in lines}
    wanted: list[tuple[str, str]] = []
    if emergency is not None:
        wanted += [("dialled", "the call")] if not lines else []
        wanted += [("answered", "its answer")] if emergency.answered_at is not None else []
        wanted += [("ended", "its end")] if emergency.ended_at is not None else []
    for alarm in alarms:
        wanted.append(("raised", "its alarm"))
        wanted += [("acknowledged", "who took it on")] if alarm.acknowledged_at is not None else []
        wanted += [("escalated", "its escalation")] if alarm.escalated_at is not None else []
        wanted += [("cleared", "that it was cleared")] if alarm.cleared_at is not None else []
        wanted += [("closed", "who closed it")] if alarm.closed_at is not None else []
    problems += [f"the line that tells {of} is missing" for what, of in dict.fromkeys(wanted) if what not in told]
    sent = sum(line.what == "sent" for line in lines)
    due = sum(notice.sent_at is not None for notice in notices)
    if due > sent:
        problems.append(f"{due - sent} lines that tell of a notice are missing")
    return problems


def _broken(lines: Sequence[Entry], key: bytes) -> Iterator[str]:
    previous: Entry | None = None
    for line in lines:
        expected = 1 if previous is None else previous.seq + 1
        if previous is not None and line.emergency != previous.emergency:
            yield f"line {line.seq} is another emergency's"
        if line.seq > expected:
            lost = f"line {expected} is" if line.seq == expected + 1 else f"lines {expected} to {line.seq - 1} are"
            yield f"{lost} missing"
        elif line.seq < expected:
            yield f"line {line.seq} is out of its place"
        else:
            before = first(key, line.emergency) if previous is None else previous.chain
            if link(key, before, (line.emergency, line.seq, line.at, line.what, line.detail, line.by)) != line.chain:
                yield f"line {line.seq} was changed, or the one before it"
        previous = line
