"""Disclosures for people: proposed by one, released by another, and in the register before anything leaves."""

import re
from collections.abc import Iterable
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console

from agent.cli import shown
from agent.cli.asking import ask, stream
from agent.cli.common import USAGE, ConfigPath, Json, console, fail, group, instant, line, settings
from agent.core.disclosure import fields_of
from agent.core.powers import KINDS, POWERS, REFUSED, Authority
from agent.core.printable import printable

disclose = group(
    "disclose", help="Disclosures to third parties: by a customer's consent, or by a legal power of the list."
)
consent = group("consent", help="Consents of customers that a named third party is told something.")
disclose.add_typer(consent)

Id = Annotated[str, typer.Argument(help="The id of a disclosure, whole.")]
By = Annotated[
    str,
    typer.Option(
        "--by", envvar="TELEPHONY_AGENT_BY", help="Your name; who releases must be somebody other than who proposed."
    ),
]
MaybeBy = Annotated[
    str | None, typer.Option("--by", envvar="TELEPHONY_AGENT_BY", help="Your name; the login is added to it.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with who you are.")]
Lines = Annotated[list[str], typer.Option("--line", help="A line; give it again for more.")]
Kinds = Annotated[list[str] | None, typer.Option("--kind", help=f"All fields of a kind: {', '.join(KINDS)}.")]
Party = Annotated[str, typer.Option(help="Who is told, by name.")]


@disclose.command()
def propose(
    context: typer.Context,
    party: Party,
    reference: Annotated[str, typer.Option(help="Their own reference of the order, authorisation or request.")],
    reason: Reason,
    by: By,
    lines: Annotated[list[str] | None, typer.Option("--line", help="A line; give it again for more.")] = None,
    account: Annotated[
        str | None, typer.Option(help="Instead of lines: those of an account, while they were its.")
    ] = None,
    emergency: Annotated[
        str | None, typer.Option(help="Instead: the id of an emergency call; its line, from its begin until now.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Since when: 2026-11-22T08:00:00Z, 2026-11-22, 90m, 12h, 7d.")
    ] = None,
    until: Annotated[str, typer.Option(help="Until before when.")] = "0m",
    power: Annotated[str, typer.Option(help="The power; `disclose powers` lists them.")] = "",
    authority: Annotated[str, typer.Option(help=f"Who holds it: {', '.join(Authority)}.")] = "",
    consent: Annotated[str | None, typer.Option(help="Instead of a power: the id of the customer's consent.")] = None,
    kinds: Kinds = None,
    fields: Annotated[list[str] | None, typer.Option("--field", help="One field, as call.started_at.")] = None,
    secret_until: Annotated[str | None, typer.Option(help="A day before which nobody may be told of it.")] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Propose that something leaves; another person must release it."""
    if bool(power) == bool(consent):
        fail(USAGE, "a disclosure takes either --power (with --authority) or --consent")
    if sum(map(bool, (lines, account, emergency))) != 1:
        fail(USAGE, "a disclosure is about one of --line, --account or --emergency")
    if since is None and emergency is None:
        fail(USAGE, "say with --since of what time it is")
    named = list(fields or ())
    for kind in kinds or ():
        if kind not in KINDS:
            fail(USAGE, f"--kind {kind[:20]!a} is none of {', '.join(KINDS)}")
        named += fields_of(kind)
    if not named:
        fail(USAGE, "say what leaves: --kind or --field")
    configured = settings(context, config, secrets_required=False)
    entry = ask(
        configured,
        "/disclosures/propose",
        party=party,
        authority=authority,
        power=power,
        consent=consent,
        reference=reference,
        emergency=emergency,
        account=account,
        lines=lines,
        since=None if emergency else instant(since),
        until=None if emergency else instant(until),
        fields=named,
        reason=reason,
        secret_until=None if secret_until is None else _day(secret_until),
        by=by,
    )
    _told(entry, f"proposed: {entry['id']}", json=json)


@disclose.command()
def release(
    context: typer.Context, id: Id, reason: Reason, by: By, json: Json = False, config: ConfigPath = None
) -> None:
    """Let go what another person has proposed; it is in the register before the files have their names."""
    configured = settings(context, config, secrets_required=False)
    entry = ask(configured, "/disclosures/release", id=id, reason=reason, by=by)
    _told(entry, f"released: {entry['folder']}\nsha256 of its SHA256SUMS: {entry['bundle']}", json=json)


@disclose.command()
def refuse(
    context: typer.Context, id: Id, reason: Reason, by: By, json: Json = False, config: ConfigPath = None
) -> None:
    """Decide that nothing of what was proposed leaves."""
    configured = settings(context, config, secrets_required=False)
    _told(ask(configured, "/disclosures/refuse", id=id, reason=reason, by=by), "refused", json=json)


@disclose.command(name="list")
def list_(
    context: typer.Context,
    reason: Reason,
    secret: Annotated[bool, typer.Option("--secret", help="Also those that nobody may be told of yet.")] = False,
    by: MaybeBy = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """List the entries, oldest first; that you look is on record."""
    configured = settings(context, config, secrets_required=False)
    found = stream(configured, "POST", "/disclosures/list", reason=reason, secret=secret, by=by)
    _listed(found, "disclosure", "disclosures", json=json)


@disclose.command()
def show(
    context: typer.Context,
    id: Id,
    reason: Reason,
    secret: Annotated[bool, typer.Option("--secret", help="Also where nobody may be told of it yet.")] = False,
    by: MaybeBy = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Show all entries of one disclosure; that you look is on record."""
    configured = settings(context, config, secrets_required=False)
    for entry in stream(configured, "POST", "/disclosures/list", id=id, reason=reason, secret=secret, by=by):
        if json:
            line(dumps(entry, ensure_ascii=False))
            continue
        table = shown.grid(["", entry["step"]])
        for name, value in entry.items():
            table.add_row(name, shown.cell(" ".join(value) if isinstance(value, list) else value))
        console().print(table)


@disclose.command()
def powers(json: Json = False, config: ConfigPath = None) -> None:  # noqa: ARG001
    """List the powers that the register knows, and those by which nothing leaves, with the reason."""
    rows = [
        {"power": word, "source": power.source, "authorities": sorted(power.authorities), "kinds": sorted(power.kinds)}
        for word, power in POWERS.items()
    ] + [{"power": word, "refused": why} for word, why in REFUSED.items()]
    if json:
        for row in rows:
            line(dumps(row, ensure_ascii=False))
        return
    table = shown.grid(["power", "held by", "covers", "source"])
    for word, power in POWERS.items():
        table.add_row(word, ", ".join(sorted(power.authorities)), ", ".join(sorted(power.kinds)), power.source)
    for word, why in REFUSED.items():
        table.add_row(word, "refused", "–", why)
    console().print(table)


# -- consents -----------------------------------------------------------------------------------------------------


@consent.command()
def add(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="The reference of the account that consents.")],
    lines: Lines,
    party: Party,
    kinds: Annotated[list[str], typer.Option("--kind", help=f"Of what: {', '.join(KINDS)}.")],
    purpose: Annotated[str, typer.Option(help="What for, and how the consent was given.")],
    expires: Annotated[str, typer.Option(help="The day on which it expires.")],
    by: MaybeBy = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down that a customer consents that a named third party is told something about their lines."""
    configured = settings(context, config, secrets_required=False)
    asked: dict[str, Any] = {"account": account, "lines": lines, "party": party, "kinds": kinds, "purpose": purpose}
    given = ask(configured, "/consents/add", **asked, expires_at=_day(expires), by=by)
    _told(given, f"consented: {given['id']}", json=json)


@consent.command()
def withdraw(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The id of a consent, whole.")],
    by: MaybeBy = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Write down that a consent is withdrawn: nothing more leaves by it."""
    configured = settings(context, config, secrets_required=False)
    _told(ask(configured, "/consents/withdraw", id=id, by=by), "withdrawn", json=json)


@consent.command(name="list")
def list_consents(
    context: typer.Context, reason: Reason, by: MaybeBy = None, json: Json = False, config: ConfigPath = None
) -> None:
    """List the consents, oldest first; that you look is on record."""
    configured = settings(context, config, secrets_required=False)
    _listed(stream(configured, "POST", "/consents/list", reason=reason, by=by), "consent", "consents", json=json)


def _listed(found: Iterable[dict[str, Any]], kind: str, what: str, *, json: bool) -> None:
    if json:
        for each in found:
            line(dumps(each, ensure_ascii=False))
        return
    rows = list(found)
    if not rows:
        Console(stderr=True).print(f"no {what}")
        return
    columns = shown.COLUMNS[kind]
    table = shown.grid(columns)
    for each in rows:
        values = (each[column] for column in columns)
        table.add_row(*(shown.cell(" ".join(value) if isinstance(value, list) else value) for value in values))
    console().print(table)


def _day(text: str) -> int | None:
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        fail(USAGE, f"{text[:30]!a} is no day: write 2027-06-30 or 2027-06-30T12:00:00Z")
    return instant(text)


def _told(entry: dict[str, Any], words: str, *, json: bool) -> None:
    if json:
        line(dumps(entry, ensure_ascii=False))
    else:
        for each in words.split("\n"):
            typer.echo(printable(each))
