"""What every emergency number does in every context, remembered: what has changed, and what somebody has to look at."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from agent.core.records import Cause, Path, Severity, Verdict
from agent.duties.assurance.condition import Condition
from agent.duties.check.evidence import Route
from agent.duties.check.numbers import Judgement, judged
from agent.duties.check.routes import EMERGENCY

#: The number of the path that all have in common, from [emergency] to the trunks.
ANY = "any"
_ROUTE_LIMIT = 120
_WORST = (Verdict.BROKEN, Verdict.UNSEEN, Verdict.WEAK, Verdict.OURS)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One path as Asterisk just told it: ``text`` says it in words, ``route`` so that every change shows.

    ``grave``: an emergency number as such, and not a form of it with something dialled before.
    """

    verdict: Verdict
    text: str
    route: str
    grave: bool = True


def way(
    verdict: Verdict, text: str, contexts: Mapping[str, Route | None], trunks: Iterable[str], *, grave: bool = True
) -> Seen:
    """What all have in common: the contexts from [emergency] on, and the trunks."""
    told = "\n".join(f"{name} {route.digest if route is not None else '-'}" for name, route in sorted(contexts.items()))
    digest = hashlib.blake2b(told.encode(), digest_size=3).hexdigest()
    route = f"[{EMERGENCY}] #{digest}, trunks {','.join(trunks)}"[:_ROUTE_LIMIT]
    return Seen(verdict=verdict, text=text, route=route, grave=grave)


def entry(context: str, route: Route | None, *, grave: bool, installed: bool) -> Seen:
    """One number in one context; ``installed``: emergency.conf is there, so that nothing may stand in its place."""
    told = judged(context, route)
    return Seen(
        verdict=told.verdict,
        text=told.text,
        route=_route(told, route)[:_ROUTE_LIMIT],
        grave=grave and (installed or not told.elsewhere),
    )


def _route(told: Judgement, route: Route | None) -> str:
    if route is None or not route.steps:
        return "nothing" if told.verdict is Verdict.BROKEN else "not seen"
    first = route.steps[0]
    leads = f" to [{EMERGENCY}]" if told.verdict in (Verdict.OURS, Verdict.WEAK) else ""
    return f"{first.extension} of [{first.context}] runs {first.application}{leads} #{route.digest}"


@dataclass(slots=True)
class Paths:
    """The paths as they are stored, one open record for each (context, number)."""

    new_id: Callable[[], str]
    records: dict[Key, Path] = field(default_factory=dict)
    #: what a path was when it was last well, and what it is now in words
    _before: dict[Key, str] = field(default_factory=dict)
    _seen: dict[str, dict[str, Seen]] = field(default_factory=dict)

    def restore(self, records: Iterable[Path]) -> None:
        """Take up what an earlier run saw last: a change made while nobody looked is a change too."""
        self.records.update(((record.context, record.number), record) for record in records if record.gone_at is None)

    def look(self, common: Seen, seen: Mapping[Key, Seen], at: int) -> Iterator[Path | Condition]:
        """The records that change by what was seen at ``at`` (ms), and the conditions as they now are."""
        first = not self.records
        now = {(EMERGENCY, ANY): common, **seen}
        contexts = sorted({context for context, _ in (*self.records, *now)})
        changes: dict[str, list[str]] = {}
        for key in [key for key in self.records if key not in now]:
            yield replace(self.records.pop(key), gone_at=at)
            self._forget(key)
        for key, path in now.items():
            verdict = path.verdict if common.verdict is not Verdict.BROKEN else Verdict.BROKEN
            old = self.records.get(key)
            self._seen.setdefault(key[0], {})[key[1]] = path
            if old is not None and (old.verdict, old.route) == (verdict, path.route):
                continue
            if old is not None:
                yield replace(old, gone_at=at)
                if old.verdict is not Verdict.BROKEN:
                    self._before[key] = old.route
                # Mended in another way than it was before it broke is a change too.
                if verdict is not Verdict.BROKEN and self._before.get(key, path.route) != path.route:
                    changes.setdefault(key[0], []).append(key[1])
            self.records[key] = Path(
                id=self.new_id(), context=key[0], number=key[1], verdict=verdict, route=path.route, since_at=at
            )
            yield self.records[key]
        for context in contexts:
            if context in changes and not first:
                yield self._changed(context, changes[context])
            yield self._condition(context)

    def tried(self) -> Iterator[Condition]:
        """A rehearsal went through: what was changed has been tried."""
        for context in sorted({context for context, _ in self.records}):
            yield Condition(cause=Cause.PATH, subject=_change(context), what=None)

    def verdict(self, context: str, number: str) -> Verdict:
        """Whether a call from ``context`` would go out."""
        record = self.records.get((context, number))
        return Verdict.UNSEEN if record is None else record.verdict

    def _condition(self, context: str) -> Condition:
        """The alarm of one context, or that it needs none; of the way that all have in common, one of its own."""
        found = self._seen.get(context, {})
        for verdict in _WORST[:-1]:
            numbers = [number for number, path in found.items() if path.verdict is verdict]
            if not numbers:
                continue
            grave = [number for number in numbers if found[number].grave]
            worst = (grave or numbers)[0]
            same = [number for number in numbers if found[number].text == found[worst].text]
            others = f" ({len(numbers) - len(same)} other numbers have a fault too)" if len(numbers) > len(same) else ""
            before = self._before.get((context, worst))
            return Condition(
                cause=Cause.PATH,
                subject=_subject(context),
                what=f"{_place(context, same)} {found[worst].text}{others}" + (f"; before: {before}" if before else ""),
                severity=Severity.CRITICAL if verdict is Verdict.BROKEN and grave else Severity.WARNING,
            )
        for number in found:
            self._before.pop((context, number), None)
        return Condition(cause=Cause.PATH, subject=_subject(context), what=None)

    def _changed(self, context: str, numbers: list[str]) -> Condition:
        key = (context, numbers[0])
        before, after = self._before.get(key, "?"), self.records[key].route
        what = f"{_place(context, numbers)} has changed: {before} → {after}; rehearse it"
        return Condition(cause=Cause.PATH, subject=_change(context), what=what)

    def _forget(self, key: Key) -> None:
        self._before.pop(key, None)
        self._seen.get(key[0], {}).pop(key[1], None)
        if not self._seen.get(key[0], True):
            del self._seen[key[0]]


def _place(context: str, numbers: list[str]) -> str:
    if numbers == [ANY]:
        return "every emergency call:"
    shown = ", ".join(numbers[:3]) + (f" and {len(numbers) - 3} more" if numbers[3:] else "")
    return f"{shown} in context {context}"


def _subject(context: str) -> str:
    return "emergency.conf" if context == EMERGENCY else f"context {context}"


def _change(context: str) -> str:
    return f"{_subject(context)} changed"
