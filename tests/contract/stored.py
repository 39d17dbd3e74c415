"""Stores of each kind, and records of each kind, for the tests of what every store promises."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Protocol

from agent.core.records import (
    RECORDS,
    Access,
    Account,
    Aggregate,
    Aggregated,
    Alarm,
    Asks,
    Audit,
    AuditUse,
    Blind,
    Call,
    CallOutcome,
    Calls,
    Cause,
    Consent,
    Content,
    ContentClass,
    ContentState,
    Deletion,
    Detail,
    Devices,
    Direction,
    Emergency,
    Entry,
    Failure,
    Ground,
    Hold,
    How,
    IpSource,
    Line,
    Look,
    News,
    Notice,
    NumberClass,
    OptIn,
    Outcome,
    Path,
    Probe,
    Purge,
    Reason,
    Record,
    Recording,
    RecordingState,
    Registration,
    Request,
    RetentionClass,
    SeenBy,
    SegmentRoot,
    Service,
    Severity,
    Text,
    TextOutcome,
    TextSize,
    Traffic,
    Trigger,
    Use,
    Verdict,
)
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.vault import Keyring

AT = 1_795_380_280_123
HOUR = 3_600_000
LAST_INSTANT = 253_402_300_799_999


KINDS = [record.KIND for record in RECORDS]


class Backend(Protocol):
    """One kind of store in a folder of its own."""

    def __init__(self, folder: FilePath) -> None: ...

    async def open(self) -> SqliteStore: ...

    def reader(self) -> SqliteReader: ...


class Sqlite:
    def __init__(self, folder: FilePath) -> None:
        self.path = folder / "store.db"

    async def open(self) -> SqliteStore:
        return await SqliteStore.open(self.path)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path)


class Encrypted(Sqlite):
    """The same with a keyring."""

    def __init__(self, folder: FilePath) -> None:
        super().__init__(folder)
        self.fields = Fields(self.path, cache(lambda: Keyring(folder / "keys", bytes(32))), lambda: AT)

    async def open(self) -> SqliteStore:
        return await SqliteStore.open(self.path, fields=self.fields)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path, self.fields)


BACKENDS: dict[str, type[Backend]] = {"sqlite": Sqlite, "encrypted": Encrypted}


def registration(name: str, at: int = AT, **changes: Any) -> Registration:
    return replace(
        Registration(
            id=name,
            line="201",
            ip="203.0.113.7",
            ip_source=IpSource.SECURITY,
            transport="tls",
            vendor="Yealink",
            model="T46S",
            firmware="66",
            first_seen=at,
            last_seen=at + 60_000,
            refreshes=1,
        ),
        **changes,
    )


def emergency(name: str, at: int = AT, **changes: Any) -> Emergency:
    return replace(
        Emergency(
            id=name,
            line="201",
            number="999",
            ip=None,
            vendor=None,
            model=None,
            started_at=at,
            seen_by=SeenBy.DIALPLAN,
            links=("0f" * 16,),
        ),
        **changes,
    )


def recording(name: str, state: RecordingState, **changes: Any) -> Recording:
    return replace(
        Recording(id=name, line="201", leg="caller", trigger=Trigger.BUTTON, opted_in=True, state=state), **changes
    )


def failure(name: str, at: int = AT) -> Failure:
    return Failure(id=name, hour=at, cause="invalid_password", count=3)


def blind(name: str, at: int = AT, until: int | None = None) -> Blind:
    return Blind(id=name, session="express", cause="refused", from_at=at, until_at=until)


def alarm(name: str, **changes: Any) -> Alarm:
    return replace(
        Alarm(id=name, cause=Cause.EMERGENCY, subject="e", severity=Severity.CRITICAL, raised_at=AT - 9 * HOUR),
        **changes,
    )


def notice(name: str, **changes: Any) -> Notice:
    at = AT - 9 * HOUR
    return replace(
        Notice(id=name, alarm="a", cause=Cause.EMERGENCY, channel="desk", news=News.RAISED, raised_at=at, try_at=at),
        **changes,
    )


def optin(name: str, **changes: Any) -> OptIn:
    return replace(
        OptIn(
            id=name,
            line="201",
            trigger=Trigger.SERVICE,
            calls=Calls.ALL,
            how=How.COMMAND,
            by="sam",
            given_at=AT - 9 * HOUR,
        ),
        **changes,
    )


def content(name: str, at: int = AT, **changes: Any) -> Content:
    return replace(
        Content(
            id=name,
            line="201",
            kept_as=ContentClass.USER,
            state=ContentState.KEPT,
            began_at=at,
            stored_at=at,
            size_bytes=16_044,
            duration_ms=1000,
            sha256="0f" * 32,
            key="k1",
        ),
        **changes,
    )


def call(name: str, at: int = AT, **changes: Any) -> Call:
    return replace(
        Call(
            id=name,
            call="0f" * 16,
            line="201",
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            started_at=at,
            duration_s=9,
            billable_s=7,
            outcome=CallOutcome.ANSWERED,
            itemised=True,
        ),
        **changes,
    )


def text(name: str, at: int = AT, **changes: Any) -> Text:
    return replace(
        Text(
            id=name,
            line="201",
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            at=at,
            size=TextSize.SHORT,
            outcome=TextOutcome.SENT,
            itemised=True,
        ),
        **changes,
    )


def account(name: str, **changes: Any) -> Account:
    return replace(Account(id=name, account=f"A-{name}", opened_at=AT - 9 * HOUR), **changes)


def request(name: str, **changes: Any) -> Request:
    asked = Request(id=name, account="A1001", asks=Asks.ACCESS, received_at=AT - HOUR, opened_by="sam", due_at=None)
    return replace(asked, **changes)


def service(name: str, **changes: Any) -> Service:
    return replace(Service(id=name, account=f"A-{name}", line="201", from_at=AT - 9 * HOUR), **changes)


def ids(records: Iterable[Record]) -> list[str]:
    return [record.id for record in records]


def counted(records: Iterable[Record]) -> set[tuple[str, int]]:
    """How many records there are of each batch, which is what their ids begin with."""
    return set(Counter(record.id.partition("-")[0] for record in records).items())


def deletion(name: str, at: int = AT, **changes: Any) -> Deletion:
    return replace(
        Deletion(
            id=name,
            at=at,
            of="registration",
            retention="registration",
            ground=Ground.EXPIRED,
            count=1,
            oldest_at=AT - HOUR,
            newest_at=AT - HOUR,
        ),
        **changes,
    )


def hold(name: str, **changes: Any) -> Hold:
    return replace(
        Hold(
            id=name,
            lines=("201", "202"),
            kinds=("calls",),
            authority="the county court at Leeds",
            reference="X-1",
            placed_at=AT - HOUR,
            placed_by="kim",
            reviewer="sam",
            review_at=AT + HOUR,
        ),
        **changes,
    )


def month_of_audit(segment: str, at: int, entries: int, *, closed: bool = True) -> list[Audit | SegmentRoot]:
    found: list[Audit | SegmentRoot] = [
        Audit(
            id=f"{number * 7 % 13:02d}-{segment}",
            segment=segment,
            seq=number,
            at=at + number,
            by="sam",
            use=AuditUse.LOOKED_UP,
            subject="A1001",
            salt="0f",
            commitment="c",
            reason="asked",
            chain=f"{segment}:{number}",
        )
        for number in range(1, entries + 1)
    ]
    if closed:
        root = SegmentRoot(
            id=f"root-{segment}", segment=segment, entries=entries, head="h", closed_at=at + HOUR, previous="", chain=""
        )
        found.append(root)
    return found


async def purged(
    store: SqliteStore,
    backend: Backend,
    kind: str,
    before: int,
    *,
    limit: int = 500,
    retention: RetentionClass | None = None,
) -> int:
    """What ended before is found and removed; how many went."""
    retention = RetentionClass.CALL if kind in ("call", "text") and retention is None else retention
    with backend.reader() as reader:
        due = reader.due(kind, before, limit, retention=retention)
    return await store.remove(kind, [each.id for each in due])


ENDED: list[Record] = [
    registration("closed", ended_at=AT),
    emergency("closed", ended_at=AT, outcome=Outcome.ANSWERED),
    recording("closed", RecordingState.STOPPED, started_at=AT - 5, stopped_at=AT),
    failure("closed", AT - HOUR),
    blind("closed", AT - 5, AT),
    Detail(id="closed", emergency="e", until_at=AT),
    Entry(id="closed", emergency="e", seq=1, at=AT, what="dialled", chain="00"),
    alarm("closed", closed_at=AT),
    notice("closed", done_at=AT),
    Look(id="closed", at=AT, by="sam", emergency="e", reason="the police asked"),
    Path(id="closed", context="phones", number="999", verdict=Verdict.OURS, route="", since_at=AT - 5, gone_at=AT),
    Probe(id="closed", at=AT),
    optin("closed", withdrawn_at=AT, withdrawn_by="kim"),
    content("closed", AT - HOUR, state=ContentState.DELETED, deleted_at=AT, reason=Reason.EXPIRED),
    Access(id="closed", at=AT, by="sam", recording="r", use=Use.PLAYED, reason="the customer asked"),
    Purge(id="closed", at=AT, done_at=AT + HOUR),
    Line(id="closed", name="202", since_at=AT - 9 * HOUR, until_at=AT),
    call("closed"),
    text("closed"),
    account("closed", closed_at=AT),
    service("ended", until_at=AT),
    deletion("closed"),
    Traffic(
        id="closed",
        day_at=AT,
        clock_hour=9,
        direction=Direction.OUTGOING,
        number_class=None,
        lines=10,
        attempts=12,
        answered=9,
        carried_s=700,
    ),
    Devices(id="closed", month_at=AT, vendor="Yealink", model="T46S", firmware=None, lines=10),
    Aggregate(id="closed", of=Aggregated.TRAFFIC, period_at=AT, at=AT + HOUR, cells=3),
    hold("closed", lifted_at=AT, lifted_by="sam", lifted_why="settled"),
    request("ended", closed_at=AT),
    Consent(
        id="closed",
        account="A1001",
        lines="201",
        party="p",
        kinds=("call",),
        purpose="asked",
        by="sam",
        given_at=AT - HOUR,
        expires_at=AT,
    ),
]
OPEN: list[Record] = [
    registration("open", AT - 9 * HOUR),
    emergency("open", AT - 9 * HOUR),
    recording("open", RecordingState.PAUSED, started_at=AT - 9 * HOUR, stopped_at=AT - 8 * HOUR),
    recording("waiting", RecordingState.OPTED_IN),
    blind("open", AT - 9 * HOUR),
    Detail(id="open", emergency="e"),
    alarm("open"),
    notice("open"),
    Path(id="open", context="phones", number="112", verdict=Verdict.WEAK, route="", since_at=AT - 9 * HOUR),
    optin("open"),
    optin("press", trigger=Trigger.BUTTON, calls=Calls.ONE, how=How.PRESS, by=None),
    content("open", AT - 9 * HOUR),
    account("open"),
    service("open"),
    hold("open"),
    request("open"),
]
