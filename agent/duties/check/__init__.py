"""Tells what is wrong on the PBX and this machine: `gather` sees, `findings` judges, `print_findings` shows."""

from agent.duties.check import (
    calls,
    emergency,
    host,
    identities,
    listening,
    numbers,
    recording,
    registrations,
    rights,
    versions,
    voicemail,
)
from agent.duties.check.asker import Pbx
from agent.duties.check.calls import look_at_calls
from agent.duties.check.evidence import Evidence
from agent.duties.check.finding import Finding, Severity, by_severity
from agent.duties.check.folders import Places, look_at_recordings
from agent.duties.check.gather import Login, Sight, gather
from agent.duties.check.host import look
from agent.duties.check.listening import loopback
from agent.duties.check.shown import json_lines, print_findings

__all__ = [
    "Evidence",
    "Finding",
    "Login",
    "Pbx",
    "Places",
    "Severity",
    "Sight",
    "findings",
    "gather",
    "json_lines",
    "look",
    "look_at_calls",
    "look_at_recordings",
    "loopback",
    "print_findings",
]


def findings(evidence: Evidence) -> list[Finding]:
    """Everything that the evidence tells, worst first."""
    subjects = (
        *(rights, listening, numbers, emergency, identities, recording, registrations, calls, versions, voicemail),
        host,
    )
    return by_severity(finding for subject in subjects for finding in subject.judge(evidence))
