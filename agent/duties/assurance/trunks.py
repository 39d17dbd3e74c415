"""Whether the emergency trunks answer, as Asterisk's own OPTIONS (qualify) find out."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from agent.core.records import Cause, Severity
from agent.duties.assurance.condition import Condition
from agent.duties.check.evidence import Reachability, Trunk


class TrunkState(StrEnum):
    """How one trunk stands."""

    UP = "up"
    DOWN = "down"
    UNQUALIFIED = "unqualified"
    UNKNOWN = "unknown"


def state_of(trunk: Trunk) -> TrunkState:
    """Up when any of its contacts answers, down when none does; without a contact it leads nowhere."""
    if Reachability.REACHABLE in trunk.contacts:
        return TrunkState.UP
    if Reachability.NOT_QUALIFIED in trunk.contacts:
        return TrunkState.UNQUALIFIED
    if trunk.exists is None or Reachability.UNKNOWN in trunk.contacts or Reachability.NONE in trunk.contacts:
        return TrunkState.UNKNOWN
    return TrunkState.DOWN


def conditions(trunks: Sequence[Trunk], gone: Iterable[str] = ()) -> Iterator[Condition]:
    """One for each trunk; ``gone`` are those that are no emergency trunks any more."""
    states = {trunk.name: state_of(trunk) for trunk in trunks}
    works = [name for name, state in states.items() if state is not TrunkState.DOWN]
    for name, state in states.items():
        what, severity = None, Severity.WARNING
        if state is TrunkState.DOWN and works:
            what = f"emergency trunk {name} does not answer; {works[0]} would carry the calls"
        elif state is TrunkState.DOWN:
            what, severity = f"emergency trunk {name} does not answer, and no other does", Severity.CRITICAL
        yield Condition(cause=Cause.TRUNK, subject=name, what=what, severity=severity)
    for name in gone:
        yield Condition(cause=Cause.TRUNK, subject=name, what=None)
