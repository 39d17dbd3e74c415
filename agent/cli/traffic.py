"""Traffic and devices in figures for planning, from which nobody can be read."""

from collections.abc import Iterable
from dataclasses import asdict
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cli.common import ConfigPath, Json, Since, console, instant, line, settings, stored
from agent.cli.shown import cell, grid
from agent.core.aggregates import by_day
from agent.core.instants import rfc3339
from agent.core.records import Devices, Traffic, document

_DAYS = "day attempts asr erlangs busy_hour busy_erlangs unplaced".split()
_DEVICES = "month_at vendor model firmware lines".split()


def traffic(
    context: typer.Context,
    since: Since = None,
    cells: Annotated[bool, typer.Option("--cells", help="Each figure: hour, direction, class of number.")] = False,
    devices: Annotated[bool, typer.Option("--devices", help="Instead, the devices of each month.")] = False,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show each day's traffic: attempts, how many were answered, Erlangs, the busy hour; from ten lines on."""
    configured = settings(context, config, secrets_required=False)
    begin = instant(since)
    with stored(configured, shown=False) as reader:
        if devices:
            rows = [document(each) for each in reader.read(Devices.KIND, since=begin)]
            _show(rows, _DEVICES, json=json)
            return
        found = [each for each in reader.read(Traffic.KIND, since=begin) if isinstance(each, Traffic)]
    if cells:
        _show([document(each) for each in found], [*document(found[0])][2:] if found else [], json=json)
        return
    days = [asdict(day) | {"day": rfc3339(day.day_at)[:10]} for day in by_day(found)]
    _show([{name: day[name] for name in _DAYS} for day in days], _DAYS, json=json)


def _show(rows: Iterable[dict[str, Any]], columns: list[str], *, json: bool) -> None:
    found = list(rows)
    if json:
        for row in found:
            line(dumps(row, ensure_ascii=False))
        return
    if not found:
        Console(stderr=True).print("no figures yet: a day's are made two days after its end")
        return
    table = grid(columns)
    for row in found:
        table.add_row(*(cell(row[column]) for column in columns))
    console().print(table)
