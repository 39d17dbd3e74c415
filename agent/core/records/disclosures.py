"""What left to a third party, by which consent or power, and who let it go: an append-only register."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, NOBODY, Locked, Readers, RetentionClass, Role

#: Who works here is not the customer's to know.
_STAFF: Readers = frozenset((Role.SUPPORT, Role.OFFICER))


class Step(StrEnum):
    """What an entry of the register says."""

    PROPOSED = "proposed"
    RELEASED = "released"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A customer's specific consent that a named third party is told something about their lines (P08)."""

    KIND: ClassVar[str] = "consent"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "consent; accountability: show that it was given"
    READERS: ClassVar[Readers] = frozenset((Role.CUSTOMER, Role.SUPPORT, Role.OFFICER))
    AGED_BY: ClassVar[tuple[str, ...]] = ("withdrawn_at", "expires_at")

    id: Annotated[str, ID]
    account: Annotated[str, "who consents: the provider's reference"]
    lines: Annotated[str, "whose data; names of lines, apart by spaces", Locked()]
    party: Annotated[str, "who may be told", Locked()]
    kinds: Annotated[tuple[str, ...], "of what"]
    purpose: Annotated[str, "what for, and how it was given, in the words of who wrote it down", Locked()]
    by: Annotated[str, "who wrote it down", Locked(), _STAFF]
    given_at: Annotated[int, "since when"]
    expires_at: Annotated[int, "until when, unless it is withdrawn"]
    withdrawn_at: Annotated[int | None, "when it was withdrawn"] = None
    withdrawn_by: Annotated[str | None, "who wrote that down", Locked(), _STAFF] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """One entry of the register: a disclosure was proposed, released or refused; written once (P08, P09)."""

    KIND: ClassVar[str] = "disclosure"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "accountability: show what left, by which right, and who let it go"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))
    AGED_BY: ClassVar[tuple[str, ...]] = ("at",)

    id: Annotated[str, ID]
    disclosure: Annotated[str, "which disclosure: the id of its proposal"]
    step: Annotated[Step, "what was done"]
    at: Annotated[int, "when"]
    by: Annotated[str, "who did it, by the name they gave"]
    login: Annotated[str, "who did it, by the login that the kernel vouches for; empty where it knows none"]
    party: Annotated[str, "who was to be told", Locked()]
    authority: Annotated[str, "as which authority; empty where by consent"]
    power: Annotated[str, "by which power; empty where by consent"]
    consent: Annotated[str, "by which consent; empty where by a power"]
    reference: Annotated[str, "the authority's own reference, to be found again there", Locked()]
    emergency: Annotated[str, "which emergency call the exemption is about; empty otherwise"]
    account: Annotated[str, "scope: whose data, by the provider's reference; empty where by lines alone", Locked()]
    lines: Annotated[str, "scope: whose data; names of lines, apart by spaces", Locked()]
    since_at: Annotated[int, "scope: since when"]
    until_at: Annotated[int, "scope: until before when"]
    kinds: Annotated[tuple[str, ...], "scope: of what"]
    fields: Annotated[tuple[str, ...], "exactly which fields"]
    reason: Annotated[str, "why, in the words of who did it", Locked()]
    bundle: Annotated[str | None, "hash of what left; none where nothing did"] = None
    secret_until_at: Annotated[int | None, "until when nobody may be told of it"] = None
    salt: Annotated[str, "open the commitment; goes with the entry, so that nobody guesses it", NOBODY, Locked()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """What of an entry can be shown to anybody, and stays when it has gone: each looks like any other."""

    KIND: ClassVar[str] = "leaf"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.REGISTER
    BASIS: ClassVar[str] = "accountability: show that no entry was put in, changed or removed"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))

    id: Annotated[str, "which entry"]
    seq: Annotated[int, "its place in the register, from 0"]
    at: Annotated[int, "when it was written"]
    commitment: Annotated[str, "salted hash of the entry"]
    root: Annotated[str, "root of the Merkle tree with it as the last leaf"]
    signature: Annotated[str, "signature over size, root and instant"]
