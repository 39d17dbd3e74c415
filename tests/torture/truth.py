"""What a PBX told of its emergencies, and whether an agent's store says the same."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from agent.core.instants import from_rfc3339, rfc3339
from agent.core.personal import ERASED, LOCKED
from agent.core.records import Alarm, Emergency, Entry, Notice, document
from agent.core.timeline import verify
from agent.stores.sqlite import SqliteReader
from agent.stores.sqlite.rows import RECORD_OF_KIND
from agent.world import read_key
from tests.lab.agent import AgentProcess

#: What two signals of one instant may be apart: a channel's own event and what the dialplan says of it.
TOLERANCE_MS: Final = 250

#: What a PBX tells so shortly before it is killed reaches some of those who listen and others not.
LAST_MS: Final = 500

#: By when an agent on a busy machine has noticed that a connection was ended.
NOTICED_MS: Final = 1500


@dataclass(slots=True)
class Told:
    """What the dialplan told of one emergency, whoever heard it: its stages with their headers, as they were told."""

    call: str
    stages: list[Mapping[str, str]] = field(default_factory=list)

    def at(self, stage: str) -> int | None:
        """When this stage was first told (ms); None if it was not."""
        return min((_ms(told["At"]) for told in self.stages if told["Stage"] == stage), default=None)

    @property
    def line(self) -> str:
        """Who called."""
        return next((told["Line"] for told in self.stages if told["Uniqueid"] == self.call), "?")

    @property
    def over(self) -> bool:
        """Whether all of it was told."""
        legs = {told["Uniqueid"] for told in self.stages if told["Stage"] == "Answered"}
        ended = {told["Uniqueid"] for told in self.stages if told["Stage"] == "LegEnded"}
        return self.at("Ended") is not None and legs <= ended

    def ends_by(self, at: int) -> bool:
        """Whether it was dialled before, and nothing of it is told after this instant (ms)."""
        return all(_ms(told["At"]) <= at + TOLERANCE_MS for told in self.stages)

    def over_by(self, at: int) -> bool:
        """Whether all of it was told so long before this instant (ms) that everybody has heard it."""
        return self.over and all(_ms(told["At"]) <= at - LAST_MS for told in self.stages)

    def expected(self) -> dict[str, Any]:
        """What a record of it says, times in ms."""
        answered = self.at("Answered")
        legs = {told["Uniqueid"] for told in self.stages if told["Stage"] == "Answered"}
        ends = [_ms(t["At"]) for t in self.stages if t["Stage"] == "LegEnded" and t["Uniqueid"] in legs]
        last = max((t for t in self.stages if t.get("Attempt")), key=lambda told: int(told["Attempt"]), default=None)
        outcome = "answered" if answered is not None else "failed" if self.at("Failed") is not None else "abandoned"
        return {
            "line": self.line,
            "number": self.stages[0]["Number"],
            "started_at": self.at("Dialled"),
            "answered_at": answered,
            "ended_at": max(ends, default=None) if answered is not None else self.at("Ended"),
            "outcome": outcome,
            "trunk": None if last is None else last["Trunk"],
            "attempts": 0 if last is None else int(last["Attempt"]),
            "blind": False,
        }


def _ms(at: str) -> int:
    return round(float(at) * 1000)


@dataclass(slots=True)
class Ledger:
    """Every emergency that a PBX told of, by the id of its call."""

    calls: dict[str, Told] = field(default_factory=dict)

    def hear(self, stage: Mapping[str, str]) -> None:
        """One stage: the headers of its event, with Line where its channel tells one."""
        self.calls.setdefault(stage["Call"], Told(stage["Call"])).stages.append(stage)

    @property
    def over(self) -> bool:
        """Whether every call is."""
        return all(told.over for told in self.calls.values())


def complete(ledger: Ledger, agent: AgentProcess, deaths: Sequence[int]) -> bool:
    """Whether the store has every emergency as it has to be."""
    return not any(_differences(ledger, agent.stored("emergency"), deaths))


#: A session of the agent's that could hear nothing from one instant to another (ms).
Outage = tuple[str, int, int]


def judged(
    ledger: Ledger, agent: AgentProcess, outages: Iterable[Outage] = (), deaths: Sequence[int] = ()
) -> Iterator[str]:
    """What is wrong in the store of an agent that does not run any more; `deaths`: when the PBX died (ms)."""
    yield from _damage(agent)
    yield from _differences(ledger, agent.stored("emergency"), deaths)
    yield from _unproved(agent)
    yield from _concealed(agent.stored("blind"), outages)


def _concealed(spans: list[dict[str, Any]], outages: Iterable[Outage]) -> Iterator[str]:
    """Outages of which some part is in no span without a session."""
    for session, since, until in outages:
        at = min(until, since + NOTICED_MS)
        for span in sorted(spans, key=lambda span: str(span["from_at"])):
            if span["session"] == session and from_rfc3339(span["from_at"]) <= at + TOLERANCE_MS:
                at = until if span["until_at"] is None else max(at, from_rfc3339(span["until_at"]))
        if at < until - TOLERANCE_MS:
            yield f"{session} was deaf for {until - since} ms from {rfc3339(since)}, of which {spans} tell {at - since}"


def _differences(ledger: Ledger, records: list[dict[str, Any]], deaths: Sequence[int]) -> Iterator[str]:
    left = sorted(records, key=lambda record: str(record["started_at"]))
    for told in ledger.calls.values():
        wanted = told.expected()
        death = next((death for death in deaths if told.ends_by(death) and not told.over_by(death)), None)
        record = _nearest(left, wanted)
        if record is None:
            # A PBX that died at once need not have told anybody else.
            if death is None or wanted["started_at"] <= death - LAST_MS:
                yield f"lost: {wanted}"
            continue
        left.remove(record)
        wrong = dict(_wrong(record, wanted) if death is None else _cut_short(record, told, death))
        if wrong:
            yield f"wrong: {wrong} instead of {json.dumps(wanted)}, told: {[dict(stage) for stage in told.stages]}"
    for record in left:
        begun = from_rfc3339(record["started_at"])
        if not any(death - LAST_MS <= begun <= death for death in deaths):
            yield f"doubled, or never placed: {record}"


def _nearest(records: list[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The record of a call: of its line, and begun when it was; a line can call again at once."""
    near = [each for each in records if each["line"] == wanted["line"] and _near(each, "started_at", wanted)]
    return min(near, key=lambda each: abs(from_rfc3339(each["started_at"]) - int(wanted["started_at"])), default=None)


def _wrong(record: dict[str, Any], wanted: dict[str, Any]) -> Iterator[tuple[str, object]]:
    yield from ((name, record[name]) for name in wanted if not _same(record, name, wanted))
    yield from _durations(record)


def _cut_short(record: dict[str, Any], told: Told, death: int) -> Iterator[tuple[str, object]]:
    """What is wrong with the record of a call that was up when its PBX died."""
    answered = told.at("Answered")
    if answered is not None and answered <= death - LAST_MS and not _near(record, "answered_at", told.expected()):
        yield "answered_at", record["answered_at"]
    found = record["ended_at"] is not None and from_rfc3339(record["ended_at"]) >= death - LAST_MS
    if not found and (record["ended_at"] is None or not _near(record, "ended_at", told.expected())):
        yield "ended_at", record["ended_at"]
    if record["talk_ms"] is not None and from_rfc3339(record["ended_at"]) > death:
        yield "talk_ms", record["talk_ms"]


def _durations(record: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Those that do not follow from the record's own times."""
    for name, first, last in (("ring_ms", "started_at", "answered_at"), ("talk_ms", "answered_at", "ended_at")):
        begin, end = record[first], record[last]
        known = None if begin is None or end is None else max(0, from_rfc3339(end) - from_rfc3339(begin))
        if record[name] != (None if record["answered_at"] is None else known):
            yield name, record[name]


def _same(record: dict[str, Any], name: str, wanted: dict[str, Any]) -> bool:
    return _near(record, name, wanted) if name.endswith("_at") else record[name] == wanted[name]


def _near(record: dict[str, Any], name: str, wanted: dict[str, Any]) -> bool:
    if record[name] is None or wanted[name] is None:
        return record[name] is wanted[name]
    return abs(from_rfc3339(record[name]) - int(wanted[name])) <= TOLERANCE_MS


def _damage(agent: AgentProcess) -> Iterator[str]:
    """What of the store cannot be read, and what of it would not have been written so."""
    with closing(sqlite3.connect(f"file:{agent.store}?mode=ro", uri=True)) as database:
        found = [row[0] for row in database.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        yield f"integrity_check: {found[:5]}"
    with agent.reader() as reader:
        for kind in RECORD_OF_KIND:
            for record in reader.read(kind):
                shown = document(record)
                if locked := [name for name, value in shown.items() if value in (LOCKED, ERASED)]:
                    yield f"cannot be opened: {locked} of {shown}"


def _unproved(agent: AgentProcess) -> Iterator[str]:
    """Timelines that do not prove whole, and emergencies with another number of alarms than one."""
    key = read_key(agent.store)
    with agent.reader() as reader:
        emergencies = [record for record in reader.read("emergency") if isinstance(record, Emergency)]
        alarms = _alarms(reader)
        per_call = Counter(alarm.subject for alarm in alarms)
        for record in emergencies:
            mine = [alarm for alarm in alarms if alarm.subject == record.id]
            told = [notice for alarm in mine for notice in reader.of(Notice, alarm.id)]
            if found := verify(_entries(reader, record.id), key, emergency=record, alarms=mine, notices=told):
                yield f"the timeline of {record.id}: {found}"
            if per_call[record.id] != 1:
                yield f"{per_call[record.id]} alarms of {record.id}"


def _alarms(reader: SqliteReader) -> list[Alarm]:
    return [r for r in reader.read("alarm") if isinstance(r, Alarm) and r.cause == "emergency"]


def _entries(reader: SqliteReader, emergency: str) -> list[Entry]:
    return reader.of(Entry, emergency)
