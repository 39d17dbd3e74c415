"""Who looked at which person's data, and why: an append-only chain, in a segment each month."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, NOBODY, Locked, Readers, RetentionClass, Role


class AuditUse(StrEnum):
    """What was done with a person's data; a further one is a line here."""

    LOOKED_UP = "looked_up"
    LISTED = "listed"
    SHOWN = "shown"
    HISTORY = "history"
    REQUESTED = "requested"
    EXPORTED = "exported"
    VIEWED = "viewed"
    STARTED = "started"
    RESUMED = "resumed"
    PAUSED = "paused"
    STOPPED = "stopped"
    PLAYED = "played"
    DELETED = "deleted"
    IMPORTED = "imported"
    RECTIFIED = "rectified"
    ERASED = "erased"
    HELD = "held"
    LIFTED = "lifted"
    CONSENTED = "consented"
    WITHDRAWN = "withdrawn"
    PROPOSED = "proposed"
    REFUSED = "refused"
    DISCLOSED = "disclosed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Somebody used a person's data; written once, chained to the entry before it (P01, P18)."""

    KIND: ClassVar[str] = "audit"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT
    BASIS: ClassVar[str] = "security: who has seen what"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))
    OWNER: ClassVar[str] = "subject"
    AGED_BY: ClassVar[tuple[str, ...]] = ("at",)

    id: Annotated[str, ID]
    segment: Annotated[str, "the month (UTC) with which it is deleted"]
    seq: Annotated[int, "its place in the segment, from 1"]
    at: Annotated[int, "when"]
    by: Annotated[str, "who"]
    use: Annotated[AuditUse, "what was done"]
    subject: Annotated[str | None, "about whom: an account, line or record; none: nobody, or erased", Locked()] = None
    salt: Annotated[str | None, "open the commitment; goes with the subject: nobody guesses it", NOBODY, Locked()] = (
        None
    )
    commitment: Annotated[str, "keyed hash over salt, subject and reason: the chain holds it in their place"]
    reason: Annotated[str, "why, in their own words", Locked()]
    chain: Annotated[str, "keyed hash over the entry and the one before it: shows one changed or missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRoot:
    """What is left of a month of the audit: by it the rest still proves whole once the month is deleted."""

    KIND: ClassVar[str] = "segment_root"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.AUDIT_ROOT
    BASIS: ClassVar[str] = "security: show that nothing of the audit was changed"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))

    id: Annotated[str, ID]
    segment: Annotated[str, "which month (UTC)"]
    entries: Annotated[int, "how many entries it had"]
    head: Annotated[str, "the chain of its last entry"]
    closed_at: Annotated[int, "when it was closed"]
    previous: Annotated[str, "the chain of the root before; empty for the first"]
    chain: Annotated[str, "keyed hash over the root; the next segment begins with it"]
