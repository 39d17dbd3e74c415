"""Calls by the hundred, with the instants of their messages as SIPp saw them go and come."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.lab import messages, scenarios
from tests.lab.asterisk import Asterisk
from tests.lab.ports import free_port
from tests.lab.provision import die_with_parent
from tests.lab.sip import Phone, SipError

_MESSAGE = re.compile(
    r"^-{20,} (\d{4}-\d\d-\d\d).(\d\d:\d\d:\d\d\.\d{6})[^\n]*\n\w+ message (sent|received)[^\n]*\n\n"
    r"(\S+) (\S+)(?: [^\n]*)?\n(.*?)(?=^-{20,} |\Z)",
    re.MULTILINE | re.DOTALL,
)
_CALL_ID = re.compile(r"^Call-ID: (\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One call: when its first INVITE went out and when the 200 to it came (seconds since 1970)."""

    invited_at: float
    answered_at: float


async def one_by_one(phone: Phone, number: str, count: int, *, per_second: int = 1000) -> list[Placed]:
    """`count` calls of `phone` to `number`, at most `per_second`, and each when the one before it is over.

    Raises SipError when one of them was not answered.
    """
    scenario = scenarios.call(
        line=phone.line,
        password=phone.secret,
        user_agent=phone.user_agent,
        number=number,
        name=phone.name,
        steps=(),
        expect=200,
    )
    one_at_a_time = ("-m", str(count), "-l", "1", "-r", str(per_second))
    trace = await _sipp(phone.lab, scenario, phone.local_ip, f"bench-{phone.line}", *one_at_a_time)
    placed = _placed(trace.read_text(errors="replace"))
    trace.unlink()
    if len(placed) != count:
        raise SipError(f"{count} calls were placed and {len(placed)} answered")
    return placed


@asynccontextmanager
async def ordinary(lab: Asterisk, number: str, per_second: int) -> AsyncIterator[None]:
    """`per_second` calls from trunk-b to `number`, half a second each, for as long as the block lasts."""
    dialog = messages.Dialog(
        uri=messages.address(number),
        headers=(
            f'From: "Customer" <sip:+441134960111@[local_ip]>;tag=[pid]o[call_number]\nTo: <{messages.address(number)}>'
        ),
        user_agent="lab carrier",
    )
    known = "X-Lab-Trunk: trunk-b\nContent-Type: application/sdp"
    scenario = messages.scenario(
        messages.send(dialog.request("INVITE", 1, known, messages.SDP)),
        messages.receive(response=100, extra='optional="true"'),
        messages.receive(response=180, extra='optional="true"'),
        messages.receive(response=200, inside=messages.saved_tag("first")),
        messages.send(messages.confirmed(dialog, "first").request("ACK", 1), retransmit=False),
        '<pause milliseconds="500"/>',
        messages.send(messages.confirmed(dialog, "first").request("BYE", 2)),
        messages.receive(response=200),
        '<Reference variables="first_header,first"/>',
    )
    process, _ = await _started(lab, scenario, "127.0.0.1", "bench-ordinary", "-r", str(per_second))
    try:
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _sipp(lab: Asterisk, scenario: str, local_ip: str, title: str, *options: str) -> Path:
    process, trace = await _started(lab, scenario, local_ip, title, "-trace_msg", *options)
    if await process.wait() != 0:
        raise SipError(f"{title}: SIPp ended with {process.returncode}")
    return trace


async def _started(
    lab: Asterisk, scenario: str, local_ip: str, title: str, *options: str
) -> tuple[asyncio.subprocess.Process, Path]:
    folder = lab.folder / "sipp"
    file, trace = folder / f"{title}.xml", folder / f"{title}.messages"
    file.write_text(scenario)
    process = await asyncio.create_subprocess_exec(
        *(*die_with_parent(), "sipp", f"127.0.0.1:{lab.sip_port}", "-sf", str(file)),
        *("-i", local_ip, "-p", str(free_port(host=local_ip)), "-mi", local_ip, "-nostdin"),
        *("-message_file", str(trace), "-message_overwrite", "true"),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    return process, trace


def sent(trace: str, method: str) -> list[tuple[float, str]]:
    """The requests of this method that SIPp's trace says went out: when (seconds since 1970), and their headers."""
    return [
        (_instant(day, time), rest)
        for day, time, way, first, _, rest in _MESSAGE.findall(trace)
        if way == "sent" and first == method
    ]


def _instant(day: str, time: str) -> float:
    return datetime.fromisoformat(f"{day} {time}").astimezone().timestamp()


def _placed(trace: str) -> list[Placed]:
    invited: dict[str, float] = {}
    answered: dict[str, float] = {}
    for day, time, way, first, second, rest in _MESSAGE.findall(trace):
        call_id = _CALL_ID.search(rest)
        if call_id is None:
            continue
        at = _instant(day, time)
        if way == "sent" and first == "INVITE":
            invited.setdefault(call_id[1], at)
        elif way == "received" and first == "SIP/2.0" and second == "200":
            answered.setdefault(call_id[1], at)
    return [
        Placed(invited_at=at, answered_at=answered[call_id])
        for call_id, at in sorted(invited.items(), key=lambda item: item[1])
        if call_id in answered
    ]
