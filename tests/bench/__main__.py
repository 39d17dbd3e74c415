"""`make bench`: every benchmark, or those that are named, on a real Asterisk."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import (
    call,
    contacts,
    emergency,
    fail_open,
    failover,
    grant,
    growth,
    history,
    locks,
    purge,
    seal,
    sizes,
    unasked,
    wire,
)
from tests.bench.figures import Figure

BENCHMARKS: dict[str, Callable[[str, int, Path], Awaitable[Iterable[Figure]]]] = {
    "call": call.measure,
    "contacts": contacts.measure,
    "emergency": emergency.measure,
    "fail_open": fail_open.measure,
    "failover": failover.measure,
    "unasked": unasked.measure,
    "grant": grant.measure,
    "seal": seal.measure,
    "locks": locks.measure,
    "history": history.measure,
    "purge": purge.measure,
    "growth": growth.measure,
    "sizes": sizes.measure,
    "wire": wire.measure,
}


CALLS = 200
_HEARTBEAT_S = 60.0
#: Where so few would tell nothing.
MORE = {
    "contacts": 100_000,
    "emergency": 2_000,
    "history": 1_000_000,
    "purge": 1_000_000,
    "growth": 10_000_000,
    "wire": 1_000_000,
}


async def _measured(names: list[str], version: str, chosen: int | None) -> list[Figure]:
    figures: list[Figure] = []
    for number, name in enumerate(names, 1):
        calls = chosen or MORE.get(name, CALLS)
        print(f"{name}, {calls:,} ({number} of {len(names)})", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="telephony-bench-") as folder:
            async with _heartbeat(name):
                found = await BENCHMARKS[name](version, calls, Path(folder))
            for figure in found:
                print(figure.line(), flush=True)
                figures.append(figure)
    return figures


@asynccontextmanager
async def _heartbeat(name: str) -> AsyncIterator[None]:
    """Says now and then for how long it has been at work."""
    began = time.monotonic()

    async def beat() -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


def _table(figures: list[Figure]) -> Table:
    table = Table("figure", "value", "unit", "n", "p50", "p95", "p99", "max", box=None)
    for each in figures:
        numbers = (each.p50, each.p95, each.p99, each.max)
        shown = ["" if number is None else f"{number:g}" for number in numbers]
        table.add_row(each.name, f"{each.value:g}", each.unit, str(each.n), *shown)
    return table


def main() -> None:
    """Print each figure as one JSON object as soon as it is known, and all of them as a table on standard error."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; all without it")
    more = ", ".join(f"{name} {calls:,}" for name, calls in MORE.items())
    parser.add_argument(
        "--calls",
        type=int,
        help=f"calls, contacts, events or files of each (default {CALLS}; {more}); stores are filled once and kept, "
        "10 million calls in some 20 minutes, and the purge of one of their days takes half an hour",
    )
    parser.add_argument("--asterisk", default="22", choices=("22", "16"), help="which Asterisk (default 22)")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    figures = asyncio.run(_measured(arguments.only or list(BENCHMARKS), arguments.asterisk, arguments.calls))
    Console(stderr=True, width=120 if not sys.stderr.isatty() else None).print(_table(figures))


if __name__ == "__main__":
    main()
