"""Erases what is kept of a customer, and again whatever an older copy of the store brings back.

The ledger is written first, and says of which lines what time was erased. From there on every pass over the store takes
away what it names, at the start and once a day: so an erasure that was cut off goes on, what came late goes too, and a
record that had to stay goes once it need not any more.
"""

from agent.duties.erasing.eraser import Eraser
from agent.duties.erasing.finding import Entry, Ledger

__all__ = ["Entry", "Eraser", "Ledger"]
