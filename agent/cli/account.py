"""Accounts for people: taken over from the provider's own system, given out, and found by any line or number."""

from collections.abc import Iterator
from datetime import UTC, datetime
from json import dumps
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from agent.cli import files, tables, views
from agent.cli.asking import ask, stream, upload
from agent.cli.common import USAGE, ConfigPath, Json, console, fail, group, line, settings
from agent.cli.shown import cell, grid
from agent.core.accounts import COLUMNS, ZONE, Unfit, instant
from agent.core.instants import from_rfc3339
from agent.core.printable import printable
from agent.core.spreadsheet import row as csv_row

account = group("account", help="Accounts, and the lines and numbers that are theirs; each look at them is on record.")

Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")]
By = Annotated[
    str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
]
_LISTED = "account itemised history_consent opened_at closed_at".split()
_SERVICES = "id line number from_at until_at".split()
_CORRECTED = [*_SERVICES, *"corrected_at corrected_by correction".split()]


@account.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A CSV with a header, or a TOML file with [[service]] tables.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Take over which lines and numbers are whose: the whole file, or none of it where any row is wrong."""
    configured = settings(context, config, secrets_required=False)
    wanted = list(tables.rows(file))
    head = {"dry_run": dry_run} | ({} if by is None else {"by": by})
    counted: dict[str, Any] = {}
    for answer in upload(configured, "/accounts/import", head, wanted):
        if "rows" in answer:
            counted = answer
        if json:
            line(dumps(answer, ensure_ascii=False))
        elif "mistake" in answer:
            typer.echo(f"row {answer['row']}: {printable(answer['mistake'])}", err=True)
        elif "change" in answer and dry_run:
            line(printable(_change(answer)))
    if "mistakes" in counted:
        fail(USAGE, f"{counted['mistakes']} mistakes in {printable(file)}: nothing was imported")
    if not json:
        would = "would be " if dry_run else ""
        line(would + ", ".join(f"{what} {counted[what]}" for what in ("added", "ended", "changed", "unchanged")))


def _change(answer: dict[str, Any]) -> str:
    thing = next((f"{name} {answer[name]}" for name in ("line", "number") if answer[name]), "how it is billed")
    until = "" if answer["until"] is None else f" until {_day(answer['until'])}"
    since = "" if answer["from"] is None else f" from {_day(answer['from'])}"
    return f"row {answer['row']}: {answer['change']}: {answer['account']}, {thing}{since}{until}"


@account.command()
def export(
    context: typer.Context,
    reason: Reason,
    to: Annotated[str, typer.Option("--to", help="The file to make; - for standard output.")] = "-",
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write every line and number with its account as a CSV, as import takes it."""
    configured = settings(context, config, secrets_required=False)
    found = stream(configured, "POST", "/accounts/export", reason=reason, by=by)
    lines = (dumps(each, ensure_ascii=False) + "\n" for each in found) if json else _csv(found)
    files.write(to, lines)


def _csv(found: Iterator[dict[str, Any]]) -> Iterator[str]:
    yield csv_row(COLUMNS)
    for each in found:
        days = {name: _day(each[name]) for name in ("from", "until") if each[name] is not None}
        flags = {name: "yes" if each[name] else "no" for name in ("itemised", "history_consent")}
        yield csv_row((each | days | flags)[column] for column in COLUMNS)


def _day(at: str) -> str:
    """The day that begins then, or the instant."""
    there = datetime.fromtimestamp(from_rfc3339(at) / 1000, UTC).astimezone(ZoneInfo(ZONE))
    return there.date().isoformat() if there.time() == there.time().min else at


@account.command(name="list")
def list_(context: typer.Context, reason: Reason, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """List the accounts, by when they were opened."""
    configured = settings(context, config, secrets_required=False)
    table, empty = grid(_LISTED), True
    for each in stream(configured, "POST", "/accounts/list", reason=reason, by=by):
        empty = False
        if json:
            line(dumps(each, ensure_ascii=False))
        else:
            table.add_row(*(cell(each[column]) for column in _LISTED))
    if json:
        return
    if empty:
        Console(stderr=True).print("no accounts")
        return
    console().print(table)


@account.command()
def show(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(help="The reference of an account.")],
    reason: Reason,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show an account with all the lines and numbers that it has and had, and what was corrected of them."""
    configured = settings(context, config, secrets_required=False)
    _print(ask(configured, "/accounts/show", account=reference, reason=reason, by=by), _CORRECTED, json=json)


@account.command()
def find(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A reference, a line, or a number: 0113 496 0100, +44 …, 0044 ….")],
    reason: Reason,
    at: Annotated[str | None, typer.Option(help="Whose it was then: 2026-11-22, 2026-11-22T08:00:00Z.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Say whose a line or number is, and what else is theirs."""
    configured = settings(context, config, secrets_required=False)
    then = None if at is None else moment("--at", at)
    for each in stream(configured, "POST", "/accounts/find", what=what, at=then, reason=reason, by=by):
        _print(each, _SERVICES, json=json)


def moment(option: str, text: str) -> int:
    """The instant (ms) that ``option`` means: a day begins at midnight where the customers are."""
    try:
        return instant(option, text, ZoneInfo(ZONE))
    except Unfit as error:
        fail(USAGE, str(error))


def _print(found: dict[str, Any], columns: list[str], *, json: bool) -> None:
    if json:
        line(dumps(found, ensure_ascii=False))
        return
    console().print(views.facts(found["account"]))
    table = grid(columns)
    for each in found["services"]:
        table.add_row(*(cell(each[column]) for column in columns), style="dim" if each["corrected_at"] else None)
    console().print(table)


@account.command()
def correct(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="The id of a line or number of an account, as show tells it.")],
    reason: Reason,
    to_line: Annotated[str | None, typer.Option("--line", help="The right line.")] = None,
    number: Annotated[str | None, typer.Option(help="The right number.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Since when.")] = None,
    end: Annotated[str | None, typer.Option("--until", help="Until when; none: it has not ended.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Put right what is kept of a line or number; what was wrong stays, marked with who corrected it and why."""
    configured = settings(context, config, secrets_required=False)
    right = ask(
        configured,
        "/accounts/correct",
        id=service,
        line=to_line,
        number=number,
        begin=begin,
        end=end,
        reason=reason,
        by=by,
    )
    line(dumps(right, ensure_ascii=False) if json else f"corrected: {right['id']} stands in its place")
