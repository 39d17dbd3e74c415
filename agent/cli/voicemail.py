"""Voicemail that goes: the purge on request, which the running agent does by itself as well."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from agent import log, world
from agent.assembly import logins
from agent.assembly import voicemail as work
from agent.cli.common import PROBLEMS, STORE, USAGE, ConfigPath, Json, console, fail, group, line, settings
from agent.cli.shown import grid
from agent.cli.waves import ended_by_signals
from agent.core.instants import rfc3339
from agent.duties.voicemail import Counts, Report, SpoolBusy, SpoolError
from agent.sources.ami_inquiry import inquiry

voicemail = group("voicemail", help="Voicemail that goes when its term is over.")

#: What each count means, in the order in which it is shown; those after the gap only where there are any.
_MEANING = {
    "mailboxes": "mailboxes looked at",
    "heard": "heard messages deleted",
    "unheard": "messages deleted that nobody had heard",
    "trashed": "messages deleted for good that their owner had deleted",
    "leftover": "files deleted that an interruption had left",
    "kept": "messages that may stay",
    "due": "of these, messages that go soon",
    "failed": "messages or mailboxes that could not be purged",
}
_BESIDES = {
    "in_use": "mailboxes put off: somebody may be listening to them",
    "gapped": "folders that Asterisk will number anew when they are opened",
    "unlit": "mailboxes whose lamp Asterisk was not told to refresh",
}
_SHOW_EVERY_S = 0.1


@voicemail.command()
def purge(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would go; change nothing.")] = False,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Delete voicemail whose term is over, and tell how much by reason; exit code 1 if some could not be deleted."""
    configured = settings(context, config, secrets_required=not dry_run)
    log.configure("error", configured.log.format)
    if configured.voicemail.spool_dir is None:
        fail(USAGE, "no voicemail is to be deleted", "in agent.toml, under [voicemail]: spool_dir = ...")
    begun_at = world.now_ms()
    try:
        with ended_by_signals(), _watched(quiet=json) as say:
            report = asyncio.run(
                work.purge(
                    configured,
                    login=lambda: inquiry(
                        logins.address(configured), logins.credentials(configured, "bulk"), events="off"
                    ),
                    clock=world.now_ms,
                    dry_run=dry_run,
                    say=say,
                )
            )
    except SpoolBusy as error:
        fail(PROBLEMS, str(error))
    except SpoolError as error:
        fail(STORE, str(error), "check [voicemail] spool_dir, and run this as the agent's user")
    if json:
        line(dumps(_document(report.counts, begun_at, dry_run=dry_run)))
    else:
        _print(report.counts, dry_run=dry_run)
    raise typer.Exit(PROBLEMS if report.counts.failed else 0)


def _document(counts: Counts, begun_at: int, *, dry_run: bool) -> dict[str, Any]:
    done_at = world.now_ms()
    counted = {name: count for name, count in counts.document().items() if name != "unwarned"}
    return {"at": rfc3339(begun_at), "done_at": rfc3339(done_at), "dry_run": dry_run, **counted}


def _print(counts: Counts, *, dry_run: bool) -> None:
    table = grid(("count", "what"), title="what would be done" if dry_run else None)
    found = counts.document()
    for name, meaning in (_MEANING | _BESIDES).items():
        if name in _MEANING or found[name]:
            table.add_row(str(found[name]), meaning, style="red" if name == "failed" and found[name] else None)
    console().print(table)


@contextmanager
def _watched(*, quiet: bool) -> Iterator[Callable[[Report, int], None]]:
    """What is told how far the purge is, on a terminal."""
    errors = Console(stderr=True)
    if quiet or not errors.is_terminal:
        yield lambda *_: None
        return
    with Progress(
        "{task.fields[gone]} deleted",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    ) as progress:
        task, shown_at = progress.add_task("", total=None, gone=0), 0.0

        def say(report: Report, mailboxes: int) -> None:
            nonlocal shown_at
            if time.monotonic() - shown_at >= _SHOW_EVERY_S:
                shown_at = time.monotonic()
                counts = report.counts
                progress.update(task, total=mailboxes, completed=counts.mailboxes, gone=counts.deleted)

        yield say
