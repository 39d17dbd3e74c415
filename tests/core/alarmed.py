"""Alarms, channels and records for the tests of who is alarmed of what."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

from agent.core.alarms import AlarmPolicy, Alarms, ChannelRule
from agent.core.records import (
    Alarm,
    Cause,
    Certainty,
    Delivery,
    Emergency,
    IpSource,
    News,
    Notice,
    Outcome,
    Record,
    Registration,
    SeenBy,
)

NOON = 1_795_348_800_000
ALL_NEWS, ALL_CAUSES = frozenset(News), frozenset(Cause)
STEP_MS = 60_000


def rule_of(
    name: str, level: int = 1, causes: frozenset[Cause] = ALL_CAUSES, news: frozenset[News] = ALL_NEWS
) -> ChannelRule:
    return ChannelRule(name=name, level=level, causes=causes, news=news)


DESK, PAGER, MANAGER = rule_of("desk"), rule_of("pager"), rule_of("manager", 2)
POLICY = AlarmPolicy(
    channels=(
        DESK,
        rule_of("pager", causes=frozenset((Cause.EMERGENCY, Cause.CHANNEL, Cause.PATH))),
        rule_of("wall", news=frozenset((News.RAISED, News.CLEARED))),
        MANAGER,
        rule_of("director", 4, frozenset((Cause.EMERGENCY,))),
    ),
    escalate_after_ms=STEP_MS,
)


def alarms(*channels: ChannelRule, policy: AlarmPolicy | None = None) -> Alarms:
    ids = count(1)
    policy = policy or AlarmPolicy(channels=channels, escalate_after_ms=STEP_MS)
    return Alarms(policy, lambda: f"id-{next(ids)}")


def call(id: str = "call", **more: object) -> Emergency:
    values = {
        "line": "201",
        "number": "999",
        "ip": None,
        "vendor": None,
        "model": None,
        "started_at": NOON,
        "seen_by": SeenBy.DIALPLAN,
        "links": ("caller:c",),
        **more,
    }
    return Emergency(id=id, **values)  # type: ignore[arg-type]


def answered(emergency: Emergency, at: int) -> Emergency:
    return replace(emergency, answered_at=at)


def over(emergency: Emergency, outcome: Outcome, at: int) -> Emergency:
    return replace(emergency, ended_at=at, outcome=outcome)


def phone(line: str, certainty: Certainty | None, *, ip: str = "203.0.113.7", **more: object) -> Registration:
    values = {
        "id": f"reg-{line}",
        "site": "leeds" if certainty is Certainty.MOVED else None,
        "ip_source": IpSource.SECURITY,
        "transport": None,
        "vendor": "snom",
        "model": "",
        "firmware": "",
        "first_seen": NOON,
        "last_seen": NOON,
        "refreshes": 0,
        **more,
    }
    return Registration(line=line, ip=ip, certainty=certainty, **values)  # type: ignore[arg-type]


def notices_of(records: Iterable[Record]) -> list[tuple[str, News]]:
    return [
        (record.channel, record.news)
        for record in records
        if isinstance(record, Notice) and record.state is Delivery.PENDING and record.attempts == 0
    ]


def alarm_of(records: Iterable[Record]) -> Alarm:
    return next(record for record in reversed(list(records)) if isinstance(record, Alarm))


def send_all(book: Alarms, at: int) -> list[Record]:
    """Every channel takes everything."""
    return [record for notice in book.due(at) for record in book.handed(notice.id, at)]
