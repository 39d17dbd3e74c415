"""What the commands share: their options, the configuration, tables or JSON lines, and how each ends."""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from agent import keys, world
from agent.cli import shown
from agent.config import Config, ConfigError, load
from agent.core.instants import from_rfc3339
from agent.core.printable import printable
from agent.core.records import Record
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader

#: Exit codes.
PROBLEMS, USAGE, STORE, ASTERISK, INPUT, NONE_SUCH, NO_AGENT = 1, 2, 3, 4, 5, 6, 7

_CONFIG_PLACES = (Path("agent.toml"), Path("/etc/telephony-agent/agent.toml"))
#: Columns of a table that goes to a file or another program, where nothing is to be folded.
_PIPED_WIDTH = 1 << 16
#: No path is longer (PATH_MAX), nor a word that somebody has to read.
_LONG_WORD = re.compile(r"(\S{200})\S{3,}")

LOCKED_HINT = (
    "docker/telephony-agent.service shows how to hand a command the site key that the service has;"
    " emergency list, show and phones need none while the agent runs"
)

_CONFIG_HELP = "The TOML file; by default agent.toml here, else /etc/telephony-agent/agent.toml, else none."
#: Behind a command; the environment is asked before it alone, so that it beats neither.
ConfigPath = Annotated[Path | None, typer.Option("--config", "-c", help=_CONFIG_HELP)]
ConfigPathOrVariable = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="TELEPHONY_AGENT_CONFIG", help=_CONFIG_HELP)
]
Json = Annotated[bool, typer.Option("--json", envvar="TELEPHONY_AGENT_JSON", help="One JSON object a line.")]
Since = Annotated[
    str | None,
    typer.Option(envvar="TELEPHONY_AGENT_SINCE", help="Begun since 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h, 7d."),
]


def group(name: str | None = None, *, help: str | None = None) -> typer.Typer:
    """An empty group of commands."""
    return typer.Typer(
        name=name,
        help=help,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )


def settings(
    context: typer.Context, path: Path | None, *, secrets_required: bool = True, keys_required: bool = True
) -> Config:
    """The configuration of `config_file`."""
    try:
        return load(
            config_file(context, path), os.environ, secrets_required=secrets_required, keys_required=keys_required
        )
    except ConfigError as error:
        fail(USAGE, str(error))


def config_file(context: typer.Context, path: Path | None) -> Path | None:
    """The configuration's file; --config may stand before the command (its context's object) as well as after it."""
    if path is None:
        path = context.find_root().obj
    if path is None:
        path = next((place for place in _CONFIG_PLACES if place.exists()), None)
    return path


@contextmanager
def stored(config: Config, *, shown: bool = True) -> Iterator[SqliteReader]:
    """What is stored, to be read; ends the command where it cannot be.

    ``shown``: who runs the command sees of it, and is told where it is locked.
    """
    if shown and (why := unreadable(config)) is not None:
        say(f"lines, addresses and numbers are locked, since {why}", LOCKED_HINT)
    try:
        with SqliteReader(config.store.path, keys.reading(config, world.now_ms)) as reader:
            yield reader
    except StoreError as error:
        fail(STORE, str(error), error.hint)


def unreadable(config: Config) -> str | None:
    """Why this command cannot read what is locked in the store; None where it can, or where nothing was ever locked."""
    if not config.keyring.exists():
        return None
    try:
        keys.reading(config, world.now_ms).fetch(())
    except StoreError as error:
        return str(error)
    return None


def instant(text: str | None, option: str = "--since") -> int | None:
    """The instant, in ms, that the option --since means, or another ``option``."""
    if text is None:
        return None
    if relative := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return max(0, world.now_ms() - int(relative[1]) * {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[relative[2]])
    try:
        return from_rfc3339(f"{text}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else text)
    except ValueError:
        fail(USAGE, f"{option} {text!r} is no time: write 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h or 7d")


def console() -> Console:
    """Where tables go: as wide as the terminal, and not folded where there is none."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def line(text: str) -> None:
    """One line on standard output."""
    print(text)  # noqa: T201


def show(records: Iterable[Record], *, json: bool) -> None:
    """The records, as JSON lines or as a table a kind."""
    if json:
        for record in records:
            line(shown.json_line(record))
    else:
        shown.print_tables(console(), list(records))


def fail(code: int, sentence: str, hint: str = "") -> NoReturn:
    """End with one sentence on standard error."""
    say(sentence, hint)
    raise typer.Exit(code)


def say(sentence: str, hint: str = "") -> None:
    """One sentence on standard error; what it repeats of the input steers no terminal, and fills none."""
    text = f"telephony-agent: {sentence}" + (f" ({hint})" if hint else "")
    for row in text.split("\n"):
        typer.echo(printable(_LONG_WORD.sub(r"\1…", row)), err=True)
