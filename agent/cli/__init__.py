"""The commands; no logic."""

import io
import sys
from typing import Annotated

import typer

from agent import __version__
from agent.cli import inventory, running, stored
from agent.cli.account import account
from agent.cli.audit import audit
from agent.cli.common import USAGE, ConfigPath, ConfigPathOrVariable, Json, group
from agent.cli.disclose import disclose
from agent.cli.emergency import emergency
from agent.cli.escrow import escrow
from agent.cli.history import history
from agent.cli.hold import hold
from agent.cli.keys import keys
from agent.cli.promises import promises
from agent.cli.purge import purge
from agent.cli.recording import recording
from agent.cli.register import register
from agent.cli.sites import sites
from agent.cli.subject import subject
from agent.cli.traffic import traffic
from agent.cli.voicemail import voicemail

#: What Linux allows a path (PATH_MAX); every other argument is shorter. A refusal repeats what it refuses.
_LONGEST = 4096

cli = group("telephony-agent")


def _version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@cli.callback()
def everywhere(
    context: typer.Context,
    config: ConfigPathOrVariable = None,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Hears phones register, 999 calls and opt-in recordings beside an Asterisk, and keeps only what it must."""
    context.obj = config


cli.command()(running.run)
cli.command()(running.check)
cli.command()(stored.replay)
cli.command(name="list")(stored.list_)
cli.command()(history)
cli.command()(running.migrate)
cli.command()(running.reload)
cli.command()(inventory.inventory)
cli.command(name="notice")(inventory.customer_notice)
cli.command()(purge)
cli.command()(traffic)
cli.add_typer(audit)
cli.add_typer(account)
cli.add_typer(disclose)
cli.add_typer(emergency)
cli.add_typer(hold)
keys.add_typer(escrow)
cli.add_typer(keys)
cli.add_typer(promises)
cli.add_typer(recording)
cli.add_typer(register)
cli.add_typer(sites)
cli.add_typer(subject)
cli.add_typer(voicemail)


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
    if any(len(word) > _LONGEST for word in sys.argv):
        typer.echo(f"telephony-agent: nothing that a command takes is longer than {_LONGEST} characters", err=True)
        sys.exit(USAGE)
    cli()
