"""The recording: who asked for it, when it captured, when it did not.

    (grant)   --> OPTED_IN  --started-->  RECORDING  --stopped-->  STOPPED
                            RECORDING  --pause, stopped (in either order)-->  PAUSED  --started-->  RECORDING
    (nothing) --started-->  RECORDING, opted_in false: a capture that nobody asked for, kept as exactly that

The agent's grant opts in, before anything is captured. What MixMonitor really did decides (``CaptureChanged``), never
what was asked of it: a pause that did not stop the capture is no pause. A signal that has no row in TRANSITIONS changes
nothing.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from agent.core.records import Pause, Recording, RecordingState, Trigger
from agent.core.signals import (
    Ask,
    Capture,
    CaptureChanged,
    ChannelDown,
    Gone,
    RecordingAsked,
    Signal,
    Wish,
)

State = RecordingState


class Input(StrEnum):
    """What can happen to a recording."""

    PAUSE_ASKED = "pause asked"
    STOP_ASKED = "stop asked"
    STARTED = "capture started"
    STOPPED = "capture stopped"
    STOPPED_TO_PAUSE = "capture stopped, pause asked"
    CALL_ENDED = "call ended"


TRANSITIONS: dict[tuple[State, Input], State] = {
    (State.OPTED_IN, Input.STARTED): State.RECORDING,
    (State.OPTED_IN, Input.STOP_ASKED): State.NOT_STARTED,
    (State.OPTED_IN, Input.CALL_ENDED): State.NOT_STARTED,
    (State.RECORDING, Input.STOPPED): State.STOPPED,
    (State.RECORDING, Input.STOPPED_TO_PAUSE): State.PAUSED,
    (State.RECORDING, Input.CALL_ENDED): State.STOPPED,
    (State.PAUSED, Input.STARTED): State.RECORDING,
    (State.PAUSED, Input.STOP_ASKED): State.STOPPED,
    (State.PAUSED, Input.CALL_ENDED): State.STOPPED,
    # MixMonitorStop may come before the dialplan's Pause: a stop can turn out to be a pause, for a moment.
    (State.STOPPED, Input.PAUSE_ASKED): State.PAUSED,
}

ENDED = frozenset((State.STOPPED, State.NOT_STARTED))

#: A request to pause that comes later than this after a stop is of nothing that runs: the file is being sealed.
_LATE_PAUSE_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """One recording; ``channel`` is the keyed hash of the leg that asked, or on which an unasked capture runs.

    ``name`` is that channel's own name, to stop it by; "" until it was heard.
    """

    id: str
    channel: str
    linked: str
    line: str | None
    leg: str | None
    trigger: Trigger
    opted_in: bool
    state: State
    pausing: bool = False
    over: bool = False
    started_at: int | None = None
    stopped_at: int | None = None
    pauses: tuple[Pause, ...] = ()
    blind: bool = False
    optin: str | None = None
    name: str = ""


def granted(wish: Wish, *, id: str, optin: str) -> Tape:
    """The recording that was granted to ``wish``."""
    return Tape(
        id=id,
        channel=wish.channel,
        linked=wish.linked,
        line=wish.line,
        leg=wish.leg,
        trigger=wish.trigger,
        opted_in=True,
        state=State.OPTED_IN,
        optin=optin,
    )


def begin(signal: RecordingAsked | CaptureChanged, *, id: str) -> Tape | None:
    """The recording that ``signal`` begins: an opt-in that is believed, or an unasked capture; else None."""
    asked = isinstance(signal, RecordingAsked)
    if isinstance(signal, RecordingAsked) and signal.ask is not Ask.OPT_IN:
        return None
    if isinstance(signal, CaptureChanged) and signal.capture is not Capture.STARTED:
        return None
    return Tape(
        id=id,
        channel=signal.channel,
        linked=signal.linked,
        line=signal.line,
        # Asterisk's Linkedid is the Uniqueid of the channel that began the call.
        leg="caller" if signal.channel == signal.linked else "callee",
        trigger=signal.trigger if isinstance(signal, RecordingAsked) else Trigger.NONE,
        opted_in=asked,
        state=State.OPTED_IN if asked else State.RECORDING,
        started_at=None if asked else signal.at,
        name="" if isinstance(signal, RecordingAsked) else signal.name,
    )


def step(tape: Tape, signal: Signal) -> Tape:
    """``tape`` after ``signal``; the same object when it changes nothing."""
    if tape.over:
        return tape
    match signal:
        case RecordingAsked(ask=Ask.PAUSE):
            if tape.stopped_at is not None and signal.at - tape.stopped_at > _LATE_PAUSE_MS:
                return tape
            pausing = replace(tape, pausing=True) if tape.state is State.RECORDING and not tape.pausing else tape
            return _moved(pausing, Input.PAUSE_ASKED, signal.at)
        case RecordingAsked(ask=Ask.RESUME) if tape.pausing:
            return replace(tape, pausing=False)
        case RecordingAsked(ask=Ask.OPT_OUT):
            return _moved(tape, Input.STOP_ASKED, signal.at)
        case CaptureChanged(capture=Capture.STARTED):
            return _moved(
                tape if tape.name == signal.name else replace(tape, name=signal.name), Input.STARTED, signal.at
            )
        case CaptureChanged(capture=Capture.UNMUTED):
            return _moved(tape, Input.STARTED, signal.at) if tape.state is State.PAUSED else tape
        case CaptureChanged(capture=Capture.STOPPED):
            return _moved(tape, Input.STOPPED_TO_PAUSE if tape.pausing else Input.STOPPED, signal.at)
        case CaptureChanged(capture=Capture.MUTED):
            return _moved(tape, Input.STOPPED_TO_PAUSE, signal.at)
        case ChannelDown() if signal.channel == tape.channel:
            return replace(_moved(tape, Input.CALL_ENDED, signal.at), over=True)
        case Gone():
            blind = tape.state not in ENDED
            return replace(_moved(tape, Input.CALL_ENDED, signal.at), over=True, blind=tape.blind or blind)
        case _:
            return tape


def _moved(tape: Tape, what: Input, at: int) -> Tape:
    state = TRANSITIONS.get((tape.state, what))
    if state is None:
        return tape
    before, tape = tape.state, replace(tape, state=state)
    if state is State.RECORDING:
        if before is State.PAUSED:
            *earlier, pause = tape.pauses
            return replace(tape, pauses=(*earlier, replace(pause, resumed_at=at)))
        return replace(tape, started_at=at)
    if state is State.PAUSED:
        paused_at = tape.stopped_at if before is State.STOPPED and tape.stopped_at is not None else at
        pauses = (*tape.pauses, Pause(paused_at=paused_at))
        return replace(tape, pausing=False, stopped_at=None, pauses=pauses)
    return replace(tape, stopped_at=at)


def minimise(tape: Tape) -> Recording:
    """What is kept of ``tape``; links only while its call is up."""
    return Recording(
        id=tape.id,
        line=tape.line,
        leg=tape.leg,
        trigger=tape.trigger,
        opted_in=tape.opted_in,
        started_at=tape.started_at,
        stopped_at=tape.stopped_at,
        pauses=tape.pauses,
        state=tape.state,
        blind=tape.blind,
        links=() if tape.state in ENDED else (f"channel:{tape.channel}", f"linked:{tape.linked}"),
        optin=tape.optin,
    )


def restore(record: Recording) -> Tape:
    """The recording of an open ``record``."""
    links = dict(link.split(":", 1) for link in record.links)
    return Tape(
        id=record.id,
        channel=links.get("channel", ""),
        linked=links.get("linked", ""),
        line=record.line,
        leg=record.leg,
        trigger=record.trigger,
        opted_in=record.opted_in,
        state=record.state,
        started_at=record.started_at,
        stopped_at=record.stopped_at,
        pauses=record.pauses,
        blind=record.blind,
        optin=record.optin,
    )
