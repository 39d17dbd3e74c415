"""Gathers a customer's copy: records from the running agent, recordings through it, sound files from the spool.

What is erased of the spool is erased here as well.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from agent import world
from agent.cli import copies, waves
from agent.cli.asking import pour, stream
from agent.cli.common import PROBLEMS, USAGE, fail
from agent.cli.inventory import terms_of
from agent.config import Config
from agent.core.copying import OF_ACCOUNT, OF_LINE, columns
from agent.core.instants import rfc3339
from agent.core.inventory import notice
from agent.core.printable import printable
from agent.core.records import Content
from agent.duties.voicemail import Box, SpoolError, empty, sounds

_DAY_MS = 86_400_000
_KINDS = {kind.KIND: kind for kind in (*OF_LINE, *OF_ACCOUNT)}

_ALWAYS = (
    "A number of whom you talked to is there as long as the law and our notice let us keep it.",
    "Times are UTC. In the CSV files a text that a spreadsheet could take for a formula has an apostrophe before it.",
    "manifest.json has the SHA-256 of each file, so that you can see that nothing was changed.",
    "You may ask us to correct what is wrong, to delete what we need not keep, and you may object.",
)
_WITHOUT = (
    "Calls and texts to freephone numbers and helplines, and calls to the emergency services, are not in this copy,"
    " whether there were any or not: on a line that several people use they are another person's. Nor are recordings of"
    " which no call on record shows that they are of none of these. If you alone use your lines, tell us, and we give"
    " you those as well."
)


def box(config: Config, text: str) -> Box:
    """The mailbox that ``text`` names; ends the command where it names none."""
    if config.voicemail.spool_dir is None:
        fail(USAGE, "there is no spool of voicemail: [voicemail] spool_dir is not set")
    found = re.fullmatch(r"([\w.-]{1,80})@([\w.-]{1,80})", text)
    if found is None or found[1].startswith(".") or found[2].startswith("."):
        fail(USAGE, f"--mailbox {text!a} is none: write 201@default")
    return found[2], found[1]


def place(config: Config, request: str, to: str | None) -> str:
    """Where the copy goes; ends the command where that is not said."""
    if to is not None:
        return to
    if config.subjects.bundle_dir is None:
        fail(USAGE, "say where to put the copy: --to FOLDER, or bundle_dir under [subjects]")
    return str(config.subjects.bundle_dir / request)


def export(
    config: Config, request: str, to: str, boxes: Sequence[Box], by: str | None, *, sole_user: bool
) -> dict[str, Any]:
    """Make the copy; what is in it."""
    answers = stream(config, "POST", "/subjects/copy", id=request, sole_user=sole_user, by=by)
    # Nothing is made before the agent lets it out.
    head = next(answers, None)
    if head is None:
        fail(PROBLEMS, "the agent gave out nothing", "see its log")
    until = rfc3339(world.now_ms() + config.subjects.bundle_days * _DAY_MS)
    about = {**head, "delete_by": until}
    counts: dict[str, int] = {}
    with waves.ended_by_signals(), copies.fresh(to) as copy:
        recordings: list[str] = []
        for kind, rows in groupby(answers, key=lambda answer: answer["kind"]):
            found = _heard(kind, (row["record"] for row in rows), recordings)
            counts[kind] = copy.records(kind, columns(_KINDS[kind]), found)
        records = sum(counts.values())
        for id in recordings:
            reason = f"request {request}"
            with pour(config, "/recordings/export", id=id, reason=reason, by=by) as (_, wave):
                copy.file(f"recordings/{id}.wav", wave)
        spoken = _sounds(config, copy, boxes)
        counts |= {"recordings": len(recordings), "sounds": spoken}
        notes = _ALWAYS if sole_user else (*_ALWAYS, _WITHOUT)
        copy.finish(about, copies.page(about, counts, notice(terms_of(config), "we").parts, notes))
    return {"folder": to, "records": records, "sounds": len(recordings) + spoken, "delete_by": until}


def emptied(config: Config, boxes: Sequence[Box], *, dry_run: bool) -> Iterator[dict[str, Any]]:
    """Erase these mailboxes, greetings and all; for each how many files went."""
    for context, name in boxes:
        spool = config.voicemail.spool_dir
        assert isinstance(spool, Path)
        try:
            count = empty(spool, (context, name), dry_run=dry_run)
        except SpoolError as error:
            fail(PROBLEMS, f"the mailbox {printable(name)}: {error}")
        yield {"kind": "voicemail", "count": count, "stays": None, "until": None}


def _heard(kind: str, rows: Iterator[dict[str, Any]], recordings: list[str]) -> Iterator[dict[str, Any]]:
    """The rows; on the way those recordings are noted whose sound is kept."""
    for row in rows:
        if kind == Content.KIND and row["state"] == "kept":
            recordings.append(row["id"])
        yield row


def _sounds(config: Config, copy: copies.Copy, boxes: Sequence[Box]) -> int:
    count = 0
    for context, name in boxes:
        spool = config.voicemail.spool_dir
        assert isinstance(spool, Path)
        try:
            for file, pieces in sounds(spool, (context, name)):
                if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", file):
                    copy.file(f"sounds/{context}/{name}/{file}", pieces)
                    count += 1
        except SpoolError as error:
            fail(PROBLEMS, f"the mailbox {printable(name)}: {error}")
    return count
