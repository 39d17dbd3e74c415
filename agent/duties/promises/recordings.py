"""P11, P12: no sound without an opt-in, none that can be read, none of what a pause was for, and no card number."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

from agent.core.instants import from_rfc3339
from agent.core.records import RECORDS, Content, ContentState, OptIn, Recording, RecordingState
from agent.duties.promises.result import HOUR_MS, Result, Scene, Survey, judged, some

#: How long a file may be on its way into its place, and an unasked capture on its way to its end.
_ON_ITS_WAY_MS = 600_000
_STOPPED_MS = 60_000
#: How much longer than it ran less its pauses a recording may be: events and sound are not cut at the same instant.
_SLACK_MS = 3_000
_WAVE = b"RIFF"
_SEALED = ".sealed"

#: A run of 13 to 19 digits, as they are printed on cards (ISO/IEC 7812); a hash or an id has letters around them.
_CARD = re.compile(r"(?<![0-9A-Za-z+._-])[3-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_-])")
#: Texts that are numbers, names of lines, ids and hashes: they can look like a card's by chance.
_NUMBERS = frozenset("line number number_index forwarded cli account".split())
_IDS = frozenset("id call emergency alarm subject recording optin sha256 chain key".split())
_DIGITS = re.compile(r"dtmf|digits?|pin|card|cvv|cvc|pan", re.IGNORECASE)


def p11(scene: Scene) -> Result:
    """Each kept recording rests on an opt-in and has its sealed file; no other sound is there to be read."""
    with scene.survey() as survey:
        optins = {id for (id,) in survey.raw(OptIn.KIND, "id")}
        recordings = survey.raw(Recording.KIND, "id", "opted_in", "optin")
        asked = {id for id, opted_in, optin in recordings if opted_in and optin in optins}
        kept = {str(id) for id, state in survey.raw(Content.KIND, "id", "state") if state == ContentState.KEPT}
        running = _running_unasked(survey, scene.at)
    sealed = _files(scene.places.sealed, scene.at, _ON_ITS_WAY_MS)
    captured = _files(scene.places.monitor, scene.at, HOUR_MS)
    at_rest = scene.places.monitor is not None and not scene.places.in_memory(scene.places.monitor)
    there = {path.name.removesuffix(_SEALED) for path in _all(scene.places.sealed) if path.suffix == _SEALED}
    faults = [
        some(len(kept - asked), "recordings are kept that no opt-in is on record for"),
        some(len(kept - there), "recordings on record have no sealed file"),
        some(
            sum(path.name.removesuffix(_SEALED) not in kept for path in sealed),
            "files are kept that no record tells of",
        ),
        some(sum(map(_is_wave, _all(scene.places.sealed))), "recordings lie readable beside the sealed ones"),
        some(sum(map(_is_wave, captured)), "captures have lain readable for an hour"),
        some(sum(map(_is_wave, _all(scene.places.monitor))) * at_rest, "captures lie on a disk"),
        some(running, "captures run that nobody asked for"),
    ]
    return judged("P11", faults, f"{len(kept)} recordings kept, {len(optins)} opt-ins, {len(there)} sealed files")


def _running_unasked(survey: Survey, at: int) -> int:
    running = (RecordingState.RECORDING, RecordingState.PAUSED)
    rows = survey.raw(Recording.KIND, "opted_in", "state", "started_at")
    return sum(
        not opted_in and state in running and started is not None and from_rfc3339(str(started)) < at - _STOPPED_MS
        for opted_in, state, started in rows
    )


def _all(folder: Path | None) -> list[Path]:
    """The files of a folder, those of hidden folders too."""
    if folder is None:
        return []
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]


def _files(folder: Path | None, at: int, settled_ms: int) -> list[Path]:
    """Those of `_all` that nobody has touched for so long."""

    def settled(path: Path) -> bool:
        try:
            return int(path.lstat().st_mtime * 1000) < at - settled_ms
        except FileNotFoundError:
            return False

    return [path for path in _all(folder) if settled(path)]


def _is_wave(path: Path) -> bool:
    try:
        if not path.is_file() or path.is_symlink():
            return False
        with path.open("rb") as file:
            return file.read(len(_WAVE)) == _WAVE
    except FileNotFoundError:
        return False


def p12(scene: Scene) -> Result:
    """Sound is no longer than its recording less the pauses; no column is for digits; no text looks like a card's."""
    with scene.survey() as survey:
        longer, paused = _pauses(survey)
        columns = [name for names in survey.columns().values() for name in names if _DIGITS.fullmatch(name)]
        texts = cards = 0
        for text in _texts(survey):
            texts += 1
            cards += any(luhn(found[0]) for found in _CARD.finditer(text))
    faults = [
        some(longer, "recordings are longer than they ran less their pauses"),
        some(len(columns), "columns are named for digits that were pressed"),
        some(cards, "texts hold a number as cards have"),
    ]
    return judged("P12", faults, f"{paused} recordings with pauses and {texts} texts looked at")


def luhn(text: str) -> bool:
    """Whether the digits of ``text`` end in the check digit that cards have (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in text if character.isdigit()]
    weighed = (sum(divmod(digit * (1 + place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return 13 <= len(digits) <= 19 and sum(weighed) % 10 == 0


def _pauses(survey: Survey) -> tuple[int, int]:
    """How many recordings hold more than they ran less their pauses, and how many have pauses."""
    lasted = {row[0]: row[1] for row in survey.raw(Content.KIND, "id", "duration_ms")}
    longer = paused = 0
    for id, began, ended, pauses in survey.raw(Recording.KIND, "id", "started_at", "stopped_at", "pauses"):
        gaps = json.loads(str(pauses))
        if not gaps or began is None or ended is None:
            continue
        paused += 1
        stop = from_rfc3339(str(ended))
        silent = sum(_until(gap["resumed_at"], stop) - from_rfc3339(gap["paused_at"]) for gap in gaps)
        duration = lasted.get(id)
        longer += isinstance(duration, int) and duration > stop - from_rfc3339(str(began)) - silent + _SLACK_MS
    return longer, paused


def _until(resumed: str | None, stop: int) -> int:
    return stop if resumed is None else from_rfc3339(resumed)


def _texts(survey: Survey) -> Iterator[str]:
    """Every free text of every record, where it has digits in it."""
    for record in RECORDS:
        hints = get_type_hints(record)
        names = [item.name for item in fields(record) if hints[item.name] in (str, str | None)]
        for row in survey.raw(record.KIND, *(name for name in names if name not in _NUMBERS | _IDS)):
            yield from (value for value in row if isinstance(value, str) and any(map(str.isdigit, value)))
