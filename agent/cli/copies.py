"""A customer's copy of what is kept of him, as a folder that is there whole or not at all.

Of each kind of record there is a JSON and a CSV, of sound the files, and over all of it a page that loads nothing and a
manifest with the SHA-256 of each file. Folders are of mode 0700, files 0600.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from agent.cli import files
from agent.cli.common import USAGE, fail
from agent.core.inventory import Document, html
from agent.core.inventory.rendering import Grid, Heading, Items, Paragraph
from agent.core.printable import printable
from agent.core.spreadsheet import row as csv_row

MANIFEST, INDEX = "manifest.json", "index.html"
_PART = ".part"

Row = Mapping[str, Any]
Part = Heading | Paragraph | Items | Grid


class Copy:
    """The files that are written to ``folder``; `sums` has name, size and SHA-256 of each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.sums: list[dict[str, Any]] = []

    def file(self, name: str, pieces: Iterable[bytes]) -> int:
        """Write ``pieces`` to the new file ``name`` (its parts apart by /), safely on the disk; how many bytes."""
        path, digest, size = self._folder / name, sha256(), 0
        for parent in reversed(PurePosixPath(name).parents[:-1]):
            (self._folder / parent).mkdir(mode=0o700, exist_ok=True)
        with _created(path) as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            file.flush()
            os.fsync(file.fileno())
        self.sums.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})
        return size

    def records(self, kind: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Write the records of one kind as they come, as JSON and as CSV; how many."""
        count = 0

        def lines() -> Iterator[bytes]:
            nonlocal count
            before = "["
            with _created(self._folder / f"{kind}.csv.part") as table:
                table.write(csv_row(columns).encode())
                for row in rows:
                    yield f"{before}\n{json.dumps(row, ensure_ascii=False)}".encode("utf-8", "replace")
                    table.write(csv_row(_cell(row[column]) for column in columns).encode("utf-8", "replace"))
                    before = ","
                    count += 1
            yield b"[\n]\n" if not count else b"\n]\n"

        self.file(f"records/{kind}.json", lines())
        part = self._folder / f"{kind}.csv.part"
        with part.open("rb") as table:
            self.file(f"records/{kind}.csv", iter(lambda: table.read(1 << 16), b""))
        part.unlink()
        return count

    def finish(self, about: Row, document: Document) -> None:
        """Write the page, and last the manifest: without it nothing is a copy."""
        self.file(INDEX, [html(document).encode("utf-8", "replace")])
        self.file(MANIFEST, [json.dumps({**about, "files": self.sums}, ensure_ascii=False, indent=1).encode()])


@contextmanager
def fresh(to: str) -> Iterator[Copy]:
    """A copy that is the folder ``to`` once all of it is there; where that is not reached nothing is left of it."""
    try:
        final = Path(to)
        part = final.with_name(final.name + _PART)
        if os.path.lexists(final):
            fail(USAGE, f"{printable(to)} is there already: name a folder that is not")
        part.mkdir(mode=0o700)
    except FileExistsError:
        fail(USAGE, f"{printable(str(part))} is there already: a copy is being made, or one was cut off; remove it")
    except (OSError, ValueError) as error:
        fail(USAGE, f"{printable(to)} cannot be made: {files.words(error)}")
    try:
        yield Copy(part)
        part.rename(final)
    except OSError as error:
        fail(USAGE, f"{printable(to)} cannot be written: {files.words(error)}")
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(part)


def page(about: Row, counts: Mapping[str, int], told: Sequence[Part], notes: Sequence[str]) -> Document:
    """The page over a copy: what is in it, what the law asks to be said, and ``notes``."""
    return Document(
        title="Your copy of what we keep of your telephone service",
        parts=(
            Paragraph(
                f"Account {about['account']}, request {about['request']}, made at {about['made_at']}."
                f" We delete our own copy of these files by {about['delete_by']}."
            ),
            Grid(("What", "How many", "Files"), [_contents(kind, count) for kind, count in counts.items()]),
            Heading("To know"),
            Items(notes),
            *told,
        ),
    )


def _contents(kind: str, count: int) -> tuple[str, str, str]:
    where = f"records/{kind}.json, records/{kind}.csv"
    return kind, str(count), where if kind not in ("recordings", "sounds") else f"{kind}/"


@contextmanager
def _created(path: Path) -> Iterator[BinaryIO]:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, list | dict) else value
