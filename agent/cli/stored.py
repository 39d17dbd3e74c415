"""Records: those that are stored, and those of a captured AMI session."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from agent.assembly import replaying
from agent.cli import common
from agent.cli.common import INPUT, ConfigPath, Json, Since, fail, instant, settings, show
from agent.core.personal import HANDLED, PERSONAL
from agent.sources.replay import NotACapture
from agent.stores.sqlite.rows import RECORD_OF_KIND

_CHUNK = 1 << 16


class Listed(StrEnum):
    """What `list` lists."""

    REGISTRATIONS = "registrations"
    EMERGENCIES = "emergencies"
    RECORDINGS = "recordings"
    FAILURES = "failures"
    BLIND = "blind"
    ALARMS = "alarms"
    NOTICES = "notices"
    PATHS = "paths"
    LOOKS = "looks"
    OPTINS = "optins"
    CONTENTS = "contents"
    ACCESSES = "accesses"
    PURGES = "purges"
    CALLS = "calls"
    TEXTS = "texts"
    DELETIONS = "deletions"
    TOTALS = "totals"


_KIND = {
    Listed.REGISTRATIONS: "registration",
    Listed.EMERGENCIES: "emergency",
    Listed.RECORDINGS: "recording",
    Listed.FAILURES: "failure",
    Listed.BLIND: "blind",
    Listed.ALARMS: "alarm",
    Listed.NOTICES: "notice",
    Listed.PATHS: "path",
    Listed.LOOKS: "look",
    Listed.OPTINS: "optin",
    Listed.CONTENTS: "content",
    Listed.ACCESSES: "access",
    Listed.PURGES: "purge",
    Listed.CALLS: "call",
    Listed.TEXTS: "text",
    Listed.DELETIONS: "deletion",
    Listed.TOTALS: "total",
}


def replay(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The raw bytes of an AMI session; - for standard input.")],
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print the records that the agent would store of a captured AMI session."""
    configured = settings(context, config, secrets_required=False)
    try:
        records, summary = replaying.replayed(
            configured, _chunks(file), source="standard input" if file == "-" else file
        )
    except NotACapture as error:
        fail(INPUT, str(error))
    except OSError as error:
        fail(INPUT, f"{file} cannot be read: {error.strerror}")
    if summary.untimed:
        typer.echo("no event has a Timestamp (timestampevents=yes in manager.conf): times begin at 1970", err=True)
    if summary.oversized:
        typer.echo(f"{summary.oversized} messages of more than 1 MiB were dropped", err=True)
    show(records, json=json or not sys.stdout.isatty())


def list_(
    context: typer.Context,
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    since: Since = None,
    line: Annotated[str | None, typer.Option(envvar="TELEPHONY_AGENT_LINE", help="Only this line's.")] = None,
    limit: Annotated[
        int | None, typer.Option(envvar="TELEPHONY_AGENT_LIMIT", min=1, max=1 << 31, help="Only the latest so many.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List what is stored, oldest first."""
    configured = settings(context, config, secrets_required=False)
    begin = instant(since)
    kind = RECORD_OF_KIND[_KIND[what]]
    with common.stored(configured, shown=bool(PERSONAL[kind] or HANDLED[kind])) as reader:
        records = reader.read(_KIND[what], since=begin, line=line, limit=limit)
        if json:
            show(records, json=True)
            return
        found = list(records)
    if not found:
        Console(stderr=True).print(f"no {what}")
    show(found, json=False)


def _chunks(file: str) -> Iterator[bytes]:
    if file == "-":
        while chunk := sys.stdin.buffer.read(_CHUNK):
            yield chunk
        return
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
