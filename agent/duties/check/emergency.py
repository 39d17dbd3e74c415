"""Whether emergency.conf is there whole: its contexts and the way through them, its trunks, its modules."""

from collections.abc import Iterator, Mapping

from agent.duties.check.evidence import Evidence, Reachability, Route, Trunk
from agent.duties.check.finding import Finding, ok, problem, unknown, warning
from agent.duties.check.routes import EMERGENCY

CONTEXTS = (
    *("emergency", "emergency-leg", "emergency-answered", "emergency-leg-ended", "emergency-ended"),
    "emergency-tell",
)
#: What else emergency.conf of this version includes: a context of each file, and what there is not without it.
PARTS = {
    "emergency-capacity": "a full trunk refuses a 999 instead of giving up an ordinary call",
    "emergency-callback": "the emergency services' call back does not find the phone",
    "emergency-rehearsal": "nothing can be rehearsed",
    "text": "a text to 999 is lost without a word to its sender",
}
MODULES = ("app_stack", "app_userevent", "app_dial", "func_cut", "func_strings", "func_channel", "func_callerid")
#: What else it runs on: what there is not without it.
HELPFUL = {
    "func_db": "nothing is written into the journal that a 999 is found by which the agent did not hear",
    "func_pjsip_endpoint": "it is not seen in which contexts phones land, and so not whether they can reach 999",
    "func_pjsip_aor": "it is not seen whether the trunks answer",
    "func_pjsip_contact": "it is not seen whether the trunks answer",
}
TRUNKS = "EMERGENCY_TRUNKS"
#: Settings of one trunk: what their names begin with.
OF_TRUNK = tuple(
    f"EMERGENCY_{name}_" for name in ("CLI", "LIMIT", "RESERVE", "SHARES", "LOCATION", "PRIORITY", "RESOURCE_PRIORITY")
)
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
        yield from _parts(evidence.contexts)
        if evidence.way is not None:
            yield _way(evidence.way)
    yield _trunks(evidence)
    for trunk in evidence.trunks or ():
        yield from _trunk(trunk)
    yield from _strange_settings(evidence)
    yield from _modules(evidence)


def trunk_names(variables: Mapping[str, str] | None) -> list[str] | None:
    """The trunks as emergency.conf takes them: without blanks, and without empty places in the list."""
    if variables is None or TRUNKS not in variables:
        return None
    names = ("".join(filter(_visible, part)) for part in variables[TRUNKS].split(","))
    return [name for name in names if name]


def _visible(character: str) -> bool:
    return "!" <= character <= "~"


def _parts(contexts: Mapping[str, bool]) -> Iterator[Finding]:
    for name, without in PARTS.items():
        if not contexts.get(name):
            text = f"emergency.conf is of an older version, or not whole: without {name}.conf {without}"
            yield warning(
                f"emergency.part.{name}", text, "copy the whole of dialplan/ of this version, dialplan reload"
            )


def _way(way: Mapping[str, Route | None]) -> Finding:
    """What a call meets from [emergency] on: every context that is jumped to, a Dial, and the next trunk after it."""
    id = "emergency.way"
    gone = sorted(name for name, route in way.items() if route is None)
    if gone:
        text = f"emergency calls are sent into {', '.join(gone)}, which is not there: they end at that point"
        return problem(id, text, _INCLUDE)
    steps = [step for route in way.values() if route is not None for step in route.steps]
    entry = [step for step in steps if step.context == EMERGENCY]
    dials = [place for place, step in enumerate(entry) if step.application.lower() == "dial"]
    if not any(step.application.lower() == "dial" for step in steps):
        return problem(id, f"no Dial stands anywhere in [{EMERGENCY}]: an emergency call goes nowhere", _INCLUDE)
    after = entry[dials[-1] + 1 :] if dials else entry
    if not any(step.application.lower() in ("goto", "gotoif", "while", "endwhile") for step in after):
        text = f"nothing after the Dial of [{EMERGENCY}] tries the next trunk: when the first one fails, a 999 fails"
        return problem(id, text, _INCLUDE)
    if not any(step.application.lower() == "userevent" for step in steps):
        return problem(id, "emergency.conf tells nobody of a call: there is no UserEvent in it", _INCLUDE)
    return ok(id, f"a call in [{EMERGENCY}] comes to a Dial, and from there to the next trunk")


def _trunks(evidence: Evidence) -> Finding:
    trunks = trunk_names(evidence.variables)
    if trunks is None:
        return unknown("emergency.trunks", f"the trunks of emergency calls (global {TRUNKS})", _SEE)
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


def _trunk(trunk: Trunk) -> Iterator[Finding]:
    id, name = f"emergency.trunk.{trunk.name}", trunk.name
    if not trunk.contacts:
        return
    if Reachability.NOT_QUALIFIED in trunk.contacts:
        text = f"trunk {name} is not qualified: when it is dead, a 999 waits 4 s for it (32 s before Asterisk 18.22)"
        yield warning(id, text, f"in pjsip.conf, under the AOR of {name}: qualify_frequency=30")
    elif Reachability.REACHABLE not in trunk.contacts:
        yield warning(id, f"trunk {name} does not answer now", "look at the trunk, and at the network to it")
    else:
        yield ok(id, f"trunk {name} is qualified and answers")


def _strange_settings(evidence: Evidence) -> Iterator[Finding]:
    if evidence.settings is None or evidence.endpoints is None:
        return
    known = {endpoint.name for endpoint in evidence.endpoints}
    for name in dict.fromkeys(name for name, _ in evidence.settings.items):
        prefix = next((each for each in OF_TRUNK if name.startswith(each)), None)
        if prefix is not None and name.removeprefix(prefix) not in known:
            text = f"{name} is a setting of {name.removeprefix(prefix)!r}, which is no endpoint: it has no effect"
            yield warning(
                f"emergency.setting.{name}", text, f"in extensions.conf, under [globals]: {name}, or {TRUNKS}"
            )


def _modules(evidence: Evidence) -> Iterator[Finding]:
    if evidence.modules is None:
        yield unknown("emergency.modules", "whether the modules that emergency.conf runs on are loaded", _SEE)
        return
    for name in MODULES:
        if not evidence.modules.get(name, True):
            text = f"module {name} is not loaded: emergency.conf cannot place a call as written"
            yield problem(f"module.{name}", text, f"in modules.conf: load={name}.so")
    for name, without in HELPFUL.items():
        if not evidence.modules.get(name, True):
            yield warning(
                f"module.{name}", f"module {name} is not loaded: {without}", f"in modules.conf: load={name}.so"
            )
