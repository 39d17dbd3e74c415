"""Accounts, and the lines and numbers that are theirs; who a customer is, the provider's own system alone knows."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Locked, Readers, RetentionClass, Role

#: Who corrects something, and in which words, is not the customer's to know: they may name another.
_STAFF: Readers = frozenset((Role.SUPPORT, Role.BILLING, Role.OFFICER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One customer's contract, by the provider's reference; no name, no address (P01)."""

    KIND: ClassVar[str] = "account"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.ACCOUNT
    BASIS: ClassVar[str] = "contract"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.BILLING, Role.OFFICER))

    id: Annotated[str, ID]
    account: Annotated[str, "find the customer in the provider's own system: its reference there"]
    itemised: Annotated[bool, "respect a wish for bills that list no call (PECR regulation 9)"] = True
    history_consent: Annotated[bool, "keep and show what is on no bill as well (PECR regulation 7(3))"] = False
    opened_at: Annotated[int, "since when there has been a line or number"]
    closed_at: Annotated[int | None, "since when there is none, and so how long it is kept; none while there is"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One line, or one number, of one account for a time (P01, P03).

    It is at most one account's at a time. One that was wrong is marked as corrected and counts no more; what is right
    stands in a record of its own.
    """

    KIND: ClassVar[str] = "service"
    #: Its line and number are a person's; the account's key locks them, and goes when the account is erased.
    OWNER: ClassVar[str] = "account"
    AGED_BY: ClassVar[tuple[str, ...]] = ("until_at", "corrected_at")
    RETENTION: ClassVar[RetentionClass] = RetentionClass.ACCOUNT
    BASIS: ClassVar[str] = "contract"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.BILLING, Role.OFFICER))

    id: Annotated[str, ID]
    account: Annotated[str, "say whose it is: the provider's reference"]
    line: Annotated[str | None, "tell which calls are the account's; none of a number", Locked(indexed=True)] = None
    number: Annotated[str | None, "find the account of who calls; none of a line", Locked(indexed=True)] = None
    from_at: Annotated[int, "since when it is the account's"]
    until_at: Annotated[int | None, "until when; none while it is"] = None
    corrected_at: Annotated[int | None, "when it was found to be wrong; none where it is right"] = None
    corrected_by: Annotated[str | None, "who corrected it", Locked(), _STAFF] = None
    correction: Annotated[str | None, "what was wrong, in their own words", Locked(), _STAFF] = None
