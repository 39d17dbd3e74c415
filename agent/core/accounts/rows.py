"""One row of an import, as it stands in a file of the provider's, becomes an entry or one sentence on what is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, tzinfo

from agent.core.instants import from_rfc3339
from agent.core.numbering import Plan
from agent.core.policy import Policy
from agent.core.records import NumberClass

#: In the order of an export; a row has a line or a number.
COLUMNS = ("account", "line", "number", "from", "until", "itemised", "history_consent")
#: Where a day on a contract or a bill begins (IANA).
ZONE = "Europe/London"

_REFERENCE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/-]{0,31}")
_LINE = re.compile(r"[!-~]{1,80}")
_NUMBER = re.compile(r"\+?[0-9 ().-]{3,40}")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}
_LONGEST = 80
#: What is nobody's own: it is dialled within a PBX, or its kind is not known.
_NOBODYS = frozenset((NumberClass.INTERNAL, NumberClass.UNKNOWN))
#: 1970 to 2999: four digits, and nothing before the clock begins.
_LATEST_MS = 32_503_680_000_000


class Unfit(ValueError):
    """What a cell holds cannot be taken; the message is a sentence without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one row says; None of ``itemised`` and ``history_consent``: as it is. Instants in ms since 1970 UTC."""

    row: int
    account: str
    line: str | None = None
    number: str | None = None
    from_at: int
    until_at: int | None = None
    itemised: bool | None = None
    history_consent: bool | None = None


def read(row: int, cells: Mapping[str, str], plan: Plan, zone: tzinfo) -> Entry:
    """The entry of row ``row``; days begin at midnight in ``zone``.

    Raises:
        Unfit: it is none.
    """
    text = {name: _plain(name, cells.get(name, "")) for name in COLUMNS}
    if unknown := next((name for name in cells if name not in COLUMNS), None):
        raise Unfit(f"{unknown[:_LONGEST]!a} is no column: there are {', '.join(COLUMNS)}")
    if bool(text["line"]) == bool(text["number"]):
        raise Unfit("takes either a line or a number")
    if not text["from"]:
        raise Unfit("from is missing")
    from_at = instant("from", text["from"], zone)
    until_at = instant("until", text["until"], zone) if text["until"] else None
    if until_at is not None and until_at <= from_at:
        raise Unfit("until is not after from")
    return Entry(
        row=row,
        account=reference(text["account"]),
        line=line_name(text["line"]) if text["line"] else None,
        number=own_number(text["number"], plan) if text["number"] else None,
        from_at=from_at,
        until_at=until_at,
        itemised=_flag("itemised", text["itemised"]),
        history_consent=_flag("history_consent", text["history_consent"]),
    )


def reference(text: str) -> str:
    """A reference of an account.

    Raises:
        Unfit: it is none.
    """
    if not text:
        raise Unfit("account is missing")
    if not _REFERENCE.fullmatch(text):
        raise Unfit(f"{text!a} is no reference of an account: 1 to 32 letters, digits and . _ / -, no name")
    return text


def line_name(text: str) -> str:
    """A name of a line.

    Raises:
        Unfit: no endpoint of Asterisk's has this name.
    """
    if not _LINE.fullmatch(text):
        raise Unfit(f"{text!a} is no line: 1 to 80 characters of ASCII without spaces")
    return text


def own_number(text: str, plan: Plan) -> str:
    """A customer's own number as it is dialled within the country, whichever way it is written.

    Raises:
        Unfit: nobody can have it.
    """
    if plan.kind(text) is NumberClass.EMERGENCY:
        raise Unfit(f"{text!a} is an emergency number, which is nobody's")
    # What is dialled before a number on a phone is no part of it.
    bare = replace(plan, policy=Policy(emergency_numbers=plan.policy.emergency_numbers, prefixes=()))
    number = bare.national(text) if _NUMBER.fullmatch(text) else ""
    if not number or bare.kind(number) in _NOBODYS:
        raise Unfit(f"{text!a} is no number: write 0113 496 0100 or +44 113 496 0100")
    return number


def instant(name: str, text: str, zone: tzinfo) -> int:
    """The instant in ms that ``text`` names, or the begin of the day.

    Raises:
        Unfit: it names none between 1970 and 2999.
    """
    try:
        if _DAY.fullmatch(text):
            day = datetime.combine(datetime.fromisoformat(text).date(), time(), zone)
            at = round(day.astimezone(UTC).timestamp() * 1000)
        else:
            at = from_rfc3339(text)
    except (ValueError, OverflowError):
        at = -1
    if not 0 <= at < _LATEST_MS:
        raise Unfit(f"{name} {text[:40]!a} is no time: write 2026-11-22 or 2026-11-22T08:00:00Z")
    return at


def _plain(name: str, text: str) -> str:
    if len(text) > _LONGEST:
        raise Unfit(f"{name} has more than {_LONGEST} characters")
    if not text.isprintable():
        raise Unfit(f"{name} holds a control character")
    return text.strip()


def _flag(name: str, text: str) -> bool | None:
    if not text:
        return None
    try:
        return _FLAGS[text.lower()]
    except KeyError:
        raise Unfit(f"{name} takes yes or no") from None
