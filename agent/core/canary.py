"""The erasure canary: a customer that never was, with a needle in every field in which a person could be found.

Every needle holds one random token, so that one search finds them all. An emergency is not among the records: it is not
erased, and nobody must ever be told of one that was not. The calls and texts are within the PBX and on no bill, so that
none of them leaves a total behind.
"""

from agent.core.records import (
    Account,
    Call,
    CallOutcome,
    Calls,
    Certainty,
    Content,
    ContentState,
    Direction,
    How,
    IpSource,
    NumberClass,
    OptIn,
    Reason,
    Record,
    Recording,
    RecordingState,
    Registration,
    Service,
    Text,
    TextOutcome,
    TextSize,
    Trigger,
)

_NAME = "canary-"


def account_of(token: str) -> str:
    """The canary's account."""
    return _NAME + token


def line_of(token: str) -> str:
    """The canary's line."""
    return f"{_NAME}line-{token}"


def records(token: str, at: int) -> tuple[Record, ...]:
    """All that is kept of the customer whose needles hold ``token``, at the instant ``at`` (ms); all of it is over.

    Every id holds the token as well: what is encrypted is found by it.
    """
    line = line_of(token)

    def needle(field: str) -> str:
        return f"{field}-{token}"

    return (
        Account(id=needle("account"), account=account_of(token), opened_at=at, closed_at=at + 1),
        Service(id=needle("service-line"), account=account_of(token), line=line, from_at=at, until_at=at + 1),
        Service(
            id=needle("service-number"),
            account=account_of(token),
            number=needle("service-number"),
            from_at=at,
            until_at=at + 1,
            corrected_at=at,
            corrected_by=needle("corrected-by"),
            correction=needle("correction"),
        ),
        Call(
            id=needle("call"),
            call=needle("call"),
            line=line,
            direction=Direction.INTERNAL,
            number_class=NumberClass.INTERNAL,
            number=needle("number"),
            forwarded_class=NumberClass.INTERNAL,
            forwarded=needle("forwarded"),
            started_at=at,
            duration_s=0,
            billable_s=0,
            outcome=CallOutcome.FAILED,
        ),
        Text(
            id=needle("text"),
            line=line,
            direction=Direction.INTERNAL,
            number_class=NumberClass.INTERNAL,
            number=needle("number"),
            at=at,
            size=TextSize.SHORT,
            outcome=TextOutcome.FAILED,
        ),
        Registration(
            id=needle("registration"),
            line=line,
            ip=needle("ip"),
            ip_source=IpSource.CONTACT,
            transport=None,
            vendor=needle("vendor"),
            model=needle("model"),
            firmware=needle("firmware"),
            first_seen=at,
            last_seen=at,
            refreshes=0,
            ended_at=at,
            site=needle("site"),
            certainty=Certainty.UNKNOWN,
        ),
        OptIn(
            id=needle("optin"),
            line=line,
            trigger=Trigger.SERVICE,
            calls=Calls.ALL,
            how=How.COMMAND,
            by=needle("by"),
            purpose=needle("purpose"),
            given_at=at,
            withdrawn_at=at,
            withdrawn_by=needle("withdrawn-by"),
        ),
        Recording(
            id=needle("recording"),
            line=line,
            leg=None,
            trigger=Trigger.SERVICE,
            opted_in=True,
            started_at=at,
            stopped_at=at,
            state=RecordingState.STOPPED,
            optin=needle("optin"),
        ),
        Content(
            id=needle("recording"),
            line=line,
            state=ContentState.SHREDDED,
            began_at=at,
            stored_at=at,
            deleted_at=at,
            deleted_by=needle("deleted-by"),
            reason=Reason.EMPTY,
        ),
    )
