"""P15, P16: voicemail goes when its time is over, and greetings stay."""

import asyncio
from pathlib import Path

from agent.core.instants import from_rfc3339
from agent.core.records import Purge
from agent.duties import voicemail
from agent.duties.promises.result import DAY_MS, HOUR_MS, Result, Scene, judged, not_built, some

#: Past the term of any message.
_NEVER_MS = 100 * 366 * DAY_MS


def p15(scene: Scene) -> Result:
    """When it was last purged, and what is in the spool that should have gone a day and a purge ago."""
    if scene.places.spool is None:
        return not_built("P15", "no voicemail is deleted: [voicemail] spool_dir names no folder")
    with scene.survey() as survey:
        done = [from_rfc3339(str(at)) for at, done in survey.raw(Purge.KIND, "at", "done_at") if done is not None]
    every_ms = scene.voicemail_every_h * HOUR_MS
    try:
        counts = _would_go(scene, scene.places.spool, scene.at - every_ms - DAY_MS)
    except voicemail.SpoolError as error:
        return judged("P15", [str(error)], "nothing could be looked at")
    age_h = (scene.at - max(done)) / HOUR_MS if done else None
    faults = [
        "no purge has come to its end yet" if age_h is None else "",
        f"the last purge was {age_h:.0f} h ago" if age_h is not None and age_h * HOUR_MS > 2 * every_ms else "",
        some(counts.deleted + counts.leftover, "messages are past their time by more than a day"),
        some(counts.failed, "mailboxes or messages cannot be looked at"),
    ]
    seen = "" if age_h is None else f", last purge {age_h:.0f} h ago"
    return judged("P15", faults, f"{counts.mailboxes} mailboxes with {counts.kept} messages looked at{seen}")


def p16(scene: Scene) -> Result:
    """The greetings and names in the mailboxes are whole, and no purge would ever take one."""
    spool = scene.places.spool
    if spool is None:
        return not_built("P16", "no sound files of customers are known: [voicemail] spool_dir names no folder")
    sounds = [path for path in spool.glob("*/*/*") if path.is_file() and not path.name.startswith(".")]
    parts = sum(1 for _ in spool.glob("*/*/*/msg????.*"))
    try:
        counts = _would_go(scene, spool, scene.at + _NEVER_MS)
    except voicemail.SpoolError as error:
        return judged("P16", [str(error)], "nothing could be looked at")
    faults = [
        some(sum(path.stat().st_size == 0 for path in sounds), "sound files are empty"),
        some(max(0, counts.deleted + counts.leftover - parts), "files would be purged that are no messages"),
    ]
    looked = f"{len(sounds)} sound files beside {parts} files of messages in {counts.mailboxes} mailboxes"
    return judged("P16", faults, looked)


def _would_go(scene: Scene, spool: Path, at: int) -> voicemail.Counts:
    """What a purge would do at ``at`` (ms)."""
    order = voicemail.Order(spool=spool, terms=scene.voicemail, at=at, dry_run=True)
    return asyncio.run(voicemail.purge(order, voicemail.Asterisk(None, lambda: scene.at))).counts
