"""The words in which an alarm is told: the most important first, for somebody under stress.

What is said follows from the records alone, as they are when it is said: a notice that waited tells how the call stands
now. Times are UTC, for a text goes to people and places that the agent does not know.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.core.instants import rfc3339
from agent.core.records import Alarm, Cause, Certainty, Detail, Emergency, Outcome, SeenBy, Severity

TITLE_LIMIT, LINE_LIMIT, WORD_LIMIT = 160, 600, 80

#: Lines of phones that a text names; the others are counted.
PHONES = 20

_ABOUT = {
    Cause.LOCATION: "Phones away from their address",
    Cause.PATH: "The way of a 999 call",
    Cause.TRUNK: "Emergency trunk",
    Cause.ADDRESS: "Emergency address",
    Cause.PROBE: "The agent's probe",
    Cause.CHANNEL: "A channel of notice",
    Cause.RECORDING: "Recording",
    Cause.VOICEMAIL: "Voicemail",
    Cause.HOLD: "A legal hold",
    Cause.REQUEST: "A customer's request about his data",
    Cause.TEXT: "A text to the emergency services",
    Cause.STORE: "The agent's store",
    Cause.CLOCK: "The clock",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An alarm in words: ``title`` says the most important on one line, ``lines`` all there is to say."""

    title: str
    lines: tuple[str, ...]

    @property
    def body(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def plain(text: str, most: int) -> str:
    """``text`` on one line of at most ``most`` characters, without what could move a cursor or turn a direction."""
    # A long name is cut first: what is thrown away below is little of any honest one.
    seen = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text[: most * 4])
    words = " ".join(seen.split())
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def of_call(emergency: Emergency) -> str:
    """How an emergency stands, on one line, with nothing of a person."""
    late = ", told late by the PBX's journal" if emergency.seen_by is SeenBy.JOURNAL else ""
    return f"call to {plain(emergency.number, 16)}: {_standing(emergency)}{late}"


def worded(
    alarm: Alarm, *, emergency: Emergency | None = None, detail: Detail | None = None, lines: Sequence[str] = ()
) -> Text:
    """``alarm`` in words; with its ``emergency`` and the fuller view of that, as far as they are known.

    ``lines`` are those that an alarm of ``Cause.LOCATION`` or ``Cause.TEXT`` is about.
    """
    called = emergency if alarm.cause in (Cause.EMERGENCY, Cause.REHEARSAL) else None
    title = _operational(alarm, lines) if called is None else _headline(called, detail)
    rehearsal = "REHEARSAL, no emergency: " if alarm.test or alarm.cause is Cause.REHEARSAL else ""
    said = [
        *(["This is a REHEARSAL. Nobody is in danger."] if rehearsal else []),
        *_handled(alarm),
        *(_circumstances(alarm, lines) if called is None else _call(called, detail)),
        *_what_to_do(alarm),
    ]
    return Text(
        title=plain(f"{rehearsal}{_prefix(alarm)}{title}", TITLE_LIMIT),
        lines=tuple(plain(line, LINE_LIMIT) for line in said),
    )


def _prefix(alarm: Alarm) -> str:
    if alarm.closed_at is not None:
        # What ended by itself was not closed by anybody: for its readers it is simply over.
        return "CLOSED: " if alarm.comment is not None else "OVER: "
    if alarm.escalated_at is not None and alarm.acknowledged_at is None and alarm.level > 1:
        return "NOBODY HAS TAKEN THIS ON: "
    return ""


# -- a call -----------------------------------------------------------------------------------------------------------


def _standing(emergency: Emergency) -> str:
    match emergency.outcome:
        case Outcome.FAILED:
            return "FAILED, no trunk took it"
        case Outcome.ABANDONED:
            return "hung up before it was answered"
        case Outcome.ANSWERED:
            return "answered, now over"
        case _:
            return "calling" if emergency.answered_at is None else "answered, talking"


def _headline(emergency: Emergency, detail: Detail | None) -> str:
    number = plain(emergency.number, 16)
    line = "an unknown line" if emergency.line is None else f"line {plain(emergency.line, WORD_LIMIT)}"
    where = plain(_place(emergency, detail) or "place not known", WORD_LIMIT)
    match emergency.outcome:
        case Outcome.FAILED:
            return f"{number} CALL FAILED, nobody was reached: {line}, {where}"
        case Outcome.IN_PROGRESS if emergency.answered_at is None:
            return f"{number} CALL: {line}, {where}"
        case _:
            return f"{number} call, {_standing(emergency)}: {line}, {where}"


def _place(emergency: Emergency, detail: Detail | None) -> str | None:
    address = detail.address if detail is not None else None
    return address or emergency.site


def _call(emergency: Emergency, detail: Detail | None) -> Iterator[str]:
    if emergency.test:
        # Its caller is the PBX itself: there is nobody to find, and nobody to call 999 for.
        yield from _course(emergency)
        return
    match emergency.outcome:
        case Outcome.FAILED:
            yield "Nobody was reached. Call 999 for them, or go there."
        case Outcome.ABANDONED:
            yield "Nobody has spoken to them. Ring the line, or go there."
    yield f"Where: {_place(emergency, detail) or 'NOT KNOWN. Ask the caller.'}"
    yield _certainty(emergency)
    if detail is not None and detail.contact:
        yield f"Who lets help in: {detail.contact}"
    yield f"Line: {plain(emergency.line or 'not known', WORD_LIMIT)}, dialled {plain(emergency.number, 16)}"
    if detail is not None and detail.cli:
        yield f"Number shown to the emergency services: {plain(detail.cli, 32)}"
    device = " ".join(filter(None, (emergency.vendor, emergency.model)))
    yield f"Phone: {plain(device or 'not known', WORD_LIMIT)}, from {plain(emergency.ip or 'an unknown address', 64)}"
    yield from _course(emergency)


def _certainty(emergency: Emergency) -> str:
    match emergency.certainty:
        case Certainty.EXPECTED:
            return "How sure: the phone is in a network of this place."
        case Certainty.MOVED:
            return "CAREFUL: the phone was moved. This is where its network is; its address on file is another."
        case Certainty.UNKNOWN if emergency.site is not None:
            return "CAREFUL: the phone is in a network nobody knows. This is only its address on file: ask the caller."
        case Certainty.UNKNOWN:
            return "CAREFUL: the phone is in a network nobody knows, and has no address on file."
        case _:
            return "How sure: not checked, there is no table of sites."


def _course(emergency: Emergency) -> Iterator[str]:
    yield f"Dialled: {_time(emergency.started_at)}"
    if emergency.answered_at is not None:
        after = "" if emergency.ring_ms is None else f", after {_duration(emergency.ring_ms)}"
        yield f"Answered: {_time(emergency.answered_at)}{after}"
    if emergency.ended_at is not None:
        talked = "" if emergency.talk_ms is None else f", {_duration(emergency.talk_ms)} talked"
        yield f"Ended: {_time(emergency.ended_at)}{talked}"
    if emergency.attempts or emergency.trunk is not None:
        trunk = plain(emergency.trunk or "not known", WORD_LIMIT)
        yield f"Trunk: {trunk}" + (f", {emergency.attempts} tried" if emergency.attempts > 1 else "")
    if emergency.preempted:
        yield "An ordinary call was given up for it."
    if emergency.callbacks:
        times = "once" if emergency.callbacks == 1 else f"{emergency.callbacks} times"
        yield f"The emergency services reached the caller again {times}."
    if emergency.seen_by is SeenBy.JOURNAL:
        yield "Told LATE, by the PBX's own journal: the agent was not listening at the time."
    elif emergency.blind:
        yield "Part of it passed while the agent was not listening."


# -- anything else ----------------------------------------------------------------------------------------------------


def _operational(alarm: Alarm, lines: Sequence[str]) -> str:
    if alarm.cause in (Cause.EMERGENCY, Cause.REHEARSAL):
        return alarm.what
    urgent = "" if alarm.severity is Severity.WARNING else "CRITICAL: "
    return f"{urgent}{_ABOUT[alarm.cause]} ({_subject(alarm, lines)}): {alarm.what}"


def _circumstances(alarm: Alarm, lines: Sequence[str]) -> Iterator[str]:
    yield alarm.what
    if alarm.cause in _ABOUT:
        yield f"{_ABOUT[alarm.cause]}: {_subject(alarm, lines)}"
    if alarm.cause is Cause.LOCATION and lines:
        named = ", ".join(plain(line, 40) for line in lines[:PHONES])
        yield f"Lines: {named}" + (f" and {len(lines) - PHONES} more" if len(lines) > PHONES else "")
    yield f"Since: {_time(alarm.raised_at)}"


def _subject(alarm: Alarm, lines: Sequence[str]) -> str:
    of_line = alarm.cause is Cause.TEXT and lines
    return plain(f"line {lines[0]}" if of_line else alarm.subject, WORD_LIMIT)


# -- what people do ---------------------------------------------------------------------------------------------------


def _handled(alarm: Alarm) -> Iterator[str]:
    if alarm.closed_at is not None:
        by = f" by {plain(alarm.closed_by, WORD_LIMIT)}" if alarm.closed_by is not None else " by itself"
        comment = f": {alarm.comment}" if alarm.comment else ""
        yield f"Closed{by}, {_time(alarm.closed_at)}{comment}"
    if alarm.acknowledged_at is not None:
        yield f"Taken on by {plain(alarm.acknowledged_by or 'somebody', WORD_LIMIT)}, {_time(alarm.acknowledged_at)}"
    elif alarm.escalated_at is not None and alarm.level > 1 and alarm.closed_at is None:
        yield f"Nobody has taken this on since {_time(alarm.raised_at)}: you are told as level {alarm.level}."


def _what_to_do(alarm: Alarm) -> Iterator[str]:
    if alarm.closed_at is None and alarm.acknowledged_at is None:
        yield f"To take it on: telephony-agent emergency ack {alarm.id}"
    elif alarm.closed_at is None:
        yield f"To close it: telephony-agent emergency close {alarm.id} --comment 'what came of it'"


def _time(at: int) -> str:
    """``2026-11-22 20:44:40 UTC``."""
    return f"{rfc3339(at)[:19].replace('T', ' ')} UTC"


def _duration(ms: int) -> str:
    """``0.8 s``, ``12 s``, ``3 min 20 s``, ``1 h 2 min``."""
    seconds = ms // 1000
    if ms < 10_000:
        return f"{ms / 1000:.1f} s"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds // 60 % 60} min"
