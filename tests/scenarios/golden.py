"""The records of every capture, as JSON lines beside it, ids replaced by running numbers.

python -m tests.scenarios.golden --write    writes captures/*.jsonl anew; read the difference before you commit it
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.assembly import replaying
from agent.cli import shown
from agent.config import load
from agent.core.records import Record

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.ami"))


def golden(capture: Path) -> Path:
    """Where the records expected of ``capture`` stand."""
    return capture.with_suffix(".jsonl")


def replayed(chunks: Iterable[bytes]) -> list[str]:
    """One JSON line a record, as `telephony-agent replay` prints them, with running numbers for ids."""
    records, _ = replaying.replayed(load(None, {}, secrets_required=False), chunks, source="a capture")
    return list(_numbered(records))


def _numbered(records: list[Record]) -> Iterator[str]:
    for number, record in enumerate(records, 1):
        yield json.dumps(json.loads(shown.json_line(record)) | {"id": str(number)}, ensure_ascii=False)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios.golden", description=__doc__)
    parser.add_argument("--write", action="store_true", required=True)
    parser.parse_args()
    for capture in CAPTURES:
        lines = replayed([capture.read_bytes()])
        golden(capture).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        print(f"{golden(capture).name}: {len(lines)} records", file=sys.stderr)


if __name__ == "__main__":
    main()
