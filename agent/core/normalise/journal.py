"""The dialplan's journal of emergencies in AstDB (dialplan/README.md): one entry of it is one stage, told again."""

from dataclasses import dataclass, field

from agent.core.instants import from_epoch
from agent.core.normalise import registrations
from agent.core.normalise.identity import NAME_LIMIT, Linker, Reader
from agent.core.normalise.userevents import stage_of
from agent.core.signals import Signal
from agent.core.wire import Message

FAMILY = "emergency-journal"
#: The event in which Asterisk tells one entry of its database, and the one behind the last.
EVENT, COMPLETE = "DBGetTreeResponse", "DBGetTreeComplete"

_PREFIX = f"/{FAMILY}/"
#: Asterisk's own databases hold more; an honest entry has some 200 characters.
_LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry: ``key`` within its family, the raw ``call`` that it is of, its instant (ms), and its facts."""

    key: str = field(repr=False)
    call: str = field(repr=False)
    at: int
    facts: dict[str, str] = field(repr=False)


def key_of(message: Message) -> str | None:
    """The key of a journal's entry within its family, well-formed or not; None for any other database's."""
    key = message.get("Key")
    return key.removeprefix(_PREFIX) if key.startswith(_PREFIX) else None


def entry_of(message: Message) -> Entry | None:
    """The entry in an event of AstDB, or None where it is not the journal's or not as our dialplan writes it."""
    key, value = key_of(message), message.get("Val")
    if key is None or len(value) > _LIMIT:
        return None
    facts: dict[str, str] = {}
    for fact in value.split("|"):
        name, _, text = fact.partition("=")
        facts.setdefault(name, text)
    call, at = facts.get("Call", ""), from_epoch(facts.get("At", ""))
    # An entry that stands under another call's key would be cleared with the wrong call.
    if not call or at is None or not facts.get("Uniqueid") or not facts.get("Stage") or key.partition("/")[0] != call:
        return None
    return Entry(key=key, call=call, at=at, facts=facts)


def _stored(message: Message, at: int, link: Linker) -> Signal | None:
    entry = entry_of(message)
    if entry is None:
        return registrations.READERS[EVENT](message, at, link)
    line = entry.facts.get("Line", "")[:NAME_LIMIT] or None
    return stage_of(entry.facts, entry.at, link, line=line, journal=True)


READERS: dict[str, Reader] = {EVENT: _stored}
