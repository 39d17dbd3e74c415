"""Recordings: what was asked for, what MixMonitor did, and what is kept of both."""

import pytest

from agent.core.policy import Policy
from tests.scenarios.transcript import Agent, expected

#: As in a capture that is replayed: the dialplan's word is believed.
TOLD = Policy(optins_told=True)

SCENARIOS = {
    "by feature code, to the end of the call": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        1.002 UserEvent on=205#1 UserEvent=Recording Action=Start Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 state=stopped
        """,
    "by the phone's button, on and off": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        1.001 MixMonitorStart on=202#1
        3.000 MixMonitorStop on=202#1
        3.001 UserEvent on=202#1 UserEvent=Recording Action=OptOut Trigger=button Call=#1
        9.000 Hangup on=202#1
        => recording line=202 leg=caller trigger=button opted_in=True started_at=1.001 stopped_at=3 state=stopped
        """,
    "by the callee": """
        1.000 UserEvent on=203#2~1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=203#2~1
        9.000 Hangup on=203#2~1
        => recording line=203 leg=callee trigger=code opted_in=True started_at=1.001 stopped_at=9 state=stopped
        """,
    "asked on one leg, captured on the other (automixmon): nobody granted that one": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        1.001 MixMonitorStart on=203#2~1
        3.000 MixMonitorStop on=203#2~1
        9.000 Hangup on=203#2~1
        9.001 Hangup on=202#1
        => recording line=202 leg=caller trigger=button opted_in=True stopped_at=9.001 state=not_started
        => recording line=203 leg=callee trigger=none started_at=1.001 stopped_at=3 state=stopped
        """,
    "paused, told after the capture stopped": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        5.000 UserEvent on=205#1 UserEvent=Recording Action=Resume Trigger=code Call=#1
        5.001 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 \
                pauses=3-5.001 state=stopped
        """,
    "paused, told before the capture stopped": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        3.001 MixMonitorStop on=205#1
        5.001 MixMonitorStart on=205#1
        7.000 MixMonitorStop on=205#1
        7.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        8.000 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 \
                pauses=3.001-5.001,7-8 state=stopped
        """,
    "a pause that did not stop the capture is no pause": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 state=stopped
        """,
    "the call ends while it is paused": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 \
                pauses=3- state=stopped
        """,
    "given up while it is paused": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        6.000 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=6 \
                pauses=3- state=stopped
        """,
    "muted and unmuted, both directions": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorMute on=205#1 Direction=both State=1
        5.000 MixMonitorMute on=205#1 Direction=both State=0
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 \
                pauses=3-5 state=stopped
        """,
    "one direction muted: the other is captured still, so it is no pause": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorMute on=205#1 Direction=read State=1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 state=stopped
        """,
    "a capture that nobody asked for": """
        1.000 MixMonitorStart on=203#2~1
        9.000 Hangup on=203#2~1
        => recording line=203 leg=callee trigger=none started_at=1 stopped_at=9 state=stopped
        """,
    "an unasked capture beside an asked one in the same call": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=202#1
        2.000 MixMonitorStart on=203#2~1
        9.000 Hangup on=203#2~1
        9.001 Hangup on=202#1
        => recording line=202 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9.001 state=stopped
        => recording line=203 leg=callee trigger=none started_at=2 stopped_at=9 state=stopped
        """,
    "both legs ask, each has its own": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 UserEvent on=203#2~1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        1.002 MixMonitorStart on=203#2~1
        1.003 MixMonitorStart on=202#1
        9.000 Hangup on=203#2~1
        9.001 Hangup on=202#1
        => recording line=202 leg=caller trigger=code opted_in=True started_at=1.003 stopped_at=9.001 state=stopped
        => recording line=203 leg=callee trigger=button opted_in=True started_at=1.002 stopped_at=9 state=stopped
        """,
    "an opt-in of one call does not cover a capture in another": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=204#5
        9.000 Hangup on=204#5
        9.001 Hangup on=202#1
        => recording line=202 leg=caller trigger=code opted_in=True stopped_at=9.001 state=not_started
        => recording line=204 leg=caller trigger=none started_at=1.001 stopped_at=9 state=stopped
        """,
    "asked for, never started": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True stopped_at=9 state=not_started
        """,
    "asked for and taken back before it started": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        2.000 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True stopped_at=2 state=not_started
        """,
    "asked for twice: one recording": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        2.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 state=stopped
        """,
    "a second recording in the same call": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        5.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        5.001 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=3 state=stopped
        => recording line=205 leg=caller trigger=button opted_in=True started_at=5.001 stopped_at=9 state=stopped
        """,
    "a pause, a stop and a request of nobody's recording, and one that nobody knows": """
        1.000 MixMonitorStop on=205#1
        1.001 MixMonitorMute on=205#1 Direction=both State=1
        1.002 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        1.003 UserEvent on=205#1 UserEvent=Recording Action=Erase Trigger=code Call=#1
        1.004 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=none Call=#1
        1.005 UserEvent on=205#1 UserEvent=Other Action=OptIn Trigger=code Call=#1
        """,
    "restart while it records: it goes on": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        3.000 restart
        4.000 CoreShowChannel on=205#1 Exten=206 BridgeId=b Duration=00:00:04
        4.001 CoreShowChannelsComplete
        5.000 MixMonitorStop on=205#1
        5.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        6.000 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=9 \
                pauses=5-6 state=stopped
        """,
    "restart while it is paused, the call gone meanwhile": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        2.000 MixMonitorMute on=205#1 Direction=both State=1
        3.000 restart
        4.001 CoreShowChannelsComplete
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.001 stopped_at=4.001 \
                pauses=2- state=stopped blind=True
        """,
    "restart between the request and the capture": """
        1.000 UserEvent on=202#1 UserEvent=Recording Action=OptIn Trigger=button Call=#1
        1.500 restart
        2.000 MixMonitorStart on=202#1
        9.000 Hangup on=202#1
        => recording line=202 leg=caller trigger=button opted_in=True started_at=2 stopped_at=9 state=stopped
        """,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_recordings(scenario: str) -> None:
    assert Agent(TOLD).play(scenario).shown() == expected(scenario)


#: A stop can turn out to be a pause by the next line, and a request to pause to be one: between the two there is a
#: moment that only a running agent remembers.
PAUSING = ("paused, told", "a pause that did not stop", "the call ends while it is paused", "given up while", "restart")


@pytest.mark.parametrize(
    ("scenario", "cut"),
    [
        (scenario, cut)
        for name, scenario in SCENARIOS.items()
        if not name.startswith(PAUSING)
        for cut in range(1, len(scenario.split("=>")[0].strip().splitlines()))
    ],
)
def test_a_restart_at_any_moment_changes_nothing(scenario: str, cut: int) -> None:
    lines = scenario.strip().splitlines()
    time = lines[cut].split()[0]
    assert Agent(TOLD).play("\n".join([*lines[:cut], f"{time} restart", *lines[cut:]])).shown() == expected(scenario)
