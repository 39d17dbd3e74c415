"""Who hears whom, held to what real Asterisks counted in each bridge."""

from pathlib import Path

import pytest

from agent.core.bridges import Bridges
from agent.core.normalise import Linker, normalise
from agent.core.signals import Joined
from agent.core.wire import Framer, Message, parse

CAPTURES = sorted((Path(__file__).parents[1] / "scenarios" / "captures").glob("*.ami"))
LINK = Linker(b"key")


def messages(capture: Path) -> list[Message]:
    return [parse(raw) for raw in Framer().feed(capture.read_bytes())]


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_as_many_are_in_each_bridge_as_asterisk_counts_and_at_the_end_none(capture: Path) -> None:
    bridges = Bridges()
    met = 0
    for message in messages(capture):
        signal = normalise(message, 0, LINK)
        if signal is None:
            continue
        bridges.hear(signal)
        if message.name in ("BridgeEnter", "BridgeLeave"):
            left = message.name == "BridgeLeave"
            counted = int(message.get("BridgeNumChannels"))
            bridge = LINK(message.get("BridgeUniqueid"))
            assert len(bridges._members.get(bridge, {})) == counted
            channel = LINK(message.get("Uniqueid"))
            assert len(bridges.with_(channel)) == (0 if left else counted - 1)
            met += len(bridges.with_(channel))
    assert len(bridges) == 0
    if any(message.name == "BridgeEnter" for message in messages(capture)):
        assert met


def test_a_channel_is_in_one_bridge_and_of_its_line() -> None:
    bridges = Bridges()
    for channel, bridge in (("c1", "b1"), ("c2", "b1"), ("c1", "b2")):
        bridges.hear(Joined(at=0, channel=channel, linked="c1", line=channel[1:], bridge=bridge, name=channel))
    assert bridges.with_("c1") == bridges.with_("c2") == bridges.with_("c3") == []
    assert [member.channel for member in bridges.of_line("1")] == ["c1"]
    bridges.clear()
    assert not bridges.of_line("1")
    assert len(bridges) == 0
