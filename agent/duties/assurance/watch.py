"""Asks the live Asterisk over and over what it would do with a 999, and says what has changed or stands in the way."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from agent.core.lanes import Lane
from agent.core.numbers import forms
from agent.core.records import Cause, Certainty, Path, Record, Registration, Severity, Verdict
from agent.core.registration import Span
from agent.core.sites import Site, Sites
from agent.duties.assurance import addresses, paths, trunks
from agent.duties.assurance.addresses import Address, Demands, File, Shown
from agent.duties.assurance.condition import Condition
from agent.duties.assurance.paths import Key, Paths, Seen
from agent.duties.assurance.reach import Reach, reach
from agent.duties.assurance.trunks import TrunkState, state_of
from agent.duties.check import emergency
from agent.duties.check.asker import Asker, Pbx, commands_of
from agent.duties.check.evidence import Endpoint, Evidence, Host, Trunk
from agent.duties.check.finding import Severity as Worth
from agent.duties.check.gather import modules_of, variables_of
from agent.duties.check.phones import endpoints_of, trunks_of
from agent.duties.check.routes import EMERGENCY, contexts_of, routes_of, way_of

log = structlog.get_logger()

RETRY_S = 3.0
#: How often it is asked anew which phones there are and where they land; at once when Asterisk says that it reloaded.
ENDPOINTS_EVERY_S = 300.0
#: Nothing seen for so many intervals, and so long, is news.
_MISSED, _LEAST_S = 3, 60.0
WATCH, UNPLACED = "watch", "contexts not seen"
#: Phones counted before others get their turn: 100,000 of them must not hold up a 999.
_AT_ONCE = 1_000
#: Paths judged, and records handed over, without a pause.
_TURNS = 64
#: How often Asterisk is given the time to say that it is fully booted.
_BOOT_WAITS = 60


class Line(Pbx, Protocol):
    """A login to Asterisk that hears of reloads."""

    async def reloaded(self, within_s: float) -> bool:
        """Wait until Asterisk says that it has loaded something anew; False if it does not within ``within_s``."""


class Unseen(Exception):
    """Asterisk does not let the agent see what it needs to; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subjects:
    """What is watched: the emergency numbers, what may be dialled before them, and the carrier's export, if any."""

    numbers: tuple[str, ...]
    prefixes: tuple[str, ...]
    export: File | None = None
    demands: Demands


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One registered phone, and whether it can reach the emergency services with the right address."""

    technology: str
    line: str
    context: str | None
    site: str | None
    reach: Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How everything stood when it was last seen, at ``seen_at`` (ms, by the agent's clock; None: not yet).

    ``export_faults`` is None where there is no address export, ``export_at`` when its file was changed (ms).
    """

    seen_at: int | None
    paths: tuple[Path, ...]
    trunks: Mapping[str, TrunkState]
    addresses: Mapping[str, Address]
    phones: Counter[Reach]
    export_at: int | None = None
    export_faults: int | None = None


class Watch:
    """The duty.

    ``connect`` gives a login of its own, so that 20,000 questions are in nobody's way; it raises ConnectionError where
    there is none. ``registered`` are the spans that are open now, ``keep`` takes records, ``report`` conditions.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], AbstractAsyncContextManager[Line]],
        subjects: Subjects,
        every_s: float,
        sites: Callable[[], Sites | None],
        registered: Callable[[], Iterable[Span]],
        keep: Callable[[Sequence[Record]], None],
        report: Callable[[Condition], None],
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self.paths = Paths(new_id)
        self._connect = connect
        self._subjects = subjects
        self._forms = forms(subjects.numbers, subjects.prefixes)
        self.every_s = every_s
        self._sites = sites
        self._registered = registered
        self._keep = keep
        self._report = report
        self._clock = clock
        self._seen_at: int | None = None
        self._since = clock()
        self._endpoints: tuple[Endpoint, ...] = ()
        self._contexts: dict[tuple[str, str], str] = {}
        self._trunks: tuple[Trunk, ...] = ()
        self._addresses: dict[str, Address] = {}
        self._subject_of_trunk: dict[str, str] = {}
        self._phones: Counter[Reach] = Counter()
        self._export_faults: int | None = None

    def restore(self, records: Iterable[Record]) -> None:
        """Take up what an earlier run saw last."""
        self.paths.restore(record for record in records if isinstance(record, Path))

    async def run(self) -> None:
        """Look at the start, after each reload that Asterisk tells of, and every ``every_s``, until cancelled.

        Asterisk tells of no `dialplan reload` (16 and 22): a change made by one is seen within ``every_s``.
        """
        for span in self._registered():
            self._named(span.line, there=True)
        while True:
            try:
                async with self._connect() as line:
                    await self._watched(line)
            except (ConnectionError, TimeoutError):
                self._unseen("Asterisk does not answer")
            except Unseen as error:
                self._unseen(str(error))
            await self._count()
            await asyncio.sleep(RETRY_S)

    def __call__(self, _lane: Lane, records: Sequence[Record], _seconds: float) -> None:
        """Observe a commit: nobody may register as an emergency number."""
        for record in records:
            if isinstance(record, Registration):
                self._named(record.line, there=record.ended_at is None)

    def tried(self) -> None:
        """A rehearsal went through: what had changed has been tried."""
        self._tell(self.paths.tried())

    # -- looking ---------------------------------------------------------------------------------------------------

    async def _watched(self, line: Line) -> None:
        await _booted(line)
        asker = Asker(line, None, await commands_of(line), private=False)
        loop = asyncio.get_running_loop()
        listed_at = 0.0
        while True:
            if not listed_at or loop.time() - listed_at >= ENDPOINTS_EVERY_S:
                await self._list(asker)
                listed_at = loop.time()
            await self._look(asker)
            await self._count()
            if await line.reloaded(self.every_s):
                log.info("reloaded_elsewhere")
                listed_at = 0.0

    async def _list(self, asker: Asker) -> None:
        endpoints = await endpoints_of(asker)
        if endpoints is None or not asker.may("Getvar"):
            raise Unseen("the agent's user lacks write=system,reporting")
        self._endpoints = endpoints
        self._contexts = {(each.technology, each.name): each.context for each in endpoints if each.context is not None}
        lost = [each.name for each in endpoints if each.phone and each.context is None]
        what = None
        if lost:
            phones = f"{len(lost)} phones land" if lost[1:] else "one phone lands"
            what = f"it is not seen in which context {phones} (func_pjsip_endpoint); `telephony-agent check` names them"
        self._report(Condition(cause=Cause.PATH, subject=UNPLACED, what=what))

    async def _look(self, asker: Asker) -> None:
        variables, way = await variables_of(asker), await way_of(asker)
        names = emergency.trunk_names(variables) or []
        phones = [each for each in self._endpoints if each.name not in names]
        routes = await routes_of(asker, contexts_of(phones), self._forms)
        sites = self._sites()
        of_sites = [name for site in sites.sites.values() for name in site.trunks] if sites is not None else []
        seen_trunks = await trunks_of(asker, dict.fromkeys((*names, *of_sites)))
        if routes is None or way is None or seen_trunks is None:
            raise Unseen("the agent's user lacks write=system,reporting")
        evidence = Evidence(
            host=Host(store=""),
            accounts=(),
            endpoints=self._endpoints,
            contexts={name: way.get(name) is not None for name in (*emergency.CONTEXTS, *emergency.PARTS)},
            way=way,
            variables=variables,
            modules=await modules_of(asker),
        )
        at = self._clock()
        self._seen_at = self._since = at
        self._report(Condition(cause=Cause.PATH, subject=WATCH, what=None))
        installed = way.get(EMERGENCY) is not None
        seen: dict[Key, Seen] = {}
        for place, ((context, number), route) in enumerate(routes.items()):
            await _breath(place)
            grave = number in self._subjects.numbers
            seen[context, number] = paths.entry(context, route, grave=grave, installed=installed)
        for place, each in enumerate(self.paths.look(_common(evidence, names), seen, at)):
            await _breath(place)
            self._tell([each])
        gone = {trunk.name for trunk in self._trunks} - {trunk.name for trunk in seen_trunks}
        self._trunks = seen_trunks
        self._tell(trunks.conditions(seen_trunks, gone))
        await self._look_up(sites)

    async def _look_up(self, sites: Sites | None) -> None:
        """The numbers that the emergency services are shown, in the carrier's export."""
        if self._subjects.export is None:
            return
        export = await asyncio.to_thread(self._subjects.export.read)
        self._export_faults = export.faults
        self._tell(addresses.file_conditions(export))
        today = datetime.fromtimestamp(self._clock() / 1000, UTC).date()
        found = list(addresses.conditions(self._shown(sites), export, self._subjects.demands, today))
        for subject in self._addresses.keys() - {subject for subject, _, _ in found}:
            self._report(Condition(cause=Cause.ADDRESS, subject=subject, what=None))
        self._addresses = {subject: address for subject, address, _ in found}
        self._tell(condition for _, _, condition in found)

    def _shown(self, sites: Sites | None) -> list[Shown]:
        places = list(sites.sites.values()) if sites is not None else []
        shown = []
        for trunk in self._trunks:
            owners = {site.postcode for site in places if trunk.name in site.trunks}
            postcode = owners.pop() if len(owners) == 1 else None
            if trunk.cli:
                shown.append(Shown(subject=f"trunk {trunk.name}", number=trunk.cli, postcode=postcode))
        shown += [
            Shown(subject=f"site {site.id}", number=site.cli, postcode=site.postcode) for site in places if site.cli
        ]
        return shown

    def _tell(self, news: Iterable[Path | Condition]) -> None:
        for each in news:
            if isinstance(each, Path):
                self._keep([each])
            else:
                self._report(each)

    def _unseen(self, why: str) -> None:
        if (self._clock() - self._since) / 1000 > max(_MISSED * self.every_s, _LEAST_S):
            what = f"nobody sees whether 999 still works: {why}"
            self._report(Condition(cause=Cause.PATH, subject=WATCH, what=what))

    def _named(self, line: str, *, there: bool) -> None:
        if line in self._forms:
            what = f"a phone has registered as {line}: it may take calls that are meant for the emergency services"
            condition = Condition(
                cause=Cause.PATH, subject=f"line {line}", what=what if there else None, severity=Severity.CRITICAL
            )
            self._report(condition)

    # -- what others ask --------------------------------------------------------------------------------------------

    def phones(self) -> list[Phone]:
        """For each registered phone: can it reach the emergency services with the right address?"""
        sites = self._sites()
        return [self._phone(span, sites) for span in self._registered()]

    def state(self) -> State:
        """How everything stands; the phones as they were counted after the last look."""
        return State(
            seen_at=self._seen_at,
            paths=tuple(self.paths.records.values()),
            trunks={trunk.name: state_of(trunk) for trunk in self._trunks},
            addresses=dict(self._addresses),
            phones=self._phones,
            export_at=None if self._subjects.export is None else self._subjects.export.changed_at,
            export_faults=self._export_faults,
        )

    async def _count(self) -> None:
        """Count the phones by their answer, which is the same for all of one context, certainty and site."""
        sites = self._sites()
        answers: dict[tuple[str | None, Certainty | None, str | None], Reach] = {}
        found: Counter[Reach] = Counter()
        for number, span in enumerate(list(self._registered()), 1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            alike = self._context(span), span.certainty, span.site
            if alike not in answers:
                answers[alike] = self._phone(span, sites).reach
            found[answers[alike]] += 1
        self._phones = found

    def _context(self, span: Span) -> str | None:
        return self._contexts.get((span.technology, span.line))

    def _phone(self, span: Span, sites: Sites | None) -> Phone:
        context = self._context(span)
        seen = [] if context is None else [self.paths.verdict(context, number) for number in self._subjects.numbers]
        # Only what was seen by this run counts: an Asterisk that nobody can ask may do anything by now.
        verdicts: list[Verdict] = seen if self._seen_at is not None else []
        site = sites.sites.get(span.site) if sites is not None and span.site is not None else None
        return Phone(
            technology=span.technology,
            line=span.line,
            context=context,
            site=span.site,
            reach=reach(verdicts, span.certainty, self._address(site)),
        )

    def _address(self, site: Site | None) -> Address | None:
        if site is not None and site.cli is not None:
            return self._addresses.get(f"site {site.id}")
        names = (site.trunks if site is not None else ()) or [trunk.name for trunk in self._trunks]
        states = [self._addresses[f"trunk {name}"] for name in names if f"trunk {name}" in self._addresses]
        # Which trunk will carry the call is not known before: the worst counts.
        return next((worst for worst in (Address.MISSING, Address.WRONG) if worst in states), None)


async def _booted(line: Line) -> None:
    """Return when Asterisk is up whole: before that its dialplan is empty, and its trunks are not there."""
    # Each waits for half a second; whoever does not read class system is never told.
    for _ in range(_BOOT_WAITS):
        if await line.heard("FullyBooted") is not None:
            return


async def _breath(place: int) -> None:
    """Let an emergency through, every so many turns of a long loop."""
    if place % _TURNS == 0:
        await asyncio.sleep(0)


def _common(evidence: Evidence, names: Sequence[str]) -> Seen:
    """The way that all emergency calls have in common, judged as `check` judges it."""
    way = evidence.way or {}
    if way.get(EMERGENCY) is None:
        # Not there at all, it was never there: what the PBX's own numbers do is told for each of them.
        return paths.way(Verdict.BROKEN, "emergency.conf is not included", way, names, grave=False)
    wrong = [finding for finding in emergency.judge(evidence) if finding.severity is Worth.PROBLEM]
    if not wrong:
        return paths.way(Verdict.OURS, f"goes from [{EMERGENCY}] to a trunk", way, names)
    there = {endpoint.name for endpoint in evidence.endpoints or ()}
    # A trunk that is not there costs no time; the next one is tried.
    weak = all(finding.id == "emergency.trunks" for finding in wrong) and there.intersection(names)
    return paths.way(Verdict.WEAK if weak else Verdict.BROKEN, wrong[0].text, way, names)
