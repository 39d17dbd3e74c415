"""Asks Asterisk, and reads its files where it may, for what the findings are made of; changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from agent.duties.check import calls, emergency, phones, recording, versions, voicemail
from agent.duties.check.asker import Asker, Pbx, commands_of
from agent.duties.check.evidence import Account, Evidence, FilterForm, Host, Section
from agent.duties.check.folders import script_fault
from agent.duties.check.phones import aors_of, endpoints_of, trunks_of
from agent.duties.check.routes import contexts_of, routes_of, way_of

#: Names of no action: Asterisk tells of each such request in a security event, to those who read that class.
_NO_ACTION = "TelephonyAgentCheck"
_NO_MAPPINGS = Section(name="mappings")
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
    """How to look: the logins (the bulk session's first), Asterisk's own folder (None: not on this machine).

    ``forms`` are all in which one of the ``numbers`` may be dialled, these among them.
    """

    logins: Sequence[Login]
    etc: Path | None
    numbers: tuple[str, ...]
    forms: tuple[str, ...]
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
    variables = await variables_of(asker, recording.SETTINGS if sight.host.recordings is not None else ())
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
        forms=sight.forms,
        routes=await routes_of(asker, contexts_of(endpoints or ()), dict.fromkeys((*sight.numbers, *sight.forms))),
        contexts=await _contexts(asker),
        way=await way_of(asker),
        trunks=await trunks_of(asker, emergency.trunk_names(variables) or ()),
        aors=await aors_of(asker),
        variables=variables,
        settings=await asker.section("extensions.conf", "globals"),
        features=await asker.section("features.conf", "applicationmap", absent=Section(name="applicationmap")),
        pjsip=await _pjsip(asker),
        modules=await modules_of(asker),
        voicemail=await asker.section("voicemail.conf", "general") if sight.host.spool else None,
        mappings=await asker.section("cdr_custom.conf", "mappings", absent=_NO_MAPPINGS) if sight.host.calls else None,
        cdr=await asker.section("cdr.conf", "general", absent=Section(name="general")) if sight.host.calls else None,
        directories=await _directories(asker) if sight.host.recordings is not None else None,
        script_fault=script_fault(sight.etc) if sight.etc is not None else None,
        version=await _version(asker),
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


async def _contexts(asker: Asker) -> dict[str, bool] | None:
    if not asker.may("ShowDialPlan"):
        return None
    there = {}
    for name in (*emergency.CONTEXTS, *emergency.PARTS, *recording.CONTEXTS, calls.PRESENTATION):
        answer, _ = await asker.pbx.ask_list(
            {"Action": "ShowDialPlan", "Context": name}, "ShowDialPlanComplete", frozenset()
        )
        there[name] = answer.ok
    return there


async def variables_of(asker: Asker, more: Iterable[str] = ()) -> dict[str, str] | None:
    """The global variables that everybody looks at, and some ``more``."""
    if not asker.may("Getvar"):
        return None
    found = {}
    for name in (emergency.TRUNKS, recording.VARIABLE, *more):
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


async def _directories(asker: Asker) -> Section | None:
    return await asker.section("asterisk.conf", "directories", absent=Section(name="directories"))


async def modules_of(asker: Asker) -> dict[str, bool] | None:
    """Which of the modules that something here runs on are loaded."""
    if not asker.may("ModuleCheck"):
        return None
    names = (
        *(*emergency.MODULES, *emergency.HELPFUL, *recording.MODULES, *recording.PROMPTS, *versions.STAND_IN),
        *("res_geolocation", *voicemail.MODULES, *calls.MODULES),
    )
    answers = await phones.each(names, lambda name: asker.pbx.ask({"Action": "ModuleCheck", "Module": name}))
    return {name: answer.ok for name, answer in zip(names, answers, strict=True)}


async def _version(asker: Asker) -> str | None:
    if not asker.may("CoreSettings"):
        return None
    return (await asker.pbx.ask({"Action": "CoreSettings"})).headers.get("AsteriskVersion")
