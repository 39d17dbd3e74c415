"""Emergencies, phones and rehearsals for the desk's eyes."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.cli.shown import cell, grid, rows
from agent.core.printable import printable

_LIST = "id started_at line number site certainty outcome alarm".split()


def state(alarm: dict[str, Any] | None) -> str:
    """Where an alarm (its `document`) stands, and whose it is."""
    if alarm is None:
        return "none"
    if alarm["closed_at"] is not None:
        return f"closed by {alarm['closed_by'] or 'the agent'}"
    if alarm["acknowledged_at"] is not None:
        return f"acknowledged by {alarm['acknowledged_by']}"
    return "open" if alarm["escalated_at"] is None else f"open, escalated to level {alarm['level']}"


def listed(found: Iterable[dict[str, Any]], *, tests: bool) -> Table:
    """Emergencies (`agent.people.emergencies.listed`), one a line; ``tests``: rehearsals too, marked."""
    columns = [*_LIST, "rehearsal"] if tests else _LIST
    shown = grid(columns)
    for call in found:
        values = call | {"alarm": state(call["alarm"]), "rehearsal": call["test"]}
        shown.add_row(*(cell(values[column]) for column in columns), style=_style(call))
    return shown


def _style(call: dict[str, Any]) -> str | None:
    alarm = call["alarm"]
    if call["test"]:
        return "dim"
    if alarm is None or alarm["closed_at"] is not None:
        return None
    return "yellow" if alarm["acknowledged_at"] is not None else "bold red"


def print_kept(console: Console, kept: dict[str, Any]) -> None:
    """All that is kept of one emergency (`agent.people.emergencies.kept`), for the desk."""
    emergency, alarm = kept["emergency"], kept["alarm"]
    head = "REHEARSAL " if emergency["test"] else "emergency "
    console.print(Text(head + emergency["id"], style="bold"))
    console.print(facts(emergency))
    console.print(Text(f"alarm: {printable(state(alarm))}", style="bold"))
    if alarm is not None:
        console.print(facts(alarm))
    console.print(rows("entry", kept["timeline"]["entries"], title="timeline", without="emergency"))
    for text in _verdict(kept["timeline"]["problems"]):
        console.print(text)
    if kept["notices"]:
        console.print(rows("notice", kept["notices"], title="notices", without="alarm"))
    if kept["looks"]:
        console.print(rows("look", kept["looks"], title="looks at the fuller view", without="emergency"))


def _verdict(problems: list[str]) -> Iterator[Text]:
    if not problems:
        yield Text("the timeline is whole: no line was changed, and none is missing", style="green")
    for problem in problems:
        yield Text(f"the timeline is BROKEN: {problem}", style="bold red")


def facts(values: dict[str, Any]) -> Table:
    """One record, a field a line; those that hold nothing are left out."""
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="dim")
    shown.add_column(overflow="fold")
    for name, value in values.items():
        if name not in ("kind", "id") and value is not None:
            shown.add_row(f"  {name.replace('_', ' ')}", cell(value))
    return shown


#: What the agent says of one phone, in words.
ANSWERS = {
    "no_path": "NO: its context does not lead to the emergency services",
    "unseen": "not known: Asterisk has not shown what its context does",
    "wrong_address": "yes, but with a WRONG address",
    "unknown_network": "yes, but from a network of which no address is known",
    "yes": "yes",
}


def phones(found: list[dict[str, Any]]) -> Table:
    """Registered phones, as the agent tells of them."""
    table = grid(("line", "technology", "context", "site", "999 with the right address"))
    for phone in found:
        answer = phone["answer"]
        style = {"yes": None, "no_path": "bold red", "wrong_address": "bold red"}.get(answer, "yellow")
        cells = [cell(phone[name]) for name in ("line", "technology", "context", "site")]
        table.add_row(*cells, cell(ANSWERS.get(answer, answer)), style=style)
    return table


def proofs(found: list[dict[str, Any]]) -> Table:
    """What a rehearsal showed."""
    table = grid(("proof", "held", "what"))
    for proof in found:
        held, style = {True: ("yes", "green"), False: ("NO", "bold red"), None: ("not set up", "dim")}[proof["ok"]]
        table.add_row(cell(proof["proof"]), Text(held, style=style), cell(proof["what"]))
    return table
