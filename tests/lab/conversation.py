"""What the two sides of an answered call do, as SIPp is told it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.lab import tone
from tests.lab.messages import SDP, Dialog, address, confirmed, invite, receive, response, saved_tag, send

SPEECH, SILENCE = "speech.alaw", "silence.alaw"


def _stream(file: str) -> str:
    """Says the file again and again from now on; 8 is G.711 A-law."""
    return f'<nop><action><exec rtp_stream="{file},-1,8,PCMA/8000"/></action></nop>'


@dataclass(frozen=True, slots=True)
class Talk:
    """Does nothing for `seconds`; a call that the other side ends meanwhile is over in good order."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Say:
    """Says the tone of tests.lab.tone for `seconds`; this phone is silent before and after.

    The first Say of a phone's steps begins at 0 s of the tone, the next at 10 s, and so on, so that a wave tells which.
    """

    seconds: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Silence for `seconds`, and through all other steps but Say, as of a phone on which nobody speaks."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RecordButton:
    """SIP INFO with `Record: on` or `off`, as a phone's own record button sends it; `expect` is the answer."""

    on: bool
    expect: int = 200


@dataclass(frozen=True, slots=True)
class Dial:
    """Digits within the call, a SIP INFO each (application/dtmf-relay)."""

    digits: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A blind transfer by REFER to `number`, after which this phone hangs up: the last step of a caller."""

    number: str


@dataclass(frozen=True, slots=True)
class Consult:
    """A transfer by REFER with Replaces, after `seconds` of talk with `number`: the last step of a caller."""

    number: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Puts the other side on hold (a re-INVITE with `sendonly`), for as long as the next step lasts."""


Step = Talk | Say | Listen | RecordButton | Dial | Transfer | Consult | Hold


def conversation(dialog: Dialog, steps: Sequence[Step], cseq: int) -> list[str]:
    """From the ACK to the BYE of either side; who neither says the tone nor listens speaks, so that all is recorded."""
    quiet = any(isinstance(step, Say | Listen) for step in steps)
    out = [_stream(SILENCE if quiet else SPEECH)]
    tones = iter(tone.FILES)
    for number, step in enumerate(steps):
        match step:
            case Talk(seconds) | Listen(seconds):
                out += _talk(dialog, seconds, f"{number}")
            case Say(seconds):
                out += [_stream(next(tones)), *_talk(dialog, seconds, f"{number}"), _stream(SILENCE)]
            case RecordButton(on, expect):
                out += _info(dialog, cseq, extra=f"Record: {'on' if on else 'off'}", expect=expect)
                cseq += 1
            case Dial(digits):
                for digit in digits:
                    body = f"Signal={digit}\nDuration=100"
                    out += _info(dialog, cseq, extra="Content-Type: application/dtmf-relay", body=body)
                    cseq += 1
            case Hold():
                out += _hold(dialog, cseq)
                cseq += 1
            case Transfer(to):
                return [*out, *_refer(dialog, cseq, address(to)), *_goodbye(dialog, cseq + 1)]
            case Consult(to, seconds):
                return [*out, *_consultation(dialog, cseq, to, seconds), *_goodbye(dialog, cseq + 1)]
    return [*out, *_goodbye(dialog, cseq)]


def _talk(dialog: Dialog, seconds: float, name: str) -> list[str]:
    """Waits for so long, or for the other side's BYE; what that asks within the call begins the wait anew.

    SIPp heeds the time limit of the first of several alternatives.
    """
    return [
        f'<label id="talk{name}"/>',
        receive(
            request="INFO",
            extra=f'optional="true" timeout="{seconds * 1000:.0f}" ontimeout="step{name}" next="asked{name}"',
        ),
        receive(request="UPDATE", extra=f'optional="true" next="asked{name}"'),
        receive(request="INVITE", extra=f'optional="true" next="again{name}"'),
        receive(request="BYE", extra='next="bye"'),
        f'<label id="asked{name}"/>',
        send(response(200, dialog.user_agent), retransmit=False, after=f"talk{name}"),
        f'<label id="again{name}"/>',
        send(response(200, dialog.user_agent, SDP)),
        receive(request="ACK", extra=f'next="talk{name}"'),
        f'<label id="step{name}"/>',
    ]


def _goodbye(dialog: Dialog, cseq: int) -> list[str]:
    return [
        send(dialog.request("BYE", cseq)),
        receive(response=200, extra='next="end"'),
        '<label id="bye"/>',
        send(response(200, dialog.user_agent), retransmit=False),
        '<label id="end"/>',
        "<nop/>",
    ]


def _refer(dialog: Dialog, cseq: int, target: str) -> list[str]:
    """REFER, and answers to what Asterisk says then, until it has been silent for half a second."""
    consulted = "Replaces" in target
    headers = f"Refer-To: <{target}>\nReferred-By: <sip:[remote_ip]>"
    return [
        send(dialog.request("REFER", cseq, headers)),
        receive(response=202),
        '<label id="listen"/>',
        # SIPp heeds the time limit of the first of several alternatives
        receive(request="NOTIFY", extra='optional="true" timeout="500" ontimeout="referred" next="noted"'),
        receive(request="BYE", extra='next="left"'),
        '<label id="noted"/>',
        send(response(200, dialog.user_agent), retransmit=False, after="listen"),
        '<label id="left"/>',
        send(response(200, dialog.user_agent), retransmit=False, after="listen" if consulted else "end"),
        '<label id="referred"/>',
        # after a consultation Asterisk itself ends both calls
        *(['<nop next="end"/>'] if consulted else []),
    ]


def _consultation(dialog: Dialog, cseq: int, number: str, seconds: float) -> list[str]:
    """A second call, and the REFER that puts its far end in place of this phone."""
    caller = dialog.headers.partition("\n")[0].replace(";tag=", ";tag=2nd")
    second = replace(
        dialog,
        uri=address(number),
        headers=f"{caller}\nTo: <{address(number)}>",
        # what stands before the slashes tells two dialogs of one SIPp call apart
        call_id="2nd///[call_id]",
    )
    replaces = "Replaces=2nd///[call_id]%3Bto-tag%3D[$second]%3Bfrom-tag%3D2nd[pid]c[call_number]"
    return [
        *invite(second),
        receive(response=100, extra='optional="true"'),
        receive(response=180, extra='optional="true"'),
        receive(response=183, extra='optional="true"'),
        receive(response=200, inside=saved_tag("second")),
        send(confirmed(second, "second").request("ACK", 2), retransmit=False),
        f'<pause milliseconds="{seconds * 1000:.0f}"/>',
        *_refer(dialog, cseq, f"{address(number)}?{replaces}"),
        '<Reference variables="second_header,second"/>',
    ]


def _hold(dialog: Dialog, cseq: int) -> list[str]:
    on_hold = SDP.replace("o=- 1 1", "o=- 1 2") + "\na=sendonly"
    return [
        send(dialog.request("INVITE", cseq, "Content-Type: application/sdp", on_hold)),
        receive(response=100, extra='optional="true"'),
        receive(response=200),
        send(dialog.request("ACK", cseq), retransmit=False),
    ]


def _info(dialog: Dialog, cseq: int, extra: str, body: str = "", expect: int = 200) -> list[str]:
    return [
        send(dialog.request("INFO", cseq, extra, body)),
        receive(request="BYE", extra='optional="true" next="bye"'),
        receive(response=expect),
    ]
