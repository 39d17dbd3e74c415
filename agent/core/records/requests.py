"""What people ask about their own data, and by when it must be answered."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.recordings import Pause
from agent.core.records.terms import ID, Readers, RetentionClass, Role

#: Who works on it is the officer's to know.
_STAFF: Readers = frozenset((Role.OFFICER,))


class Asks(StrEnum):
    """What is asked for (UK GDPR articles 15, 16 and 17)."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"


class Waits(StrEnum):
    """What the provider has to be told before it can answer; meanwhile the time stands still."""

    IDENTITY = "identity"
    CLARIFICATION = "clarification"


class RequestOutcome(StrEnum):
    """What came of a request."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A customer's request about the data of one account, and its time of one month (P19; UK GDPR article 12(3))."""

    KIND: ClassVar[str] = "request"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.REQUEST
    BASIS: ClassVar[str] = "legal obligation; accountability: show that each request was answered in time"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER, Role.CUSTOMER))

    id: Annotated[str, ID]
    account: Annotated[str, "whose data it is about: the provider's reference"]
    asks: Annotated[Asks, "what is to be done"]
    received_at: Annotated[int, "from when the month counts"]
    opened_by: Annotated[str, "who wrote it down", _STAFF]
    identity: Annotated[str | None, "how it was checked who asks; words, no copy of a paper"] = None
    identity_at: Annotated[int | None, "when that was checked"] = None
    identity_by: Annotated[str | None, "who checked it", _STAFF] = None
    pauses: Annotated[tuple[Pause, ...], "when the time stood still"] = ()
    waits_for: Annotated[Waits | None, "what the customer has yet to say; none while the time runs"] = None
    extended_at: Annotated[int | None, "when the customer was told that it takes two months longer"] = None
    extension: Annotated[str | None, "why it takes longer"] = None
    due_at: Annotated[int | None, "by when it must be answered; none while the time stands still"]
    closed_at: Annotated[int | None, "when it was answered"] = None
    closed_by: Annotated[str | None, "who answered it", _STAFF] = None
    outcome: Annotated[RequestOutcome | None, "what came of it"] = None
    answer: Annotated[str | None, "what the customer was told, in short"] = None
