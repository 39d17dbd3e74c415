"""Which lines and numbers are whose, and when: what an import says, what it changes, and how it is corrected."""

from agent.core.accounts.changes import Change, Conflict, Mistake, What, compare, correct, settled
from agent.core.accounts.rows import COLUMNS, ZONE, Entry, Unfit, instant, line_name, own_number, read, reference
from agent.core.accounts.spans import Span, holds, joined, spans, stays_until

__all__ = [
    "COLUMNS",
    "ZONE",
    "Change",
    "Conflict",
    "Entry",
    "Mistake",
    "Span",
    "Unfit",
    "What",
    "compare",
    "correct",
    "holds",
    "instant",
    "joined",
    "line_name",
    "own_number",
    "read",
    "reference",
    "settled",
    "spans",
    "stays_until",
]
