"""How phones registering is told: the snapshot, their refreshes, and numbers with URI parameters."""

from collections.abc import Iterator

from agent.duties.check.evidence import Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning
from agent.duties.check.rights import READ_LINE, reads

_GLOBAL = "in pjsip.conf, under the section with type=global: "
_SEE = "give the agent's user write=system,reporting, or run this on the PBX with --asterisk-etc"
SNAPSHOT = "PJSIPShowRegistrationInboundContactStatuses"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """What concerns PJSIP; nothing where it has no endpoint."""
    if evidence.endpoints is None or not any(each.technology == "PJSIP" for each in evidence.endpoints):
        return
    commands = evidence.bulk.commands
    if "PJSIPShowEndpoints" in commands and SNAPSHOT not in commands:
        text = f"Asterisk has no action {SNAPSHOT}: phones registered before the agent starts have no device type"
        yield problem("registrations.snapshot", text, "in modules.conf: load=res_pjsip_registrar.so")
    yield _refreshes(evidence)
    yield _uri_options(evidence)


def _refreshes(evidence: Evidence) -> Finding:
    id, key = "registrations.refresh", "send_contact_status_on_update_registration"
    security = reads(evidence.bulk, "security")
    if security:
        return ok(id, f"refreshes are seen by read class security; {key} does not matter")
    if evidence.pjsip is None:
        return unknown(id, f"whether refreshes of registrations are told ({key})", _SEE)
    if evidence.pjsip.yes(key, default=False):
        return ok(id, f"refreshes are told by {key}")
    text = f"refreshes are not seen: class security is not known to be read, and {key} is off"
    fix = f"in manager.conf, under [{evidence.bulk.name}]: {READ_LINE}; or {_GLOBAL}{key}=yes"
    return warning(id, text, fix)


def _uri_options(evidence: Evidence) -> Finding:
    id, key = "numbers.uri-options", "ignore_uri_user_options"
    if evidence.pjsip is None:
        return unknown(id, f"whether a 999 with URI parameters is taken for 999 ({key})", _SEE)
    if evidence.pjsip.yes(key, default=False):
        return ok(id, "a number with URI parameters is taken without them")
    text = f"{key} is off: a phone that dials sip:999;phone-context=+44 reaches no 999"
    return warning(id, text, f"{_GLOBAL}{key}=yes")
