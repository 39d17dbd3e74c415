"""Legal holds."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Locked, Readers, RetentionClass, Role


class Kept(StrEnum):
    """What a hold keeps (`agent.core.holds.COVERED`)."""

    CALLS = "calls"
    REGISTRATIONS = "registrations"
    EMERGENCIES = "emergencies"
    RECORDINGS = "recordings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What must not be deleted, and on whose authority; any may have to stay secret (Investigatory Powers Act 2016)."""

    KIND: ClassVar[str] = "hold"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "legal obligation; establishment, exercise or defence of legal claims"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))
    AGED_BY: ClassVar[tuple[str, ...]] = ("lifted_at",)

    id: Annotated[str, ID]
    lines: Annotated[tuple[str, ...], "whose data are kept", Locked()]
    kinds: Annotated[tuple[str, ...], "which data are kept, and no others"]
    from_at: Annotated[int | None, "the time that the data tell of; none: from the first"] = None
    until_at: Annotated[int | None, "the time that the data tell of; none: to the last, also what is yet to come"] = (
        None
    )
    authority: Annotated[str, "on whose authority, in words", Locked()]
    reference: Annotated[str, "find the order or the claim", Locked()]
    placed_at: Annotated[int, "show since when it has been in force"]
    placed_by: Annotated[str, "who placed it", Locked()]
    reviewer: Annotated[str, "who has to say whether it is still needed", Locked()]
    review_at: Annotated[int, "by when; after that it is an alarm, and still in force"]
    reviewed_at: Annotated[int | None, "when it was last reviewed"] = None
    reviewed_by: Annotated[str | None, "who reviewed it", Locked()] = None
    lifted_at: Annotated[int | None, "when it was lifted; what it kept goes by its term"] = None
    lifted_by: Annotated[str | None, "who lifted it", Locked()] = None
    lifted_why: Annotated[str | None, "why it was lifted", Locked()] = None
    account: Annotated[
        str | None, "whose data are kept: of each line while it is that account's; none: of lines", Locked()
    ] = None
