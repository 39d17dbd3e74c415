"""Emergencies and phones for the desk's eyes, and all that is kept of one emergency put together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from agent.cli.shown import cell, grid, table
from agent.core import timeline
from agent.core.alarms import is_call
from agent.core.printable import printable
from agent.core.records import Alarm, Emergency, Entry, Look, Notice, document
from agent.ports import Reader

_LIST = "id started_at line number site certainty outcome alarm".split()


def alarm_of(reader: Reader, emergency: Emergency) -> Alarm | None:
    """The alarm of an emergency, the latest if it was raised anew."""
    return next((alarm for alarm in reversed(reader.of(Alarm, emergency.id)) if is_call(alarm)), None)


def state(alarm: Alarm | None) -> str:
    """Where an alarm stands, and whose it is."""
    if alarm is None:
        return "none"
    if alarm.closed_at is not None:
        return f"closed by {alarm.closed_by or 'the agent'}"
    if alarm.acknowledged_at is not None:
        return f"acknowledged by {alarm.acknowledged_by}"
    return "open" if alarm.escalated_at is None else f"open, escalated to level {alarm.level}"


def listed(found: Iterable[tuple[Emergency, Alarm | None]], *, tests: bool) -> Table:
    """Emergencies, one a line; ``tests``: rehearsals among them, which are marked."""
    columns = [*_LIST, "rehearsal"] if tests else _LIST
    shown = grid(columns)
    for emergency, alarm in found:
        values = document(emergency) | {"alarm": state(alarm), "rehearsal": emergency.test}
        shown.add_row(*(cell(values[column]) for column in columns), style=_style(emergency, alarm))
    return shown


def listed_json(emergency: Emergency, alarm: Alarm | None) -> dict[str, Any]:
    """The same for programs."""
    return document(emergency) | {"alarm": None if alarm is None else document(alarm)}


def _style(emergency: Emergency, alarm: Alarm | None) -> str | None:
    if emergency.test:
        return "dim"
    if alarm is None or alarm.closed_at is not None:
        return None
    return "yellow" if alarm.acknowledged_at is not None else "bold red"


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """All that is kept of one emergency; ``problems`` are what is wrong with its timeline."""

    emergency: Emergency
    alarm: Alarm | None
    entries: list[Entry]
    problems: list[str]
    notices: list[Notice]
    looks: list[Look]

    @classmethod
    def read(cls, reader: Reader, emergency: Emergency, key: bytes) -> "File":
        """What is stored now; the timeline is checked with its ``key``.

        Raises:
            StoreError: it cannot be read.
        """
        # The lines last: what the others tell has a line by then, however much happens meanwhile.
        alarms = reader.of(Alarm, emergency.id)
        notices = [notice for alarm in alarms for notice in reader.of(Notice, alarm.id)]
        entries = reader.of(Entry, emergency.id)
        return cls(
            emergency=emergency,
            alarm=alarm_of(reader, emergency),
            entries=entries,
            problems=timeline.verify(entries, key, emergency=emergency, alarms=alarms, notices=notices),
            notices=sorted(notices, key=lambda notice: (notice.channel, notice.raised_at)),
            looks=reader.of(Look, emergency.id),
        )

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "emergency": document(self.emergency),
            "alarm": None if self.alarm is None else document(self.alarm),
            "timeline": {
                "whole": not self.problems,
                "problems": self.problems,
                "entries": [document(entry) for entry in self.entries],
            },
            "notices": [document(notice) for notice in self.notices],
            "looks": [document(look) for look in self.looks],
        }

    def print(self, console: Console) -> None:
        """For the desk."""
        head = "REHEARSAL " if self.emergency.test else "emergency "
        console.print(Text(head + self.emergency.id, style="bold"))
        console.print(facts(document(self.emergency)))
        console.print(Text(f"alarm: {printable(state(self.alarm))}", style="bold"))
        if self.alarm is not None:
            console.print(facts(document(self.alarm)))
        console.print(table("entry", self.entries, title="timeline", without="emergency"))
        for text in self._verdict():
            console.print(text)
        if self.notices:
            console.print(table("notice", self.notices, title="notices", without="alarm"))
        if self.looks:
            console.print(table("look", self.looks, title="looks at the fuller view", without="emergency"))

    def _verdict(self) -> Iterator[Text]:
        if not self.problems:
            yield Text("the timeline is whole: no line was changed, and none is missing", style="green")
        for problem in self.problems:
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
