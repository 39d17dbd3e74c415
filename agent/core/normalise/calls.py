"""Calls: channels, what they dial, which are up, and what MixMonitor does on them."""

from agent.core.normalise.identity import Linker, Reader, line_of, on_channel
from agent.core.numbers import number_of_dial_string
from agent.core.signals import (
    Capture,
    CaptureChanged,
    ChannelDown,
    ChannelUp,
    DialBegun,
    DialEnded,
    Joined,
    LiveChannel,
    LiveChannelsListed,
    Parted,
    Signal,
)
from agent.core.wire import Message


def _new_channel(message: Message, at: int, link: Linker) -> Signal:
    return ChannelUp(
        at=at,
        **on_channel(message, link),
        number=message.get("Exten"),
    )


def _hangup(message: Message, at: int, link: Linker) -> Signal:
    return ChannelDown(
        at=at,
        **on_channel(message, link),
    )


def _dial_begin(message: Message, at: int, link: Linker) -> Signal:
    return DialBegun(
        at=at,
        # A call that the PBX itself places has no caller: its leg stands for both.
        channel=link(message.get("Uniqueid") or message.get("DestUniqueid")),
        linked=link(message.get("Linkedid") or message.get("DestLinkedid")),
        line=line_of(message.get("Channel")),
        dest=link(message.get("DestUniqueid")),
        trunk=line_of(message.get("DestChannel")),
        number=number_of_dial_string(message.get("DialString")),
    )


def _dial_end(message: Message, at: int, link: Linker) -> Signal:
    return DialEnded(
        at=at,
        channel=link(message.get("Uniqueid")),
        linked=link(message.get("Linkedid") or message.get("DestLinkedid")),
        line=line_of(message.get("Channel")),
        dest=link(message.get("DestUniqueid")),
        trunk=line_of(message.get("DestChannel")),
        status=message.get("DialStatus"),
    )


def _live_channel(message: Message, at: int, link: Linker) -> Signal:
    return LiveChannel(
        at=at,
        **on_channel(message, link),
        number=message.get("Exten"),
        began_at=at - _duration_ms(message.get("Duration")),
        bridged=bool(message.get("BridgeId")),
        bridge=link(message.get("BridgeId")) if message.get("BridgeId") else "",
        name=message.get("Channel"),
    )


def _joined(message: Message, at: int, link: Linker) -> Signal:
    return Joined(
        at=at,
        **on_channel(message, link),
        bridge=link(message.get("BridgeUniqueid")),
        name=message.get("Channel"),
    )


def _parted(message: Message, at: int, link: Linker) -> Signal:
    return Parted(at=at, **on_channel(message, link))


def _duration_ms(text: str) -> int:
    """``00:01:05`` in ms; 0 where it cannot be read."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return 0
    hours, minutes, seconds = map(int, parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000


def _live_channels_listed(message: Message, at: int, link: Linker) -> Signal:
    return LiveChannelsListed(at=at)


def _mix_monitor(message: Message, at: int, link: Linker) -> Signal | None:
    if message.name == "MixMonitorMute":
        # With one direction muted the other one is captured still.
        if message.get("Direction") in ("read", "write"):
            return None
        capture = Capture.MUTED if message.get("State") == "1" else Capture.UNMUTED
    else:
        capture = Capture.STARTED if message.name == "MixMonitorStart" else Capture.STOPPED
    return CaptureChanged(
        at=at,
        **on_channel(message, link),
        capture=capture,
        name=message.get("Channel"),
    )


READERS: dict[str, Reader] = {
    "Newchannel": _new_channel,
    "DialBegin": _dial_begin,
    "DialEnd": _dial_end,
    "Hangup": _hangup,
    "BridgeEnter": _joined,
    "BridgeLeave": _parted,
    "CoreShowChannel": _live_channel,
    "CoreShowChannelsComplete": _live_channels_listed,
    "MixMonitorStart": _mix_monitor,
    "MixMonitorStop": _mix_monitor,
    "MixMonitorMute": _mix_monitor,
}
