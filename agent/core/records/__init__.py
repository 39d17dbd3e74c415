"""Everything that is kept: one frozen class a table, each field with its purpose and its readers."""

from dataclasses import fields
from typing import Any

from agent.core.instants import rfc3339
from agent.core.records.accounts import Account, Service
from agent.core.records.alarms import Alarm, Cause, Delivery, News, Notice, Severity
from agent.core.records.assurance import Blind, Path, Probe, Verdict
from agent.core.records.audit import Audit, AuditUse, SegmentRoot
from agent.core.records.calls import Call, CallOutcome, Direction, NumberClass
from agent.core.records.deletions import Deletion, Ground
from agent.core.records.described import FieldRule, rules
from agent.core.records.disclosures import Consent, Disclosure, Leaf, Step
from agent.core.records.emergencies import Detail, Emergency, Entry, Look, Outcome, SeenBy
from agent.core.records.holds import Hold, Kept
from agent.core.records.lines import Line
from agent.core.records.recordings import (
    CONTENT_CLASS,
    Access,
    Calls,
    Content,
    ContentClass,
    ContentState,
    How,
    OptIn,
    Pause,
    Reason,
    Recording,
    RecordingState,
    Trigger,
    Use,
)
from agent.core.records.registrations import Certainty, Failure, IpSource, Registration
from agent.core.records.requests import Asks, Request, RequestOutcome, Waits
from agent.core.records.terms import NOBODY, Handled, Locked, RetentionClass, Role
from agent.core.records.texts import Text, TextOutcome, TextSize
from agent.core.records.totals import Total
from agent.core.records.traffic import Aggregate, Aggregated, Devices, Traffic
from agent.core.records.voicemail import Purge

__all__ = [
    "CONTENT_CLASS",
    "INSTANTS",
    "NOBODY",
    "RECORDS",
    "Access",
    "Account",
    "Aggregate",
    "Aggregated",
    "Alarm",
    "Asks",
    "Audit",
    "AuditUse",
    "Blind",
    "Call",
    "CallOutcome",
    "Calls",
    "Cause",
    "Certainty",
    "Consent",
    "Content",
    "ContentClass",
    "ContentState",
    "Deletion",
    "Delivery",
    "Detail",
    "Devices",
    "Direction",
    "Disclosure",
    "Emergency",
    "Entry",
    "Failure",
    "FieldRule",
    "Ground",
    "Handled",
    "Hold",
    "How",
    "IpSource",
    "Kept",
    "Key",
    "Leaf",
    "Line",
    "Locked",
    "Look",
    "News",
    "Notice",
    "NumberClass",
    "OptIn",
    "Outcome",
    "Path",
    "Pause",
    "Probe",
    "Purge",
    "Reason",
    "Record",
    "Recording",
    "RecordingState",
    "Registration",
    "Request",
    "RequestOutcome",
    "RetentionClass",
    "Role",
    "SeenBy",
    "SegmentRoot",
    "Service",
    "Severity",
    "Step",
    "Text",
    "TextOutcome",
    "TextSize",
    "Total",
    "Traffic",
    "Trigger",
    "Use",
    "Verdict",
    "Waits",
    "document",
    "key_of",
    "retentions",
    "rules",
]

Record = (
    Registration
    | Emergency
    | Recording
    | Failure
    | Blind
    | Detail
    | Entry
    | Alarm
    | Notice
    | Look
    | Path
    | Probe
    | OptIn
    | Content
    | Access
    | Purge
    | Call
    | Text
    | Account
    | Service
    | Audit
    | SegmentRoot
    | Deletion
    | Total
    | Hold
    | Request
    | Consent
    | Disclosure
    | Leaf
    | Traffic
    | Devices
    | Aggregate
    | Line
)
RECORDS: tuple[type[Record], ...] = (
    Registration,
    Emergency,
    Recording,
    Failure,
    Blind,
    Detail,
    Entry,
    Alarm,
    Notice,
    Look,
    Path,
    Probe,
    OptIn,
    Content,
    Access,
    Purge,
    Call,
    Text,
    Account,
    Service,
    Audit,
    SegmentRoot,
    Deletion,
    Total,
    Hold,
    Request,
    Consent,
    Disclosure,
    Leaf,
    Traffic,
    Devices,
    Aggregate,
    Line,
)

_TIMES = frozenset(("at", "first_seen", "last_seen", "hour"))
#: Fields that count milliseconds since 1970; shown and stored as RFC 3339 text, which sorts in the order of time.
INSTANTS = frozenset(
    item.name for record in RECORDS for item in fields(record) if item.name in _TIMES or item.name.endswith("_at")
)
_HIDDEN = {record: frozenset(rule.name for rule in rules(record) if rule.readers == NOBODY) for record in RECORDS}

Key = tuple[str, str]


def retentions(record: type[Record]) -> tuple[RetentionClass, ...]:
    """The classes of a kind of record: of calls and texts of those that may stand on a bill, and of the rest."""
    return (RetentionClass.CALL, RetentionClass.UNBILLED) if record in (Call, Text) else (record.RETENTION,)


def key_of(record: Record) -> Key:
    """What tells a record from all others: an id alone is its own within a kind only."""
    return record.KIND, record.id


def document(record: Record) -> dict[str, Any]:
    """The record as others see it: ``kind`` first, times in RFC 3339 UTC, without what nobody may read."""
    shown: dict[str, Any] = {"kind": record.KIND}
    for item in fields(record):
        if item.name in _HIDDEN[type(record)]:
            continue
        value = getattr(record, item.name)
        if item.name in INSTANTS and value is not None:
            value = rfc3339(value)
        elif item.name == "pauses":
            value = [
                {
                    "paused_at": rfc3339(pause.paused_at),
                    "resumed_at": None if pause.resumed_at is None else rfc3339(pause.resumed_at),
                }
                for pause in value
            ]
        shown[item.name] = value
    return shown
