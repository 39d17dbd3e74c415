"""SIPp scenarios, put together from the few messages that phones and trunks exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.lab.messages import (
    SDP,
    VIA,
    Dialog,
    address,
    confirmed,
    invite,
    outgoing,
    receive,
    rejected,
    response,
    saved_tag,
    scenario,
    send,
)

# so that a recording has something to record; 8 is G.711 A-law
_SPEECH = '<nop><action><exec rtp_stream="speech.alaw,-1,8,PCMA/8000"/></action></nop>'


@dataclass(frozen=True, slots=True)
class Talk:
    """Says nothing for `seconds`; a call that the other side ends meanwhile is over in good order."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RecordButton:
    """SIP INFO with the header `Record: on` or `off`, as a phone's own record button sends it."""

    on: bool


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


Step = Talk | RecordButton | Dial | Transfer | Consult


def register(
    *, line: str, password: str, user_agent: str, expires: int, cseq: int, expect: int, contact: str = ""
) -> str:
    """REGISTER, the challenge, REGISTER again, and the final answer `expect`; uses `cseq` and `cseq` + 1.

    `contact` is the host and port that the phone believes to be its own, behind a NAT or a proxy.
    """

    def attempt(number: int, credentials: str = "") -> str:
        lines = [
            "REGISTER sip:[remote_ip]:[remote_port] SIP/2.0",
            VIA,
            f"From: <sip:{line}@[remote_ip]>;tag=[pid]r[call_number]",
            f"To: <sip:{line}@[remote_ip]>",
            "Call-ID: [call_id]",
            f"CSeq: {number} REGISTER",
            f"Contact: <sip:{line}@{contact or '[local_ip]:[local_port]'};transport=[transport]>",
            f"Expires: {expires}",
            "Max-Forwards: 70",
            f"User-Agent: {user_agent}",
            *([credentials] if credentials else []),
            "Content-Length: 0",
        ]
        return "\n".join(lines)

    return scenario(
        send(attempt(cseq)),
        receive(response=401, extra='auth="true"'),
        send(attempt(cseq + 1, f"[authentication username={line} password={password}]")),
        receive(response=expect),
    )


def call(
    *, line: str, password: str, user_agent: str, number: str, name: str, steps: Sequence[Step], expect: int
) -> str:
    """INVITE with authentication; answered with 200 it goes through `steps` and hangs up, else it is over."""
    dialog = outgoing(line, password, user_agent, number, name)
    beginning = [
        *invite(dialog),
        receive(response=100, extra='optional="true"'),
        receive(response=180, extra='optional="true"'),
        receive(response=183, extra='optional="true"'),
    ]
    if expect != 200:
        return scenario(*beginning, receive(response=expect), send(rejected(dialog, 2)))
    return scenario(
        *beginning,
        receive(response=200, inside=saved_tag("first")),
        send(confirmed(dialog, "first").request("ACK", 2), retransmit=False),
        *_conversation(confirmed(dialog, "first"), steps, cseq=3),
        '<Reference variables="first_header,first"/>',
    )


def abandoned_call(*, line: str, password: str, user_agent: str, number: str, name: str, ring_s: float) -> str:
    """INVITE with authentication, and CANCEL after `ring_s` seconds of ringing."""
    dialog = outgoing(line, password, user_agent, number, name)
    cancel = "\n".join(
        [
            f"CANCEL {dialog.uri} SIP/2.0",
            "[last_Via:]",
            dialog.headers,
            "Call-ID: [call_id]",
            "CSeq: 2 CANCEL",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
    )
    return scenario(
        *invite(dialog),
        receive(response=100, extra='optional="true"'),
        receive(response=180),
        f'<pause milliseconds="{ring_s * 1000:.0f}"/>',
        send(cancel),
        receive(response=200),
        receive(response=487),
        send(rejected(dialog, 2)),
    )


def answering(*, answers: int | None, ring_s: float, steps: Sequence[Step], user_agent: str) -> str:
    """Takes calls: rings for `ring_s`, then answers 200 and goes through `steps`, or refuses with `answers`.

    `None` swallows the INVITE without a word, as a black hole does.
    """
    if answers is None:
        return scenario(receive(request="INVITE"), '<pause milliseconds="120000"/>')
    save = (
        '<action><ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>'
        '<ereg regexp="&lt;sip:[^&gt;]*&gt;" search_in="hdr" header="From:" assign_to="caller"/>'
        '<ereg regexp="tag=.*" search_in="hdr" header="From:" assign_to="tag"/>'
        '<ereg regexp="&lt;sip:[^&gt;]*&gt;" search_in="hdr" header="To:" assign_to="me"/></action>'
    )
    dialog = Dialog(
        uri="sip:[remote_ip]:[remote_port]",
        headers="From: [$me];tag=[pid]t[call_number]\nTo: [$caller];[$tag]",
        user_agent=user_agent,
    )
    final = response(answers, user_agent, SDP if answers == 200 else "")
    ringing = [send(response(180, user_agent), retransmit=False)] if ring_s or answers == 200 else []
    return scenario(
        receive(request="INVITE", inside=save),
        *ringing,
        *(
            [receive(request="CANCEL", extra=f'timeout="{ring_s * 1000:.0f}" ontimeout="final" next="cancelled"')]
            if ring_s
            else []
        ),
        '<label id="final"/>',
        send(final),
        receive(request="ACK", extra="" if answers == 200 else 'next="over"'),
        *(_conversation(dialog, steps or [Talk(3600)], cseq=1) if answers == 200 else []),
        *(['<nop next="over"/>'] if answers == 200 else []),
        '<label id="cancelled"/>',
        send(response(200, user_agent), retransmit=False),
        send(response(487, user_agent).replace("[last_CSeq:]", "CSeq: [$cseq] INVITE")),
        receive(request="ACK"),
        '<label id="over"/>',
        "<nop/>",
        '<Reference variables="cseq,caller,tag,me"/>',
    )


def _conversation(dialog: Dialog, steps: Sequence[Step], cseq: int) -> list[str]:
    """From the ACK to the BYE of either side."""
    out = [_SPEECH]
    for number, step in enumerate(steps):
        match step:
            case Talk(seconds):
                wait = f'timeout="{seconds * 1000:.0f}" ontimeout="step{number}" next="bye"'
                out += [receive(request="BYE", extra=wait), f'<label id="step{number}"/>']
            case RecordButton(on):
                out += _info(dialog, cseq, extra=f"Record: {'on' if on else 'off'}")
                cseq += 1
            case Dial(digits):
                for digit in digits:
                    body = f"Signal={digit}\nDuration=100"
                    out += _info(dialog, cseq, extra="Content-Type: application/dtmf-relay", body=body)
                    cseq += 1
            case Transfer(to):
                return [*out, *_refer(dialog, cseq, address(to)), *_goodbye(dialog, cseq + 1)]
            case Consult(to, seconds):
                return [*out, *_consultation(dialog, cseq, to, seconds), *_goodbye(dialog, cseq + 1)]
    return [*out, *_goodbye(dialog, cseq)]


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


def _info(dialog: Dialog, cseq: int, extra: str, body: str = "") -> list[str]:
    return [
        send(dialog.request("INFO", cseq, extra, body)),
        receive(request="BYE", extra='optional="true" next="bye"'),
        receive(response=200),
    ]
