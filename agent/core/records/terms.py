"""Why, for how long and for whom something is kept."""

from dataclasses import dataclass
from enum import StrEnum


class RetentionClass(StrEnum):
    """A kind of record with its own term; the days are configuration."""

    REGISTRATION = "registration"
    EMERGENCY = "emergency"
    RECORDING = "recording"
    OPERATIONS = "operations"
    DETAIL = "detail"
    AUDIT = "audit"
    AUDIT_ROOT = "audit_root"
    CONSENT = "consent"
    ACCOUNT = "account"
    REGISTER = "register"
    CALL = "call"
    UNBILLED = "unbilled"
    VAT = "vat"
    PLANNING = "planning"
    REQUEST = "request"


class Role(StrEnum):
    """Who may read something (recipients, UK GDPR article 30(1)(d)); the customer reads what is of their own lines."""

    DESK = "emergency desk"
    SERVICES = "emergency services"
    SUPPORT = "customer services"
    BILLING = "billing"
    ENGINEER = "engineers"
    OFFICER = "privacy officer"
    CUSTOMER = "customer"


#: Who may read a record, as its ``READERS``; or one of its fields, where it is for others, behind its purpose.
Readers = frozenset[Role]
#: The readers of a field that the agent keeps for itself: it stands in no output.
NOBODY: Readers = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Marks a personal field: the store keeps it encrypted (`agent.core.personal`).

    ``indexed``: records are also found by it, through a keyed hash in the column of the same name with ``_index``.
    """

    indexed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """Marks the name of a line: the store keeps the line's handle in its place (`agent.core.records.lines`)."""


#: Purposes that many records share.
ID = "tell records apart; random, says nothing of the person"
LINK = "find an open record again after a restart; keyed hashes and instants, dropped when it can change no more"
