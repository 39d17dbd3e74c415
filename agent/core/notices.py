"""Who is still to be told of what: each telling of one alarm on one channel, from due to received.

    PENDING   --handed-->    SENT        the channel took it
    PENDING   --failed-->    PENDING     tried again after 1 s, 2 s, 4 s … at most 5 min, for as long as it is of use
    PENDING   --obsolete-->  DROPPED     nobody needs to be told any more
    SENT      --received-->  DELIVERED   the channel says that it has arrived; not every channel can
    DROPPED   --handed-->    SENT        it was under way already: what was told is kept as told

A channel's answers come in any order, late and twice: what has no row in TRANSITIONS changes nothing.

A notice is put into words when it is sent, and tells its alarm as it is then. So while one waits on a channel nothing
else of the same alarm needs to, and no more than one waits for each alarm and channel, however often the alarm changes.
What becomes of the alarm while its notice is under way, in the words of before, is told when the channel took that one;
where it did not, or the agent was killed meanwhile, the next try is put into words anew.
"""

from collections.abc import Callable, Container, Iterator, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from agent.core.alarm import AlarmPolicy, concerns, levels
from agent.core.records import Alarm, Cause, Delivery, News, Notice

State = Delivery

#: Between two attempts.
FIRST_MS, LONGEST_MS = 1_000, 300_000

#: How long a channel that can tell may take to say that a notice was received.
RECEIPT_MS = 600_000

#: After this time nobody is told any more that an alarm was closed or cleared.
AFTERWORD_MS = 86_400_000

#: What is done is remembered this long, for what a channel still tells of it.
LINGER_MS = 1_200_000

#: A channel that has refused one notice this often is taken to be out of order.
REFUSALS = 3

#: By these a channel hears of an alarm for the first time.
_FIRST = (News.RAISED, News.ESCALATED)


class Input(StrEnum):
    """What can happen to a notice."""

    HANDED = "handed to its channel"
    FAILED = "its channel did not take it"
    RECEIVED = "received"
    OBSOLETE = "of no use any more"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.PENDING, Input.HANDED): State.SENT,
    (State.PENDING, Input.FAILED): State.PENDING,
    (State.PENDING, Input.RECEIVED): State.DELIVERED,
    (State.PENDING, Input.OBSOLETE): State.DROPPED,
    (State.SENT, Input.RECEIVED): State.DELIVERED,
    (State.DROPPED, Input.HANDED): State.SENT,
    (State.DROPPED, Input.RECEIVED): State.DELIVERED,
}


def step(notice: Notice, what: Input, at: int, *, error: str | None = None, receipt: bool = False) -> Notice:
    """``notice`` after ``what``; the same object when it changes nothing. Never raises.

    ``receipt``: the channel will tell when it is received. ``error``: the kind of a failure.
    """
    state = TRANSITIONS.get((notice.state, what))
    if state is None:
        return notice
    match what:
        case Input.FAILED:
            attempts = notice.attempts + 1
            return replace(notice, attempts=attempts, error=error, try_at=at + back_off(attempts))
        case Input.OBSOLETE:
            return replace(notice, state=state, done_at=at)
        case Input.HANDED:
            done_at = None if receipt else at
            return replace(notice, state=state, attempts=notice.attempts + 1, sent_at=at, done_at=done_at)
        case Input.RECEIVED:
            sent_at = at if notice.sent_at is None else notice.sent_at
            return replace(notice, state=state, sent_at=sent_at, delivered_at=at, done_at=at)


def back_off(attempts: int) -> int:
    """How long (ms) to wait after ``attempts`` failures, the first of them counted as 1."""
    return min(FIRST_MS << min(attempts - 1, 20), LONGEST_MS)


def is_due(notice: Notice, at: int) -> bool:
    """Whether it is to be tried at ``at``; also when it would wait longer than it was to, the clock being put back."""
    return not 0 < notice.try_at - at <= (back_off(notice.attempts) if notice.attempts else 0)


def turn(notice: Notice) -> tuple[bool, bool, bool, int, int]:
    """Sorts notices: an emergency's first, then whatever calls for help before what tells that none is needed any more.

    Of those, what was never tried goes first, for each try may take a dead channel's time.
    """
    is_over = notice.news in (News.CLEARED, News.CLOSED)
    return notice.cause is not Cause.EMERGENCY, is_over, notice.attempts > 0, notice.try_at, notice.raised_at


@dataclass(slots=True)
class Notices:
    """Every notice that is not done, and lately done ones; ``waiting`` is by channel, then by alarm, a notice's id."""

    policy: AlarmPolicy
    new_id: Callable[[], str]
    all: dict[str, Notice] = field(default_factory=dict)
    waiting: dict[str, dict[str, str]] = field(default_factory=dict)
    #: by channel, of those the ids that it has refused before
    _refused: dict[str, set[str]] = field(default_factory=dict)
    #: by id, of those that were put into words and not taken yet, the news since then
    _under_way: dict[str, News | None] = field(default_factory=dict)

    def told(self, alarm: Alarm, news: News, at: int, *, not_on: Container[str] = ()) -> Iterator[Notice]:
        """``news`` of ``alarm`` for every channel that wants it, but for those in ``not_on``.

        What is raised or escalated goes to the alarm's own level, anything else to all that have been told so far.
        """
        first = news in _FIRST
        for rule in self.policy.channels:
            reached = rule.level == alarm.level if first else rule.level <= alarm.level
            if not reached or news not in rule.news or rule.name in not_on or not concerns(rule, alarm):
                continue
            waits = self.waiting.get(rule.name, {}).get(alarm.id)
            if waits is None:
                yield self._made(alarm.id, alarm.cause, rule.name, news, at)
            elif waits in self._under_way:
                self._under_way[waits] = self._under_way[waits] or news
            elif news is News.WORSENED:
                yield from self._hurried(self.all[waits], at)

    def heard(self) -> dict[str, set[str]]:
        """By alarm, the channels that have heard of it, or are to, as far as is known."""
        found: dict[str, set[str]] = {}
        for notice in self.all.values():
            found.setdefault(notice.alarm, set()).add(notice.channel)
        return found

    def joined(self, alarm: Alarm, channels: Set[str], at: int) -> Iterator[Notice]:
        """``alarm`` for those of ``channels`` that it has come to."""
        first = next(iter(levels(self.policy, alarm)), 1)
        for rule in self.policy.channels:
            news = News.RAISED if rule.level == first else News.ESCALATED
            hears = rule.level <= alarm.level and news in rule.news and concerns(rule, alarm)
            if hears and rule.name in channels:
                yield self._made(alarm.id, alarm.cause, rule.name, news, at)

    def stranded(self) -> set[str]:
        """The alarms of which something waits on a channel that is not there any more."""
        names = {rule.name for rule in self.policy.channels}
        return {alarm for channel, of in self.waiting.items() if channel not in names for alarm in of}

    def dropped(self, alarm: Alarm, at: int, *, only: News | None = None) -> Iterator[Notice]:
        """What waits to be told of ``alarm`` (``only`` of this news) is of no use any more."""
        for notice in self.of(alarm):
            if only in (None, notice.news):
                yield self.keep(step(notice, Input.OBSOLETE, at))

    def closed(self, alarm: Alarm, news: News | None, at: int) -> Iterator[Notice]:
        """``alarm`` is closed, which is told as ``news``: nothing else of it is of use any more.

        Whom nothing of it has reached yet need not hear of it now, nor that it is over.
        """
        unreached = {notice.channel for notice in self.of(alarm) if notice.news in _FIRST}
        for notice in self.of(alarm):
            if notice.id in self._under_way:
                self._under_way[notice.id] = news if notice.channel in unreached else None
        yield from self.dropped(alarm, at)
        if news is not None:
            yield from self.told(alarm, news, at, not_on=unreached)

    def of(self, alarm: Alarm) -> list[Notice]:
        """What waits to be told of ``alarm``."""
        found = (self.waiting.get(rule.name, {}).get(alarm.id) for rule in self.policy.channels)
        return [self.all[id] for id in found if id is not None]

    def due(self, at: int) -> list[Notice]:
        """What is to be sent at ``at``, in the order of `turn`."""
        found = [self.all[id] for of in self.waiting.values() for id in of.values()]
        return sorted((notice for notice in found if is_due(notice, at)), key=turn)

    def begun(self, id: str) -> None:
        """A notice is put into words now, and sent: what is told of its alarm from here on comes after it."""
        self._under_way[id] = None

    def happened(
        self, id: str, what: Input, at: int, *, error: str | None = None, receipt: bool = False
    ) -> Iterator[Notice]:
        """``what`` happened to a notice; nothing, if it is not known (any more).

        A channel that takes notices again is given at once what it refused before.
        """
        since = None if what is Input.RECEIVED else self._under_way.pop(id, None)
        if (notice := self.all.get(id)) is None:
            return
        after = step(notice, what, at, error=error, receipt=receipt)
        if after is not notice:
            yield self.keep(after)
        if what is Input.HANDED:
            if since is not None and self._is_to_hear(notice, since):
                yield self._made(notice.alarm, notice.cause, notice.channel, since, at)
            for refused in self._refused_by(notice.channel):
                yield from self._hurried(refused, at)

    def refused(self, channel: str) -> str | None:
        """The kind of the last failure, where ``channel`` refuses a notice again and again; else None."""
        often = [notice for notice in self._refused_by(channel) if notice.attempts >= REFUSALS]
        return max(often, key=lambda notice: (notice.attempts, notice.id)).error if often else None

    def tick(self, at: int, is_open: Callable[[str], bool]) -> Iterator[Notice]:
        """End what nobody waits for any more; ``is_open`` tells of an alarm's id whether it is open."""
        names = {rule.name for rule in self.policy.channels}
        for id, notice in list(self.all.items()):
            if notice.state is State.PENDING:
                late = at - notice.raised_at >= AFTERWORD_MS and not is_open(notice.alarm)
                if late or notice.channel not in names:
                    yield self.keep(step(notice, Input.OBSOLETE, at))
            elif notice.done_at is None:
                if at - (notice.sent_at or 0) >= RECEIPT_MS:
                    yield self.keep(replace(notice, done_at=at))
            elif at - notice.done_at >= LINGER_MS:
                del self.all[id]
                self._under_way.pop(id, None)

    def keep(self, notice: Notice) -> Notice:
        """Take ``notice`` in as it is now."""
        self.all[notice.id] = notice
        of, refused = self.waiting.setdefault(notice.channel, {}), self._refused.setdefault(notice.channel, set())
        if notice.state is State.PENDING and notice.attempts:
            refused.add(notice.id)
        else:
            refused.discard(notice.id)
        if notice.state is State.PENDING:
            of[notice.alarm] = notice.id
        elif of.get(notice.alarm) == notice.id:
            del of[notice.alarm]
        return notice

    def _made(self, alarm: str, cause: Cause, channel: str, news: News, at: int) -> Notice:
        id = self.new_id()
        return self.keep(Notice(id=id, alarm=alarm, cause=cause, channel=channel, news=news, raised_at=at, try_at=at))

    def _is_to_hear(self, notice: Notice, news: News) -> bool:
        wanted = any(rule.name == notice.channel and news in rule.news for rule in self.policy.channels)
        return wanted and notice.alarm not in self.waiting[notice.channel]

    def _refused_by(self, channel: str) -> list[Notice]:
        return [self.all[id] for id in sorted(self._refused.get(channel, ()))]

    def _hurried(self, notice: Notice, at: int) -> Iterator[Notice]:
        if notice.try_at > at:
            yield self.keep(replace(notice, try_at=at))
