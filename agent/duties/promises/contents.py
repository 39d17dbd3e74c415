"""P13, P14: nothing of what passed over the network is at rest anywhere, and of data only counts and sizes are kept."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.duties.promises.result import Result, Scene, judged, some

#: What SIP (RFC 3261), SDP (RFC 8866) and its bodies begin with or cannot do without.
MARKERS: tuple[bytes, ...] = (
    *(b"v=0\r\no=", b"v=0\no=", b"\r\nm=audio ", b"Content-Type: text/", b"Content-Type: application/", b"<sip:"),
    *(b"<sips:", b"SIP/2.0", b"MESSAGE sip:", b"REGISTER sip:", b"INVITE sip:", b"Call-ID:", b"Via: "),
)
_PIECE_BYTES = 1 << 20
_OVERLAP_BYTES = max(map(len, MARKERS)) - 1


def p13(scene: Scene) -> Result:
    """The bytes of the store, of what lies beside it, and of the running agent's log."""
    files = [*beside(scene.places.store), *beside(scene.places.keyring), *logs(scene.pid)]
    size = 0
    found: dict[bytes, int] = {}
    for path in dict.fromkeys(files):
        for piece in pieces(path):
            size += len(piece)
            for marker in MARKERS:
                if marker in piece:
                    found[marker] = found.get(marker, 0) + 1
    kinds = ", ".join(repr(marker.decode()) for marker in found)
    faults = [f"what only SIP messages hold was found: {kinds}"] if found else []
    size_mb = size / 1e6
    return judged("P13", faults, f"{len(files)} files of {size_mb:.1f} MB searched for {len(MARKERS)} markers")


def beside(path: Path) -> list[Path]:
    """The file, its journals, and what else has its name with something behind it; but for an index of the WAL."""
    return sorted(
        each for each in path.parent.glob(f"{path.name}*") if each.is_file() and not each.name.endswith("-shm")
    )


def logs(pid: int | None) -> list[Path]:
    """The files that a running agent writes its output to, if it does."""
    found = []
    for number in (1, 2) if pid is not None else ():
        try:
            target = Path(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            continue
        if target.is_file():
            found.append(target)
    return list(dict.fromkeys(found))


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, each piece with the end of the one before."""
    try:
        with path.open("rb") as file:
            tail = b""
            while piece := file.read(_PIECE_BYTES):
                yield tail + piece
                tail = (tail + piece)[-_OVERLAP_BYTES:]
    except FileNotFoundError:
        return


def p14(scene: Scene) -> Result:
    """The store has the tables and columns that the records declare, and no place for anything else."""
    with scene.survey() as survey:
        there, declared = survey.columns(), survey.declared()
    faults = [
        some(len(there.keys() - declared.keys()), "tables or views are nobody's"),
        some(sum(_more(there, declared)), "columns are nobody's"),
    ]
    columns = sum(map(len, there.values()))
    return judged("P14", faults, f"{len(there)} tables with {columns} columns, compared with what is declared")


def _more(there: Mapping[str, Sequence[str]], declared: Mapping[str, Sequence[str]]) -> Iterator[int]:
    for table, columns in there.items():
        if table in declared:
            yield len(set(columns) - set(declared[table]))
