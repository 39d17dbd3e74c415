"""`make torture`: every part, or those that are named, round after round for the time given."""

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.torture.rounds import BrokenError, Part, turn

PARTS: dict[str, Part] = {}

PROGRESS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telephony-agent" / "torture"


@dataclass(slots=True)
class Outcome:
    """What came of a part: `next` is the number of the round to go on with."""

    part: str
    next: int = 0
    rounds: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    broken: str = ""

    def line(self, seed: int) -> str:
        """One JSON object."""
        found = {"part": self.part, "seed": seed, "rounds": self.rounds, "seconds": round(self.seconds, 1)}
        state = {"state": "broken", "round": self.next, "what": self.broken} if self.broken else {"state": "ok"}
        return json.dumps(found | dict(self.counts) | state)


class Progress:
    """Which rounds of a seed were got through, in a file of the user's cache folder."""

    def __init__(self, seed: int) -> None:
        self._path = PROGRESS / f"{seed}.json"

    def next(self, part: str) -> int:
        """The round to go on with."""
        return int(self._all().get(part, 0))

    def got_to(self, part: str, number: int) -> None:
        """All rounds before `number` are got through."""
        PROGRESS.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._all() | {part: number}))
        fresh.replace(self._path)

    def _all(self) -> dict[str, int]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


async def _part(name: str, seed: int, seconds: float, first: int, rounds: int, progress: Progress) -> Outcome:
    outcome, began = Outcome(name, next=first), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="telephony-torture-") as shared:
        folder = Path(shared)
        try:
            async with PARTS[name](folder) as torment:
                while outcome.rounds < rounds and (outcome.seconds < seconds or not outcome.rounds):
                    place = folder / f"round-{outcome.next}"
                    place.mkdir()
                    outcome.counts.update(await torment(turn(seed, name, outcome.next, size=1.0, folder=place)))
                    outcome.rounds += 1
                    outcome.next += 1
                    outcome.seconds = time.monotonic() - began
                    progress.got_to(name, outcome.next)
                    print(f"{name}: {outcome.rounds} rounds, {outcome.seconds:.0f} s", file=sys.stderr, flush=True)
        except BrokenError as broken:
            outcome.broken = str(broken)
        outcome.seconds = time.monotonic() - began
    return outcome


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("part", "rounds", "seconds", "counted", "state", box=None)
    for each in outcomes:
        counted = ", ".join(f"{name} {count:g}" for name, count in each.counts.items())
        table.add_row(
            each.part,
            str(each.rounds),
            f"{each.seconds:.0f}",
            counted,
            f"BROKEN: {each.broken}" if each.broken else "ok",
        )
    return table


def main() -> None:
    """Print what came of each part as one JSON object when it ends, and all of it as a table on standard error.

    Exit code 1 when something broke.
    """
    parser = argparse.ArgumentParser(prog="make torture", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all without it")
    parser.add_argument("--seconds", type=float, default=1800, help="for all parts together (default 1800)")
    parser.add_argument("--seed", type=int, help="the same seed, the same rounds (default: drawn, and printed)")
    parser.add_argument("--round", type=int, help="this round alone, to see again what broke")
    parser.add_argument("--resume", action="store_true", help="go on behind the rounds that this seed got through")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    if arguments.resume and arguments.seed is None:
        parser.error("--resume needs the --seed to go on with")
    seed = random.randrange(1 << 30) if arguments.seed is None else arguments.seed
    print(f"SEED={seed}", file=sys.stderr, flush=True)
    names, progress, outcomes = arguments.only or list(PARTS), Progress(seed), []
    for name in names:
        first = arguments.round if arguments.round is not None else progress.next(name) if arguments.resume else 0
        most = 1 if arguments.round is not None else sys.maxsize
        outcome = asyncio.run(_part(name, seed, arguments.seconds / len(names), first, most, progress))
        print(outcome.line(seed), flush=True)
        outcomes.append(outcome)
    Console(stderr=True, width=120 if not sys.stderr.isatty() else None).print(_table(outcomes))
    for each in outcomes:
        if each.broken:
            print(f"again: make torture ONLY={each.part} SEED={seed} ROUND={each.next}", file=sys.stderr)
    sys.exit(any(each.broken for each in outcomes))


if __name__ == "__main__":
    main()
