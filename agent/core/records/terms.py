"""Why and for how long something is kept."""

from enum import StrEnum


class RetentionClass(StrEnum):
    """A kind of record with its own term; the days are configuration."""

    REGISTRATION = "registration"
    EMERGENCY = "emergency"
    RECORDING = "recording"
    OPERATIONS = "operations"
    DETAIL = "detail"
    AUDIT = "audit"
    CONSENT = "consent"
    CALL = "call"
    UNBILLED = "unbilled"


#: Purposes that many records share.
ID = "tell records apart; random, says nothing of the person"
LINK = "find an open record again after a restart; keyed hashes and instants, dropped when it can change no more"
