"""The purge: what goes now, and what goes when."""

from collections.abc import Sequence
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console

from agent import world
from agent.cli.asking import stream
from agent.cli.common import ConfigPath, Json, console, line, settings, stored
from agent.cli.shown import cell, grid
from agent.config import Config
from agent.core.holds import Holds
from agent.core.instants import rfc3339
from agent.core.purging import Count
from agent.core.records import Hold
from agent.duties.retention import Outlook, outlook

_GOING = "kind class ground goes oldest newest held next".split()
_GONE = "of retention ground count oldest_at newest_at".split()


def purge(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go; change nothing.")] = False,
    by: Annotated[
        str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Delete now what the running agent deletes hourly: every record whose term is over, unless it is held."""
    configured = settings(context, config, secrets_required=False)
    if dry_run:
        rows = _outlook(configured)
        # People want to see what there is; programs every kind.
        found = [row for row in rows if json or row["goes"] or row["held"] or row["next"]]
        _show(found, _GOING, "what would go", json=json)
        return
    # An empty answer says that it goes on.
    answers = list(filter(None, stream(configured, "POST", "/purge", by=by)))
    emptied = answers.pop()
    if json:
        for answer in (*answers, emptied):
            line(dumps(answer, ensure_ascii=False))
        return
    _show(answers, _GONE, "what went", json=False)
    if not emptied["emptied"]:
        typer.echo(
            "somebody reads the store: what went stands in its log still, which is emptied within a minute", err=True
        )


def _outlook(configured: Config) -> list[dict[str, Any]]:
    with stored(configured) as reader:
        holds = Holds().taken_up(reader.open(Hold))
        return [_row(each) for each in outlook(reader, holds, configured.retention.days, world.now_ms())]


def _row(found: Outlook) -> dict[str, Any]:
    goes = found.goes
    return {
        "kind": found.step.kind,
        "class": found.step.retention,
        "ground": found.step.ground,
        "goes": _records(goes),
        "oldest": None if goes is None else rfc3339(goes.oldest_at),
        "newest": None if goes is None else rfc3339(goes.newest_at),
        "held": _records(found.held),
        "next": None if found.next_at is None else rfc3339(found.next_at),
    }


def _records(count: Count | None) -> int:
    return 0 if count is None else count.records


def _show(rows: Sequence[dict[str, Any]], columns: list[str], title: str, *, json: bool) -> None:
    if json:
        for row in rows:
            line(dumps(row))
        return
    if not rows:
        Console(stderr=True).print("no deletions due")
        return
    table = grid(columns, title=title)
    for row in rows:
        table.add_row(*(cell(row[column]) for column in columns))
    console().print(table)
