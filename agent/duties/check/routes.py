"""What the dialplan would do, asked of the live Asterisk without dialling anything (ShowDialPlan, 16 and 22)."""

import hashlib
import re
from collections.abc import Iterable

from agent.core.wire import Message
from agent.duties.check.asker import Asker
from agent.duties.check.evidence import Endpoint, Route, Step
from agent.duties.check.phones import each

EMERGENCY = "emergency"
_ITEMS = frozenset(("ListDialplan",))
#: More contexts than this are not ours, and the way through them nobody's to judge.
_MOST_CONTEXTS = 50
_LISTED = ("Context", "Extension", "ExtensionLabel", "Priority", "Application", "AppData", "IncludeContext", "Switch")
#: Contexts that an argument names: of a Gosub or Goto, of Dial's b() and U(), of a hangup handler.
_NAMED = re.compile(r"\b[bU]\(([0-9A-Za-z_-]+)[\^)]|hangup_handler_(?:push|wipe)\)=([0-9A-Za-z_-]+),")
_PLAIN = re.compile(r"[0-9A-Za-z_-]{1,80}")


async def routes_of(
    asker: Asker, contexts: Iterable[str], numbers: Iterable[str]
) -> dict[tuple[str, str], Route] | None:
    """What each number meets in each context; None without the right to ask."""
    if not asker.may("ShowDialPlan"):
        return None
    pairs = [(context, number) for context in contexts for number in numbers]
    return dict(zip(pairs, await each(pairs, lambda pair: _route(asker, *pair)), strict=True))


def contexts_of(endpoints: Iterable[Endpoint]) -> list[str]:
    """The contexts that phones land in."""
    return sorted({phone.context for phone in endpoints if phone.phone and phone.context is not None})


async def way_of(asker: Asker) -> dict[str, Route | None] | None:
    """Every context that an emergency call can come through from [emergency] on, None for one that is not there."""
    if not asker.may("ShowDialPlan"):
        return None
    way: dict[str, Route | None] = {}
    names = {EMERGENCY}
    while names and len(way) < _MOST_CONTEXTS:
        found = await each(sorted(names), lambda name: _whole(asker, name))
        way.update((name, route) for name, (route, _) in zip(sorted(names), found, strict=True))
        names = {name for _, named in found for name in named} - way.keys()
    return way


async def _route(asker: Asker, context: str, number: str) -> Route:
    # Answered by an Error where there is no such context, or nothing in it for the number.
    listed = await _listed(asker, Context=context, Extension=number)
    return _of(listed, number)


async def _whole(asker: Asker, context: str) -> tuple[Route | None, frozenset[str]]:
    """What stands in one context, and the contexts that it names."""
    listed = await _listed(asker, Context=context)
    if not listed:
        return None, frozenset()
    route = _of(listed, "")
    named = {name for entry in listed for found in _NAMED.findall(entry.get("AppData")) for name in found if name}
    return route, frozenset(named | {step.target for step in route.steps if step.target})


async def _listed(asker: Asker, **which: str) -> list[Message]:
    return (await asker.pbx.ask_list({"Action": "ShowDialPlan", **which}, "ShowDialPlanComplete", _ITEMS))[1]


def _of(listed: list[Message], number: str) -> Route:
    # Of a number only what is run counts: the outbound patterns that it beats may change as they like.
    first = next((_place(entry) for entry in listed if entry.get("Extension")), ("", ""))
    run = [entry for entry in listed if not number or _place(entry) == first]
    text = "\n".join("\t".join(entry.get(key) for key in _LISTED) for entry in run)
    return Route(
        steps=tuple(_step(entry, number) for entry in listed if entry.get("Extension")),
        switch=any(entry.get("Switch") for entry in listed),
        digest=hashlib.blake2b(text.encode(), digest_size=3).hexdigest(),
    )


def _place(entry: Message) -> tuple[str, str]:
    return entry.get("Context"), entry.get("Extension")


def _step(entry: Message, number: str) -> Step:
    application, data = entry.get("Application"), entry.get("AppData")
    target = extension = ""
    if application.lower() in ("gosub", "goto"):
        # context,extension,priority: with fewer it stays in its own context
        parts = [part.strip() for part in data.partition("(")[0].split(",")]
        if len(parts) == 3:
            target, extension = parts[0], parts[1]
        if not _PLAIN.fullmatch(target):
            target = ""
        extension = number if extension == "${EXTEN}" else extension
    return Step(
        context=entry.get("Context"),
        extension=entry.get("Extension"),
        application=application,
        target=target,
        number=extension if target and _PLAIN.fullmatch(extension) else "",
    )
