"""`make torture`: every part, or those that are named, round after round for the time given."""

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.torture.parts import PARTS
from tests.torture.rounds import BrokenError, Counts, carried_out, turn

PROGRESS = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telephony-agent" / "torture"
_HEARTBEAT_S = 30.0


@dataclass(slots=True)
class Outcome:
    """What came of a part: `next` is the number of the round to go on with."""

    part: str
    next: int = 0
    rounds: int = 0
    seconds: float = 0.0
    counts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    samples: dict[str, list[float]] = field(default_factory=dict)
    broken: str = ""

    def add(self, counts: Counts) -> None:
        """What one more round counted."""
        for name, value in counts.items():
            if isinstance(value, int | float):
                self.counts[name] += value
            else:
                self.samples.setdefault(name, []).extend(value)

    def counted(self) -> Iterator[tuple[str, float]]:
        """The sums, then the median and the largest of each measure."""
        yield from self.counts.items()
        for name, samples in self.samples.items():
            if samples:
                yield f"{name}_p50", round(statistics.median(samples), 3)
                yield f"{name}_max", round(max(samples), 3)

    def line(self, seed: int) -> str:
        """One JSON object."""
        found = {"part": self.part, "seed": seed, "rounds": self.rounds, "seconds": round(self.seconds, 1)}
        state = {"state": "broken", "round": self.next, "what": self.broken} if self.broken else {"state": "ok"}
        return json.dumps(found | dict(self.counted()) | state)


class Progress:
    """Which rounds of a seed were got through, in a file of the user's cache folder."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
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

    def keep(self, part: str, number: int, place: Path) -> Path:
        """Keeps what a round that broke left behind; where it is now."""
        kept = PROGRESS / f"{self._seed}-{part}-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(place, kept, symlinks=True, ignore=_no_files)
        return kept

    def _all(self) -> dict[str, int]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


def _no_files(folder: str, names: list[str]) -> list[str]:
    """What cannot be copied: sockets."""
    return [name for name in names if not (Path(folder, name).is_file() or Path(folder, name).is_dir())]


@asynccontextmanager
async def _heartbeat(outcome: Outcome, began: float) -> AsyncIterator[None]:
    async def beat() -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            print(
                f"{outcome.part}: in round {outcome.next}, {time.monotonic() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


async def _part(name: str, seed: int, seconds: float, first: int, rounds: int, progress: Progress) -> Outcome:
    outcome, began = Outcome(name, next=first), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="telephony-torture-") as shared:
        folder = Path(shared)
        place = folder
        try:
            async with PARTS[name](folder) as torment, _heartbeat(outcome, began):
                while outcome.rounds < rounds and (outcome.seconds < seconds or not outcome.rounds):
                    place = folder / f"round-{outcome.next}"
                    place.mkdir()
                    outcome.add(await carried_out(torment, turn(seed, name, outcome.next, size=1.0, folder=place)))
                    shutil.rmtree(place)
                    outcome.rounds += 1
                    outcome.next += 1
                    outcome.seconds = time.monotonic() - began
                    progress.got_to(name, outcome.next)
        except BrokenError as broken:
            kept = progress.keep(name, outcome.next, place)
            outcome.broken = f"{broken} [left behind: {kept}]"
        outcome.seconds = time.monotonic() - began
    return outcome


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("part", "rounds", "seconds", "counted", "state", box=None)
    for each in outcomes:
        counted = ", ".join(f"{name} {count:g}" for name, count in each.counted())
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
