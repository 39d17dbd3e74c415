"""The table of sites: whether it can be used, and where it places a phone."""

import json as json_
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import views
from agent.cli.common import PROBLEMS, USAGE, ConfigPath, Json, console, fail, group, line, settings
from agent.config import ConfigError
from agent.config import sites as tables
from agent.core.records import Certainty
from agent.core.sites import Placement, Sites

sites = group("sites", help="The table of sites, networks and lines: which address 999 is given for a phone.")


@sites.command()
def check(
    file: Annotated[Path, typer.Argument(help="The table, in TOML.")],
    json: Json = False,
    config: ConfigPath = None,  # noqa: ARG001
) -> None:
    """Tell what is wrong with a table before the agent reads it."""
    table = _table(file)
    counts = {"sites": len(table.sites), "networks": len(table.networks), "lines": len(table.lines)}
    line(json_.dumps(counts) if json else ", ".join(f"{count} {what}" for what, count in counts.items()))


@sites.command()
def where(
    context: typer.Context,
    ip: Annotated[str, typer.Argument(help="The address that a phone is heard from.")],
    of_line: Annotated[str | None, typer.Option("--line", help="The line whose phone it is.")] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell which address 999 would be given, and how sure that is; exit code 1 if it is not."""
    try:
        address = str(ip_address(ip))
    except ValueError:
        fail(USAGE, f"{ip[:60]!a} is no IP address")
    path = settings(context, config, secrets_required=False).emergency.sites_file
    if path is None:
        fail(USAGE, "there is no table of sites", "name it as sites_file under [emergency]")
    placement = _table(path).place(of_line, address)
    values = _values(placement)
    if json:
        line(json_.dumps(values, ensure_ascii=False))
    else:
        console().print(views.facts(values))
    raise typer.Exit(0 if placement.certainty is Certainty.EXPECTED else PROBLEMS)


def _table(path: Path) -> Sites:
    try:
        return tables.load(path)
    except ConfigError as error:
        fail(USAGE, str(error))


def _values(placement: Placement) -> dict[str, str | None]:
    return {
        "certainty": placement.certainty,
        "site": placement.site.id if placement.site is not None else None,
        "address": placement.address,
        "contact": placement.site.contact if placement.site is not None else None,
        "home": placement.home.id if placement.home is not None else None,
        "confirmed": placement.confirmed.isoformat() if placement.confirmed is not None else None,
    }
