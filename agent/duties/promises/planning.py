"""P07: networks are planned on figures from which nobody can be read."""

from agent.core.aggregates import SETTLED_MS, K
from agent.core.instants import from_rfc3339
from agent.core.records import Aggregate, Aggregated, Call, Devices, Traffic
from agent.duties.promises.result import DAY_MS, Result, Scene, Survey, judged, not_built, some

#: How long after it is due a day may still wait to be counted.
_MARGIN_MS = DAY_MS


def p07(scene: Scene) -> Result:
    """Of how many lines each figure is, and calls of which none were made in time."""
    with scene.survey() as survey:
        sizes = [lines for kind in (Traffic.KIND, Devices.KIND) for (lines,) in survey.raw(kind, "lines")]
        periods, missing = survey.count(Aggregate.KIND), _uncounted(survey, scene.at)
    small = sum(not isinstance(lines, int) or lines < K for lines in sizes)
    faults = [
        some(small, f"figures are of fewer than {K} lines"),
        some(missing, "calls are in no figure, and should be"),
    ]
    looked = f"{len(sizes)} figures of {periods} days and months looked at"
    if not periods and not any(faults):
        return not_built("P07", "nothing was counted yet: a day is once it has been over for two")
    return judged("P07", faults, looked)


def _uncounted(survey: Survey, at: int) -> int:
    """How many calls there are of days behind the last one that was counted, and that is to be counted by now."""
    periods = survey.raw(Aggregate.KIND, "of", "period_at")
    days = [from_rfc3339(str(day)) for of, day in periods if of == Aggregated.TRAFFIC]
    counted_until, due = max(days, default=-DAY_MS) + DAY_MS, at - DAY_MS - SETTLED_MS - _MARGIN_MS
    until_due, counted = (survey.older(Call.KIND, "started_at", before)[0] for before in (due, counted_until))
    return max(0, until_due - counted)
