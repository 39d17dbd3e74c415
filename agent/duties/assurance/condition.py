"""What the duty has to say of one thing that stands in the way of the next emergency, or that it does not any more."""

from dataclasses import dataclass

from agent.core.records import Cause, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """``what`` is one sentence while it is so, None when it is not; said again, the same changes nothing."""

    cause: Cause
    subject: str
    what: str | None
    severity: Severity = Severity.WARNING
