"""The dialplan, its README's tables and the agent's core agree on every UserEvent and on the journal."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from agent.core.engine import Engine
from agent.core.normalise import Linker, normalise
from agent.core.policy import Policy
from agent.core.records import Emergency, Trigger
from agent.core.signals import Ask, EmergencyStage, RecordingAsked, Stage
from agent.core.tapes import Why
from agent.core.wire import Message
from agent.duties.check.recording import SETTINGS, USUAL_SOCKET
from agent.duties.recording import marks
from agent.views.door import _Question

DIALPLAN = Path(__file__).parents[2] / "dialplan"
LINK = Linker(b"contract")
#: What an event may say, each of its own words.
WORD = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True)
class Event:
    subject: str
    kind: str
    headers: frozenset[str]


def promised() -> set[Event]:
    """The rows of the README's table."""
    rows = re.findall(
        r"^\| (Emergency|EmergencyProof|Recording) \| (\w*) ?\| ([\w, ]+) \|",
        (DIALPLAN / "README.md").read_text(),
        re.M,
    )
    return {Event(subject, kind, frozenset(headers.split(", "))) for subject, kind, headers in rows}


#: The stages of a call, and not of a call back hours after it.
OF_A_CALL = sorted({str(stage) for stage in Stage if "Callback" not in stage} - {Stage.STRANGE})


def files() -> dict[str, str]:
    """Every file of the dialplan, without its comments."""
    return {path.name: re.sub(r"^;.*\n|^ ;.*\n", "", path.read_text(), flags=re.M) for path in DIALPLAN.glob("*.conf")}


def tell() -> str:
    """The subroutine that tells a stage."""
    return re.split(r"^\[", files()["emergency.conf"].split("[emergency-tell]\n")[1], flags=re.M)[0]


def told() -> list[tuple[Event, dict[str, str]]]:
    """Every stage that a dialplan file tells, with its values."""
    (first,) = re.findall(r"Set\(LOCAL\(facts\)=(Stage=.*)\$\{ARG3\}\)$", tell(), re.M)
    common = dict(fact.split("=") for fact in first.split("|"))
    found = []
    for text in files().values():
        for stage, attempt, more in re.findall(
            r"Gosub\(emergency-tell,s,1\((\w+)(?:,([^,)]*))?(?:,(.*))?\)\)$", text, re.M
        ):
            facts = dict(re.findall(r"\|(\w+)=(\$\{(?:[^|{}]|\{[^{}]*\})*\})", more))
            headers = {**common, **facts, **({"Attempt": attempt} if attempt else {})}
            found.append((Event("Emergency", stage, frozenset(headers)), headers))
    return found


def sent() -> list[tuple[Event, dict[str, str]]]:
    """Every other UserEvent that a dialplan file sends, with its values."""
    found = []
    for text in files().values():
        for subject, event in re.findall(r"UserEvent\((\w+),(\w+: .*)\)$", text, re.M):
            headers = dict(re.findall(r"(?:^|,)(\w+): ((?:\$\{[^\n]*?\}(?=,\w+: |$)|[^,$]*))", event))
            found.append((Event(subject, headers.get("Action", ""), frozenset(headers)), headers))
    return found


def test_the_readme_lists_exactly_what_the_dialplan_sends() -> None:
    assert {event for event, _ in told() + sent()} == promised()


def test_the_agent_understands_every_event_and_no_other() -> None:
    assert {event.kind for event in promised() if event.subject == "Emergency"} == set(Stage) - {Stage.STRANGE}
    assert {event.kind for event in promised() if event.subject == "Recording"} == set(Ask)


def test_the_agent_reads_every_header() -> None:
    channel = {"Channel": "PJSIP/201-00000001", "Uniqueid": "1.1", "Linkedid": "1.0"}
    values = {"Call": "1.0", "Number": "999", "Trunk": "trunk-a", "Attempt": "2", "Status": "BUSY", "Trigger": "button"}
    for event in (event for event in promised() if event.kind):
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


@pytest.mark.parametrize("stage", OF_A_CALL)
def test_every_stage_of_a_call_alone_is_an_emergency_with_its_number(stage: str) -> None:
    """The agent may start in the middle of a call: whatever it hears first begins the record."""
    engine = Engine(policy=Policy(), link=LINK, new_id=lambda: "id")
    headers = {"Uniqueid": "1.0", "UserEvent": "Emergency", "Stage": stage, "Call": "1.0", "Number": "999"}
    records = list(engine.hear(Message("UserEvent", headers), 5))
    assert [record.number for record in records if isinstance(record, Emergency)] == ["999"]


def test_the_readme_names_exactly_what_only_the_journal_holds() -> None:
    readme = (DIALPLAN / "README.md").read_text().partition("### The journal")[2]
    after_event = tell().partition("UserEvent(")[2]
    assert set(re.findall(r"^\| ([A-Z]\w+) \|", readme, re.M)) == set(re.findall(r"\|([A-Z]\w+)=", after_event))


def test_every_jump_lands() -> None:
    """A Gosub to nowhere, or a label that is not there or there twice, would end an emergency call."""
    contexts: dict[str, str] = {}
    for text in files().values():
        _, *parts = re.split(r"^\[([\w-]+)\]\n", text, flags=re.M)
        contexts |= dict(zip(parts[::2], parts[1::2], strict=True))
    for name, body in contexts.items():
        for context, extension in re.findall(r"(?:Gosub\(|[bU]\(|hangup_handler_push\)=)([a-z][\w-]+)[,^]?(\w*)", body):
            assert re.search(rf"^exten => (?:{extension or 's'},1|_)", contexts[context], re.M), (
                f"{name}: {context},{extension}"
            )
        for block in re.split(r"^exten => ", body, flags=re.M)[1:]:
            labels = re.findall(r"^ same => n\((\w+)\)", block, re.M)
            assert len(labels) == len(set(labels)), f"{name}: {labels}"
            jumps = {jump for pair in re.findall(r"\]?\?(\w*)(?::(\w+))?\)$", block, re.M) for jump in pair if jump}
            jumps |= set(re.findall(r"Goto\((\w+)\)", block))
            assert jumps <= set(labels), f"{name}: {jumps - set(labels)}"


def test_nothing_that_a_call_waits_for_writes_to_asterisks_database() -> None:
    """A write waits for the last commit, and that for a disk: one of 5 s kept the INVITE back for 20 s (16, 22)."""
    writing = set()
    for path in DIALPLAN.glob("emergency*.conf"):
        context = ""
        for line in path.read_text().splitlines():
            context = line if line.startswith("[") else context
            if "Set(DB(" in line and not line.startswith(";"):
                writing.add(context)
    assert writing == {"[emergency-saved-now]", "[emergency-flush]"}
    text = (DIALPLAN / "emergency.conf").read_text()
    flushing = {part.partition("]")[0] for part in text.split("\n[") if "Gosub(emergency-flush" in part}
    assert flushing == {"emergency-ended", "emergency-leg-ended"}, "hangup handlers alone"


def test_no_event_carries_text_of_the_caller() -> None:
    """Every value is a word of ours, a counter, or went through FILTER (header injection, Asterisk 16 and 22)."""
    text = "".join(files().values())
    filtered = set(re.findall(r"Set\((?:LOCAL\()?_*(\w+)\)?=\$\{FILTER\(", text))
    filtered |= {"EMERGENCY_ATTEMPT", "EMERGENCY_TRUNK", "ARG1", "ARG2"}
    for event, headers in told() + sent():
        for name, value in headers.items():
            variable = re.fullmatch(r"\$\{(\w+)\}", value)
            safe = (
                WORD.fullmatch(value) is not None
                or value.startswith(("${FILTER(", "${STRFTIME("))
                or (variable is not None and variable[1] in filtered)
            )
            assert safe, f"{event.subject} {event.kind}: {name}: {value}"


def readme() -> str:
    return (DIALPLAN / "README.md").read_text()


def table(head: str) -> list[str]:
    """The first column of the README's table with this head, without its marks of code."""
    rows = readme().partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    assert rows, head
    return [name.strip(" `") for row in rows for name in row.split(" | ")[0].strip("| ").split(", ")]


#: What the recording's dialplan and its script keep on the channel for themselves.
OF_THE_CHANNEL = {"RECORDING_ID", "RECORDING_WHY", "RECORDING_ENDED", "RECORDING_TRIGGER"}
TRIGGERS = sorted(set(Trigger) - {Trigger.NONE})


def says() -> set[tuple[str, str]]:
    """Each moment at which the dialplan may say something, and what it says it of."""
    return set(re.findall(r"Gosub\(recording-(?:tell|say),s,1\(([a-z]+),([^)]*)\)", files()["recording.conf"]))


def test_the_readme_lists_exactly_the_settings_of_a_recording() -> None:
    used = set(re.findall(r"\$\{(?:GLOBAL\()?(RECORDING_[A-Za-z_]+)", files()["recording.conf"])) - OF_THE_CHANNEL
    listed = re.findall(r"^\| `(RECORDING_\w+)", readme(), re.M)
    assert {name.rstrip("_") for name in used} == {name.rstrip("_") for name in listed}
    example = (DIALPLAN / "recording-settings.conf.example").read_text()
    set_there = set(re.findall(r"^;?(RECORDING_[A-Z]+)", example, re.M))
    assert set_there == {"RECORDING_SOCKET", "RECORDING_AGI", "RECORDING_ANNOUNCEMENT", "RECORDING_SAY"}
    looked_at = {re.sub(r"^(RECORDING_[A-Z]+).*", r"\1", name) for name in SETTINGS}
    assert looked_at <= set_there
    assert USUAL_SOCKET in files()["recording.conf"]
    assert f"`RECORDING_SOCKET` | {USUAL_SOCKET} |" in readme()


def test_each_moment_each_trigger_and_each_why_is_in_the_readme_and_no_other() -> None:
    script = (DIALPLAN / "agi" / "recording.py").read_text()
    of_the_script = set(re.findall(r'"why": "(\w+)"', script))
    of_the_door = set(re.findall(r'"why": "(\w+)"', (DIALPLAN.parent / "agent" / "views" / "door.py").read_text()))
    assert set(table("why | what it means | what to say")) == set(Why) | of_the_script | of_the_door
    silent = set(re.findall(r'\$\{RECORDING_WHY\}" = "(\w+)"', files()["recording.conf"]))
    assert set(re.findall(r"^\| `(\w+)` \|.*\| nothing is ever said \|$", readme(), re.M)) == silent
    assert set(table("trigger | who opts in | where it begins")) == set(TRIGGERS)
    # The agent itself has one said to who comes in.
    assert set(table("moment | who hears it")) == {moment for moment, _ in says() if moment.islower()} | {"party"}


def test_every_prompt_that_the_example_names_is_there_and_every_name_means_something() -> None:
    example = (DIALPLAN / "recording-settings.conf.example").read_text()
    named = dict(re.findall(r"^;?RECORDING_SAY_([a-z_]+)=(.*)$", example, re.M))
    moments, whys = table("moment | who hears it"), table("why | what it means | what to say")
    known = {*moments, *(f"{moment}_{trigger}" for moment in moments for trigger in TRIGGERS)}
    assert named.keys() <= known | {f"refused_{why}" for why in whys}
    announced = re.findall(r"^;?RECORDING_ANNOUNCEMENT=(.*)$", example, re.M)
    for prompt in [*named.values(), *announced]:
        assert prompt == "no" or (DIALPLAN / "sounds" / f"{Path(prompt).name}.alaw").is_file(), prompt
        assert prompt == "no" or prompt.startswith("/etc/asterisk/telephony-agent/sounds/"), prompt


def test_the_script_and_the_door_speak_of_the_same() -> None:
    script = (DIALPLAN / "agi" / "recording.py").read_text()
    asked = set(re.findall(r'^ +"(\w+)": \w+,$', script, re.M))
    assert asked == set(table("asked | what it is")) == set(_Question.model_fields)
    assert set(table("answered | what the script sets")) == {"id", "why"}
    assert set(re.findall(r'answer\.get\("(\w+)"', script)) == {"id", "why"}
    assert set(re.findall(r'set_variable\("(\w+)"', script)) == {"RECORDING_ID", "RECORDING_WHY"}


def test_the_dialplan_asks_for_the_triggers_that_the_agent_knows_and_by_its_marks() -> None:
    text = files()["recording.conf"] + (DIALPLAN / "features-recording.conf").read_text()
    begun = set(re.findall(r"recording-begin,s,1\(([a-z_]+),", text)) | set(re.findall(r"1\((button|code)\b", text))
    assert begun == set(TRIGGERS)
    again = set(re.findall(r"recording-ask,s,1\(([a-z_]+)\)", text))
    assert {str(word) for word in get_args(_Question.model_fields["trigger"].annotation)} == begun | again
    kept = re.findall(r"DB\(([\w-]+)/(\w+)/", files()["recording.conf"])
    assert set(kept) == {(marks.FAMILY, trigger) for trigger in ("service", "pa", "customer_service")}
    assert f"family `{marks.FAMILY}`" in readme()


def test_no_call_waits_for_one_that_the_dialplan_places() -> None:
    """Originate takes three words of what it runs, then its time, then `a`: an argument too few, and `a` is a time."""
    placed = re.findall(r"Originate\((.*)\)$", "".join(files().values()), re.M)
    assert placed
    for arguments in placed:
        *_, seconds, options = re.split(r"(?<!\\),", arguments)
        assert (seconds.isdigit(), options) == (True, "a"), arguments
        # braces hold commas of their own
        assert len(re.split(r"(?<!\\),", re.sub(r"\$\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}", "x", arguments))) == 7, arguments
