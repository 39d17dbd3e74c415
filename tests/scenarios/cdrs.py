"""Lines as Asterisk writes them of calls and texts."""

from agent.core import text as texts
from agent.core.cdr import FIELDS

START_S = 1_795_380_280


def cdr(number: int = 0, /, **fields: str) -> bytes:
    """A line, unlike those of other numbers: 201 called a mobile through trunk-a and talked for 7 s."""
    values = {
        "sequence": str(number),
        "uniqueid": f"{START_S + number}.{number}",
        "linkedid": f"{START_S + number}.{number}",
        "start,u": f"{START_S + number}.123456",
        "duration": "9",
        "billsec": "7",
        "disposition": "ANSWERED",
        "src": "201",
        "dst": "07700900123",
        "channel": f"PJSIP/201-{number:08x}",
        "dstchannel": f"PJSIP/trunk-a-{number:08x}",
        "lastdata": "PJSIP/07700900123@trunk-a,30,tT",
        "accountcode": "",
        "presentation": "",
        **fields,
    }
    quoted = ",".join('"' + values[field].replace('"', '""') + '"' for field in FIELDS)
    return f"call1,{quoted},end\n".encode()


def text(number: int = 0, /, **fields: str) -> bytes:
    """A line of a text, unlike those of other numbers: 201 sent a short one to a mobile."""
    values = {
        "at": f"{START_S}.{number:06d}",
        "direction": "outgoing",
        "line": "201",
        "number": "07700900123",
        "size": "short",
        "outcome": "sent",
        **fields,
    }
    quoted = ",".join('"' + values[field].replace('"', '""') + '"' for field in texts.FIELDS)
    return f"text1,{quoted},end\n".encode()
