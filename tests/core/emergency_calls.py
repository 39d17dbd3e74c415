"""Emergency calls made up by hypothesis, as each of the two AMI sessions tells of them, in the order of Asterisk."""

from dataclasses import dataclass

from hypothesis import strategies as st

from agent.core.signals import (
    ChannelDown,
    ChannelUp,
    DialBegun,
    DialEnded,
    EmergencyStage,
    OnChannel,
    Stage,
)

NOON = 1_795_348_800_000
#: DIALSTATUS of a trunk that did not take the call.
REFUSALS = ("BUSY", "CONGESTION", "CHANUNAVAIL", "NOANSWER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One call as the dialplan tells of it (express) and as call events do (bulk)."""

    dialplan: list[OnChannel]
    calls: list[OnChannel]


@dataclass(slots=True)
class _Teller:
    """Writes the two streams down while its clock goes on."""

    name: str
    line: str
    number: str
    at: int
    dialplan: list[OnChannel]
    calls: list[OnChannel]
    #: The leg on which our dialplan runs.
    runs_on: str = ""

    def stage(self, stage: Stage, leg: str = "", **more: object) -> None:
        values = {"number": self.number, "trunk": None, "attempt": 0, "test": False, **more}
        self.dialplan.append(
            EmergencyStage(
                **self._on(leg or self.runs_on),  # type: ignore[arg-type]
                stage=stage,
                call=self.name + self.runs_on,
                **values,  # type: ignore[arg-type]
            )
        )

    def call(self, kind: type[OnChannel], leg: str = "", **more: object) -> None:
        self.calls.append(kind(**self._on(leg), **more))  # type: ignore[arg-type]

    def _on(self, leg: str) -> dict[str, object]:
        self.at += 1
        line = self.line if not leg else None if leg.startswith("local") else leg
        return {"at": self.at, "channel": self.name + leg, "linked": self.name, "line": line}


@st.composite
def told(draw: st.DrawFn, name: str = "call", *, line: str = "201") -> Told:
    """One call: up to 3 trunks refuse; then one answers, the caller hangs up, or none is left. Perhaps transferred."""
    number = draw(st.sampled_from(["999", "112"]))
    start = NOON + draw(st.integers(0, 5_000))
    teller = _Teller(name=name, line=line, number=number, at=start, dialplan=[], calls=[])
    through_local = draw(st.booleans())
    teller.call(ChannelUp, number=number)
    if through_local and draw(st.booleans()):
        teller.runs_on = "local2"
    else:
        teller.stage(Stage.DIALLED)
    if through_local:
        teller.call(ChannelUp, leg="local1", number=number)
        teller.call(ChannelUp, leg="local2", number=number)
        teller.call(DialBegun, dest=name + "local1", trunk=None, number=number)
    if teller.runs_on:
        teller.stage(Stage.DIALLED)
    refusals = draw(st.integers(0, 3))
    ending = draw(st.sampled_from(["answered", "abandoned", "failed", "abandoned between"]))
    for attempt in range(1, refusals + 1):
        _tries(teller, attempt, through_local)
        teller.at += draw(st.integers(1, 4_000))
        _refused(teller, attempt, draw(st.sampled_from(REFUSALS)))
    if ending == "failed" and refusals:
        teller.stage(Stage.FAILED)
    elif ending in ("answered", "abandoned"):
        _tries(teller, refusals + 1, through_local)
        teller.at += draw(st.integers(1, 60_000))
        if ending == "answered":
            _talks(teller, refusals + 1, draw(st.integers(0, 90_000)), transferred=draw(st.booleans()))
            return Told(dialplan=teller.dialplan, calls=teller.calls)
        _cancelled(teller, refusals + 1)
    _over(teller)
    return Told(dialplan=teller.dialplan, calls=teller.calls)


def _leg(attempt: int) -> str:
    return f"trunk-{attempt}"


def _tries(teller: _Teller, attempt: int, through_local: bool) -> None:
    leg = _leg(attempt)
    teller.stage(Stage.TRYING, trunk=leg, attempt=attempt)
    teller.call(ChannelUp, leg=leg, number="s")
    by = "local2" if through_local else ""
    teller.call(DialBegun, leg=by, dest=teller.name + leg, trunk=leg, number=teller.number)


def _refused(teller: _Teller, attempt: int, status: str) -> None:
    leg = _leg(attempt)
    teller.call(DialEnded, dest=teller.name + leg, trunk=leg, status=status)
    teller.stage(Stage.LEG_ENDED, leg=leg, trunk=leg, attempt=attempt)
    teller.stage(Stage.REFUSED, trunk=leg, attempt=attempt)
    teller.call(ChannelDown, leg=leg)


def _cancelled(teller: _Teller, attempt: int) -> None:
    leg = _leg(attempt)
    teller.call(DialEnded, dest=teller.name + leg, trunk=leg, status="CANCEL")
    teller.stage(Stage.LEG_ENDED, leg=leg, trunk=leg, attempt=attempt)
    teller.call(ChannelDown, leg=leg)


def _talks(teller: _Teller, attempt: int, talk_ms: int, *, transferred: bool) -> None:
    leg = _leg(attempt)
    teller.stage(Stage.ANSWERED, leg=leg, trunk=leg, attempt=attempt)
    teller.call(DialEnded, dest=teller.name + leg, trunk=leg, status="ANSWER")
    teller.at += talk_ms
    if transferred:
        teller.call(ChannelUp, leg="202", number="s")
        teller.call(DialBegun, leg=leg, dest=teller.name + "202", trunk="202", number="202")
        teller.stage(Stage.ENDED)
        teller.call(ChannelDown)
        teller.call(DialEnded, leg=leg, dest=teller.name + "202", trunk="202", status="ANSWER")
        teller.at += talk_ms
        teller.call(ChannelDown, leg="202")
    teller.stage(Stage.LEG_ENDED, leg=leg, trunk=leg, attempt=attempt)
    if not transferred:
        _over(teller)
    teller.call(ChannelDown, leg=leg)


def _over(teller: _Teller) -> None:
    teller.stage(Stage.ENDED)
    teller.call(ChannelDown)
    if teller.runs_on:
        teller.call(ChannelDown, leg=teller.runs_on)


@st.composite
def interleaved(draw: st.DrawFn, *streams: list[OnChannel]) -> list[OnChannel]:
    """The streams as one, each in its own order."""
    turns = draw(st.permutations([index for index, stream in enumerate(streams) for _ in stream]))
    sources = [iter(stream) for stream in streams]
    return [next(sources[turn]) for turn in turns]
