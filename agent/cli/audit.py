"""The audit for people: who used whose data and why, and whether anything of that was changed."""

from dataclasses import replace
from json import dumps
from typing import Annotated

import typer
from rich.console import Console

from agent import world
from agent.cli import shown
from agent.cli.asking import stream
from agent.cli.common import (
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
)
from agent.core.audit import ERASED, Head, verify
from agent.core.records import Audit, RetentionClass, SegmentRoot
from agent.ports import StoreError
from agent.stores.sqlite import LOCKED

audit = group("audit", help="The audit: who used which person's data, when and why; nothing in it can change unseen.")

_DAY_MS = 86_400_000


@audit.command(name="list")
def list_(
    context: typer.Context,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")],
    subject: Annotated[str | None, typer.Option(help="Only what was done with this account, line or record.")] = None,
    since: Since = None,
    by: Annotated[
        str | None, typer.Option(envvar="TELEPHONY_AGENT_BY", help="Your name; the login that you use is added to it.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List who used whose data, oldest first; that you look is itself an entry."""
    configured = settings(context, config, secrets_required=False)
    begin = instant(since)
    found = stream(configured, "POST", "/audit/list", subject=subject, since=begin, reason=reason, by=by)
    if json:
        for each in found:
            line(dumps(each, ensure_ascii=False))
        return
    columns = shown.COLUMNS[Audit.KIND]
    table = shown.grid(columns)
    for each in found:
        table.add_row(*(shown.cell(each[column]) for column in columns))
    console().print(table)


@audit.command(name="verify")
def verify_(
    context: typer.Context,
    head: Annotated[
        str | None, typer.Option(help="A head that an earlier check printed: what it names must be there still.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell whether an entry of the audit was changed, added or removed; exit code 1 if so.

    Note the head that it prints elsewhere: the last entries cut off, and everything made anew by somebody who has the
    key beside the store, can be seen by that alone.
    """
    configured = settings(context, config, secrets_required=False)
    noted = _head(head)
    days = configured.retention.days
    now = world.now_ms()
    with stored(configured) as reader:
        try:
            key = world.read_key(configured.store.path)
        except StoreError as error:
            fail(STORE, str(error), error.hint)
        last = next(iter(reader.open(Audit)), None)
        roots = [root for root in reader.read(SegmentRoot.KIND) if isinstance(root, SegmentRoot)]
        total = reader.count(Audit.KIND)
        unread = 0

        def entries_of(segment: str) -> list[Audit]:
            nonlocal unread
            found = [_readable(entry) for entry in reader.of(Audit, segment)]
            unread += sum(entry.salt is None for entry in found)
            return found

        problems = list(
            verify(
                roots,
                entries_of,
                key=key,
                current=None if last is None else last.segment,
                total=total,
                kept_since=now - days(RetentionClass.AUDIT) * _DAY_MS,
                roots_since=now - days(RetentionClass.AUDIT_ROOT) * _DAY_MS,
                noted=noted,
            )
        )
    newest = "" if last is None else str(Head(segment=last.segment, seq=last.seq, chain=last.chain))
    if json:
        line(dumps({"entries": total, "roots": len(roots), "head": newest, "erased": unread, "problems": problems}))
    else:
        for problem in problems:
            line(problem)
        if not problems:
            whole = f"{total} entries and the roots of {len(roots)} closed months prove whole"
            Console(stderr=True).print(whole + (f"; whom {unread} are about cannot be read" if unread else ""))
        if newest:
            line(f"head {newest}")
    raise typer.Exit(PROBLEMS if problems else 0)


def _readable(entry: Audit) -> Audit:
    """An entry whose subject this command has no key for is checked as one that was erased."""
    return replace(entry, subject=None, salt=None, reason=ERASED) if entry.salt == LOCKED else entry


def _head(text: str | None) -> Head | None:
    try:
        return None if text is None else Head.parse(text)
    except ValueError:
        fail(USAGE, f"--head {text!a} is none: write it as an earlier check printed it, 2026-11:57:0f…")
