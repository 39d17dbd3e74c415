"""P03, P04: calls and texts are kept once and to the second, all of them are in, and what is free is on no bill."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from agent.core.numbering import FREE
from agent.core.records import Account, Call, Direction, NumberClass, Text
from agent.duties.promises.result import Result, Scene, Value, judged, not_built, some

#: How long what Asterisk wrote may wait to be stored.
_WAIT_MS = 600_000


def p03(scene: Scene) -> Result:
    """Every leg that Asterisk wrote is stored, and its seconds can be billed as they are."""
    if scene.places.calls is None:
        return not_built("P03", "no calls are read: [calls] cdr_file names no file")
    wrong: Counter[str] = Counter()
    legs = 0
    with scene.survey() as survey:
        for leg in survey.raw(Call.KIND, "duration_s", "billable_s", "number_class", "direction", "itemised"):
            legs += 1
            wrong.update(_wrong(leg))
    size, age_ms = _waiting(scene.places.calls, scene.at)
    late = size if age_ms > _WAIT_MS else 0
    faults = [some(count, what) for what, count in sorted(wrong.items())]
    faults.append(some(late, f"bytes of calls wait for {age_ms // 60_000} min to be stored"))
    return judged("P03", faults, f"{legs} legs looked at; {size} bytes of Asterisk's wait to be stored")


def _wrong(leg: tuple[Value, ...]) -> Iterator[str]:
    duration, billable, number_class, direction, itemised = leg
    if not (isinstance(duration, int) and isinstance(billable, int) and 0 <= billable <= duration):
        yield "legs with more seconds billed than they lasted, or fewer than none"
    if number_class == NumberClass.EMERGENCY and billable:
        yield "emergency calls with billable seconds"
    if direction != Direction.OUTGOING and itemised:
        yield "legs on a bill that did not go out"


def _waiting(file: Path, at: int) -> tuple[int, int]:
    """How many bytes lie in the file and in what was taken of it, and how long (ms) the oldest were not touched."""
    size = age = 0
    for each in file.parent.glob(f"{file.name}*"):
        with suppress(FileNotFoundError):
            found = each.stat()
            if found.st_size:
                size += found.st_size
                age = max(age, at - int(found.st_mtime * 1000))
    return size, age


def p04(scene: Scene) -> Result:
    """What may never stand on a bill or in a household's view is not marked as if it might."""
    with scene.survey() as survey:
        both = chain.from_iterable(survey.raw(kind, "number_class", "itemised") for kind in (Call.KIND, Text.KIND))
        listed = sum(bool(itemised) and number_class in FREE for number_class, itemised in both)
        counted = survey.count(Call.KIND) + survey.count(Text.KIND)
        accounts = survey.count(Account.KIND)
    faults = [some(listed, "freephone, helpline, internal or emergency calls are marked to stand on a bill")]
    if not accounts and not listed:
        return not_built("P04", "no account is on record that a history could be shown to: `account import`")
    return judged("P04", faults, f"{counted} calls and texts looked at, {accounts} accounts that may see theirs")
