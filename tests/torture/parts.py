"""Every part of the torture, by its name: one line each."""

from tests.torture.rounds import Part

PARTS: dict[str, Part] = {}

#: Those that a real Asterisk is needed for.
ON_ASTERISK: frozenset[str] = frozenset()
