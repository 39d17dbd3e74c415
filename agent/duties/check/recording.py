"""Whether recording on request is there whole: contexts, feature codes, and the record button of the phones."""

from collections.abc import Iterator

from agent.duties.check.evidence import Endpoint, Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

CONTEXTS = ("recording", "recording-control")
FEATURES = ("record-start", "record-stop", "record-pause", "record-resume", "record-button-on", "record-button-off")
MODULES = ("app_mixmonitor", "bridge_builtin_features", "res_pjsip_one_touch_record_info")
VARIABLE = "DYNAMIC_FEATURES"
_SEE = "give the agent's user write=system,reporting"
_BUTTON = (
    "in pjsip.conf, under each endpoint with a record button: one_touch_recording=yes,"
    " record_on_feature=record-button-on, record_off_feature=record-button-off"
)


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The parts of recording.conf, features-recording.conf and the endpoints."""
    yield from _contexts(evidence)
    yield _features(evidence)
    yield _switched_on(evidence)
    yield from _button(evidence)
    if evidence.modules is not None:
        for name in MODULES:
            if not evidence.modules.get(name, True):
                text = f"module {name} is not loaded: recording on request does not work as written"
                yield warning(f"module.{name}", text, f"in modules.conf: load={name}.so")


def _contexts(evidence: Evidence) -> Iterator[Finding]:
    if evidence.contexts is None:
        yield unknown("recording.contexts", "whether recording.conf is included", _SEE)
        return
    missing = [name for name in CONTEXTS if not evidence.contexts.get(name)]
    if missing:
        text = f"recording.conf is not included (no context {' and '.join(missing)}): no opt-in can be told"
        fix = "in extensions.conf, at the top level: #include telephony-agent/recording.conf"
        yield warning("recording.contexts", text, fix)
    else:
        yield ok("recording.contexts", "recording.conf is included")


def _features(evidence: Evidence) -> Finding:
    id, fix = "recording.features", "in features.conf: #include telephony-agent/features-recording.conf"
    if evidence.features is None:
        return unknown(id, "whether features-recording.conf is included", f"{_SEE}, or use --asterisk-etc on the PBX")
    mapped = {name for name, _ in evidence.features.items}
    missing = [name for name in FEATURES if name not in mapped]
    if missing:
        text = f"the applicationmap of features.conf lacks {', '.join(missing)}: pressing them records nothing"
        return warning(id, text, fix)
    return ok(id, "features-recording.conf is included")


def _switched_on(evidence: Evidence) -> Finding:
    id = "recording.dynamic-features"
    if evidence.variables is None or VARIABLE not in evidence.variables:
        return unknown(id, f"whether the feature codes are on for all calls (global {VARIABLE})", _SEE)
    on = evidence.variables[VARIABLE].split("#")
    missing = [name for name in FEATURES if name not in on]
    if not missing:
        return ok(id, "the feature codes are on for all calls")
    text = f"{VARIABLE} lacks {', '.join(missing)}: these work only in calls whose channel sets them"
    return warning(id, text, f"in extensions.conf, under [globals]: {VARIABLE}={'#'.join(FEATURES)}")


def _button(evidence: Evidence) -> Iterator[Finding]:
    id = "recording.button"
    if evidence.endpoints is None:
        yield unknown(id, "what the record button of phones does", _SEE)
        return
    phones = [each for each in evidence.endpoints if each.phone and each.technology == "PJSIP"]
    with_button = [phone for phone in phones if phone.one_touch_recording]
    unasked = [phone.name for phone in with_button if not _asks(phone)]
    if unasked:
        names = ", ".join(unasked[:8]) + (", …" if unasked[8:] else "")
        text = (
            f"the record button of {len(unasked)} phones ({names}) starts a recording that no opt-in goes before: it"
            " counts as one that nobody agreed to"
        )
        yield problem(id, text, _BUTTON)
    elif with_button:
        yield ok(id, f"the record button asks for the opt-in on {len(with_button)} of {len(phones)} PJSIP phones")
    elif phones:
        yield warning(id, "the record button works on no PJSIP phone", _BUTTON)


def _asks(phone: Endpoint) -> bool:
    return (phone.on_feature, phone.off_feature) == ("record-button-on", "record-button-off")
