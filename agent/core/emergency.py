"""The emergency call: evidence that only grows, and the record derived from it.

An emergency is heard twice: from our dialplan's UserEvents on the express session, and from plain call events on the
bulk session. The two TCP streams overtake one another, so the machine must not depend on their order. Therefore each
signal only *adds evidence* (an earliest time, a higher count, one more leg), in any phase, and phase, outcome and
durations are derived. What comes late can complete a finished record; nothing can take evidence away.

    PLACED   dialled; no trunk has been tried yet
    TRYING   on at least one trunk, not answered
    TALKING  a leg to the emergency services answered and is up, whoever talks on it (a transfer leaves it up)
    OVER     answered, and the answered legs are down; or not answered, and the caller's channel is down

Source of the event orders: Asterisk 16.28 and 22.10, as captured in tests/scenarios/captures.
"""

from dataclasses import dataclass, replace
from enum import Enum

from agent.core.records import Emergency, Outcome, SeenBy
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


class Phase(Enum):
    """Where the call stands."""

    PLACED = "placed"
    TRYING = "trying"
    TALKING = "talking"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """All that is known of one emergency call; channels are keyed hashes, times ms since 1970 UTC."""

    id: str
    caller: str
    line: str | None
    number: str
    ip: str | None = None
    vendor: str | None = None
    model: str | None = None
    seen_by: SeenBy
    test: bool = False
    started_at: int
    #: by the dialplan's own count, and by the legs that were dialled: the larger is true
    tried: int = 0
    refused: int = 0
    legs: frozenset[str] = frozenset()
    refused_legs: frozenset[str] = frozenset()
    trunk: str | None = None
    trunk_at: int = 0
    all_failed: bool = False
    answered_at: int | None = None
    answered_legs: frozenset[str] = frozenset()
    #: channel -> when it went down
    down: tuple[tuple[str, int], ...] = ()
    #: when the call was found gone without its end having been heard
    gone_at: int | None = None
    #: what happened while nobody listened: no duration that touches it is stated
    start_unheard: bool = False
    answer_unheard: bool = False

    @property
    def attempts(self) -> int:
        """Trunks tried."""
        return max(self.tried, len(self.legs))

    @property
    def ended_at(self) -> int | None:
        """When the call was over, or None while it is up."""
        down = dict(self.down)
        if self.answered_at is not None:
            if self.answered_legs and all(leg in down for leg in self.answered_legs):
                return max(down[leg] for leg in self.answered_legs)
        elif self.caller in down:
            return down[self.caller]
        return self.gone_at

    @property
    def phase(self) -> Phase:
        """Derived from the evidence."""
        if self.ended_at is not None:
            return Phase.OVER
        if self.answered_at is not None:
            return Phase.TALKING
        return Phase.TRYING if self.attempts else Phase.PLACED

    @property
    def outcome(self) -> Outcome:
        """Derived from the evidence."""
        if self.phase is not Phase.OVER:
            return Outcome.IN_PROGRESS
        if self.answered_at is not None:
            return Outcome.ANSWERED
        refused = max(self.refused, len(self.refused_legs))
        # A PBX that hung up without having tried a trunk did not carry the call. Where our dialplan runs, it says so
        # itself (Failed); silence there means that the caller was quicker.
        witnessed = not self.start_unheard and self.gone_at is None
        nothing_tried = self.attempts == 0 and self.seen_by is SeenBy.CALLS and witnessed
        if self.all_failed or nothing_tried or (self.attempts and refused >= self.attempts):
            return Outcome.FAILED
        return Outcome.ABANDONED


def begin(signal: EmergencyStage | ChannelUp | DialBegun | LiveChannel, *, id: str, number: str, caller: str) -> Call:
    """The emergency that ``signal`` is the first to tell of."""
    return Call(
        id=id,
        caller=caller,
        line=signal.line if signal.channel == caller else None,
        number=number,
        seen_by=SeenBy.DIALPLAN if isinstance(signal, EmergencyStage) else SeenBy.CALLS,
        test=isinstance(signal, EmergencyStage) and signal.test,
        started_at=signal.began_at if isinstance(signal, LiveChannel) else signal.at,
        start_unheard=isinstance(signal, LiveChannel | EmergencyStage),
    )


def step(call: Call, signal: Signal) -> Call:
    """``call`` with what ``signal`` adds; the same object when it adds nothing. Never raises."""
    match signal:
        case EmergencyStage():
            return _staged(_seen_by_dialplan(call, signal), signal)
        case ChannelUp() if signal.channel == call.caller:
            return _started(call, signal)
        case DialBegun():
            return _dialled(call, signal)
        case DialEnded() if signal.dest in call.legs:
            return _dial_ended(call, signal)
        case ChannelDown():
            return _down(call, signal.channel, signal.at)
        case LiveChannel() if call.answered_at is None and signal.channel != call.caller:
            return _found(call, signal)
        case Gone() if call.ended_at is None:
            return replace(call, gone_at=signal.at)
        case _:
            return call


def _seen_by_dialplan(call: Call, signal: EmergencyStage) -> Call:
    line = call.line or (signal.line if signal.channel == call.caller else None)
    return _changed(call, seen_by=SeenBy.DIALPLAN, test=call.test or signal.test, line=line)


def _started(call: Call, signal: ChannelUp | EmergencyStage) -> Call:
    started_at, line = min(call.started_at, signal.at), call.line or signal.line
    return _changed(call, started_at=started_at, line=line, start_unheard=False)


def _staged(call: Call, signal: EmergencyStage) -> Call:
    match signal.stage:
        case Stage.DIALLED:
            return _started(call, signal)
        case Stage.TRYING:
            return _on_trunk(_changed(call, tried=max(call.tried, signal.attempt)), signal.trunk, signal.at)
        case Stage.REFUSED:
            return _changed(call, refused=max(call.refused, signal.attempt))
        case Stage.ANSWERED:
            tried = _changed(call, tried=max(call.tried, signal.attempt))
            return _answered(tried, signal.channel, signal.trunk, signal.at)
        case Stage.LEG_ENDED:
            return _down(call, signal.channel, signal.at)
        case Stage.FAILED:
            return _changed(call, all_failed=True)
        case Stage.ENDED:
            return _down(call, call.caller, signal.at)
        case _:
            return call


def _dialled(call: Call, signal: DialBegun) -> Call:
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
    if signal.line is None:
        return call
    call = _on_trunk(_changed(call, legs=call.legs | {signal.channel}), signal.line, signal.at)
    if not signal.bridged:
        return call
    legs = call.answered_legs | {signal.channel}
    return replace(call, answered_at=signal.at, answer_unheard=True, answered_legs=legs)


def _answered(call: Call, leg: str, trunk: str | None, at: int) -> Call:
    earliest = at if call.answered_at is None or call.answer_unheard else min(at, call.answered_at)
    return _changed(
        call,
        answered_at=earliest,
        answer_unheard=False,
        answered_legs=call.answered_legs | {leg},
        trunk=trunk or call.trunk,
        trunk_at=max(at, call.trunk_at),
    )


def _on_trunk(call: Call, trunk: str | None, at: int) -> Call:
    if call.answered_at is None and trunk is not None and at >= call.trunk_at:
        return _changed(call, trunk=trunk, trunk_at=at)
    return call


def _down(call: Call, channel: str, at: int) -> Call:
    down = dict(call.down)
    if channel in down and down[channel] <= at:
        return call
    return replace(call, down=tuple(sorted({**down, channel: at}.items())))


def _changed(call: Call, **evidence: object) -> Call:
    if all(getattr(call, name) == value for name, value in evidence.items()):
        return call
    return replace(call, **evidence)  # type: ignore[arg-type]


def minimise(call: Call) -> Emergency:
    """What is kept of ``call``: no channel, no caller's number, no name; links only while it is up."""
    ended_at, answered_at = call.ended_at, call.answered_at
    start_known = not call.start_unheard and not call.answer_unheard
    end_known = ended_at != call.gone_at or ended_at is None
    talked = answered_at is not None and ended_at is not None and end_known and not call.answer_unheard
    return Emergency(
        id=call.id,
        line=call.line,
        number=call.number,
        ip=call.ip,
        vendor=call.vendor,
        model=call.model,
        started_at=call.started_at,
        answered_at=answered_at,
        ended_at=ended_at,
        outcome=call.outcome,
        trunk=call.trunk,
        attempts=call.attempts,
        ring_ms=max(0, answered_at - call.started_at) if answered_at is not None and start_known else None,
        talk_ms=max(0, ended_at - answered_at) if talked and ended_at is not None and answered_at is not None else None,
        seen_by=call.seen_by,
        blind=not (start_known and end_known),
        test=call.test,
        links=() if ended_at is not None else _links(call),
    )


def _links(call: Call) -> tuple[str, ...]:
    up = call.answered_legs - {channel for channel, _ in call.down}
    roles = {
        "caller": {call.caller},
        "dialled": call.legs,
        "refused": call.refused_legs,
        "answered": up,
        "refusals": {str(call.refused)},
        "failed": {"all"} if call.all_failed else set(),
    }
    return tuple(f"{role}:{one}" for role, found in roles.items() for one in sorted(found))


def restore(record: Emergency) -> Call:
    """The call of an open ``record``, as far as a restart needs it."""
    links = [link.partition(":") for link in record.links]

    def linked(wanted: str) -> frozenset[str]:
        return frozenset(one for role, _, one in links if role == wanted)

    return Call(
        id=record.id,
        caller=next(iter(linked("caller")), ""),
        line=record.line,
        number=record.number,
        ip=record.ip,
        vendor=record.vendor,
        model=record.model,
        seen_by=record.seen_by,
        test=record.test,
        started_at=record.started_at,
        tried=record.attempts,
        refused=int(next(iter(linked("refusals")), "0")),
        legs=linked("dialled"),
        refused_legs=linked("refused"),
        trunk=record.trunk,
        all_failed=bool(linked("failed")),
        answered_at=record.answered_at,
        answered_legs=linked("answered"),
        start_unheard=record.blind,
        # Of a blind call it is not known whether its answer was heard: then no duration is stated.
        answer_unheard=record.blind and record.answered_at is not None,
    )
