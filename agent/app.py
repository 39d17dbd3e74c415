"""The composition root: read from top to bottom it is the way of the data."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from agent import __version__, garbage
from agent.assembly import alerts, calls, promises, voicemail
from agent.assembly.assurance import Assurance, assurance
from agent.assembly.lifetimes import Lifetimes
from agent.assembly.logins import address, credentials
from agent.assembly.office import Office
from agent.assembly.parts import Part, together
from agent.assembly.recorder import recorder
from agent.assembly.status import Folders, path_state, purges, readiness, recorder_state, snapshot
from agent.clock import Clock
from agent.config import Config, channels, sites
from agent.core.engine import Engine
from agent.core.lanes import Lane, lane_of
from agent.core.normalise import WANTED, Linker
from agent.core.records import Alarm, Cause, Notice, Record, Severity
from agent.duties import callbacks
from agent.duties.alerting import Alerting
from agent.duties.storing import Storing
from agent.keys import Keys
from agent.people import control, subjects
from agent.people.holds import retention_state
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.sources.ami import AmiSource, Session, State, Timing
from agent.sources.ami_inquiry import inquiry
from agent.stores.sqlite import WAL_BYTES, SqliteReader, SqliteStore, StandIn
from agent.urgency import Urgency
from agent.views import api, unix
from agent.views.control import Routes
from agent.views.metrics import Metrics
from agent.world import link_key, new_id, now_ms

log = structlog.get_logger()

TICK_S = 1.0
#: How often it is tried whether a store that could not be opened can be.
LOOK_S = 15.0
THREADS = 64
_HOUR_MS = 3_600_000
HTTP_RETRY_S = 5.0
#: What 100,000 phones told may take a minute to store, and systemd kills after 30 s.
FINISH_S = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """The way of what is heard, up to who is told and whom people ask."""

    pipeline: Pipeline
    source: AmiSource
    alerting: Alerting
    storing: Storing
    assured: Assurance
    office: Office


class Agent:
    """One agent beside one Asterisk; ``verifying`` is the command that verifies the promises (none: nobody does)."""

    def __init__(self, config: Config, verifying: Sequence[str] = ()) -> None:
        self._config = config
        self._clock = Clock()
        self._keys = Keys(config)
        self._fields = self._keys.fields(now_ms)
        self._verifying = verifying
        #: What a store's stand-in could not put aside for it.
        self._left: list[Record] = []
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()

    def stop(self) -> None:
        """End `run` in order."""
        self._stop.set()

    def reload(self) -> None:
        """Read the tables of sites and channels again."""
        self._reload.set()

    async def run(self) -> None:
        """Run until `stop`.

        While a store that was there before cannot be opened, emergencies are heard, told and put aside all the same.

        Raises:
            ConfigError, StoreError, LoginRefused, NotAmi, TlsRefused: it could not start; nothing stored was changed.
        """
        # A mistake in a table is told before anything is touched.
        channels.of(self._config), sites.of(self._config)
        try:
            while True:
                try:
                    store, records = await self._opened()
                except StoreError as error:
                    # A start that never worked is the installer's to mend, and told at once.
                    if not error.everything or not await asyncio.to_thread(os.path.exists, self._config.store.path):
                        raise
                    if not await self._stood_in(error):
                        raise
                    continue
                try:
                    await self._whole(store, records)
                finally:
                    await store.close()
                return
        finally:
            await asyncio.to_thread(self._keys.close)

    async def _opened(self) -> tuple[SqliteStore, list[Record]]:
        """The store, and what had not ended."""
        config = self._config.store
        store = await SqliteStore.open(
            config.path,
            say=lambda text: log.info("store", step=text),
            fields=self._fields,
            reserve_bytes=config.reserve_mb << 20,
            last_resort=config.last_resort_file,
            wal_bytes=WAL_BYTES,
        )
        try:
            records = await store.open_records(self._left)
            self._left = []
            return store, records
        except BaseException:
            await store.close()
            raise

    def _heard(self, store: SqliteStore | StandIn, records: list[Record]) -> Heard:
        """What hears, what becomes of it in ``store``, and who is told; it goes on with ``records``."""
        config, told = self._config, channels.of(self._config)
        key = link_key(config.store.path)
        table = sites.of(config)
        engine = Engine(
            policy=config.policy(),
            link=Linker(key),
            new_id=new_id,
            sites=table,
            alarm_policy=alerts.policy(told, config.alerts.escalate_after_s),
            timeline_key=key,
        )
        engine.restore(records)
        pipeline = Pipeline(engine, store)
        self._clock.jumped = pipeline.clock_set
        source = self._source(pipeline)
        pipeline.ask = source.look_up
        # Of what is stored people are told, and the way of the next 999 is watched.
        urgency = Urgency()
        urgency.watchers.append(source.give_way)
        pipeline.urgent = partial(urgency.because, "store")
        alerting = Alerting(
            alerts.routes(told, source.bulk, now_ms),
            alerts.Desk(pipeline, self._reader),
            now_ms,
            partial(urgency.because, "desk"),
        )
        storing = self._storing(store, pipeline)
        assured = self._assured(pipeline, source, records)
        pipeline.observers.append(alerting)
        pipeline.refusals += [alerting.refused_by_store, storing.refused]
        pipeline.delays += [alerting.unstored, storing.delayed]
        office = Office(config=config, key=key, pipeline=pipeline, reader=self._reader)
        return Heard(pipeline, source, alerting, storing, assured, office)

    async def _whole(self, store: SqliteStore, records: list[Record]) -> None:
        """Run as whole as it is configured, until `stop`; ``records`` are those that had not ended."""
        config, heard = self._config, self._heard(store, records)
        pipeline, source, office = heard.pipeline, heard.source, heard.office
        pipeline.put(store.waiting)
        store.writer.urgent = lambda: pipeline.hurried
        reading = calls.source(config, pipeline, clock=now_ms)
        # What people ask, what is recorded, and what becomes of it all.
        await office.restore(records)
        recording = recorder(
            config,
            pipeline,
            source,
            office.keeping,
            self._keys,
            reader=self._reader,
            held=office.holding.keeps,
            destroying=office.holding.destroying,
            clock=now_ms,
            for_deletion=self._clock.for_deletion,
            new_id=new_id,
        )
        folders = Folders(recording, config)
        recordings = office.recordings(recording)
        lifetimes = Lifetimes(
            config=config,
            keys=self._keys,
            key=office.key,
            store=store,
            pipeline=pipeline,
            reader=self._reader,
            holding=office.holding,
            recordings=recordings,
            clock=self._clock.for_deletion,
        )
        verified = promises.Verified()
        metrics = Metrics(
            lambda: snapshot(
                source,
                pipeline,
                heard.alerting,
                path_state(*heard.assured.watching),
                recorder_state(recording, folders),
                None if config.voicemail.spool_dir is None else config.voicemail.every_h * 3600.0,
                calls.state(reading),
                promises.state(verified) if self._verifying else None,
                subjects.state(office.requests.waiting.values(), lifetimes.canary, now_ms()),
                retention_state(office.holding, lifetimes.purger, now_ms()),
                lifetimes.locking.left,
                heard.storing,
                self._clock.jumps,
            )
        )
        past = await asyncio.to_thread(purges, self._reader)
        metrics.restore([*records, *past])
        records.clear()  # Of 100,000 phones they would be held for as long as the agent runs.
        heard.alerting.watchers.append(lambda told: metrics.handed(told.channel, told.cause, told.since_dialled_ms))
        recording.captures.watchers.append(metrics.stopped)
        pipeline.observers += [metrics, source.stored, *heard.assured.observers, *recording.observers]
        self._own_up(pipeline, source)
        routes = office.routes(recordings, lifetimes)
        parts: dict[str, Part] = {
            **self._first(heard, metrics, *routes),
            "signs_of_life": self._signs_of_life,
            **recording.parts,
            **self._voicemail(pipeline),
            **({} if reading is None else {"calls": reading.run}),
            **self._verified(verified),
            "recording_folders": folders.run,
            "callbacks": lambda: callbacks.run(
                source.bulk, config.emergency.callback_hours * _HOUR_MS, self._clock.for_deletion
            ),
            **lifetimes.parts,
            **office.parts,
        }
        try:
            await self._live(pipeline, parts)
        finally:
            await recording.close()
        self._alive.unlink(missing_ok=True)

    async def _stood_in(self, why: StoreError) -> bool:
        """Hear and tell emergencies, and put them aside, until the store can be opened; False: until `stop`."""
        log.error("store_refuses", reason=str(why), hint=why.hint)
        config, ended = self._config.store, asyncio.Event()
        store = StandIn(config.path, why, fields=self._fields, last_resort=config.last_resort_file)
        try:
            heard = self._heard(store, [*await store.open_records(), *self._left])
            heard.pipeline.storing = False
            heard.pipeline.put(self._left)
            heard.storing.refused(why, ())
            metrics = Metrics(
                lambda: snapshot(
                    heard.source,
                    heard.pipeline,
                    heard.alerting,
                    path_state(*heard.assured.watching),
                    storing=heard.storing,
                    clock_jumps=self._clock.jumps,
                )
            )
            heard.pipeline.observers.append(metrics)

            async def stopped() -> None:
                await self._stop.wait()
                ended.set()

            async def mended() -> None:
                await SqliteStore.usable(config.path, every_s=LOOK_S)
                ended.set()

            parts = {**self._first(heard, metrics), "stopped": stopped, "mended": mended}
            await together(parts, heard.pipeline.failures, ended)
            left = await heard.pipeline.drain()
            # Not what a phone or a recording came to: the store may know of them, by other ids. As nothing of that was
            # kept, the sessions count as blind from the last whole run on.
            self._left = [each for each in left if isinstance(each, Alarm | Notice) or lane_of(each) is Lane.EMERGENCY]
        finally:
            await store.close()
        return not self._stop.is_set()

    def _first(self, heard: Heard, metrics: Metrics, *routes: Routes) -> dict[str, Part]:
        """What an emergency needs, whatever else there is."""
        controls = self._controls(heard)
        return {
            "source": heard.source.run,
            "pipeline": heard.pipeline.run,
            "storing": heard.storing.run,
            "ticks": lambda: self._ticks(heard.pipeline, heard.source.express),
            "alerting": heard.alerting.run,
            **heard.assured.parts,
            "http": lambda: self._http(heard.pipeline, heard.source, metrics),
            "control": lambda: control.serve(controls, unix.beside(self._config.store.path), *routes),
            "reloads": lambda: control.reloads(controls, self._reload),
        }

    def _reader(self) -> SqliteReader:
        """What is stored, the personal fields opened."""
        return SqliteReader(self._config.store.path, self._fields)

    @property
    def _alive(self) -> Path:
        """A file whose age tells since when a killed agent has not been listening."""
        return self._config.store.path.with_name(self._config.store.path.name + ".alive")

    def _own_up(self, pipeline: Pipeline, source: AmiSource) -> None:
        """An earlier run that could not say when it stopped was blind since the last sign of its life."""
        with contextlib.suppress(FileNotFoundError):
            died_at = int(self._alive.stat().st_mtime * 1000)
            for session in source.sessions:
                pipeline.lost(session.name, "killed", died_at)

    def _source(self, pipeline: Pipeline) -> AmiSource:
        ami = self._config.ami
        return AmiSource(
            address=address(self._config),
            credentials=credentials(self._config, "bulk"),
            express_credentials=credentials(self._config, "express"),
            wanted=WANTED,
            listener=pipeline,
            ledger=pipeline,
            clock=self._clock,
            timing=Timing(ping_after_s=ami.silent_after_s / 3, ping_timeout_s=ami.silent_after_s * 2 / 3),
        )

    def _assured(self, pipeline: Pipeline, source: AmiSource, records: list[Record]) -> Assurance:
        """What watches the way of a 999."""
        return assurance(
            self._config,
            pipeline,
            source,
            login=lambda: inquiry(address(self._config), credentials(self._config, "bulk"), events="system"),
            reader=self._reader,
            records=records,
            clock=now_ms,
            new_id=new_id,
        )

    def _controls(self, heard: Heard) -> control.Control:
        """What people ask for."""
        pipeline, office = heard.pipeline, heard.office

        async def reread_sites() -> int:
            table = await asyncio.to_thread(sites.of, self._config)
            pipeline.put(pipeline.engine.relocate(table, now_ms()))
            return 0 if table is None else len(table.sites)

        async def reread_channels() -> int:
            told = await asyncio.to_thread(channels.of, self._config)
            pipeline.engine.adopt(alerts.policy(told, self._config.alerts.escalate_after_s))
            heard.alerting.take(alerts.routes(told, heard.source.bulk, now_ms))
            return len(told)

        return control.Control(
            pipeline=pipeline,
            keeping=office.keeping,
            auditing=office.auditing,
            reader=self._reader,
            key=office.key,
            clock=now_ms,
            new_id=new_id,
            tables={"sites": reread_sites, "channels": reread_channels},
            rehearsing=heard.assured.rehearse,
            reachable=heard.assured.phones,
        )

    def _storing(self, store: SqliteStore | StandIn, pipeline: Pipeline) -> Storing:
        """What keeps room for emergencies."""

        def condition(subject: str, what: str | None, severity: Severity) -> None:
            pipeline.put(pipeline.engine.condition(Cause.STORE, subject, what, severity, now_ms()))

        return Storing(store, pipeline, condition)

    def _voicemail(self, pipeline: Pipeline) -> dict[str, Part]:
        """What deletes voicemail, where a spool is configured."""
        return voicemail.parts(
            self._config,
            pipeline,
            login=lambda: inquiry(address(self._config), credentials(self._config, "bulk"), events="off"),
            reader=self._reader,
            clock=self._clock.for_deletion,
            new_id=new_id,
        )

    def _verified(self, verified: promises.Verified) -> dict[str, Part]:
        """What verifies the promises, where it is known by which command."""
        command = self._verifying
        return {"promises": lambda: promises.run(command, verified, now_ms)} if command else {}

    async def _live(self, pipeline: Pipeline, parts: dict[str, Part]) -> None:
        try:
            await together(parts, pipeline.failures, self._stop)
        finally:
            left = await pipeline.finish(FINISH_S)
        if left:
            raise StoreError(f"{len(left)} records could not be stored before the stop", "see the log for the reason")

    async def _ticks(self, pipeline: Pipeline, express: Session) -> None:
        deaf = False
        while True:
            pipeline.tick(self._clock())
            was, deaf = deaf, express.state is State.DOWN
            if deaf and not was:
                garbage.sweep()  # Now no emergency waits for it.
            await asyncio.sleep(TICK_S)

    async def _signs_of_life(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # a full disk is the store's to tell
                # Of a disk that does not answer nothing else may wait.
                await asyncio.to_thread(self._alive.touch, mode=0o600)
            await asyncio.sleep(TICK_S)

    async def _http(self, pipeline: Pipeline, source: AmiSource, metrics: Metrics) -> None:
        listen = self._config.http.listen
        if listen is None:
            await asyncio.Event().wait()
            return
        app = api.application(metrics=metrics.text, ready=lambda: readiness(source, pipeline), version=__version__)
        while True:
            try:
                listening = api.listen(listen.host, listen.port)
            except OSError as error:
                # An edge fails alone: without a page, emergencies are still heard and kept.
                log.error("http_refused", reason=error.strerror, hint="check [http] listen")
                await asyncio.sleep(HTTP_RETRY_S)
                continue
            log.info("http", port=listening.getsockname()[1])
            await api.Http(app, listening).run()


async def run(config: Config, verifying: Sequence[str] = ()) -> None:
    """Run an agent until SIGTERM or SIGINT; ``verifying`` is as `Agent`'s. Raises what `Agent.run` raises."""
    garbage.tame()
    agent = Agent(config, verifying)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    loop.add_signal_handler(signal.SIGHUP, agent.reload)
    # While a disk does not answer every part may hold a thread, and names are looked up in one.
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "agent"))
    log.info("starting", version=__version__)
    await agent.run()
    log.info("stopped")
