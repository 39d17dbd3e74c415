"""AMI bytes to messages: framing that survives any chunking, and header parsing for the wanted few."""

import re
from collections.abc import Container
from dataclasses import dataclass

BANNER = b"Asterisk Call Manager/"
END = b"\r\n\r\n"

#: The largest message kept while its end has not come. Asterisk's own events stay below 64 KiB.
LIMIT_BYTES = 1 << 20

#: The banner is one short line; a first line longer than this belongs to some other protocol.
BANNER_LIMIT_BYTES = 128

#: The first bytes of an event by which it is known to be dull: its name, unless that is long, and no value.
HEAD_BYTES = 28
_HEAD = re.compile(rb"Event: \w+\r\n")
_PRIVILEGE = b"Privilege: "


class Framer:
    """Cuts a byte stream into raw AMI messages; the same bytes give the same messages whatever the chunks.

    A message longer than ``limit`` bytes is dropped up to its end and counted in ``oversized``; what follows
    it is read again. ``banner`` is the greeting line once it has come (it ends in one CRLF, not two). ``dull`` counts
    the messages that were left out as such.
    """

    __slots__ = ("_buffer", "_limit", "_scanned", "_skipping", "_started", "banner", "dull", "oversized")

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._limit = limit
        self._skipping = False
        self._started = False
        self.banner: str | None = None
        self.oversized = 0
        self.dull = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes held back because their message has not ended."""
        return len(self._buffer)

    def feed(self, chunk: bytes, dull: Container[bytes] = frozenset()) -> list[bytes]:
        """Raw messages, without their terminating empty line, that ``chunk`` completes; none whose head is in ``dull``.

        Four of five events are of no use, and nothing costs less than one look at the head of each.
        """
        buffer = self._buffer
        buffer += chunk
        if not self._started and not self._read_banner():
            return []
        # Searching on from where the last search ended keeps a dribbling peer linear.
        if buffer.find(END, max(0, self._scanned - len(END) + 1)) < 0:
            self._scanned = len(buffer)
            self._bound()
            return []
        size = len(buffer)
        messages = bytes(buffer).split(END)
        self._buffer = bytearray(messages.pop())
        self._scanned = len(self._buffer)
        if self._skipping:
            self._skipping = False
            del messages[0]
        self._bound()
        if size > self._limit:
            whole = [message for message in messages if len(message) <= self._limit]
            self.oversized += len(messages) - len(whole)
            messages = whole
        kept = [message for message in messages if message[:HEAD_BYTES] not in dull]
        self.dull += len(messages) - len(kept)
        return [message for each in kept if (message := each.lstrip(b"\r\n"))]

    def _read_banner(self) -> bool:
        buffer = self._buffer
        if not BANNER.startswith(buffer[: len(BANNER)]):
            self._started = True
        elif (end := buffer.find(b"\r\n")) >= 0:
            self.banner = buffer[:end].decode("ascii", "backslashreplace")
            del buffer[: end + 2]
            self._started = True
        elif len(buffer) > BANNER_LIMIT_BYTES:
            self._started = True
        return self._started

    def _bound(self) -> None:
        if len(self._buffer) > self._limit + len(END) - 1:
            if not self._skipping:
                self.oversized += 1
            self._skipping = True
            # The last bytes may be the first half of the terminator.
            del self._buffer[: -len(END) + 1]
            self._scanned = len(self._buffer)


#: How Asterisk begins an event where timestampevents=yes, before anything that a SIP peer can choose.
_STAMPED = re.compile(
    rb"Event: \w+\r\nPrivilege: [a-z,]+,all\r\n"
    rb"(?:(?:SequenceNumber|File|Line|Func|SystemName): [^\r\n]*\r\n)*Timestamp: \d{10}\.\d{6}(?:\r\n|\Z)"
)


def stamped(raw: bytes) -> bool:
    """Whether this event begins as Asterisk itself begins one.

    A ``%0D%0A`` in the user part of a From header comes as a line break in CallerIDNum, and two of them as the end of
    the event and the begin of another of the caller's choice (seen on Asterisk 16 and 22). What he has for it, 79
    bytes, is too short for this beginning and a header of his own after it.
    """
    return _STAMPED.match(raw) is not None


#: Headers that Asterisk itself repeats; of no other a second one is honest.
_REPEATED = frozenset(("ChanVariable", "DestChanVariable", "Variable", "Output"))

#: Events with one channel, whose own id and number come after all that its caller can choose.
LAST_WINS = frozenset(("Newchannel", "Hangup"))


@dataclass(frozen=True, slots=True)
class Message:
    """One AMI message: ``name`` is the event's name, or ``Response``; ``headers`` keep one of repeated keys.

    The first, because Asterisk writes its own channel snapshot before any header that a dialplan adds; the last in
    events to which nobody adds any. ``doubtful``: a header came twice that Asterisk writes once.
    """

    name: str
    headers: dict[str, str]
    doubtful: bool = False

    def get(self, key: str) -> str:
        """The header's value, or an empty string."""
        return self.headers.get(key, "")


def name_of(raw: bytes) -> bytes:
    """The event's name (``b"Newchannel"``), ``b"Response"``, or ``b""``, without parsing the rest."""
    if raw.startswith(b"Event:"):
        end = raw.find(b"\r\n")
        return raw[6 : end if end >= 0 else len(raw)].strip()
    if raw.startswith(b"Response:"):
        return b"Response"
    return b""


def head_of(raw: bytes) -> bytes:
    """The head by which all events of this name can be known to be dull; empty where it would not tell their name."""
    head = raw[:HEAD_BYTES]
    found = _HEAD.match(head)
    # What else may stand there, Asterisk did not write: it may be anybody's.
    return head if found is not None and _PRIVILEGE.startswith(head[found.end() :][: len(_PRIVILEGE)]) else b""


def parse(raw: bytes) -> Message:
    """Parse one raw message. Never raises: a SIP peer can put any bytes into a value (seen on Asterisk 16, 22)."""
    name = name_of(raw).decode("ascii", "backslashreplace")
    lines = raw.decode("utf-8", "backslashreplace").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    try:
        headers = dict(pairs)
    except ValueError:  # A line without ": ", which Asterisk writes nowhere.
        return _parse_with_care(name, lines)
    if len(headers) < len(pairs) or ":" in "".join(headers):
        return _parse_with_care(name, lines)
    return Message(name, headers)


def _parse_with_care(name: str, lines: list[str]) -> Message:
    """Whatever stands in ``lines``: no colon, no space, or the same key twice."""
    last_wins = name in LAST_WINS
    headers: dict[str, str] = {}
    doubtful = False
    for line in lines:
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if key in headers and key not in _REPEATED:
            doubtful = True
        if last_wins or key not in headers:
            headers[key] = value[1:] if value.startswith(" ") else value
    return Message(name, headers, doubtful)
