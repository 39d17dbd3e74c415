"""What is known of one emergency call: evidence that only grows, what follows from it, and its form over a restart.

The phases that follow from it:

    PLACED   dialled; no trunk has been tried yet
    TRYING   on at least one trunk, not answered
    TALKING  a leg to the emergency services answered and is up, whoever talks on it (a transfer leaves it up)
    OVER     answered, and the answered legs are down; or not answered, and the caller's channel is down
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from agent.core.records import Certainty, Emergency, Outcome, SeenBy

#: What two voices that tell of one instant may differ by, in ms.
APART_MS = 1_000


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
    #: the call's first channel, by which Asterisk names it, where the one that told of it is another
    linked: str = ""
    line: str | None
    number: str
    ip: str | None = None
    #: the dialplan itself told the address, so no registration beats it
    ip_told: bool = False
    vendor: str | None = None
    model: str | None = None
    site: str | None = None
    certainty: Certainty | None = None
    #: for the fuller view alone; ``cli_of`` is the instant and attempt that ``cli`` was shown at
    cli: str | None = None
    cli_of: tuple[int, int] = (0, 0)
    address: str | None = None
    contact: str | None = None
    voices: frozenset[SeenBy]
    test: bool = False
    #: when it was dialled, if that was told; and the earliest instant at which it is known to have been there
    dialled_at: int | None = None
    seen_at: int
    #: by the dialplan's own count, and by the legs that were dialled: the larger is true
    tried: int = 0
    refused: int = 0
    legs: frozenset[str] = frozenset()
    refused_legs: frozenset[str] = frozenset()
    #: the trunk tried last: when, as which attempt, its name
    tried_on: tuple[int, int, str] | None = None
    all_failed: bool = False
    preempted: bool = False
    #: the first answer that was told; the first by which a leg was found answered, since when nobody knows: when, trunk
    answer: tuple[int, str] | None = None
    found: tuple[int, str] | None = None
    answered_legs: frozenset[str] = frozenset()
    #: channel -> when it went down
    down: tuple[tuple[str, int], ...] = ()
    #: when the call was found gone without its end having been told
    gone_at: int | None = None
    #: the clock was set meanwhile: how long it rang, or was talked, nobody can say
    ring_unsure: bool = False
    talk_unsure: bool = False
    #: the legs on which the emergency services reached the caller again
    called_back: frozenset[str] = frozenset()

    @property
    def seen_by(self) -> SeenBy:
        """The best of the voices that told of it."""
        return next(voice for voice in SeenBy if voice in self.voices)

    @property
    def started_at(self) -> int:
        """When it was dialled, as far as that is known."""
        return self.seen_at if self.dialled_at is None else self.dialled_at

    @property
    def answered_at(self) -> int | None:
        """When the emergency services answered, as far as that is known."""
        first = self.answer or self.found
        return None if first is None else first[0]

    @property
    def attempts(self) -> int:
        """Trunks tried."""
        return max(self.tried, len(self.legs))

    @property
    def trunk(self) -> str | None:
        """The trunk that answered, else the one tried last."""
        answered = self.answer or self.found
        if answered is not None and answered[1]:
            return answered[1]
        return None if self.tried_on is None else self.tried_on[2]

    @property
    def told_end(self) -> int | None:
        """When the call was over, as far as it was told."""
        down = dict(self.down)
        if self.answered_at is None:
            return down.get(self.caller)
        if self.answered_legs and all(leg in down for leg in self.answered_legs):
            return max(down[leg] for leg in self.answered_legs)
        return None

    @property
    def ended_at(self) -> int | None:
        """When the call was over, or found to be, or None while it is up."""
        told = self.told_end
        return self.gone_at if told is None else told

    @property
    def blind(self) -> bool:
        """Whether start, answer or end passed without being told."""
        unknown_answer = self.answer is None and self.found is not None
        unknown_end = self.gone_at is not None and self.told_end is None
        return self.dialled_at is None or unknown_answer or unknown_end

    @property
    def ring_ms(self) -> int | None:
        """From dialling to answer; None where either was not told, or the clock was set in between."""
        if self.answer is None or self.dialled_at is None or self.ring_unsure:
            return None
        return _span(self.dialled_at, self.answer[0])

    @property
    def talk_ms(self) -> int | None:
        """From answer to end; None where either was not told, or the clock was set in between."""
        if self.answer is None or (told := self.told_end) is None or self.talk_unsure:
            return None
        return _span(self.answer[0], told)

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
        witnessed = self.dialled_at is not None and self.told_end is not None
        nothing_tried = self.attempts == 0 and self.voices == {SeenBy.CALLS} and witnessed
        if self.all_failed or nothing_tried or (self.attempts and refused >= self.attempts):
            return Outcome.FAILED
        return Outcome.ABANDONED


def _span(begin: int, end: int) -> int | None:
    """How long it was; None where the clock was set back in between. Two voices may tell of one instant apart."""
    return None if end - begin < -APART_MS else max(0, end - begin)


def links(call: Call) -> tuple[str, ...]:
    """The evidence that its record does not show, one text each: role, then what `restore` needs."""
    return tuple(f"{role}:{value}" for role, value in _linked(call))


def _linked(call: Call) -> Iterator[tuple[str, object]]:
    yield "caller", call.caller
    if call.linked:
        yield "linked", call.linked
    yield "seen", call.seen_at
    if call.dialled_at is not None:
        yield "start", call.dialled_at
    if call.ip_told:
        yield "ip", "told"
    if call.cli_of != (0, 0):
        yield "cli", f"{call.cli_of[0]}:{call.cli_of[1]}"
    yield "tried", call.tried
    yield "refusals", call.refused
    if call.all_failed:
        yield "failed", "all"
    if call.tried_on is not None:
        at, attempt, trunk = call.tried_on
        yield "trunk", f"{at}:{attempt}:{trunk}"
    for role, answer in (("answer", call.answer), ("found", call.found)):
        if answer is not None:
            yield role, f"{answer[0]}:{answer[1]}"
    if call.gone_at is not None:
        yield "gone", call.gone_at
    yield from (("unsure", phase) for phase in _unsure(call))
    for role, channels in (
        ("voice", call.voices),
        ("dialled", call.legs),
        ("refused", call.refused_legs),
        ("answered", call.answered_legs),
        ("back", call.called_back),
    ):
        yield from ((role, channel) for channel in sorted(channels))
    yield from (("down", f"{at}:{channel}") for channel, at in call.down)


def _unsure(call: Call) -> Iterator[str]:
    if call.ring_unsure:
        yield "ring"
    if call.talk_unsure:
        yield "talk"


def restore(record: Emergency) -> Call:
    """The call of a ``record`` that still has its links: the two together hold all but the fuller view of it."""
    found: dict[str, list[str]] = {}
    for link in record.links:
        role, _, value = link.partition(":")
        found.setdefault(role, []).append(value)

    def one(role: str) -> str | None:
        return found.get(role, [None])[0]

    def number(role: str) -> int | None:
        return None if (text := one(role)) is None else int(text)

    def many(role: str) -> frozenset[str]:
        return frozenset(found.get(role, ()))

    def timed(role: str) -> tuple[int, str] | None:
        at, _, trunk = (one(role) or "").partition(":")
        return (int(at), trunk) if at else None

    tried_on = (one("trunk") or "").split(":", 2)
    cli_of = (one("cli") or "0:0").split(":")
    return Call(
        id=record.id,
        caller=one("caller") or "",
        linked=one("linked") or "",
        line=record.line,
        number=record.number,
        ip=record.ip,
        ip_told=one("ip") == "told",
        vendor=record.vendor,
        model=record.model,
        site=record.site,
        certainty=record.certainty,
        cli_of=(int(cli_of[0]), int(cli_of[1])),
        voices=frozenset(map(SeenBy, many("voice"))) or frozenset({record.seen_by}),
        test=record.test,
        dialled_at=number("start"),
        seen_at=number("seen") or record.started_at,
        tried=number("tried") or 0,
        refused=number("refusals") or 0,
        legs=many("dialled"),
        refused_legs=many("refused"),
        tried_on=(int(tried_on[0]), int(tried_on[1]), tried_on[2]) if len(tried_on) == 3 else None,
        all_failed=one("failed") is not None,
        preempted=record.preempted,
        answer=timed("answer"),
        found=timed("found"),
        answered_legs=many("answered"),
        down=tuple(sorted((channel, int(at)) for at, _, channel in (item.partition(":") for item in many("down")))),
        gone_at=number("gone"),
        ring_unsure="ring" in many("unsure"),
        talk_unsure="talk" in many("unsure"),
        called_back=many("back"),
    )
