"""Which phones and trunks the PBX has, and in which contexts their calls begin, without a password on the way."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeVar

from agent.core.wire import Message
from agent.duties.check.asker import Asker
from agent.duties.check.evidence import Endpoint, Reachability, Trunk

#: Questions open at once. With 10,000 endpoints Asterisk 22 answered 6,700 of these a second, and 13,000 shorter ones.
IN_FLIGHT = 8
#: PJSIP_ENDPOINT, PJSIP_AOR and PJSIP_CONTACT tell a setting each; PJSIPShowEndpoint would tell the password as well.
MODULES = ("func_pjsip_endpoint", "func_pjsip_aor", "func_pjsip_contact")
#: A name that can stand in an argument of a dialplan function as it is.
_PLAIN = re.compile(r"[0-9A-Za-z._@+-]{1,80}")
_FIELDS = (
    *("context", "one_touch_recording", "record_on_feature", "record_off_feature", "rtp_timeout", "message_context"),
    "mailboxes",  # the last: it alone may hold any character
)

T = TypeVar("T")
R = TypeVar("R")


async def each(items: Iterable[T], ask: Callable[[T], Awaitable[R]]) -> list[R]:
    """Ask about every item, IN_FLIGHT at a time; the answers in the items' order."""
    left = enumerate(items)
    answers: dict[int, R] = {}

    async def work() -> None:
        for place, item in left:
            answers[place] = await ask(item)

    # Few tasks, and not one for each of 10,000 endpoints: making those would keep an emergency waiting.
    tasks = [asyncio.create_task(work()) for _ in range(IN_FLIGHT)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
    return [answers[place] for place in range(len(answers))]


async def value(asker: Asker, expression: str) -> str:
    """A global variable, or what a dialplan function gives; empty also where there is none of that name."""
    answer = await asker.pbx.ask({"Action": "Getvar", "Variable": expression})
    return answer.headers.get("Value", "") if answer.ok else ""


async def endpoints_of(asker: Asker) -> tuple[Endpoint, ...] | None:
    """Every PJSIP endpoint, and every phone of chan_sip and chan_iax2 where they exist."""
    # Without the right to list PJSIP's, there is no telling a PBX that has none from one that hides them.
    if not (asker.may("PJSIPShowEndpoints") or asker.may("Filter")):
        return None
    found: list[Endpoint] = []
    if asker.may("PJSIPShowEndpoints"):
        found += await each(await _listed(asker, "PJSIPShowEndpoints"), lambda entry: _pjsip(asker, entry))
    for technology, (action, function) in _PEERS.items():
        if asker.may(action):
            found += await each(_dynamic(await _listed(asker, action)), partial(_peer, asker, technology, function))
    return tuple(found)


async def trunks_of(asker: Asker, names: Iterable[str]) -> tuple[Trunk, ...] | None:
    """The emergency trunks of these names, and whether they answer."""
    return tuple(await each(names, lambda name: _trunk(asker, name))) if asker.may("Getvar") else None


async def aors_of(asker: Asker) -> tuple[str, ...] | None:
    """The names of all PJSIP AORs."""
    if not asker.may("PJSIPShowAors"):
        return None
    return tuple(entry.get("ObjectName") for entry in await _listed(asker, "PJSIPShowAors"))


#: What lists the peers of a channel driver, and the function that tells of one (chan_sip to Asterisk 20).
_PEERS = {"SIP": ("SIPpeers", "SIPPEER"), "IAX2": ("IAXpeerlist", "IAXPEER")}
_LISTS = {
    "PJSIPShowEndpoints": ("EndpointListComplete", "EndpointList"),
    "PJSIPShowAors": ("AorListComplete", "AorList"),
    "SIPpeers": ("PeerlistComplete", "PeerEntry"),
    "IAXpeerlist": ("PeerlistComplete", "PeerEntry"),
}


async def _listed(asker: Asker, action: str) -> list[Message]:
    complete, item = _LISTS[action]
    return (await asker.pbx.ask_list({"Action": action}, complete, frozenset((item,))))[1]


async def _pjsip(asker: Asker, entry: Message) -> Endpoint:
    name, fields = entry.get("ObjectName"), [""] * len(_FIELDS)
    if asker.may("Getvar") and _PLAIN.fullmatch(name):
        # One question for all: EVAL (func_strings, which emergency.conf needs anyway) replaces each of them.
        expression = "|".join(f"${{PJSIP_ENDPOINT({name},{field})}}" for field in _FIELDS)
        told = (await value(asker, f"EVAL({expression})")).split("|", len(_FIELDS) - 1)
        fields = told if len(told) == len(_FIELDS) else fields
    context, one_touch, on_feature, off_feature, rtp_timeout, message_context, mailboxes = fields
    return Endpoint(
        technology="PJSIP",
        name=name,
        context=context or None,
        phone=bool(entry.get("Auths").strip()),
        one_touch_recording=one_touch in ("true", "yes"),
        on_feature=on_feature,
        off_feature=off_feature,
        rtp_timeout_s=int(rtp_timeout) if rtp_timeout.isascii() and rtp_timeout.isdigit() else 0,
        message_context=message_context,
        auths=_names(entry.get("Auths")),
        mailboxes=_names(mailboxes),
    )


async def _peer(asker: Asker, technology: str, function: str, name: str) -> Endpoint:
    known = asker.may("Getvar") and _PLAIN.fullmatch(name)
    context = await value(asker, f"{function}({name},context)") if known else ""
    return Endpoint(technology=technology, name=name, context=context or None)


async def _trunk(asker: Asker, name: str) -> Trunk:
    if not _PLAIN.fullmatch(name):
        return Trunk(name=name)
    cli = await value(asker, f"EMERGENCY_CLI_{name}")
    aors = _names(await value(asker, f"PJSIP_ENDPOINT({name},aors)"))
    exists = bool(await value(asker, f"PJSIP_ENDPOINT({name},context)")) or None
    contacts = []
    for aor in filter(_PLAIN.fullmatch, aors):
        for contact in _names(await value(asker, f"PJSIP_AOR({aor},contact)")):
            status = await value(asker, f"PJSIP_CONTACT({contact},status)")
            contacts.append(Reachability(status) if status in list(Reachability) else Reachability.UNKNOWN)
    return Trunk(name=name, exists=exists, contacts=tuple(contacts), cli=cli)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _dynamic(listed: Iterable[Message]) -> list[str]:
    return [peer.get("ObjectName").partition("/")[0] for peer in listed if peer.get("Dynamic").lower() == "yes"]
