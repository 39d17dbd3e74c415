"""P05: the way of an emergency is alive from end to end, and whoever was to be told of one was told."""

from collections import Counter
from collections.abc import Iterator

from agent.core.instants import from_rfc3339
from agent.core.records import Alarm, Blind, Cause, Delivery, Emergency, Notice, Path, Probe, Verdict
from agent.duties.promises.result import Result, Scene, Survey, judged, not_built, some

#: How long telling the desk may take until it counts as not told, and how much later than it may be a probe is here.
_TOLD_MS = 60_000
_SLACK_S = 15


def p05(scene: Scene) -> Result:
    """The last dead-man probe, what Asterisk would do with 999, the sessions, and alarms that nobody was told of."""
    with scene.survey() as survey:
        probed = _probed_s(survey, scene.at)
        verdicts = _verdicts(survey)
        emergencies = survey.count(Emergency.KIND)
        faults = [
            *([] if scene.pid is not None else ["no agent is running"]),
            *_probe_faults(scene, probed),
            *_path_faults(verdicts),
            some(_deaf(survey), "times are open in which an AMI session does not listen"),
            some(_untold(survey, scene.at), "emergencies nobody was told of, and nobody took on"),
        ]
    seen = "no probe yet" if probed is None else f"last probe {probed:.0f} s ago"
    contexts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) or "none"
    looked = f"{seen}; paths of emergency numbers: {contexts}; {emergencies} emergencies on record"
    if not any(faults) and not scene.probe_late_after_s:
        return not_built("P05", f"no dead-man probe is sent, so nothing proves the way ({looked})")
    return judged("P05", faults, looked)


def _probed_s(survey: Survey, at: int) -> float | None:
    probes = [from_rfc3339(str(probed)) for (probed,) in survey.raw(Probe.KIND, "at")]
    return (at - max(probes)) / 1000 if probes else None


def _probe_faults(scene: Scene, probed: float | None) -> Iterator[str]:
    late_s = scene.probe_late_after_s + _SLACK_S
    if scene.probe_late_after_s and (probed is None or probed > late_s):
        yield f"no probe has come through Asterisk into the store within {late_s:.0f} s"


def _verdicts(survey: Survey) -> Counter[str]:
    return Counter(str(verdict) for verdict, gone in survey.raw(Path.KIND, "verdict", "gone_at") if gone is None)


def _path_faults(verdicts: Counter[str]) -> Iterator[str]:
    if not verdicts:
        yield "Asterisk has not shown what it would do with any emergency number"
    yield some(verdicts[Verdict.BROKEN], "ways of an emergency number are broken")


def _deaf(survey: Survey) -> int:
    return sum(until is None for (until,) in survey.raw(Blind.KIND, "until_at"))


def _untold(survey: Survey, at: int) -> int:
    """Emergencies whose alarm no channel has taken a minute later, and nobody has acknowledged."""
    taken = (Delivery.SENT, Delivery.DELIVERED)
    told = {alarm for alarm, state in survey.raw(Notice.KIND, "alarm", "state") if state in taken}
    alarms = survey.raw(Alarm.KIND, "id", "cause", "raised_at", "acknowledged_at")
    return sum(
        cause == Cause.EMERGENCY
        and acknowledged is None
        and id not in told
        and from_rfc3339(str(raised)) < at - _TOLD_MS
        for id, cause, raised, acknowledged in alarms
    )
