#!/usr/bin/env python3
"""Asks the agent whether a call may be recorded; Asterisk runs it as an AGI script (dialplan/recording.conf).

AGI(recording.py,<socket>,<trigger>,<line>,<calls>,<Linkedid>,<channel>,<Uniqueid>) sets RECORDING_ID to the name under
which the call may be recorded (with the trigger `resume`: may be recorded again after a pause), or leaves it as it was
and sets RECORDING_WHY to one word. It takes no longer than LIMIT_S: no answer means no recording, and the call goes on.
Needs Python 3.7 or later and pyst2.
"""

import json
import os
import re
import signal
import socket
import sys

from asterisk.agi import AGI, AGIException

#: Seconds that a call may wait for an answer.
ANSWER_S = 1.0
#: After this the kernel ends the script, whatever it is at.
LIMIT_S = 3
MOST_BYTES = 4096


def ask(place, question):
    """The agent's answer, a dict; raises OSError or ValueError where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(ANSWER_S)
        agent.connect(place)
        agent.sendall(json.dumps(question).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n") and len(answer) < MOST_BYTES:
            chunk = agent.recv(MOST_BYTES)
            if not chunk:
                break
            answer += chunk
    found = json.loads(answer)
    if not isinstance(found, dict):
        raise ValueError("no answer")
    return found


def word(value, pattern):
    """``value``, if it is of a kind that needs no quoting in an AGI command (pyst2 quotes nothing); else ""."""
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else ""


def main():
    """One question, one answer."""
    signal.alarm(LIMIT_S)
    # Asterisk tells the channel on standard input too, but there a line break in the caller's number can forge it.
    place, trigger, line, calls, linked, channel, uniqueid = (sys.argv[1:] + [""] * 7)[:7]
    # A caller's name may be of any bytes.
    sys.stdin.reconfigure(errors="replace")
    with open(os.devnull, "w") as nowhere:  # pyst2 writes down the caller's environment
        try:
            agi = AGI(stderr=nowhere)
            question = {
                "trigger": trigger,
                "channel": channel,
                "uniqueid": uniqueid,
                "linkedid": linked,
                "line": line,
                "calls": calls,
            }
            try:
                answer = ask(place, question)
            except (OSError, ValueError, RecursionError):
                answer = {"why": "away"}
            granted = word(answer.get("id"), "[0-9a-f]{16}")
            if granted:
                agi.set_variable("RECORDING_ID", granted)
            else:
                agi.set_variable("RECORDING_WHY", word(answer.get("why"), "[a-z]{1,20}") or "away")
        except (AGIException, ValueError, OSError):
            pass  # the caller has hung up: there is nobody to tell


if __name__ == "__main__":
    main()
