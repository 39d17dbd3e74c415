"""Grants: who may be recorded and by what, what MixMonitor did, who hears of it, and what ends it."""

import pytest

from agent.core.consents import Consents
from agent.core.policy import Policy
from agent.core.records import OptIn, Recording
from agent.core.signals import Ask
from tests.scenarios.transcript import NOON, Agent, expected, shown

RECORDED_EMERGENCIES = Policy(emergencies_recorded=True)

SCENARIOS = {
    "by feature code, to the end of the call": """
        1.000 granted on=205#1 Trigger=code
        1.010 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.500 MixMonitorStart on=205#1
        1.501 UserEvent on=205#1 UserEvent=Recording Action=Start Trigger=code Call=#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        """,
    "by the phone's button, the callee's, on and off": """
        1.000 granted on=203#2~1 Trigger=button
        1.500 MixMonitorStart on=203#2~1
        3.000 MixMonitorStop on=203#2~1
        3.001 UserEvent on=203#2~1 UserEvent=Recording Action=OptOut Trigger=button Call=#1
        9.000 Hangup on=203#2~1
        => optin line=203 trigger=button calls=one how=press given_at=1 withdrawn_at=3
        => recording line=203 leg=callee trigger=button opted_in=True started_at=1.5 stopped_at=3 state=stopped \
                optin=press
        => 1.5 order verify on=203#2 recording=1
        """,
    "by the recording service, outgoing: who answers is told": """
        0.000 optin Line=201 Trigger=service Calls=outgoing
        1.000 granted on=201#1 Trigger=service
        1.100 MixMonitorStart on=201#1
        4.000 BridgeEnter on=202#2~1 BridgeUniqueid=b
        4.001 BridgeEnter on=201#1 BridgeUniqueid=b
        9.000 Hangup on=201#1
        => optin line=201 trigger=service calls=outgoing how=command by=ann purpose=asked given_at=0
        => recording line=201 leg=caller trigger=service opted_in=True started_at=1.1 stopped_at=9 state=stopped \
                optin=command
        => 1.1 order verify on=201#1 recording=1
        => 4.001 order welcome on=202#2 recording=1
        """,
    "the recording service of outgoing calls records no incoming one, and no other line's": """
        0.000 optin Line=201 Trigger=service Calls=outgoing
        1.000 granted on=201#2~1 Trigger=service
        1.001 granted on=202#3 Trigger=service
        1.002 granted on=201#4 Trigger=pa
        => optin line=201 trigger=service calls=outgoing how=command by=ann purpose=asked given_at=0
        => 1 refused nobody
        => 1.001 refused nobody
        => 1.002 refused nobody
        """,
    "by the PA service": """
        0.000 optin Line=201 Trigger=pa Calls=all
        1.000 granted on=trunk-a#1 Line=201 Calls=incoming Trigger=pa
        1.100 MixMonitorStart on=trunk-a#1
        9.000 Hangup on=trunk-a#1
        => optin line=201 trigger=pa calls=all how=command by=ann purpose=asked given_at=0
        => recording line=201 leg=caller trigger=pa opted_in=True started_at=1.1 stopped_at=9 state=stopped \
                optin=command
        => 1.1 order verify on=trunk-a#1 recording=1
        """,
    "with customer services: the queue has opted in, and the caller has heard it and stayed": """
        0.000 optin Line=help Trigger=customer_service Calls=all
        1.000 granted on=205#1 Line=help Calls=incoming Trigger=customer_service
        1.100 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=help trigger=customer_service calls=all how=command by=ann purpose=asked given_at=0
        => optin line=help trigger=customer_service calls=one how=announced given_at=1 withdrawn_at=9
        => recording line=help leg=caller trigger=customer_service opted_in=True started_at=1.1 stopped_at=9 \
                state=stopped \
                optin=announced
        => 1.1 order verify on=205#1 recording=1
        """,
    "pressed twice while it records: once is enough": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 granted on=205#1 Trigger=button
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        => 2 refused running
        """,
    "pressed again before it begins, the first answer lost: the first grant is over, the second records": """
        1.000 granted on=205#1 Trigger=code
        3.000 granted on=205#1 Trigger=code
        3.500 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=3
        => recording line=205 leg=caller trigger=code opted_in=True stopped_at=3 state=not_started optin=press
        => optin line=205 trigger=code calls=one how=press given_at=3 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=3.5 stopped_at=9 state=stopped \
                optin=press
        => 3.5 order verify on=205#1 recording=2
        """,
    "pressed, and never begun": """
        1.000 granted on=205#1 Trigger=code
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True stopped_at=9 state=not_started optin=press
        """,
    "pressed again after it was stopped: another recording by another opt-in": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        5.000 granted on=205#1 Trigger=button
        5.500 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=3
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=3 state=stopped \
                optin=press
        => optin line=205 trigger=button calls=one how=press given_at=5 withdrawn_at=9
        => recording line=205 leg=caller trigger=button opted_in=True started_at=5.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        => 5.5 order verify on=205#1 recording=2
        """,
    "both legs press, each has its own": """
        1.000 granted on=202#1 Trigger=code
        1.001 granted on=203#2~1 Trigger=button
        1.002 MixMonitorStart on=203#2~1
        1.003 MixMonitorStart on=202#1
        9.000 Hangup on=203#2~1
        9.001 Hangup on=202#1
        => optin line=202 trigger=code calls=one how=press given_at=1 withdrawn_at=9.001
        => recording line=202 leg=caller trigger=code opted_in=True started_at=1.003 stopped_at=9.001 state=stopped \
                optin=press
        => optin line=203 trigger=button calls=one how=press given_at=1.001 withdrawn_at=9
        => recording line=203 leg=callee trigger=button opted_in=True started_at=1.002 stopped_at=9 state=stopped \
                optin=press
        => 1.002 order verify on=203#2 recording=2
        => 1.003 order verify on=202#1 recording=1
        """,
    "a press that comes after the end of its call": """
        1.000 Newchannel on=205#1 Exten=206
        2.000 Hangup on=205#1
        2.001 granted on=205#1 Trigger=code
        => 2.001 refused nobody
        """,
    "a channel's name comes again, long after": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 Hangup on=205#1
        3.000 Newchannel on=205#1 Exten=206
        4.000 MixMonitorStart on=205#1
        4.002 MixMonitorStop on=205#1
        5.000 granted on=205#1 Trigger=button
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=2
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=2 state=stopped \
                optin=press
        => recording line=205 leg=caller trigger=none started_at=4 stopped_at=4.002 state=stopped
        => optin line=205 trigger=button calls=one how=press given_at=5 withdrawn_at=9
        => recording line=205 leg=caller trigger=button opted_in=True stopped_at=9 state=not_started optin=press
        => 1.5 order verify on=205#1 recording=1
        => 4 order stop_unasked on=205#1 recording=2
        """,
    "a capture that nobody asked for, on the callee's leg": """
        1.000 MixMonitorStart on=203#2~1
        1.002 MixMonitorStop on=203#2~1
        9.000 Hangup on=203#2~1
        => recording line=203 leg=callee trigger=none started_at=1 stopped_at=1.002 state=stopped
        => 1 order stop_unasked on=203#2 recording=1
        """,
    "a second unasked one on the same leg is stopped as well": """
        1.000 MixMonitorStart on=203#2~1
        1.001 MixMonitorStart on=203#2~1
        9.000 Hangup on=203#2~1
        => recording line=203 leg=callee trigger=none started_at=1 stopped_at=9 state=stopped
        => 1 order stop_unasked on=203#2 recording=1
        => 1.001 order stop_unasked on=203#2 recording=1
        """,
    "a grant on one leg covers no capture on the other": """
        1.000 granted on=202#1 Trigger=button
        1.001 MixMonitorStart on=203#2~1
        9.000 Hangup on=203#2~1
        9.001 Hangup on=202#1
        => optin line=202 trigger=button calls=one how=press given_at=1 withdrawn_at=9.001
        => recording line=202 leg=caller trigger=button opted_in=True stopped_at=9.001 state=not_started optin=press
        => recording line=203 leg=callee trigger=none started_at=1.001 stopped_at=9 state=stopped
        => 1.001 order stop_unasked on=203#2 recording=2
        """,
    "granted, and not made use of within a minute: it is none any more": """
        1.000 granted on=205#1 Trigger=code
        2.000 tick
        61.000 tick
        62.000 tick
        70.000 MixMonitorStart on=205#1
        90.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=62
        => recording line=205 leg=caller trigger=code opted_in=True stopped_at=62 state=not_started optin=press
        => recording line=205 leg=caller trigger=none started_at=70 stopped_at=90 state=stopped
        => 70 order stop_unasked on=205#1 recording=2
        """,
    "a second capture on a recorded leg is nobody's, whatever file it writes": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => recording line=205 trigger=none started_at=2 stopped_at=2 state=stopped blind=True
        => 1.5 order verify on=205#1 recording=1
        => 2 order stop_unasked on=205#1 recording=2
        """,
    "an opt-in that the dialplan tells, and that nobody granted, opts in to nothing": """
        1.000 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1
        1.001 MixMonitorStart on=205#1
        1.002 MixMonitorStop on=205#1
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=none started_at=1.001 stopped_at=1.002 state=stopped
        => 1.001 order stop_unasked on=205#1 recording=1
        """,
    "a capture after the end of a recording is another one, and unasked": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        5.000 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=3
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=3 state=stopped \
                optin=press
        => recording line=205 leg=caller trigger=none started_at=5 stopped_at=9 state=stopped
        => 1.5 order verify on=205#1 recording=1
        => 5 order stop_unasked on=205#1 recording=2
        """,
}

PAUSES = {
    "paused, told before the capture stopped, as the dialplan does": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        3.001 MixMonitorStop on=205#1
        5.000 UserEvent on=205#1 UserEvent=Recording Action=Resume Trigger=code Call=#1
        5.001 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 pauses=3.001-5.001 \
                state=stopped optin=press
        => 1.5 order verify on=205#1 recording=1
        => 5.001 order verify on=205#1 recording=1
        """,
    "paused, told after the capture stopped: the opt-in goes on": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        5.001 MixMonitorStart on=205#1
        7.000 MixMonitorStop on=205#1
        7.001 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=7
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=7 pauses=3-5.001 \
                state=stopped optin=press
        => 1.5 order verify on=205#1 recording=1
        => 5.001 order verify on=205#1 recording=1
        """,
    "told after the capture stopped, and paused still: the opt-in that had ended with the capture goes on": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        3.001 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        => optin line=205 trigger=code calls=one how=press given_at=1
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 pauses=3- state=paused optin=press
        => 1.5 order verify on=205#1 recording=1
        """,
    "by command, and taken back by the phone": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 asked 1 Pause
        3.001 MixMonitorStop on=205#1
        6.000 UserEvent on=205#1 UserEvent=Recording Action=OptOut Trigger=code Call=#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=6
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=6 pauses=3.001- \
                state=stopped optin=press
        => 1.5 order verify on=205#1 recording=1
        """,
    "a pause that Asterisk refused, and that was given up, does not turn the stop into one": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 asked 1 Pause
        4.000 asked 1 Resume
        7.000 MixMonitorStop on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=7
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=7 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        """,
    "a pause that is told long after the stop is none: what was captured is sealed": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        3.000 MixMonitorStop on=205#1
        5.000 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        6.000 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=3
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=3 state=stopped \
                optin=press
        => recording line=205 leg=caller trigger=none started_at=6 stopped_at=9 state=stopped
        => 1.5 order verify on=205#1 recording=1
        => 6 order stop_unasked on=205#1 recording=2
        """,
}

#: The order of events is that of tests/scenarios/captures, on 16 and on 22.
TRANSFERS = {
    "paused through a blind transfer: the recorded leg stays, who comes is told once": """
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=203#2~1 Trigger=code
        2.500 MixMonitorStart on=203#2~1
        3.000 UserEvent on=203#2~1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        3.001 MixMonitorStop on=203#2~1
        4.000 BridgeLeave on=201#1 BridgeUniqueid=b1
        4.001 BridgeLeave on=203#2~1 BridgeUniqueid=b1
        4.002 Newchannel on=204#3~1 Exten=s
        4.003 Hangup on=201#1
        5.000 BridgeEnter on=204#3~1 BridgeUniqueid=b2
        5.001 BridgeEnter on=203#2~1 BridgeUniqueid=b2
        6.000 UserEvent on=203#2~1 UserEvent=Recording Action=Resume Trigger=code Call=#1
        6.001 MixMonitorStart on=203#2~1
        8.000 BridgeLeave on=203#2~1 BridgeUniqueid=b2
        8.001 BridgeLeave on=204#3~1 BridgeUniqueid=b2
        8.002 Hangup on=203#2~1
        8.003 Hangup on=204#3~1
        => optin line=203 trigger=code calls=one how=press given_at=2 withdrawn_at=8.002
        => recording line=203 leg=callee trigger=code opted_in=True started_at=2.5 stopped_at=8.002 pauses=3.001-6.001 \
                state=stopped optin=press
        => 2.5 order verify on=203#2 recording=1
        => 5.001 order welcome on=204#3 recording=1
        => 6.001 order verify on=203#2 recording=1
        """,
    "through an attended transfer: the recorded leg takes the transferer's place in his second call": """
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=203#2~1 Trigger=button
        2.500 MixMonitorStart on=203#2~1
        3.000 BridgeEnter on=204#4~3 BridgeUniqueid=b2
        3.001 BridgeEnter on=201#3 BridgeUniqueid=b2
        4.000 UserEvent on=203#2~1 UserEvent=Recording Action=Pause Trigger=button Call=#1
        4.001 MixMonitorStop on=203#2~1
        5.000 BridgeLeave on=203#2~1 BridgeUniqueid=b1
        5.001 BridgeLeave on=201#3 BridgeUniqueid=b2
        5.002 BridgeEnter on=203#2~1 BridgeUniqueid=b2 SwapUniqueid=#3
        5.003 BridgeLeave on=201#1 BridgeUniqueid=b1
        5.004 Hangup on=201#3
        5.005 Hangup on=201#1
        6.000 MixMonitorStart on=203#2~1
        8.000 BridgeLeave on=203#2~1 BridgeUniqueid=b2
        8.001 Hangup on=203#2~1
        8.002 BridgeLeave on=204#4~1 BridgeUniqueid=b2
        8.003 Hangup on=204#4~1
        => optin line=203 trigger=button calls=one how=press given_at=2 withdrawn_at=8.001
        => recording line=203 leg=callee trigger=button opted_in=True started_at=2.5 stopped_at=8.001 pauses=4.001-6 \
                state=stopped optin=press
        => 2.5 order verify on=203#2 recording=1
        => 5.002 order welcome on=204#4 recording=1
        => 6 order verify on=203#2 recording=1
        """,
    "two bridges merge (the PBX's own attended transfer): who comes in is told, who was there is not": """
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=203#2~1 Trigger=code
        2.500 MixMonitorStart on=203#2~1
        3.000 BridgeEnter on=Local/204@phones;1#3~1 BridgeUniqueid=b2
        3.001 BridgeLeave on=201#1 BridgeUniqueid=b1
        3.002 BridgeEnter on=201#1 BridgeUniqueid=b2
        4.000 BridgeLeave on=201#1 BridgeUniqueid=b2
        4.001 BridgeMerge ToBridgeUniqueid=b1 FromBridgeUniqueid=b2
        4.002 BridgeLeave on=Local/204@phones;1#3~1 BridgeUniqueid=b2
        4.003 BridgeEnter on=Local/204@phones;1#3~1 BridgeUniqueid=b1
        4.004 Hangup on=201#1
        8.000 Hangup on=203#2~1
        => optin line=203 trigger=code calls=one how=press given_at=2 withdrawn_at=8
        => recording line=203 leg=callee trigger=code opted_in=True started_at=2.5 stopped_at=8 state=stopped \
                optin=press
        => 2.5 order verify on=203#2 recording=1
        => 4.003 order welcome on=Local/204@phones#3 recording=1
        """,
    "the leg that asked transfers the call: its recording ends with it, nobody else is told anything": """
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        4.000 BridgeLeave on=201#1 BridgeUniqueid=b1
        4.001 BridgeLeave on=203#2~1 BridgeUniqueid=b1
        4.003 Hangup on=201#1
        5.000 BridgeEnter on=204#3~1 BridgeUniqueid=b2
        5.001 BridgeEnter on=203#2~1 BridgeUniqueid=b2
        => optin line=201 trigger=code calls=one how=press given_at=2 withdrawn_at=4.003
        => recording line=201 leg=caller trigger=code opted_in=True started_at=2.5 stopped_at=4.003 state=stopped \
                optin=press
        => 2.5 order verify on=201#1 recording=1
        """,
    "somebody who was away for a moment is not told again": """
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        3.000 BridgeLeave on=203#2~1 BridgeUniqueid=b1
        4.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        8.000 Hangup on=201#1
        => optin line=201 trigger=code calls=one how=press given_at=2 withdrawn_at=8
        => recording line=201 leg=caller trigger=code opted_in=True started_at=2.5 stopped_at=8 state=stopped \
                optin=press
        => 2.5 order verify on=201#1 recording=1
        """,
}

#: Expected of it are the orders alone: of the emergency itself there is test_emergencies.py.
EMERGENCIES = {
    "a press on an emergency, on what carries it, and on who came into it": """
        1.000 Newchannel on=201#1 Exten=999
        1.001 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.002 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.010 granted on=201#1 Trigger=code
        2.000 BridgeEnter on=trunk-a#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.010 granted on=trunk-a#2~1 Trigger=button
        3.000 BridgeLeave on=201#1 BridgeUniqueid=b1
        3.001 BridgeEnter on=204#3 BridgeUniqueid=b1
        3.010 granted on=204#3 Trigger=code
        => 1.01 refused emergency
        => 2.01 refused emergency
        => 3.01 refused emergency
        """,
    "a press on a call back of the emergency services": """
        1.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        2.000 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1 Number=999
        9.000 UserEvent on=trunk-a#3 UserEvent=Emergency Stage=Callback Call=#1
        9.001 UserEvent on=trunk-a#3 UserEvent=Emergency Stage=CallbackAnswered Call=#1
        9.010 granted on=201#4~3 Trigger=code
        => 9.01 refused emergency
        """,
    "an emergency leg comes into a recorded call: the recording ends": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        0.101 UserEvent on=trunk-a#4~3 UserEvent=Emergency Stage=Answered Call=#3 Number=999 Trunk=trunk-a Attempt=1
        1.000 BridgeEnter on=203#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=203#2~1 Trigger=code
        2.500 MixMonitorStart on=203#2~1
        3.000 BridgeLeave on=201#1 BridgeUniqueid=b1
        3.001 BridgeEnter on=trunk-a#4~3 BridgeUniqueid=b1
        3.010 MixMonitorStop on=203#2~1
        4.000 granted on=203#2~1 Trigger=code
        => 2.5 order verify on=203#2 recording=1
        => 3.001 order stop on=203#2 recording=1
        => 4 refused emergency
        """,
    "it comes between the grant and the capture, which stops at once": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.100 BridgeEnter on=204#3 BridgeUniqueid=b1
        2.500 MixMonitorStart on=201#1
        => 2.5 order stop on=201#1 recording=1
        """,
    "it comes while the recording is paused: to resume is of no use": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        3.000 MixMonitorMute on=201#1 Direction=both State=1
        3.100 BridgeEnter on=204#3 BridgeUniqueid=b1
        4.000 MixMonitorMute on=201#1 Direction=both State=0
        => 2.5 order verify on=201#1 recording=1
        => 3.1 order stop on=201#1 recording=1
        => 4 order verify on=201#1
        """,
    "it comes while the recording is paused: a resume of it is nobody's": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        3.000 UserEvent on=201#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        3.001 MixMonitorStop on=201#1
        3.100 BridgeEnter on=204#3 BridgeUniqueid=b1
        4.000 MixMonitorStart on=201#1
        => 2.5 order verify on=201#1 recording=1
        => 3.1 order stop on=201#1 recording=1
        => 4 order stop_unasked on=201#1 recording=2
        """,
    "the slower session tells late that it is one: the recording ends when that is known": """
        1.000 granted on=201#1 Trigger=code
        1.500 MixMonitorStart on=201#1
        2.000 BridgeEnter on=202#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.100 UserEvent on=202#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=202 Attempt=1
        => 1.5 order verify on=201#1 recording=1
        => 2.001 order welcome on=202#2 recording=1
        => 2.1 order stop on=201#1 recording=1
        """,
    "it came in while the session was away": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        3.000 back
        3.100 CoreShowChannel on=201#1 Exten=206 Duration=00:00:02 BridgeId=b1
        3.101 CoreShowChannel on=204#3 Exten=999 Duration=00:00:03 BridgeId=b1
        3.102 CoreShowChannelsComplete
        => 2.5 order verify on=201#1 recording=1
        => 3.1 order verify on=201#1 recording=1
        => 3.101 order verify on=204#3
        => 3.102 order stop on=201#1 recording=1
        """,
    "a recorded leg dials an emergency number": """
        1.000 granted on=201#1 Trigger=code
        1.500 MixMonitorStart on=201#1
        2.000 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        => 1.5 order verify on=201#1 recording=1
        => 2 order stop on=201#1 recording=1
        """,
    "the line has the recording service": """
        0.000 optin Line=201 Trigger=service Calls=all
        1.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.010 granted on=201#1 Trigger=service
        2.000 BridgeEnter on=trunk-a#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        => 1.01 refused emergency
        """,
}

#: With ``emergencies_recorded``.
EMERGENCIES_RECORDED = {
    "the line has the recording service: the agent begins once somebody answers, and nobody speaks into the call": """
        0.000 optin Line=201 Trigger=service Calls=outgoing
        1.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        2.000 BridgeEnter on=trunk-a#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.100 MixMonitorStart on=201#1
        3.000 BridgeEnter on=202#3~1 BridgeUniqueid=b1
        => 2.001 order begin on=201#1 recording=1
        => 2.1 order verify on=201#1 recording=1
        """,
    "the line has not": """
        0.000 optin Line=202 Trigger=service Calls=all
        1.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        2.000 BridgeEnter on=trunk-a#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        """,
    "the line has it for incoming calls": """
        0.000 optin Line=201 Trigger=service Calls=incoming
        1.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        2.000 BridgeEnter on=trunk-a#2~1 BridgeUniqueid=b1
        2.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        """,
    "a press allows it still not, before or during the emergency": """
        0.100 UserEvent on=204#3 UserEvent=Emergency Stage=Dialled Call=#3 Number=999
        1.001 BridgeEnter on=201#1 BridgeUniqueid=b1
        2.000 granted on=201#1 Trigger=code
        2.500 MixMonitorStart on=201#1
        3.100 BridgeEnter on=204#3 BridgeUniqueid=b1
        3.200 granted on=204#3 Trigger=code
        => 2.5 order verify on=201#1 recording=1
        => 3.1 order stop on=201#1 recording=1
        => 3.2 refused emergency
        """,
}

WITHDRAWN = {
    "while it records: it is stopped, and what comes after is unasked": """
        0.000 optin Line=201 Trigger=service Calls=all
        1.000 granted on=201#1 Trigger=service
        1.100 MixMonitorStart on=201#1
        3.000 withdraw Line=201 Trigger=service
        3.002 MixMonitorStop on=201#1
        4.000 granted on=201#1 Trigger=service
        5.000 MixMonitorStart on=201#1
        9.000 Hangup on=201#1
        => optin line=201 trigger=service calls=all how=command by=ann purpose=asked given_at=0 withdrawn_at=3 \
                withdrawn_by=ann
        => recording line=201 leg=caller trigger=service opted_in=True started_at=1.1 stopped_at=3.002 state=stopped \
                optin=command
        => recording line=201 leg=caller trigger=none started_at=5 stopped_at=9 state=stopped
        => 1.1 order verify on=201#1 recording=1
        => 3 order stop on=201#1 recording=1
        => 4 refused nobody
        => 5 order stop_unasked on=201#1 recording=2
        """,
    "before it has begun: it does not begin": """
        0.000 optin Line=201 Trigger=service Calls=all
        1.000 granted on=201#1 Trigger=service
        3.000 withdraw Line=201 Trigger=service
        3.100 MixMonitorStart on=201#1
        9.000 Hangup on=201#1
        => optin line=201 trigger=service calls=all how=command by=ann purpose=asked given_at=0 withdrawn_at=3 \
                withdrawn_by=ann
        => recording line=201 leg=caller trigger=service opted_in=True stopped_at=3 state=not_started optin=command
        => recording line=201 leg=caller trigger=none started_at=3.1 stopped_at=9 state=stopped
        => 3.1 order stop_unasked on=201#1 recording=2
        """,
    "while it is paused: it is over, and to resume is unasked": """
        0.000 optin Line=201 Trigger=service Calls=all
        1.000 granted on=201#1 Trigger=service
        1.100 MixMonitorStart on=201#1
        2.000 UserEvent on=201#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        2.001 MixMonitorStop on=201#1
        3.000 withdraw Line=201 Trigger=service
        5.000 MixMonitorStart on=201#1
        9.000 Hangup on=201#1
        => optin line=201 trigger=service calls=all how=command by=ann purpose=asked given_at=0 withdrawn_at=3 \
                withdrawn_by=ann
        => recording line=201 leg=caller trigger=service opted_in=True started_at=1.1 stopped_at=3 pauses=2.001- \
                state=stopped optin=command
        => recording line=201 leg=caller trigger=none started_at=5 stopped_at=9 state=stopped
        => 1.1 order verify on=201#1 recording=1
        => 3 order stop on=201#1 recording=1
        => 5 order stop_unasked on=201#1 recording=2
        """,
    "that of a queue stops its calls, though each caller has stayed on": """
        0.000 optin Line=help Trigger=customer_service Calls=all
        1.000 granted on=205#1 Line=help Calls=incoming Trigger=customer_service
        1.100 MixMonitorStart on=205#1
        3.000 withdraw Line=help Trigger=customer_service
        3.002 MixMonitorStop on=205#1
        => optin line=help trigger=customer_service calls=all how=command by=ann purpose=asked given_at=0 \
                withdrawn_at=3 \
                withdrawn_by=ann
        => optin line=help trigger=customer_service calls=one how=announced given_at=1 withdrawn_at=3.002
        => recording line=help leg=caller trigger=customer_service opted_in=True started_at=1.1 stopped_at=3.002 \
                state=stopped optin=announced
        => 1.1 order verify on=205#1 recording=1
        => 3 order stop on=205#1 recording=1
        """,
    "another line's, and another service's, stop nothing": """
        0.000 optin Line=201 Trigger=service Calls=all
        0.001 optin Line=201 Trigger=pa Calls=all
        0.002 optin Line=202 Trigger=service Calls=all
        1.000 granted on=201#1 Trigger=service
        1.100 MixMonitorStart on=201#1
        3.000 withdraw Line=201 Trigger=pa
        3.001 withdraw Line=202 Trigger=service
        9.000 Hangup on=201#1
        => optin line=201 trigger=service calls=all how=command by=ann purpose=asked given_at=0
        => optin line=201 trigger=pa calls=all how=command by=ann purpose=asked given_at=0.001 withdrawn_at=3 \
                withdrawn_by=ann
        => optin line=202 trigger=service calls=all how=command by=ann purpose=asked given_at=0.002 withdrawn_at=3.001 \
                withdrawn_by=ann
        => recording line=201 leg=caller trigger=service opted_in=True started_at=1.1 stopped_at=9 state=stopped \
                optin=command
        => 1.1 order verify on=201#1 recording=1
        """,
}

RESTARTS = {
    "between the grant and the capture": """
        1.000 granted on=205#1 Trigger=code
        1.200 restart
        1.300 CoreShowChannel on=205#1 Exten=206 Duration=00:00:01
        1.301 CoreShowChannelsComplete
        1.500 MixMonitorStart on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.3 order verify on=205#1 recording=1
        => 1.5 order verify on=205#1 recording=1
        """,
    "the capture began while the agent was away: Asterisk tells by its file": """
        1.000 granted on=205#1 Trigger=code
        1.200 restart
        3.300 CoreShowChannel on=205#1 Exten=206 Duration=00:00:03
        3.301 CoreShowChannelsComplete
        3.310 captured 1
        3.311 captured 1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=3.31 stopped_at=9 state=stopped \
                blind=True \
                optin=press
        => 3.3 order verify on=205#1 recording=1
        """,
    "twice, while it records": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 restart
        2.001 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02
        2.100 restart
        2.200 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02
        2.201 CoreShowChannelsComplete
        4.000 UserEvent on=205#1 UserEvent=Recording Action=Pause Trigger=code Call=#1
        4.001 MixMonitorStop on=205#1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 pauses=4.001- \
                state=stopped optin=press
        => 1.5 order verify on=205#1 recording=1
        => 2.001 order verify on=205#1 recording=1
        => 2.2 order verify on=205#1 recording=1
        """,
    "the call is gone meanwhile: the opt-in of that call as well": """
        1.000 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 restart
        2.201 CoreShowChannelsComplete
        => optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=2.201
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=2.201 state=stopped \
                blind=True optin=press
        => 1.5 order verify on=205#1 recording=1
        """,
    "a capture that was unasked goes on: it is stopped again": """
        1.000 MixMonitorStart on=205#1
        1.001 restart
        2.000 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02
        2.001 CoreShowChannelsComplete
        9.000 Hangup on=205#1
        => recording line=205 leg=caller trigger=none started_at=1 stopped_at=9 state=stopped
        => 1 order stop_unasked on=205#1 recording=1
        => 2 order stop_unasked on=205#1 recording=1
        """,
    "channels of which nothing is known are asked, and one of them turns out to be captured": """
        1.000 restart
        2.000 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02 BridgeId=b1
        2.001 CoreShowChannel on=206#2~1 Exten= Duration=00:00:01 BridgeId=b1
        2.002 CoreShowChannelsComplete
        2.100 unasked on=206#2
        => recording line=206 trigger=none started_at=2.1 stopped_at=2.1 state=stopped blind=True
        => 2 order verify on=205#1
        => 2.001 order verify on=206#2
        => 2.1 order stop_unasked on=206#2 recording=1
        """,
    "who was in the call already is not told again, who comes later is": """
        1.000 BridgeEnter on=206#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=205#1 BridgeUniqueid=b1
        1.100 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 restart
        2.100 CoreShowChannel on=206#2~1 Exten= Duration=00:00:01 BridgeId=b1
        2.101 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02 BridgeId=b1
        2.102 CoreShowChannelsComplete
        3.000 BridgeEnter on=207#3~1 BridgeUniqueid=b1
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1.1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        => 2.1 order verify on=206#2
        => 2.101 order verify on=205#1 recording=1
        => 3 order welcome on=207#3 recording=1
        """,
    "somebody comes in before the list is through: nobody knows yet who was there, and nobody is told": """
        1.100 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 restart
        2.100 CoreShowChannel on=206#2~1 Exten= Duration=00:00:01 BridgeId=b1
        2.101 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02 BridgeId=b1
        2.102 BridgeEnter on=207#3~1 BridgeUniqueid=b1
        2.103 CoreShowChannelsComplete
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1.1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        => 2.1 order verify on=206#2
        => 2.101 order verify on=205#1 recording=1
        """,
    "who came in while the session was away is told when it is back": """
        1.000 BridgeEnter on=206#2~1 BridgeUniqueid=b1
        1.001 BridgeEnter on=205#1 BridgeUniqueid=b1
        1.100 granted on=205#1 Trigger=code
        1.500 MixMonitorStart on=205#1
        2.000 back
        2.100 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02 BridgeId=b1
        2.101 CoreShowChannel on=206#2~1 Exten= Duration=00:00:01 BridgeId=b1
        2.102 CoreShowChannel on=207#3~1 Exten= Duration=00:00:01 BridgeId=b1
        2.103 CoreShowChannelsComplete
        9.000 Hangup on=205#1
        => optin line=205 trigger=code calls=one how=press given_at=1.1 withdrawn_at=9
        => recording line=205 leg=caller trigger=code opted_in=True started_at=1.5 stopped_at=9 state=stopped \
                optin=press
        => 1.5 order verify on=205#1 recording=1
        => 2.1 order verify on=205#1 recording=1
        => 2.101 order verify on=206#2
        => 2.102 order verify on=207#3
        => 2.103 order welcome on=207#3 recording=1
        """,
    "the opt-in was withdrawn, and the agent killed before the stop: it is stopped": """
        0.000 optin Line=201 Trigger=service Calls=all
        1.000 granted on=201#1 Trigger=service
        1.100 MixMonitorStart on=201#1
        2.000 withdraw Line=201 Trigger=service
        2.001 restart
        2.100 CoreShowChannel on=201#1 Exten=206 Duration=00:00:02
        2.101 CoreShowChannelsComplete
        2.110 MixMonitorStop on=201#1
        => optin line=201 trigger=service calls=all how=command by=ann purpose=asked given_at=0 withdrawn_at=2 \
                withdrawn_by=ann
        => recording line=201 leg=caller trigger=service opted_in=True started_at=1.1 stopped_at=2.11 state=stopped \
                optin=command
        => 1.1 order verify on=201#1 recording=1
        => 2 order stop on=201#1 recording=1
        => 2.1 order verify on=201#1 recording=1
        => 2.101 order stop on=201#1 recording=1
        """,
    "a channel that went while the list was on its way is in no bridge": """
        1.000 back
        1.001 Hangup on=206#2~1
        1.002 CoreShowChannel on=206#2~1 Exten= Duration=00:00:01 BridgeId=b1
        1.003 CoreShowChannel on=205#1 Exten=206 Duration=00:00:02 BridgeId=b1
        1.004 CoreShowChannelsComplete
        1.100 granted on=206#2~1 Trigger=code
        => 1.003 order verify on=205#1
        => 1.1 refused nobody
        """,
}


#: What only a running agent remembers: that a call has just ended, or a pause was asked for a moment ago.
REMEMBERED = (
    "a press that comes after",
    "a pause that",
    "paused, told",
    "told after",
    "by command",
    "granted, and not made use of",
)


def check(policy: Policy, scenario: str) -> None:
    agent = Agent(policy).play(scenario)
    assert [*agent.shown(), *agent.acts] == expected(scenario)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_grants(scenario: str) -> None:
    check(Policy(), scenario)


@pytest.mark.parametrize("scenario", PAUSES.values(), ids=PAUSES.keys())
def test_pauses(scenario: str) -> None:
    check(Policy(), scenario)


@pytest.mark.parametrize("scenario", TRANSFERS.values(), ids=TRANSFERS.keys())
def test_transfers(scenario: str) -> None:
    check(Policy(), scenario)


@pytest.mark.parametrize("scenario", WITHDRAWN.values(), ids=WITHDRAWN.keys())
def test_withdrawn(scenario: str) -> None:
    check(Policy(), scenario)


@pytest.mark.parametrize("scenario", RESTARTS.values(), ids=RESTARTS.keys())
def test_restarts(scenario: str) -> None:
    check(Policy(), scenario)


@pytest.mark.parametrize("scenario", EMERGENCIES.values(), ids=EMERGENCIES.keys())
def test_no_emergency_is_recorded(scenario: str) -> None:
    assert Agent().play(scenario).acts == expected(scenario)


@pytest.mark.parametrize("scenario", EMERGENCIES_RECORDED.values(), ids=EMERGENCIES_RECORDED.keys())
def test_emergencies_of_lines_with_the_service_are_recorded_where_the_operator_says_so(scenario: str) -> None:
    assert Agent(RECORDED_EMERGENCIES).play(scenario).acts == expected(scenario)


@pytest.mark.parametrize(
    ("scenario", "cut"),
    [
        (scenario, cut)
        for name, scenario in (SCENARIOS | PAUSES | TRANSFERS | WITHDRAWN).items()
        if not name.startswith(REMEMBERED)
        for cut, before in enumerate(scenario.split("=>")[0].strip().splitlines()[:-1], 1)
        if "Action=Pause" not in before
    ],
)
def test_a_restart_at_any_moment_loses_no_record(scenario: str, cut: int) -> None:
    lines = scenario.strip().splitlines()
    time = lines[cut].split()[0]
    restarted = Agent().play("\n".join([*lines[:cut], f"{time} restart", *lines[cut:]]))
    assert restarted.shown() == [line for line in expected(scenario) if not line[0].isdigit()]


def test_events_that_claim_an_opt_in_are_counted() -> None:
    agent = Agent()
    for ask in ("OptIn", "OptIn", "Pause", "OptOut"):
        agent.play(f"1 UserEvent on=205#1 UserEvent=Recording Action={ask} Trigger=code Call=#1")
    assert agent.engine.tapes.unbelieved == 2
    agent.play("2 granted on=205#1 Trigger=code")
    agent.play("2.1 UserEvent on=205#1 UserEvent=Recording Action=OptIn Trigger=code Call=#1")
    assert agent.engine.tapes.unbelieved == 2, "it was granted"


def test_an_opt_in_of_a_call_whose_recording_was_never_stored_ends_with_the_first_list() -> None:
    agent = Agent().play("1 granted on=205#1 Trigger=code")
    (recording,) = agent.of(Recording)
    del agent.records[recording.id]
    agent.play("2 restart\n2.1 CoreShowChannelsComplete")
    assert [shown(optin) for optin in agent.of(OptIn)] == [
        "optin line=205 trigger=code calls=one how=press given_at=1 withdrawn_at=2.1"
    ]


def test_a_recording_names_the_opt_in_of_its_own_press() -> None:
    agent = Agent().play("1 granted on=205#1 Trigger=code\n2 granted on=206#2 Trigger=code")
    assert [recording.optin for recording in agent.of(Recording)] == [optin.id for optin in agent.of(OptIn)]


def test_a_refusal_leaves_nothing_behind() -> None:
    agent = Agent().play("1 Newchannel on=201#1 Exten=999")
    agent.play("1.1 granted on=201#1 Trigger=code\n1.2 granted on=202#2 Trigger=service")
    assert not agent.of(Recording)
    assert not agent.of(OptIn)
    assert not agent.engine.tapes.book.states
    assert agent.engine.consents == Consents(agent.engine.consents.new_id)


def test_a_standing_opt_in_counts_only_while_the_line_is_known_to_be_whose_it_was() -> None:
    agent = Agent().play("0 optin Line=201 Trigger=service Calls=all")
    (given,) = agent.engine.consents.standing()
    stored = agent.open_records()
    agent.engine.consents.settle({given.id: NOON + 2_000})
    agent.play("1.999 granted on=201#1 Trigger=service\n2 granted on=201#2 Trigger=service")
    assert len(agent.of(Recording)) == 1, "at that instant the line passes"
    # An agent that has just started, and has not looked up yet whether it passed meanwhile.
    restarted = Agent()
    restarted.engine.restore(stored)
    restarted.play("2 granted on=201#3 Trigger=service")
    assert restarted.acts == ["2 refused nobody"]


def in_a_call(*lines: str) -> Agent:
    joined = (f"1 BridgeEnter on={line} BridgeUniqueid=b{number}" for number, line in enumerate(lines))
    return Agent().play("\n".join(["0 optin Line=201 Trigger=service Calls=all", *joined]))


def test_by_command_the_call_in_which_a_line_talks_is_recorded() -> None:
    agent = in_a_call("201#2~1")
    grant, name = agent.engine.tapes.grant_line("201", NOON + 2_000)
    assert name == "PJSIP/201-00000002"
    assert [shown(record) for record in grant.records if isinstance(record, Recording)] == [
        f"recording line=201 leg=callee trigger=service opted_in=True state=opted_in optin={agent.of(OptIn)[0].id}"
    ]


@pytest.mark.parametrize(
    ("agent", "line", "error", "says"),
    [
        (in_a_call(), "201", LookupError, "in no call"),
        (in_a_call("201#1", "201#2"), "201", ValueError, "several calls"),
        (in_a_call("202#1"), "202", ValueError, "nobody has opted in"),
        (
            in_a_call("201#1").play("1.1 granted on=201#1 Trigger=code\n1.2 MixMonitorStart on=201#1"),
            "201",
            ValueError,
            "already",
        ),
        (in_a_call("201#1").play("1.1 granted on=201#1 Trigger=code"), "201", ValueError, "already"),
        (in_a_call("201#1").play("1.1 DialBegin on=201#1 to=t#2~1 DialString=999@t"), "201", ValueError, "emergency"),
    ],
    ids=["no call", "two calls", "no opt-in", "recorded", "about to be", "emergency"],
)
def test_by_command_it_is_refused_in_one_clear_sentence(
    agent: Agent, line: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        agent.engine.tapes.grant_line(line, NOON + 2_000)


@pytest.mark.parametrize("ended", ["2 Hangup on=205#1", "2 asked 1 OptOut"])
def test_nothing_can_be_asked_of_a_recording_that_is_over(ended: str) -> None:
    agent = Agent().play(f"1 granted on=205#1 Trigger=code\n{ended}")
    with pytest.raises(LookupError, match="no recording with this id runs now"):
        agent.play("3 asked 1 Pause")
    with pytest.raises(LookupError):
        agent.engine.tapes.ask("unknown", Ask.PAUSE, NOON)
