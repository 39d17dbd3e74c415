"""Puts together what people ask of the running agent: who asks, and why, is in the audit before anything is shown."""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from zoneinfo import ZoneInfo

from agent.assembly import calls
from agent.assembly.lifetimes import Lifetimes
from agent.assembly.parts import Part
from agent.assembly.recorder import Recorder
from agent.config import Config
from agent.core.accounts import ZONE
from agent.core.audit import Trail
from agent.core.records import Record
from agent.people.accounts import Accounts
from agent.people.auditing import Auditing
from agent.people.consents import Consents
from agent.people.control import Keeping
from agent.people.disclosures import Disclosures, restored
from agent.people.holds import Holding, Purging
from agent.people.importing import Importing
from agent.people.permitting import Permitting
from agent.people.recordings import Recordings
from agent.people.requests import Requests
from agent.people.subjects import Subjects
from agent.pipeline import Pipeline
from agent.stores.bundles import Bundles
from agent.stores.sqlite import SqliteReader
from agent.stores.vault.signing import Signer
from agent.views import accounts as account_views
from agent.views import audit as audit_views
from agent.views import disclosures as disclosure_views
from agent.views import holds as hold_views
from agent.views import recordings as recording_views
from agent.views import requests as request_views
from agent.views import subjects as subject_views
from agent.views.control import Routes
from agent.world import new_id, now_ms


@dataclass(slots=True, kw_only=True)
class Office:
    """Where people ask one running agent; ``key`` is the one beside the store, ``reader`` opens it for reading."""

    config: Config
    key: bytes
    pipeline: Pipeline
    reader: Callable[[], SqliteReader]
    keeping: Keeping = field(init=False)
    auditing: Auditing = field(init=False)
    holding: Holding = field(init=False)
    requests: Requests = field(init=False)
    disclosures: Disclosures = field(init=False)

    def __post_init__(self) -> None:
        self.keeping = Keeping(self.pipeline)
        self.auditing = Auditing(
            trail=Trail(key=self.key, new_id=new_id, new_salt=lambda: secrets.token_hex(16)),
            keep=self.keeping.keep,
            put=self.pipeline.put,
            reader=self.reader,
            clock=now_ms,
        )
        self.holding = Holding(
            pipeline=self.pipeline,
            keeping=self.keeping,
            auditing=self.auditing,
            reader=self.reader,
            clock=now_ms,
            new_id=new_id,
        )
        self.requests = Requests(
            pipeline=self.pipeline,
            keep=self.keeping.keep,
            auditing=self.auditing,
            reader=self.reader,
            clock=now_ms,
            new_id=new_id,
        )
        self.disclosures = Disclosures(
            # The register is read when it is first written to.
            register=cache(lambda: restored(Signer(self.config.keyring).sign, self.reader)),
            permitting=Permitting(reader=self.reader, clock=now_ms),
            auditing=self.auditing,
            bundles=Bundles(self.config.store.path.with_name(self.config.store.path.name + ".disclosures")),
            keep=self.keeping.keep,
            reader=self.reader,
            plan=calls.plan(self.config),
            clock=now_ms,
            new_id=new_id,
            new_salt=lambda: secrets.token_hex(32),
        )

    async def restore(self, records: Iterable[Record]) -> None:
        """Go on where an earlier run stopped: ``records`` are those that had not ended."""
        left = list(records)
        self.auditing.trail.restore(left)
        await self.holding.restore(left)
        self.requests.restore(left)

    @property
    def parts(self) -> dict[str, Part]:
        """What runs of its own."""
        return {
            "holds": self.holding.run,
            "auditing": self.auditing.run,
            "requests": self.requests.run,
            "disclosures": self.disclosures.run,
        }

    def recordings(self, recording: Recorder) -> Recordings:
        """What people ask of recordings."""
        return Recordings(
            pipeline=self.pipeline,
            keeping=self.keeping,
            auditing=self.auditing,
            vault=recording.vault,
            capturing=recording.captures,
            reader=self.reader,
            held=self.holding.keeps,
            destroying=self.holding.destroying,
            clock=now_ms,
            new_id=new_id,
        )

    def routes(self, recordings: Recordings, lifetimes: Lifetimes) -> list[Routes]:
        """The questions, each with whoever answers it."""
        plan = calls.plan(self.config)
        accounts = Accounts(auditing=self.auditing, reader=self.reader, plan=plan, clock=now_ms)
        importing = Importing(
            keeping=self.keeping,
            auditing=self.auditing,
            reader=self.reader,
            changing=lifetimes.passing.changing,
            plan=plan,
            zone=ZoneInfo(ZONE),
            clock=now_ms,
            new_id=new_id,
        )
        consents = Consents(
            auditing=self.auditing, keep=self.keeping.keep, reader=self.reader, clock=now_ms, new_id=new_id
        )
        subjects = Subjects(
            find=self.requests.find,
            auditing=self.auditing,
            erasing=lifetimes.eraser,
            canary=lifetimes.canary,
            services=importing,
            reword=self.pipeline.engine.consents.reworded,
            keep=self.keeping.keep,
            reader=self.reader,
            plan=plan,
            clock=now_ms,
        )
        return [
            partial(recording_views.add, controls=recordings),
            partial(audit_views.add, controls=self.auditing),
            partial(hold_views.add, controls=self.holding, purging=Purging(lifetimes.purger)),
            partial(request_views.add, controls=self.requests),
            partial(account_views.add, controls=accounts, importing=importing),
            partial(disclosure_views.add, controls=self.disclosures, consents=consents),
            partial(subject_views.add, controls=subjects),
        ]
