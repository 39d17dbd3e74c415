"""Which events Asterisk sends to a session: cut inside Asterisk, so that a flood of others never gets on the wire."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.core.wire import Message

#: What every session needs for itself: the one calls for a fresh snapshot, the other tells why the peer closes.
OWN_EVENTS = frozenset({b"FullyBooted", b"Shutdown"})

#: What ends an action of the agent's own, and is an event like any other to Asterisk: how a call that it placed went.
ENDS = frozenset({b"OriginateResponse"})

# Asterisk refuses a line over 1,024 bytes.
_LINE_BYTES = 900

#: Old versions (16, and 18/20/21 before 18.26/20.11/21.6) ignore MatchCriteria in silence and install Filter as a
#: regex, so that "try the new form first" would leave wrong filters behind. This one is an error where MatchCriteria
#: is understood, and where it is not, an include that no event ever matches.
PROBE = {
    "Action": "Filter",
    "Operation": "Add",
    "MatchCriteria": "action(probe)",
    "Filter": "^Event: NoSuchEvent[[:space:]]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The events to let through: those in ``names``, and the UserEvents whose name begins with ``user_events``."""

    names: frozenset[str] = frozenset()
    user_events: str = ""

    @classmethod
    def express(cls) -> "Filters":
        """Nothing but the dialplan's own emergency events."""
        return cls(user_events="Emergency")

    @classmethod
    def bulk(cls, wanted: Iterable[bytes]) -> "Filters":
        """The wanted events, those that the session itself lives on, and the ends of its own actions.

        Of the dialplan's own only what is told of recordings: what it tells of an emergency is believed on the express
        session alone, where no other event can carry anything of a caller's (see `agent.core.wire.stamped`).
        """
        names = OWN_EVENTS.union(ENDS, wanted) - {b"Response", b"UserEvent"}
        user_events = "Recording" if b"UserEvent" in wanted else ""
        return cls(names=frozenset(name.decode() for name in names), user_events=user_events)

    def admit(self, message: Message) -> bool:
        """Whether this session is for ``message``; Asterisk has asked already, unless it refused the filters."""
        return message.name != "UserEvent" or message.get("UserEvent").startswith(self.user_events)

    def criteria(self) -> list[dict[str, str]]:
        """The ``Filter`` actions for Asterisk 18.26, 20.11, 21.6, 22.1 and later."""
        actions = [_add(MatchCriteria=f"action(include),name({name})") for name in sorted(self.names)]
        if self.user_events:
            match = "action(include),name(UserEvent),header(UserEvent),method(starts_with)"
            actions.append(_add(MatchCriteria=match, Filter=self.user_events))
        return actions

    def regexes(self) -> list[dict[str, str]]:
        """The ``Filter`` actions for older versions: POSIX extended, matched against the whole event's text."""
        patterns = [f"^Event: ({'|'.join(names)})[[:space:]]" for names in _lines(sorted(self.names))]
        if self.user_events:
            patterns.append(f"^Event: UserEvent[[:space:]].*[[:space:]]UserEvent: {self.user_events}")
        return [_add(Filter=pattern) for pattern in patterns]


def _add(**headers: str) -> dict[str, str]:
    return {"Action": "Filter", "Operation": "Add", **headers}


def _lines(names: list[str]) -> list[list[str]]:
    lines: list[list[str]] = []
    size = _LINE_BYTES
    for name in names:
        size += len(name) + 1
        if size > _LINE_BYTES:
            lines.append([])
            size = len(name)
        lines[-1].append(name)
    return lines
