"""Whatever is heard and asked, in any order: nothing is recorded without a grant, and every opt-in of a call ends."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from hypothesis import event, given
from hypothesis import strategies as st

from agent.core.book import LINGER_MS
from agent.core.engine import Engine, Output
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.recording import ENDED
from agent.core.records import Calls, OptIn, Record, Recording, Trigger
from agent.core.signals import (
    Ask,
    CaptureChanged,
    CaptureOrder,
    ChannelDown,
    ChannelUp,
    EmergencyStage,
    Joined,
    LiveChannel,
    LiveChannelsListed,
    Lookup,
    OnChannel,
    Order,
    Parted,
    RecordingAsked,
    Signal,
    Wish,
)
from agent.core.tapes import Grant
from tests.core.any_signal import SIGNALS, of_kind
from tests.core.test_memory import sizes

T = TypeVar("T")

NOON = 1_795_348_800_000
CHANNELS = ("c1", "c2", "c3", "c4", "c5", "c6")
#: Those that a recording depends on, more often than the others.
_OFTEN = (
    CaptureChanged,
    CaptureChanged,
    RecordingAsked,
    Joined,
    Parted,
    ChannelDown,
    LiveChannel,
    LiveChannelsListed,
    EmergencyStage,
)


@dataclass(frozen=True)
class Withdraw:
    """Whichever opt-in stands longest is taken back."""


@dataclass(frozen=True)
class Restart:
    """Another agent takes up what is stored."""


@dataclass(frozen=True)
class Command:
    """Somebody asks, by command, something of the latest recording."""

    ask: Ask


@dataclass(frozen=True)
class Answer:
    """Asterisk answers that it captures the latest recording, or else ``name`` unasked."""

    name: str | None


#: Asterisk's channels always have a Uniqueid and a name.
HEARD = st.one_of(SIGNALS, *map(of_kind, _OFTEN)).filter(
    lambda signal: not isinstance(signal, OnChannel) or (signal.channel != "" and getattr(signal, "name", "c1") != "")
)
WISHES = st.builds(
    Wish,
    at=st.integers(NOON, NOON + 700_000),
    channel=st.sampled_from(CHANNELS),
    linked=st.sampled_from(CHANNELS),
    line=st.sampled_from(["201", "202"]),
    leg=st.sampled_from(["caller", "callee"]),
    trigger=st.sampled_from(Trigger),
    calls=st.sampled_from(Calls),
)
WHAT = st.one_of(
    HEARD,
    HEARD,
    WISHES,
    st.builds(Withdraw),
    st.builds(Restart),
    st.builds(Command, st.sampled_from(Ask)),
    st.builds(Answer, st.none() | st.sampled_from(CHANNELS)),
)


class World:
    """One agent after another, the store, and every grant."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.ids = count()
        self.store: dict[str, Record] = {}
        self.granted: set[str] = set()
        self.orders: list[CaptureOrder] = []
        self.start()
        for line, trigger in (("201", Trigger.SERVICE), ("202", Trigger.CUSTOMER_SERVICE)):
            self.keep(self.engine.consents.add(line, trigger, Calls.ALL, "asked", "ann", NOON))

    def start(self) -> None:
        self.engine = Engine(policy=self.policy, link=Linker(b"key"), new_id=lambda: f"id-{next(self.ids)}")
        self.engine.restore([record for record in self.store.values() if _open(record)])
        self.engine.consents.settle({given.id: None for given in self.engine.consents.standing()})
        self.engine.synchronise()

    def keep(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, CaptureOrder):
                self.orders.append(output)
                if output.order is Order.BEGIN:
                    self.granted.add(output.recording)
            elif not isinstance(output, Lookup):
                self.store[output.id] = output

    def of(self, kind: type[T]) -> list[T]:
        return [record for record in self.store.values() if isinstance(record, kind)]

    def does(self, what: object) -> None:
        tapes = self.engine.tapes
        running = [tape.id for tape in tapes.book.states.values() if tape.state not in ENDED]
        match what:
            case Signal():
                self.keep(self.engine.step(what))
            case Wish():
                grant = tapes.grant(what)
                if isinstance(grant, Grant):
                    self.granted.add(grant.id)
                    self.keep(grant.records)
            case Withdraw():
                for optin in self.engine.consents.standing()[:1]:
                    self.keep(self.engine.withdraw(optin.id, "ann", NOON))
            case Restart():
                self.start()
            case Command():
                if running:
                    self.keep(tapes.ask(running[-1], what.ask, NOON)[1])
            case Answer(None):
                self.keep(tapes.found_captured(running[-1] if running else "unknown", NOON))
            case Answer(str(name)):
                self.keep(tapes.found_unasked(name, NOON))


def _open(record: Record) -> bool:
    if isinstance(record, Recording):
        return record.state not in ENDED
    return not isinstance(record, OptIn) or record.withdrawn_at is None


def check(world: World) -> None:
    recordings = world.of(Recording)
    by_optin = {record.optin: record for record in recordings if record.optin is not None}
    for record in recordings:
        assert not record.opted_in or record.id in world.granted, "by a grant, or not opted in"
        assert record.opted_in == (record.optin is not None) == (record.trigger is not Trigger.NONE)
    for optin in world.of(OptIn):
        if optin.calls is Calls.ONE:
            assert (optin.withdrawn_at is None) == _open(by_optin[optin.id]), "it lasts as long as its recording"
    assert all(order.recording in world.store for order in world.orders if order.recording)
    assert all(order.name for order in world.orders)
    up = [tape.channel for tape in world.engine.tapes.book.states.values() if tape.state not in ENDED]
    assert len(up) == len(set(up)), "one recording a channel"
    for tape in world.engine.tapes.book.states.values():
        if tape.state not in ENDED:
            assert world.engine.tapes.book.find(tape.channel) is tape, "what runs can be heard of"


POLICIES = st.builds(Policy, emergencies_recorded=st.booleans())


@given(POLICIES, st.lists(WHAT, max_size=40))
def test_nothing_is_recorded_without_a_grant_and_every_opt_in_ends_with_its_recording(
    policy: Policy, doings: list[object]
) -> None:
    world = World(policy)
    for what in doings:
        world.does(what)
        check(world)
    event(f"{min(len(world.granted), 4)} granted")


@given(POLICIES, st.lists(WHAT, max_size=40))
def test_when_the_calls_are_over_nothing_is_left_open_or_in_memory(policy: Policy, doings: list[object]) -> None:
    world = World(policy)
    for what in doings:
        world.does(what)
    tapes = world.engine.tapes
    for channel in CHANNELS:
        world.does(ChannelDown(at=NOON, channel=channel, linked=channel, line=None))
    world.does(LiveChannelsListed(at=NOON))
    assert all(record.state in ENDED and record.stopped_at is not None for record in world.of(Recording))
    for at in (0, LINGER_MS + 1):
        list(tapes.tick(NOON + at))
    assert not {
        name: size
        for name, size in sizes(tapes, tapes.book, tapes.bridges, tapes.consents).items()
        if size and name not in ("Consents._standing", "Consents._until")
    }


@given(POLICIES, st.lists(WHAT, max_size=30), st.sampled_from(CHANNELS), st.sampled_from([*Trigger]))
def test_no_leg_of_an_emergency_nor_who_hears_it_is_ever_granted(
    policy: Policy, doings: list[object], channel: str, trigger: Trigger
) -> None:
    world = World(policy)
    world.does(ChannelUp(at=NOON, channel="e", linked="e", line="203", number="999"))
    for what in doings:
        world.does(what)
    world.does(Joined(at=NOON, channel="e", linked="e", line="203", bridge="b", name="e"))
    world.does(Joined(at=NOON, channel=channel, linked=channel, line="201", bridge="b", name=channel))
    before = dict(world.store)
    for asker in ("e", channel):
        world.does(
            Wish(at=NOON, channel=asker, linked=asker, line="201", leg="caller", trigger=trigger, calls=Calls.OUTGOING)
        )
    assert world.store == before
    for tape in world.engine.tapes.book.states.values():
        if tape.channel in ("e", channel) and tape.opted_in and tape.state == "recording":
            stopped = {order.recording for order in world.orders if order.order is Order.STOP}
            assert tape.id in stopped or (policy.emergencies_recorded and tape.trigger is Trigger.SERVICE)
