"""The ordinary call: one record of each CDR that Asterisk wrote, with its seconds as Asterisk counted them.

| caller's side | called side | direction | line | other number |
|---|---|---|---|---|
| a line | a trunk | outgoing | the one that the leg was placed for | what was sent to the trunk |
| a trunk | a line, or none yet | incoming | the called one | the caller's |
| a line | a line, or a Local channel | internal | the caller's | the called line |
| a Local channel | a trunk | outgoing | the line that forwarded, or whose call went that way | what was sent |
| a trunk | a trunk | outgoing | none, unless the CDR has an account code | what was sent |
| a trunk that was called before | whoever it was handed to | outgoing | as before: the call to it goes on | as before |

A leg of which neither side is a line or a trunk is the PBX talking to itself, and no call. Which legs were one call is
told by `Call.call`. A forwarded call has a leg that ends in a Local channel, named after the number that it went to.
A number that its caller withholds is not kept.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.core.areas import area
from agent.core.cdr import Cdr
from agent.core.normalise.identity import line_of
from agent.core.numbering import FREE, Plan
from agent.core.numbers import number_of_dial_string
from agent.core.records import Call, CallOutcome, Direction, NumberClass

_OUTCOMES = {
    "ANSWERED": CallOutcome.ANSWERED,
    "BUSY": CallOutcome.BUSY,
    "NO ANSWER": CallOutcome.NO_ANSWER,
    "CANCEL": CallOutcome.CANCELLED,
}
_NAME_LIMIT = 80
_OUTSIDE = frozenset(NumberClass) - {NumberClass.INTERNAL, NumberClass.UNKNOWN}


@dataclass(slots=True)
class Legs:
    """What legs of one call tell of each other, by the names of channels: the latest of them, in memory alone.

    ``through`` says whose calls go on through a Local channel: of the phone that sent them there, else of the caller.
    Of a channel to a trunk ``sent`` has the number, and ``placed`` the line or the Local channel that it was made for;
    whoever talks on it later, a transferred caller for one, does so at that line's cost. ``linked`` has the Linkedid
    that it was placed under, for Asterisk gives names anew when it is started anew. ``onward`` has the number that
    a call was sent on to, by its Linkedid, for what was sent before the agent came. ``withheld`` says, by the Linkedid,
    whether the number of who calls in is withheld.
    """

    through: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    onward: dict[str, str] = field(default_factory=dict)
    withheld: dict[str, bool] = field(default_factory=dict)

    def forget_channel(self, name: str) -> None:
        """Another channel has this name now."""
        for known in (self.sent, self.placed, self.linked):
            known.pop(name, None)

    def handed_on(self, cdr: Cdr) -> bool:
        """Whether the caller's side is a channel to a trunk that was placed in the same call before."""
        return self.linked.get(cdr.channel) == cdr.linkedid

    def forget(self, most: int = 10_000) -> None:
        """Keep so many, the latest: a call's last leg is written when it ends."""
        known: dict[str, Any]
        for known in (self.through, self.sent, self.placed, self.linked, self.onward, self.withheld):
            for name in list(known)[: len(known) - most]:
                del known[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Makes records of CDRs.

    ``trunks`` are the endpoints that lead out of the PBX, ``link`` hashes Asterisk's identifiers under a key,
    ``recorded`` knows by that hash of a Linkedid whether any of the call was recorded.
    """

    plan: Plan
    trunks: frozenset[str]
    link: Callable[[str], str]
    recorded: Callable[[str], bool] = lambda _: False

    def records(self, cdrs: Iterable[Cdr], legs: Legs) -> Iterator[Call]:
        """Of each CDR its record, but for those of no call; ``legs`` knows what those beside it tell."""
        for cdr in cdrs:
            record = self._record(cdr, legs)
            if record is not None:
                yield record

    def note(self, cdr: Cdr, legs: Legs) -> None:
        """Note what this leg tells of others."""
        name, trunk = _local(cdr.dstchannel), line_of(cdr.dstchannel)
        if cdr.dstchannel.endswith(";1") and (line := self._sender(cdr) or self._caller(cdr)):
            legs.through[name] = line
        if (forwarded := self._forwarded(cdr)) is not None:
            legs.onward.setdefault(cdr.linkedid, forwarded)
        if line_of(cdr.channel) in self.trunks and cdr.withheld is not None:
            legs.withheld[cdr.linkedid] = cdr.withheld or legs.withheld.get(cdr.linkedid, False)
        if trunk in self.trunks and (number := self._dialled(cdr)):
            if legs.linked.get(cdr.dstchannel) != cdr.linkedid:
                legs.forget_channel(cdr.dstchannel)
            legs.linked.setdefault(cdr.dstchannel, cdr.linkedid)
            legs.sent.setdefault(cdr.dstchannel, number)
            legs.placed.setdefault(cdr.dstchannel, _local(cdr.channel) or self._caller(cdr) or "")

    def _record(self, cdr: Cdr, legs: Legs) -> Call | None:
        caller, called = line_of(cdr.channel), line_of(cdr.dstchannel)
        if caller is None and called is None:
            return None
        direction = self._direction(cdr, legs)
        other = self._other(cdr, direction, legs)
        kind = self._kind(cdr, direction, other)
        emergency = kind is NumberClass.EMERGENCY
        number = None if emergency else self._kept(other, direction)
        forwarded = self._forwarded(cdr)
        linked = self.link(cdr.linkedid)
        billable_s = 0 if emergency else cdr.billable_s
        itemised = direction is Direction.OUTGOING and billable_s > 0 and kind not in FREE
        return Call(
            id=self.link(f"{cdr.uniqueid} {cdr.sequence} {cdr.start_ms}"),
            call=linked,
            line=self._line(cdr, direction, legs),
            direction=direction,
            number_class=kind,
            number=number,
            forwarded_class=None if forwarded is None else self.plan.kind(forwarded),
            forwarded=(forwarded and self.plan.national(forwarded)) or None,
            started_at=cdr.start_ms,
            duration_s=cdr.duration_s,
            billable_s=billable_s,
            outcome=_OUTCOMES.get(cdr.disposition, CallOutcome.FAILED),
            recorded=self.recorded(linked),
            itemised=itemised,
            area=area(number) if itemised and number is not None else None,
        )

    def _direction(self, cdr: Cdr, legs: Legs) -> Direction:
        caller, called = line_of(cdr.channel), line_of(cdr.dstchannel)
        if called in self.trunks or legs.handed_on(cdr):
            return Direction.OUTGOING
        if caller in self.trunks:
            return Direction.INCOMING
        if caller is None:
            # What was called through a Local channel; by whom, only the number that was shown tells.
            return Direction.INCOMING if self.plan.kind(cdr.src) in _OUTSIDE else Direction.INTERNAL
        if called is None and not _local(cdr.dstchannel) and self.plan.kind(cdr.dst) in _OUTSIDE:
            return Direction.OUTGOING
        return Direction.INTERNAL

    def _line(self, cdr: Cdr, direction: Direction, legs: Legs) -> str | None:
        called, sender = line_of(cdr.dstchannel), self._sender(cdr)
        account = cdr.accountcode[:_NAME_LIMIT] or None
        if direction is Direction.INCOMING:
            return called or sender or account
        placed = legs.placed.get(cdr.dstchannel) or (legs.placed.get(cdr.channel, "") if legs.handed_on(cdr) else "")
        through = legs.through.get(placed) or legs.through.get(_local(cdr.channel))
        own = sender if direction is Direction.OUTGOING else None
        own = own or through or ("" if placed.startswith("Local/") else placed) or self._caller(cdr)
        return own or (called if direction is Direction.INTERNAL else account)

    def _caller(self, cdr: Cdr) -> str | None:
        """The line that placed the call, where it is one."""
        name = line_of(cdr.channel)
        return None if name in self.trunks else name

    def _sender(self, cdr: Cdr) -> str | None:
        """The phone that sent the call on (SIP 302, a transfer), where Dial rang that one and another end took it."""
        targets = _targets(cdr.lastdata)
        elsewhere = bool(_local(cdr.dstchannel)) or line_of(cdr.dstchannel) in self.trunks
        return _phone(targets[0]) if elsewhere and len(targets) == 1 and _phone(targets[0]) not in self.trunks else None

    def _other(self, cdr: Cdr, direction: Direction, legs: Legs) -> str:
        """The other number, or the other line, as Asterisk tells it."""
        if direction is Direction.OUTGOING:
            sent = legs.sent.get(cdr.dstchannel) or (legs.sent.get(cdr.channel) if legs.handed_on(cdr) else None)
            return self._dialled(cdr) or sent or self._likely(cdr) or legs.onward.get(cdr.linkedid, "")
        if direction is Direction.INCOMING or line_of(cdr.channel) is None:
            # A leg through a Local channel does not tell, and can end long before the one from the trunk, which does.
            own = direction is Direction.INTERNAL and self.plan.kind(cdr.src) is NumberClass.INTERNAL
            unsure = cdr.withheld is not None and not own
            return "" if legs.withheld.get(cdr.linkedid, unsure) else cdr.src
        return line_of(cdr.dstchannel) or cdr.dst

    def _dialled(self, cdr: Cdr) -> str:
        """The number that Dial sent to the trunk of this leg; "" where it was given none, or another trunk.

        A transfer can leave another number in ``dst`` (seen on 16), and a Local channel that is optimised away does.
        """
        trunk = line_of(cdr.dstchannel)
        targets = [target for target in _targets(cdr.lastdata) if trunk is not None and trunk in target]
        number = number_of_dial_string(targets[0].partition("/")[2]) if targets else ""
        return number if self.plan.national(number) else ""

    def _likely(self, cdr: Cdr) -> str:
        """The number that was sent, of a leg that does not name its trunk; "" where it was another than was dialled."""
        targets = _targets(cdr.lastdata)
        if line_of(cdr.dstchannel) in self.trunks and len(targets) == 1:
            if targets[0].startswith("Local/"):
                return number_of_dial_string(targets[0].partition("/")[2])
            if _phone(targets[0]) is not None:
                return ""
        return cdr.dst

    def _forwarded(self, cdr: Cdr) -> str | None:
        """The number that the call was forwarded to, on the leg that tells it."""
        name = _local(cdr.dstchannel)
        # The half that the call went into, from a leg that dialled: for a moment, as a Local channel is optimised away,
        # it can be in one bridge with a leg that was dialled through it.
        if not cdr.dstchannel.endswith(";1") or not _targets(cdr.lastdata):
            return None
        number = name.removeprefix("Local/").partition("@")[0]
        known = self._sender(cdr) is not None and bool(self.plan.national(number))
        return number if known or self.plan.kind(number) in _OUTSIDE else None

    def _kind(self, cdr: Cdr, direction: Direction, other: str) -> NumberClass:
        kind = self.plan.kind(other)
        if NumberClass.EMERGENCY in (self.plan.kind(cdr.dst), kind):
            return NumberClass.EMERGENCY
        if direction is Direction.INTERNAL:
            return NumberClass.INTERNAL
        # A short number of the network's own, which the plan does not name.
        return NumberClass.UNKNOWN if kind is NumberClass.INTERNAL else kind

    def _kept(self, other: str, direction: Direction) -> str | None:
        if direction is not Direction.INTERNAL:
            return self.plan.national(other) or None
        return other[:_NAME_LIMIT] if other.isprintable() and other else None


def _local(channel: str) -> str:
    """The name that both halves of a Local channel share; "" of any other."""
    return channel.partition(";")[0] if channel.startswith("Local/") else ""


def _phone(target: str) -> str | None:
    """The endpoint that was rung by its name alone, ``PJSIP/202``; None of any other way to dial."""
    technology, _, name = target.partition("/")
    return None if technology == "Local" or not name or set(name) & set("@/") else name[:_NAME_LIMIT]


def _targets(lastdata: str) -> list[str]:
    """What Dial was given to ring: ``PJSIP/202``, ``PJSIP/01134960100@trunk-a``."""
    return [target for target in lastdata.partition(",")[0].split("&") if "/" in target]
