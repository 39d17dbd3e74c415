"""SIPp scenarios, put together from the few messages that phones and trunks exchange."""

from collections.abc import Sequence

from tests.lab.conversation import Step, Talk, conversation
from tests.lab.messages import (
    SDP,
    VIA,
    Dialog,
    confirmed,
    digest,
    invite,
    outgoing,
    receive,
    rejected,
    response,
    saved_tag,
    scenario,
    send,
)


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
    *,
    line: str,
    password: str,
    user_agent: str,
    number: str,
    name: str,
    steps: Sequence[Step],
    expect: int,
    caller: str = "",
    headers: Sequence[str] = (),
) -> str:
    """INVITE with authentication; answered with 200 it goes through `steps` and hangs up, else it is over.

    `caller` is the user part of From, where it is not `line`; `headers` are more lines of the INVITE.
    """
    return _placed(outgoing(caller or line, user_agent, number, name, digest(line, password)), headers, steps, expect)


def incoming(
    *,
    trunk: str,
    user_agent: str,
    caller: str,
    name: str,
    number: str,
    steps: Sequence[Step],
    expect: int,
    headers: Sequence[str] = (),
) -> str:
    """The same from the far end of a trunk, which Asterisk knows by a header of the lab's and does not challenge."""
    return _placed(outgoing(caller, user_agent, number, name), [f"X-Lab-Trunk: {trunk}", *headers], steps, expect)


def _placed(dialog: Dialog, headers: Sequence[str], steps: Sequence[Step], expect: int) -> str:
    beginning = [
        *invite(dialog, headers),
        receive(response=100, extra='optional="true"'),
        receive(response=181, extra='optional="true"'),
        receive(response=180, extra='optional="true"'),
        receive(response=183, extra='optional="true"'),
    ]
    if expect != 200:
        return scenario(*beginning, receive(response=expect), send(rejected(dialog, 2)))
    return scenario(
        *beginning,
        receive(response=200, inside=saved_tag("first")),
        send(confirmed(dialog, "first").request("ACK", 2), retransmit=False),
        *conversation(confirmed(dialog, "first"), steps, cseq=3),
        '<Reference variables="first_header,first"/>',
    )


def abandoned_call(*, line: str, password: str, user_agent: str, number: str, name: str, ring_s: float) -> str:
    """INVITE with authentication, and CANCEL after `ring_s` seconds of ringing."""
    dialog = outgoing(line, user_agent, number, name, digest(line, password))
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


def text(
    *, line: str, password: str, user_agent: str, number: str, name: str, body: str, expect: int, trunk: str = ""
) -> str:
    """MESSAGE with authentication, and the final answer `expect`; from the far end of `trunk` it is not challenged."""
    dialog = outgoing(line, user_agent, number, name, "" if trunk else digest(line, password))
    kind = "Content-Type: text/plain"
    if trunk:
        kind = f"{kind}\nX-Lab-Trunk: {trunk}"
        return scenario(send(dialog.request("MESSAGE", 1, kind, body)), receive(response=expect))
    return scenario(
        send(dialog.request("MESSAGE", 1, kind, body)),
        receive(response=401, extra='auth="true"'),
        send(dialog.request("MESSAGE", 2, f"{dialog.credentials}\n{kind}", body)),
        receive(response=expect),
    )


def answering(
    *, answers: int | None, ring_s: float, steps: Sequence[Step], user_agent: str, progress: int = 180
) -> str:
    """Takes calls: rings for `ring_s`, then answers 200 and goes through `steps`, or refuses with `answers`.

    `progress` is the provisional answer, 180 or 183 (without early media).

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
    ringing = [send(response(progress, user_agent), retransmit=False)] if ring_s or answers == 200 else []
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
        *(conversation(dialog, steps or [Talk(3600)], cseq=1) if answers == 200 else []),
        *(['<nop next="over"/>'] if answers == 200 else []),
        '<label id="cancelled"/>',
        send(response(200, user_agent), retransmit=False),
        send(response(487, user_agent).replace("[last_CSeq:]", "CSeq: [$cseq] INVITE")),
        receive(request="ACK"),
        '<label id="over"/>',
        "<nop/>",
        '<Reference variables="cseq,caller,tag,me"/>',
    )
