"""Voicemail that goes: app_voicemail's messages are deleted by age and by what was done with them, greetings never."""

from agent.duties.voicemail.asterisk import Asterisk, Pbx
from agent.duties.voicemail.copying import sounds
from agent.duties.voicemail.emptying import empty
from agent.duties.voicemail.message import Terms
from agent.duties.voicemail.purge import Box, Order, Report, SpoolBusy, SpoolError, purge
from agent.duties.voicemail.report import Counts
from agent.duties.voicemail.rounds import Agent, Plan, connected, run

__all__ = [
    "Agent",
    "Asterisk",
    "Box",
    "Counts",
    "Order",
    "Pbx",
    "Plan",
    "Report",
    "SpoolBusy",
    "SpoolError",
    "Terms",
    "connected",
    "empty",
    "purge",
    "run",
    "sounds",
]
