"""What of app_voicemail's files is a message, how long it may stay, and when that is over."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

DAY_MS = 86_400_000

#: Every set of files that is a message is called so. Greetings and names lie in the mailbox itself, under other names.
_PART = re.compile(r"msg([0-9]{4})\.([A-Za-z0-9]{1,16})")
INDEX = "txt"
_ORIGTIME = re.compile(rb"^origtime *= *([0-9]{1,12}) *\r?$", re.MULTILINE)


class Kind(StrEnum):
    """What its owner has done with a message, and so how long it stays."""

    HEARD = "heard"
    UNHEARD = "unheard"
    TRASHED = "trashed"


#: The folders of a mailbox that hold messages; app_voicemail's own list (``mailbox_folders`` of 16 and 22).
FOLDERS = {
    "INBOX": Kind.UNHEARD,
    "Urgent": Kind.UNHEARD,
    **dict.fromkeys(("Old", "Work", "Family", "Friends", "Cust1", "Cust2", "Cust3", "Cust4", "Cust5"), Kind.HEARD),
    "Deleted": Kind.TRASHED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long messages stay, in days; ``warn_days`` before the end of it they are due."""

    heard_days: int = 14
    unheard_days: int = 30
    deleted_days: int = 1
    warn_days: int = 3

    def goes_at(self, kind: Kind, since: int) -> int:
        """When a message goes that has been in its folder since ``since`` (ms)."""
        days = {Kind.HEARD: self.heard_days, Kind.UNHEARD: self.unheard_days, Kind.TRASHED: self.deleted_days}
        return since + days[kind] * DAY_MS

    def warn_at(self, goes_at: int) -> int:
        """From when on a message that goes at ``goes_at`` is due (ms)."""
        return goes_at - self.warn_days * DAY_MS


@dataclass(slots=True, kw_only=True)
class Message:
    """The files of one number: its index, whose ``since`` is when it came into the folder (ms), and its recordings.

    Without an index they are what an interruption left. ``odd`` are those that are no plain files.
    """

    number: int
    since: int | None = None
    parts: list[str] = field(default_factory=list)
    odd: bool = False

    @property
    def index(self) -> str:
        """The name of its index."""
        return name_of(self.number, INDEX)

    @property
    def whole(self) -> bool:
        """Whether Asterisk counts it."""
        return self.since is not None


def number_of(name: str) -> tuple[int, str] | None:
    """The number and the ending of a file that is part of a message; None for any other file."""
    found = _PART.fullmatch(name)
    return None if found is None else (int(found[1]), found[2])


def name_of(number: int, ending: str) -> str:
    """What Asterisk calls this part of a message."""
    return f"msg{number:04d}.{ending}"


def left_at(index: bytes) -> int | None:
    """When a message was left, as its index says (ms); None where it says nothing of use."""
    found = _ORIGTIME.search(index)
    return None if found is None else int(found[1]) * 1000


def gaps(messages: Iterable[Message]) -> bool:
    """Whether the numbers of the messages are others than 0, 1, 2 and so on."""
    numbers = sorted(message.number for message in messages)
    return numbers != list(range(len(numbers)))
