"""Emergency calls in `/metrics`: each counted once over rewritings and restarts, and corrected in the open."""

from dataclasses import replace

import pytest

from agent.core.lanes import Lane
from agent.core.records import Certainty, Emergency, Entry, Outcome, Record, SeenBy
from agent.views.metrics import Metrics
from tests.integration.exposition import EMERGENCY, PATH, SNAPSHOT, Samples, after, samples, without_trunks

DIALLED = replace(
    EMERGENCY, answered_at=None, ended_at=None, outcome=Outcome.IN_PROGRESS, trunk=None, attempts=0, ring_ms=None
)
FAILED = replace(EMERGENCY, answered_at=None, outcome=Outcome.FAILED, ring_ms=None, talk_ms=None)


def line(seq: int, what: str, trunk: str = "", at: int = 0, emergency: str = "1") -> Entry:
    return Entry(id=f"{emergency}-{seq}", emergency=emergency, seq=seq, at=at, what=what, detail=trunk, chain="")


def ended(outcome: Outcome, after_ms: int, **changes: object) -> Emergency:
    record = replace(FAILED, outcome=outcome, ended_at=after_ms)
    return replace(record, **changes)  # type: ignore[arg-type]


def corrected(found: Samples, was: str, outcome: str) -> float:
    return found["telephony_emergencies_corrected_total", (outcome, was)]


def over(found: Samples, outcome: str, seen_by: str = "dialplan", test: str = "false") -> float:
    return found["telephony_emergencies_total", (outcome, seen_by, test)]


def test_an_alert_sees_the_zero_before_the_first() -> None:
    found = after()
    for seen_by in SeenBy:
        assert over(found, "failed", seen_by) == over(found, "answered", seen_by, "true") == 0
    assert found["telephony_emergencies_dialled_total", ("false",)] == 0
    assert corrected(found, "failed", "answered") == 0
    assert found["telephony_emergencies_by_certainty_total", ("moved",)] == 0
    assert found["telephony_emergency_failovers_total", ()] == 0
    assert found["telephony_emergencies_unconnected_total", ()] == 0
    assert found["telephony_emergency_trunk_attempts_total", ("refused", "trunk-a")] == 0


def test_a_call_counts_as_it_goes_and_once_however_often_it_is_written() -> None:
    first = replace(DIALLED, attempts=1)
    found = after(DIALLED, first, first, replace(first, attempts=2))
    assert found["telephony_emergencies_dialled_total", ("false",)] == 1
    assert found["telephony_emergency_attempts_total", ()] == 2
    assert found["telephony_emergency_failovers_total", ()] == 1
    assert over(found, "answered") == 0

    found = after(DIALLED, first, EMERGENCY, EMERGENCY, replace(EMERGENCY, links=("x",)), replace(EMERGENCY, id="2"))
    assert over(found, "answered") == 2
    assert found["telephony_emergencies_dialled_total", ("false",)] == 2
    assert found["telephony_emergency_attempts_total", ()] == 4
    assert found["telephony_emergency_failovers_total", ()] == 2
    assert found["telephony_emergency_ring_seconds_sum", ()] == 3.0
    assert found["telephony_emergency_ring_seconds_bucket", ("2.0",)] == 2
    assert found["telephony_emergency_ring_seconds_bucket", ("1.0",)] == 0


def test_a_slow_answer_is_seen_while_the_call_is_up() -> None:
    talking = replace(DIALLED, answered_at=6_000, ring_ms=6_000, attempts=1)
    found = after(talking)
    assert found["telephony_emergency_ring_seconds_bucket", ("5.0",)] == 0
    assert found["telephony_emergency_ring_seconds_count", ()] == 1


def test_what_an_earlier_run_counted_is_not_counted_again() -> None:
    found = after(replace(EMERGENCY, links=()), restored=(replace(EMERGENCY, links=("caller:x",)),))
    assert over(found, "answered") == 0
    assert found["telephony_emergencies_dialled_total", ("false",)] == 0
    assert found["telephony_emergency_attempts_total", ()] == 0
    assert found["telephony_emergency_ring_seconds_count", ()] == 0

    found = after(EMERGENCY, restored=(replace(DIALLED, attempts=1),))
    assert over(found, "answered") == 1
    assert found["telephony_emergency_attempts_total", ()] == 1
    assert found["telephony_emergency_failovers_total", ()] == 1


@pytest.mark.parametrize("restart", [False, True])
def test_a_failure_that_the_journal_finds_answered_is_corrected(restart: bool) -> None:
    found = after(EMERGENCY, restored=(FAILED,)) if restart else after(FAILED, EMERGENCY, EMERGENCY)
    before = 0 if restart else 1
    assert over(found, "failed") == before
    assert over(found, "answered") == 0
    assert corrected(found, "failed", "answered") == 1
    assert found["telephony_emergencies_unconnected_total", ()] == before
    assert found["telephony_emergencies_unconnected_corrected_total", ()] == 1
    assert found["telephony_emergency_ring_seconds_count", ()] == 1, "when it was answered is told at last"


def test_total_and_corrections_together_are_the_truth() -> None:
    reopened = replace(FAILED, ended_at=None, outcome=Outcome.IN_PROGRESS)
    abandoned = ended(Outcome.ABANDONED, 20_000)
    found = after(abandoned, FAILED, reopened, EMERGENCY, abandoned, EMERGENCY, replace(FAILED, id="2"))

    def truth(outcome: str) -> float:
        corrected = {key[1]: value for key, value in found.items() if key[0] == "telephony_emergencies_corrected_total"}
        to = sum(value for (became, _), value in corrected.items() if became == outcome)
        was = sum(value for (_, before), value in corrected.items() if before == outcome)
        return over(found, outcome) + to - was

    assert (truth("answered"), truth("abandoned"), truth("failed")) == (1, 0, 1)
    unconnected = found["telephony_emergencies_unconnected_total", ()]
    assert unconnected - found["telephony_emergencies_unconnected_corrected_total", ()] == 1


def test_who_gave_up_after_long_did_not_get_through_and_who_thought_better_did_not_try() -> None:
    slip, waited = ended(Outcome.ABANDONED, 3_000), ended(Outcome.ABANDONED, 10_000, id="2")
    unknown = ended(Outcome.ABANDONED, 600_000, id="3", blind=True)
    found = after(slip, waited, unknown)
    assert over(found, "abandoned") == 3
    assert found["telephony_emergencies_unconnected_total", ()] == 1
    assert found["telephony_emergency_abandoned_seconds_count", ()] == 2, "no time that nobody witnessed"
    assert found["telephony_emergency_abandoned_seconds_bucket", ("5.0",)] == 1


def test_circumstances_count_once_each() -> None:
    call = replace(EMERGENCY, preempted=True, callbacks=1, certainty=Certainty.MOVED)
    found = after(call, call, replace(call, callbacks=3), replace(EMERGENCY, id="2"))
    assert found["telephony_emergency_preemptions_total", ()] == 1
    assert found["telephony_emergency_callbacks_reached_total", ()] == 3
    assert found["telephony_emergencies_by_certainty_total", ("moved",)] == 1
    assert found["telephony_emergencies_by_certainty_total", ("none",)] == 1


def test_a_rehearsal_is_counted_apart_and_nowhere_else() -> None:
    rehearsed = replace(EMERGENCY, test=True, preempted=True, callbacks=1)
    lines = [line(1, "trying", "trunk-a", 30), line(2, "refused", "trunk-a", 40), line(3, "answered", "trunk-b", 1_500)]
    other = replace(rehearsed, id="2", outcome=Outcome.FAILED)
    before, found = after(), after(rehearsed, *lines, other)
    changed = {key: value for key, value in found.items() if before.get(key) != value}
    assert {key for key in changed if not key[0].startswith(("telephony_records", "telephony_commit"))} == {
        ("telephony_emergencies_dialled_total", ("true",)),
        ("telephony_emergencies_total", ("answered", "dialplan", "true")),
        ("telephony_emergencies_total", ("failed", "dialplan", "true")),
    }


def test_a_call_that_turns_out_to_be_a_rehearsal_is_taken_back() -> None:
    found = after(FAILED, replace(FAILED, test=True))
    assert corrected(found, "failed", "rehearsal") == 1
    assert found["telephony_emergencies_unconnected_corrected_total", ()] == 1
    assert over(found, "failed", test="true") == 1


def trunks(found: Samples) -> dict[tuple[str, ...], float]:
    name = "telephony_emergency_trunk_attempts_total"
    return {labels: value for (metric, labels), value in found.items() if metric == name and value}


def test_each_attempt_counts_on_its_trunk_and_no_other_name_is_shown() -> None:
    lines = [line(1, "trying", "trunk-a"), line(2, "refused", "trunk-a"), line(3, "trying", "trunk-b")]
    elsewhere = [line(1, "trying", "201", emergency="2"), line(2, "answered", "201", emergency="2")]
    calls = [EMERGENCY, replace(EMERGENCY, id="2")]
    found = after(*calls, *lines, line(4, "answered", "trunk-b"), line(5, "ended", "answered"), *elsewhere)
    assert trunks(found) == {
        ("tried", "trunk-a"): 1,
        ("refused", "trunk-a"): 1,
        ("tried", "trunk-b"): 1,
        ("answered", "trunk-b"): 1,
        ("tried", "other"): 1,
        ("answered", "other"): 1,
    }


def test_attempts_wait_for_the_trunks_names_and_a_flood_of_names_does_not_grow() -> None:
    known = False
    told = replace(SNAPSHOT, path=replace(PATH, trunks={"trunk-a": "up", "x499": "up"}))
    metrics = Metrics(lambda: told if known else without_trunks())
    forged: list[Record] = [line(seq, "trying", f"x{seq}") for seq in range(1, 500)]
    metrics(Lane.EMERGENCY, [line(0, "trying", "trunk-a"), EMERGENCY, *forged], 0.001)
    assert trunks(samples(metrics)) == {}
    known = True
    assert trunks(samples(metrics)) == {("tried", "trunk-a"): 1, ("tried", "other"): 499}
    metrics(Lane.EMERGENCY, [replace(EMERGENCY, id="2"), line(1, "trying", "trunk-a", emergency="2")], 0.001)
    assert trunks(samples(metrics)) == {("tried", "trunk-a"): 2, ("tried", "other"): 499}


def test_the_first_trunk_is_timed_from_the_dialling_where_that_was_told() -> None:
    tries = [line(1, "trying", "trunk-a", 40), line(2, "trying", "trunk-b", 4_000)]
    found = after(DIALLED, *tries)
    assert found["telephony_emergency_first_trunk_seconds_sum", ()] == 0.04
    assert found["telephony_emergency_first_trunk_seconds_count", ()] == 1
    found = after(replace(DIALLED, blind=True), *tries)
    assert found["telephony_emergency_first_trunk_seconds_count", ()] == 0
