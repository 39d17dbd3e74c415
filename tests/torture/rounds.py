"""What a part of the torture is: a place that stands, and rounds in it, each of them repeatable by its number."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from agent.ports import StoreError
from tests.lab.agent import AgentError
from tests.lab.ami import AmiError
from tests.lab.asterisk import LabError
from tests.lab.sip import SipError

#: What a round counted, by name: calls placed, kills, messages, summed over the rounds; or samples of a measure
#: (seconds, bytes), of which the median and the largest are told.
Counts = Mapping[str, float | Sequence[float]]

#: A round that has not ended by then hangs.
ROUND_S: Final = 280.0

#: What counts as broken, whichever part raises it.
_FAULTS: Final = (AgentError, AmiError, AssertionError, LabError, OSError, SipError, StoreError, TimeoutError)


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

        Raises BrokenError, or what the lab raises.
        """


#: Makes what the rounds of a part share, an Asterisk for one; `folder` is the part's own.
Part = Callable[[Path], AbstractAsyncContextManager[Torment]]


def turn(seed: int, part: str, number: int, *, size: float, folder: Path) -> Round:
    """The round of this number: the same seed, the same round."""
    return Round(number=number, size=size, draw=random.Random(f"{seed}/{part}/{number}"), folder=folder)


async def carried_out(torment: Torment, turn: Round) -> Counts:
    """What one round counted.

    Raises BrokenError for whatever did not hold, also that it ends in time.
    """
    try:
        async with asyncio.timeout(ROUND_S):
            return await torment(turn)
    except BrokenError:
        raise
    except TimeoutError as error:
        raise BrokenError(str(error) or f"something waited in vain, for {ROUND_S:.0f} s at the most") from error
    except _FAULTS as error:
        raise BrokenError(f"{type(error).__name__}: {error}") from error
    except ExceptionGroup as group:
        known, strange = group.split((BrokenError, *_FAULTS))
        if known is None or strange is not None:
            raise
        raise BrokenError("; ".join(_words(known))) from group


def _words(group: ExceptionGroup[Exception]) -> list[str]:
    told: list[str] = []
    for each in group.exceptions:
        told += _words(each) if isinstance(each, ExceptionGroup) else [f"{type(each).__name__}: {each}"]
    return told
