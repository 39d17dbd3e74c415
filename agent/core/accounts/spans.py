"""The time in which a line or a number is an account's, and no longer."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from agent.core.records import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A line from ``begin`` until before ``end`` (ms); None: it has no end yet."""

    line: str
    begin: int
    end: int | None


def holds(service: Service, at: int) -> bool:
    """Whether it is the account's at the instant ``at`` (ms); one that was wrong never was."""
    ended = service.until_at is not None and service.until_at <= at
    return service.corrected_at is None and service.from_at <= at and not ended


def stays_until(services: Collection[Service], since: int) -> int | None:
    """Until when (ms) a line is whose it was at ``since``; None: no end is known, or it is in no account at all.

    ``services`` are all of that line. Where none of them says whose it was then, it is ``since`` itself; so it is where
    one did that was found wrong since then.
    """
    if all(service.corrected_at is not None and service.corrected_at < since for service in services):
        return None
    theirs = [service for service in joined(services) if holds(service, since)]
    return theirs[0].until_at if theirs else since


def joined(services: Iterable[Service]) -> list[Service]:
    """Those of ``services`` that were never wrong, by begin; what one account has on without a break is one."""
    found: dict[tuple[str, str | None, str | None], list[Service]] = {}
    for service in sorted(services, key=lambda each: each.from_at):
        if service.corrected_at is not None:
            continue
        theirs = found.setdefault((service.account, service.line, service.number), [])
        last = theirs[-1] if theirs else None
        if last is None or (last.until_at is not None and last.until_at < service.from_at):
            theirs.append(service)
        else:
            ends = (last.until_at, service.until_at)
            theirs[-1] = replace(last, until_at=None if None in ends else max(end for end in ends if end is not None))
    return sorted((each for theirs in found.values() for each in theirs), key=lambda each: each.from_at)


def spans(services: Iterable[Service], begin: int, end: int | None) -> list[Span]:
    """The lines among ``services`` of one account within the time from ``begin`` until ``end``; by line, then time."""
    found = []
    for service in services:
        if service.line is None or service.corrected_at is not None:
            continue
        first = max(begin, service.from_at)
        last = min((at for at in (end, service.until_at) if at is not None), default=None)
        if last is None or first < last:
            found.append(Span(line=service.line, begin=first, end=last))
    return sorted(found, key=lambda span: (span.line, span.begin))
