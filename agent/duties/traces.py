"""Looks for what should be gone, byte by byte, in whatever files it could have been left in."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PIECE_BYTES = 1 << 20
#: Files that SQLite keeps beside a database.
_BESIDE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Where one of the needles stands, told by its place among them: it is personal itself."""

    file: Path
    offset: int
    needle: int


def traces(paths: Iterable[Path], needles: Collection[str]) -> list[Trace]:
    """The first place of each of ``needles`` in each file of ``paths``, and in all that is in folders among them.

    A text is looked for as UTF-8, as UTF-16, and as JSON escapes it. What is encrypted, compressed or encoded otherwise
    is not seen; a file that is deleted meanwhile is passed over. It blocks. A process that has a store open uses
    `traces_elsewhere`.

    Raises:
        ValueError: a needle is so short that it may stand anywhere by chance.
        OSError: a file that is there cannot be read.
    """
    if any(len(needle.encode()) < _SHORTEST for needle in needles):
        raise ValueError(f"a needle has at least {_SHORTEST} bytes")
    forms = [(number, form) for number, needle in enumerate(needles) for form in sorted(_forms(needle))]
    return [trace for file in _files(paths) for trace in _in(file, forms)]


def traces_elsewhere(paths: Iterable[Path], needles: Collection[str]) -> list[Trace]:
    """As `traces`, in a process of its own.

    A process that closes a file gives up every lock that it has on it (POSIX), SQLite's as well: whoever closed the
    store next would take itself for the last, and delete what this one writes to (seen: a bus error).
    """
    asked = json.dumps([[str(path) for path in paths], list(needles)])
    command = [sys.executable, "-m", __name__]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        code = int(done.stdout or errno.EIO)
        raise OSError(code, os.strerror(code))
    return [Trace(file=Path(file), offset=offset, needle=needle) for file, offset, needle in json.loads(done.stdout)]


def store_files(path: Path) -> list[Path]:
    """The database at ``path``, and what SQLite keeps beside it, as far as these are there."""
    return [file for file in (path, *(path.with_name(path.name + suffix) for suffix in _BESIDE)) if file.exists()]


_SHORTEST = 6


def _forms(needle: str) -> set[bytes]:
    escaped = json.dumps(needle)[1:-1].encode()
    return {needle.encode(), escaped, needle.encode("utf-16-le"), needle.encode("utf-16-be")}


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file() and not each.is_symlink())
        else:
            yield path


def _in(file: Path, forms: list[tuple[int, bytes]]) -> Iterator[Trace]:
    found: dict[int, int] = {}
    # What lies across the edge of two pieces is in the second one with the end of the first.
    edge = max((len(form) for _, form in forms), default=1) - 1
    try:
        with file.open("rb") as stream:
            held, at = b"", 0
            while piece := stream.read(PIECE_BYTES):
                held += piece
                for number, form in forms:
                    place = -1 if number in found else held.find(form)
                    if place >= 0:
                        found[number] = at + place
                keep = min(edge, len(held))
                at += len(held) - keep
                held = held[len(held) - keep :] if keep else b""
    except FileNotFoundError:
        return
    yield from (Trace(file=file, offset=offset, needle=number) for number, offset in sorted(found.items()))


def _main() -> None:
    paths, needles = json.load(sys.stdin)
    try:
        found = traces(map(Path, paths), needles)
    except OSError as error:
        sys.stdout.write(str(error.errno))
        sys.exit(1)
    json.dump([(str(trace.file), trace.offset, trace.needle) for trace in found], sys.stdout)


if __name__ == "__main__":
    _main()
