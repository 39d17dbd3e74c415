"""What each emergency number would do in every context that phones land in, without dialling it."""

from collections.abc import Iterator
from dataclasses import dataclass

from agent.core.records import Verdict
from agent.duties.check.evidence import Endpoint, Evidence, Route, Step
from agent.duties.check.finding import Finding, ok, problem, unknown, warning
from agent.duties.check.routes import EMERGENCY, contexts_of

_SEE = "in manager.conf, under the agent's user: write=system,reporting"
_INCLUDE = "#include telephony-agent/emergency-numbers.conf"
#: Applications after which a call does not go on to the next priority, or not surely to ours.
_ENDS = frozenset(
    ("hangup", "busy", "congestion", "return", "goto", "dial", "queue", "voicemail", "confbridge", "meetme")
)
#: Applications that neither wait for anything nor lead anywhere.
_PASSES = frozenset(("set", "mset", "noop", "verbose", "log", "userevent", "progress", "answer", "gosub"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What one number would do in one context.

    ``text`` says it in words that follow "999 in context phones"; ``elsewhere``: the PBX's own dialplan dials it.
    """

    verdict: Verdict
    text: str
    elsewhere: bool = False


def judge(evidence: Evidence) -> Iterator[Finding]:
    """Every number in every context of a phone; and the phones whose context was not seen."""
    if evidence.endpoints is None:
        yield unknown("numbers", "in which contexts phones land", _SEE)
        return
    yield from _others(evidence.endpoints)
    contexts = contexts_of(evidence.endpoints)
    if contexts and evidence.routes is None:
        yield unknown("numbers", "what the dialplan does with an emergency number", _SEE)
        return
    for context in contexts:
        for number in evidence.numbers:
            yield _finding(context, number, (evidence.routes or {}).get((context, number)), _installed(evidence))
        yield from _forms(context, evidence)


def judged(context: str, route: Route | None) -> Judgement:
    """The verdict on a number that meets ``route`` in ``context``; None: not seen."""
    if route is None:
        return Judgement(verdict=Verdict.UNSEEN, text="was not seen")
    steps = route.steps
    # Asterisk asks a context's own extensions, then its switches, then what it includes.
    if route.switch and not any(step.context == context for step in steps):
        return Judgement(verdict=Verdict.UNSEEN, text="lies outside the dialplan: a switch of it decides")
    if not steps:
        return Judgement(verdict=Verdict.BROKEN, text="has no extension: nothing answers it, the caller hears an error")
    first = [step for step in steps if (step.context, step.extension) == (steps[0].context, steps[0].extension)]
    ours = next((place for place, step in enumerate(first) if step.target == EMERGENCY), None)
    return _not_ours(steps, first) if ours is None else _ours(context, first[: ours + 1])


def _ours(context: str, steps: list[Step]) -> Judgement:
    *before, step = steps
    text = f"goes to our context {EMERGENCY}"
    ends = next((each.application for each in before if each.application.lower() in _ENDS), None)
    if ends is not None:
        text = f"would go to our context {EMERGENCY}, but runs {ends} before"
        return Judgement(verdict=Verdict.BROKEN, text=text)
    if step.number and not step.number.isdigit():
        text += f", but as {step.number}, which is no number there"
        return Judgement(verdict=Verdict.BROKEN, text=text)
    first = next((each.application for each in before if each.application.lower() not in _PASSES), None)
    if first is not None:
        return Judgement(
            verdict=Verdict.WEAK, text=f"{text}, but runs {first} before, which may wait or lead elsewhere"
        )
    if step.context != context:
        text += f", but only by include of {step.context}: a pattern such as _9. in [{context}] itself would beat it"
        return Judgement(verdict=Verdict.WEAK, text=text)
    return Judgement(verdict=Verdict.OURS, text=text)


def _not_ours(steps: tuple[Step, ...], first: list[Step]) -> Judgement:
    taken = steps[0]
    runs = f"(it runs {taken.application})"
    beaten = next((step for step in steps if step.target == EMERGENCY), None)
    if beaten is not None:
        text = (
            f"loses: {taken.extension} of [{taken.context}] {runs} beats {beaten.extension} of"
            f" [{beaten.context}], which goes to our context {EMERGENCY}: a context's own extensions win over what it"
            " includes, and an earlier include over a later one"
        )
        return Judgement(verdict=Verdict.BROKEN, text=text)
    if taken.extension.startswith("_"):
        text = (
            f"is swallowed by the pattern {taken.extension} of [{taken.context}] {runs}: it is handled like any other"
            " number"
        )
        return Judgement(verdict=Verdict.BROKEN, text=text)
    text = f"is handled by the PBX's own {taken.extension} of [{taken.context}] {runs}"
    dials = any(step.application.lower() == "dial" for step in first)
    if dials:
        text += ": the agent still hears of such a call, by the AMI read class call, but nothing tries the next trunk"
    else:
        text += ": nothing there dials it"
    return Judgement(verdict=Verdict.BROKEN, text=text, elsewhere=dials)


def _finding(context: str, number: str, route: Route | None, installed: bool | None) -> Finding:
    """The finding on one number in one context; ``installed``: whether emergency.conf is (None: not seen)."""
    id = f"number.{number}.{context}"
    if route is None:
        return unknown(id, f"what {number} does in context {context}", _SEE)
    told, fix = judged(context, route), _fix(context, number, installed)
    text = f"{number} in context {context} {told.text}"
    if told.verdict is Verdict.UNSEEN:
        return unknown(id, f"what {number} does in context {context}, it {told.text}", fix)
    if told.verdict is Verdict.OURS:
        return ok(id, text)
    if told.verdict is Verdict.WEAK:
        return warning(id, text, fix)
    if not told.elsewhere:
        return problem(id, text, fix)
    own = route.steps[0]
    return warning(id, text, f"{fix}; and take the {own.extension} of [{own.context}] away")


def _forms(context: str, evidence: Evidence) -> Iterator[Finding]:
    """One finding on what else may be dialled for an emergency number: outside line, number withheld, sos."""
    forms = [form for form in evidence.forms if form not in evidence.numbers]
    told = {form: judged(context, (evidence.routes or {}).get((context, form))) for form in forms}
    wrong = [form for form in forms if told[form].verdict is Verdict.BROKEN]
    if wrong:
        others = f" (and {len(wrong) - 1} more: {', '.join(wrong[1:])})" if wrong[1:] else ""
        text = f"{wrong[0]}{others} in context {context} {told[wrong[0]].text}"
        yield warning(f"number.forms.{context}", text, _fix(context, wrong[0], _installed(evidence)))
    elif forms and all(each.verdict is Verdict.OURS for each in told.values()):
        yield ok(f"number.forms.{context}", f"{', '.join(forms)} in context {context} go to our context {EMERGENCY}")


def _fix(context: str, number: str, installed: bool | None) -> str:
    fix = f"in extensions.conf, under [{context}] itself: {_INCLUDE}"
    if number.isdigit() and number not in ("999", "112", "18000"):
        lines = f"exten => {number},1,Gosub({EMERGENCY},${{EXTEN}},1(${{CONTEXT}})) and then same => n,Hangup()"
        fix += f" (or, if it does not hold {number}: {lines})"
    if installed is not True:
        fix += "; and at the top level: #include telephony-agent/emergency.conf"
    return fix


def _installed(evidence: Evidence) -> bool | None:
    return None if evidence.contexts is None else evidence.contexts.get(EMERGENCY)


def _others(endpoints: tuple[Endpoint, ...]) -> Iterator[Finding]:
    unseen = [endpoint for endpoint in endpoints if endpoint.phone and endpoint.context is None]
    if unseen:
        what = f"in which context these phones land: {named(unseen)}"
        yield unknown("numbers.contexts", what, f"{_SEE}; and in modules.conf: load=func_pjsip_endpoint.so")
    trunks = [endpoint for endpoint in endpoints if not endpoint.phone]
    if trunks:
        text = f"no auth=, so taken for trunks, from which no emergency call comes: {named(trunks)}"
        yield ok("numbers.trunks", text)


def named(endpoints: list[Endpoint], most: int = 8) -> str:
    """The first few of them by name."""
    names = [f"{endpoint.technology}/{endpoint.name}" for endpoint in endpoints]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
