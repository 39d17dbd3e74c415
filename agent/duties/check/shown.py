"""Findings as text for people, and as JSON lines for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from agent.core.printable import printable
from agent.duties.check.finding import Finding, Severity

_STYLES = {Severity.PROBLEM: "bold red", Severity.WARNING: "yellow", Severity.UNKNOWN: "cyan", Severity.OK: "green"}


def json_lines(findings: Iterable[Finding]) -> Iterator[str]:
    """One JSON object each."""
    for finding in findings:
        yield json.dumps(finding.document(), ensure_ascii=False)


def print_findings(console: Console, findings: Iterable[Finding]) -> None:
    """A line each, its mend below it, and how many there are of each severity."""
    found = list(findings)
    for finding in found:
        line = Text.assemble((f"{finding.severity:<8}", _STYLES[finding.severity]), printable(finding.text))
        console.print(line, soft_wrap=True)
        if finding.fix:
            console.print(Text(f"         → {printable(finding.fix)}", style="dim"), soft_wrap=True)
    count = Counter(finding.severity for finding in found)
    console.print(Text(", ".join(f"{count[each]} {_plural(each, count[each])}" for each in Severity), style="bold"))


def _plural(severity: Severity, count: int) -> str:
    return f"{severity}s" if severity in (Severity.PROBLEM, Severity.WARNING) and count != 1 else severity.value
