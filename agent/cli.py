"""The commands; no logic."""

import asyncio
import io
import os
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import structlog
import typer
from rich.console import Console

from agent import __version__, app, log, shown
from agent.config import Config, ConfigError, load
from agent.core.instants import from_rfc3339
from agent.core.records import Record
from agent.duties.check import Severity, json_lines, print_findings
from agent.ports import StoreError
from agent.sources.ami import LoginRefused, NotAmi, TlsRefused
from agent.sources.ami_inquiry import Unreachable
from agent.sources.replay import NotACapture
from agent.stores.sqlite import SqliteReader, SqliteStore

#: Exit codes.
PROBLEMS, USAGE, STORE, ASTERISK, INPUT = 1, 2, 3, 4, 5

_CONFIG_PLACES = (Path("agent.toml"), Path("/etc/telephony-agent/agent.toml"))
_CHUNK = 1 << 16
#: Columns of a table that goes to a file or another program, where nothing is to be folded.
_PIPED_WIDTH = 240

cli = typer.Typer(
    name="telephony-agent",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="TELEPHONY_AGENT_CONFIG",
        help="The TOML file; by default agent.toml here, else /etc/telephony-agent/agent.toml, else none.",
    ),
]
Json = Annotated[bool, typer.Option("--json", envvar="TELEPHONY_AGENT_JSON", help="One JSON object a line.")]


class Listed(StrEnum):
    """What `list` lists."""

    REGISTRATIONS = "registrations"
    EMERGENCIES = "emergencies"
    RECORDINGS = "recordings"
    FAILURES = "failures"
    BLIND = "blind"


_KIND = {
    Listed.REGISTRATIONS: "registration",
    Listed.EMERGENCIES: "emergency",
    Listed.RECORDINGS: "recording",
    Listed.FAILURES: "failure",
    Listed.BLIND: "blind",
}


@cli.callback()
def everywhere(context: typer.Context, config: ConfigPath = None) -> None:
    """Hears phones register, 999 calls and opt-in recordings beside an Asterisk, and keeps only what it must."""
    # --config may stand before the command as well as after it.
    context.obj = config


@cli.command()
def run(context: typer.Context, config: ConfigPath = None) -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    settings = _settings(context, config)
    log.configure(settings.log.level, settings.log.format)
    try:
        asyncio.run(app.run(settings))
    except (LoginRefused, NotAmi, TlsRefused) as error:
        structlog.get_logger().error("ended", reason=str(error))
        _fail(ASTERISK, str(error))
    except StoreError as error:
        structlog.get_logger().error("ended", reason=str(error), hint=error.hint)
        _fail(STORE, str(error), error.hint)


@cli.command()
def check(
    context: typer.Context,
    asterisk_etc: Annotated[
        Path | None,
        typer.Option(
            envvar="TELEPHONY_AGENT_ASTERISK_ETC",
            help="Asterisk's configuration folder, for what AMI does not show; /etc/asterisk where Asterisk is local.",
        ),
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell what is wrong on the PBX, worst first; exit code 1 if there is a problem."""
    settings = _settings(context, config)
    log.configure("error", settings.log.format)
    try:
        found = asyncio.run(app.check(settings, asterisk_etc))
    except (LoginRefused, NotAmi, TlsRefused, Unreachable) as error:
        _fail(ASTERISK, str(error))
    if json:
        for line in json_lines(found):
            print(line)  # noqa: T201
    else:
        print_findings(Console(), found)
    raise typer.Exit(PROBLEMS if any(each.severity is Severity.PROBLEM for each in found) else 0)


@cli.command()
def replay(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="The raw bytes of an AMI session; - for standard input.")],
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print the records that the agent would store of a captured AMI session."""
    settings = _settings(context, config, secrets_required=False)
    try:
        records, summary = app.replayed(settings, _chunks(file), source="standard input" if file == "-" else file)
    except NotACapture as error:
        _fail(INPUT, str(error))
    except OSError as error:
        _fail(INPUT, f"{file} cannot be read: {error.strerror}")
    if summary.untimed:
        typer.echo("no event has a Timestamp (timestampevents=yes in manager.conf): times begin at 1970", err=True)
    if summary.oversized:
        typer.echo(f"{summary.oversized} messages of more than 1 MiB were dropped", err=True)
    _show(records, json=json or not sys.stdout.isatty())


@cli.command(name="list")
def list_(
    context: typer.Context,
    what: Annotated[Listed, typer.Argument(help="What to list.")],
    since: Annotated[
        str | None,
        typer.Option(
            envvar="TELEPHONY_AGENT_SINCE", help="Begun since 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h, 7d."
        ),
    ] = None,
    line: Annotated[str | None, typer.Option(envvar="TELEPHONY_AGENT_LINE", help="Only this line's.")] = None,
    limit: Annotated[
        int | None, typer.Option(envvar="TELEPHONY_AGENT_LIMIT", min=1, help="Only the latest so many.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List what is stored, oldest first."""
    settings = _settings(context, config, secrets_required=False)
    begin = _instant(since)
    try:
        with SqliteReader(settings.store.path) as reader:
            records = reader.read(_KIND[what], since=begin, line=line, limit=limit)
            if json:
                for record in records:
                    print(shown.json_line(record))  # noqa: T201
                return
            found = list(records)
    except StoreError as error:
        _fail(STORE, str(error), error.hint)
    if not found:
        Console(stderr=True).print(f"no {what}")
    _show(found, json=False)


@cli.command()
def migrate(context: typer.Context, config: ConfigPath = None) -> None:
    """Bring the store to this version's schema; the agent does it at every start as well."""
    settings = _settings(context, config, secrets_required=False)

    async def work() -> None:
        store = await SqliteStore.open(settings.store.path, say=lambda text: typer.echo(text, err=True))
        await store.close()

    try:
        asyncio.run(work())
    except StoreError as error:
        _fail(STORE, str(error), error.hint)
    typer.echo(f"{settings.store.path} is up to date")


@cli.command()
def version(json: Json = False, config: ConfigPath = None) -> None:  # noqa: ARG001
    """Print the version."""
    typer.echo(f'{{"version": "{__version__}"}}' if json else f"telephony-agent {__version__}")


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        # A locale that cannot show a letter gets its number, and no traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli()


def _settings(context: typer.Context, path: Path | None, *, secrets_required: bool = True) -> Config:
    if path is None:
        path = context.obj
    if path is None:
        path = next((place for place in _CONFIG_PLACES if place.exists()), None)
    try:
        return load(path, os.environ, secrets_required=secrets_required)
    except ConfigError as error:
        _fail(USAGE, str(error))


def _chunks(file: str) -> Iterator[bytes]:
    if file == "-":
        while chunk := sys.stdin.buffer.read(_CHUNK):
            yield chunk
        return
    with open(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    if relative := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return max(0, app.now_ms() - int(relative[1]) * {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[relative[2]])
    try:
        return from_rfc3339(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except ValueError:
        _fail(USAGE, f"--since {text!r} is no time: write 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h or 7d")


def _show(records: list[Record], *, json: bool) -> None:
    if json:
        for record in records:
            print(shown.json_line(record))  # noqa: T201
    else:
        shown.print_tables(Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH), records)


def _fail(code: int, sentence: str, hint: str = "") -> NoReturn:
    typer.echo(f"telephony-agent: {sentence}" + (f" ({hint})" if hint else ""), err=True)
    raise typer.Exit(code)
