"""P15, P16: voicemail goes when its time is over, and greetings stay."""

import asyncio

from agent.core.instants import from_rfc3339
from agent.core.records import Purge
from agent.duties import voicemail
from agent.duties.promises.result import DAY_MS, HOUR_MS, Result, Scene, judged, not_built, some


def p15(scene: Scene) -> Result:
    """When it was last purged, and what is in the spool that should have gone a day and a purge ago."""
    if scene.places.spool is None:
        return not_built("P15", "no voicemail is deleted: [voicemail] spool_dir names no folder")
    with scene.survey() as survey:
        done = [from_rfc3339(str(at)) for at, done in survey.raw(Purge.KIND, "at", "done_at") if done is not None]
    every_ms = scene.voicemail_every_h * HOUR_MS
    order = voicemail.Order(
        spool=scene.places.spool, terms=scene.voicemail, at=scene.at - every_ms - DAY_MS, dry_run=True
    )
    try:
        counts = asyncio.run(voicemail.purge(order, voicemail.Asterisk(None, lambda: scene.at))).counts
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
    """The greetings and names in the mailboxes; nothing deletes them with an account yet."""
    spool = scene.places.spool
    sounds = [] if spool is None else [path for path in spool.glob("*/*/*") if path.is_file()]
    what = f"{len(sounds)} sound files of customers are in their copies (`--mailbox`), and in no erasure yet"
    return not_built("P16", what)
