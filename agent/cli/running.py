"""The agent itself, and what makes it ready: run, check, migrate."""

import asyncio
import os
from json import dumps
from pathlib import Path
from typing import Annotated

import structlog
import typer

from agent import log
from agent.assembly import promises
from agent.cli.asking import ask
from agent.cli.common import (
    ASTERISK,
    PROBLEMS,
    STORE,
    USAGE,
    ConfigPath,
    Json,
    config_file,
    console,
    fail,
    line,
    settings,
)
from agent.config import ConfigError
from agent.duties.check import Severity, json_lines, print_findings
from agent.hardening import harden
from agent.ports import StoreError
from agent.sources.ami import LoginRefused, NotAmi, TlsRefused
from agent.sources.ami_inquiry import Unreachable
from agent.stores.sqlite import SqliteStore


def run(context: typer.Context, config: ConfigPath = None) -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    # Here alone: with its web server and its loop the agent takes as long to load as all other commands together.
    import uvloop

    from agent import app
    from agent.loop import Loop

    harden()
    # A 999 needs no recordings: without their key the agent runs, and says so in an alarm.
    configured = settings(context, config, keys_required=False)
    log.configure(configured.log.level, configured.log.format)
    try:
        uvloop.run(app.run(configured, promises.command(config_file(context, config))), loop_factory=Loop)
    except ConfigError as error:
        fail(USAGE, str(error))
    except (LoginRefused, NotAmi, TlsRefused) as error:
        structlog.get_logger().error("ended", reason=str(error))
        fail(ASTERISK, str(error))
    except StoreError as error:
        structlog.get_logger().error("ended", reason=str(error), hint=error.hint)
        fail(STORE, str(error), error.hint)


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
    from agent.assembly import checking

    configured = settings(context, config)
    if asterisk_etc is not None and not os.path.isdir(asterisk_etc):
        fail(USAGE, f"--asterisk-etc: {asterisk_etc} is no folder", "name the folder of Asterisk's manager.conf")
    log.configure("error", configured.log.format)
    try:
        found = asyncio.run(checking.check(configured, asterisk_etc))
    except ConfigError as error:
        fail(USAGE, str(error))
    except (LoginRefused, NotAmi, TlsRefused, Unreachable) as error:
        fail(ASTERISK, str(error))
    if json:
        for text in json_lines(found):
            line(text)
    else:
        print_findings(console(), found)
    raise typer.Exit(PROBLEMS if any(each.severity is Severity.PROBLEM for each in found) else 0)


def migrate(context: typer.Context, config: ConfigPath = None) -> None:
    """Bring the store to this version's schema; the agent does it at every start as well."""
    path = settings(context, config, secrets_required=False).store.path

    async def work() -> None:
        store = await SqliteStore.open(path, say=lambda text: typer.echo(text, err=True))
        await store.close()

    try:
        asyncio.run(work())
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    typer.echo(f"{path} is up to date")


def reload(context: typer.Context, json: Json = False, config: ConfigPath = None) -> None:
    """Let the running agent read the tables of sites and channels again; with a mistake, a table stays as it was."""
    found = ask(settings(context, config, secrets_required=False), "/reload")
    line(dumps(found) if json else ", ".join(f"{count} {what}" for what, count in found.items()))
