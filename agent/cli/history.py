"""The history of an account, as it may be shown to whoever sees its bill."""

from enum import StrEnum
from typing import Annotated

import typer

from agent import world
from agent.cli import files, statements
from agent.cli.account import By, Reason, moment
from agent.cli.asking import stream
from agent.cli.common import USAGE, ConfigPath, Json, fail, settings


class Format(StrEnum):
    """How a history is written."""

    CSV = "csv"
    JSON = "json"
    STATEMENT = "statement"


_WRITTEN = {
    Format.CSV: statements.as_csv,
    Format.JSON: statements.as_json,
    Format.STATEMENT: statements.as_statement,
}


def history(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The reference of an account.")],
    begin: Annotated[str, typer.Option("--from", help="Since when: 2026-11-01, 2026-11-01T08:00:00Z.")],
    reason: Reason,
    end: Annotated[str | None, typer.Option("--until", help="Until before when; now, where it is left out.")] = None,
    format: Annotated[Format, typer.Option(help="How it is written.")] = Format.STATEMENT,
    to: Annotated[str, typer.Option("--to", help="The file to make; - for standard output.")] = "-",
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write an account's calls, texts and sums: no freephone, helpline or emergency; sums alone if not itemised."""
    configured = settings(context, config, secrets_required=False)
    since = moment("--from", begin)
    until = world.now_ms() if end is None else moment("--until", end)
    if until <= since:
        fail(USAGE, "--until is not after --from")
    answers = stream(
        configured, "POST", "/accounts/history", account=account, begin=since, end=until, reason=reason, by=by
    )
    files.write(to, _WRITTEN[Format.JSON if json else format](answers))
