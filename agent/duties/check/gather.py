"""Asks Asterisk, and reads its files where it may, for what the findings are made of; changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from agent.core.wire import Message
from agent.duties.check import emergency, recording
from agent.duties.check.asker import Asker, Pbx, commands_of
from agent.duties.check.evidence import Account, Endpoint, Evidence, FilterForm, Host, Route, Section, Step
from agent.duties.check.phones import endpoints_of

#: Names of no action: Asterisk tells of each such request in a security event, to those who read that class.
_NO_ACTION = "TelephonyAgentCheck"
_NO_EVENT = "^Event: NoSuchEvent[[:space:]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One user that the agent logs in as; ``pbx`` None: it was refused, and ``refused`` says why."""

    name: str
    sessions: tuple[str, ...]
    pbx: Pbx | None
    refused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How to look: the logins (the bulk session's first), Asterisk's own folder (None: not on this machine)."""

    logins: Sequence[Login]
    etc: Path | None
    numbers: tuple[str, ...]
    loopback: bool
    tls: bool
    host: Host


async def gather(sight: Sight, clock_ms: "Clock") -> Evidence:
    """All the evidence that these rights allow.

    Raises:
        ConnectionError, TimeoutError: Asterisk went away.
    """
    main = sight.logins[0].pbx
    assert main is not None
    asker = Asker(main, sight.etc, await commands_of(main), private=sight.loopback or sight.tls)
    accounts = [await _account(login, asker) for login in sight.logins]
    skew_ms, within_ms = await _skew(main, clock_ms)
    endpoints = await endpoints_of(asker)
    stamped = await main.heard("RequestBadFormat")
    evidence = Evidence(
        host=sight.host,
        accounts=tuple(accounts),
        numbers=sight.numbers,
        ami_loopback=sight.loopback,
        ami_tls=sight.tls,
        general=await asker.section("manager.conf", "general"),
        events_stamped=bool(stamped.get("Timestamp")) if stamped is not None else None,
        skew_ms=skew_ms,
        skew_within_ms=within_ms,
        endpoints=endpoints,
        routes=await _routes(asker, endpoints or (), sight.numbers),
        contexts=await _contexts(asker),
        variables=await _variables(asker),
        features=await asker.section("features.conf", "applicationmap", absent=Section(name="applicationmap")),
        pjsip=await _pjsip(asker),
        modules=await _modules(asker),
    )
    # Last: where MatchCriteria is not understood, this lets no event through any more.
    forms = {login.name: await _filter_form(login.pbx) for login in sight.logins if login.pbx is not None}
    return replace(
        evidence, accounts=tuple(replace(each, filter_form=forms.get(each.name)) for each in evidence.accounts)
    )


class Clock(Protocol):
    """The time."""

    def __call__(self) -> int:
        """Ms since 1970 UTC."""


async def _account(login: Login, asker: Asker) -> Account:
    section = await asker.section("manager.conf", login.name)
    if login.pbx is None:
        return Account(name=login.name, sessions=login.sessions, refused=login.refused, section=section)
    await login.pbx.ask({"Action": _NO_ACTION})
    events = {"system": "FullyBooted", "security": "RequestBadFormat"}
    proven = [name for name, event in events.items() if await login.pbx.heard(event) is not None]
    return Account(
        name=login.name,
        sessions=login.sessions,
        commands=await commands_of(login.pbx),
        proven=frozenset(proven),
        section=section,
    )


async def _filter_form(pbx: Pbx) -> FilterForm:
    probe = {"Action": "Filter", "Operation": "Add", "MatchCriteria": "action(probe)", "Filter": _NO_EVENT}
    answer = await pbx.ask(probe)
    if answer.ok:
        return FilterForm.REGEX
    return FilterForm.REFUSED if "denied" in answer.message else FilterForm.CRITERIA


async def _skew(pbx: Pbx, clock_ms: Clock) -> tuple[int | None, int]:
    """Asterisk's clock less ours, and how far that may be wrong (half the way there and back)."""
    asked_at = clock_ms()
    answer = await pbx.ask({"Action": "Ping"})
    answered_at = clock_ms()
    try:
        told_at = round(float(answer.headers.get("Timestamp", "")) * 1000)
    except ValueError:
        return None, 0
    return told_at - (asked_at + answered_at) // 2, (answered_at - asked_at + 1) // 2


async def _routes(
    asker: Asker, endpoints: Iterable[Endpoint], numbers: Iterable[str]
) -> dict[tuple[str, str], Route] | None:
    if not asker.may("ShowDialPlan"):
        return None
    contexts = sorted({each.context for each in endpoints if each.phone and each.context is not None})
    return {(context, number): await _route(asker, context, number) for context in contexts for number in numbers}


async def _route(asker: Asker, context: str, number: str) -> Route:
    # Answered by an Error where there is no such context, or nothing in it for the number.
    action = {"Action": "ShowDialPlan", "Context": context, "Extension": number}
    _, listed = await asker.pbx.ask_list(action, "ShowDialPlanComplete", frozenset(("ListDialplan",)))
    steps = tuple(_step(each) for each in listed if each.get("Extension"))
    return Route(steps=steps, switch=any(each.get("Switch") for each in listed))


def _step(entry: Message) -> Step:
    application = entry.get("Application")
    jumps = application.lower() in ("gosub", "goto")
    target = entry.get("AppData").partition(",")[0].strip() if jumps else ""
    return Step(context=entry.get("Context"), extension=entry.get("Extension"), application=application, target=target)


async def _contexts(asker: Asker) -> dict[str, bool] | None:
    if not asker.may("ShowDialPlan"):
        return None
    there = {}
    for name in (*emergency.CONTEXTS, *recording.CONTEXTS):
        answer, _ = await asker.pbx.ask_list(
            {"Action": "ShowDialPlan", "Context": name}, "ShowDialPlanComplete", frozenset()
        )
        there[name] = answer.ok
    return there


async def _variables(asker: Asker) -> dict[str, str] | None:
    if not asker.may("Getvar"):
        return None
    found = {}
    for name in (emergency.TRUNKS, recording.VARIABLE):
        answer = await asker.pbx.ask({"Action": "Getvar", "Variable": name})
        if answer.ok:
            found[name] = answer.headers.get("Value", "")
    return found


async def _pjsip(asker: Asker) -> Section | None:
    sections = await asker.sections("pjsip.conf", Filter="type=global")
    if sections is None:
        return None
    found = [section for section in sections if section.get("type") == "global"]
    return found[0] if found else Section(name="global")


async def _modules(asker: Asker) -> dict[str, bool] | None:
    if not asker.may("ModuleCheck"):
        return None
    names = (*emergency.MODULES, *recording.MODULES)
    return {name: (await asker.pbx.ask({"Action": "ModuleCheck", "Module": name})).ok for name in names}
