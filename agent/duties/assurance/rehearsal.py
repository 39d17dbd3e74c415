"""A real call through the real emergency dialplan, to a number of the provider's own: does everything still work?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from agent.core.lanes import Lane
from agent.core.records import Alarm, Cause, Delivery, Detail, Emergency, News, Notice, Outcome, Record, Severity
from agent.core.registration import Span
from agent.core.signals import Proved
from agent.duties.assurance.addresses import e164
from agent.duties.assurance.condition import Condition
from agent.duties.assurance.probe import Answer
from agent.duties.check.emergency import TRUNKS, trunk_names

log = structlog.get_logger()

SUBJECT = "rehearsal"
NUMBER = "EMERGENCY_REHEARSAL_NUMBER"
#: Who takes the rehearsal's own alarm on: the agent itself, so that nobody is called out for it.
BY = "rehearsal"
#: How long each may take: the call to be heard of, to be over, its notices to be handed over.
BEGIN_S, CALL_S, TOLD_S = 10.0, 90.0, 30.0
_HOUR_MS = 3_600_000
_LOOK_S = 60.0


class NoRehearsal(Exception):
    """None can be held now; the message is one sentence, with what to do."""


class NoSuch(NoRehearsal):
    """What it was to be held with is not there; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One thing shown: ``ok`` None where it is not set up, and so can be neither shown nor missed."""

    name: str
    ok: bool | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one rehearsal showed; ``emergency`` is the id of its record."""

    at: int
    by: str
    emergency: str | None
    trunk: str | None
    proofs: tuple[Proof, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(proof.ok is not False for proof in self.proofs)


@dataclass(slots=True)
class _Seen:
    """What was committed since the rehearsal began."""

    emergency: Emergency | None = None
    details: dict[str, Detail] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        match record:
            case Emergency(test=True) if self.emergency is None or self.emergency.id == record.id:
                self.emergency = record
            case Detail():
                self.details[record.emergency] = record
            case Alarm(test=True):
                self.alarms[record.subject] = record
            case Notice():
                self.notices[record.id] = record

    @property
    def alarm(self) -> Alarm | None:
        return None if self.emergency is None else self.alarms.get(self.emergency.id)

    @property
    def told(self) -> list[Notice]:
        alarm = self.alarm
        # That it was taken on and is over may be on its way yet: what counts is that somebody heard of it at all.
        wanted = (each for each in self.notices.values() if each.news is News.RAISED)
        return [] if alarm is None else [each for each in wanted if each.alarm == alarm.id]


class Rehearsals:
    """Holds rehearsals on request and on the clock, one at a time; an observer of the pipeline.

    ``ask`` sends an action on the bulk session; ``acknowledge`` takes an alarm on, by the emergency's id;
    ``proof`` is what arrived at the far end; ``passed`` is called when one went through.
    """

    def __init__(
        self,
        *,
        every_h: int,
        ask: Callable[[Mapping[str, str]], Awaitable[Answer]],
        registered: Callable[[], Iterable[Span]],
        proof: Callable[[str], Proved | None],
        acknowledge: Callable[[str, str], None],
        report: Callable[[Condition], None],
        passed: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        #: The last one of this run.
        self.last: Report | None = None
        #: When the last one was held that proved everything (ms).
        self.proved_at: int | None = None
        self._every_ms = every_h * _HOUR_MS
        self._ask = ask
        self._registered = registered
        self._proof = proof
        self._acknowledge = acknowledge
        self._report = report
        self._passed = passed
        self._clock = clock
        self._seen: _Seen | None = None
        self._news = asyncio.Event()

    def __call__(self, _lane: Lane, records: Sequence[Record], _seconds: float) -> None:
        """Observe a commit."""
        if self._seen is not None:
            for record in records:
                self._seen.take(record)
            self._news.set()

    async def run(self, last_at: Callable[[], Awaitable[int | None]]) -> None:
        """Hold one whenever the last is ``every_h`` old, until cancelled; ``last_at``: when that was (ms)."""
        if not self._every_ms:
            await asyncio.Event().wait()
        due_at = (await last_at() or self._clock() - self._every_ms) + self._every_ms
        while True:
            if self._clock() >= due_at:
                await self._on_schedule()
                due_at = self._clock() + self._every_ms
            await asyncio.sleep(_LOOK_S)

    async def _on_schedule(self) -> None:
        try:
            async for _ in self.rehearse("schedule", None, None):
                pass
        except NoRehearsal as error:
            self._report(_failure(f"no rehearsal could be held: {error}", Severity.WARNING))

    async def rehearse(self, by: str, line: str | None, trunk: str | None) -> AsyncIterator[Mapping[str, object]]:
        """Hold one as if ``line`` called (None: any registered phone), over ``trunk`` alone (None: as they come).

        Tells each step as ``{"step": …}``, each proof as ``{"proof": …, "ok": …, "what": …}``, and at the end
        ``{"passed": …}``.

        Raises:
            NoRehearsal: there is one already, or what it needs is not set up.
            NoSuch: there is no such ``line`` or ``trunk``.
        """
        if self._seen is not None:
            raise NoRehearsal("a rehearsal is being held already")
        self._seen = seen = _Seen()
        try:
            at = self._clock()
            line = line or self._any_line()
            await self._place(line, trunk)
            log.info("rehearsal")
            yield {"step": f"a call is placed as {line}"}
            await self._until(lambda: seen.emergency is not None, BEGIN_S)
            if seen.emergency is not None:
                yield {"step": "it is heard and stored", "emergency": seen.emergency.id}
                await self._until(lambda: seen.emergency is not None and seen.emergency.ended_at is not None, CALL_S)
                yield {"step": "it is over"}
                # Where no channel wants rehearsals there is nothing to wait for: an alarm comes with its notices.
                await self._until(lambda: seen.alarm is not None and all(map(_handed, seen.told)), TOLD_S)
                await self._take_on(seen)
            self.last = await self._judged(at, by, seen)
            for proof in self.last.proofs:
                yield {"proof": proof.name, "ok": proof.ok, "what": proof.what}
            self._conclude(self.last)
            yield {"passed": self.last.passed}
        finally:
            self._seen = None

    def _any_line(self) -> str:
        lines = sorted(span.line for span in self._registered() if span.technology == "PJSIP")
        if not lines:
            raise NoRehearsal("no PJSIP phone is registered that could be said to call: name a line")
        return lines[0]

    async def _place(self, line: str, trunk: str | None) -> None:
        if any(not _plain(name) for name in (line, trunk or "x")):
            raise NoRehearsal("a line's or trunk's name here has letters, digits and . _ @ + - only")
        if not await self._value(NUMBER):
            raise NoRehearsal(f"{NUMBER} is not set: see emergency-settings.conf.example")
        await self._known(line, trunk)
        variables = f"LINE={line}" + (f",EMERGENCY_REHEARSAL_TRUNK={trunk}" if trunk else "")
        action = {
            "Action": "Originate",
            "Channel": "Local/place@emergency-rehearsal/n",
            "Context": "emergency-rehearsal",
            "Exten": "listen",
            "Priority": "1",
            "Timeout": f"{CALL_S * 1000:.0f}",
            "Async": "true",
            "Variable": variables,
        }
        try:
            answer = await self._ask(action)
        except (ConnectionError, TimeoutError):
            raise NoRehearsal("Asterisk does not answer") from None
        if not answer.ok:
            denied = "denied" in answer.message.lower()
            why = "the agent's user has no write class originate" if denied else "Asterisk refused to place the call"
            raise NoRehearsal(why)

    async def _known(self, line: str, trunk: str | None) -> None:
        """The dialplan refuses them as well, but then it is as if the way of a 999 were broken."""
        if not await self._value(f"PJSIP_ENDPOINT({line},context)"):
            raise NoSuch(f"Asterisk has no PJSIP endpoint {line}")
        names = trunk_names({TRUNKS: await self._value(TRUNKS)}) if trunk else None
        if names is not None and trunk not in names:
            raise NoSuch(f"{trunk} is none of {TRUNKS} ({', '.join(names) or 'it is not set'})")

    async def _value(self, name: str) -> str:
        try:
            answer = await self._ask({"Action": "Getvar", "Variable": name})
        except (ConnectionError, TimeoutError):
            raise NoRehearsal("Asterisk does not answer") from None
        return answer.headers.get("Value", "").strip() if answer.ok else ""

    async def _until(self, met: Callable[[], bool], limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not met():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            log.warning("rehearsal_waited_in_vain", seconds=limit_s)

    async def _take_on(self, seen: _Seen) -> None:
        if seen.emergency is None or seen.alarm is None or seen.alarm.acknowledged_at is not None:
            return
        self._acknowledge(seen.emergency.id, BY)
        await self._until(lambda: seen.alarm is not None and seen.alarm.acknowledged_at is not None, BEGIN_S)

    async def _judged(self, at: int, by: str, seen: _Seen) -> Report:
        call = seen.emergency
        if call is None:
            what = "nothing was heard of the call: look at Asterisk's log, and at the probe"
            return Report(
                at=at, by=by, emergency=None, trunk=None, proofs=(Proof(name="routing", ok=False, what=what),)
            )
        proof, trunk = self._proof(call.id), call.trunk
        settings = {
            name: await self._value(f"EMERGENCY_{name}_{trunk}") if trunk and _plain(trunk) else ""
            for name in ("PRIORITY", "RESOURCE_PRIORITY", "LOCATION")
        }
        return Report(
            at=at,
            by=by,
            emergency=call.id,
            trunk=trunk,
            proofs=(
                _routing(call, proof),
                _cli(seen.details.get(call.id), proof),
                _header("priority", settings["PRIORITY"] == "yes", proof is not None and proof.priority == "emergency"),
                _header(
                    "resource-priority",
                    bool(settings["RESOURCE_PRIORITY"]),
                    proof is not None and proof.resource_priority == settings["RESOURCE_PRIORITY"],
                ),
                _location(settings["LOCATION"] == "yes", proof),
                _alert(seen),
                _acknowledgement(seen.alarm),
            ),
        )

    def _conclude(self, report: Report) -> None:
        failed = [proof for proof in report.proofs if proof.ok is False]
        log.info("rehearsed", passed=report.passed, failed=[proof.name for proof in failed])
        if not failed:
            self.proved_at = report.at
            self._report(Condition(cause=Cause.PATH, subject=SUBJECT, what=None))
            self._passed()
            return
        lost = any(proof.name == "routing" for proof in failed)
        names = ", ".join(proof.name for proof in failed)
        self._report(_failure(f"the rehearsal did not prove {names}", Severity.CRITICAL if lost else Severity.WARNING))


def _failure(what: str, severity: Severity) -> Condition:
    return Condition(cause=Cause.PATH, subject=SUBJECT, what=what, severity=severity)


def _plain(name: str) -> bool:
    return all(character.isascii() and (character.isalnum() or character in "._@+-") for character in name)


def _handed(notice: Notice) -> bool:
    return notice.state in (Delivery.SENT, Delivery.DELIVERED)


def _routing(call: Emergency, proof: Proved | None) -> Proof:
    if call.outcome is not Outcome.ANSWERED:
        tried = f"{call.attempts} trunks were tried" if call.attempts else "no trunk was tried"
        return Proof(name="routing", ok=False, what=f"nobody answered ({tried})")
    text = f"answered over trunk {call.trunk}, attempt {call.attempts}"
    if proof is None:
        # The number may lead out of this PBX, to where nobody tells what arrived.
        return Proof(name="routing", ok=True, what=f"{text}; nothing at the far end tells what arrived")
    right = proof.trunk in ("", call.trunk)
    return Proof(name="routing", ok=right, what=text if right else f"{text}, but it arrived by {proof.trunk}")


def _cli(detail: Detail | None, proof: Proved | None) -> Proof:
    shown = detail.cli if detail is not None else None
    if proof is None:
        return Proof(name="cli", ok=None, what="nothing at the far end tells what arrived")
    if shown is None or not proof.cli:
        return Proof(name="cli", ok=False, what="no number arrived")
    right = shown == proof.cli or (e164(shown) is not None and e164(shown) == e164(proof.cli))
    return Proof(name="cli", ok=right, what="the number shown arrived" if right else "another number arrived")


def _header(name: str, wanted: bool, arrived: bool) -> Proof:
    if not wanted:
        return Proof(name=name, ok=None, what="not set for this trunk")
    return Proof(name=name, ok=arrived, what="the header arrived" if arrived else "the header did not arrive")


def _location(wanted: bool, proof: Proved | None) -> Proof:
    if proof is not None and proof.location:
        return Proof(name="location", ok=True, what="a location arrived")
    if not wanted:
        return Proof(name="location", ok=None, what="not set for this trunk")
    text = "none arrived: has the line's endpoint a location, and does this Asterisk send one (res_pjsip_geolocation)?"
    return Proof(name="location", ok=False, what=text)


def _alert(seen: _Seen) -> Proof:
    if seen.alarm is None:
        return Proof(name="alert", ok=False, what="no alarm was raised")
    if not seen.told:
        return Proof(name="alert", ok=None, what="no channel of notice wants rehearsals")
    late = sorted({notice.channel for notice in seen.told if not _handed(notice)})
    channels = ", ".join(sorted({notice.channel for notice in seen.told}))
    if late:
        return Proof(name="alert", ok=False, what=f"not handed over to {', '.join(late)}")
    return Proof(name="alert", ok=True, what=f"handed over to {channels}")


def _acknowledgement(alarm: Alarm | None) -> Proof:
    taken = alarm is not None and alarm.acknowledged_at is not None
    return Proof(
        name="acknowledgement", ok=taken, what="the alarm was taken on" if taken else "it could not be taken on"
    )
