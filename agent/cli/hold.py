"""Legal holds for people: what must not be deleted, on whose authority, and when somebody has to look at that again."""

import re
from enum import StrEnum
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from agent import world
from agent.cli import shown
from agent.cli.asking import ask, stream
from agent.cli.common import NONE_SUCH, ConfigPath, Json, console, fail, group, instant, line, settings
from agent.config import Config
from agent.core.printable import printable

hold = group(
    "hold", help="Legal holds: what must not be deleted; each may have to stay secret, and each look is audited."
)

Id = Annotated[str, typer.Argument(help="The id of a hold, or its first letters.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")]
By = Annotated[
    str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
]
Review = Annotated[str, typer.Option(help="When it has to be looked at again: 2027-01-31, or 90d from now.")]

#: The columns of the table; everything else is in `show` and in the JSON.
_COLUMNS = "id account lines kinds from_at until_at authority reference reviewer review_at lifted_at".split()


class Data(StrEnum):
    """What a hold may keep."""

    CALLS = "calls"
    REGISTRATIONS = "registrations"
    EMERGENCIES = "emergencies"
    RECORDINGS = "recordings"


@hold.command()
def place(
    context: typer.Context,
    authority: Annotated[str, typer.Option(help="On whose authority, in words.")],
    reference: Annotated[str, typer.Option(help="The order's or the claim's own reference.")],
    reviewer: Annotated[str, typer.Option(help="Who has to say whether it is still needed.")],
    review: Review,
    account: Annotated[
        str | None, typer.Option(help="An account: each of its lines, while it is that account's.")
    ] = None,
    lines: Annotated[
        list[str] | None, typer.Option("--line", help="A line whose data are kept; may be given again.")
    ] = None,
    kinds: Annotated[
        list[Data] | None, typer.Option("--kind", help="Which data; may be given again. All of them without it.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="Only data of this time on: 2026-11-22, or 90d ago.")
    ] = None,
    end: Annotated[str | None, typer.Option("--until", help="Only data up to this time.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Keep data from being deleted, by the purge, by erasure and by hand, until the hold is lifted."""
    configured = settings(context, config, secrets_required=False)
    placed = ask(
        configured,
        "/holds/place",
        account=account,
        lines=lines or [],
        kinds=[kind.value for kind in kinds or Data],
        from_at=instant(begin, "--from"),
        until_at=instant(end, "--until"),
        authority=authority,
        reference=reference,
        reviewer=reviewer,
        review_at=_ahead(review),
        by=by,
    )
    _told(placed, f"placed: {placed['id']}", json=json)


@hold.command(name="list")
def list_(
    context: typer.Context,
    reason: Reason,
    lifted: Annotated[bool, typer.Option("--lifted", help="Also those that were lifted.")] = False,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List the holds that stand, oldest first; that you look is audited."""
    rows = _listed(settings(context, config, secrets_required=False), reason, by, lifted=lifted)
    if json:
        for row in rows:
            line(dumps(row, ensure_ascii=False))
        return
    if not rows:
        Console(stderr=True).print("no holds")
        return
    table = shown.grid(_COLUMNS)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in _COLUMNS))
    console().print(table)


@hold.command()
def show(
    context: typer.Context, id: Id, reason: Reason, by: By = None, json: Json = False, config: ConfigPath = None
) -> None:
    """Show one hold, also one that was lifted; that you look is audited."""
    rows = _listed(settings(context, config, secrets_required=False), reason, by, lifted=True)
    found = [row for row in rows if id and row["id"].startswith(id)]
    if len(found) != 1:
        fail(NONE_SUCH, f"{'several holds have' if found else 'no hold has'} an id that begins with {id[:20]!a}")
    if json:
        line(dumps(found[0], ensure_ascii=False))
        return
    table = shown.grid(("field", "value"))
    for name, value in found[0].items():
        if name != "kind":
            table.add_row(name.replace("_", " "), _cell(value))
    console().print(table)


@hold.command()
def review(
    context: typer.Context,
    id: Id,
    next_: Annotated[
        str, typer.Option("--next", help="When it has to be looked at again: 2027-01-31, or 90d from now.")
    ],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Say that a hold is still needed."""
    configured = settings(context, config, secrets_required=False)
    held = ask(configured, "/holds/review", id=id, review_at=_ahead(next_, "--next"), by=by)
    _told(held, f"reviewed by {held['reviewed_by']}, again at {held['review_at']}", json=json)


@hold.command()
def lift(
    context: typer.Context,
    id: Id,
    why: Annotated[str, typer.Option(help="Why it is needed no more.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Lift a hold: what it kept goes by its term again, what is overdue with the next purge."""
    configured = settings(context, config, secrets_required=False)
    held = ask(configured, "/holds/lift", id=id, why=why, by=by)
    _told(held, f"lifted by {held['lifted_by']}", json=json)


def _listed(configured: Config, reason: str, by: str | None, *, lifted: bool) -> list[dict[str, Any]]:
    return list(stream(configured, "POST", "/holds/list", reason=reason, by=by, lifted=lifted))


def _ahead(text: str, option: str = "--review") -> int | None:
    """The instant, in ms, that ``90d`` means from now on, or any other text as such."""
    if days := re.fullmatch(r"(\d{1,6})d", text):
        return world.now_ms() + int(days[1]) * 86_400_000
    return instant(text, option)


def _cell(value: object) -> Text:
    return shown.cell(", ".join(map(str, value)) if isinstance(value, list) else value)


def _told(held: dict[str, Any], words: str, *, json: bool) -> None:
    if json:
        line(dumps(held, ensure_ascii=False))
    else:
        typer.echo(printable(words))
