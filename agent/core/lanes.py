"""Which record goes first: three lanes in strict priority, each keeping only a record's latest state."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from agent.core.records import (
    Access,
    Account,
    Aggregate,
    Alarm,
    Audit,
    Blind,
    Call,
    Cause,
    Consent,
    Content,
    Deletion,
    Detail,
    Devices,
    Disclosure,
    Emergency,
    Entry,
    Failure,
    Hold,
    Key,
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
    SegmentRoot,
    Service,
    Text,
    Total,
    Traffic,
    key_of,
)


class Lane(IntEnum):
    """Lanes, first served first."""

    EMERGENCY = 0
    RECORDING = 1
    ORDINARY = 2


LANE_OF: dict[type[Record], Lane] = {
    Emergency: Lane.EMERGENCY,
    Detail: Lane.EMERGENCY,
    Entry: Lane.EMERGENCY,
    Alarm: Lane.EMERGENCY,
    Notice: Lane.EMERGENCY,
    Probe: Lane.EMERGENCY,
    Recording: Lane.RECORDING,
    Blind: Lane.RECORDING,
    Look: Lane.RECORDING,
    Path: Lane.RECORDING,
    OptIn: Lane.RECORDING,
    Content: Lane.RECORDING,
    Access: Lane.RECORDING,
    Audit: Lane.RECORDING,
    SegmentRoot: Lane.RECORDING,
    Consent: Lane.RECORDING,
    Disclosure: Lane.RECORDING,
    Leaf: Lane.RECORDING,
    Line: Lane.RECORDING,
    Purge: Lane.RECORDING,
    Account: Lane.RECORDING,
    Service: Lane.RECORDING,
    Deletion: Lane.RECORDING,
    Hold: Lane.RECORDING,
    Total: Lane.RECORDING,
    Traffic: Lane.RECORDING,
    Devices: Lane.RECORDING,
    Aggregate: Lane.RECORDING,
    Request: Lane.RECORDING,
    Registration: Lane.ORDINARY,
    Failure: Lane.ORDINARY,
    Call: Lane.ORDINARY,
    Text: Lane.ORDINARY,
}

_OF_A_CAUSE = (Alarm, Notice)
_NEVER_SHED = (Call, Text)

#: Rows in one ordinary transaction at the most: an emergency waits for one of them (README, Decisions).
BATCH = 64


_NOW = frozenset((Cause.EMERGENCY, Cause.STORE))


def lane_of(record: Record) -> Lane:
    """The lane of one record: an alarm that is about no emergency does not go in an emergency's way.

    Unless it is of the store, which emergencies wait for: that is told of even where it cannot be stored.
    """
    lane = LANE_OF[type(record)]
    if lane is Lane.EMERGENCY and isinstance(record, _OF_A_CAUSE) and record.cause not in _NOW:
        return Lane.RECORDING
    return lane


@dataclass(slots=True)
class Lanes:
    """Records waiting for the store.

    A record that waits is replaced by its own later state, so the emergency and recording lanes are bounded
    by the calls that are up. The ordinary lane takes ``ordinary_limit`` records; past that a *new* one is shed
    and counted in ``shed``, oldest kept: a registration's next refresh brings it back. A call or text is never shed: it
    is read only when there is room (`agent.assembly.calls`).
    """

    ordinary_limit: int = 200_000
    shed: Counter[str] = field(default_factory=Counter)
    #: States that a later one of the same record took the place of: put = taken + coalesced + shed + what waits.
    coalesced: Counter[str] = field(default_factory=Counter)
    _waiting: tuple[dict[Key, Record], dict[Key, Record], dict[Key, Record]] = field(
        default_factory=lambda: ({}, {}, {})
    )

    def put(self, record: Record) -> Lane:
        """Queue ``record``, in place of an earlier state of the same record; its lane."""
        lane, key = lane_of(record), key_of(record)
        waiting = self._waiting[lane]
        if key in waiting:
            self.coalesced[record.KIND] += 1
        elif lane is Lane.ORDINARY and len(waiting) >= self.ordinary_limit and not isinstance(record, _NEVER_SHED):
            self.shed[record.KIND] += 1
            return lane
        waiting[key] = record
        return lane

    def take(self, batch: int = BATCH) -> tuple[Lane, list[Record]] | None:
        """The next transaction: every waiting record of the first busy lane, at most ``batch`` ordinary ones."""
        for lane in Lane:
            waiting = self._waiting[lane]
            if not waiting:
                continue
            if lane is not Lane.ORDINARY or len(waiting) <= batch:
                records = list(waiting.values())
                waiting.clear()
            else:
                records = [waiting.pop(key) for key in list(_first(waiting, batch))]
            return lane, records
        return None

    def waiting(self, lane: Lane) -> Iterable[Record]:
        """What waits in ``lane``, first come first."""
        return self._waiting[lane].values()

    def put_back(self, records: list[Record]) -> None:
        """Return records that could not be written, unless a later state waits already; never sheds."""
        for record in records:
            waiting, key = self._waiting[lane_of(record)], key_of(record)
            if key in waiting:
                self.coalesced[record.KIND] += 1
            else:
                waiting[key] = record

    def give_up(self) -> int:
        """Shed what waits in the ordinary lane; how many records that is.

        Calls and texts among them are in the file that they are read from until they are stored.
        """
        waiting = self._waiting[Lane.ORDINARY]
        self.shed.update(record.KIND for record in waiting.values() if not isinstance(record, _NEVER_SHED))
        count = len(waiting)
        waiting.clear()
        return count

    def depth(self, lane: Lane) -> int:
        """Records waiting in ``lane``."""
        return len(self._waiting[lane])


def _first(waiting: dict[Key, Record], count: int) -> list[Key]:
    keys = iter(waiting)
    return [next(keys) for _ in range(count)]
