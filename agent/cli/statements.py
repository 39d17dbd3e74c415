"""The history of an account as it is written: a CSV for a spreadsheet, JSON lines, or a statement to print."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from agent.core.accounts import ZONE
from agent.core.instants import from_rfc3339
from agent.core.printable import printable
from agent.core.spreadsheet import row

Answer = dict[str, Any]

#: Lines on a page of a statement, its heading among them; A4 has 66 at six to the inch.
PAGE_LINES = 60
_ITEM = "kind at line direction number number_class outcome duration_s size".split()
_SUM = "sum_of direction number_class count duration_s".split()
_TO_OR_FROM = {"outgoing": "to", "incoming": "from"}


def as_json(answers: Iterable[Answer]) -> Iterator[str]:
    """As the agent tells it; a line each."""
    for answer in answers:
        yield json.dumps(answer, ensure_ascii=False) + "\n"


def as_csv(answers: Iterator[Answer]) -> Iterator[str]:
    """Each item, with the time of the customer; of an account that is not itemised each sum."""
    columns = _ITEM if next(answers)["itemised"] else _SUM
    yield row(columns)
    for answer in answers:
        if columns[0] in answer:
            there = {"at": _there(answer["at"]).isoformat(timespec="seconds")} if "at" in answer else {}
            yield row((answer | there)[column] for column in columns)


def as_statement(answers: Iterator[Answer]) -> Iterator[str]:
    """To be printed: pages with a heading each, parted by form feeds."""
    head = next(answers)
    body = _body(answers)
    for number in count(1):
        first = next(body, None)
        if first is None and number > 1:
            return
        heading = _heading(head, number)
        yield ("\f" if number > 1 else "") + "\n".join([*heading, "" if first is None else first]) + "\n"
        for _, line in zip(range(PAGE_LINES - len(heading) - 1), body, strict=False):
            yield line + "\n"


def _heading(head: Answer, page: int) -> list[str]:
    begin, end = (_there(head[name]).strftime("%d/%m/%Y %H:%M") for name in ("from", "until"))
    itemised = "" if head["itemised"] else "not itemised, as asked for; "
    return [
        f"{'Account ' + printable(head['account']):<70}{'Page ' + str(page):>10}",
        f"From {begin} until {end} ({itemised}times of {ZONE})",
        "",
    ]


def _body(answers: Iterable[Answer]) -> Iterator[str]:
    line, sums = None, False
    for answer in answers:
        if "sum_of" in answer:
            if not sums:
                yield from (["", "In all"] if line is not None else ["In all"])
                yield f"{'':<12}{'Kind of number':<36}{'Number':>8}  {'Duration':>12}"
                sums = True
            yield _sum(answer)
            continue
        if answer["line"] != line:
            if line is not None:
                yield ""
            line = answer["line"]
            yield f"Line {printable(line)}"
            yield f"{'Date':<12}{'Time':<10}{'Number':<26}{'Kind of number':<16}{'Duration':>12}"
        yield _item(answer)
    if not sums:
        yield "Nothing in this time."


def _sum(values: Answer) -> str:
    name = f"{values['sum_of']}s, {values['number_class']}, {values['direction']}"
    length = _length(values["duration_s"]) if values["sum_of"] == "call" else ""
    return f"{'':<12}{name:<36}{values['count']:>8}  {length:>12}".rstrip()


def _item(values: Answer) -> str:
    at = _there(values["at"])
    number = f"{_TO_OR_FROM[values['direction']]} {values['number'] or '(not kept)'}"
    length = values["outcome"].replace("_", " ")
    if length == "answered":
        length = _length(values["duration_s"])
    elif values["kind"] == "text" and length == "sent":
        length = f"{values['size']} text"
    return f"{at:%d/%m/%Y}  {at:%H:%M:%S}  {printable(number):<26}{values['number_class']:<16}{length:>12}"


def _length(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _there(at: str) -> datetime:
    """The time that the customer's clock shows then."""
    return datetime.fromtimestamp(from_rfc3339(at) / 1000, UTC).astimezone(ZoneInfo(ZONE))
