"""Customers' requests about their own data, for people: the clock of each, and what is done with it."""

import re
from enum import StrEnum
from itertools import chain
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cli import exporting, shown
from agent.cli.asking import ask, stream
from agent.cli.common import (
    NO_AGENT,
    NONE_SUCH,
    PROBLEMS,
    ConfigPath,
    Json,
    console,
    fail,
    group,
    instant,
    line,
    settings,
    stored,
)
from agent.config import Config
from agent.core.printable import printable
from agent.core.records import Request

subject = group("subject", help="Customers' requests: to see, to correct and to erase what is kept of them.")

Id = Annotated[str, typer.Argument(help="The id of a request, or its first letters.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")]
By = Annotated[
    str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
]
Mailboxes = Annotated[
    list[str] | None, typer.Option(help="A mailbox of the customer, 201@default; may be given more than once.")
]
How = "How it was checked who asks, in words; no copies of papers, no numbers of them."


class Asked(StrEnum):
    """What a customer asks for."""

    ACCESS = "access"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"


class Waiting(StrEnum):
    """What the customer has yet to say."""

    IDENTITY = "identity"
    CLARIFICATION = "clarification"


class Outcome(StrEnum):
    """What came of a request."""

    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@subject.command(name="open")
def open_(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The account's reference.")],
    asks: Annotated[Asked, typer.Option(help="What the customer asks for.")],
    received: Annotated[
        str | None, typer.Option(help="When it came: 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h, 7d; by default now.")
    ] = None,
    identity: Annotated[str | None, typer.Option(help=How)] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down a customer's request; from its receipt it has to be answered within a month."""
    configured = settings(context, config, secrets_required=False)
    received_at = instant(received, "--received")
    opened = ask(
        configured, "/requests/open", account=account, asks=asks, received_at=received_at, identity=identity, by=by
    )
    _told(opened, f"opened: {opened['id']}", json=json)


@subject.command()
def identify(
    context: typer.Context,
    id: Id,
    how: Annotated[str, typer.Option(help=How)],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down how it was checked who asks; before that nothing is given out, and nothing erased."""
    _changed(context, "identify", id, by, json=json, config=config, how=how)


@subject.command()
def pause(
    context: typer.Context,
    id: Id,
    waits_for: Annotated[Waiting, typer.Option("--for", help="What the customer has yet to say.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Let its time stand still while the customer has been asked who he is, or what he means."""
    _changed(context, "pause", id, by, json=json, config=config, waits_for=waits_for)


@subject.command()
def resume(context: typer.Context, id: Id, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """Let its time go on."""
    _changed(context, "resume", id, by, json=json, config=config)


@subject.command()
def extend(
    context: typer.Context,
    id: Id,
    why: Annotated[str, typer.Option(help="Why it takes longer, as the customer was told.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Give it two months more; only within its month, only once, and the customer has to be told."""
    _changed(context, "extend", id, by, json=json, config=config, why=why)


@subject.command()
def close(
    context: typer.Context,
    id: Id,
    outcome: Annotated[Outcome, typer.Option(help="What came of it.")],
    answer: Annotated[str, typer.Option(help="What the customer was told, in short.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down that it was answered."""
    _changed(context, "close", id, by, json=json, config=config, outcome=outcome, answer=answer)


@subject.command(name="list")
def list_(
    context: typer.Context,
    reason: Reason,
    all_: Annotated[bool, typer.Option("--all", help="Answered ones as well.")] = False,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List the requests that wait for an answer, oldest first."""
    configured = settings(context, config, secrets_required=False)
    found = stream(configured, "POST", "/requests/list", closed=all_, reason=reason, by=by)
    if json:
        for each in found:
            line(dumps(each, ensure_ascii=False))
        return
    rows = list(found)
    if not rows:
        Console(stderr=True).print("no requests")
        return
    table = shown.grid([*shown.COLUMNS[Request.KIND], "overdue"])
    for each in rows:
        cells = [shown.cell(each[column]) for column in [*shown.COLUMNS[Request.KIND], "overdue"]]
        table.add_row(*cells, style="bold red" if each["overdue"] else None)
    console().print(table)


@subject.command()
def show(
    context: typer.Context, id: Id, reason: Reason, by: By = None, json: Json = False, config: ConfigPath = None
) -> None:
    """Show all of one request."""
    configured = settings(context, config, secrets_required=False)
    found = ask(configured, "/requests/show", id=whole(configured, id), reason=reason, by=by)
    if json:
        line(dumps(found, ensure_ascii=False))
        return
    for name, value in found.items():
        typer.echo(f"{name.replace('_', ' ')}: {shown.cell(value).plain}")


@subject.command()
def export(
    context: typer.Context,
    id: Id,
    to: Annotated[
        str | None, typer.Option("--to", help="The folder to make; by default one in [subjects] bundle_dir.")
    ] = None,
    sole_user: Annotated[
        bool,
        typer.Option(
            "--sole-user",
            help="It was found that the customer alone uses the lines: calls to helplines, freephone and 999 as well.",
        ),
    ] = False,
    mailbox: Mailboxes = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Make a customer's copy of what is kept of the account: records, recordings, sound files, a page over them."""
    configured = settings(context, config, secrets_required=False)
    boxes = [exporting.box(configured, each) for each in mailbox or []]
    request = whole(configured, id)
    made = exporting.export(
        configured, request, exporting.place(configured, request, to), boxes, by, sole_user=sole_user
    )
    if json:
        line(dumps(made, ensure_ascii=False))
    else:
        typer.echo(printable(f"{made['folder']}: {made['records']} records, {made['sounds']} sound files"))
        typer.echo(f"give it to the customer, and delete it by {made['delete_by']}", err=True)


@subject.command()
def rectify(
    context: typer.Context,
    id: Id,
    record: Annotated[str, typer.Argument(help="The id of a line or number of the account, or of an opt-in.")],
    to_line: Annotated[str | None, typer.Option("--line", help="The right line.")] = None,
    number: Annotated[str | None, typer.Option(help="The right number.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Since when.")] = None,
    end: Annotated[str | None, typer.Option("--until", help="Until when; none: it has not ended.")] = None,
    purpose: Annotated[str | None, typer.Option(help="What the opt-in is for, in the right words.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Put right what the customer says is wrong; the audit tells which fields, and nothing of what stood in them."""
    configured = settings(context, config, secrets_required=False)
    right = ask(
        configured,
        "/subjects/rectify",
        id=whole(configured, id),
        record=record,
        line=to_line,
        number=number,
        begin=begin,
        end=end,
        purpose=purpose,
        by=by,
    )
    _told(right, f"put right: {right['id']}", json=json)


@subject.command()
def erase(
    context: typer.Context,
    id: Id,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would go and what would stay.")
    ] = False,
    mailbox: Mailboxes = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Erase what is kept of the account, for ever; of what has to stay it says why, and until when."""
    configured = settings(context, config, secrets_required=False)
    boxes = [exporting.box(configured, each) for each in mailbox or []]
    found = stream(configured, "POST", "/subjects/erase", id=whole(configured, id), dry_run=dry_run, by=by)
    fates = chain(filter(None, found), exporting.emptied(configured, boxes, dry_run=dry_run))
    if json:
        for each in fates:
            line(dumps(each, ensure_ascii=False))
        return
    table = shown.grid(_FATES)
    for each in fates:
        went = "would go" if dry_run else "went"
        values = (each["kind"], each["count"], each["stays"] or went, each["until"])
        table.add_row(*(shown.cell(value) for value in values))
    console().print(table)


@subject.command()
def canary(context: typer.Context, json: Json = False, config: ConfigPath = None) -> None:
    """Store and erase a customer that never was, and search store, keyring, logs and backups for what is left of it."""
    answers = stream(settings(context, config, secrets_required=False), "POST", "/subjects/canary")
    found = next(filter(None, answers), None)
    if found is None:
        fail(NO_AGENT, "the agent answered nothing", "see its log")
    if json:
        line(dumps(found, ensure_ascii=False))
    for place in () if json else found["found"]:
        line(printable(place))
    if not json:
        Console(stderr=True).print("nothing is left" if found["ok"] else "it is still there")
    raise typer.Exit(0 if found["ok"] else PROBLEMS)


#: `until` is when the last of those that stay goes.
_FATES = ("kind", "records", "what becomes of them", "until")


def _changed(
    context: typer.Context, what: str, id: str, by: str | None, *, json: bool, config: Path | None, **asked: str
) -> None:
    configured = settings(context, config, secrets_required=False)
    changed = ask(configured, f"/requests/{what}", id=whole(configured, id), by=by, **asked)
    due = changed["due_at"]
    words = "closed" if changed["closed_at"] else "its time stands still" if due is None else f"due by {due}"
    _told(changed, words, json=json)


def _told(record: dict[str, Any], words: str, *, json: bool) -> None:
    if json:
        line(dumps(record, ensure_ascii=False))
    else:
        typer.echo(printable(words))


def whole(configured: Config, id: str) -> str:
    """The whole id of a request; ends the command where there is none, or more than one."""
    found: list[str] = []
    if re.fullmatch("[0-9a-f]{1,64}", id):
        with stored(configured, shown=False) as reader:
            found = [request.id for request in reader.find(Request, id)]
    if not found:
        fail(NONE_SUCH, f"no request has an id that begins with {id[:20]!a}")
    if len(found) > 1 and id not in found:
        fail(NONE_SUCH, f"several ids begin with {id[:20]!a}: write more of it")
    return id if id in found else found[0]
