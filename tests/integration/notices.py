"""Made-up alarms and notices, as the tests of sinks and of their delivery tell them."""

from dataclasses import dataclass

from agent.core.records import Alarm, Cause, News, Notice, Severity

AT = 1_795_392_000_000


@dataclass(frozen=True, slots=True)
class Words:
    """An `agent.ports.Text`."""

    title: str = "999: line 201, Leeds office"
    body: str = "Line 201 called 999.\nAire House, 12 Wellington Street, Leeds LS1 4AP"


def alarm(id: str = "a1", /, **changes: object) -> Alarm:
    values: dict[str, object] = {
        "id": id,
        "cause": Cause.EMERGENCY,
        "subject": "e1",
        "what": "call to 999: calling",
        "severity": Severity.CRITICAL,
        "raised_at": AT,
    }
    return Alarm(**{**values, **changes})  # type: ignore[arg-type]


def notice(id: str = "n1", /, **changes: object) -> Notice:
    values: dict[str, object] = {
        "id": id,
        "alarm": "a1",
        "cause": Cause.EMERGENCY,
        "channel": "desk",
        "news": News.RAISED,
        "raised_at": AT,
        "try_at": AT,
    }
    return Notice(**{**values, **changes})  # type: ignore[arg-type]
