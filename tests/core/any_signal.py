"""Strategies for every signal that the core can hear, over a few lines, channels and instants, so that they meet."""

from dataclasses import fields
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_type_hints

from hypothesis import strategies as st

from agent.core import signals
from agent.core.signals import OfRegistration, OnChannel, Signal

#: All kinds of signal, found and not listed, so that a new one is tested without a word.
KINDS: tuple[type[Signal], ...] = tuple(
    kind
    for kind in vars(signals).values()
    if isinstance(kind, type) and issubclass(kind, Signal) and kind not in (Signal, OfRegistration, OnChannel)
)

_NOON = 1_795_348_800_000
_TEXTS: dict[str, tuple[str | None, ...]] = {
    "line": ("201", "202", None),
    "trunk": ("trunk-a", "trunk-b", None),
    "number": ("999", "112", "9999", "", "s", "202", "×999", "9" * 40),
    "status": ("ANSWER", "BUSY", "CANCEL", "CONGESTION", "NOANSWER", "", "forged"),
    "ip": ("203.0.113.7", "198.51.100.9", "192.0.2.2", "2001:db8::7"),
    "via_ip": ("203.0.113.7", "192.0.2.2"),
    "transport": ("udp", "tls"),
    "technology": ("PJSIP", "SIP", "IAX2"),
    "user_agent": ("", "Yealink SIP-T46U 108.86.0.45", "snomD785/10.1.184.14", "curl/8"),
    "cause": ("wrong_secret", "overload"),
    "cli": ("+441134960000", "+441134960999", None),
    "call_id": ("", "reg-1", "reg-2", "invite-1"),
    "contact": ("contact-1", "contact-2", "contact-3"),
}
_CHANNELS = ("", "c1", "c2", "c3", "c4", "c5", "c6")


def _of(name: str, kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, UnionType):
        return st.one_of(*(_of(name, one) for one in get_args(kind)))
    if kind is NoneType:
        return st.none()
    if kind is bool:
        return st.booleans()
    if kind is int:
        return st.integers(0, 4) if name == "attempt" else st.integers(-5_000, 700_000).map(lambda ms: _NOON + ms)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    values = [text for text in _TEXTS.get(name, _CHANNELS) if text is not None]
    return st.sampled_from(values)


def of_kind(kind: type[Signal]) -> st.SearchStrategy[Signal]:
    """Any signal of one kind."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{item.name: _of(item.name, hints[item.name]) for item in fields(kind)})


#: Any signal at all.
SIGNALS: st.SearchStrategy[Signal] = st.one_of(*(of_kind(kind) for kind in KINDS))
