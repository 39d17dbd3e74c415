"""Which classes the agent's users of manager.conf are granted: too few, and what that costs; too many, and why not."""

from collections.abc import Iterator

from agent.duties.check.evidence import Account, Classes, Evidence, FilterForm
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

#: Read class: what is impossible without it.
READ = {
    "system": "an Asterisk restart goes unnoticed, and a phone that registers or goes is seen only at the next login"
    " (no FullyBooted, no ContactStatus)",
    "call": "no emergency call is seen where the dialplan is not ours, no call is seen to end, and no recording to run"
    " (no Newchannel, Hangup, MixMonitorStart)",
    "security": "no registration has the IP address that the phone really registered from, and no failed attempt is"
    " counted (no SuccessfulAuth)",
    "user": "what emergency.conf and recording.conf tell is lost: the stages of emergency calls, and who opted in to a"
    " recording (no UserEvent)",
}
EXPRESS_READ = {"user": "the express session hears no emergency at all (no UserEvent)"}
READ_LINE, WRITE_LINE = "read=system,call,security,user", "write=system,reporting,user,originate,message"
EXPRESS_READ_LINE, EXPRESS_WRITE_LINE = "read=user", "write=system"

_SECRETS = "the DTMF events would carry card digits and PINs"
READ_EXCESS = {
    "dtmf": _SECRETS,
    "all": f"with every other class, {_SECRETS}",
    "dialplan": "it carries every dialplan variable, names and numbers among them",
    "verbose": "it carries the console, names and numbers among them",
    "log": "it carries Asterisk's log, names and numbers among them",
    "agi": "it carries every AGI command and its answer",
    "cdr": "it carries who called whom, which no record here needs",
    "agent": "it carries who works in which queue",
}
#: Write class: the action that shows it (of that class alone, in Asterisk 16 to 22), and what it lets a thief of the
#: secret do.
WRITE_EXCESS = {
    "all": ("", "it lets anything be done to the PBX"),
    "command": ("Command", "it runs any command of Asterisk's console"),
    "originate": ("Originate", "it places calls, at your cost, and can run programs"),
    "config": ("UpdateConfig", "it rewrites Asterisk's configuration"),
    "call": ("Redirect", "it diverts and listens to calls"),
    "agi": ("AGI", "it steers calls from outside"),
    "user": ("UserEvent", "it can forge an emergency or an opt-in"),
    "message": ("MessageSend", "it sends texts"),
}
#: Write classes that the agent can do without: the action that shows each, and what is off without it.
OPTIONAL = {
    "user": ("UserEvent", "no probe is sent, so nobody is told when the agent no longer hears emergencies"),
    "originate": (
        "Originate",
        "no emergency call can be rehearsed, no phone rings for an alarm, and nobody who comes into a"
        " recorded call is told so",
    ),
    "message": ("MessageSend", "no alarm can be sent as a SIP MESSAGE"),
}
_READ_GRAVE = frozenset(("dtmf", "all"))
_WRITE_GRAVE = frozenset(("all", "command", "originate", "config"))


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The rights of every user that the agent logs in as."""
    for account in evidence.accounts:
        if account.refused:
            fix = f"in manager.conf, under [{account.name}]: allowmultiplelogin=yes, and the secret the agent has"
            yield problem(f"login.{account.name}", account.refused, fix)
            continue
        yield from _read(account)
        yield from _write(account)
        yield from _filter(account)


def granted(line: str | None) -> Classes | None:
    """The classes of a ``read=`` or ``write=`` line, as Asterisk's strings_to_mask takes it; None for a bare mask."""
    words = frozenset(word.strip().lower() for word in (line or "").split(",")) - {""}
    if len(words) == 1:
        (word,) = words
        if word.isdigit():
            return None
        if word in ("no", "false", "n", "f", "off"):
            return frozenset()
        if word in ("yes", "true", "y", "t", "on"):
            return frozenset(("all",))
    return words


def reads(account: Account, name: str) -> bool | None:
    """Whether events of class ``name`` come to this user; None: not seen."""
    if name in account.proven:
        return True
    classes = granted(account.section.get("read")) if account.section is not None else None
    return None if classes is None else name in classes or "all" in classes


def _place(account: Account) -> str:
    return f"in manager.conf, under [{account.name}]: "


def _lines(account: Account) -> tuple[str, str]:
    return (READ_LINE, WRITE_LINE) if "bulk" in account.sessions else (EXPRESS_READ_LINE, EXPRESS_WRITE_LINE)


def _read(account: Account) -> Iterator[Finding]:
    needed = READ if "bulk" in account.sessions else EXPRESS_READ
    line, _ = _lines(account)
    unseen = [name for name in needed if reads(account, name) is None]
    missing = [name for name in needed if reads(account, name) is False]
    for name in missing:
        text = f"user '{account.name}' does not read class {name}: {needed[name]}"
        yield problem(f"rights.{account.name}.read.{name}", text, _place(account) + line)
    if unseen:
        what = f"whether user '{account.name}' reads {', '.join(unseen)}"
        yield unknown(f"rights.{account.name}.read", what, f"{_place(account)}{line} and {WRITE_LINE}; {_OR_FILE}")
    elif not missing:
        yield ok(f"rights.{account.name}.read", f"user '{account.name}' reads {', '.join(needed)}")
    classes = granted(account.section.get("read")) if account.section is not None else None
    if classes is None:
        what = f"whether user '{account.name}' reads class dtmf: {_SECRETS}"
        yield unknown(f"rights.{account.name}.read.dtmf", what, f"{_place(account)}{line}; {_OR_FILE}")
    for name in sorted((classes or frozenset()) - set(READ)):
        why = READ_EXCESS.get(name, "no record needs it")
        say = problem if name in _READ_GRAVE else warning
        text = f"user '{account.name}' reads class {name}: {why}"
        yield say(f"rights.{account.name}.read.{name}", text, f"{_place(account)}{line}")


_OR_FILE = "or run this on the PBX with --asterisk-etc"


def _write(account: Account) -> Iterator[Finding]:
    _, line = _lines(account)
    has_system, fix = "Filter" in account.commands, _place(account) + line
    if not has_system:
        costs = "it cannot filter its events inside Asterisk"
        if "bulk" in account.sessions:
            costs += ", and has no snapshot of registrations, so no device types"
        text = f"user '{account.name}' has no write class system: {costs}"
        yield problem(f"rights.{account.name}.write.system", text, fix)
    if "bulk" in account.sessions and "CoreShowChannels" not in account.commands:
        text = (
            f"user '{account.name}' has no write class reporting: calls that are up when the agent starts are unknown"
            " to it (no CoreShowChannels)"
        )
        yield problem(f"rights.{account.name}.write.reporting", text, fix)
    elif has_system:
        yield ok(f"rights.{account.name}.write", f"user '{account.name}' may do what the agent needs")
    if "bulk" in account.sessions and has_system:
        yield from _optional(account, fix)
    for name in _write_excess(account):
        text = f"user '{account.name}' has write class {name}: {WRITE_EXCESS[name][1]}"
        yield (problem if name in _WRITE_GRAVE else warning)(f"rights.{account.name}.write.{name}", text, fix)


def _optional(account: Account, fix: str) -> Iterator[Finding]:
    for name, (action, without) in OPTIONAL.items():
        id, text = f"feature.{name}", f"user '{account.name}' has no write class {name}: {without}"
        if action in account.commands:
            yield ok(id, f"user '{account.name}' has write class {name} (action {action})")
        elif name == "user":
            yield warning(id, text, fix)
        else:
            yield ok(id, f"off: {text}")


def _write_excess(account: Account) -> list[str]:
    classes = granted(account.section.get("write")) if account.section is not None else None
    usual = OPTIONAL.keys() if "bulk" in account.sessions else frozenset()
    excess = {name: action for name, (action, _) in WRITE_EXCESS.items() if name not in usual}
    if classes is not None:
        return [name for name in excess if name in classes]
    return [name for name, action in excess.items() if action in account.commands]


def _filter(account: Account) -> Iterator[Finding]:
    if account.filter_form in (FilterForm.CRITERIA, FilterForm.REGEX):
        form = account.filter_form.value
        yield ok(f"filter.{account.name}", f"events are filtered inside Asterisk (action Filter takes {form})")
        return
    lines = [key for key, _ in account.section.items if key.startswith("eventfilter")] if account.section else []
    if lines:
        text = f"events are filtered by {len(lines)} eventfilter lines of manager.conf, not by the agent: keep them"
        fix = f"{_place(account)}{_lines(account)[1]}, and no eventfilter"
        yield warning(f"filter.{account.name}", f"user '{account.name}': {text} in step with its version", fix)
    else:
        text = f"the events of user '{account.name}' are not filtered: a 999 waits behind every other event"
        yield warning(f"filter.{account.name}", text, _place(account) + _lines(account)[1])
