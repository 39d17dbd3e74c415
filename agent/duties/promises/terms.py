"""P06, P20: nothing stays longer than its class says, but for what a legal hold keeps, and nothing goes sooner."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.personal import HANDLED, LOCKED
from agent.core.records import (
    RECORDS,
    Access,
    Account,
    Aggregate,
    Alarm,
    Audit,
    Blind,
    Call,
    Consent,
    Content,
    ContentState,
    Deletion,
    Detail,
    Devices,
    Disclosure,
    Emergency,
    Entry,
    Failure,
    Ground,
    Hold,
    Leaf,
    Line,
    Look,
    Notice,
    OptIn,
    Path,
    Probe,
    Purge,
    Record,
    Recording,
    Registration,
    Request,
    RetentionClass,
    SegmentRoot,
    Service,
    Text,
    Total,
    Traffic,
    retentions,
)
from agent.duties.promises import bundles
from agent.duties.promises.holding import standing
from agent.duties.promises.result import DAY_MS, Result, Scene, Survey, judged, some

#: The instant from which each kind's term counts; while a row has none it is open, and stays.
ENDS: dict[type[Record], str] = {
    Registration: "ended_at",
    Emergency: "ended_at",
    Recording: "stopped_at",
    Failure: "hour",
    Blind: "until_at",
    Detail: "until_at",
    Entry: "at",
    Alarm: "closed_at",
    Notice: "done_at",
    Look: "at",
    Path: "gone_at",
    Probe: "at",
    OptIn: "withdrawn_at",
    Content: "deleted_at",
    Access: "at",
    Purge: "at",
    Call: "started_at",
    Text: "at",
    Account: "closed_at",
    Service: "until_at",
    Audit: "at",
    SegmentRoot: "closed_at",
    Deletion: "at",
    Total: "month_at",
    Hold: "lifted_at",
    Consent: "expires_at",
    Disclosure: "at",
    Leaf: "at",
    Traffic: "day_at",
    Devices: "month_at",
    Aggregate: "period_at",
    Request: "closed_at",
    Line: "until_at",
}
#: Which field of a kind names what it stays with: its emergency, its account, its content, what is the line's.
_WAITING: dict[type[Record], str] = {Entry: "emergency", Service: "account", Recording: "id", Line: "id"}
#: How late a purge may come: it is hourly, and a fuller view's every minute.
MARGIN_MS, DETAIL_MARGIN_MS = DAY_MS, 900_000
#: What goes by whole months goes once the last day of one is past its term.
_MONTHLY = frozenset((Audit, SegmentRoot, Total, Devices))
_MONTH_MS = 32 * DAY_MS
#: What the purge held back is counted anew each day.
_HELD_MS = 2 * DAY_MS
#: A term that was made longer does not make what went before too early for ever.
_EARLY_MS = 31 * DAY_MS
_COMMUNICATIONS = (Call.KIND, Text.KIND, Total.KIND)
_AREA = re.compile(r"[0-9+]{0,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Over:
    """Rows of one class of a kind that are past their term."""

    kind: str
    retention: str
    count: int
    oldest: str


def p20(scene: Scene) -> Result:
    """Nothing of any class, and no sound, is past its term without being held; the purge took nothing too soon."""
    with scene.survey() as survey:
        over = [*_over(scene, survey), *_sound_over(scene, survey)]
        rows = sum(survey.count(record.KIND) for record in RECORDS)
        early, purged = _early(scene, survey)
    faults = [
        f"{each.count} {each.kind} of class {each.retention} are past their term, since {each.oldest[:10]}"
        for each in over
    ]
    faults.append(some(sum(1 for _ in bundles.overdue(scene)), "copies or bundles are past their time"))
    faults.append(some(early, "runs of the purge took what was not past its term"))
    kinds = f"{len(RECORDS)} kinds in {len(RetentionClass)} classes, {rows} rows, {bundles.count(scene)} copies"
    return judged("P20", faults, f"{kinds}; {purged} purged in {_EARLY_MS // DAY_MS} days, as far as that is on record")


def p06(scene: Scene) -> Result:
    """The same of calls and texts, which PECR (regulations 6 and 7) is about, and of what is kept for VAT."""
    with scene.survey() as survey:
        over = [each for each in _over(scene, survey) if each.kind in _COMMUNICATIONS]
        legs, texts, totals = (survey.count(kind) for kind in _COMMUNICATIONS)
        held = sum(lifted is None for (lifted,) in survey.raw(Hold.KIND, "lifted_at"))
        long = sum(_AREA.fullmatch(str(area or "")) is None for (area,) in survey.raw(Total.KIND, "area"))
    faults = [some(each.count, f"{each.kind}s of class {each.retention} are past their term") for each in over]
    faults.append(some(long, "totals tell more of a number than its area"))
    return judged(
        "P06", faults, f"{legs} legs of calls, {texts} texts, {totals} totals of those before, {held} legal holds"
    )


def _over(scene: Scene, survey: Survey) -> Iterator[_Over]:
    held = _held(scene, survey)
    for record in RECORDS:
        classes = retentions(record)
        for retention in classes:
            margin = DETAIL_MARGIN_MS if retention is RetentionClass.DETAIL else MARGIN_MS
            margin += _MONTH_MS if record in _MONTHLY else 0
            before = scene.at - scene.terms.days[retention] * DAY_MS - margin
            equal = {"itemised": int(retention is RetentionClass.CALL)} if len(classes) > 1 else {}
            over = _past(survey, record, before, equal)
            count = over.count - held.get((record.KIND, retention), 0)
            if count > 0:
                yield replace(over, retention=retention, count=count)


def _past(survey: Survey, record: type[Record], before: int, equal: dict[str, int]) -> _Over:
    """The rows of a kind that ended before ``before`` (ms), and wait for no other that is still there."""
    count, oldest = survey.older(record.KIND, ENDS[record], before, **equal)
    if count and record in _WAITING:
        name, there = _WAITING[record], _there(survey, record)
        left = [str(at) for at, of in survey.raw(record.KIND, ENDS[record], name) if at is not None and of not in there]
        over = [at for at in left if from_rfc3339(at) < before]
        count, oldest = len(over), min(over, default=None)
    return _Over(kind=record.KIND, retention="", count=count, oldest=oldest or "")


def _there(survey: Survey, record: type[Record]) -> set[object]:
    if record is Recording:
        return {id for id, state in survey.raw(Content.KIND, "id", "state") if state == ContentState.KEPT}
    if record is Line:
        return {line for kind, names in HANDLED.items() for name in names for (line,) in survey.raw(kind.KIND, name)}
    owner, name = (Emergency, "id") if record is Entry else (Account, "account")
    return {id for (id,) in survey.raw(owner.KIND, name)}


def _held(scene: Scene, survey: Survey) -> dict[tuple[str, str], int]:
    """How many rows of each kind and class a legal hold kept back, when the purge last counted them."""
    counted: dict[tuple[str, str], tuple[str, int]] = {}
    since = scene.at - _HELD_MS
    for at, of, retention, ground, count in survey.raw(Deletion.KIND, "at", "of", "retention", "ground", "count"):
        if ground == Ground.HELD and from_rfc3339(str(at)) > since:
            where = str(of), str(retention)
            counted[where] = max(counted.get(where, ("", 0)), (str(at), int(count or 0)))
    return {where: count for where, (_, count) in counted.items()}


def _early(scene: Scene, survey: Survey) -> tuple[int, int]:
    """How many runs of the last weeks took what had not ended long enough before, and how many rows all took."""
    early = purged = 0
    rows = survey.raw(Deletion.KIND, "at", "retention", "ground", "count", "newest_at")
    for at, retention, ground, count, newest in rows:
        ran_at = from_rfc3339(str(at))
        if ground in (Ground.EXPIRED, Ground.CUT) and ran_at > scene.at - _EARLY_MS:
            purged += int(count or 0)
            early += from_rfc3339(str(newest)) > ran_at - scene.terms.days[RetentionClass(str(retention))] * DAY_MS
    return early, purged


def _sound_over(scene: Scene, survey: Survey) -> Iterator[_Over]:
    holds = standing(survey)
    over: dict[str, list[int]] = {}
    for content in survey.read(Content.KIND):
        if not isinstance(content, Content) or content.state is not ContentState.KEPT or content.kept_as is None:
            continue
        stored = content.stored_at
        late = stored < scene.at - scene.terms.content_days[content.kept_as] * DAY_MS - MARGIN_MS
        # Whose it is cannot be told without the keys: then any hold may be on it.
        unread = content.line == LOCKED and bool(holds.standing)
        if late and not unread and not holds.keeps(Content.KIND, content.line, content.began_at, stored):
            over.setdefault(content.kept_as, []).append(stored)
    for kind, since in over.items():
        yield _Over(kind="recordings", retention=kind, count=len(since), oldest=rfc3339(min(since)))
