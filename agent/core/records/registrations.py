"""Phones that register, and those that fail to."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, LINK, NOBODY, Handled, Locked, Readers, RetentionClass, Role


class IpSource(StrEnum):
    """Where a registration's address was taken from, best first."""

    SECURITY = "security"
    PROXY = "proxy"
    CONTACT = "contact"


class Certainty(StrEnum):
    """How sure it is that a phone is where its address on file says."""

    EXPECTED = "expected"
    MOVED = "moved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A span in which one phone was registered to one line from one address (P10)."""

    KIND: ClassVar[str] = "registration"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.REGISTRATION
    BASIS: ClassVar[str] = "contract; detection of fraud"
    READERS: ClassVar[Readers] = frozenset((Role.DESK, Role.ENGINEER, Role.SUPPORT, Role.CUSTOMER))
    AGED_BY: ClassVar[tuple[str, ...]] = ("ended_at", "last_seen")

    id: Annotated[str, ID]
    line: Annotated[str, "say whose phone it is", Handled()]
    ip: Annotated[str | None, "locate a phone that calls 999; trace misuse of an account", Locked()]
    ip_source: Annotated[IpSource, "say how far the address can be trusted"]
    transport: Annotated[str | None, "tell an unencrypted registration from an encrypted one"]
    vendor: Annotated[str, "support a device; find the devices a fault touches"]
    model: Annotated[str, "support a device; find the devices a fault touches"]
    firmware: Annotated[str, "find devices whose firmware generation has a known fault"]
    first_seen: Annotated[int, "begin of the span"]
    last_seen: Annotated[int, "last proof of the span"]
    refreshes: Annotated[int, "tell a steady phone from a flapping one"]
    ended_at: Annotated[int | None, "end of the span"] = None
    links: Annotated[tuple[str, ...], LINK, NOBODY] = ()
    site: Annotated[str | None, "say before a call which address 999 would be given"] = None
    certainty: Annotated[Certainty | None, "warn of a phone that is not where its address says"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How many registration attempts failed for one cause within one hour; no person in it."""

    KIND: ClassVar[str] = "failure"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "security of the network"
    READERS: ClassVar[Readers] = frozenset((Role.ENGINEER,))

    id: Annotated[str, ID]
    hour: Annotated[int, "the hour counted, its first instant"]
    cause: Annotated[str, "the kind of failure"]
    count: Annotated[int, "how many"]
