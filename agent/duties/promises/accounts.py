"""P01, P02: whose a line or number is has one answer, and each look at an account is in the audit with its reason."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from agent.core.audit import ERASED, verify
from agent.core.personal import LOCKED
from agent.core.records import Account, Audit, AuditUse, RetentionClass, SegmentRoot, Service
from agent.duties.promises.result import DAY_MS, Result, Scene, Survey, judged, not_built, some

_NONE = "no account is on record: `account import`"
#: Uses of an account that answer a customer who has a problem.
_SUPPORT = frozenset((AuditUse.LOOKED_UP, AuditUse.SHOWN, AuditUse.HISTORY))
_FOREVER = 1 << 62


def p01(scene: Scene) -> Result:
    """Whose a line or number is has one answer, and the audit of who asked proves whole."""
    with scene.survey() as survey:
        accounts = {str(account) for (account,) in survey.raw(Account.KIND, "account")}
        every = [record for record in survey.read(Service.KIND) if isinstance(record, Service)]
        entries, problems = _audit(scene, survey)
    services = [service for service in every if service.corrected_at is None]
    strange = sum(service.account not in accounts for service in services)
    closed = sum(LOCKED in (service.line, service.number) for service in services)
    faults = [
        some(sum(_shared(services)), "lines or numbers are two accounts' at once"),
        some(strange, "lines or numbers are of no account on record"),
        some(problems, "places in the audit are not as they were written"),
    ]
    if not accounts and not any(faults):
        return not_built("P01", _NONE)
    unread = f", {closed} of them encrypted and not opened here" if closed else ""
    looked = f"{len(accounts)} accounts with {len(services)} lines and numbers{unread}"
    return judged("P01", faults, f"{looked}, {len(entries)} entries of the audit")


def p02(scene: Scene) -> Result:
    """Whoever looked at an account said why, and the audit of that proves whole."""
    with scene.survey() as survey:
        accounts = survey.count(Account.KIND)
        entries, problems = _audit(scene, survey)
    looks = [entry.reason.strip() for entry in entries if entry.use in _SUPPORT]
    faults = [
        some(looks.count(""), "looks at an account have no reason"),
        some(problems, "places in the audit are not as they were written"),
    ]
    if not accounts and not any(faults):
        return not_built("P02", _NONE)
    looked = f"{len(looks)} looks at one among {len(entries)} entries of the audit"
    return judged("P02", faults, f"{accounts} accounts, {looked}")


def _shared(services: Iterable[Service]) -> Iterator[bool]:
    """Of each service whether the next one has its line or number within its time."""
    times: defaultdict[tuple[str | None, str | None], list[tuple[int, int]]] = defaultdict(list)
    for service in services:
        if LOCKED not in (service.line, service.number):
            until = _FOREVER if service.until_at is None else service.until_at
            times[service.line, service.number].append((service.from_at, until))
    for spans in times.values():
        yield from (after[0] < before[1] for before, after in pairwise(sorted(spans)))


def _audit(scene: Scene, survey: Survey) -> tuple[list[Audit], int]:
    """The entries of the audit, and how many places in it are not as they were written."""
    roots = [record for record in survey.read(SegmentRoot.KIND) if isinstance(record, SegmentRoot)]
    segments: defaultdict[str, list[Audit]] = defaultdict(list)
    for entry in survey.read(Audit.KIND):
        if isinstance(entry, Audit):
            segments[entry.segment].append(_comparable(entry))
    for entries in segments.values():
        entries.sort(key=lambda entry: entry.seq)
    found = [entry for entries in segments.values() for entry in entries]
    if not found and not roots:
        return [], 0  # Before the first entry there is no key.
    days = scene.terms.days
    problems = verify(
        roots,
        lambda segment: segments.get(segment, []),
        key=scene.places.key.read_bytes(),
        current=max(segments, default=None),
        total=len(found),
        kept_since=scene.at - days[RetentionClass.AUDIT] * DAY_MS,
        roots_since=scene.at - days[RetentionClass.AUDIT_ROOT] * DAY_MS,
    )
    return found, sum(1 for _ in problems)


def _comparable(entry: Audit) -> Audit:
    """Without the site key subject and reason cannot be compared with what was committed to; the chain can."""
    return replace(entry, salt=None, subject=None, reason=ERASED) if entry.salt == LOCKED else entry
