"""P01, P02, P19: whose a line or number is has one answer, the audit has each look at it, requests are in time."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, cast

from agent.core.audit import ERASED, verify
from agent.core.instants import from_rfc3339
from agent.core.records import Account, Audit, AuditUse, Request, RetentionClass, SegmentRoot, Service
from agent.duties.promises.result import DAY_MS, Result, Scene, Survey, is_locked, judged, not_built, some

_NONE = "no account is on record: `account import`"
#: Uses of an account that answer a customer who has a problem.
_SUPPORT = frozenset((AuditUse.LOOKED_UP, AuditUse.SHOWN, AuditUse.HISTORY))
_INSTANTS = frozenset(("at", "closed_at"))


def p01(scene: Scene) -> Result:
    """Whose a line or number is has one answer, and the audit of who asked proves whole."""
    with scene.survey() as survey:
        accounts = {str(account) for (account,) in survey.raw(Account.KIND, "account")}
        names = ("account", "line", _number(survey), "from_at", "until_at", "corrected_at")
        rows = list(survey.raw(Service.KIND, *names))
        entries, problems = _audit(scene, survey)
    services = [tuple(row[:-1]) for row in rows if row[-1] is None]
    twice = sum(_shared(services))
    strange = sum(account not in accounts for account, *_ in services)
    faults = [
        some(twice, "lines or numbers are two accounts' at once"),
        some(strange, "lines or numbers are of no account on record"),
        some(problems, "places in the audit are not as they were written"),
    ]
    looked = f"{len(accounts)} accounts with {len(services)} lines and numbers, {entries} entries of the audit"
    if not accounts and not any(faults):
        return not_built("P01", _NONE)
    return judged("P01", faults, looked)


def p02(scene: Scene) -> Result:
    """Whoever looked at an account said why, and the audit of that proves whole."""
    with scene.survey() as survey:
        accounts = survey.count(Account.KIND)
        entries, problems = _audit(scene, survey)
        looks = [str(reason).strip() for use, reason in survey.raw(Audit.KIND, "use", "reason") if use in _SUPPORT]
    faults = [
        some(looks.count(""), "looks at an account have no reason"),
        some(problems, "places in the audit are not as they were written"),
    ]
    if not accounts and not any(faults):
        return not_built("P02", _NONE)
    return judged("P02", faults, f"{accounts} accounts, {len(looks)} looks at one among {entries} entries of the audit")


def p19(scene: Scene) -> Result:
    """Requests of customers are answered in time."""
    with scene.survey() as survey:
        requests = list(survey.raw(Request.KIND, "due_at", "closed_at"))
    late = sum(closed is None and due is not None and from_rfc3339(str(due)) < scene.at for due, closed in requests)
    looked = f"{len(requests)} requests on record"
    if late:
        return judged("P19", [some(late, "requests are past the time in which they must be answered")], looked)
    return not_built("P19", f"nothing can be erased on request yet ({looked}, none late)")


def _number(survey: Survey) -> str:
    """The column that tells two numbers apart: their index, where they are encrypted."""
    return "number_index" if "number_index" in survey.columns()[survey.table(Service.KIND)] else "number"


def _shared(services: list[tuple[Any, ...]]) -> Iterator[bool]:
    """Of each service whether another one has its line or number within its time."""
    times: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for _, line, number, begin, end in services:
        what = ("line", line) if line is not None else ("number", number)
        times[what].append((begin, end or "9999"))
    for spans in times.values():
        spans.sort()
        yield from (after[0] < before[1] for before, after in pairwise(spans))


def _audit(scene: Scene, survey: Survey) -> tuple[int, int]:
    """How many entries the audit has, and how many places in it are not as they were written."""
    roots = [SegmentRoot(**_values(SegmentRoot, row)) for row in _rows(survey, SegmentRoot)]
    segments: defaultdict[str, list[Audit]] = defaultdict(list)
    for row in _rows(survey, Audit):
        entry = Audit(**_values(Audit, row))
        if entry.salt is not None and is_locked(entry.salt):
            # Encrypted, it cannot be compared with its commitment here: `audit verify` does, with the keys.
            entry = replace(entry, subject=None, salt=None, reason=ERASED)
        segments[entry.segment].append(entry)
    for entries in segments.values():
        entries.sort(key=lambda entry: entry.seq)
    total, days = sum(map(len, segments.values())), scene.terms.days
    if not total and not roots:
        return 0, 0  # Before the first entry there is no key.
    problems = verify(
        roots,
        lambda segment: segments.get(segment, []),
        key=scene.places.key.read_bytes(),
        current=max(segments, default=None),
        total=total,
        kept_since=scene.at - days[RetentionClass.AUDIT] * DAY_MS,
        roots_since=scene.at - days[RetentionClass.AUDIT_ROOT] * DAY_MS,
    )
    return total, sum(1 for _ in problems)


def _rows(survey: Survey, record: type[Audit] | type[SegmentRoot]) -> Iterator[tuple[Any, ...]]:
    return cast(Iterator[tuple[Any, ...]], survey.raw(record.KIND, *(item.name for item in fields(record))))


def _values(record: type[Audit] | type[SegmentRoot], row: tuple[Any, ...]) -> dict[str, Any]:
    named = zip((item.name for item in fields(record)), row, strict=True)
    return {name: from_rfc3339(value) if name in _INSTANTS else value for name, value in named}
