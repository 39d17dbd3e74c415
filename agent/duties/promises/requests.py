"""P19: what customers ask about their data is answered in time, and what was erased is not there any more."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields

from agent.core.erasing import GOES, begun_at, contract_stay, stay
from agent.core.holds import Holds
from agent.core.instants import from_rfc3339
from agent.core.records import INSTANTS, Account, Record, Request, Service
from agent.duties.erasing import Entry, Ledger
from agent.duties.promises.holding import standing
from agent.duties.promises.result import DAY_MS, HOUR_MS, Result, Scene, Survey, judged, some

#: An erasure that was written down so lately may be under way.
_UNDER_WAY_MS = HOUR_MS
#: What could not go yet when it was erased goes with a later pass over the store, of which there is one a day.
_PASS_MS = 2 * DAY_MS


def p19(scene: Scene) -> Result:
    """The clocks of requests, and what the ledger of erasures names."""
    written_at = _written_at(scene)
    ledger = None if written_at is None else scene.ledger()
    entries = [] if ledger is None else ledger.read()
    under_way = written_at is not None and written_at > scene.at - _UNDER_WAY_MS
    with scene.survey() as survey:
        requests = list(survey.raw(Request.KIND, "due_at", "closed_at"))
        back = 0 if ledger is None or under_way else sum(1 for _ in _back(scene, survey, ledger, entries))
    late = sum(closed is None and due is not None and from_rfc3339(str(due)) < scene.at for due, closed in requests)
    faults = [
        some(late, "requests are past the time in which they must be answered"),
        some(back, "records are there that were erased"),
    ]
    last = ", the last may be under way" if under_way else ""
    return judged("P19", faults, f"{len(requests)} requests, {len(entries)} entries of the ledger of erasures{last}")


def _written_at(scene: Scene) -> int | None:
    """When the ledger was last written (ms); None where there is none."""
    try:
        return int(scene.places.erasures.stat().st_mtime * 1000)
    except FileNotFoundError:
        return None


def _back(scene: Scene, survey: Survey, ledger: Ledger, entries: Sequence[Entry]) -> Iterator[Record]:
    """The records of lines and accounts that the ledger names, and that need not stay."""
    holds = standing(survey)
    erased: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        erased[entry.of].append(entry)
    days = scene.terms.days.__getitem__
    for kind in GOES:
        for line in survey.lines(kind.KIND):
            for entry in erased.get(ledger.line(line), ()):
                for record in survey.read(kind.KIND, since=entry.begin, line=line):
                    if (
                        begun_at(record) < entry.end
                        and _settled(record, scene.at)
                        and stay(record, holds, days) is None
                    ):
                        yield record
    for record in survey.read(Account.KIND):
        if isinstance(record, Account) and record.closed_at is not None and _settled(record, scene.at):
            ends = [entry.end for entry in erased.get(ledger.account(record.account), ())]
            if any(record.opened_at <= end for end in ends) and not _held(survey, record, holds):
                yield record


def _held(survey: Survey, account: Account, holds: Holds) -> bool:
    services = (each for each in survey.read(Service.KIND) if isinstance(each, Service))
    lines = {each.line for each in services if each.account == account.account and each.line is not None}
    return contract_stay(account, lines, holds) is not None


def _settled(record: Record, at: int) -> bool:
    """Whether a record has been as it is for so long that a daily pass of the eraser has seen it."""
    instants = (getattr(record, item.name) for item in fields(record) if item.name in INSTANTS)
    return all(instant is None or instant < at - _PASS_MS for instant in instants)
