"""A captured byte stream as a source."""

import pytest

from agent.sources.replay import NotACapture, Summary, replay
from tests.integration.ami_ear import WANTED, Ear
from tests.integration.fake_asterisk import event

CAPTURE = (
    b"Asterisk Call Manager/11.0.0\r\n"
    + event("Hangup", Number="0")
    + event("VarSet", Timestamp="1795380280.123456", Value="x")
    + event("Hangup", Number="1")
    + event("Hangup", Number="2", Timestamp="1795380281.5")
    + b"Response: Success\r\nMessage: x\r\n\r\n"
    + event("Hangup", Number="3", Timestamp="not one")
)


class ClockedEar(Ear):
    """Remembers the instants too."""

    def __init__(self) -> None:
        super().__init__()
        self.instants: list[int] = []

    def hear(self, session: str, message: object, at: int) -> None:
        self.instants.append(at)


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_the_stream_is_its_own_clock_whatever_the_chunks(size: int) -> None:
    ear = ClockedEar()
    summary = replay((CAPTURE[at : at + size] for at in range(0, len(CAPTURE), size)), WANTED, ear)
    assert ear.instants == [0, 1795380280123, 1795380281500, 1795380281500]
    assert summary == Summary(messages=6, wanted=4, oversized=0, untimed=False)


@pytest.mark.parametrize(
    "junk", [b"", b"\x7fELF" + bytes(5_000), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"a,b\r\n" * 99]
)
def test_bytes_that_are_not_ami_are_refused(junk: bytes) -> None:
    with pytest.raises(NotACapture, match=r"^x\.bin holds no AMI message"):
        replay([junk], WANTED, Ear(), source="x.bin")


def test_an_idle_session_is_a_capture_without_messages() -> None:
    assert replay([b"Asterisk Call Manager/5.0.4\r\n"], WANTED, Ear()) == Summary(
        messages=0, wanted=0, oversized=0, untimed=False
    )


def test_an_oversized_message_is_counted_and_the_rest_is_heard() -> None:
    ear = Ear()
    summary = replay([event("Hangup", Value="x" * (2 << 20)), event("Hangup")], WANTED, ear)
    assert (summary.oversized, ear.names()) == (1, ["Hangup"])
