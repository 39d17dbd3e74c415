"""A store in a folder, what was promised of it, and what the probes find, also once somebody has spoiled it."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from agent.config import Config
from agent.core.records import (
    Call,
    CallOutcome,
    Content,
    ContentClass,
    ContentState,
    Direction,
    Hold,
    How,
    IpSource,
    NumberClass,
    OptIn,
    Pause,
    Record,
    Recording,
    RecordingState,
    Registration,
    RetentionClass,
    Text,
    TextOutcome,
    TextSize,
    Trigger,
)
from agent.core.records import Calls as Which
from agent.duties.promises import PROBES, Places, Result, Scene, State, Terms
from agent.duties.voicemail import Terms as VoicemailTerms
from agent.stores.erasures import Erasures
from agent.stores.sqlite import Fields, SqliteStore
from agent.stores.sqlite.survey import SqliteSurvey
from agent.stores.vault import Keyring
from agent.stores.vault.signing import Signer, proves
from tests.scenarios.made import AT

DAY_MS = 86_400_000
RETENTION = Config().retention


class Promised:
    """A store in ``folder``, looked at at the instant `AT`; ``keyed``: what is personal in it is encrypted."""

    def __init__(self, folder: Path, *, keyed: bool = False) -> None:
        folder.chmod(0o700)
        self.folder = folder
        self.store = folder / "agent.sqlite"
        keyring = Keyring(folder / "agent.sqlite.keys", bytes(32)) if keyed else None
        self.fields = None if keyring is None else Fields(self.store, lambda: keyring, lambda: AT)
        self.ledger = Erasures(folder / "agent.sqlite.keys.erasures", bytes(32))
        self.signer = Signer(folder / "agent.sqlite.keys")
        self.keep()

    def keep(self, *records: Record) -> None:
        """Store these."""

        async def work() -> None:
            store = await SqliteStore.open(self.store, fields=self.fields)
            await store.commit(records, durable=True)
            await store.close()

        asyncio.run(work())

    def spoil(self, sql: str, *values: object) -> None:
        """Change the store behind the agent's back."""
        with closing(sqlite3.connect(self.store)) as connection, connection:
            assert connection.execute(sql, values).rowcount != 0

    def triggers(self, table: str) -> list[str]:
        """What keeps the table from being changed."""
        with closing(sqlite3.connect(self.store)) as connection:
            statement = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?"
            return [name for (name,) in connection.execute(statement, (table,))]

    def scene(self, *, opened: bool = True, **places: Any) -> Scene:
        """What the probes are shown; without ``opened`` they have no keys."""
        store, fields = self.store, self.fields if opened else None
        return Scene(
            at=AT,
            survey=lambda: SqliteSurvey(store, fields),
            ledger=lambda: self.ledger,
            places=Places(
                store=store,
                keyring=self.folder / "agent.sqlite.keys",
                socket=self.folder / "agent.sqlite.sock",
                key=self.folder / "agent.sqlite.key",
                erasures=self.folder / "agent.sqlite.keys.erasures",
                bundles=self.folder / "agent.sqlite.disclosures",
                **places,
            ),
            terms=Terms(
                days={kind: RETENTION.days(kind) for kind in RetentionClass},
                content_days={kind: RETENTION.content_days(kind) for kind in ContentClass},
                bundle_days=7,
            ),
            voicemail=VoicemailTerms(),
            voicemail_every_h=24,
            probe_late_after_s=15,
            signed=lambda text, signature: proves(self.signer.public, signature, text),
        )

    def found(self, id: str, scene: Scene | None = None) -> Result:
        """What a probe finds."""
        result = PROBES[id](scene or self.scene())
        assert result.id == id
        assert result.evidence
        assert "\n" not in result.evidence
        return result

    def kept(self, id: str, scene: Scene | None = None) -> str:
        """The evidence of a promise that is kept."""
        result = self.found(id, scene)
        assert result.state is State.OK, result.evidence
        return result.evidence

    def broken(self, id: str, *words: str, scene: Scene | None = None) -> None:
        """A promise is broken, and the evidence says so in these words."""
        result = self.found(id, scene)
        assert result.state is State.BROKEN, result.evidence
        for word in words:
            assert word in result.evidence


def span(**values: Any) -> Registration:
    """A registration that goes on."""
    made = Registration(
        id="00000000000000a1",
        line="201",
        ip="192.0.2.7",
        ip_source=IpSource.SECURITY,
        transport="tls",
        vendor="Yealink",
        model="T46U",
        firmware="108",
        first_seen=AT - DAY_MS,
        last_seen=AT,
        refreshes=3,
    )
    return replace(made, **values)


def leg(**values: Any) -> Call:
    """A call that may be billed."""
    made = Call(
        id="00000000000000c1",
        call="00000000000000c0",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.GEOGRAPHIC,
        started_at=AT - DAY_MS,
        duration_s=9,
        billable_s=7,
        outcome=CallOutcome.ANSWERED,
        itemised=True,
    )
    return replace(made, **values)


def sent(**values: Any) -> Text:
    """A text that may be billed."""
    made = Text(
        id="00000000000000e1",
        line="201",
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        at=AT - DAY_MS,
        size=TextSize.SHORT,
        outcome=TextOutcome.SENT,
        itemised=True,
    )
    return replace(made, **values)


def hold(**values: Any) -> Hold:
    """A legal hold that keeps the recordings of a line."""
    made = Hold(
        id="00000000000000f1",
        lines=("201",),
        kinds=("recordings",),
        authority="county court",
        reference="K00LS123",
        placed_at=AT - DAY_MS,
        placed_by="privacy officer",
        reviewer="privacy officer",
        review_at=AT + DAY_MS,
    )
    return replace(made, **values)


RECORDING = "00000000000000d1"


def recorded(**values: Any) -> tuple[OptIn, Recording, Content]:
    """A recording of 10 s that somebody asked for, with a pause of 4 s in it; ``values`` are of its content."""
    optin = OptIn(
        id="00000000000000d0",
        line="201",
        trigger=Trigger.BUTTON,
        calls=Which.ONE,
        how=How.PRESS,
        given_at=AT - DAY_MS,
        withdrawn_at=AT - DAY_MS + 10_000,
    )
    recording = Recording(
        id=RECORDING,
        line="201",
        leg="caller",
        trigger=Trigger.BUTTON,
        opted_in=True,
        started_at=AT - DAY_MS,
        stopped_at=AT - DAY_MS + 10_000,
        pauses=(Pause(paused_at=AT - DAY_MS + 3_000, resumed_at=AT - DAY_MS + 7_000),),
        state=RecordingState.STOPPED,
        optin=optin.id,
    )
    content = Content(
        id=RECORDING,
        line="201",
        kept_as=ContentClass.USER,
        state=ContentState.KEPT,
        began_at=AT - DAY_MS,
        stored_at=AT - DAY_MS + 11_000,
        size_bytes=96_044,
        duration_ms=6_000,
    )
    return optin, recording, replace(content, **values)
