"""The composition root: read from top to bottom it is the way of the data."""

import asyncio
import contextlib
import os
import secrets
import signal
import ssl
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import structlog

from agent import __version__
from agent.assembly import alerts, calls, promises, voicemail
from agent.assembly.assurance import Assurance, assurance
from agent.assembly.recorder import Recorder, recorder
from agent.assembly.status import Folders, path_state, purges, readiness, recorder_state, snapshot
from agent.config import Config, channels, site_keys, sites
from agent.config.channel import AnyChannel
from agent.core.accounts import ZONE
from agent.core.audit import Trail
from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker
from agent.core.numbers import forms
from agent.core.records import Alarm, Cause, Entry, Key, Notice, OptIn, Record, Severity, key_of
from agent.core.signals import CaptureOrder, Lookup
from agent.core.sites import Sites
from agent.core.wire import Message
from agent.duties import callbacks, copies
from agent.duties import check as checking
from agent.duties.aggregating import Aggregating
from agent.duties.alerting import Alerting
from agent.duties.canary import Canary
from agent.duties.erasing import Eraser
from agent.duties.locking import Locking
from agent.duties.passing import Passing
from agent.duties.retention import Purger
from agent.duties.storing import Storing
from agent.keys import Keys
from agent.people import control, subjects
from agent.people.accounts import Accounts
from agent.people.auditing import Auditing
from agent.people.consents import Consents
from agent.people.disclosures import Disclosures, restored
from agent.people.holds import Holding, Purging, retention_state
from agent.people.importing import Importing
from agent.people.permitting import Permitting
from agent.people.recordings import Recordings
from agent.people.requests import Requests
from agent.people.subjects import Subjects
from agent.pipeline import Pipeline
from agent.ports import StoreError
from agent.sources.ami import Address, AmiSource, Credentials, LoginRefused, NotAmi, Timing, TlsRefused
from agent.sources.ami_inquiry import inquiry
from agent.sources.replay import Summary, replay
from agent.stores.bundles import Bundles
from agent.stores.erasures import Erasures
from agent.stores.sqlite import WAL_BYTES, SqliteReader, SqliteStore
from agent.stores.vault import examine, is_memory, never_swapped
from agent.stores.vault.signing import Signer
from agent.urgency import Urgency
from agent.views import accounts as account_views
from agent.views import api, unix
from agent.views import audit as audit_views
from agent.views import disclosures as disclosure_views
from agent.views import holds as hold_views
from agent.views import recordings as recording_views
from agent.views import requests as request_views
from agent.views import subjects as subject_views
from agent.views.asking import Refusal
from agent.views.metrics import Metrics

log = structlog.get_logger()

#: What ends a start: only the operator can mend it.
FATAL = (LoginRefused, NotAmi, TlsRefused)

Part = Callable[[], Coroutine[Any, Any, None]]

TICK_S = 1.0
_HOUR_MS = 3_600_000
RESTART_S = 1.0
HTTP_RETRY_S = 5.0
ASTERISK_ETC = Path("/etc/asterisk")


def now_ms() -> int:
    """The clock: ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def new_id() -> str:
    """A random record id that says nothing."""
    return secrets.token_hex(8)


def link_key(path: Path) -> bytes:
    """The key of `read_key`, made at the first start; it lies beside the store, not in it.

    Raises:
        StoreError: it cannot be read or made.
    """
    file = _key_file(path)
    try:
        with contextlib.suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as fresh:
                fresh.write(secrets.token_bytes(32))
                fresh.flush()
                os.fsync(fresh.fileno())
    except OSError as error:
        raise StoreError(f"the key file {file} cannot be made: {error.strerror}", "check its folder") from None
    return read_key(path)


def read_key(path: Path) -> bytes:
    """The key that lies beside the store at ``path``: of the restart links, and of the emergencies' timelines.

    Raises:
        StoreError: there is none, or it cannot be read.
    """
    file = _key_file(path)
    try:
        key = file.read_bytes()
    except OSError as error:
        raise StoreError(f"the key file {file} cannot be used: {error.strerror}", "check its owner and mode") from None
    if len(key) != 32:
        hint = "restore it; without it the next start takes up no open call, and no timeline can be checked"
        raise StoreError(f"the key file {file} is damaged", hint)
    return key


def _key_file(path: Path) -> Path:
    return path.with_name(path.name + ".key")


class Agent:
    """One agent beside one Asterisk; ``verifying`` is the command that verifies the promises (none: nobody does)."""

    def __init__(self, config: Config, verifying: Sequence[str] = ()) -> None:
        self._config = config
        self._keys = Keys(config)
        self._fields = self._keys.fields(now_ms)
        self._verifying = verifying
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

        Raises:
            ConfigError, StoreError, LoginRefused, NotAmi, TlsRefused: it could not start; nothing stored was changed.
        """
        config = self._config
        told, table = told_channels(config), table_of_sites(config)
        store = await SqliteStore.open(
            config.store.path,
            say=lambda text: log.info("store", step=text),
            fields=self._fields,
            reserve_bytes=config.store.reserve_mb << 20,
            last_resort=config.store.last_resort_file,
            wal_bytes=WAL_BYTES,
        )
        try:
            key = link_key(config.store.path)
            engine = Engine(policy=config.policy(), link=Linker(key), new_id=new_id, sites=table, timeline_key=key)
            engine.adopt(alerts.policy(told, config.alerts.escalate_after_s))
            records = await store.open_records()
            engine.restore(records)
            pipeline = Pipeline(engine, store)
            source = self._source(pipeline)
            pipeline.ask = source.look_up
            desk = alerts.Desk(pipeline, self._reader)
            urgency = Urgency()
            urgency.watchers.append(source.give_way)
            pipeline.urgent = partial(urgency.because, "store")
            store.urgent = lambda: pipeline.hurried
            alerting = Alerting(
                alerts.routes(told, source.bulk, now_ms), desk, now_ms, partial(urgency.because, "desk")
            )
            assured = self._assured(pipeline, source, records)
            keeping = control.Keeping(pipeline)
            auditing = self._auditing(pipeline, keeping, key, records)
            holding = self._holding(pipeline, keeping, auditing)
            await holding.restore(records)
            purger = self._purger(store, pipeline, holding)
            recording = self._recorder(pipeline, source, keeping, holding)
            requests = self._requests(pipeline, keeping, auditing)
            requests.restore(records)
            recordings = self._recordings(pipeline, keeping, auditing, recording, holding)
            eraser = self._eraser(store, key, holding, recordings)
            canary = self._canary(store, pipeline, eraser)
            folders = Folders(recording, config)
            reading = calls.source(config, pipeline, clock=now_ms)
            verified = promises.Verified()
            locking = Locking(store, store.checkpoint)
            storing = self._storing(store, pipeline)
            metrics = Metrics(
                lambda: snapshot(
                    source,
                    pipeline,
                    alerting,
                    path_state(*assured.watching),
                    recorder_state(recording, folders),
                    None if config.voicemail.spool_dir is None else config.voicemail.every_h * 3600.0,
                    calls.state(reading),
                    promises.state(verified) if self._verifying else None,
                    subjects.state(requests.waiting.values(), canary, now_ms()),
                    retention_state(holding, purger, now_ms()),
                    locking.left,
                    storing,
                )
            )
            past = await asyncio.to_thread(purges, self._reader)
            metrics.restore([*records, *past])
            alerting.watchers.append(lambda told: metrics.handed(told.channel, told.cause, told.since_dialled_ms))
            recording.captures.watchers.append(metrics.stopped)
            pipeline.observers += [alerting, metrics, source.stored, *assured.observers, *recording.observers]
            pipeline.refusals += [alerting.refused_by_store, storing.refused]
            pipeline.delays += [alerting.unstored, storing.delayed]
            self._own_up(pipeline, source)
            controls = self._controls(pipeline, source, keeping, auditing, alerting, assured)
            passing = Passing(retire=store.retire_lines, reader=self._reader, clock=now_ms)
            importing = self._importing(keeping, auditing, passing)
            disclosing = self._disclosures(keeping, auditing)
            asked = [
                partial(recording_views.add, controls=recordings),
                partial(audit_views.add, controls=auditing),
                partial(hold_views.add, controls=holding, purging=Purging(purger)),
                partial(request_views.add, controls=requests),
                partial(account_views.add, controls=self._accounts(auditing), importing=importing),
                partial(disclosure_views.add, controls=disclosing, consents=self._consents(keeping, auditing)),
                partial(
                    subject_views.add,
                    controls=Subjects(
                        find=requests.find,
                        auditing=auditing,
                        erasing=eraser,
                        canary=canary,
                        services=importing,
                        reword=engine.consents.reworded,
                        keep=keeping.keep,
                        reader=self._reader,
                        plan=calls.plan(config),
                        clock=now_ms,
                    ),
                ),
            ]
            parts: dict[str, Part] = {
                "source": source.run,
                "pipeline": pipeline.run,
                "storing": storing.run,
                "ticks": lambda: self._ticks(pipeline),
                "alerting": alerting.run,
                **assured.parts,
                **recording.parts,
                **self._voicemail(pipeline),
                **({} if reading is None else {"calls": reading.run}),
                **self._verified(verified),
                "recording_folders": folders.run,
                "callbacks": lambda: callbacks.run(source.bulk, config.emergency.callback_hours * _HOUR_MS, now_ms),
                "retention": purger.run,
                **({} if self._fields is None else {"locking": locking.run, "passing": passing.run}),
                "holds": holding.run,
                "http": lambda: self._http(pipeline, source, metrics),
                "auditing": auditing.run,
                "requests": requests.run,
                "disclosures": disclosing.run,
                "erasures": eraser.run,
                **({} if canary is None else {"canary": canary.run}),
                **self._copies(),
                "control": lambda: control.serve(controls, unix.beside(config.store.path), *asked),
                "reloads": lambda: control.reloads(controls, self._reload),
            }
            try:
                await self._live(pipeline, parts)
            finally:
                await recording.close()
            self._alive.unlink(missing_ok=True)
        finally:
            await store.close()
            await asyncio.to_thread(self._keys.close)

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
            clock=now_ms,
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

    def _controls(
        self,
        pipeline: Pipeline,
        source: AmiSource,
        keeping: control.Keeping,
        auditing: Auditing,
        alerting: Alerting,
        assured: Assurance,
    ) -> control.Control:
        """What people ask for."""

        async def reread_sites() -> int:
            table = await asyncio.to_thread(table_of_sites, self._config)
            pipeline.put(pipeline.engine.relocate(table, now_ms()))
            return 0 if table is None else len(table.sites)

        async def reread_channels() -> int:
            told = await asyncio.to_thread(told_channels, self._config)
            pipeline.engine.adopt(alerts.policy(told, self._config.alerts.escalate_after_s))
            alerting.take(alerts.routes(told, source.bulk, now_ms))
            return len(told)

        return control.Control(
            pipeline=pipeline,
            keeping=keeping,
            auditing=auditing,
            reader=self._reader,
            clock=now_ms,
            new_id=new_id,
            tables={"sites": reread_sites, "channels": reread_channels},
            rehearsing=assured.rehearse,
            reachable=assured.phones,
        )

    def _auditing(self, pipeline: Pipeline, keeping: control.Keeping, key: bytes, records: list[Record]) -> Auditing:
        """What writes down who uses whose data; it goes on where the last run stopped."""
        trail = Trail(key=key, new_id=new_id, new_salt=lambda: secrets.token_hex(16))
        trail.restore(records)
        return Auditing(
            trail=trail,
            keep=keeping.keep,
            put=pipeline.put,
            reader=self._reader,
            clock=now_ms,
        )

    def _consents(self, keeping: control.Keeping, auditing: Auditing) -> Consents:
        """What people ask of consents."""
        return Consents(auditing=auditing, keep=keeping.keep, reader=self._reader, clock=now_ms, new_id=new_id)

    def _disclosures(self, keeping: control.Keeping, auditing: Auditing) -> Disclosures:
        """What people ask of disclosures; the register is read when it is first written to."""
        config = self._config
        return Disclosures(
            register=cache(lambda: restored(Signer(config.keyring).sign, self._reader)),
            permitting=Permitting(reader=self._reader, clock=now_ms),
            auditing=auditing,
            bundles=Bundles(config.store.path.with_name(config.store.path.name + ".disclosures")),
            keep=keeping.keep,
            reader=self._reader,
            clock=now_ms,
            new_id=new_id,
            new_salt=lambda: secrets.token_hex(32),
        )

    def _accounts(self, auditing: Auditing) -> Accounts:
        """What people ask of accounts."""
        return Accounts(auditing=auditing, reader=self._reader, plan=calls.plan(self._config), clock=now_ms)

    def _importing(self, keeping: control.Keeping, auditing: Auditing, passing: Passing) -> Importing:
        """What changes accounts."""
        return Importing(
            keeping=keeping,
            auditing=auditing,
            reader=self._reader,
            passed=passing.look,
            plan=calls.plan(self._config),
            zone=ZoneInfo(ZONE),
            clock=now_ms,
            new_id=new_id,
        )

    def _holding(self, pipeline: Pipeline, keeping: control.Keeping, auditing: Auditing) -> Holding:
        """The legal holds."""
        return Holding(
            pipeline=pipeline,
            keeping=keeping,
            auditing=auditing,
            reader=self._reader,
            clock=now_ms,
            new_id=new_id,
        )

    def _requests(self, pipeline: Pipeline, keeping: control.Keeping, auditing: Auditing) -> Requests:
        """What customers ask about their data."""
        return Requests(
            pipeline=pipeline,
            keep=keeping.keep,
            auditing=auditing,
            reader=self._reader,
            clock=now_ms,
            new_id=new_id,
        )

    def _purger(self, store: SqliteStore, pipeline: Pipeline, holding: Holding) -> Purger:
        """What deletes each record when its time is over."""
        return Purger(
            store=store,
            reader=self._reader,
            days=self._config.retention.days,
            holds=lambda: holding.holds,
            gate=holding.gate,
            clock=now_ms,
            new_id=new_id,
            before=Aggregating(store=store, reader=self._reader, days=self._config.retention.days, clock=now_ms).build,
            tell=pipeline.put,
        )

    def _storing(self, store: SqliteStore, pipeline: Pipeline) -> Storing:
        """What keeps room for emergencies."""

        def condition(subject: str, what: str | None, severity: Severity) -> None:
            pipeline.put(pipeline.engine.condition(Cause.STORE, subject, what, severity, now_ms()))

        return Storing(store, pipeline, condition)

    def _recorder(self, pipeline: Pipeline, source: AmiSource, keeping: control.Keeping, holding: Holding) -> Recorder:
        """What sees to recordings."""
        return recorder(
            self._config,
            pipeline,
            source,
            keeping,
            self._keys,
            reader=self._reader,
            held=holding.keeps,
            clock=now_ms,
            new_id=new_id,
        )

    def _voicemail(self, pipeline: Pipeline) -> dict[str, Part]:
        """What deletes voicemail, where a spool is configured."""
        return voicemail.parts(
            self._config,
            pipeline,
            login=lambda: inquiry(address(self._config), credentials(self._config, "bulk"), events="off"),
            reader=self._reader,
            clock=now_ms,
            new_id=new_id,
        )

    def _verified(self, verified: promises.Verified) -> dict[str, Part]:
        """What verifies the promises, where it is known by which command."""
        command = self._verifying
        return {"promises": lambda: promises.run(command, verified, now_ms)} if command else {}

    def _recordings(
        self,
        pipeline: Pipeline,
        keeping: control.Keeping,
        auditing: Auditing,
        recording: Recorder,
        holding: Holding,
    ) -> Recordings:
        """What people ask of recordings."""
        return Recordings(
            pipeline=pipeline,
            keeping=keeping,
            auditing=auditing,
            vault=recording.vault,
            capturing=recording.captures,
            reader=self._reader,
            held=holding.keeps,
            clock=now_ms,
            new_id=new_id,
        )

    def _eraser(self, store: SqliteStore, key: bytes, holding: Holding, recordings: Recordings) -> Eraser:
        """What erases a customer's records, and keeps them erased."""

        async def withdraw(given: OptIn) -> None:
            try:
                await recordings.withdraw(given.id, "erasure")
            except Refusal:  # It stands in the store alone.
                await recordings.keeping.keep([replace(given, withdrawn_at=now_ms(), withdrawn_by="erasure")])

        keyring = self._config.keyring
        return Eraser(
            store=store,
            reader=self._reader,
            ledger=Erasures(keyring.with_name(keyring.name + ".erasures"), key),
            destroy=None if recordings.vault is None else recordings.vault.destroy,
            withdraw=withdraw,
            retire=store.retire_lines,
            forget=(lambda handle: self._keys.keyring().destroy_account(handle)) if self._keys.wanted else None,
            holds=lambda: holding.holds,
            gate=holding.gate,
            days=self._config.retention.days,
            clock=now_ms,
            new_id=new_id,
        )

    def _canary(self, store: SqliteStore, pipeline: Pipeline, eraser: Eraser) -> Canary | None:
        """What proves that what is erased is gone; None where there is no keyring, or nobody wants it."""
        config = self._config
        if not self._keys.wanted or not config.subjects.canary_every_h:
            return None

        def tell(what: str | None, severity: Severity) -> None:
            pipeline.put(pipeline.engine.condition(Cause.REQUEST, "canary", what, severity, now_ms()))

        beside = [config.store.path.with_name(config.store.path.name + end) for end in ("", "-wal", "-shm", "-journal")]
        keys = [config.keyring.with_name(config.keyring.name + end) for end in ("", "-journal", ".erasures")]
        return Canary(
            store=store,
            reader=self._reader,
            eraser=eraser,
            places=[*beside, *keys, *map(Path, config.subjects.search)],
            every_s=config.subjects.canary_every_h * 3600.0,
            clock=now_ms,
            tell=tell,
        )

    def _copies(self) -> dict[str, Part]:
        """What deletes copies for customers, where these have a folder."""
        folder = self._config.subjects.bundle_dir
        return {} if folder is None else {"copies": lambda: copies.run(folder, now_ms)}

    async def _live(self, pipeline: Pipeline, parts: Mapping[str, Part]) -> None:
        stopping = asyncio.create_task(_set(self._stop))
        tasks = [asyncio.create_task(kept_up(name, part, pipeline.failures)) for name, part in parts.items()]
        try:
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            log.info("stopping")
            for task in done:
                task.result()
        finally:
            await _cancelled([stopping, *tasks])
            left = await pipeline.drain()
        if left:
            raise StoreError(f"{len(left)} records could not be stored before the stop", "see the log for the reason")

    async def _ticks(self, pipeline: Pipeline) -> None:
        while True:
            pipeline.tick(now_ms())
            with contextlib.suppress(OSError):  # a full disk is the store's to tell
                self._alive.touch(mode=0o600)
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


async def kept_up(name: str, part: Callable[[], Coroutine[Any, Any, None]], failures: Counter[str]) -> None:
    """Run one part of the agent for ever: what breaks in it is counted, and costs the other parts nothing.

    Raises:
        LoginRefused, NotAmi, TlsRefused: it could not start.
    """
    while True:
        try:
            await part()
        except FATAL:
            raise
        except Exception:  # the one broad catch at the top of each task
            failures[name] += 1
            log.exception("part_failed", part=name)
        await asyncio.sleep(RESTART_S)


def table_of_sites(config: Config) -> Sites | None:
    """Where phones are, as far as that is configured.

    Raises:
        ConfigError: the table of sites cannot be used.
    """
    return None if config.emergency.sites_file is None else sites.load(config.emergency.sites_file)


def told_channels(config: Config) -> dict[str, AnyChannel]:
    """Who is told of alarms, by name.

    Raises:
        ConfigError: the table of channels cannot be used.
    """
    return {} if config.alerts.channels_file is None else channels.load(config.alerts.channels_file)


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.debug("task_ended", exception=type(outcome).__name__)


def address(config: Config) -> Address:
    """Where AMI is."""
    ami = config.ami
    return Address(host=ami.host, port=ami.port, ssl=tls_context(ami.ca_file) if ami.tls else None)


def credentials(config: Config, session: Literal["express", "bulk"]) -> Credentials:
    """The login of one session."""
    login = config.ami.credentials(session)
    return Credentials(username=login.username, secret=login.secret.get_secret_value())


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A client context that verifies Asterisk's certificate and name, always."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)


def replayed(config: Config, chunks: Iterable[bytes], *, source: str) -> tuple[list[Record], Summary]:
    """The records that the agent would store of a captured session, each once, in its last state; what was read.

    Raises:
        NotACapture: ``source`` holds no AMI message.
    """
    policy = replace(config.policy(), optins_told=True)
    ear = _Ear(Engine(policy=policy, link=Linker(secrets.token_bytes(32)), new_id=new_id))
    summary = replay(chunks, WANTED, ear, source=source)
    # A replay says what happened; the alarms of it, and who would have been told, are the running agent's.
    return [record for record in ear.records.values() if not isinstance(record, Alarm | Entry | Notice)], summary


class _Ear:
    """A listener that keeps the last state of each record."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ticked_at = 0
        self.records: dict[Key, Record] = {}

    def hear(self, session: str, message: Message, at: int) -> None:  # noqa: ARG002
        outputs = list(self._engine.hear(message, at))
        if at - self._ticked_at >= TICK_S * 1000:
            outputs += self._engine.tick(at)
            self._ticked_at = at
        kept = (output for output in outputs if not isinstance(output, Lookup | CaptureOrder))
        self.records.update((key_of(output), output) for output in kept)

    def lost(self, session: str, cause: str, at: int) -> None:
        """A capture has one session only."""

    def regained(self, session: str, at: int) -> None:
        """A capture has one session only."""


async def run(config: Config, verifying: Sequence[str] = ()) -> None:
    """Run an agent until SIGTERM or SIGINT; ``verifying`` is as `Agent`'s. Raises what `Agent.run` raises."""
    agent = Agent(config, verifying)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.stop)
    loop.add_signal_handler(signal.SIGHUP, agent.reload)
    log.info("starting", version=__version__)
    await agent.run()
    log.info("stopped")


def _places(config: Config) -> checking.Places:
    """Where recordings are captured and kept, and whether the site key opens the keyring; nothing is made."""
    section, site_key = config.recording, config.keys.site_key()
    fault = "" if site_key is not None else "there is no site key"
    try:
        # A rotation may be under way, or have been cut off: then another one opens it still.
        keys = [] if site_key is None else [site_key, *site_keys(config, os.environ)]
        found = [examine(config.keyring, key) for key in keys]
        if found and not any(each is None or each.opens for each in found):
            fault = f"the site key is another than the keyring {config.keyring} was made with"
    except StoreError as error:
        fault = str(error)
    return checking.Places(
        monitor=section.monitor_dir,
        store=section.store_dir,
        socket=section.socket,
        group=section.socket_group,
        key=fault,
    )


async def check(config: Config, etc: Path | None) -> list[checking.Finding]:
    """What is wrong on the PBX and here, worst first; ``etc`` is Asterisk's configuration folder.

    Raises:
        ConfigError: a table that the configuration names cannot be used.
        LoginRefused, NotAmi, TlsRefused, Unreachable: there is no login.
    """
    told_channels(config)
    table_of_sites(config)
    bulk, express = credentials(config, "bulk"), credentials(config, "express")
    apart = express.username != bulk.username
    listen = config.http.listen
    places = _places(config)
    recordings = checking.look_at_recordings(places, in_memory=is_memory, never_swapped=never_swapped)
    host = await asyncio.to_thread(
        checking.look,
        config.store.path,
        (listen.host, listen.port) if listen is not None else None,
        config.voicemail.spool_dir,
        recordings,
        checking.look_at_calls(config.calls.cdr_file, config.calls.trunks),
        places.key,
    )
    async with contextlib.AsyncExitStack() as logins:
        pbx = await logins.enter_async_context(inquiry(address(config), bulk))
        first = checking.Login(name=bulk.username, sessions=("bulk",) if apart else ("express", "bulk"), pbx=pbx)
        others = []
        try:
            # Beside the first, even for the same user: the agent holds two sessions at once.
            second = await logins.enter_async_context(inquiry(address(config), express))
            if apart:
                others = [checking.Login(name=express.username, sessions=("express",), pbx=second)]
        except LoginRefused as error:
            others = [checking.Login(name=express.username, sessions=("express",), pbx=None, refused=str(error))]
        sight = checking.Sight(
            logins=[first, *others],
            etc=etc or (ASTERISK_ETC if checking.loopback(config.ami.host) else None),
            numbers=config.emergency.numbers,
            forms=forms(config.emergency.numbers, config.emergency.prefixes),
            loopback=checking.loopback(config.ami.host),
            tls=config.ami.tls,
            host=host,
        )
        return checking.findings(await checking.gather(sight, now_ms))
