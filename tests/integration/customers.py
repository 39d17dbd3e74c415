"""Two customers in a store of their own, with a record of every kind that is a line's; and what erases one of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from agent.core.holds import Holds
from agent.core.records import (
    Account,
    Call,
    CallOutcome,
    Calls,
    Content,
    ContentClass,
    ContentState,
    Direction,
    Emergency,
    How,
    IpSource,
    NumberClass,
    OptIn,
    Outcome,
    Record,
    Recording,
    RecordingState,
    Registration,
    RetentionClass,
    Service,
    Text,
    TextOutcome,
    TextSize,
    Trigger,
)
from agent.duties.erasing import Eraser
from agent.stores.erasures import Erasures
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.vault import Keyring
from tests.scenarios.made import AT, emergency

DAY_MS = 86_400_000
KEY = bytes(range(32))
CONTENT = "00c0ffee00c0ffee"


def call(id: str, line: str = "201", at: int = AT, **changes: Any) -> Call:
    """An outgoing one of a minute, that stands on the bill."""
    return replace(
        Call(
            id=id,
            call=id,
            line=line,
            direction=Direction.OUTGOING,
            number_class=NumberClass.MOBILE,
            number="07700900123",
            started_at=at,
            duration_s=70,
            billable_s=60,
            outcome=CallOutcome.ANSWERED,
            itemised=True,
        ),
        **changes,
    )


def text(id: str, line: str = "201", at: int = AT, **changes: Any) -> Text:
    """An outgoing one, that stands on the bill."""
    sent = Text(
        id=id,
        line=line,
        direction=Direction.OUTGOING,
        number_class=NumberClass.MOBILE,
        number="07700900123",
        at=at,
        size=TextSize.SHORT,
        outcome=TextOutcome.SENT,
        itemised=True,
    )
    return replace(sent, **changes)


def registration(id: str, line: str = "201", at: int = AT, **changes: Any) -> Registration:
    """A span of an hour, over."""
    return replace(
        Registration(
            id=id,
            line=line,
            ip="203.0.113.7",
            ip_source=IpSource.SECURITY,
            transport="tls",
            vendor="Yealink",
            model="T46S",
            firmware="66",
            first_seen=at,
            last_seen=at + 3_600_000,
            refreshes=1,
            ended_at=at + 3_600_000,
        ),
        **changes,
    )


def recording(id: str = CONTENT, line: str = "201", at: int = AT, **changes: Any) -> tuple[Recording, Content]:
    """One that is over, and its content, sealed a moment later."""
    tape = Recording(
        id=id,
        line=line,
        leg="caller",
        trigger=Trigger.BUTTON,
        opted_in=True,
        started_at=at,
        stopped_at=at + 9_000,
        state=RecordingState.STOPPED,
    )
    tape = replace(tape, **changes)
    content = Content(
        id=id,
        line=line,
        kept_as=ContentClass.USER,
        state=ContentState.KEPT,
        began_at=at,
        stored_at=(tape.stopped_at or at) + 100,
        size_bytes=10,
        duration_ms=9_000,
    )
    return tape, content


def optin(id: str, line: str = "201", at: int = AT, **changes: Any) -> OptIn:
    """A standing one."""
    given = OptIn(id=id, line=line, trigger=Trigger.SERVICE, calls=Calls.ALL, how=How.COMMAND, given_at=at, by="sam")
    return replace(given, **changes)


def account(reference: str, line: str, *, since: int = AT - 400 * DAY_MS, until: int | None) -> list[Account | Service]:
    """One with a line and a number."""
    number = f"0113496{line:0>4}"
    return [
        Account(id=f"a-{reference}", account=reference, opened_at=since, closed_at=until),
        Service(id=f"l-{reference}", account=reference, line=line, from_at=since, until_at=until),
        Service(id=f"n-{reference}", account=reference, number=number, from_at=since, until_at=until),
    ]


def of_line(line: str, at: int = AT) -> list[Record]:
    """A record of every kind that is a line's."""
    content = CONTENT if line == "201" else f"{int(line):016x}"
    return [
        call(f"c-{line}", line, at),
        call(f"u-{line}", line, at, direction=Direction.INCOMING, itemised=False),
        text(f"t-{line}", line, at),
        registration(f"r-{line}", line, at),
        *recording(content, line, at),
        optin(f"o-{line}", line, at),
        replace(emergency(id=f"e-{line}", outcome=Outcome.ANSWERED), line=line, started_at=at, ended_at=at + 9_000),
    ]


class Killed(BaseException):
    """The agent is gone."""


@dataclass
class Erased:
    """A store, what erases in it, and what is asked of it beside; ``kills_at`` the so-manieth step."""

    folder: Path
    store: SqliteStore
    eraser: Eraser
    fields: Fields | None = None
    holds: Holds = field(default_factory=Holds)
    destroyed: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    kills_at: int = 0
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kills_at:
            raise Killed

    def left(self, *kinds: type[Record]) -> list[str]:
        with SqliteReader(self.folder / "agent.sqlite", self.fields) as reader:
            return sorted(record.id for kind in kinds for record in reader.read(kind.KIND))

    def stored(self, kind: type[Any]) -> list[Any]:
        with SqliteReader(self.folder / "agent.sqlite", self.fields) as reader:
            return list(reader.read(kind.KIND))


KINDS: tuple[type[Record], ...] = (Call, Text, Registration, Recording, Content, OptIn, Emergency, Account, Service)


class _Stepping:
    """The store or the ledger, of which every change is a step that a kill may come before, or behind."""

    def __init__(self, inner: Any, step: Callable[[], None], changes: tuple[str, ...]) -> None:
        self._inner, self._step, self._changes = inner, step, changes

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._changes:
            return found

        async def waited(*args: Any, **more: Any) -> Any:
            self._step()
            done = await found(*args, **more)
            self._step()
            return done

        def done(*args: Any, **more: Any) -> Any:
            self._step()
            result = found(*args, **more)
            self._step()
            return result

        return waited if asyncio.iscoroutinefunction(found) else done


@asynccontextmanager
async def erasing(
    folder: Path, *, at: int = AT + DAY_MS, vault: bool = True, locked: bool = False
) -> AsyncIterator[Erased]:
    """What erases in the store in ``folder``, beside which its ledger lies; opt-ins are withdrawn as the agent does.

    ``locked``: personal fields are, with the keys of a keyring in ``folder``.
    """
    path = folder / "agent.sqlite"
    keyring = Keyring(folder / "agent.keys", bytes(range(32))) if locked else None
    fields = None if keyring is None else Fields(path, lambda: keyring, lambda: at)
    store = await SqliteStore.open(path, fields=fields)
    numbers = count(1)

    def destroy(id: str) -> None:
        made.step()
        made.destroyed.append(id)

    def forget(owner: str) -> None:
        made.step()
        made.forgotten.append(owner)
        assert keyring is not None
        keyring.destroy_account(owner)
        made.step()

    async def withdraw(given: OptIn) -> None:
        made.step()
        made.withdrawn.append(given.id)
        await store.commit([replace(given, withdrawn_at=at, withdrawn_by="erasure")], durable=True)

    ledger = Erasures(folder / "agent.keys.erasures", KEY)
    eraser = Eraser(
        store=_Stepping(store, lambda: made.step(), ("remove", "checkpoint")),
        reader=lambda: SqliteReader(path, fields),
        ledger=_Stepping(ledger, lambda: made.step(), ("write",)),
        destroy=destroy if vault else None,
        withdraw=withdraw,
        retire=store.retire_lines,
        forget=None if keyring is None else forget,
        holds=lambda: made.holds,
        gate=asyncio.Lock(),
        days=lambda kind: {RetentionClass.VAT: 2192}.get(kind, 365),
        clock=lambda: at,
        new_id=lambda: f"id-{next(numbers)}",
    )
    made = Erased(folder=folder, store=store, eraser=eraser, fields=fields)
    try:
        yield made
    finally:
        await store.close()
        if keyring is not None:
            keyring.close()
