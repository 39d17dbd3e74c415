"""Records made for tests, with every field that does not matter filled in."""

from agent.core.records import Emergency, Outcome, SeenBy

AT = 1_795_380_280_123


def emergency(
    *, id: str = "00000000000000e1", outcome: Outcome = Outcome.IN_PROGRESS, seen_by: SeenBy = SeenBy.DIALPLAN
) -> Emergency:
    """An emergency of line 201; over, unless it is in progress."""
    over = outcome is not Outcome.IN_PROGRESS
    return Emergency(
        id=id,
        line="201",
        number="999",
        ip="192.0.2.1",
        vendor="Yealink",
        model="T46U",
        started_at=AT,
        answered_at=AT + 1000 if outcome is Outcome.ANSWERED else None,
        ended_at=AT + 5000 if over else None,
        outcome=outcome,
        seen_by=seen_by,
    )
