"""SIP messages and the XML that SIPp wants around them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

SDP = """v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000"""
VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """What a request within a call needs: the start line's URI and the headers that name the dialog."""

    uri: str
    headers: str
    user_agent: str
    credentials: str = ""
    call_id: str = "[call_id]"

    def request(self, method: str, cseq: int, extra: str = "", body: str = "") -> str:
        """A request of this dialog; `extra` is more header lines."""
        lines = [
            f"{method} {self.uri} SIP/2.0",
            VIA,
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


def outgoing(caller: str, user_agent: str, number: str, name: str, credentials: str = "") -> Dialog:
    """The dialog that `caller` begins with `number`, showing the display name `name`."""
    return Dialog(
        uri=address(number),
        headers=f'From: "{name}" <sip:{caller}@[remote_ip]>;tag=[pid]c[call_number]\nTo: <{address(number)}>',
        user_agent=user_agent,
        credentials=credentials,
    )


def digest(line: str, password: str) -> str:
    """The credentials of `line`, as an answer to a challenge."""
    return f"[authentication username={line} password={password}]"


def address(number: str) -> str:
    """The URI of a number of this Asterisk."""
    return f"sip:{number}@[remote_ip]:[remote_port]"


def saved_tag(name: str) -> str:
    """Keeps the tag that the other side gave the dialog in the variable `name`."""
    return (
        f'<action><ereg regexp="tag=([^;]*)" search_in="hdr" header="To:" assign_to="{name}_header,{name}"/></action>'
    )


def confirmed(dialog: Dialog, tag: str) -> Dialog:
    """The dialog as it is once the other side has answered with the tag saved as `tag`."""
    return replace(dialog, headers=f"{dialog.headers};tag=[${tag}]")


def invite(dialog: Dialog, headers: Sequence[str] = ()) -> list[str]:
    """INVITE, the challenge, and INVITE again with CSeq 2; without credentials just one, with CSeq 2."""
    described = "\n".join(("Content-Type: application/sdp", *headers))
    if not dialog.credentials:
        return [send(dialog.request("INVITE", 2, described, SDP))]
    return [
        send(dialog.request("INVITE", 1, described, SDP)),
        receive(response=100, extra='optional="true"'),
        receive(response=401, extra='auth="true"'),
        send(rejected(dialog, 1), retransmit=False),
        send(dialog.request("INVITE", 2, f"{dialog.credentials}\n{described}", SDP)),
    ]


def rejected(dialog: Dialog, cseq: int) -> str:
    """The ACK of a final answer other than 200: it belongs to the INVITE's own transaction."""
    ack = replace(dialog, headers=f"{dialog.headers}[peer_tag_param]").request("ACK", cseq)
    return ack.replace(VIA, "[last_Via:]")


def response(code: int, user_agent: str, body: str = "") -> str:
    """An answer to the request that came last."""
    reasons = {180: "Ringing", 183: "Session Progress", 200: "OK", 487: "Request Terminated"}
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


def send(message: str, *, retransmit: bool = True, after: str = "") -> str:
    """Sends `message` and goes on at the label `after`."""
    timer = ' retrans="500"' if retransmit else ""
    jump = f' next="{after}"' if after else ""
    return f"<send{timer}{jump}><![CDATA[\n\n{message}\n\n]]></send>"


def receive(*, request: str = "", response: int = 0, extra: str = "", inside: str = "") -> str:
    """Waits for a request or an answer; `extra` is more attributes of SIPp's recv."""
    what = f'request="{request}"' if request else f'response="{response}"'
    return f"<recv {what} {extra}>{inside}</recv>"


def scenario(*parts: str) -> str:
    """The whole file for SIPp."""
    body = "\n".join(parts)
    return f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<scenario name="lab">\n{body}\n</scenario>\n'
