"""From the configuration to the probes of the promise: on request, and once a day in a process of its own."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from agent.config import Config
from agent.core.records import ContentClass, RetentionClass
from agent.duties import promises
from agent.duties.promises import security
from agent.duties.voicemail import Terms as VoicemailTerms
from agent.stores.erasures import Erasures
from agent.stores.sqlite import Fields
from agent.stores.sqlite.survey import SqliteSurvey
from agent.stores.vault import is_memory
from agent.stores.vault.signing import Signer, proves
from agent.views import unix
from agent.views.metrics import PromisesState

log = structlog.get_logger()

EVERY_S = 86_400.0
#: A start has better to do than to read all of the store.
FIRST_AFTER_S = 900.0
_LONGEST_S = 7_200.0
#: As `agent.duties.assurance.probe.Handle.late_after_s`.
_MISSED, _LEAST_S = 3, 15.0
#: As `agent.people.disclosures.BUNDLE_DAYS`.
_BUNDLE_DAYS = 7


def command(config: Path | None) -> list[str]:
    """The command that verifies them with the configuration in this file."""
    return [
        sys.executable,
        "-m",
        "agent",
        "promises",
        "verify",
        "--json",
        *(["--config", str(config)] if config else []),
    ]


def verify(config: Config, fields: Fields, at: int) -> Iterator[promises.Result]:
    """What becomes of each promise now (ms), one after another; ``fields`` opens what is encrypted. It blocks.

    Raises:
        StoreError: there is no store that could be read.
    """
    with SqliteSurvey(config.store.path):
        pass  # Without a store nothing can be proved; each probe opens it for itself.
    yield from promises.verify(scene(config, fields, at))


def scene(config: Config, fields: Fields, at: int) -> promises.Scene:
    """What there is for the probes to look at."""
    pid = unix.peer(unix.beside(config.store.path))
    path, every_s = config.store.path, config.assurance.probe_every_s
    places, wanted = _places(config), config.voicemail
    return promises.Scene(
        at=at,
        survey=lambda: SqliteSurvey(path, fields),
        ledger=lambda: Erasures(places.erasures, places.key.read_bytes()),
        places=places,
        terms=promises.Terms(
            days={kind: config.retention.days(kind) for kind in RetentionClass},
            content_days={kind: config.retention.content_days(kind) for kind in ContentClass},
            bundle_days=_BUNDLE_DAYS,
        ),
        voicemail=VoicemailTerms(
            heard_days=wanted.heard_days, unheard_days=wanted.unheard_days, deleted_days=wanted.deleted_days
        ),
        voicemail_every_h=wanted.every_h,
        probe_late_after_s=max(_MISSED * every_s, _LEAST_S) if every_s else 0.0,
        pid=pid,
        page=_page(config, pid),
        remote=config.http.allow_remote,
        signed=lambda text, signature: proves(Signer(config.keyring, make=False).public, signature, text),
    )


def _places(config: Config) -> promises.Places:
    named = (
        *(config.ami.secret_file, config.ami.express_secret_file, config.alerts.channels_file),
        *(config.keys.site_key_file, config.keys.former_site_key_file),
    )
    return promises.Places(
        store=config.store.path,
        keyring=config.keyring,
        socket=unix.beside(config.store.path),
        erasures=config.keyring.with_name(config.keyring.name + ".erasures"),
        key=config.store.path.with_name(config.store.path.name + ".key"),
        bundles=config.store.path.with_name(config.store.path.name + ".disclosures"),
        sealed=config.recording.store_dir,
        monitor=config.recording.monitor_dir,
        spool=config.voicemail.spool_dir,
        calls=config.calls.cdr_file,
        copies=config.subjects.bundle_dir,
        secrets=tuple(path for path in named if path is not None),
        in_memory=is_memory,
    )


def _page(config: Config, pid: int | None) -> str:
    """Where the running agent serves HTTP."""
    listen = config.http.listen
    if listen is None or pid is None:
        return ""
    ports = [listen.port] if listen.port else [port for _, port in security.listening(pid)]
    host = f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"http://{host}:{ports[0]}" if ports else ""


@dataclass(slots=True)
class Verified:
    """What the last verification of this run found; ``at`` (ms) None: none yet."""

    at: int | None = None
    states: dict[str, str] = field(default_factory=dict)


def state(verified: Verified) -> PromisesState:
    """What a scrape shows of it; what is not built is neither kept nor broken."""
    proved = {id: state for id, state in verified.states.items() if state != promises.State.NOT_BUILT}
    return PromisesState(at=verified.at, kept={id: state == promises.State.OK for id, state in proved.items()})


async def run(command: Sequence[str], verified: Verified, clock: Callable[[], int]) -> None:
    """Verify once a day by ``command`` (`promises verify --json`), until cancelled.

    In a process of its own: a thread that scans a large store would make each turn of the event loop wait for it.
    """
    await asyncio.sleep(FIRST_AFTER_S)
    while True:
        states = await _asked(command)
        if states:
            verified.at, verified.states = clock(), states
            broken = sorted(id for id, state in states.items() if state == promises.State.BROKEN)
            log.info("promises_verified", broken=broken)
        else:
            log.error("promises_not_verified", hint="run: telephony-agent promises verify")
        await asyncio.sleep(EVERY_S)


async def _asked(command: Sequence[str]) -> dict[str, str]:
    """The state of each promise; none where the command did not tell."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_LONGEST_S):
            output, _ = await process.communicate()
        found = [json.loads(line) for line in output.splitlines()]
        return {str(each["id"]): str(each["state"]) for each in found}
    except (TimeoutError, ValueError, LookupError, TypeError):
        return {}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
