"""Whether calls and texts are written down as the agent reads them, and whether it may take them away."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.core.cdr import FORMER, TEMPLATE
from agent.duties.check.evidence import CallFile, Endpoint, Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning
from agent.duties.check.folders import user
from agent.duties.check.numbers import named

MODULES = ("cdr_custom", "func_env")
#: The context that tells a CDR that its caller withholds his number.
PRESENTATION = "caller-presentation"
_SEE = "give the agent's user write=system,reporting, or run this on the PBX with --asterisk-etc"
_EXAMPLE = "copy the line of dialplan/cdr_custom.conf.example, then: module reload cdr_custom.so"


def look_at_calls(path: Path | None, trunks: tuple[str, ...]) -> CallFile | None:
    """Whether the file can be taken away, changing nothing; None where none is configured."""
    return None if path is None else CallFile(path=str(path), fault=_fault(path), trunks=trunks)


def judge(evidence: Evidence) -> Iterator[Finding]:
    """What stands in the way of the records of calls; nothing where none are kept."""
    seen = evidence.host.calls
    if seen is None:
        return
    yield _file(seen)
    yield _module(evidence)
    yield _mapping(evidence, seen)
    if evidence.contexts is not None and not evidence.contexts.get(PRESENTATION):
        text = f"there is no context {PRESENTATION}: numbers are kept that callers withhold"
        yield warning("calls.presentation", text, "copy the whole of dialplan/ of this version, dialplan reload")
    yield from _settings(evidence)
    yield _trunks(evidence, seen)
    if evidence.contexts is not None and evidence.contexts.get("text"):
        yield from _texts(evidence)


def _fault(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder}, and Asterisk makes none"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"this user ({user()}) may not write to the folder {folder}"
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if not os.access(path, os.R_OK):
        return f"this user ({user()}) may not read it"
    if folder.stat().st_mode & stat.S_ISVTX and os.getuid() not in (0, found.st_uid, folder.stat().st_uid):
        return f"this user ({user()}) may not remove it from a folder with the sticky bit"
    return ""


def _file(seen: CallFile) -> Finding:
    if not seen.fault:
        return ok("calls.file", f"the agent may take calls away from {seen.path}")
    folder = Path(seen.path).parent
    fix = f"install -d -m 2770 -o asterisk -g asterisk {folder}, and have the agent in that group"
    return problem("calls.file", f"no calls are kept from {seen.path}: {seen.fault}", fix)


def _module(evidence: Evidence) -> Finding:
    module, _ = MODULES
    if evidence.modules is None:
        return unknown("calls.module", f"whether {module}.so is loaded", _SEE)
    if not evidence.modules.get(module):
        fix = f"in modules.conf: load={module}.so (22 needs res_cdrel_custom.so as well)"
        return problem("calls.module", f"{module}.so is not loaded: Asterisk writes down no calls", fix)
    return ok("calls.module", f"{module}.so is loaded")


def _mapping(evidence: Evidence, seen: CallFile) -> Finding:
    id, name = "calls.mapping", Path(seen.path).name
    if evidence.mappings is None:
        return unknown(id, f"whether cdr_custom.conf has Asterisk write {name} as the agent reads it", _SEE)
    template = evidence.mappings.get(name.lower())
    if template is None:
        return problem(id, f"cdr_custom.conf has no mapping {name}: Asterisk writes down no calls there", _EXAMPLE)
    if template.lstrip("> ") == FORMER:
        text = f"cdr_custom.conf has {name} written without the presentation: numbers are kept that callers withhold"
        return problem(id, text, _EXAMPLE)
    if template.lstrip("> ") != TEMPLATE:
        return problem(id, f"cdr_custom.conf has {name} written otherwise than the agent reads it", _EXAMPLE)
    return ok(id, f"cdr_custom.conf has Asterisk write {name} as the agent reads it")


def _settings(evidence: Evidence) -> Iterator[Finding]:
    id, cdr = "calls.settings", evidence.cdr
    if cdr is None:
        yield unknown(id, "whether Asterisk's CDRs are on", _SEE)
    elif not cdr.yes("enable", default=True):
        yield problem(id, "cdr.conf turns all CDRs off: no calls are kept", "in cdr.conf, under [general]: enable=yes")
    elif cdr.yes("batch", default=False):
        text = "cdr.conf has Asterisk hold CDRs back: those that it holds when it is killed are lost"
        yield warning(id, text, "in cdr.conf, under [general]: batch=no")
    elif cdr.yes("unanswered", default=False):
        text = "cdr.conf has unanswered=yes: each step of the dialplan that rings nobody counts as a call"
        yield warning(id, text, "in cdr.conf, under [general]: unanswered=no")
    elif not cdr.yes("congestion", default=False):
        text = "cdr.conf leaves out calls that found no way: they are in no record"
        yield warning(id, text, "in cdr.conf, under [general]: congestion=yes")
    else:
        yield ok(id, "Asterisk's CDRs are on, those of calls that found no way too")


def _trunks(evidence: Evidence, seen: CallFile) -> Finding:
    id = "calls.trunks"
    if not seen.trunks:
        fix = 'in agent.toml, under [calls]: trunks = ["the endpoint that leads to your carrier"]'
        return problem(id, "no trunks are named: no calls are read", fix)
    if evidence.endpoints is None:
        return unknown(id, "which endpoints are trunks", _SEE)
    left = sorted({each.name for each in evidence.endpoints if not each.phone} - set(seen.trunks))
    if left:
        text = f"calls through {', '.join(left)} count as internal: no phone, and not among the trunks"
        return warning(id, text, "in agent.toml, under [calls]: name it in trunks, if it leads out of the PBX")
    return ok(id, "every endpoint that is no phone is among the trunks")


def _texts(evidence: Evidence) -> Iterator[Finding]:
    """Where text.conf is there: whether it can write texts down, and whether texts come to it."""
    _, module = MODULES
    if evidence.modules is not None and not evidence.modules.get(module):
        text = f"{module}.so is not loaded: texts are handed on, and are in no record"
        yield problem("texts.module", text, f"in modules.conf: load={module}.so")
    if evidence.endpoints is None:
        return
    left = [each for each in evidence.endpoints if _rings(each)]
    if left:
        text = f"texts land in the context of calls, where they ring and are in no record: {named(left)}"
        yield warning("texts.contexts", text, "in pjsip.conf, under the endpoint: message_context=<a context of texts>")
    else:
        yield ok("texts.contexts", "texts land in contexts of their own")


def _rings(endpoint: Endpoint) -> bool:
    return endpoint.technology == "PJSIP" and endpoint.context is not None and not endpoint.message_context
