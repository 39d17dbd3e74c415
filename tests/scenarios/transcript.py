"""Scenarios: the transcript that a field engineer would send, beside the records expected of it.

A scenario is text. A line is one AMI event, with only the headers that matter:

    0.120 Newchannel on=201#1 Exten=999
    0.450 DialBegin on=201#1 to=trunk-a#2 DialString=999@trunk-a

first the time in seconds, then the event's name, then its headers; quotes keep blanks together. What AMI spells out at
length is written short: ``on=201#1`` is Channel, Uniqueid and Linkedid of PJSIP/201's first channel, ``on=202#3~1`` a
channel that belongs to the call that channel 1 began, ``to=trunk-a#2`` the same as DestChannel and so on, and a value
``#1`` is the Uniqueid of channel 1. Any other technology is spelled out: ``on=DAHDI/i1/999#2``, ``on=Local/x@y;2#3~1``.
``aor=201`` is AOR and EndpointName, ``from=203.0.113.7`` the RemoteAddress of a request over SIP and UDP,
``expires=60`` the RegExpire at second 60. ``Journal`` is an entry of the dialplan's journal in AstDB, as it is read;
the line's time is the entry's own.

A line whose second word is one of DIRECTIVES is not an event: time passes (``tick``), the bulk session comes back
(``back``), the agent stops and starts again (``restart``), a session goes and comes (``lost express``,
``regained express``), the journal was read and holds something of these calls (``read #1 #2``). Of recordings: the
dialplan asks for a grant, whose records are then stored (``granted on=205#1 Trigger=code``; ``Line`` and ``Calls``
where they are not the channel's own line and direction), a standing opt-in is written down and taken back (``optin
Line=201 Trigger=service Calls=all``, ``withdraw Line=201 Trigger=service``), somebody asks for something of the second
recording by command (``asked 2 Pause``), Asterisk answers that it captures it (``captured 2``), or a channel unasked
(``unasked on=205#1``).

A line that begins with ``=>`` is expected at the end. Records come first, in the order in which they were first made:
the kind, and every field that is not empty; instants are seconds of the scenario, and the opt-in of a recording is told
by how it was given. Then, each with its time, come refused grants and orders to Asterisk: ``1.5 refused running``,
``1.5 order verify on=205#1 recording=1``, where the number is the recording's.
"""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import TypeVar

from agent.core.engine import Engine, Output
from agent.core.instants import from_rfc3339
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import (
    Alarm,
    Calls,
    Emergency,
    Entry,
    Notice,
    OptIn,
    Pause,
    Record,
    Recording,
    RecordingState,
    Trigger,
)
from agent.core.signals import Ask, CaptureOrder, Lookup, Wish
from agent.core.tapes import Why
from agent.core.wire import parse

T = TypeVar("T")

#: The scenarios' second 0.
NOON = from_rfc3339("2026-11-22T12:00:00Z")

DIRECTIVES = (
    "tick",
    "back",
    "restart",
    "lost",
    "regained",
    "read",
    "granted",
    "optin",
    "withdraw",
    "asked",
    "captured",
    "unasked",
)


@dataclass(slots=True)
class Agent:
    """An engine, and the store as it would be: the last state of each record."""

    policy: Policy = field(default_factory=Policy)
    records: dict[str, Record] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    #: Refused grants and orders to Asterisk, as the ``=>`` lines write them.
    acts: list[str] = field(default_factory=list)
    made: int = 0
    now: int = NOON
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self._start()

    def play(self, transcript: str) -> "Agent":
        """Hear every line of ``transcript``."""
        for line in transcript.splitlines():
            words = shlex.split(line)
            if not words or words[0] in ("=>", "#"):
                continue
            self.now = at = NOON + round(float(words[0]) * 1000)
            if words[1] in DIRECTIVES:
                self._keep(self._directed(words[1:], at))
            else:
                self._keep(self.engine.hear(parse(raw(words[1], words[2:], at)), at))
        return self

    def shown(self) -> list[str]:
        """Every record, as the ``=>`` lines of a scenario write it."""
        records = (record for record in self.records.values() if not isinstance(record, Alarm | Entry | Notice))
        return [self._with_how(shown(record), record) for record in records]

    def of(self, kind: type[T]) -> list[T]:
        """The records of one kind, in the order in which they were first made."""
        return [record for record in self.records.values() if isinstance(record, kind)]

    def open_records(self) -> list[Record]:
        """What the store would give back to an agent that starts."""
        return [record for record in self.records.values() if _open(record)]

    def _start(self) -> None:
        self.engine = Engine(policy=self.policy, link=Linker(b"scenario"), new_id=self._new_id)

    def _new_id(self) -> str:
        self.made += 1
        return f"id-{self.made}"

    def _directed(self, words: list[str], at: int) -> Iterable[Output]:
        match words:
            case ["tick"]:
                return self.engine.tick(at)
            case ["back"]:
                self.engine.synchronise(at)
            case ["restart"]:
                self._start()
                self.engine.restore(self.open_records())
                # As the agent itself looks up at its start whose the lines are.
                self.engine.consents.settle({given.id: None for given in self.engine.consents.standing()})
                self.engine.synchronise(at)
            case ["lost", session]:
                return self.engine.lost(session, "closed", at)
            case ["regained", session]:
                return self.engine.regained(session, at)
            case ["read", *calls]:
                self.engine.desk.reading()
                self.engine.desk.read([self.engine.link(_value(call)) for call in calls])
            case ["granted", *headers]:
                return self._granted(headers, at)
            case ["optin", *headers]:
                given = dict(header.split("=", 1) for header in headers)
                trigger, calls_of = Trigger(given["Trigger"]), Calls(given["Calls"])
                return self.engine.consents.add(given["Line"], trigger, calls_of, "asked", "ann", at)
            case ["withdraw", *headers]:
                given = dict(header.split("=", 1) for header in headers)
                (optin,) = (
                    held.id
                    for held in self.engine.consents.standing()
                    if (held.line, held.trigger) == (given["Line"], given["Trigger"])
                )
                return self.engine.withdraw(optin, "ann", at)
            case ["asked", number, ask]:
                return self.engine.tapes.ask(self._recording(number), Ask(ask), at)[1]
            case ["captured", number]:
                return self.engine.tapes.found_captured(self._recording(number), at)
            case ["unasked", on]:
                return self.engine.tapes.found_unasked(dict(_channel("", on.removeprefix("on=")))["Channel"], at)
            case _:
                raise ValueError(f"no such directive: {words}")
        return []

    def _granted(self, headers: Iterable[str], at: int) -> list[Record]:
        asked = dict(header.split("=", 1) for header in headers)
        channel = dict(_channel("", asked["on"]))
        caller = channel["Uniqueid"] == channel["Linkedid"]
        wish = Wish(
            at=at,
            channel=self.engine.link(channel["Uniqueid"]),
            linked=self.engine.link(channel["Linkedid"]),
            line=asked.get("Line", asked["on"].partition("#")[0]),
            leg="caller" if caller else "callee",
            trigger=Trigger(asked["Trigger"]),
            calls=Calls(asked.get("Calls", "outgoing" if caller else "incoming")),
        )
        grant = self.engine.tapes.grant(wish)
        if isinstance(grant, Why):
            self.acts.append(f"{_seconds(at)} refused {grant.value}")
            return []
        return grant.records

    def _recording(self, number: str) -> str:
        return self.of(Recording)[int(number) - 1].id

    def _with_how(self, text: str, record: Record) -> str:
        if not isinstance(record, Recording) or record.optin is None:
            return text
        optin = self.records[record.optin]
        assert isinstance(optin, OptIn)
        return text.replace(f"optin={record.optin}", f"optin={optin.how.value}")

    def _ordered(self, order: CaptureOrder) -> str:
        name, _, number = order.name.removeprefix("PJSIP/").rpartition("-")
        recordings = [record.id for record in self.of(Recording)]
        of = f" recording={recordings.index(order.recording) + 1}" if order.recording else ""
        return f"order {order.order.value.replace(' ', '_')} on={name}#{int(number.partition(';')[0], 16)}{of}"

    def _keep(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Lookup):
                self.lookups.append(f"{output.technology} {output.endpoint}")
            elif isinstance(output, CaptureOrder):
                self.acts.append(f"{_seconds(self.now)} {self._ordered(output)}")
            else:
                self.records[output.id] = output


def expected(scenario: str) -> list[str]:
    """The ``=>`` lines of a scenario, blanks normalised."""
    return [" ".join(line.split()[1:]) for line in scenario.splitlines() if line.split()[:1] == ["=>"]]


def raw(name: str, headers: Iterable[str], at: int) -> bytes:
    """The event as Asterisk writes it, without its closing empty line."""
    if name == "Journal":
        return _entry(headers, at)
    pairs = [("Event", name), ("Timestamp", f"{at // 1000}.{at % 1000:03d}000")]
    for header in headers:
        key, _, value = header.partition("=")
        if key == "on":
            pairs += _channel("", value)
        elif key == "to":
            pairs += _channel("Dest", value)
        elif key == "aor":
            pairs += [("AOR", value), ("EndpointName", value)]
        elif key == "expires":
            pairs.append(("RegExpire", str(NOON // 1000 + int(value))))
        elif key == "from":
            pairs += [("Service", "PJSIP"), ("RemoteAddress", f"IPV4/UDP/{value}/5060")]
        else:
            pairs.append((key, _value(value)))
    return "\r\n".join(f"{key}: {value}" for key, value in pairs).encode()


def _value(short: str) -> str:
    return f"{NOON // 1000}.{short[1:]}" if short[:1] == "#" else short


def _entry(headers: Iterable[str], at: int) -> bytes:
    """An entry of the journal, as DBGetTree answers it long after."""
    facts = {"At": f"{at // 1000}.{at % 1000:03d}"}
    for header in headers:
        key, _, value = header.partition("=")
        if key == "on":
            channel = dict(_channel("", value))
            facts |= {"Uniqueid": channel["Uniqueid"], "Linkedid": channel["Linkedid"]}
            if "/" not in value:
                facts["Line"] = value.partition("#")[0]
        else:
            facts[key] = _value(value)
    attempt = facts.get("Attempt", "0")
    key = f"/emergency-journal/{facts['Call']}/{facts['Uniqueid']}-{facts['Stage']}-{attempt}"
    value = "|".join(f"{name}={text}" for name, text in facts.items())
    return f"Event: DBGetTreeResponse\r\nKey: {key}\r\nVal: {value}".encode()


def _channel(prefix: str, short: str) -> Iterator[tuple[str, str]]:
    name, _, number = short.partition("#")
    number, _, first = number.partition("~")
    name = name if "/" in name else f"PJSIP/{name}"
    name, half, which = name.partition(";")
    yield f"{prefix}Channel", f"{name}-{int(number):08x}{half}{which}"
    yield f"{prefix}Uniqueid", f"{NOON // 1000}.{number}"
    yield f"{prefix}Linkedid", f"{NOON // 1000}.{first or number}"


def shown(record: Record) -> str:
    """A record on one line: its kind and every field that is not empty, the id and the links apart."""
    parts: list[str] = [record.KIND]
    for item in fields(record):
        value = getattr(record, item.name)
        if item.name in ("id", "links") or value in (None, "", 0, False, ()):
            continue
        parts.append(f"{item.name}={_shown(item.name, value)}")
    return " ".join(parts)


def _shown(name: str, value: object) -> str:
    if name == "pauses" and isinstance(value, tuple):
        return ",".join(_pause(pause) for pause in value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 1_000_000_000_000:
        return _seconds(value)
    return str(value).replace(" ", "_")


def _pause(pause: Pause) -> str:
    return f"{_seconds(pause.paused_at)}-{'' if pause.resumed_at is None else _seconds(pause.resumed_at)}"


def _seconds(at: int) -> str:
    return f"{(at - NOON) / 1000:g}"


def _open(record: Record) -> bool:
    if isinstance(record, Emergency):
        return bool(record.links)
    if isinstance(record, Recording):
        return record.state not in (RecordingState.STOPPED, RecordingState.NOT_STARTED)
    if isinstance(record, OptIn):
        return record.withdrawn_at is None
    return getattr(record, "ended_at", None) is None and getattr(record, "until_at", None) is None
