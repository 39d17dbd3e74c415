"""The copy of what is kept of a customer that he is given when he asks (UK GDPR article 15): what is in it.

It has every record that a customer may read, of his account and of the time in which a line was his, and of each the
fields that he may read. Whom he talked to is his own history, and in it.

Calls and texts to freephone numbers and helplines, and emergencies, are left out unless it was found that the customer
alone uses the lines. The copy goes to the account's holder, and on a line that several people use a call for help is
another's: whoever called must not be betrayed to whom the call was about (article 15(4); Data Protection Act 2018,
schedule 2, paragraph 16; it is why no bill shows them). Nothing in the copy tells whether there were any. The
recording of such a call is left out with it, and so is one of which no call on record tells whom it was to: a call for
help is on no bill, and goes before its sound does.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import fields
from math import inf
from typing import Any

from agent.core.erasing import begun_at
from agent.core.history import calls_for_help
from agent.core.numbering import FREE, Plan
from agent.core.records import (
    RECORDS,
    Call,
    Calls,
    Content,
    Emergency,
    NumberClass,
    OptIn,
    Record,
    Recording,
    Role,
    Text,
    Total,
    document,
    rules,
)

#: The kinds of which a customer may read what is of his lines, and what is of his account.
OF_LINE: tuple[type[Record], ...] = tuple(
    record
    for record in RECORDS
    if Role.CUSTOMER in record.READERS
    and "line" in (names := {item.name for item in fields(record)})
    and "account" not in names
)
OF_ACCOUNT: tuple[type[Record], ...] = tuple(
    record
    for record in RECORDS
    if Role.CUSTOMER in record.READERS and "account" in {item.name for item in fields(record)}
)

#: Seconds of Asterisk's clock and of this machine's; what they may differ by is told from 5 s on.
_APART_MS = 6_000

#: From when to when, in ms; both belong to it.
_Span = tuple[int, float]

_SHOWN = {
    record: tuple(rule.name for rule in rules(record) if Role.CUSTOMER in rule.readers)
    for record in (*OF_LINE, *OF_ACCOUNT)
}
#: The kinds that `known_calls` looks at.
OF_CALLS: tuple[type[Record], ...] = (Call, Emergency, OptIn, Recording, Content)
_FOR_HELP = FREE - {NumberClass.INTERNAL}


def columns(kind: type[Record]) -> tuple[str, ...]:
    """The fields of ``kind`` that are in a copy, in order."""
    return _SHOWN[kind]


def copied(record: Record) -> dict[str, Any]:
    """``record`` as it is in a copy: times in RFC 3339 UTC."""
    shown = document(record)
    return {name: shown[name] for name in _SHOWN[type(record)]}


def for_help(record: Record, plan: Plan) -> bool:
    """Whether a record tells that somebody called for help; each number is looked at again."""
    if isinstance(record, Emergency):
        return True
    if isinstance(record, Total):
        return record.number_class in _FOR_HELP
    if not isinstance(record, Call | Text):
        return False
    classes, numbers = {record.number_class}, [record.number]
    if isinstance(record, Call):
        numbers.append(record.forwarded)
        classes |= set() if record.forwarded_class is None else {record.forwarded_class}
    return bool(classes & _FOR_HELP) or any(calls_for_help(plan, number) for number in numbers if number is not None)


def hidden(record: Record, plan: Plan, known: frozenset[str]) -> bool:
    """Whether a record tells of a call for help, or may; ``known`` is what `known_calls` found for its line."""
    return for_help(record, plan) or (_of_one_call(record) and record.id not in known)


def known_calls(records: Iterable[Record], plan: Plan) -> frozenset[str]:
    """The ids of what was recorded in calls that are on record, none of them for help: recordings, contents, presses.

    ``records`` are all of `OF_CALLS` that are one line's.
    """
    helped: list[_Span] = []
    others: dict[str, _Span] = {}
    recorded: list[Record] = []
    for record in records:
        if _of_one_call(record):
            recorded.append(record)
        elif isinstance(record, Call | Emergency) and for_help(record, plan):
            helped.append(_span(record))
        elif isinstance(record, Call):
            # Its legs one after another, as when it is transferred.
            begin, end = _span(record)
            first, last = others.get(record.call, (begin, end))
            others[record.call] = min(begin, first), max(end, last)
    help_at, other_at = _merged(helped), _reach(others.values())
    found: set[str] = set()
    for together in _groups(recorded):
        # When content was sealed tells of its call only where nothing else does.
        told = [record for record in together if not isinstance(record, Content)] or together
        spans = [_span(record) for record in told]
        # One within no single call may be of one that is on record no more: before it, behind it, beside it.
        if all(_within(other_at, span) for span in spans) and not any(_meets(help_at, span) for span in spans):
            found |= {record.id for record in together}
    return frozenset(found)


def _of_one_call(record: Record) -> bool:
    return isinstance(record, Recording | Content) or (isinstance(record, OptIn) and record.calls is Calls.ONE)


def _groups(recorded: list[Record]) -> Iterable[list[Record]]:
    """A press, the recordings that rest on it and their contents, together; without a press each recording alone."""
    presses = {record.id for record in recorded if isinstance(record, OptIn)}
    rests_on = {record.id: record.optin for record in recorded if isinstance(record, Recording)}
    groups: dict[str, list[Record]] = {}
    for record in recorded:
        press = rests_on.get(record.id)
        groups.setdefault(press if press in presses and press is not None else record.id, []).append(record)
    return groups.values()


def _span(record: Record) -> _Span:
    begin, end = begun_at(record), inf
    match record:
        case Call():
            begin, end = begin - _APART_MS, begin + record.duration_s * 1000 + _APART_MS
        case Emergency():
            end = inf if record.ended_at is None else record.ended_at
        case Recording():
            end = inf if record.stopped_at is None else record.stopped_at
        case OptIn():
            end = inf if record.withdrawn_at is None else record.withdrawn_at
        case Content():
            end = record.stored_at
    return begin, end


def _merged(spans: Iterable[_Span]) -> list[_Span]:
    """The same times, none of which meet, in order."""
    merged: list[_Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _meets(merged: list[_Span], span: _Span) -> bool:
    before = bisect_right(merged, (span[1], inf))
    return before > 0 and merged[before - 1][1] >= span[0]


def _reach(spans: Iterable[_Span]) -> list[_Span]:
    """In order of their begin, each with the latest end of all that had begun by then."""
    latest = 0.0
    return [(begin, latest := max(latest, end)) for begin, end in sorted(spans)]


def _within(reach: list[_Span], span: _Span) -> bool:
    before = bisect_right(reach, (span[0], inf))
    return before > 0 and reach[before - 1][1] >= span[1]
