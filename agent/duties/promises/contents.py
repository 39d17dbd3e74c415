"""P13, P14: nothing of what passed over the network is at rest anywhere, and of data only counts and sizes are kept."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.duties.promises.result import Result, Scene, judged, some
from agent.duties.traces import traces

#: What SIP (RFC 3261), SDP (RFC 8866) and their bodies cannot do without.
MARKERS: tuple[str, ...] = (
    *("v=0\r\no=", "v=0\no=", "\r\nm=audio ", "Content-Type: text/", "Content-Type: application/", " <sip:", " <sips:"),
    *("SIP/2.0", "MESSAGE sip:", "REGISTER sip:", "INVITE sip:", "\r\nCall-ID: ", "\r\nVia: "),
)


def p13(scene: Scene) -> Result:
    """The bytes of the store, of what lies beside it, and of the running agent's log."""
    files = [*beside(scene.places.store), *beside(scene.places.keyring), *logs(scene.pid)]
    files = list(dict.fromkeys(files))
    found = {MARKERS[trace.needle] for trace in traces(files, MARKERS)}
    kinds = ", ".join(repr(marker) for marker in sorted(found))
    faults = [f"what only SIP messages hold was found: {kinds}"] if found else []
    size_mb = sum(map(_size, files)) / 1e6
    return judged("P13", faults, f"{len(files)} files of {size_mb:.1f} MB searched for {len(MARKERS)} markers")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


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
