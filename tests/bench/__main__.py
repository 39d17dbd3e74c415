"""`make bench`: every benchmark, or those that are named, on a real Asterisk."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable
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


async def _measured(names: list[str], version: str, calls: int) -> list[Figure]:
    figures: list[Figure] = []
    for number, name in enumerate(names, 1):
        print(f"{name} ({number} of {len(names)})", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="telephony-bench-") as folder:
            for figure in await BENCHMARKS[name](version, calls, Path(folder)):
                print(figure.line(), flush=True)
                figures.append(figure)
    return figures


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
    parser.add_argument("--calls", type=int, default=200, help="calls, captures or files of each figure (default 200)")
    parser.add_argument("--asterisk", default="22", choices=("22", "16"), help="which Asterisk (default 22)")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    figures = asyncio.run(_measured(arguments.only or list(BENCHMARKS), arguments.asterisk, arguments.calls))
    Console(stderr=True, width=120 if not sys.stderr.isatty() else None).print(_table(figures))


if __name__ == "__main__":
    main()
