"""The machine's clock, and when it was set: emergencies' durations and every deletion go by it."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

#: A step of less is told by nothing: it is what a busy machine, or an NTP daemon that slews, looks like.
STEP_MS: Final = 1_000
#: For so long after the clock was put forward nothing is deleted that would not have been without.
DOUBTED_MS: Final = 86_400_000
#: Between two readings of the one clock the other has to be read within this.
_CLOSE_NS: Final = 50_000_000
_MS: Final = 1_000_000


def _elapsed_ns() -> int:
    """Since the machine was started, also asleep (CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Clock:
    """Milliseconds since 1970 UTC; a reading that finds the clock set tells ``jumped`` by how much, and of itself.

    ``wall`` and ``elapsed`` give nanoseconds: of the clock that people and NTP set, and of one that nobody can.
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, elapsed: Callable[[], int] = _elapsed_ns) -> None:
        self._wall, self._elapsed = wall, elapsed
        self.jumped: Callable[[int, int], None] = lambda _by_ms, _at: None
        self.jumps = 0
        #: When, by what nobody can set, and by how much.
        self._lately: deque[tuple[int, int]] = deque()
        wall_ns, elapsed_ns = self._read()
        self._offset_ns = wall_ns - elapsed_ns

    def __call__(self) -> int:
        """Now."""
        wall_ns, elapsed_ns = self._read()
        by_ms = (wall_ns - elapsed_ns - self._offset_ns) // _MS
        # Taken up always: what creeps is no jump.
        self._offset_ns = wall_ns - elapsed_ns
        if abs(by_ms) >= STEP_MS:
            self.jumps += 1
            self._lately.append((elapsed_ns // _MS, by_ms))
            self.jumped(by_ms, wall_ns // _MS)
        return wall_ns // _MS

    def for_deletion(self) -> int:
        """Now, but for a day not later than it would be had nobody put the clock forward."""
        now, since = self(), self._elapsed() // _MS - DOUBTED_MS
        while self._lately and self._lately[0][0] < since:
            self._lately.popleft()
        return now - max(0, sum(by_ms for _, by_ms in self._lately))

    def _read(self) -> tuple[int, int]:
        before = self._elapsed()
        while True:
            wall_ns, after = self._wall(), self._elapsed()
            if after - before <= _CLOSE_NS:
                return wall_ns, after
            before = after  # Whoever was put to sleep in between would take that for a jump.
