"""Who hears whom: which channels are in which bridge, by keyed hashes, while they are up."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.core.signals import ChannelDown, Joined, LiveChannel, Parted, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A channel in a bridge; ``name`` is Asterisk's, in memory only."""

    channel: str
    linked: str
    line: str | None
    name: str


@dataclass(slots=True)
class Bridges:
    """The members of each bridge. Asterisk tells each that comes and goes, also when a transfer merges two bridges."""

    _bridge_of: dict[str, str] = field(default_factory=dict)
    _members: dict[str, dict[str, Member]] = field(default_factory=dict)

    def hear(self, signal: Signal) -> None:
        """Follow who came and who went."""
        match signal:
            case Joined():
                self._put(signal)
            case LiveChannel() if signal.bridge:
                self._put(signal)
            case Parted() | ChannelDown():
                self._drop(signal.channel)

    def with_(self, channel: str) -> list[Member]:
        """The others in the bridge of ``channel``."""
        return [member for member in self.around(channel) if member.channel != channel]

    def around(self, channel: str) -> list[Member]:
        """All that are in the bridge of ``channel``, itself as well."""
        return list(self._members.get(self._bridge_of.get(channel, ""), {}).values())

    def of_line(self, line: str) -> list[Member]:
        """The channels of one line that talk now."""
        return [member for member in self.everybody() if member.line == line]

    def clear(self) -> None:
        """What was known is out of date."""
        self._bridge_of.clear()
        self._members.clear()

    def __len__(self) -> int:
        return len(self._bridge_of)

    def everybody(self) -> Iterable[Member]:
        """All channels that are in a bridge."""
        return (member for members in self._members.values() for member in members.values())

    def _put(self, signal: Joined | LiveChannel) -> None:
        self._drop(signal.channel)
        self._bridge_of[signal.channel] = signal.bridge
        self._members.setdefault(signal.bridge, {})[signal.channel] = Member(
            channel=signal.channel, linked=signal.linked, line=signal.line, name=signal.name
        )

    def _drop(self, channel: str) -> None:
        bridge = self._bridge_of.pop(channel, None)
        if bridge is None:
            return
        members = self._members[bridge]
        members.pop(channel, None)
        if not members:
            del self._members[bridge]
