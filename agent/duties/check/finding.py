"""What a check finds: one plain sentence each, how bad it is, and the line that mends it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad, worst first."""

    PROBLEM = "problem"
    WARNING = "warning"
    UNKNOWN = "unknown"
    OK = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found; ``id`` is stable and dotted, ``fix`` names the file and the line ("" where nothing is to do).

    No field ever holds a secret, nor the arguments of a dialplan application, which may hold one.
    """

    id: str
    severity: Severity
    text: str
    fix: str = ""

    def document(self) -> dict[str, str]:
        """The finding as a JSON object."""
        return asdict(self) | {"severity": self.severity.value}


def problem(id: str, text: str, fix: str) -> Finding:
    """Records or calls are lost, or something is open that must not be."""
    return Finding(id=id, severity=Severity.PROBLEM, text=text, fix=fix)


def warning(id: str, text: str, fix: str) -> Finding:
    """It works today, with less than it could, or more rights than it needs."""
    return Finding(id=id, severity=Severity.WARNING, text=text, fix=fix)


def unknown(id: str, what: str, how: str) -> Finding:
    """Neither AMI nor a file showed it; ``how`` lets it be seen."""
    return Finding(id=id, severity=Severity.UNKNOWN, text=f"could not be seen: {what}", fix=how)


def ok(id: str, text: str) -> Finding:
    """As it should be."""
    return Finding(id=id, severity=Severity.OK, text=text)


def by_severity(found: Iterable[Finding]) -> list[Finding]:
    """Worst first; the order of discovery within one severity."""
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))
