"""The published promise, proved by probes, and the signed reports of it."""

import os
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from agent import __version__, keys, world
from agent.assembly import promises as work
from agent.cli.common import PROBLEMS, STORE, USAGE, ConfigPath, Json, console, fail, group, line, settings
from agent.cli.shown import cell, grid
from agent.config import Config
from agent.core.printable import printable
from agent.duties.promises import PROMISES, Result, State
from agent.duties.promises.report import NoReport, opened, signed
from agent.ports import StoreError
from agent.stores.vault.keyfile import write_new
from agent.stores.vault.signing import Signer, proves

promises = group("promises", help="The published promise, proved sentence by sentence.")

_STYLES = {State.OK: "green", State.BROKEN: "bold red", State.NOT_BUILT: "dim"}
_REPORT_BYTES = 1 << 20


@promises.command()
def verify(
    context: typer.Context,
    report: Annotated[Path | None, typer.Option(help="Write a signed report to this new file as well.")] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Look at the running agent and its store for each promise; exit code 1 if one is broken."""
    configured = settings(context, config, secrets_required=False, keys_required=False)
    if report is not None and os.path.lexists(report):
        fail(USAGE, f"{report} is there already", "name a new file")
    at = world.now_ms()
    try:
        found = tuple(work.verify(configured, keys.reading(configured, world.now_ms), at))
        if report is not None:
            _write(configured, report, found, at)
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    _show(found, json=json)
    raise typer.Exit(PROBLEMS if any(each.state is State.BROKEN for each in found) else 0)


@promises.command()
def check_report(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A report that `promises verify --report` wrote.")],
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="Who signed it; by default the key beside this keyring.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell whether a report is as it was signed, and show it; exit code 1 if it is not."""
    try:
        text = _read(file)
        public = public_key
        if public is None:
            public = Signer(settings(context, config, secrets_required=False).keyring, make=False).public
        found = opened(text, public.lower(), proves)
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    except NoReport as error:
        fail(PROBLEMS, f"{file} proves nothing: {error}")
    if not json:
        line(f"signed by {public}: verified at {found.at} by version {found.version}, {found.counts()}")
    _show(found.results, json=json)


def _write(config: Config, path: Path, found: tuple[Result, ...], at: int) -> None:
    signer = Signer(config.keyring)
    text = signed(found, at=at, version=__version__, public=signer.public, sign=signer.sign)
    try:
        write_new(path, text)
    except OSError as error:
        fail(USAGE, f"{path} cannot be written: {error.strerror}")
    typer.echo(f"{printable(str(path))} is signed by {signer.public}", err=True)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_REPORT_BYTES).decode("ascii")
    except OSError as error:
        fail(USAGE, f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        raise NoReport("it is no report of `promises verify`") from None


def _show(found: tuple[Result, ...], *, json: bool) -> None:
    if json:
        for result in found:
            line(dumps(asdict(result)))
        return
    table = grid(("id", "promise", "state", "evidence"))
    for result in found:
        cells = [cell(text) for text in (result.id, PROMISES.get(result.id, ""), result.state, result.evidence)]
        table.add_row(*cells, style=_STYLES[result.state])
    console().print(table)
