"""What the stages promise one another, as Protocols."""

from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

from agent.core.aggregates import Calls
from agent.core.records import Alarm, Content, ContentClass, Notice, Record, RetentionClass, Service
from agent.core.wire import Message

T = TypeVar("T", bound=Record)


class StoreError(Exception):
    """The store cannot be used; the message is one sentence for the operator, ``hint`` says what to do.

    ``everything``: it would have refused any other record as well; else perhaps these alone.
    """

    def __init__(self, message: str, hint: str = "", *, everything: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.everything = everything


class NotReady(StoreError):
    """What was made ready for a commit has been undone meanwhile: it is to be made ready again."""


class GaveWay(NotReady):
    """Nothing was written, and nothing is wrong: an emergency goes first, and then the same again."""

    def __init__(self) -> None:
        super().__init__("an emergency goes first")


class Store(Protocol):
    """Where records are kept. One writer."""

    def prepare(self, records: Sequence[Record], behind: Iterable[Record] = ()) -> Coroutine[Any, Any, None] | None:
        """What makes ready for a commit of ``records`` and may take long, None where nothing is to be made ready.

        Where something is, it makes ready for those ``behind`` them as well, which come next. An emergency never needs
        it. It raises StoreError where the store could not take them.
        """

    async def commit(self, records: Sequence[Record], *, durable: bool, prepared: bool = False) -> None:
        """Insert or replace ``records`` (by kind and id) in one transaction: all of them or none.

        ``durable``: on return they survive a power cut (fsync); else they survive the process. ``prepared``: `prepare`
        has made ready for it, and nothing is waited for but the disk.

        Raises:
            NotReady: they are ``prepared``, and that was undone; nothing of them was written.
            StoreError: nothing of ``records`` was written.
            GaveWay: they are ``prepared`` and no emergency's, and one waits.
        """

    async def open_records(self) -> list[Record]:
        """Records that had not ended when the agent stopped, and the timelines that go on."""

    async def remove(self, kind: str, ids: Sequence[str], *, cut: bool = False, told: Sequence[Record] = ()) -> int:
        """Delete these records of ``kind``, and store ``told``, in one transaction; how many went.

        ``cut``: what they came to is added to the totals first.
        """

    async def expire(self, retention: RetentionClass, before: int) -> list[str]:
        """Destroy the keys of the months of ``retention`` that ended by ``before`` (ms); those months.

        A key stays for as long as a record that was locked with it is there.
        """

    async def checkpoint(self) -> bool:
        """Let nothing of what was deleted stand in a log of the store; False: try again later."""

    async def close(self) -> None:
        """Finish, leaving one clean file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A record that has ended, as the purge sees it: whose line's it is, and from when to when it tells (ms).

    ``hidden``: whose it is cannot be told now, for want of a key. ``account``: of which it tells what is its own.
    """

    id: str
    line: str | None
    begun_at: int
    ended_at: int
    hidden: bool = False
    account: str | None = None


class Held(Protocol):
    """For how long a handle stood for a line, in ms; ``until_at`` None: it still does."""

    @property
    def handle(self) -> str:
        """What stands in the store."""

    @property
    def since_at(self) -> int:
        """Since when."""

    @property
    def until_at(self) -> int | None:
        """Until when."""


class Reader(Protocol):
    """Read-only view of the store; never holds up the writer."""

    def read(
        self, kind: str, *, since: int | None = None, line: str | None = None, limit: int | None = None
    ) -> Iterable[Record]:
        """Records of ``kind``, oldest first, begun at or after ``since`` (ms), at most the ``limit`` latest."""

    def find(self, kind: type[T], prefix: str, limit: int = 2) -> list[T]:
        """At most ``limit`` emergencies, alarms, recordings, opt-ins or contents whose id begins with ``prefix``."""

    def of(self, kind: type[T], owner: str) -> list[T]:
        """The details, entries, alarms or looks of an emergency, the notices of an alarm, the accesses to a recording,
        an account and its services by its reference; oldest first.
        """

    def services(self, *, line: str | None = None, number: str | None = None) -> list[Service]:
        """What is or was this line, or else this number, of any account; oldest first."""

    def ended(self, since: int, until: int) -> Iterable[Service]:
        """Services, also wrong ones, that came to their end from ``since`` to ``until`` (ms), in the order of that."""

    def open(self, kind: type[T]) -> list[T]:
        """Records that have not ended, of a kind that ends, in no order."""

    def kept(self, kept_as: ContentClass, before: int, limit: int, after: Content | None = None) -> list[Content]:
        """At most ``limit`` contents of this class that are kept since before ``before`` (ms), oldest first, those
        behind ``after``.
        """

    def due(
        self, kind: str, before: int, limit: int, *, after: Due | None = None, retention: RetentionClass | None = None
    ) -> list[Due]:
        """At most ``limit`` records of ``kind`` behind ``after`` that ended before ``before`` (ms), oldest first.

        ``retention``: of calls, which class of them.
        """

    def lines(self, kind: str) -> Iterable[str]:
        """Each line of which there are calls, texts, registrations, recordings, contents or opt-ins.

        Of one whose name nobody can read any more, its handle.
        """

    def handles_of(self, line: str) -> Sequence[Held]:
        """What has stood for ``line`` in place of its name; none where nothing is locked."""

    def calls_of(self, begin: int, end: int) -> Iterable[Calls]:
        """The calls placed from ``begin`` to ``end`` (ms, less than a day behind it), counted by line and hour."""

    def makes_of(self, begin: int, end: int) -> Iterable[tuple[str, str, str, str]]:
        """Vendor, model, firmware and line of each phone that was registered between ``begin`` and ``end`` (ms)."""

    def contents_of(self, ids: Sequence[str]) -> set[str]:
        """Which of these recordings have content that is kept."""


class Ledger(Protocol):
    """What is known, and what is safely stored, of the emergencies that a journal beside the source tells of.

    ``call`` and ``calls`` are the journal's own ids, raw.
    """

    def reading(self) -> None:
        """The journal is about to be read; what it holds is heard by the `Listener`."""

    def read(self, calls: Collection[str]) -> None:
        """All of it was read and heard: it holds something of ``calls``, and of no others."""

    def over(self, call: str) -> bool:
        """Whether ``call`` is not up, as far as it was heard."""

    async def kept(self) -> None:
        """Return when every record of an emergency that is there now is stored durably."""


class Listener(Protocol):
    """Who hears a source. Every call is synchronous: nothing un-minimised may wait in a queue."""

    def hear(self, session: str, message: Message, at: int) -> None:
        """One wanted message of ``session`` (``express`` or ``bulk``), arrived at ``at`` (ms)."""

    def lost(self, session: str, cause: str, at: int) -> None:
        """``session`` stopped listening at ``at``; ``cause`` is one word."""

    def regained(self, session: str, at: int) -> None:
        """``session`` listens again, logged in and filtered."""


class Text(Protocol):
    """An alarm in words: one line, and all that there is to say."""

    @property
    def title(self) -> str:
        """One line."""

    @property
    def body(self) -> str:
        """Several, the most important first."""


class Receipt(StrEnum):
    """How much a channel knows of what became of a notice: handed over, or received as well."""

    SENT = "sent"
    DELIVERED = "delivered"


class ChannelError(Exception):
    """A channel did not take a notice; ``kind`` is one word, with nothing of a person and no secret in it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Channel(Protocol):
    """A way to tell people of an alarm. Nothing of it blocks the event loop."""

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:
        """Tell; cancelled when it takes too long. A notice may come twice (``notice.id`` is the same).

        Raises:
            ChannelError: it was not taken.
        """


@runtime_checkable
class Reminded(Channel, Protocol):
    """A channel that forgets an alarm of which it is not told again within ``every_s`` seconds."""

    @property
    def every_s(self) -> float:
        """How often."""

    async def remind(self, alarms: Sequence[tuple[Text, Alarm]]) -> None:
        """Tell again how each stands.

        Raises:
            ChannelError: it was not taken.
        """


class Reply(Protocol):
    """Asterisk's answer to one AMI action."""

    @property
    def ok(self) -> bool:
        """Whether it is a Success."""

    @property
    def message(self) -> str:
        """Why not."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The first of each key."""


class Asker(Protocol):
    """One login to Asterisk. Each call raises ConnectionError or TimeoutError when Asterisk is gone, and ValueError for
    a value that would not stay one AMI header.
    """

    async def ask(self, action: Mapping[str, str], timeout_s: float | None = None) -> Reply:
        """One action and its answer."""

    async def ask_list(self, action: Mapping[str, str], complete: str, timeout_s: float | None = None) -> Reply:
        """One action, its answer an Error or the event ``complete``."""


class Collected(Reply, Protocol):
    """Asterisk's answer to a list action."""

    @property
    def items(self) -> Sequence[Message]:
        """The events of the list, in the order they came."""


class Collector(Protocol):
    """A login to Asterisk that can ask for a whole list; each call raises as `Asker`'s."""

    async def ask(self, action: Mapping[str, str], timeout_s: float | None = None) -> Reply:
        """One action and its answer."""

    async def collect(self, action: Mapping[str, str], complete: str) -> Collected:
        """One list action, its answer an Error or the event ``complete``."""
