"""The dialplan, its README's table and the agent's core agree on every UserEvent."""

import re
from dataclasses import dataclass
from pathlib import Path

from agent.core.engine import Engine
from agent.core.normalise import Linker, normalise
from agent.core.policy import Policy
from agent.core.records import Trigger
from agent.core.signals import Ask, EmergencyStage, RecordingAsked, Stage
from agent.core.wire import Message

DIALPLAN = Path(__file__).parents[2] / "dialplan"
LINK = Linker(b"contract")


@dataclass(frozen=True)
class Event:
    subject: str
    kind: str
    headers: tuple[str, ...]


def promised() -> set[Event]:
    """The rows of the README's table."""
    rows = re.findall(r"^\| (Emergency|Recording) \| (\w+) \| ([\w, ]+) \|", (DIALPLAN / "README.md").read_text(), re.M)
    return {Event(subject, kind, tuple(headers.split(", "))) for subject, kind, headers in rows}


def sent() -> list[tuple[Event, dict[str, str]]]:
    """Every UserEvent that a dialplan file sends, with its values."""
    found = []
    for path in sorted(DIALPLAN.glob("*.conf")):
        for subject, text in re.findall(r"UserEvent\((\w+),(.*)\)$", path.read_text(), re.M):
            headers = dict(re.findall(r"(?:^|,)(\w+): ((?:\$\{[^\n]*?\}(?=,\w+: |$)|[^,$]*))", text))
            found.append((Event(subject, headers.get("Stage") or headers["Action"], tuple(headers)), headers))
    return found


def test_the_readme_lists_exactly_what_the_dialplan_sends() -> None:
    assert {event for event, _ in sent()} == promised()


def test_the_agent_understands_every_event_and_no_other() -> None:
    assert {event.kind for event in promised() if event.subject == "Emergency"} == set(Stage) - {Stage.STRANGE}
    assert {event.kind for event in promised() if event.subject == "Recording"} == set(Ask)


def test_the_agent_reads_every_header() -> None:
    channel = {"Channel": "PJSIP/201-00000001", "Uniqueid": "1.1", "Linkedid": "1.0"}
    values = {"Call": "1.0", "Number": "999", "Trunk": "trunk-a", "Attempt": "2", "Status": "BUSY", "Trigger": "button"}
    for event in promised():
        headers = {name: values.get(name, event.kind) for name in event.headers}
        signal = normalise(Message("UserEvent", {**channel, "UserEvent": event.subject, **headers}), 5, LINK)
        assert signal is not None
        if isinstance(signal, EmergencyStage):
            assert signal.stage == event.kind
            assert signal.number == "999"
            assert signal.call == LINK("1.0")
            assert signal.trunk == ("trunk-a" if "Trunk" in headers else None)
            assert signal.attempt == (2 if "Attempt" in headers else 0)
        else:
            assert isinstance(signal, RecordingAsked)
            assert (signal.ask, signal.trigger) == (event.kind, Trigger.BUTTON)


def test_every_stage_alone_is_an_emergency_with_its_number() -> None:
    """The agent may start in the middle of a call: whatever it hears first begins the record."""
    for event in promised():
        if event.subject == "Emergency":
            engine = Engine(policy=Policy(), link=LINK, new_id=lambda: "id")
            headers = {"UserEvent": "Emergency", "Stage": event.kind, "Call": "1.0", "Uniqueid": "1.0", "Number": "999"}
            (record,) = engine.hear(Message("UserEvent", headers), 5)
            assert getattr(record, "number", None) == "999"


def test_no_event_carries_text_of_the_caller() -> None:
    """Every value is a word of ours, a counter, or went through FILTER (header injection, Asterisk 16 and 22)."""
    text = "".join(path.read_text() for path in DIALPLAN.glob("*.conf"))
    filtered = set(re.findall(r"Set\(_*(\w+)=\$\{FILTER\(", text)) | {"EMERGENCY_ATTEMPT", "ARG1"}
    for event, headers in sent():
        for name, value in headers.items():
            variable = re.fullmatch(r"\$\{(\w+)\}", value)
            safe = (
                re.fullmatch(r"[A-Za-z]+", value) is not None
                or value.startswith("${FILTER(")
                or (variable is not None and variable[1] in filtered)
            )
            assert safe, f"{event.subject} {event.kind}: {name}: {value}"
