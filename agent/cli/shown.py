"""Records as text for people: a table a kind, and JSON lines for programs."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.core.printable import printable
from agent.core.records import Record, document

#: The columns of each kind's table; everything else is in the JSON.
COLUMNS: dict[str, list[str]] = {
    "registration": "line ip ip_source transport vendor model first_seen refreshes ended_at".split(),
    "emergency": "line number outcome ip vendor model started_at ring_ms talk_ms trunk attempts".split(),
    "recording": "line leg trigger opted_in state started_at stopped_at pauses".split(),
    "failure": "hour cause count".split(),
    "blind": "session cause from_at until_at".split(),
    "detail": "emergency cli address contact until_at".split(),
    "entry": "emergency seq at what detail by".split(),
    "alarm": "id cause subject what severity test level raised_at acknowledged_by cleared_at closed_at comment".split(),
    "notice": "alarm channel news state raised_at attempts sent_at delivered_at error".split(),
    "look": "at by emergency reason".split(),
    "path": "context number verdict route since_at gone_at".split(),
    "probe": "at".split(),
    "optin": "id line trigger calls how by purpose given_at withdrawn_at withdrawn_by".split(),
    "content": "id line kept_as state stored_at duration_ms size_bytes deleted_at deleted_by reason".split(),
    "access": "at by recording use reason".split(),
    "call": "line direction number_class forwarded_class outcome started_at duration_s billable_s recorded".split(),
    "text": "line direction number_class at size outcome".split(),
    "account": "account itemised history_consent opened_at closed_at".split(),
    "service": "id account line number from_at until_at corrected_at corrected_by correction".split(),
    "audit": "at by use subject reason".split(),
    "consent": "id lines party kinds purpose by given_at expires_at withdrawn_at".split(),
    "disclosure": "id disclosure step at by party power consent reference lines kinds secret_until_at".split(),
    "leaf": "seq at commitment root".split(),
    "line": "id name since_at until_at".split(),
    "segment_root": "segment entries closed_at chain".split(),
    "deletion": "at of retention ground count oldest_at newest_at".split(),
    "hold": "id account lines kinds from_at until_at authority reference reviewer review_at lifted_at".split(),
    "traffic": "day_at clock_hour direction number_class lines attempts answered carried_s".split(),
    "devices": "month_at vendor model firmware lines".split(),
    "aggregate": "at of period_at cells".split(),
    "total": "line month_at number_class area calls billable_s".split(),
    "request": "id account asks received_at due_at waits_for identity_at extended_at closed_at outcome".split(),
    "purge": "at done_at mailboxes heard unheard trashed leftover kept due failed".split(),
}


#: Columns of what somebody copies, into the next command.
_IDS = frozenset({"id", "emergency", "recording"})


def json_line(record: Record) -> str:
    """The record on one line."""
    return json.dumps(document(record), ensure_ascii=False)


def rows(
    kind: str, documents: Iterable[dict[str, Any]], *, title: str | None = None, days: bool = True, without: str = ""
) -> Table:
    """Documents of one kind of record as a table, but for a column; times without their day unless ``days``."""
    columns = [column for column in COLUMNS[kind] if column != without]
    shown = grid(columns, title=title)
    for values in documents:
        shown.add_row(*(cell(values[column], days=days) for column in columns), style=_style(values))
    return shown


def grid(columns: Iterable[str], *, title: str | None = None) -> Table:
    """An empty table, its title above its left edge."""
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        shown.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in _IDS)
    return shown


def print_tables(console: Console, records: Sequence[Record]) -> None:
    """A table for each kind that there is a record of."""
    for kind in COLUMNS:
        of_kind = [record for record in records if kind == record.KIND]
        if of_kind:
            console.print(rows(kind, map(document, of_kind), title=f"{kind} ({len(of_kind)})"))


def cell(value: object, *, days: bool = True) -> Text:
    """A value of `document` for people; a time without its day unless ``days``."""
    if value is None:
        return Text("–")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list):
        return Text(str(len(value)))
    text = printable(str(value))
    # 2026-11-22T20:44:40.123Z
    if len(text) == 24 and text.endswith("Z") and text[10] == "T":
        return Text(f"{text[:10]} {text[11:23]}" if days else text[11:23])
    return Text(text)


def _style(values: dict[str, object]) -> str | None:
    if values.get("outcome") == "in_progress":
        return "bold red"
    if values.get("outcome") == "failed" or values.get("opted_in") is False:
        return "red"
    return "dim" if values.get("ended_at") and values["kind"] == "registration" else None
