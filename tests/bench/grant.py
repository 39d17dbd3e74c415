"""What somebody who presses the record button waits until it records: the question to the agent is in it."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.calls import sent
from tests.bench.figures import Figure, of_samples
from tests.bench.unasked import at, ears, until, value
from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import RecordButton, Step, Talk
from tests.lab.provision import installation
from tests.lab.recorded import Office

#: SIPp parses no scenario with many more steps.
PER_CALL = 10
_PRESS: tuple[Step, ...] = (RecordButton(True), Talk(0.8), RecordButton(False), Talk(0.6))


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """From the SIP INFO of a press to `MixMonitorStart` (`grant_press`), without a prompt.

    `grant_asked` is the part of it from the start of the AGI script, with Python's own, to its answer. Most of the rest
    is Asterisk's: it takes a press for the two digits of its feature code, and waits for the end of each.
    """
    press: list[float] = []
    asked: list[float] = []
    async with Asterisk(installation(version, print)) as lab, Office(lab, folder) as office, ears(lab) as ami:
        for moment in ("start", "stop"):
            await lab.cli(f"dialplan set global RECORDING_SAY_{moment}_button no")
        traces: set[Path] = set()
        for first in range(0, calls, PER_CALL):
            presses = min(PER_CALL, calls - first)
            async with office.call_up("201", "202", _PRESS * presses) as call:
                heard = [await _recorded(ami) for _ in range(presses)]
                await call.done()
            (trace,) = set((lab.folder / "sipp").glob("*-call-201.messages")) - traces
            traces.add(trace)
            pressed = [at for at, text in sent(trace.read_text(errors="replace"), "INFO") if "Record: on" in text]
            press += [(heard[2] - at) * 1000 for heard, at in zip(heard, pressed, strict=True)]
            asked += [(answered - asked_at) * 1000 for asked_at, answered, _ in heard]
        await office.agent.some("recording", calls, state="stopped", opted_in=True)
    return [of_samples("grant_press", press), of_samples("grant_asked", asked)]


async def _recorded(ami: AmiSession) -> tuple[float, float, float]:
    """When Asterisk began to ask, had the answer, and recorded."""
    asked = await until(ami, "Newexten", "Application", "AGI")
    answered = await until(ami, "UserEvent", "Action", "OptIn")
    started = await until(ami, "MixMonitorStart", "Channel", value(asked, "Channel"))
    return at(asked), at(answered), at(started)
