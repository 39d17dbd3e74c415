"""Emergency calls, as the dialplan and plain call events tell of them, and as they are kept."""

import pytest

from tests.scenarios.transcript import NOON, Agent, expected

#: One call over two trunks, answered by the second, as our dialplan tells it (express session) …
DIALPLAN = """
    0.002 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
    0.003 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-a Attempt=1
    0.200 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-a Attempt=1
    0.201 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-a Status=CONGESTION Attempt=1
    0.202 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-b Attempt=2
    3.000 UserEvent on=trunk-b#3~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-b Attempt=2
    9.000 UserEvent on=trunk-b#3~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-b Attempt=2
    9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
    """
#: … and as call events tell it (bulk session).
CALLS = """
    0.000 SuccessfulAuth AccountID=201 SessionID=invite-1 from=203.0.113.7
    0.001 Newchannel on=201#1 Exten=999
    0.004 Newchannel on=trunk-a#2~1 Exten=s
    0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
    0.199 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=CONGESTION
    0.202 Hangup on=trunk-a#2~1
    0.204 Newchannel on=trunk-b#3~1 Exten=s
    0.205 DialBegin on=201#1 to=trunk-b#3~1 DialString=999@trunk-b
    3.002 DialEnd on=201#1 to=trunk-b#3~1 DialStatus=ANSWER
    9.001 Hangup on=201#1
    9.002 Hangup on=trunk-b#3~1
    """

SCENARIOS = {
    "calls only, two trunks, the second answers": f"""
        {CALLS}
        => emergency line=201 number=999 ip=203.0.113.7 started_at=0.001 answered_at=3.002 ended_at=9.002 \
                outcome=answered trunk=trunk-b attempts=2 ring_ms=3001 talk_ms=6000 seen_by=calls
        """,
    "dialplan only, two trunks, the second answers": f"""
        {DIALPLAN}
        => emergency line=201 number=999 started_at=0.002 answered_at=3 ended_at=9 \
                outcome=answered trunk=trunk-b attempts=2 ring_ms=2998 talk_ms=6000 seen_by=dialplan
        """,
    "no trunk takes it, says the dialplan": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=112
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-a Attempt=1
        0.200 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-a Status=BUSY Attempt=1
        0.201 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-b Attempt=2
        0.400 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-b Status=CHANUNAVAIL Attempt=2
        0.401 UserEvent on=201#1 UserEvent=Emergency Stage=Failed Call=#1 Number=112
        0.500 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=112 started_at=0 ended_at=0.5 outcome=failed trunk=trunk-b attempts=2 \
                seen_by=dialplan
        """,
    "no trunk takes it, say the calls": """
        0.000 Newchannel on=201#1 Exten=112
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=112@trunk-a
        0.199 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=BUSY
        0.205 DialBegin on=201#1 to=trunk-b#3~1 DialString=112@trunk-b
        0.399 DialEnd on=201#1 to=trunk-b#3~1 DialStatus=CHANUNAVAIL
        0.500 Hangup on=201#1
        => emergency line=201 number=112 started_at=0 ended_at=0.5 outcome=failed trunk=trunk-b attempts=2 \
                seen_by=calls
        """,
    "the dialplan knows no trunk": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Failed Call=#1 Number=999
        0.002 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=0 ended_at=0.002 outcome=failed seen_by=dialplan
        """,
    "an unmodified PBX that has no route for it": """
        0.000 Newchannel on=201#1 Exten=999
        0.050 Hangup on=201#1
        => emergency line=201 number=999 started_at=0 ended_at=0.05 outcome=failed seen_by=calls
        """,
    "abandoned before a trunk was tried": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.050 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=0 ended_at=0.05 outcome=abandoned seen_by=dialplan
        """,
    "abandoned while it rings": """
        0.000 Newchannel on=204#1 Exten=112
        0.005 DialBegin on=204#1 to=trunk-a#2~1 DialString=112@trunk-a
        2.000 DialEnd on=204#1 to=trunk-a#2~1 DialStatus=CANCEL
        2.001 Hangup on=trunk-a#2~1
        2.002 Hangup on=204#1
        => emergency line=204 number=112 started_at=0 ended_at=2.002 outcome=abandoned trunk=trunk-a attempts=1 \
                seen_by=calls
        """,
    "abandoned on the second trunk": """
        0.000 UserEvent on=204#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=112
        0.001 UserEvent on=204#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-a Attempt=1
        0.200 UserEvent on=204#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-a Status=BUSY Attempt=1
        0.201 UserEvent on=204#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-b Attempt=2
        2.000 UserEvent on=204#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=204 number=112 started_at=0 ended_at=2 outcome=abandoned trunk=trunk-b attempts=2 \
                seen_by=dialplan
        """,
    "two phones call at the same time": """
        0.000 Newchannel on=201#1 Exten=999
        0.001 Newchannel on=202#2 Exten=999
        0.002 DialBegin on=202#2 to=trunk-a#3~2 DialString=999@trunk-a
        0.003 DialBegin on=201#1 to=trunk-a#4~1 DialString=999@trunk-a
        1.000 DialEnd on=202#2 to=trunk-a#3~2 DialStatus=ANSWER
        2.000 Hangup on=201#1
        5.000 Hangup on=trunk-a#3~2
        5.001 Hangup on=202#2
        => emergency line=201 number=999 started_at=0 ended_at=2 outcome=abandoned trunk=trunk-a attempts=1 \
                seen_by=calls
        => emergency line=202 number=999 started_at=0.001 answered_at=1 ended_at=5 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=999 talk_ms=4000 seen_by=calls
        """,
    "one phone calls twice at the same time": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.500 UserEvent on=201#2 UserEvent=Emergency Stage=Dialled Call=#2 Number=112
        1.000 UserEvent on=trunk-a#3~2 UserEvent=Emergency Stage=Answered Call=#2 Number=112 Trunk=trunk-a Attempt=1
        1.500 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        2.000 UserEvent on=trunk-a#3~2 UserEvent=Emergency Stage=LegEnded Call=#2 Trunk=trunk-a Attempt=1
        2.000 UserEvent on=201#2 UserEvent=Emergency Stage=Ended Call=#2
        => emergency line=201 number=999 started_at=0 ended_at=1.5 outcome=abandoned seen_by=dialplan
        => emergency line=201 number=112 started_at=0.5 answered_at=1 ended_at=2 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=500 talk_ms=1000 seen_by=dialplan
        """,
    "a blind transfer: the emergency lasts as long as the leg to the emergency services": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        2.000 Newchannel on=202#3~1 Exten=s
        2.001 DialBegin on=trunk-a#2~1 to=202#3~1 DialString=202
        2.002 Hangup on=201#1
        2.200 DialEnd on=trunk-a#2~1 to=202#3~1 DialStatus=ANSWER
        9.000 Hangup on=202#3~1
        9.001 Hangup on=trunk-a#2~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9.001 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8001 seen_by=calls
        """,
    "an attended transfer by the phone, told by the dialplan": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-a Attempt=1
        1.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        2.000 Newchannel on=201#3 Exten=202
        2.001 Newchannel on=202#4~3 Exten=s
        2.002 DialBegin on=201#3 to=202#4~3 DialString=202
        2.200 DialEnd on=201#3 to=202#4~3 DialStatus=ANSWER
        4.000 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        4.001 Hangup on=201#1
        4.002 Hangup on=201#3
        9.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-a Attempt=1
        9.001 Hangup on=trunk-a#2~1
        9.002 Hangup on=202#4~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        """,
    "an attended transfer by feature code, through a Local channel": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        2.000 Newchannel on=Local/202@phones;1#3~1 Exten=202
        2.000 Newchannel on=Local/202@phones;2#4~1 Exten=202
        2.001 Newchannel on=202#5~1 Exten=s
        2.002 DialBegin on=Local/202@phones;2#4~1 to=202#5~1 DialString=202
        2.300 DialEnd on=Local/202@phones;2#4~1 to=202#5~1 DialStatus=ANSWER
        2.301 DialEnd to=Local/202@phones;1#3~1 DialStatus=ANSWER
        4.000 Hangup on=201#1
        9.000 Hangup on=Local/202@phones;1#3~1
        9.001 Hangup on=trunk-a#2~1
        9.002 Hangup on=Local/202@phones;2#4~1
        9.003 Hangup on=202#5~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9.001 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8001 seen_by=calls
        """,
    "the emergency services transfer the caller elsewhere: no other attempt": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        5.000 Hangup on=trunk-a#2~1
        5.001 DialBegin on=201#1 to=202#3~1 DialString=202
        5.200 DialEnd on=201#1 to=202#3~1 DialStatus=ANSWER
        9.000 Hangup on=202#3~1
        9.000 Hangup on=201#1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=5 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=4000 seen_by=calls
        """,
    "to the trunk through a Local channel, which is no trunk": """
        0.000 Newchannel on=201#1 Exten=999
        0.001 Newchannel on=Local/999@out;1#2~1 Exten=999
        0.001 Newchannel on=Local/999@out;2#3~1 Exten=999
        0.002 DialBegin on=201#1 to=Local/999@out;1#2~1 DialString=999@out
        0.003 DialBegin on=Local/999@out;2#3~1 to=trunk-a#4~1 DialString=999@trunk-a
        1.000 DialEnd on=Local/999@out;2#3~1 to=trunk-a#4~1 DialStatus=ANSWER
        1.001 DialEnd on=201#1 to=Local/999@out;1#2~1 DialStatus=ANSWER
        9.000 Hangup on=Local/999@out;1#2~1
        9.000 Hangup on=Local/999@out;2#3~1
        9.000 Hangup on=201#1
        9.001 Hangup on=trunk-a#4~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9.001 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8001 seen_by=calls
        """,
    "to the trunk through a Local channel, and the trunk wants another form of the number": """
        0.000 Newchannel on=201#1 Exten=999
        0.001 Newchannel on=Local/999@out;1#2~1 Exten=999
        0.001 Newchannel on=Local/999@out;2#3~1 Exten=999
        0.002 DialBegin on=201#1 to=Local/999@out;1#2~1 DialString=999@out
        0.003 DialBegin on=Local/999@out;2#3~1 to=trunk-a#4~1 DialString=trunk-a/sip:44999@carrier.example
        1.000 DialEnd on=Local/999@out;2#3~1 to=trunk-a#4~1 DialStatus=ANSWER
        9.000 Hangup on=201#1
        9.001 Hangup on=trunk-a#4~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9.001 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8001 seen_by=calls
        """,
    "over ISDN: the trunk is the span, never the number in the channel's name": """
        0.000 Newchannel on=SIP/201#1 Exten=999
        0.005 DialBegin on=SIP/201#1 to=DAHDI/i1/999#2~1 DialString=i1/999
        1.000 DialEnd on=SIP/201#1 to=DAHDI/i1/999#2~1 DialStatus=ANSWER
        9.000 Hangup on=DAHDI/i1/999#2~1
        9.001 Hangup on=SIP/201#1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=i1 attempts=1 ring_ms=1000 talk_ms=8000 seen_by=calls
        """,
    "with the outside line's 9, withheld, with URI parameters": """
        0.000 Newchannel on=201#1 Exten=9999
        1.000 Newchannel on=202#2 Exten=141999
        2.000 Newchannel on=203#3 Exten=999;phone-context=+44
        3.000 Newchannel on=204#4 Exten=99
        4.000 Newchannel on=205#5 Exten=07700900999
        => emergency line=201 number=999 started_at=0 outcome=in_progress seen_by=calls
        => emergency line=202 number=999 started_at=1 outcome=in_progress seen_by=calls
        => emergency line=203 number=999 started_at=2 outcome=in_progress seen_by=calls
        """,
    "a phone whose own name is an emergency number is called: no emergency": """
        0.000 Newchannel on=201#1 Exten=600
        0.005 DialBegin on=201#1 to=112#2~1 DialString=112
        1.000 Hangup on=112#2~1
        1.000 Hangup on=201#1
        """,
    "placed by the PBX itself: two calls without a caller are two emergencies": """
        0.000 Newchannel on=trunk-a#1 Exten=s
        0.001 DialBegin to=trunk-a#1 DialString=999@trunk-a
        0.500 Newchannel on=trunk-a#2 Exten=s
        0.501 DialBegin to=trunk-a#2 DialString=112@trunk-a
        1.000 DialEnd to=trunk-a#1 DialStatus=ANSWER
        2.000 Hangup on=trunk-a#2
        9.000 Hangup on=trunk-a#1
        => emergency number=999 started_at=0.001 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=999 talk_ms=8000 seen_by=calls
        => emergency number=112 started_at=0.501 ended_at=2 outcome=abandoned trunk=trunk-a attempts=1 seen_by=calls
        """,
    "a rehearsal is marked so by any of its stages": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Failed Call=#1 Number=999 Test=1
        0.002 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=0 ended_at=0.002 outcome=failed seen_by=dialplan test=True
        """,
    "a forged stage behind the true one is not read, a strange one is noted and changes nothing": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999 Stage=Ended
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=forged Call=#1 Number=<script> Attempt=-7
        0.002 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Trunk=trunk-a Attempt=99999999999999999999
        => emergency line=201 number=999 started_at=0 outcome=in_progress trunk=trunk-a seen_by=dialplan
        """,
    "a strange stage alone is an emergency of an unknown number": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=what Call=#1 Number='no number'
        => emergency line=201 number=unknown started_at=0 outcome=in_progress seen_by=dialplan blind=True
        """,
    "first heard when it is answered": """
        3.000 UserEvent on=trunk-b#3~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-b Attempt=2
        9.000 UserEvent on=trunk-b#3~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-b Attempt=2
        9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=3 answered_at=3 ended_at=9 outcome=answered trunk=trunk-b \
                attempts=2 talk_ms=6000 seen_by=dialplan blind=True
        """,
    "first heard when it ends: it was there, and nothing else is known": """
        9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=unknown started_at=9.001 ended_at=9.001 outcome=abandoned seen_by=dialplan \
                blind=True
        """,
    "late evidence completes a finished record: the answer comes on the slower session after the end": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        10.000 tick
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        9.000 Hangup on=trunk-a#2~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        """,
    "a call that is over is not made twice, though the PBX's clock is an hour behind the agent's": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        9.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-a Attempt=1
        3609.000 tick
        9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        """,
    "restart in mid-call, up still: it goes on to its end": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-a Attempt=1
        1.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        5.000 restart
        6.000 CoreShowChannel on=trunk-a#2~1 Exten= BridgeId=b Duration=00:00:06
        6.000 CoreShowChannel on=201#1 Exten=999 BridgeId=b Duration=00:00:06
        6.001 CoreShowChannelsComplete
        9.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-a Attempt=1
        9.001 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        """,
    "restart in mid-call, gone meanwhile: how long they talked is not known": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        5.000 restart
        60.000 CoreShowChannelsComplete
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=60 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 seen_by=calls blind=True
        """,
    "restart while it rings, answered meanwhile: since when is not known": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        0.500 restart
        6.000 CoreShowChannel on=trunk-a#2~1 Exten=s BridgeId=b Duration=00:00:06
        6.000 CoreShowChannel on=201#1 Exten=999 BridgeId=b Duration=00:00:06
        6.001 CoreShowChannelsComplete
        9.000 Hangup on=trunk-a#2~1
        9.001 Hangup on=201#1
        => emergency line=201 number=999 started_at=0 answered_at=6 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 seen_by=calls blind=True
        """,
    "restart while it rings, rings still, and is answered then": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        0.500 restart
        6.000 CoreShowChannel on=201#1 Exten=999 Duration=00:00:06
        6.000 CoreShowChannel on=trunk-a#2~1 Exten=s Duration=00:00:06
        6.001 CoreShowChannelsComplete
        8.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        9.000 Hangup on=trunk-a#2~1
        9.001 Hangup on=201#1
        => emergency line=201 number=999 started_at=0 answered_at=8 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=8000 talk_ms=1000 seen_by=calls
        """,
    "restart between two trunks: the first one's refusal is not forgotten": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        0.199 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=CONGESTION
        0.205 DialBegin on=201#1 to=trunk-b#3~1 DialString=999@trunk-b
        0.500 restart
        0.600 CoreShowChannel on=trunk-b#3~1 Exten=s Duration=00:00:00
        0.600 CoreShowChannel on=201#1 Exten=999 Duration=00:00:01
        0.601 CoreShowChannelsComplete
        0.700 DialEnd on=201#1 to=trunk-b#3~1 DialStatus=BUSY
        0.701 DialBegin on=201#1 to=trunk-c#4~1 DialString=999@trunk-c
        0.900 DialEnd on=201#1 to=trunk-c#4~1 DialStatus=CHANUNAVAIL
        1.000 Hangup on=201#1
        => emergency line=201 number=999 started_at=0 ended_at=1 outcome=failed trunk=trunk-c attempts=3 seen_by=calls
        """,
    "restart between two trunks, and the channels that were up are heard of late: the second was tried last": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=112
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-a Attempt=1
        0.100 restart
        0.290 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-a Status=BUSY Attempt=1
        0.291 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-b Attempt=2
        0.300 CoreShowChannel on=trunk-a#2~1 Exten=112 Duration=00:00:00
        0.300 CoreShowChannel on=201#1 Exten=112 Duration=00:00:00
        0.301 CoreShowChannelsComplete
        0.600 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-b Status=BUSY Attempt=2
        0.601 UserEvent on=201#1 UserEvent=Emergency Stage=Failed Call=#1 Number=112
        0.602 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=112 started_at=0 ended_at=0.602 outcome=failed trunk=trunk-b attempts=2 \
                seen_by=dialplan
        """,
    "restart behind the dialplan's last refusal": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=112
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=112 Trunk=trunk-a Attempt=1
        0.200 UserEvent on=201#1 UserEvent=Emergency Stage=Refused Call=#1 Trunk=trunk-a Status=BUSY Attempt=1
        0.300 restart
        0.500 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=112 started_at=0 ended_at=0.5 outcome=failed trunk=trunk-a attempts=1 \
                seen_by=dialplan
        """,
    "restart when the dialplan has given up without a trunk": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=112
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Failed Call=#1 Number=112
        0.300 restart
        0.500 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1
        => emergency line=201 number=112 started_at=0 ended_at=0.5 outcome=failed seen_by=dialplan
        """,
    "restart after the caller's transfer: the leg to the emergency services ends it": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        2.001 DialBegin on=trunk-a#2~1 to=202#3~1 DialString=202
        2.002 Hangup on=201#1
        3.000 restart
        4.000 CoreShowChannel on=202#3~1 Exten= BridgeId=b Duration=00:00:02
        4.000 CoreShowChannel on=trunk-a#2~1 Exten=202 BridgeId=b Duration=00:00:04
        4.001 CoreShowChannelsComplete
        9.000 Hangup on=202#3~1
        9.001 Hangup on=trunk-a#2~1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9.001 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8001 seen_by=calls
        """,
    "found up after a blind time, nothing of it heard before": """
        100.000 back
        100.010 CoreShowChannel on=trunk-a#2~1 Exten= BridgeId=b Duration=00:00:29
        100.010 CoreShowChannel on=201#1 Exten=999 BridgeId=b Duration=00:00:30
        100.010 CoreShowChannel on=205#7 Exten=206 BridgeId=c Duration=01:00:00
        100.020 CoreShowChannelsComplete
        130.000 Hangup on=trunk-a#2~1
        130.001 Hangup on=201#1
        => emergency line=201 number=999 started_at=70.01 answered_at=100.01 ended_at=130 outcome=answered \
                trunk=trunk-a attempts=1 seen_by=calls blind=True
        """,
    "found ringing after a blind time, and hung up while the list was told": """
        100.000 back
        100.010 CoreShowChannel on=201#1 Exten=999 Duration=00:00:30
        100.011 Hangup on=201#1
        100.020 CoreShowChannelsComplete
        => emergency line=201 number=999 started_at=70.01 ended_at=100.011 outcome=abandoned seen_by=calls blind=True
        """,
    "up while the bulk session was away, and in its list": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        2.000 lost bulk
        5.000 regained bulk
        5.000 back
        5.010 CoreShowChannel on=201#1 Exten=999 BridgeId=b Duration=00:00:05
        5.010 CoreShowChannel on=trunk-a#2~1 Exten= BridgeId=b Duration=00:00:05
        5.011 CoreShowChannelsComplete
        9.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=LegEnded Call=#1 Trunk=trunk-a Attempt=1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        => blind session=bulk cause=closed from_at=2 until_at=5
        """,
    "dialled while the list was told: not ended by it": """
        0.000 back
        0.010 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.011 CoreShowChannelsComplete
        => emergency line=201 number=999 started_at=0.01 outcome=in_progress seen_by=dialplan
        """,
    "its end is in the journal alone: it is the true one, and the live list does not close it": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.000 UserEvent on=trunk-a#2~1 UserEvent=Emergency Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        5.000 restart
        0.000 Journal on=201#1 Stage=Dialled Call=#1 Number=999
        1.000 Journal on=trunk-a#2~1 Stage=Answered Call=#1 Number=999 Trunk=trunk-a Attempt=1
        9.000 Journal on=trunk-a#2~1 Stage=LegEnded Call=#1 Number=999 Trunk=trunk-a Attempt=1
        9.001 Journal on=201#1 Stage=Ended Call=#1 Number=999
        20.000 read #1
        20.001 CoreShowChannelsComplete
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=dialplan
        """,
    "the journal tells the end after the live list did not show the call: the end is known after all": """
        0.000 Newchannel on=201#1 Exten=999
        0.005 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        1.000 DialEnd on=201#1 to=trunk-a#2~1 DialStatus=ANSWER
        5.000 restart
        60.000 CoreShowChannelsComplete
        9.000 Journal on=trunk-a#2~1 Stage=LegEnded Call=#1 Number=999 Trunk=trunk-a Attempt=1
        => emergency line=201 number=999 started_at=0 answered_at=1 ended_at=9 outcome=answered \
                trunk=trunk-a attempts=1 ring_ms=1000 talk_ms=8000 seen_by=calls
        """,
    "wholly in the journal, the address of the INVITE with it": """
        0.000 Journal on=201#1 Stage=Dialled Call=#1 Number=112 Address=203.0.113.7
        0.003 Journal on=201#1 Stage=Trying Call=#1 Number=112 Trunk=trunk-a Attempt=1 Cli=+441134960000
        2.000 Journal on=201#1 Stage=Ended Call=#1 Number=112
        => emergency line=201 number=112 ip=203.0.113.7 started_at=0 ended_at=2 outcome=abandoned \
                trunk=trunk-a attempts=1 seen_by=journal
        => detail emergency=id-1 cli=+441134960000 until_at=3602
        """,
    "two trunks within a millisecond, one of them told again: the second is the last": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-z Attempt=1
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999 Trunk=trunk-b Attempt=2
        0.001 Journal on=201#1 Stage=Trying Call=#1 Number=999 Trunk=trunk-z Attempt=1
        => emergency line=201 number=999 started_at=0 outcome=in_progress trunk=trunk-b attempts=2 seen_by=dialplan
        """,
    "the dialplan's own time goes before Asterisk's, unless it is absurd": f"""
        0.010 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999 At={NOON // 1000}.004
        5.000 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1 Number=999 At=1
        => emergency line=201 number=999 started_at=0.004 ended_at=5 outcome=abandoned seen_by=dialplan
        """,
    "sent over AMI and not by a dialplan: not believed": """
        0.000 UserEvent UserEvent=Emergency Stage=Dialled Call=#1 Number=999 on=201#1
        1.000 UserEvent UserEvent=Emergency Stage=Ended Call=#1 Number=999
        """,
    "nor can it end a call": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        1.000 UserEvent UserEvent=Emergency Stage=Ended Call=#1 Number=999
        => emergency line=201 number=999 started_at=0 outcome=in_progress seen_by=dialplan
        """,
    "a full trunk gave up an ordinary call for it": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        0.001 UserEvent on=201#1 UserEvent=Emergency Stage=Preempted Call=#1 Number=999 Trunk=trunk-a
        => emergency line=201 number=999 started_at=0 outcome=in_progress seen_by=dialplan preempted=True
        """,
    "the emergency services ring back twice, the second time while the agent is away": """
        0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999
        2.000 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1 Number=999
        3.000 tick
        60.000 UserEvent on=trunk-a#5 UserEvent=Emergency Stage=Callback Call=#1 Number=999
        61.000 UserEvent on=201#6~5 UserEvent=Emergency Stage=CallbackAnswered Call=#1 Number=999
        70.000 UserEvent on=trunk-a#5 UserEvent=Emergency Stage=CallbackEnded Call=#1 Number=999
        70.001 Hangup on=201#6~5
        80.000 restart
        61.000 Journal on=201#6~5 Stage=CallbackAnswered Call=#1 Number=999
        7000.000 Journal on=201#8~7 Stage=CallbackAnswered Call=#1 Number=999
        => emergency line=201 number=999 started_at=0 ended_at=2 outcome=abandoned seen_by=dialplan callbacks=2
        """,
    "a probe is no emergency": """
        0.000 UserEvent UserEvent=EmergencyProbe Probe=0a1b2c
        => probe at=0
        """,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_emergencies(scenario: str) -> None:
    assert Agent().play(scenario).shown() == expected(scenario)


BOTH = expected("""
    => emergency line=201 number=999 ip=203.0.113.7 started_at=0.001 answered_at=3 ended_at=9 \
            outcome=answered trunk=trunk-b attempts=2 ring_ms=2999 talk_ms=6000 seen_by=dialplan
    """)


@pytest.mark.parametrize(
    "streams", [(DIALPLAN, CALLS), (CALLS, DIALPLAN)], ids=["the dialplan's first", "the calls' first"]
)
def test_both_sessions_tell_of_one_call(streams: tuple[str, str]) -> None:
    assert Agent().play("".join(streams)).shown() == BOTH


def test_both_sessions_in_step() -> None:
    lines = [line for line in (DIALPLAN + CALLS).splitlines() if line.strip()]
    assert Agent().play("\n".join(sorted(lines, key=lambda line: float(line.split()[0])))).shown() == BOTH


TWO_PHONES = """
    0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
    0.001 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
    0.002 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent=snomD785/10.1
    1.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=198.51.100.9
    1.001 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.30
    1.002 ContactStatusDetail aor=201 URI=sip:201@192.168.1.30 CallID=reg-2 expires=100 UserAgent='Zoiper v2.10.19'
    """
HOME, AWAY = "ip=203.0.113.7 vendor=snom model=D785", "ip=198.51.100.9 vendor=Zoiper"
DIALLED = "9.002 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999"


@pytest.mark.parametrize(("address", "where"), [("203.0.113.7", HOME), ("198.51.100.9", AWAY)])
@pytest.mark.parametrize("before", ["", "8.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=198.51.100.9"])
@pytest.mark.parametrize("express_first", [False, True])
def test_which_of_two_phones_calls(address: str, where: str, before: str, express_first: bool) -> None:
    """The INVITE's own address says it, however early the express session tells of the call."""
    invite = f"""
        9.000 SuccessfulAuth AccountID=201 SessionID=invite from={address}
        9.001 Newchannel on=201#1 Exten=999
        """
    streams = (DIALLED, invite) if express_first else (invite, DIALLED)
    agent = Agent().play("\n".join((TWO_PHONES, before, *streams)))
    assert where in agent.shown()[-1]


def test_which_of_two_phones_called_stays_so() -> None:
    agent = Agent().play(f"""
        {TWO_PHONES}
        9.000 SuccessfulAuth AccountID=201 SessionID=invite-1 from=203.0.113.7
        9.001 Newchannel on=201#1 Exten=999
        9.500 SuccessfulAuth AccountID=201 SessionID=invite-2 from=198.51.100.9
        9.501 Newchannel on=201#2 Exten=202
        30.000 Hangup on=201#1
        """)
    assert HOME in agent.shown()[-1]


def test_the_device_is_of_the_phone_that_called() -> None:
    """The one that called is described only after it called: the other's device is not taken for it."""
    agent = Agent().play("""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=198.51.100.9
        0.001 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@198.51.100.9
        0.002 ContactStatusDetail aor=201 URI=sip:201@198.51.100.9 CallID=reg-2 expires=100 UserAgent='Zoiper v2.10.19'
        0.003 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@203.0.113.7
        1.000 SuccessfulAuth AccountID=201 SessionID=invite from=203.0.113.7
        1.001 Newchannel on=201#1 Exten=999
        20.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=198.51.100.9
        21.000 DialBegin on=201#1 to=trunk-a#2~1 DialString=999@trunk-a
        """)
    assert "ip=203.0.113.7 started_at" in agent.shown()[-1]
