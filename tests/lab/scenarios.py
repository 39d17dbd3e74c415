"""SIPp scenarios, put together from the few messages that phones and trunks exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

ANSWER_S = 60
_SDP = """v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000"""
_VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dialog:
    """What a request within a call needs: the start line's URI and the headers that name the dialog."""

    uri: str
    headers: str
    user_agent: str
    credentials: str = ""
    call_id: str = "[call_id]"

    def request(self, method: str, cseq: int, extra: str = "", body: str = "") -> str:
        lines = [
            f"{method} {self.uri} SIP/2.0",
            _VIA,
            self.headers,
            f"Call-ID: {self.call_id}",
            f"CSeq: {cseq} {method}",
            "Contact: <sip:lab@[local_ip]:[local_port]>",
            "Max-Forwards: 70",
            f"User-Agent: {self.user_agent}",
            *([extra] if extra else []),
            "Content-Length: [len]",
            "",
            body,
        ]
        return "\n".join(lines)


def register(*, line: str, password: str, user_agent: str, expires: int, cseq: int, expect: int) -> str:
    """REGISTER, the challenge, REGISTER again, and the final answer `expect`; uses `cseq` and `cseq` + 1."""

    def attempt(number: int, credentials: str = "") -> str:
        lines = [
            "REGISTER sip:[remote_ip]:[remote_port] SIP/2.0",
            _VIA,
            f"From: <sip:{line}@[remote_ip]>;tag=[pid]r[call_number]",
            f"To: <sip:{line}@[remote_ip]>",
            "Call-ID: [call_id]",
            f"CSeq: {number} REGISTER",
            f"Contact: <sip:{line}@[local_ip]:[local_port];transport=[transport]>",
            f"Expires: {expires}",
            "Max-Forwards: 70",
            f"User-Agent: {user_agent}",
            *([credentials] if credentials else []),
            "Content-Length: 0",
        ]
        return "\n".join(lines)

    return _scenario(
        _send(attempt(cseq)),
        _receive(response=401, extra='auth="true"'),
        _send(attempt(cseq + 1, f"[authentication username={line} password={password}]")),
        _receive(response=expect),
    )


def call(
    *, line: str, password: str, user_agent: str, number: str, name: str, steps: Sequence[Step], expect: int
) -> str:
    """INVITE with authentication; answered with 200 it goes through `steps` and hangs up, else it is over."""
    dialog = _outgoing(line, password, user_agent, number, name)
    beginning = [
        *_invite(dialog),
        _receive(response=100, extra='optional="true"'),
        _receive(response=180, extra='optional="true"'),
        _receive(response=183, extra='optional="true"'),
    ]
    if expect != 200:
        return _scenario(*beginning, _receive(response=expect), _send(_rejected(dialog, 2)))
    return _scenario(
        *beginning,
        _receive(response=200, inside=_saved_tag("first")),
        _send(_confirmed(dialog, "first").request("ACK", 2), retransmit=False),
        *_conversation(_confirmed(dialog, "first"), steps, cseq=3),
        '<Reference variables="first_header,first"/>',
    )


def abandoned_call(*, line: str, password: str, user_agent: str, number: str, name: str, ring_s: float) -> str:
    """INVITE with authentication, and CANCEL after `ring_s` seconds of ringing."""
    dialog = _outgoing(line, password, user_agent, number, name)
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
    return _scenario(
        *_invite(dialog),
        _receive(response=100, extra='optional="true"'),
        _receive(response=180),
        f'<pause milliseconds="{ring_s * 1000:.0f}"/>',
        _send(cancel),
        _receive(response=200),
        _receive(response=487),
        _send(_rejected(dialog, 2)),
    )


def answering(*, answers: int | None, ring_s: float, steps: Sequence[Step], user_agent: str) -> str:
    """Takes calls: rings for `ring_s`, then answers 200 and goes through `steps`, or refuses with `answers`.

    `None` swallows the INVITE without a word, as a black hole does.
    """
    if answers is None:
        return _scenario(_receive(request="INVITE"), '<pause milliseconds="120000"/>')
    save = (
        '<action><ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="cseq"/>'
        '<ereg regexp="&lt;sip:[^&gt;]*&gt;" search_in="hdr" header="From:" assign_to="caller"/>'
        '<ereg regexp="tag=.*" search_in="hdr" header="From:" assign_to="tag"/>'
        '<ereg regexp="&lt;sip:[^&gt;]*&gt;" search_in="hdr" header="To:" assign_to="me"/></action>'
    )
    dialog = _Dialog(
        uri="sip:[remote_ip]:[remote_port]",
        headers="From: [$me];tag=[pid]t[call_number]\nTo: [$caller];[$tag]",
        user_agent=user_agent,
    )
    final = _response(answers, user_agent, _SDP if answers == 200 else "")
    ringing = [_send(_response(180, user_agent), retransmit=False)] if ring_s or answers == 200 else []
    return _scenario(
        _receive(request="INVITE", inside=save),
        *ringing,
        *(
            [_receive(request="CANCEL", extra=f'timeout="{ring_s * 1000:.0f}" ontimeout="final" next="cancelled"')]
            if ring_s
            else []
        ),
        '<label id="final"/>',
        _send(final),
        _receive(request="ACK", extra="" if answers == 200 else 'next="over"'),
        *(_conversation(dialog, steps or [Talk(3600)], cseq=1) if answers == 200 else []),
        *(['<nop next="over"/>'] if answers == 200 else []),
        '<label id="cancelled"/>',
        _send(_response(200, user_agent), retransmit=False),
        _send(_response(487, user_agent).replace("[last_CSeq:]", "CSeq: [$cseq] INVITE")),
        _receive(request="ACK"),
        '<label id="over"/>',
        "<nop/>",
        '<Reference variables="cseq,caller,tag,me"/>',
    )


def _conversation(dialog: _Dialog, steps: Sequence[Step], cseq: int) -> list[str]:
    """From the ACK to the BYE of either side."""
    out: list[str] = []
    for number, step in enumerate(steps):
        match step:
            case Talk(seconds):
                wait = f'timeout="{seconds * 1000:.0f}" ontimeout="step{number}" next="bye"'
                out += [_receive(request="BYE", extra=wait), f'<label id="step{number}"/>']
            case RecordButton(on):
                out += _info(dialog, cseq, extra=f"Record: {'on' if on else 'off'}")
                cseq += 1
            case Dial(digits):
                for digit in digits:
                    body = f"Signal={digit}\nDuration=100"
                    out += _info(dialog, cseq, extra="Content-Type: application/dtmf-relay", body=body)
                    cseq += 1
            case Transfer(to):
                return [*out, *_refer(dialog, cseq, _address(to)), *_goodbye(dialog, cseq + 1)]
            case Consult(to, seconds):
                return [*out, *_consultation(dialog, cseq, to, seconds), *_goodbye(dialog, cseq + 1)]
    return [*out, *_goodbye(dialog, cseq)]


def _goodbye(dialog: _Dialog, cseq: int) -> list[str]:
    return [
        _send(dialog.request("BYE", cseq)),
        _receive(response=200, extra='next="end"'),
        '<label id="bye"/>',
        _send(_response(200, dialog.user_agent), retransmit=False),
        '<label id="end"/>',
        "<nop/>",
    ]


def _refer(dialog: _Dialog, cseq: int, target: str) -> list[str]:
    """REFER, and answers to what Asterisk says then, until it has been silent for half a second."""
    consulted = "Replaces" in target
    headers = f"Refer-To: <{target}>\nReferred-By: <sip:[remote_ip]>"
    return [
        _send(dialog.request("REFER", cseq, headers)),
        _receive(response=202),
        '<label id="listen"/>',
        # SIPp heeds the time limit of the first of several alternatives
        _receive(request="NOTIFY", extra='optional="true" timeout="500" ontimeout="referred" next="noted"'),
        _receive(request="BYE", extra='next="left"'),
        '<label id="noted"/>',
        _send(_response(200, dialog.user_agent), retransmit=False, after="listen"),
        '<label id="left"/>',
        _send(_response(200, dialog.user_agent), retransmit=False, after="listen" if consulted else "end"),
        '<label id="referred"/>',
        # after a consultation Asterisk itself ends both calls
        *(['<nop next="end"/>'] if consulted else []),
    ]


def _consultation(dialog: _Dialog, cseq: int, number: str, seconds: float) -> list[str]:
    """A second call, and the REFER that puts its far end in place of this phone."""
    caller = dialog.headers.partition("\n")[0].replace(";tag=", ";tag=2nd")
    second = replace(
        dialog,
        uri=_address(number),
        headers=f"{caller}\nTo: <{_address(number)}>",
        # what stands before the slashes tells two dialogs of one SIPp call apart
        call_id="2nd///[call_id]",
    )
    replaces = "Replaces=2nd///[call_id]%3Bto-tag%3D[$second]%3Bfrom-tag%3D2nd[pid]c[call_number]"
    return [
        *_invite(second),
        _receive(response=100, extra='optional="true"'),
        _receive(response=180, extra='optional="true"'),
        _receive(response=183, extra='optional="true"'),
        _receive(response=200, inside=_saved_tag("second")),
        _send(_confirmed(second, "second").request("ACK", 2), retransmit=False),
        f'<pause milliseconds="{seconds * 1000:.0f}"/>',
        *_refer(dialog, cseq, f"{_address(number)}?{replaces}"),
        '<Reference variables="second_header,second"/>',
    ]


def _info(dialog: _Dialog, cseq: int, extra: str, body: str = "") -> list[str]:
    return [
        _send(dialog.request("INFO", cseq, extra, body)),
        _receive(request="BYE", extra='optional="true" next="bye"'),
        _receive(response=200),
    ]


def _outgoing(line: str, password: str, user_agent: str, number: str, name: str) -> _Dialog:
    return _Dialog(
        uri=_address(number),
        headers=f'From: "{name}" <sip:{line}@[remote_ip]>;tag=[pid]c[call_number]\nTo: <{_address(number)}>',
        user_agent=user_agent,
        credentials=f"[authentication username={line} password={password}]",
    )


def _address(number: str) -> str:
    return f"sip:{number}@[remote_ip]:[remote_port]"


def _saved_tag(name: str) -> str:
    """Keeps the tag that the other side gave the dialog in the variable `name`."""
    return (
        f'<action><ereg regexp="tag=([^;]*)" search_in="hdr" header="To:" assign_to="{name}_header,{name}"/></action>'
    )


def _confirmed(dialog: _Dialog, tag: str) -> _Dialog:
    return replace(dialog, headers=f"{dialog.headers};tag=[${tag}]")


def _invite(dialog: _Dialog) -> list[str]:
    described = "Content-Type: application/sdp"
    return [
        _send(dialog.request("INVITE", 1, described, _SDP)),
        _receive(response=100, extra='optional="true"'),
        _receive(response=401, extra='auth="true"'),
        _send(_rejected(dialog, 1), retransmit=False),
        _send(dialog.request("INVITE", 2, f"{dialog.credentials}\n{described}", _SDP)),
    ]


def _rejected(dialog: _Dialog, cseq: int) -> str:
    """The ACK of a final answer other than 200: it belongs to the INVITE's own transaction."""
    ack = replace(dialog, headers=f"{dialog.headers}[peer_tag_param]").request("ACK", cseq)
    return ack.replace(_VIA, "[last_Via:]")


def _response(code: int, user_agent: str, body: str = "") -> str:
    reasons = {180: "Ringing", 200: "OK", 487: "Request Terminated"}
    lines = [
        f"SIP/2.0 {code} {reasons.get(code, 'No')}",
        "[last_Via:]",
        "[last_From:]",
        "[last_To:];tag=[pid]t[call_number]",
        "[last_Call-ID:]",
        "[last_CSeq:]",
        "[last_Record-Route:]",
        "Contact: <sip:lab@[local_ip]:[local_port]>",
        f"User-Agent: {user_agent}",
        *(["Content-Type: application/sdp"] if body else []),
        "Content-Length: [len]",
        "",
        body,
    ]
    return "\n".join(lines)


def _send(message: str, *, retransmit: bool = True, after: str = "") -> str:
    """Sends `message` and goes on at the label `after`."""
    timer = ' retrans="500"' if retransmit else ""
    jump = f' next="{after}"' if after else ""
    return f"<send{timer}{jump}><![CDATA[\n\n{message}\n\n]]></send>"


def _receive(*, request: str = "", response: int = 0, extra: str = "", inside: str = "") -> str:
    what = f'request="{request}"' if request else f'response="{response}"'
    return f"<recv {what} {extra}>{inside}</recv>"


def _scenario(*parts: str) -> str:
    body = "\n".join(parts)
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="lab">\n{body}\n</scenario>\n'
