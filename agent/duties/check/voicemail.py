"""Whether voicemail can go: its folder, app_voicemail's kind of storage, and the lamps of phones afterwards."""

import re
from collections.abc import Iterator

from agent.duties.check.evidence import Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

MODULES = ("app_voicemail", "app_voicemail_odbc", "app_voicemail_imap")
#: Keys of voicemail.conf that another kind of storage needs.
_ELSEWHERE = ("odbcstorage", "odbctable", "imapserver")
#: From this version on Asterisk counts a mailbox anew whenever it is asked to.
_REFRESHES = 17
_SEE = "give the agent's user write=system,reporting,user, or run this on the PBX with --asterisk-etc"
_KEEP = "have app_voicemail keep its messages as files, or leave [voicemail] spool_dir out of agent.toml"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """What stands in the way of the purge; nothing where none is configured."""
    if not evidence.host.spool:
        return
    yield _spool(evidence.host.spool, evidence.host.spool_fault)
    yield from _storage(evidence)
    yield _lamps(evidence)


def _spool(place: str, fault: str) -> Finding:
    if not fault:
        return ok("voicemail.spool", f"the agent may delete voicemail in {place}")
    text = f"no voicemail is deleted in {place}: {fault}"
    fix = "in agent.toml, under [voicemail]: spool_dir = app_voicemail's folder; run the agent as Asterisk's own user"
    return problem("voicemail.spool", text, fix)


def _storage(evidence: Evidence) -> Iterator[Finding]:
    id, modules = "voicemail.storage", evidence.modules or {}
    other = [name for name in MODULES[1:] if modules.get(name)]
    keys = [key for key in _ELSEWHERE if evidence.voicemail is not None and evidence.voicemail.get(key)]
    if other:
        yield problem(id, f"{other[0]} keeps voicemail elsewhere than in files: none of it is deleted", _KEEP)
    elif keys:
        text = f"voicemail.conf has {', '.join(keys)}: where app_voicemail was built for it, voicemail is in no files"
        yield warning(id, text, _KEEP)
    elif evidence.modules is None:
        yield unknown(id, "whether app_voicemail keeps its messages as files", _SEE)
    elif not modules.get(MODULES[0]):
        yield warning(id, "app_voicemail is not loaded: nobody listens to what is in the spool", _KEEP)
    else:
        yield ok(id, "app_voicemail keeps its messages as files")


def _lamps(evidence: Evidence) -> Finding:
    id, what = "voicemail.lamps", "phones may show messages that were deleted"
    loaded = (evidence.modules or {}).get(MODULES[0], True)
    if loaded and "VoicemailRefresh" not in evidence.bulk.commands:
        text = f"user '{evidence.bulk.name}' has no write class user: {what} (no VoicemailRefresh)"
        return warning(id, text, f"in manager.conf, under [{evidence.bulk.name}]: write=system,reporting,user")
    major = re.match(r"\d+", evidence.version or "")
    if major is None or int(major[0]) >= _REFRESHES:
        return ok(id, "phones are told when messages were deleted")
    if evidence.voicemail is None:
        return unknown(id, f"whether Asterisk {evidence.version} looks into mailboxes by itself (pollmailboxes)", _SEE)
    if evidence.voicemail.yes("pollmailboxes", default=False):
        return ok(id, "phones are told when messages were deleted")
    text = f"Asterisk {evidence.version} looks into mailboxes only with pollmailboxes=yes: {what}"
    return warning(id, text, "in voicemail.conf, under [general]: pollmailboxes=yes")
