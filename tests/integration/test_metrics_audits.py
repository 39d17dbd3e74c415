"""The audit in `/metrics`: each use once, and nothing of who did it or to whom."""

from itertools import count

from agent.core.audit import Trail
from agent.core.records import AuditUse
from tests.integration.exposition import after


def test_each_use_counts_once_however_often_it_is_written() -> None:
    ids = count()
    trail = Trail(key=bytes(32), new_id=lambda: str(next(ids)), new_salt=lambda: "0f")
    uses = (AuditUse.LOOKED_UP, AuditUse.LOOKED_UP, AuditUse.DISCLOSED)
    entries = [entry for use in uses for entry in trail.note(at=0, by="Sam", use=use, subject="A1001", reason="asked")]
    found = after(*entries, *entries)
    counted = {labels: value for (name, labels), value in found.items() if name == "telephony_audit_entries_total"}
    assert counted == {
        **{(use.value,): 0 for use in AuditUse},
        ("looked_up",): 2,
        ("disclosed",): 1,
    }
