"""What a probe finds of a promise, and what there is for it to look at."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from agent.core.records import ContentClass, Record, RetentionClass
from agent.duties.erasing import Ledger
from agent.duties.voicemail import Terms as VoicemailTerms

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

Value = str | int | None


class State(StrEnum):
    """Whether a promise is kept; ``not built``: nothing here makes it true, or what does is switched off."""

    OK = "ok"
    BROKEN = "broken"
    NOT_BUILT = "not built"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a probe found; ``evidence`` is one line of what was looked at and how much, with nothing of a person."""

    id: str
    state: State
    evidence: str


class Survey(Protocol):
    """The store as it lies on the disk; every call raises StoreError where it cannot be read."""

    def columns(self) -> Mapping[str, Sequence[str]]:
        """Every table and view with its columns."""

    def declared(self) -> Mapping[str, Sequence[str]]:
        """What `columns` of a new store of this version are."""

    def table(self, kind: str) -> str:
        """The table of a kind of record."""

    def count(self, kind: str) -> int:
        """How many rows of a kind there are."""

    def read(self, kind: str, *, since: int | None = None, line: str | None = None) -> Iterator[Record]:
        """Records of a kind begun at or after ``since`` (ms), opened where the keys are at hand; else `LOCKED`."""

    def lines(self, kind: str) -> Iterator[str]:
        """Each line of which there are records of a kind."""

    def raw(self, kind: str, *names: str) -> Iterator[tuple[Value, ...]]:
        """These columns of every row of a kind, in the order of the ids, fetched as they are asked for."""

    def older(self, kind: str, name: str, before: int, **equal: str | int) -> tuple[int, str | None]:
        """How many rows of a kind have an instant ``name`` before ``before`` (ms), and the oldest of these.

        ``equal``: of those only whose columns have these values.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was promised: days by class of records and of sound, and how long what was released lies there."""

    days: Mapping[RetentionClass, int]
    content_days: Mapping[ContentClass, int]
    bundle_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where things lie; None where it is not configured. ``socket`` is the agent's control socket, and ``key`` the key
    beside the store, of timelines and the audit; ``bundles`` is the folder of what leaves to third parties,
    ``erasures`` the ledger of what was erased.

    ``copies`` is the folder of copies for customers, ``secrets`` are the files that hold a secret each. ``in_memory``
    tells of a folder whether it reaches no disk.
    """

    store: Path
    keyring: Path
    socket: Path
    key: Path
    bundles: Path
    erasures: Path
    sealed: Path | None = None
    monitor: Path | None = None
    spool: Path | None = None
    calls: Path | None = None
    copies: Path | None = None
    secrets: tuple[Path, ...] = ()
    in_memory: Callable[[Path], bool] = lambda _: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that the probes look at, at the instant ``at`` (ms). Each opens the store with ``survey`` for itself.

    ``pid`` is the running agent's, None where none runs; ``page`` the address of its HTTP, "" where it serves none.
    ``probe_late_after_s`` is 0 where no dead-man probe is sent; ``remote``: HTTP may be reached from elsewhere.
    ``signed`` tells whether a signature of a text is of the agent's key; it raises StoreError where there is no key.
    """

    at: int
    survey: Callable[[], AbstractContextManager[Survey]]
    ledger: Callable[[], Ledger]
    places: Places
    terms: Terms
    voicemail: VoicemailTerms
    voicemail_every_h: int
    probe_late_after_s: float
    pid: int | None = None
    page: str = ""
    remote: bool = False
    signed: Callable[[bytes, str], bool] = lambda *_: False


def judged(id: str, faults: Iterable[str], looked: str) -> Result:
    """Broken where there are ``faults``, else ok; ``looked`` is what was looked at."""
    found = [fault for fault in faults if fault]
    if found:
        return Result(id=id, state=State.BROKEN, evidence=f"{'; '.join(found)} ({looked})")
    return Result(id=id, state=State.OK, evidence=looked)


def not_built(id: str, why: str) -> Result:
    """Nothing makes it true here."""
    return Result(id=id, state=State.NOT_BUILT, evidence=why)


def counted(number: int, one: str, several: str) -> str:
    """A number and what there is so many of."""
    return f"{number} {one if number == 1 else several}"


def some(number: int, what: str) -> str:
    """``what`` with its number, "" for none: a fault as `judged` takes it."""
    return f"{number} {what}" if number else ""
