"""Who and where, out of AMI's headers: channels as keyed hashes, lines, addresses."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address
from typing import TypedDict

from agent.core.signals import Signal
from agent.core.wire import Message

#: Longer names of lines and trunks are no honest PBX's; they are cut before anything is made of them.
NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Linker:
    """Turns Asterisk's identifiers into keyed hashes, so that none of them is ever kept (BLAKE2b, 128 bits)."""

    key: bytes
    _keyed: blake2b = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_keyed", blake2b(key=self.key, digest_size=16))

    def __call__(self, identifier: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(identifier.encode("utf-8", "backslashreplace"))
        return keyed.hexdigest()


#: Makes a signal of one kind of message that came at an instant (ms); None where it holds none.
Reader = Callable[[Message, int, Linker], Signal | None]


class OnChannel(TypedDict):
    """The fields that every signal of a channel has."""

    channel: str
    linked: str
    line: str | None


def on_channel(message: Message, link: Linker) -> OnChannel:
    """They, from the channel's snapshot that Asterisk puts into each of its events."""
    return {
        "channel": link(message.get("Uniqueid")),
        "linked": link(message.get("Linkedid")),
        "line": line_of(message.get("Channel")),
    }


def line_of(channel: str) -> str | None:
    """The endpoint, peer or trunk in a channel's name.

    ``PJSIP/201-0000001a`` gives ``201``, ``DAHDI/i1/999-2`` gives ``i1`` (never the number), ``Local/…`` gives None.
    """
    technology, slash, rest = channel.partition("/")
    if not slash or technology == "Local":
        return None
    return rest.rpartition("-")[0].partition("/")[0][:NAME_LIMIT] or None


#: An IPv4 address in its canonical form, as nearly all are: `ip_address` takes ten times as long to say so.
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_PLAIN = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII)


def ip_of(text: str) -> str | None:
    """The canonical form of an address, or None."""
    if _PLAIN.fullmatch(text):
        return text
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return None


def ip_of_host_port(text: str) -> str | None:
    """The address in ``203.0.113.7:5060``, ``[2001:db8::1]:5060``, ``203.0.113.7`` or ``2001:db8::1``."""
    if text.startswith("["):
        return ip_of(text[1:].partition("]")[0])
    host = text.rpartition(":")[0]
    if not host:
        return ip_of(text)
    return ip_of(host) if ":" not in host else ip_of(text) or ip_of(host)
