"""Whether emergency.conf is there whole: its contexts, its trunks, and the modules that it runs on."""

from collections.abc import Iterator
from itertools import takewhile

from agent.duties.check.evidence import Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

CONTEXTS = ("emergency", "emergency-leg", "emergency-answered", "emergency-leg-ended", "emergency-ended")
MODULES = ("app_stack", "app_userevent", "app_dial", "func_cut", "func_strings", "func_channel", "func_callerid")
TRUNKS = "EMERGENCY_TRUNKS"
_SEE = "in manager.conf, under the agent's user: write=system,reporting"
_INCLUDE = "in extensions.conf, at the top level: #include telephony-agent/emergency.conf"
_SETTING = f"in extensions.conf, under [globals]: {TRUNKS}=<PJSIP endpoint>,<the next one>"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The contexts of emergency.conf and what they need."""
    if evidence.contexts is None:
        yield unknown("emergency.contexts", "whether emergency.conf is included", _SEE)
        return
    missing = [name for name in CONTEXTS if not evidence.contexts.get(name)]
    if len(missing) == len(CONTEXTS):
        text = "emergency.conf is not included: an emergency call is seen only as any call is, and has no second trunk"
        yield warning("emergency.contexts", text, _INCLUDE)
        return
    if missing:
        text = f"emergency.conf is not whole, these contexts are missing: {', '.join(missing)}"
        yield problem("emergency.contexts", text, _INCLUDE)
    else:
        yield ok("emergency.contexts", "emergency.conf is included")
    yield _trunks(evidence)
    yield from _modules(evidence)


def _trunks(evidence: Evidence) -> Finding:
    if evidence.variables is None or TRUNKS not in evidence.variables:
        return unknown("emergency.trunks", f"the trunks of emergency calls (global {TRUNKS})", _SEE)
    # As emergency.conf takes them: a blank belongs to the name, and the first empty one ends the list.
    trunks = list(takewhile(bool, evidence.variables[TRUNKS].split(",")))
    if not trunks:
        return problem("emergency.trunks", f"{TRUNKS} is empty: every emergency call fails at once", _SETTING)
    known = {endpoint.name for endpoint in evidence.endpoints or () if endpoint.technology == "PJSIP"}
    strangers = [name for name in trunks if name not in known]
    if evidence.endpoints is not None and strangers:
        names = ", ".join(map(repr, strangers))
        text = f"{TRUNKS} names what is no PJSIP endpoint: {names}; an emergency call cannot leave there"
        return problem("emergency.trunks", text, _SETTING)
    if len(trunks) == 1:
        text = f"emergency calls have one trunk only, {trunks[0]}: when it fails, they fail"
        return warning("emergency.trunks", text, _SETTING)
    return ok("emergency.trunks", f"emergency calls try {', then '.join(trunks)}")


def _modules(evidence: Evidence) -> Iterator[Finding]:
    if evidence.modules is None:
        yield unknown("emergency.modules", "whether the modules that emergency.conf runs on are loaded", _SEE)
        return
    for name in MODULES:
        if not evidence.modules.get(name, True):
            text = f"module {name} is not loaded: emergency.conf cannot place a call as written"
            yield problem(f"module.{name}", text, f"in modules.conf: load={name}.so")
