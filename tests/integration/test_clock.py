"""The clock notices when it is set, and lets nothing be deleted for it."""

from dataclasses import dataclass

import pytest

from agent.clock import DOUBTED_MS, Clock

SECOND = 1_000_000_000
HOUR_MS = 3_600_000


@dataclass
class Machine:
    """What a clock reads: nanoseconds, and how long the second reading is kept waiting."""

    wall: int = 1_795_348_800 * SECOND
    elapsed: int = 5 * SECOND
    sleeps: int = 0

    def clock(self) -> tuple[Clock, list[tuple[int, int]]]:
        jumps: list[tuple[int, int]] = []
        clock = Clock(self.read_wall, lambda: self.elapsed)
        clock.jumped = lambda by_ms, at: jumps.append((by_ms, at))
        return clock, jumps

    def read_wall(self) -> int:
        was = self.wall
        self.goes_on(self.sleeps)
        self.sleeps = 0
        return was

    def goes_on(self, ns: int) -> None:
        self.wall += ns
        self.elapsed += ns


@pytest.mark.parametrize("by_s", [1, -1, 3600, -3600])
def test_a_jump_is_told_once_by_how_much(by_s: int) -> None:
    machine = Machine()
    clock, jumps = machine.clock()
    machine.goes_on(SECOND)
    clock()
    machine.wall += by_s * SECOND
    for _ in range(3):
        machine.goes_on(SECOND)
        clock()
    assert [by_ms for by_ms, _ in jumps] == [by_s * 1000]
    assert clock() == machine.wall // 1_000_000


def test_what_creeps_and_who_sleeps_is_no_jump() -> None:
    machine = Machine()
    clock, jumps = machine.clock()
    for _ in range(100):
        machine.goes_on(SECOND)
        machine.wall += SECOND // 10
        clock()
    machine.sleeps = 20 * SECOND
    clock()
    clock()
    assert jumps == []


def test_nothing_is_deleted_for_a_jump_until_it_has_stood_for_a_day() -> None:
    machine = Machine()
    clock, _ = machine.clock()
    machine.wall += 3600 * SECOND
    assert clock() - clock.for_deletion() == HOUR_MS
    machine.goes_on((DOUBTED_MS // 1000 - 1) * SECOND)
    assert clock() - clock.for_deletion() == HOUR_MS
    machine.goes_on(2 * SECOND)
    assert clock() == clock.for_deletion()


def test_a_jump_that_was_taken_back_leaves_nothing_and_one_back_delays_nothing() -> None:
    machine = Machine()
    clock, _ = machine.clock()
    machine.wall += 3600 * SECOND
    clock()
    machine.wall -= 3600 * SECOND
    assert clock() == clock.for_deletion()
    machine.wall -= 3600 * SECOND
    assert clock() == clock.for_deletion()
