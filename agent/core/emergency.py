"""The emergency call: what each signal adds to the evidence, and the records derived from it.

An emergency is heard up to three times: from our dialplan's UserEvents on the express session, from plain call events
on the bulk session, and from the dialplan's journal in AstDB, whenever that is read. The two TCP streams overtake one
another, and the journal tells old things anew, so the machine must not depend on their order. Therefore each signal
only *adds evidence* (an earliest time, a higher count, one more leg), in any phase, and phase, outcome and durations
are derived. What comes late can complete a finished record; what comes twice adds nothing; nothing can take evidence
away.

Source of the event orders: Asterisk 16.28 and 22.10, as captured in tests/scenarios/captures.
"""

from dataclasses import replace

from agent.core import evidence
from agent.core.evidence import Call
from agent.core.records import Detail, Emergency, SeenBy
from agent.core.signals import (
    ChannelDown,
    ChannelUp,
    DialBegun,
    DialEnded,
    EmergencyStage,
    Gone,
    LiveChannel,
    Signal,
    Stage,
)

#: DIALSTATUS of a trunk that did not take the call; CANCEL is the caller's own hang-up.
_REFUSALS = frozenset(("BUSY", "CHANUNAVAIL", "CONGESTION", "NOANSWER", "INVALIDARGS", "DONTCALL", "TORTURE"))

#: The emergency services call back: of a call that was over long ago, and on channels that are none of its own.
CALLBACKS = frozenset((Stage.CALLBACK, Stage.CALLBACK_ANSWERED, Stage.CALLBACK_ENDED))


def begin(signal: EmergencyStage | ChannelUp | DialBegun | LiveChannel, *, id: str, number: str, caller: str) -> Call:
    """The emergency that ``signal`` is the first to tell of."""
    return Call(
        id=id,
        caller=caller,
        linked=signal.linked if signal.linked != caller else "",
        line=signal.line if signal.channel == caller else None,
        number=number,
        voices=frozenset({_voice(signal)}),
        test=isinstance(signal, EmergencyStage) and signal.test,
        dialled_at=signal.at if isinstance(signal, ChannelUp | DialBegun) else None,
        seen_at=_seen_at(signal),
    )


def placed_by(call: Call, signal: Signal) -> Call:
    """``call`` with its true caller, where ``signal`` is of its first channel, and that dialled an emergency number.

    Our dialplan may run on a Local channel, which has no line, and tell of it before the call's own events do.
    """
    match signal:
        case ChannelUp() | LiveChannel() if signal.channel == signal.linked and call.line is None:
            down = dict(call.down)
            if call.caller != signal.channel and (ended_at := down.pop(call.caller, None)) is not None:
                down[signal.channel] = min(ended_at, down.get(signal.channel, ended_at))
            return _changed(call, caller=signal.channel, line=signal.line, down=tuple(sorted(down.items())))
        case _:
            return call


def step(call: Call, signal: Signal) -> Call:
    """``call`` with what ``signal`` adds; the same object when it adds nothing. Never raises."""
    match signal:
        case EmergencyStage() if signal.stage in CALLBACKS:
            reached = signal.stage is Stage.CALLBACK_ANSWERED
            return _changed(call, called_back=call.called_back | {signal.channel}) if reached else call
        case EmergencyStage():
            return _staged(_told(_seen(call, signal), signal), signal)
        case ChannelUp() if signal.channel == call.caller:
            return _dialled(_seen(call, signal), signal)
        case DialBegun():
            return _dials(_seen(call, signal), signal)
        case DialEnded() if signal.dest in call.legs:
            return _dial_ended(_seen(call, signal), signal)
        case ChannelDown():
            return _down(_seen(call, signal), signal.channel, signal.at)
        case LiveChannel():
            return _found(_seen(call, signal), signal)
        case Gone() if call.ended_at is None:
            return replace(call, gone_at=signal.at)
        case _:
            return call


def clock_set(call: Call) -> Call:
    """``call`` when the clock was set just now: how long what goes on takes cannot be told."""
    if call.ended_at is not None:
        return call
    return _changed(call, ring_unsure=True) if call.answered_at is None else _changed(call, talk_unsure=True)


def _voice(signal: Signal) -> SeenBy:
    if not isinstance(signal, EmergencyStage):
        return SeenBy.CALLS
    return SeenBy.JOURNAL if signal.journal else SeenBy.DIALPLAN


def _seen_at(signal: Signal) -> int:
    return signal.began_at if isinstance(signal, LiveChannel) else signal.at


def _seen(call: Call, signal: Signal) -> Call:
    voice = _voice(signal)
    # The journal is the dialplan's own, and repeats what that was heard to say.
    heard = call.voices if voice is SeenBy.JOURNAL and SeenBy.DIALPLAN in call.voices else call.voices | {voice}
    return _changed(call, voices=heard, seen_at=min(call.seen_at, _seen_at(signal)))


def _told(call: Call, signal: EmergencyStage) -> Call:
    """What every stage can tell, whichever it is."""
    line = call.line or (signal.line if signal.channel == call.caller else None)
    shown = (signal.at, signal.attempt)
    if signal.cli is not None and shown >= call.cli_of:
        call = _changed(call, cli=signal.cli, cli_of=shown)
    return _changed(call, test=call.test or signal.test, line=line)


def _dialled(call: Call, signal: ChannelUp | EmergencyStage) -> Call:
    first = signal.at if call.dialled_at is None else min(call.dialled_at, signal.at)
    return _changed(call, dialled_at=first, line=call.line or signal.line)


def _staged(call: Call, signal: EmergencyStage) -> Call:
    match signal.stage:
        case Stage.DIALLED:
            return _dialled(call, signal)
        case Stage.TRYING:
            tried = _changed(call, tried=max(call.tried, signal.attempt))
            return _on_trunk(tried, signal.trunk, signal.at, signal.attempt)
        case Stage.REFUSED:
            return _changed(call, refused=max(call.refused, signal.attempt))
        case Stage.ANSWERED:
            tried = _changed(call, tried=max(call.tried, signal.attempt))
            return _answered(tried, signal.channel, signal.trunk, signal.at)
        case Stage.LEG_ENDED:
            return _down(call, signal.channel, signal.at)
        case Stage.FAILED:
            return _changed(call, all_failed=True)
        case Stage.PREEMPTED:
            return _changed(call, preempted=True)
        case Stage.ENDED:
            return _down(call, call.caller, signal.at)
        case _:
            return call


def _dials(call: Call, signal: DialBegun) -> Call:
    # A leg that dials on, and whatever is dialled after the answer, is a transfer and not another attempt; and a Local
    # channel is the way to a trunk, not a trunk.
    answered = call.answered_at is not None and signal.at > call.answered_at
    if signal.trunk is None or answered or signal.channel in call.legs or signal.channel in call.answered_legs:
        return call
    return _on_trunk(_changed(call, legs=call.legs | {signal.dest}), signal.trunk, signal.at)


def _dial_ended(call: Call, signal: DialEnded) -> Call:
    if signal.status == "ANSWER":
        return _answered(call, signal.dest, signal.trunk, signal.at)
    if signal.status in _REFUSALS:
        return _changed(call, refused_legs=call.refused_legs | {signal.dest})
    return call


def _found(call: Call, signal: LiveChannel) -> Call:
    """A leg that came up while nobody listened: where it leads is known, since when it is answered is not."""
    if call.answered_at is not None or signal.channel == call.caller or signal.line is None:
        return call
    # What has happened since the list was made may have been heard before it: the next trunk tried, for one.
    listed_at = signal.at if signal.listed_from is None else signal.listed_from
    call = _on_trunk(_changed(call, legs=call.legs | {signal.channel}), signal.line, listed_at)
    if not signal.bridged:
        return call
    return replace(call, found=(signal.at, signal.line), answered_legs=call.answered_legs | {signal.channel})


def _answered(call: Call, leg: str, trunk: str | None, at: int) -> Call:
    told = (at, trunk or "")
    first = told if call.answer is None else min(call.answer, told)
    return _changed(call, answer=first, answered_legs=call.answered_legs | {leg})


def _on_trunk(call: Call, trunk: str | None, at: int, attempt: int = 0) -> Call:
    if trunk is None:
        return call
    tried = (at, attempt, trunk)
    return _changed(call, tried_on=tried if call.tried_on is None else max(call.tried_on, tried))


def _down(call: Call, channel: str, at: int) -> Call:
    down = dict(call.down)
    if channel in down and down[channel] <= at:
        return call
    return replace(call, down=tuple(sorted({**down, channel: at}.items())))


def _changed(call: Call, **news: object) -> Call:
    if all(getattr(call, name) == value for name, value in news.items()):
        return call
    return replace(call, **news)  # type: ignore[arg-type]


def minimise(call: Call) -> Emergency:
    """What is kept of ``call``: no channel, no caller's number, no name; its links go when nothing more can come."""
    return Emergency(
        id=call.id,
        line=call.line,
        number=call.number,
        ip=call.ip,
        vendor=call.vendor,
        model=call.model,
        started_at=call.started_at,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        outcome=call.outcome,
        trunk=call.trunk,
        attempts=call.attempts,
        ring_ms=call.ring_ms,
        talk_ms=call.talk_ms,
        seen_by=call.seen_by,
        blind=call.blind,
        test=call.test,
        links=evidence.links(call),
        site=call.site,
        certainty=call.certainty,
        preempted=call.preempted,
        callbacks=len(call.called_back),
    )


def detail(call: Call) -> Detail | None:
    """The fuller view of ``call``, without the time when it goes; None where nothing is in it."""
    if call.cli is None and call.address is None and call.contact is None:
        return None
    return Detail(
        # One each: found again without a word of it in the emergency's own links.
        id=f"{call.id}-detail",
        emergency=call.id,
        cli=call.cli,
        address=call.address,
        contact=call.contact,
    )
