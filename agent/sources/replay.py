"""A captured AMI byte stream as a source: the same bytes give the same messages, whatever the chunks."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from agent.core.instants import from_epoch
from agent.core.wire import Framer, name_of, parse
from agent.ports import Listener

SESSION = "bulk"

#: In so many bytes of an AMI session there is a message.
_MOST_NOISE = 1 << 26


class NotACapture(Exception):
    """The bytes hold no AMI message at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How many messages the bytes held: all, those handed on, those too long; whether its events had no time."""

    messages: int
    wanted: int
    oversized: int
    untimed: bool


def replay(chunks: Iterable[bytes], wanted: Container[bytes], listener: Listener, *, source: str = "input") -> Summary:
    """Hand every wanted message in ``chunks`` to ``listener``, as session ``bulk``.

    The clock is the stream's own: the latest ``Timestamp`` header so far (ms), 0 before the first.

    Raises:
        NotACapture: no AMI message in it; ``source`` names the bytes in the sentence.
    """
    framer = Framer()
    messages = heard = events = at = size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > _MOST_NOISE and not messages and framer.banner is None:
            break  # It may never end.
        for raw in framer.feed(chunk):
            name = name_of(raw)
            if not name:
                continue
            messages += 1
            at = _timestamp(raw, at)
            if name in wanted:
                heard += 1
                events += name != b"Response"
                listener.hear(SESSION, parse(raw), at)
    if not messages and framer.banner is None:
        raise NotACapture(f"{source} holds no AMI message: record the bytes of an AMI session as they come")
    return Summary(messages=messages, wanted=heard, oversized=framer.oversized, untimed=bool(events) and not at)


def _timestamp(raw: bytes, at: int) -> int:
    start = raw.find(b"\r\nTimestamp: ")
    if start < 0:
        return at
    start += len(b"\r\nTimestamp: ")
    end = raw.find(b"\r\n", start)
    stamp = from_epoch(raw[start : end if end >= 0 else len(raw)].decode("ascii", "replace"))
    return at if stamp is None else max(at, stamp)
