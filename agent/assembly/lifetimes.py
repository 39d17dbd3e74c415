"""Puts together what becomes of records with time: they are locked, purged, erased, and handles of lines end."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.assembly.parts import Part
from agent.config import Config
from agent.core.records import Cause, OptIn, Severity
from agent.duties import copies
from agent.duties.aggregating import Aggregating
from agent.duties.canary import Canary
from agent.duties.erasing import Eraser
from agent.duties.locking import Locking
from agent.duties.passing import Passing
from agent.duties.retention import Purger
from agent.keys import Keys
from agent.people.holds import Holding
from agent.people.recordings import Recordings
from agent.pipeline import Pipeline
from agent.stores.erasures import Erasures
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.views.asking import Refusal
from agent.world import new_id, now_ms


@dataclass(slots=True, kw_only=True)
class Lifetimes:
    """The duties of one running agent that end records; ``key`` is the one beside the store.

    ``holding`` says what stays, ``recordings`` destroys sound and withdraws opt-ins. ``clock`` says what is old enough,
    and what has passed.
    """

    config: Config
    keys: Keys
    key: bytes
    store: SqliteStore
    pipeline: Pipeline
    reader: Callable[[], SqliteReader]
    holding: Holding
    recordings: Recordings
    clock: Callable[[], int]
    purger: Purger = field(init=False)
    eraser: Eraser = field(init=False)
    canary: Canary | None = field(init=False)
    locking: Locking = field(init=False)
    passing: Passing = field(init=False)

    def __post_init__(self) -> None:
        self.purger = self._purger()
        self.eraser = self._eraser()
        self.canary = self._canary()
        self.locking = Locking(self.store, self.store.checkpoint)
        self.passing = self._passing()

    @property
    def parts(self) -> dict[str, Part]:
        """What runs; locks there are only with keys."""
        folder = self.config.subjects.bundle_dir
        return {
            "retention": self.purger.run,
            "passing": self.passing.run,
            **({"locking": self.locking.run} if self.keys.wanted else {}),
            "erasures": self.eraser.run,
            **({} if self.canary is None else {"canary": self.canary.run}),
            **({} if folder is None else {"copies": lambda: copies.run(folder, self.clock)}),
        }

    def _purger(self) -> Purger:
        """What deletes each record when its time is over."""
        days = self.config.retention.days
        return Purger(
            store=self.store,
            reader=self.reader,
            days=days,
            holds=lambda: self.holding.holds,
            gate=self.holding.gate,
            clock=self.clock,
            new_id=new_id,
            before=Aggregating(store=self.store, reader=self.reader, days=days, clock=now_ms).build,
            tell=self.pipeline.put,
        )

    def _eraser(self) -> Eraser:
        """What erases a customer's records, and keeps them erased."""
        recordings = self.recordings

        async def withdraw(given: OptIn) -> None:
            try:
                await recordings.withdraw(given.id, "erasure")
            except Refusal:  # It stands in the store alone.
                await recordings.keeping.keep([replace(given, withdrawn_at=now_ms(), withdrawn_by="erasure")])

        keyring = self.config.keyring
        return Eraser(
            store=self.store,
            reader=self.reader,
            ledger=Erasures(keyring.with_name(keyring.name + ".erasures"), self.key),
            destroy=None if recordings.vault is None else recordings.vault.destroy,
            withdraw=withdraw,
            retire=self.store.retire_lines,
            forget=(lambda owner: self.keys.keyring().destroy_account(owner)) if self.keys.wanted else None,
            holds=lambda: self.holding.holds,
            gate=self.holding.gate,
            days=self.config.retention.days,
            clock=now_ms,
            new_id=new_id,
        )

    def _passing(self) -> Passing:
        """What sees to lines that pass from an account."""
        pipeline = self.pipeline

        async def withdraw(given: OptIn) -> None:
            with suppress(Refusal):  # Somebody else has withdrawn it.
                await self.recordings.withdraw(given.id, "agent: the line passed")

        def tell(what: str | None) -> None:
            pipeline.put(pipeline.engine.condition(Cause.RECORDING, "opt-ins", what, Severity.WARNING, now_ms()))

        return Passing(
            consents=pipeline.engine.consents,
            withdraw=withdraw,
            retire=self.store.retire_lines,
            reader=self.reader,
            tell=tell,
            clock=self.clock,
        )

    def _canary(self) -> Canary | None:
        """What proves that what is erased is gone; None where there is no keyring, or nobody wants it."""
        config, pipeline = self.config, self.pipeline
        if not self.keys.wanted or not config.subjects.canary_every_h:
            return None

        def tell(what: str | None, severity: Severity) -> None:
            pipeline.put(pipeline.engine.condition(Cause.REQUEST, "canary", what, severity, now_ms()))

        beside = [config.store.path.with_name(config.store.path.name + end) for end in ("", "-wal", "-shm", "-journal")]
        keys = [config.keyring.with_name(config.keyring.name + end) for end in ("", "-journal", ".erasures")]
        return Canary(
            store=self.store,
            reader=self.reader,
            eraser=self.eraser,
            places=[*beside, *keys, *map(Path, config.subjects.search)],
            every_s=config.subjects.canary_every_h * 3600.0,
            clock=now_ms,
            tell=tell,
        )
