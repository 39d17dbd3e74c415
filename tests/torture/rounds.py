"""What a part of the torture is: a place that stands, and rounds in it, each of them repeatable by its number."""

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: What a round counted, by name: calls placed, kills, messages; summed over the rounds.
Counts = Mapping[str, float]


class BrokenError(Exception):
    """A promise did not hold; says which, and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round: all that is random in it comes from `draw`; `size` is 1.0 in the long form, less in the short."""

    number: int
    size: float
    draw: random.Random
    folder: Path

    def of(self, most: int) -> int:
        """So many of `most` as the size allows, at least one."""
        return max(1, round(most * self.size))


class Torment(Protocol):
    """Carries out one round."""

    async def __call__(self, turn: Round) -> Counts:
        """What it counted.

        Raises BrokenError.
        """


#: Makes what the rounds of a part share, an Asterisk for one; `folder` is the part's own.
Part = Callable[[Path], AbstractAsyncContextManager[Torment]]


def turn(seed: int, part: str, number: int, *, size: float, folder: Path) -> Round:
    """The round of this number: the same seed, the same round."""
    return Round(number=number, size=size, draw=random.Random(f"{seed}/{part}/{number}"), folder=folder)
