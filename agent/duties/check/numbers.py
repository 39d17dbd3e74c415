"""What each emergency number would do in every context that phones land in, without dialling it."""

from collections.abc import Iterator

from agent.duties.check.evidence import Endpoint, Evidence, Route, Step
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

OURS = "emergency"
#: The numbers of dialplan/emergency-numbers.conf.
INCLUDED_NUMBERS = frozenset(("999", "112", "18000"))
_SEE = "in manager.conf, under the agent's user: write=system,reporting"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Every number in every context of a phone; and the phones whose context was not seen."""
    if evidence.endpoints is None:
        yield unknown("numbers", "in which contexts phones land", _SEE)
        return
    phones = [endpoint for endpoint in evidence.endpoints if endpoint.phone]
    yield from _others(evidence.endpoints)
    contexts = sorted({phone.context for phone in phones if phone.context is not None})
    if contexts and evidence.routes is None:
        yield unknown("numbers", "what the dialplan does with an emergency number", _SEE)
        return
    for context in contexts:
        for number in evidence.numbers:
            yield verdict(context, number, (evidence.routes or {}).get((context, number)), _installed(evidence))


def verdict(context: str, number: str, route: Route | None, installed: bool | None) -> Finding:
    """The finding on one number in one context; ``installed``: whether emergency.conf is (None: not seen)."""
    id = f"number.{number}.{context}"
    if route is None:
        return unknown(id, f"what {number} does in context {context}", _SEE)
    fix = _fix(context, number, installed)
    steps = route.steps
    own = [step for step in steps if step.context == context]
    # Asterisk asks a context's own extensions, then its switches, then what it includes.
    if route.switch and not own:
        text = f"what {number} does in context {context}: a switch of it decides outside the dialplan"
        return unknown(id, text, fix)
    if not steps:
        return problem(id, f"{number} in context {context}: nothing answers it, the caller hears an error", fix)
    first = [step for step in steps if (step.context, step.extension) == (steps[0].context, steps[0].extension)]
    if any(step.target == OURS for step in first):
        return _ours(id, context, number, first[0], fix)
    return _not_ours(id, context, number, steps, fix)


def _ours(id: str, context: str, number: str, step: Step, fix: str) -> Finding:
    text = f"{number} in context {context} goes to our context {OURS}"
    if step.context == context:
        return ok(id, text)
    text += f", but only by include of {step.context}: a pattern such as _9. in [{context}] itself would beat it"
    return warning(id, text, fix)


def _not_ours(id: str, context: str, number: str, steps: tuple[Step, ...], fix: str) -> Finding:
    taken = steps[0]
    runs = f"(it runs {taken.application})"
    beaten = next((step for step in steps if step.target == OURS), None)
    if beaten is not None:
        text = (
            f"{number} in context {context}: {taken.extension} of [{taken.context}] {runs} beats {beaten.extension} of"
            f" [{beaten.context}], which goes to our context {OURS}: a context's own extensions win over what it"
            " includes, and an earlier include over a later one"
        )
        return problem(id, text, fix)
    if taken.extension.startswith("_"):
        text = (
            f"{number} in context {context} is swallowed by the pattern {taken.extension} of [{taken.context}] {runs}:"
            " it is handled like any other number"
        )
        return problem(id, text, fix)
    text = (
        f"{number} in context {context} is handled by the PBX's own {taken.extension} of [{taken.context}] {runs}: the"
        " agent sees the call by read class call, but nothing of ours tries the next trunk"
    )
    return warning(id, text, f"{fix}; and take the {taken.extension} of [{taken.context}] away")


def _fix(context: str, number: str, installed: bool | None) -> str:
    if number in INCLUDED_NUMBERS:
        lines = ["#include telephony-agent/emergency-numbers.conf"]
    else:
        lines = [f"exten => {number},1,Gosub({OURS},${{EXTEN}},1(${{CONTEXT}}))", " same => n,Hangup()"]
    fix = f"in extensions.conf, under [{context}] itself: {' and then '.join(line.strip() for line in lines)}"
    if installed is not True:
        fix += "; and at the top level: #include telephony-agent/emergency.conf"
    return fix


def _installed(evidence: Evidence) -> bool | None:
    return None if evidence.contexts is None else evidence.contexts.get(OURS)


def _others(endpoints: tuple[Endpoint, ...]) -> Iterator[Finding]:
    unseen = [endpoint for endpoint in endpoints if endpoint.phone and endpoint.context is None]
    if unseen:
        what = f"in which context these phones land: {_named(unseen)}"
        yield unknown("numbers.contexts", what, _SEE)
    trunks = [endpoint for endpoint in endpoints if not endpoint.phone]
    if trunks:
        text = f"no auth=, so taken for trunks, from which no emergency call comes: {_named(trunks)}"
        yield ok("numbers.trunks", text)


def _named(endpoints: list[Endpoint], most: int = 8) -> str:
    names = [f"{endpoint.technology}/{endpoint.name}" for endpoint in endpoints]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
