"""One alarm: four open phases and a last one.

                                 went
              STANDING  <----------------------->  GONE            its cause is there; its cause went
                 |             came back             |
    acknowledged |                                   | acknowledged
                 v               went                v
               TAKEN    <----------------------->  GONE_TAKEN      somebody has taken it on
                               came back
    closed, out of any of them: CLOSED

Whoever tells of it may do so late, twice and in any order: what has no row in TRANSITIONS changes nothing. Who is told
of what (`ChannelRule`) stands beside it, for how far an alarm is escalated depends on who there is to tell.
"""

from dataclasses import dataclass, replace
from enum import Enum

from agent.core.records import Alarm, Cause, News


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRule:
    """Who is told of what: ``name`` is the channel's, ``level`` (from 1) the step of escalation at which it is told.

    A channel above the first level that its causes have is first told of an alarm by ``News.ESCALATED``.
    """

    name: str
    level: int
    causes: frozenset[Cause]
    news: frozenset[News]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmPolicy:
    """Every channel of notice, and how long (ms) an alarm may wait for somebody before the next level is told."""

    channels: tuple[ChannelRule, ...] = ()
    escalate_after_ms: int = 60_000


class Phase(Enum):
    """Where an alarm stands; derived from its record."""

    STANDING = "standing"
    TAKEN = "taken"
    GONE = "gone"
    GONE_TAKEN = "gone, taken"
    CLOSED = "closed"


class Input(Enum):
    """What can happen to an alarm."""

    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    WENT = "its cause went"
    CAME_BACK = "its cause came back"
    CLOSED = "closed"


TRANSITIONS: dict[tuple[Phase, Input], Phase] = {
    (Phase.STANDING, Input.ACKNOWLEDGED): Phase.TAKEN,
    (Phase.STANDING, Input.ESCALATED): Phase.STANDING,
    (Phase.STANDING, Input.WENT): Phase.GONE,
    (Phase.STANDING, Input.CLOSED): Phase.CLOSED,
    (Phase.TAKEN, Input.WENT): Phase.GONE_TAKEN,
    (Phase.TAKEN, Input.CLOSED): Phase.CLOSED,
    (Phase.GONE, Input.ACKNOWLEDGED): Phase.GONE_TAKEN,
    (Phase.GONE, Input.ESCALATED): Phase.GONE,
    (Phase.GONE, Input.CAME_BACK): Phase.STANDING,
    (Phase.GONE, Input.CLOSED): Phase.CLOSED,
    (Phase.GONE_TAKEN, Input.CAME_BACK): Phase.TAKEN,
    (Phase.GONE_TAKEN, Input.CLOSED): Phase.CLOSED,
}


def phase_of(alarm: Alarm) -> Phase:
    """Derived from the record."""
    if alarm.closed_at is not None:
        return Phase.CLOSED
    if alarm.cleared_at is not None:
        return Phase.GONE if alarm.acknowledged_at is None else Phase.GONE_TAKEN
    return Phase.STANDING if alarm.acknowledged_at is None else Phase.TAKEN


def step(
    alarm: Alarm, what: Input, at: int, *, level: int = 0, by: str | None = None, comment: str | None = None
) -> Alarm:
    """``alarm`` after ``what``; the same object when it changes nothing. Never raises."""
    if (phase_of(alarm), what) not in TRANSITIONS:
        return alarm
    match what:
        case Input.ACKNOWLEDGED:
            return replace(alarm, acknowledged_at=at, acknowledged_by=by)
        case Input.ESCALATED:
            return replace(alarm, level=level, escalated_at=at)
        case Input.WENT:
            return replace(alarm, cleared_at=at)
        case Input.CAME_BACK:
            return replace(alarm, cleared_at=None)
        case Input.CLOSED:
            return replace(alarm, closed_at=at, closed_by=by, comment=comment)


def is_call(alarm: Alarm) -> bool:
    """Whether it is of a call, real or rehearsed; its subject is the emergency's id."""
    return alarm.cause in (Cause.EMERGENCY, Cause.REHEARSAL)


def is_real(alarm: Alarm) -> bool:
    """Whether it is of a real emergency."""
    return alarm.cause is Cause.EMERGENCY and not alarm.test


def concerns(rule: ChannelRule, alarm: Alarm) -> bool:
    """Whether a channel is told of such alarms; a channel that is out of order is not told so itself."""
    return alarm.cause in rule.causes and not (alarm.cause is Cause.CHANNEL and alarm.subject == rule.name)


def levels(policy: AlarmPolicy, alarm: Alarm) -> list[int]:
    """The levels at which somebody wants to hear of ``alarm``, lowest first."""
    return sorted({rule.level for rule in policy.channels if concerns(rule, alarm)})
