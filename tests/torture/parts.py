"""Every part of the torture, by its name: one line each."""

from tests.torture import clock, disk, fuzz, kills, overload, pbx, soak, wire
from tests.torture.rounds import Part

PARTS: dict[str, Part] = {
    "kills": kills.kills,
    "kills_real": kills.kills_real,
    "pbx": pbx.pbx,
    "wire": wire.wire,
    "wire_real": wire.wire_real,
    "fuzz": fuzz.fuzz,
    "overload": overload.overload,
    "disk": disk.disk,
    "clock": clock.clock,
    "soak": soak.soak,
}

#: Those that a real Asterisk is needed for.
ON_ASTERISK = frozenset(("kills_real", "pbx", "wire_real"))
