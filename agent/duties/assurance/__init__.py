"""Watches the way of a 999: `watch` asks Asterisk, `probe` shows that the agent hears, `rehearsal` places a call."""

from agent.duties.assurance.addresses import Address, Demands, File
from agent.duties.assurance.condition import Condition
from agent.duties.assurance.probe import Handle
from agent.duties.assurance.reach import Reach, reach
from agent.duties.assurance.rehearsal import NoRehearsal, NoSuch, Proof, Rehearsals, Report
from agent.duties.assurance.trunks import TrunkState
from agent.duties.assurance.watch import Phone, State, Subjects, Watch

__all__ = [
    "Address",
    "Condition",
    "Demands",
    "File",
    "Handle",
    "NoRehearsal",
    "NoSuch",
    "Phone",
    "Proof",
    "Reach",
    "Rehearsals",
    "Report",
    "State",
    "Subjects",
    "TrunkState",
    "Watch",
    "reach",
]
