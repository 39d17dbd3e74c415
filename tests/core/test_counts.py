"""What the engine counts for the metrics as it goes, so that a scrape walks through nothing."""

from collections import Counter
from dataclasses import replace
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Certainty, Registration
from agent.core.signals import ChannelUp, EmergencyStage, Signal, Stage
from agent.core.sites import Site, Sites, Spot
from tests.core.any_signal import SIGNALS

NOON = 1_795_348_800_000
LEEDS = Site(id="leeds", name="Leeds", street="Park Row", town="Leeds", postcode="LS1 4AP")
SITES = Sites(sites={"leeds": LEEDS}, networks={}, lines={"201": Spot(site=LEEDS)})


def engine() -> Engine:
    ids = count()
    return Engine(policy=Policy(), link=Linker(b"salt"), new_id=lambda: f"id-{next(ids)}")


def walked(running: Engine) -> Counter[tuple[str, Certainty | None]]:
    return Counter((span.device.vendor, span.certainty) for span in running.registrar.spans.values())


@given(st.lists(st.one_of(SIGNALS, st.sampled_from(["tick", "moved", "restart"])), max_size=40))
def test_phones_are_counted_by_vendor_and_certainty_as_a_walk_would_count_them(heard: list[Signal | str]) -> None:
    running, kept = engine(), dict[str, Registration]()
    for at, signal in enumerate(heard, NOON):
        match signal:
            case "tick":
                outputs = list(running.tick(at + 600_000))
            case "moved":
                outputs = running.relocate(None if running.sites else SITES, at)
            case "restart":
                running, outputs = engine(), []
                running.restore(kept.values())
            case _:
                assert isinstance(signal, Signal)
                outputs = list(running.step(signal))
        for output in outputs:
            if isinstance(output, Registration):
                kept[output.id] = output
                if output.ended_at is not None:
                    del kept[output.id]
        assert running.registrar.counts == walked(running)


DIALLED = EmergencyStage(
    at=NOON, channel="c1", linked="c1", line="201", stage=Stage.DIALLED, call="c1", number="999", trunk=None,
    attempt=0, test=False,
)  # fmt: skip


def back(stage: Stage, linked: str, channel: str = "psap") -> EmergencyStage:
    return replace(DIALLED, at=NOON + 600_000, stage=stage, linked=linked, channel=channel)


def hear(running: Engine, *signals: Signal) -> Engine:
    for signal in signals:
        list(running.step(signal))
    return running


def test_a_call_back_that_nobody_took_counts_once_however_often_it_is_told() -> None:
    running = hear(engine(), DIALLED, replace(DIALLED, stage=Stage.ENDED, at=NOON + 9_000))
    missed = back(Stage.CALLBACK, "back-1"), back(Stage.CALLBACK_ENDED, "back-1")
    hear(running, *missed, *missed, *(replace(told, journal=True) for told in missed))
    assert running.desk.missed == 1
    taken = back(Stage.CALLBACK, "back-2"), back(Stage.CALLBACK_ANSWERED, "back-2", "phone")
    hear(running, *taken, back(Stage.CALLBACK_ENDED, "back-2"))
    assert running.desk.missed == 1
    hear(running, back(Stage.CALLBACK_ENDED, "back-3"))
    assert running.desk.missed == 2


def test_a_call_back_of_a_rehearsal_or_of_nobody_is_not_missed() -> None:
    ended = back(Stage.CALLBACK_ENDED, "back-1")
    assert hear(engine(), ended).desk.missed == 0
    rehearsed = hear(engine(), replace(DIALLED, test=True), replace(ended, test=True))
    assert rehearsed.desk.missed == 0


def test_only_what_nothing_else_had_told_is_recovered_from_the_journal() -> None:
    ended = replace(DIALLED, stage=Stage.ENDED, at=NOON + 9_000)
    journal = replace(DIALLED, journal=True), replace(ended, journal=True)
    assert hear(engine(), DIALLED, ended, *journal).desk.recovered == 0
    up = ChannelUp(at=NOON, channel="c1", linked="c1", line="201", number="999")
    assert hear(engine(), up, journal[0]).desk.recovered == 0, "plain call events had told it"
    assert hear(engine(), DIALLED, *journal, *journal).desk.recovered == 1
    assert hear(engine(), *journal).desk.recovered == 2
    rehearsed = (replace(told, test=True) for told in journal)
    assert hear(engine(), *rehearsed).desk.recovered == 0
