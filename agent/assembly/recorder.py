"""Puts together what the agent does about recordings: the door for Asterisk, the captures, the seals and the sweeps."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import structlog

from agent.config import Config
from agent.core import recording
from agent.core.engine import Output
from agent.core.records import Cause, Content, ContentClass, OptIn, Record, Recording, Severity
from agent.core.tapes import Tapes
from agent.duties.recording.captures import Captures
from agent.duties.recording.granting import Granting
from agent.duties.recording.marks import Marks
from agent.duties.recording.sealing import Sealer
from agent.duties.recording.stock import Stock
from agent.duties.recording.sweeping import Sweeper
from agent.keys import Keys
from agent.people.control import Keeping
from agent.pipeline import Observer, Pipeline
from agent.ports import Reader, StoreError
from agent.sources.ami import AmiSource, State
from agent.stores.monitor import Monitor
from agent.stores.sightings import Sightings
from agent.stores.vault import Keyring, Vault
from agent.views.door import Door

log = structlog.get_logger()

_MEGABYTE = 1 << 20
_UNUSABLE, _KEYRING = "vault", "keyring"

T = TypeVar("T", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """`agent.duties.recording.parts.Books`."""

    pipeline: Pipeline
    keeping: Keeping
    reader: Callable[[], AbstractContextManager[Reader]]
    clock: Callable[[], int]

    async def keep(self, records: Sequence[Record]) -> None:
        """See `agent.people.control.Keeping.keep`."""
        await self.keeping.keep(records)

    def put(self, outputs: Iterable[Output]) -> None:
        """See `agent.pipeline.Pipeline.put`."""
        self.pipeline.put(outputs)

    def condition(self, subject: str, what: str | None, severity: Severity = Severity.WARNING) -> None:
        """See `agent.core.alarms.Alarms.condition`."""
        self.pipeline.put(self.pipeline.engine.condition(Cause.RECORDING, subject, what, severity, self.clock()))

    def recording(self, id: str) -> Recording | None:
        """The recording with this id, as it is stored."""
        return self._one(Recording, id)

    def content(self, id: str) -> Content | None:
        """What became of its content, as it is stored."""
        return self._one(Content, id)

    def unsettled(self, since: int) -> list[Recording]:
        """Recordings begun at or after ``since`` (ms) that were granted and are over, and whose fate is not known."""
        with self.reader() as reader:
            return [
                record
                for record in reader.read(Recording.KIND, since=since)
                if isinstance(record, Recording)
                and record.opted_in
                and record.started_at is not None
                and record.state in recording.ENDED
                and not any(content.id == record.id for content in reader.find(Content, record.id))
            ]

    def kept(self, kept_as: ContentClass, before: int, limit: int, after: Content | None) -> list[Content]:
        """See `agent.ports.Reader.kept`."""
        with self.reader() as reader:
            return list(reader.kept(kept_as, before, limit, after))

    def all_kept(self) -> Iterable[Content]:
        """Every content that is kept."""
        with self.reader() as reader:
            for content in reader.read(Content.KIND):
                if isinstance(content, Content) and content.deleted_at is None:
                    yield content

    def _one(self, kind: type[T], id: str) -> T | None:
        with self.reader() as reader:
            return next((found for found in islice(reader.find(kind, id), 2) if found.id == id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """What is None has no place in the configuration, or one that cannot be used."""

    tapes: Tapes
    captures: Captures
    granting: Granting
    marks: Marks
    folder: Monitor | None
    vault: Vault | None
    sealer: Sealer | None
    sweeper: Sweeper | None
    door: Door | None
    socket: Path | None
    group: str | None

    @property
    def parts(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        """What runs for ever, by name."""
        found: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"recording_marks": self.marks.run}
        if self.sweeper is not None:
            found["recording_sweep"] = self.sweeper.run
        if self.door is not None and self.socket is not None:
            door, socket, group = self.door, self.socket, self.group
            found["recording_door"] = lambda: door.serve(socket, group)
        return found

    @property
    def observers(self) -> list[Observer]:
        """Who hears of each commit."""
        return [*([self.sealer] if self.sealer is not None else []), self.granting, self.captures, self._opted]

    def _opted(self, lane: object, records: Sequence[Record], seconds: float) -> None:  # noqa: ARG002
        if any(isinstance(record, OptIn) for record in records):
            self.marks.changed()

    async def close(self) -> None:
        """Leave what is not finished to the next start."""
        await self.captures.finish()
        if self.sealer is not None:
            await self.sealer.finish()


def recorder(
    config: Config,
    pipeline: Pipeline,
    source: AmiSource,
    keeping: Keeping,
    keys: Keys,
    *,
    reader: Callable[[], AbstractContextManager[Reader]],
    held: Callable[[Content], bool],
    destroying: asyncio.Lock,
    clock: Callable[[], int],
    for_deletion: Callable[[], int],
    new_id: Callable[[], str],
) -> Recorder:
    """What cannot be used is told by an alarm, and nothing is recorded; the rest of the agent goes on.

    ``held`` tells the content that must not go when its time is over, and who has ``destroying`` destroys the others.
    """
    section, tapes = config.recording, pipeline.engine.tapes
    books = Books(pipeline=pipeline, keeping=keeping, reader=reader, clock=clock)
    min_free_bytes = section.min_free_mb * _MEGABYTE
    folder = None if section.monitor_dir is None else Monitor(section.monitor_dir, min_free_bytes=min_free_bytes)
    keyring, vault = _vault(config, keys, books)
    sealer = None
    if folder is not None and vault is not None:
        sealer = Sealer(
            folder=folder,
            vault=vault,
            books=books,
            running=tapes.book.states.get,
            met_anybody=tapes.met_anybody,
            clock=clock,
        )
    granting = Granting(
        tapes=tapes,
        books=books,
        folder=folder,
        vault=vault,
        min_free_bytes=min_free_bytes,
        safe=lambda: sealer is not None and sealer.working,
    )
    sweeper = None
    if folder is not None:
        sweeper = Sweeper(
            folder=folder,
            stock=None
            if vault is None or keyring is None
            else _stock(config, vault, keyring, books, sealer, held, destroying, for_deletion),
            books=books,
            sealer=sealer,
            running=lambda: _running(tapes),
            room=lambda: folder.has_room() and (vault is None or _free_bytes(vault) >= min_free_bytes),
            enforce=section.enforce,
            quarantine_s=section.quarantine_minutes * 60.0,
            clock=clock,
            new_id=new_id,
        )
    captures = Captures(
        ask=source.bulk.ask,
        tapes=tapes,
        books=books,
        granting=granting,
        folder=folder,
        enforce=section.enforce,
        clock=clock,
        stray=sweeper.soon if sweeper is not None else lambda: None,
        elsewhere=sealer.found_elsewhere if sealer is not None else lambda: None,
    )
    pipeline.order = captures.order
    return Recorder(
        tapes=tapes,
        captures=captures,
        granting=granting,
        marks=Marks(
            asterisk=source.bulk,
            standing=tapes.consents.standing,
            up=lambda: source.bulk.state in (State.LOGGED_IN, State.IN_STEP),
        ),
        folder=folder,
        vault=vault,
        sealer=sealer,
        sweeper=sweeper,
        door=None if section.socket is None else _door(pipeline, granting, clock),
        socket=section.socket,
        group=section.socket_group,
    )


def _door(pipeline: Pipeline, granting: Granting, clock: Callable[[], int]) -> Door:
    return Door(
        grant=granting.grant,
        possible=granting.possible,
        find=pipeline.engine.tapes.book.find,
        is_phone=pipeline.engine.registrar.registered,
        link=pipeline.engine.link,
        clock=clock,
    )


def _vault(config: Config, keys: Keys, books: Books) -> tuple[Keyring | None, Vault | None]:
    folder = config.recording.store_dir
    try:
        keyring = keys.keyring() if keys.wanted else None
    except StoreError as error:
        log.error("keyring_unusable", reason=config.keys.fault or str(error), hint=error.hint)
        told = f"personal data cannot be encrypted, ordinary records wait: {error}"
        books.condition(_KEYRING, told, Severity.CRITICAL)
        keyring, fault, hint = None, str(error), error.hint
    else:
        books.condition(_KEYRING, None)
        fault, hint = "there is no site key", "see [keys]"
    if folder is None:
        books.condition(_UNUSABLE, None)
        return None, None
    try:
        if keyring is None:
            raise StoreError(fault, hint)
        vault = Vault(folder, keyring)
        books.condition(_UNUSABLE, None)
        return keyring, vault
    except StoreError as error:
        # An edge fails alone: a 999 needs no recordings.
        log.error("vault_unusable", reason=str(error), hint=error.hint)
        books.condition(_UNUSABLE, f"no call can be recorded: {error}", Severity.CRITICAL)
    return None, None


def _stock(
    config: Config,
    vault: Vault,
    keyring: Keyring,
    books: Books,
    sealer: Sealer | None,
    held: Callable[[Content], bool],
    destroying: asyncio.Lock,
    for_deletion: Callable[[], int],
) -> Stock:
    return Stock(
        vault=vault,
        books=books,
        sealer=sealer,
        keys=keyring.ids,
        sightings=Sightings(config.store.path.with_name(config.store.path.name + ".unnamed")),
        days=config.retention.content_days,
        held=held,
        destroying=destroying,
        clock=for_deletion,
    )


def _free_bytes(vault: Vault) -> int:
    """Room in the store; 0 where it cannot be looked at."""
    try:
        return vault.free_bytes()
    except StoreError:
        return 0


def _running(tapes: Tapes) -> frozenset[str]:
    """The ids of the recordings that are granted, captured or paused now."""
    return frozenset(
        id for id, tape in tapes.book.states.items() if tape.opted_in and tape.state not in recording.ENDED
    )
