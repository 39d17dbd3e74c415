"""Whether recording is there whole: contexts, feature codes, the phones' buttons, folders, keys, door and prompts."""

from collections.abc import Iterator
from pathlib import Path

from agent.core.records import Trigger
from agent.duties.check.evidence import Endpoint, Evidence, Recordings
from agent.duties.check.finding import Finding, ok, problem, unknown, warning
from agent.duties.check.folders import user

CONTEXTS = ("recording", "recording-control")
FEATURES = ("record-start", "record-stop", "record-pause", "record-resume", "record-button-on", "record-button-off")
MODULES = ("app_mixmonitor", "res_agi", "bridge_builtin_features", "res_pjsip_one_touch_record_info")
#: Modules by which people are told: what is not said without each.
PROMPTS = {
    "app_playback": "nobody hears why nothing is recorded, and no call with customer services is recorded at all",
    "app_chanspy": "the other party of a recorded call is told nothing",
    "app_originate": "the other party of a recorded call is told nothing",
}
VARIABLE = "DYNAMIC_FEATURES"
SOCKET, SCRIPT, ANNOUNCEMENT = "RECORDING_SOCKET", "RECORDING_AGI", "RECORDING_ANNOUNCEMENT"
PARTY, START = "RECORDING_SAY_party", "RECORDING_SAY_start"
_STARTS = (START, *(f"{START}_{trigger}" for trigger in Trigger if trigger is not Trigger.NONE))
#: Globals of the dialplan that are looked at where recordings are kept.
SETTINGS = (SOCKET, SCRIPT, ANNOUNCEMENT, PARTY, *_STARTS)
#: What recording.conf takes without RECORDING_SOCKET.
USUAL_SOCKET = "/run/telephony-agent/recording.sock"
#: What Asterisk takes without astspooldir in asterisk.conf.
_USUAL_SPOOL = "/var/spool/asterisk"
_SEE = "give the agent's user write=system,reporting"
_GLOBALS = "in extensions.conf, under [globals]: "
_TOML = "in agent.toml, under [recording]: "
_BUTTON = (
    "in pjsip.conf, under each endpoint with a record button: one_touch_recording=yes,"
    " record_on_feature=record-button-on, record_off_feature=record-button-off"
)


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The parts of recording.conf, features-recording.conf and the endpoints; the agent's folders, keys and door."""
    yield from _contexts(evidence)
    yield _features(evidence)
    yield _switched_on(evidence)
    yield from _button(evidence)
    if evidence.modules is not None:
        for name in MODULES:
            if not evidence.modules.get(name, True):
                text = f"module {name} is not loaded: recording on request does not work as written"
                yield warning(f"module.{name}", text, f"in modules.conf: load={name}.so")
    if evidence.host.recordings is None:
        yield ok("recording", "off: no call is recorded (agent.toml names no folder under [recording])")
        return
    yield _monitor(evidence.host.recordings)
    yield _same_folder(evidence, evidence.host.recordings)
    yield _store(evidence.host.recordings)
    yield _keys(evidence.host.recordings)
    yield _door(evidence, evidence.host.recordings)
    yield from _script(evidence)
    yield from _told(evidence)


def _monitor(seen: Recordings) -> Finding:
    id = "recording.monitor"
    if not seen.monitor:
        return problem(
            id, "the agent knows no monitor folder: nothing is recorded", f'{_TOML}monitor_dir = "{_usual()}"'
        )
    if seen.monitor_fault:
        text = f"nothing can be recorded in {seen.monitor}: {seen.monitor_fault}"
        fix = (
            f"in asterisk.service: UMask=0007, and user {user()} in the group of the folder;"
            f" {_TOML}monitor_dir = Asterisk's monitor folder"
        )
        return problem(id, text, fix)
    if not seen.in_memory:
        text = f"{seen.monitor} is on a disk: nothing is recorded, for what was spoken could be read there afterwards"
        return problem(id, text, _mount(seen.monitor))
    if not seen.never_swapped:
        text = f"{seen.monitor} is memory that may be swapped to a disk"
        return warning(id, text, f"{_mount(seen.monitor)} (noswap: Linux 6.4 or later), or swapoff --all")
    return ok(id, f"{seen.monitor} is memory that no swap can take, and this user ({user()}) may use it")


def _usual() -> str:
    return f"{_USUAL_SPOOL}/monitor"


def _mount(folder: str) -> str:
    options = "size=1g,uid=asterisk,gid=asterisk,mode=2770,noswap,nosuid,nodev,noexec"
    return f"in /etc/fstab: tmpfs {folder} tmpfs {options} 0 0"


def _same_folder(evidence: Evidence, seen: Recordings) -> Finding:
    """Asterisk may see its folder from a root of its own (a container): there the end of the path is the same."""
    id = "recording.monitor.asterisk"
    if evidence.directories is None:
        how = f"{_SEE}, or run this on the PBX with --asterisk-etc"
        return unknown(id, "where Asterisk's own monitor folder is (asterisk.conf)", how)
    theirs = f"{(evidence.directories.get('astspooldir') or _USUAL_SPOOL).rstrip('/')}/monitor"
    if seen.monitor and not str(Path(seen.monitor)).endswith(theirs):
        text = f"Asterisk captures in {theirs}, and the agent looks in {seen.monitor}: nothing that is recorded is kept"
        return problem(id, text, f'{_TOML}monitor_dir = "{theirs}"')
    return ok(id, f"Asterisk captures in {theirs}")


def _store(seen: Recordings) -> Finding:
    id, usual = "recording.store", f'{_TOML}store_dir = "/var/lib/telephony-agent/recordings"'
    if not seen.store:
        return problem(id, "there is no place where recordings are kept: nothing is recorded", usual)
    if seen.store_fault:
        text = f"recordings cannot be kept in {seen.store}: {seen.store_fault}"
        return problem(id, text, f"install -d -m 0700 -o {user()} {seen.store}")
    return ok(id, f"recordings are kept in {seen.store}")


def _keys(seen: Recordings) -> Finding:
    if seen.key_fault:
        fix = "telephony-agent keys init, and in agent.toml, under [keys]: site_key_file = its file"
        return problem("recording.keys", f"nothing is recorded: {seen.key_fault}", fix)
    return ok("recording.keys", "recordings are encrypted under the site key")


def _door(evidence: Evidence, seen: Recordings) -> Finding:
    id = "recording.socket"
    if not seen.socket:
        text = "Asterisk can ask nobody whether a call may be recorded: every press is refused"
        return problem(id, text, f'{_TOML}socket = "{USUAL_SOCKET}"')
    if seen.socket_fault:
        fix = f'install -d -m 0755 -o {user()} {Path(seen.socket).parent}, and {_TOML}socket_group = "asterisk"'
        return problem(id, f"Asterisk cannot ask at {seen.socket}: {seen.socket_fault}", fix)
    if evidence.variables is None or SOCKET not in evidence.variables:
        return unknown(id, f"whether Asterisk asks at {seen.socket} (global {SOCKET})", _SEE)
    theirs = evidence.variables[SOCKET] or USUAL_SOCKET
    if not seen.socket.endswith(theirs):
        text = f"Asterisk asks at {theirs}, and the agent answers at {seen.socket}: every press is refused"
        return problem(id, text, f"{_GLOBALS}{SOCKET}={seen.socket}")
    return ok(id, f"Asterisk asks at {theirs} whether a call may be recorded")


def _script(evidence: Evidence) -> Iterator[Finding]:
    """The usual one; another is the operator's own."""
    if (evidence.variables or {}).get(SCRIPT) != "":
        return
    id, fix = "recording.script", "pip install --target /etc/asterisk/telephony-agent/agi pyst2"
    if evidence.script_fault is None:
        yield unknown(id, "whether Asterisk can run agi/recording.py", "run this on the PBX with --asterisk-etc")
    elif evidence.script_fault:
        yield warning(id, f"Asterisk may ask nobody for a recording: {evidence.script_fault}", fix)
    else:
        yield ok(id, "Asterisk has the script that asks for a recording")


def _told(evidence: Evidence) -> Iterator[Finding]:
    """Who is recorded should know."""
    modules, variables = evidence.modules or {}, evidence.variables or {}
    for name, without in PROMPTS.items():
        if not modules.get(name, True):
            text = f"module {name} is not loaded: {without}"
            yield warning(f"recording.module.{name}", text, f"in modules.conf: load={name}.so")
    if START not in variables:
        yield unknown(
            "recording.prompts", "whether people are told that they are recorded (globals RECORDING_SAY_…)", _SEE
        )
        return
    if not any(variables.get(name) not in (None, "", "no") for name in _STARTS):
        text = "nobody is told when a recording begins"
        yield warning("recording.prompts", text, f"{_GLOBALS}{START}=<a sound file>")
    else:
        yield ok("recording.prompts", "a prompt tells that a recording begins")
    if variables.get(PARTY) in (None, "", "no"):
        text = "who comes into a recorded call is told nothing"
        yield warning("recording.party", text, f"{_GLOBALS}{PARTY}=<a sound file>")
    elif "Originate" not in evidence.bulk.commands:
        text = (
            f"user '{evidence.bulk.name}' has no write class originate: who comes into a recorded call is told nothing"
        )
        fix = f"in manager.conf, under [{evidence.bulk.name}]: write=system,reporting,user,originate"
        yield warning("recording.party", text, fix)
    else:
        yield ok("recording.party", "a prompt tells who comes into a recorded call")
    if not variables.get(ANNOUNCEMENT):
        text = f"off: no call with customer services is recorded (no global {ANNOUNCEMENT})"
    else:
        text = "calls with customer services are announced, and recorded once somebody opts in for them"
    yield ok("recording.announcement", text)


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
