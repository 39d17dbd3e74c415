"""What erasure takes of a customer's records, and what stays: why, and until when.

A record goes unless a law or the safety of people needs it on. What goes of calls that may stand on a bill leaves the
totals that tax law asks for, with no number in them. A record that has not ended stays until it has: what is going on
is written down again.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from agent.core.holds import Holds
from agent.core.records import (
    Account,
    Call,
    Calls,
    Consent,
    Content,
    Emergency,
    OptIn,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    RetentionClass,
    Service,
    Text,
    Total,
)

_DAY_MS = 86_400_000

#: The kinds of record that are a line's and go, in the order in which they do: content before what tells of it.
GOES: tuple[type[Record], ...] = (Call, Text, Registration, Content, Recording, OptIn)
#: Those that are a line's and stay until their own term is over.
STAYS: tuple[type[Record], ...] = (Emergency, Total)


class Why(StrEnum):
    """Why a record stays, as the customer may be told."""

    GOING_ON = "it has not ended yet"
    SAFETY = "calls to the emergency services are kept to show that help was got"
    TAX = "tax law asks for records of what was supplied; there is no number in them"
    CONTRACT = "the contract runs"
    PROOF = "it shows that what was done was agreed to, or answered"
    #: A legal hold may have to stay secret, so this says no more of it.
    LAW = "a legal obligation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Why a record stays, and until when (ms); None: that is not known yet."""

    why: Why
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of so many records of one kind: they go, where ``why`` is None; the last of the others at ``until``.

    ``until`` is None where that is not known yet.
    """

    kind: str
    count: int
    why: Why | None = None
    until: int | None = None


def stay(record: Record, holds: Holds, days: Callable[[RetentionClass], int]) -> Stay | None:
    """Why a record of a line stays; None: it goes. ``days`` are the terms of the retention classes."""
    begun, ended = _told_of(record)
    if holds.keeps(record.KIND, getattr(record, "line", None), begun, begun if ended is None else ended):
        return Stay(why=Why.LAW, until=None)
    if isinstance(record, Emergency):
        until = None if ended is None else ended + days(RetentionClass.EMERGENCY) * _DAY_MS
        return Stay(why=Why.SAFETY, until=until)
    if isinstance(record, Total):
        # To the end of the longest month.
        return Stay(why=Why.TAX, until=record.month_at + (31 + days(RetentionClass.VAT)) * _DAY_MS)
    return Stay(why=Why.GOING_ON, until=None) if ended is None else None


def contract_stay(account: Account, lines: Collection[str], holds: Holds) -> Stay | None:
    """Why ``account``, and what says which ``lines`` and numbers are its own, stays; None: all of it goes.

    Under a hold on either it stays whole: it says whose what is held was.
    """
    if account.closed_at is None:
        return Stay(why=Why.CONTRACT, until=None)
    return Stay(why=Why.LAW, until=None) if holds.keeps_account(account.account, lines) else None


def proof_stay(record: Consent | Request, days: Callable[[RetentionClass], int]) -> Stay:
    """Why a consent to tell a third party, or a request, stays; until when, once it is over."""
    ended = record.closed_at if isinstance(record, Request) else record.withdrawn_at or record.expires_at
    until = None if ended is None else ended + days(record.RETENTION) * _DAY_MS
    return Stay(why=Why.PROOF, until=until)


def begun_at(record: Record) -> int:
    """The instant (ms) by which a record of a line is the account's that had the line then; of others their first."""
    return _told_of(record)[0]


class Tally:
    """Counts what becomes of records, kind by kind, in the order in which they come."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Why | None], tuple[int, int | None]] = {}

    def add(self, record: Record, stays: Stay | None) -> None:
        """One more."""
        key = (record.KIND, None if stays is None else stays.why)
        count, until = self._counts.get(key, (0, 0))
        last = None if stays is None or stays.until is None or until is None else max(until, stays.until)
        self._counts[key] = count + 1, last

    def fates(self) -> list[Fate]:
        """What becomes of all of them."""
        return [
            Fate(kind=kind, count=count, why=why, until=until) for (kind, why), (count, until) in self._counts.items()
        ]


def _told_of(record: Record) -> tuple[int, int | None]:
    """From when to when a record tells (ms); None: it has not ended."""
    match record:
        case Call():
            return record.started_at, record.started_at
        case Text():
            return record.at, record.at
        case Registration():
            return record.first_seen, record.ended_at
        case Recording():
            begun = record.started_at if record.started_at is not None else record.stopped_at or 0
            over = record.state in (RecordingState.STOPPED, RecordingState.NOT_STARTED)
            return begun, (record.stopped_at or begun) if over else None
        case Content():
            return record.began_at, record.stored_at
        case OptIn():
            # One that stands is withdrawn first; a press ends with its call.
            pressed = record.calls is Calls.ONE
            return record.given_at, record.withdrawn_at if pressed else record.withdrawn_at or record.given_at
        case Emergency():
            return record.started_at, record.ended_at
        case Total():
            return record.month_at, record.month_at
        case Account():
            return record.opened_at, record.closed_at
        case Service():
            return record.from_at, record.until_at
    raise TypeError(f"a {record.KIND} is nobody's")
