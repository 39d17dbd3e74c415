"""Recordings for people: who opted in, what is recorded; to play, export and delete it; each use is on record."""

import re
from collections.abc import Iterator
from enum import StrEnum
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cli import waves
from agent.cli.asking import ask, pour, stream
from agent.cli.common import (
    NONE_SUCH,
    USAGE,
    ConfigPath,
    Json,
    Since,
    console,
    fail,
    group,
    instant,
    line,
    settings,
    show,
    stored,
)
from agent.config import Config
from agent.core.printable import printable
from agent.core.records import Calls, Content, OptIn, Recording

recording = group(
    "recording", help="Recordings: who opted in to them; list, play, export, delete, start and stop them."
)
optin = group(
    "optin", help="Opt-ins that stand until they are withdrawn; without one, or a press, nothing is recorded."
)
recording.add_typer(optin)

Id = Annotated[str, typer.Argument(help="The id of a recording, or its first letters.")]
Line = Annotated[str, typer.Argument(help="The name of a line; of customer services the queue or number.")]
OfLine = Annotated[str | None, typer.Option("--line", envvar="TELEPHONY_AGENT_LINE", help="Only this line's.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")]
By = Annotated[
    str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
]


class Standing(StrEnum):
    """What an opt-in may stand for."""

    SERVICE = "service"
    PA = "pa"
    CUSTOMER_SERVICE = "customer_service"


class Direction(StrEnum):
    """Which calls of a line."""

    ALL = "all"
    INCOMING = "incoming"
    OUTGOING = "outgoing"


class Why(StrEnum):
    """Why content is deleted before its time."""

    CUSTOMER = "customer"
    ERASURE = "erasure"
    MISTAKE = "mistake"


# -- opt-ins ------------------------------------------------------------------------------------------------------


@optin.command()
def add(
    context: typer.Context,
    of_line: Line,
    trigger: Annotated[Standing, typer.Option(help="The recording service, the PA service, or customer services.")],
    purpose: Annotated[str, typer.Option(help="What the recordings are for.")],
    calls: Annotated[Direction, typer.Option(help="Which of its calls.")] = Direction.ALL,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down that a line has opted in; it stands until it is withdrawn."""
    configured = settings(context, config, secrets_required=False)
    given = ask(configured, "/optins/add", line=of_line, trigger=trigger, calls=calls, purpose=purpose, by=by)
    _told(given, f"opted in: {given['id']}", json=json)


@optin.command()
def withdraw(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The id of an opt-in, or its first letters.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Take an opt-in back: nothing more is recorded by it, and what is being recorded by it ends."""
    configured = settings(context, config, secrets_required=False)
    given = ask(configured, "/optins/withdraw", id=_whole(configured, id, OptIn), by=by)
    _told(given, f"withdrawn by {given['withdrawn_by']}", json=json)


@optin.command(name="list")
def list_optins(
    context: typer.Context,
    of_line: OfLine = None,
    all_: Annotated[bool, typer.Option("--all", help="Withdrawn ones and presses as well.")] = False,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List the opt-ins that stand, oldest first."""
    configured = settings(context, config, secrets_required=False)
    with stored(configured) as reader:
        found = [
            given
            for given in (reader.read(OptIn.KIND, line=of_line) if all_ else _standing(reader.open(OptIn)))
            if isinstance(given, OptIn) and of_line in (None, given.line)
        ]
    if not found and not json:
        Console(stderr=True).print("no opt-ins")
    show(found, json=json)


def _standing(found: list[OptIn]) -> list[OptIn]:
    return sorted(
        (given for given in found if given.calls is not Calls.ONE), key=lambda given: (given.given_at, given.id)
    )


# -- content ------------------------------------------------------------------------------------------------------


@recording.command(name="list")
def list_(
    context: typer.Context,
    reason: Reason,
    of_line: OfLine = None,
    since: Since = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List recordings with what became of their content, oldest first."""
    configured = settings(context, config, secrets_required=False)
    begin = instant(since)
    found = stream(configured, "POST", "/recordings/list", line=of_line, since=begin, reason=reason, by=by)
    if json:
        for each in found:
            line(dumps(each, ensure_ascii=False))
        return
    rows = list(found)
    if not rows:
        Console(stderr=True).print("no recordings")
        return
    console().print(waves.listed(rows))


@recording.command()
def play(
    context: typer.Context,
    id: Id,
    reason: Reason,
    player: Annotated[
        str | None,
        typer.Option(
            envvar="TELEPHONY_AGENT_PLAYER", help=f"A program that plays a wave from its standard input{waves.PLAYERS}."
        ),
    ] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Play a recording; nothing of it is written to a disk."""
    configured = settings(context, config, secrets_required=False)
    command = waves.player(player)
    whole = _whole(configured, id, Recording)
    with waves.ended_by_signals(), pour(configured, "/recordings/play", id=whole, reason=reason, by=by) as (size, wave):
        waves.play(command, wave)
    if json:
        line(dumps({"id": whole, "bytes": size}))


@recording.command()
def export(
    context: typer.Context,
    id: Id,
    to: Annotated[str, typer.Option("--to", help="The wave file to make; - for standard output.")],
    reason: Reason,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write a recording as a wave file that anybody can play: it is decrypted, so mind where it goes."""
    if json and to == "-":
        fail(USAGE, "--json and the wave cannot both go to standard output")
    configured = settings(context, config, secrets_required=False)
    whole = _whole(configured, id, Recording)
    with (
        waves.ended_by_signals(),
        waves.target(to) as file,
        pour(configured, "/recordings/export", id=whole, reason=reason, by=by) as (size, wave),
    ):
        waves.write(file, to, waves.watched(wave, size, quiet=json))
    if json:
        line(dumps({"id": whole, "file": to, "bytes": size}, ensure_ascii=False))


@recording.command()
def delete(
    context: typer.Context,
    id: Id,
    why: Annotated[Why, typer.Option(help="The customer asked; erasure of all about a person; recorded by mistake.")],
    reason: Reason,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Destroy the content of a recording and its key: nobody can bring it back; the record of it stays."""
    configured = settings(context, config, secrets_required=False)
    gone = ask(configured, "/recordings/delete", id=_whole(configured, id, Recording), why=why, reason=reason, by=by)
    _told(gone, f"deleted by {gone['deleted_by']}", json=json)


# -- captures -----------------------------------------------------------------------------------------------------


@recording.command()
def start(context: typer.Context, of_line: Line, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """Record the call that a line is in now; it must have opted in before."""
    configured = settings(context, config, secrets_required=False)
    begun = ask(configured, "/recordings/start", line=of_line, by=by)
    _told(begun, f"started: {begun['id']}", json=json)


@recording.command()
def stop(context: typer.Context, id: Id, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """End a recording; what was captured is kept."""
    _changed(context, "stop", "stopped", id, by, json=json, config=config)


@recording.command()
def pause(context: typer.Context, id: Id, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """Capture nothing of the call until it is resumed."""
    _changed(context, "pause", "paused", id, by, json=json, config=config)


@recording.command()
def resume(context: typer.Context, id: Id, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """Capture again."""
    _changed(context, "resume", "resumed", id, by, json=json, config=config)


def _changed(
    context: typer.Context, what: str, done: str, id: str, by: str | None, *, json: bool, config: Path | None
) -> None:
    configured = settings(context, config, secrets_required=False)
    _told(ask(configured, f"/recordings/{what}", id=_whole(configured, id, Recording), by=by), done, json=json)


def _told(record: dict[str, Any], words: str, *, json: bool) -> None:
    if json:
        line(dumps(record, ensure_ascii=False))
    else:
        typer.echo(printable(words))


#: Letters of an id (`agent.world.new_id`).
_ID_LENGTH = 16


def _whole(configured: Config, id: str, kind: type[Recording] | type[OptIn]) -> str:
    """The whole id; one that the store has not got yet is the agent's to know."""
    found: list[str] = []
    if re.fullmatch("[0-9a-f]{1,64}", id):
        with stored(configured, shown=False) as reader:
            found = sorted({record.id for of_kind in _kinds(kind) for record in reader.find(of_kind, id)})
        if id in found or (not found and len(id) == _ID_LENGTH):
            return id
    what = "opt-in" if kind is OptIn else "recording"
    if not found:
        fail(NONE_SUCH, f"no {what} has an id that begins with {id[:20]!a}")
    if len(found) > 1:
        fail(NONE_SUCH, f"several ids begin with {id[:20]!a}: write more of it")
    return found[0]


def _kinds(kind: type[Recording] | type[OptIn]) -> Iterator[type[Recording] | type[OptIn] | type[Content]]:
    yield kind
    if kind is Recording:
        yield Content
