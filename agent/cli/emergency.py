"""The desk's commands: what is stored of each emergency, and what is asked of the running agent."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from json import dumps
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from agent import world
from agent.cli import views
from agent.cli.asking import answers, ask, stream
from agent.cli.common import (
    NONE_SUCH,
    PROBLEMS,
    STORE,
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
    stored,
    unreadable,
)
from agent.config import Config
from agent.core.printable import printable
from agent.core.records import Alarm, Emergency
from agent.people import emergencies
from agent.ports import Reader, StoreError

T = TypeVar("T", Emergency, Alarm, Emergency | Alarm)

emergency = group("emergency", help="The 999 desk: look at emergencies, take them on, close them, rehearse.")

Id = Annotated[str, typer.Argument(help="The id of an emergency, or its first letters.")]
EitherId = Annotated[str, typer.Argument(help="The id of an emergency or of an alarm, or its first letters.")]
By = Annotated[
    str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
]


@emergency.command(name="list")
def list_(
    context: typer.Context,
    since: Since = None,
    open_: Annotated[
        bool, typer.Option("--open", envvar="TELEPHONY_AGENT_OPEN", help="Only calls that are up, and open alarms.")
    ] = False,
    tests: Annotated[bool, typer.Option("--tests", envvar="TELEPHONY_AGENT_TESTS", help="Rehearsals as well.")] = False,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List emergencies with what became of their alarms, oldest first."""
    configured = settings(context, config, secrets_required=False)
    begin = instant(since)
    found = (
        call for call in _listed(configured, begin) if (tests or not call["test"]) and (not open_ or _is_open(call))
    )
    if json:
        for call in found:
            line(dumps(call, ensure_ascii=False))
        return
    rows = list(found)
    if not rows:
        Console(stderr=True).print("no emergencies")
        return
    console().print(views.listed(rows, tests=tests))


@emergency.command()
def show(
    context: typer.Context,
    id: Id,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="What the emergency services may ask, too: kept for an hour after the call. Each look is on record.",
        ),
    ] = False,
    reason: Annotated[str | None, typer.Option(help="With --full: why you look.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show one emergency: its record, its timeline, who was told, who has looked."""
    if full is not (reason is not None):
        fail(USAGE, "--full needs --reason TEXT" if full else "--reason belongs to --full")
    configured = settings(context, config, secrets_required=False)
    with stored(configured, shown=False) as reader:
        chosen = _emergency(reader, id)
    # The look comes first: nothing is shown of which there is no record that it was.
    fuller = ask(configured, "/look", id=chosen.id, reason=reason, by=by) if full else None
    kept = _kept(configured, chosen)
    if json:
        line(dumps(kept | ({} if fuller is None else {"detail": fuller}), ensure_ascii=False))
    else:
        views.print_kept(console(), kept)
        if fuller is not None:
            console().print(Text("fuller view", style="bold"))
            console().print(views.facts(fuller))
    raise typer.Exit(0 if kept["timeline"]["whole"] else PROBLEMS)


@emergency.command()
def ack(context: typer.Context, id: EitherId, by: By = None, json: Json = False, config: ConfigPath = None) -> None:
    """Take on an emergency, or any other alarm: it is not escalated further."""
    configured = settings(context, config, secrets_required=False)
    _told(ask(configured, "/acknowledge", id=_whole(configured, id), by=by), json=json)


@emergency.command()
def close(
    context: typer.Context,
    id: EitherId,
    comment: Annotated[str, typer.Option(help="What came of it.")],
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Close an emergency when its call is over, or any other alarm, with what came of it."""
    configured = settings(context, config, secrets_required=False)
    _told(ask(configured, "/close", id=_whole(configured, id), comment=comment, by=by), json=json)


@emergency.command(name="test")
def rehearse(
    context: typer.Context,
    from_line: Annotated[str | None, typer.Option("--line", help="As if this line called; else any phone.")] = None,
    trunk: Annotated[str | None, typer.Option(help="Over this trunk alone; else as they come.")] = None,
    by: By = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Rehearse: place a real call through the emergency dialplan to the rehearsal number, and show what that proves."""
    configured = settings(context, config, secrets_required=False)
    proofs: list[dict[str, Any]] = []
    passed = False
    for told in stream(configured, "POST", "/rehearse", line=from_line, trunk=trunk, by=by):
        if json:
            line(dumps(told, ensure_ascii=False))
        elif "step" in told:
            Console(stderr=True, highlight=False).print(Text(f"{_now()} {printable(told['step'])}", style="dim"))
        if "proof" in told:
            proofs.append(told)
        passed = told.get("passed", passed)
    if not json:
        console().print(views.proofs(proofs))
    raise typer.Exit(0 if passed else PROBLEMS)


@emergency.command()
def phones(
    context: typer.Context,
    problems: Annotated[bool, typer.Option("--problems", help="Only those that cannot, or may not.")] = False,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell for each registered phone whether it can reach 999 with the right address; exit code 1 if one cannot."""
    configured = settings(context, config, secrets_required=False)
    found = list(stream(configured, "GET", "/phones"))
    wrong = [phone for phone in found if phone["answer"] != "yes"]
    if json:
        for phone in wrong if problems else found:
            line(dumps(phone, ensure_ascii=False))
    elif not found:
        Console(stderr=True).print("no phone is registered")
    elif problems and not wrong:
        Console(stderr=True).print(f"all of {len(found)} can")
    else:
        console().print(views.phones(wrong if problems else found))
    raise typer.Exit(PROBLEMS if wrong else 0)


def _told(alarm: dict[str, Any], *, json: bool) -> None:
    if json:
        line(dumps(alarm, ensure_ascii=False))
    elif alarm["closed_at"] is not None:
        typer.echo(f"closed by {printable(str(alarm['closed_by']))}")
    else:
        typer.echo(f"taken on by {printable(str(alarm['acknowledged_by']))}")


def _listed(configured: Config, since: int | None) -> Iterator[dict[str, Any]]:
    if _agent_knows_more(configured):
        yield from stream(configured, "POST", "/emergencies", since=since)
        return
    with stored(configured) as reader:
        yield from emergencies.listed(reader, since)


def _kept(configured: Config, chosen: Emergency) -> dict[str, Any]:
    if _agent_knows_more(configured):
        return ask(configured, "/emergency", id=chosen.id)
    with stored(configured) as reader:
        return emergencies.kept(reader, chosen, _key(configured))


def _agent_knows_more(configured: Config) -> bool:
    """Whether the agent is to be asked: it holds the site key, which under systemd nobody else has."""
    return unreadable(configured) is not None and answers(configured)


def _is_open(call: dict[str, Any]) -> bool:
    alarm = call["alarm"]
    return call["ended_at"] is None or (alarm is not None and alarm["closed_at"] is None)


def _emergency(reader: Reader, id: str) -> Emergency:
    return _one(id, reader.find(Emergency, id) if _is_id(id) else [], "emergency")


def _whole(configured: Config, id: str) -> str:
    """The whole id of the emergency or alarm; one that the store has not got yet is the agent's to know."""
    found: list[Emergency | Alarm] = []
    if _is_id(id):
        with stored(configured, shown=False) as reader:
            found = [*reader.find(Emergency, id), *reader.find(Alarm, id)]
        if not found and len(id) == _ID_LENGTH:
            return id
    return _one(id, found, "emergency or alarm").id


#: Letters of an id (`agent.world.new_id`).
_ID_LENGTH = 16


def _is_id(id: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{1,64}", id) is not None


def _one(id: str, found: list[T], what: str) -> T:
    exact = [each for each in found if each.id == id] or found
    if not exact:
        fail(NONE_SUCH, f"no {what} has an id that begins with {id[:20]!a}")
    if len(exact) > 1:
        fail(NONE_SUCH, f"several ids begin with {id[:20]!a}: write more of it")
    return exact[0]


def _key(configured: Config) -> bytes:
    try:
        return world.read_key(configured.store.path)
    except StoreError as error:
        fail(STORE, str(error), error.hint)


def _now() -> str:
    return datetime.now(tz=UTC).strftime("%H:%M:%S")
