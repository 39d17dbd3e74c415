"""A purge that ends between any two files leaves whole messages alone, and the next one goes on where it was."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.duties.voicemail import Order, Report, Terms, purge
from agent.duties.voicemail.lock import ASTERISKS, OURS
from tests.integration.voicemails import NOW, Nobody, killed, leave, purged, rest, sounds

#: Two go, two of the others are renumbered: each has an index and three recordings.
STEPS = 2 * 4 + 2 * 7


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def inbox(spool: Path) -> Path:
    return spool / "default" / "201" / "INBOX"


def fill(spool: Path) -> list[bytes]:
    """What the messages hold that must stay, in their order."""
    kept = []
    for number, days in enumerate([3, 40, 2, 50, 1]):
        sound = leave(inbox(spool), number, days=days)
        if days < 30:
            kept.append(sound)
    return kept


def at_step(number: int, act: Callable[[], None]) -> Callable[[], None]:
    left = number

    def pace() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            act()

    return pace


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_between_two_files(spool: Path, step: int) -> None:
    kept = fill(spool)
    killed(spool, step)
    # Asterisk stays out until the next purge: the killed one's lock is still there.
    assert (inbox(spool) / ASTERISKS).exists()
    whole = sounds(inbox(spool))
    assert [sound for sound in whole if sound in kept] == kept
    purged(spool)
    assert not (inbox(spool) / ASTERISKS).exists()
    assert not (spool / OURS).exists()
    # The killed one had written to the folder just now, so it counts as in use.
    rest(inbox(spool))
    purged(spool)
    assert sounds(inbox(spool)) == kept
    assert sorted(path.name for path in inbox(spool).iterdir()) == sorted(
        f"msg{number:04d}.{ending}" for number in range(3) for ending in ("txt", "gsm", "wav", "WAV")
    )


def test_that_is_every_step(spool: Path) -> None:
    fill(spool)
    steps: list[None] = []
    purged(spool, pace=lambda: steps.append(None))
    assert len(steps) == STEPS


@pytest.mark.parametrize("step", range(STEPS))
def test_a_step_that_fails_unlocks_the_folder(spool: Path, step: int) -> None:
    kept = fill(spool)

    def fail() -> None:
        raise RuntimeError("between two files")

    with pytest.raises(RuntimeError):
        purged(spool, pace=at_step(step, fail))
    assert not (inbox(spool) / ASTERISKS).exists()
    assert [sound for sound in sounds(inbox(spool)) if sound in kept] == kept
    rest(inbox(spool))
    purged(spool)
    assert sounds(inbox(spool)) == kept


def test_asterisk_may_leave_a_message_before_the_rest_is_removed(spool: Path) -> None:
    leave(inbox(spool), 0, days=2)
    leave(inbox(spool), 1, days=40)

    def fail() -> None:
        raise RuntimeError("between two files")

    with pytest.raises(RuntimeError):
        purged(spool, pace=at_step(2, fail))
    # Asterisk takes the next number after the last index, whose other recordings are still there.
    fresh = leave(inbox(spool), 1, days=0.5)
    purged(spool)
    assert sounds(inbox(spool))[1] == fresh


async def test_cancelled_it_ends_between_two_files(spool: Path) -> None:
    kept = fill(spool)
    reached, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def pace() -> None:
        loop.call_soon_threadsafe(reached.set)
        go_on.wait()

    running = asyncio.create_task(purge(Order(spool=spool, terms=Terms(), at=NOW, pace=pace), Nobody()))
    await reached.wait()
    running.cancel()
    loop.call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not (inbox(spool) / ASTERISKS).exists()
    rest(inbox(spool))
    report: Report = await purge(Order(spool=spool, terms=Terms(), at=NOW), Nobody())
    assert report.counts.failed == 0
    assert sounds(inbox(spool)) == kept
