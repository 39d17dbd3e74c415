"""How AMI is set up: time stamps, patience with a slow reader, two logins, who can reach it, and the clock."""

from collections.abc import Iterator
from ipaddress import ip_address

from agent.duties.check.evidence import Account, Evidence
from agent.duties.check.finding import Finding, ok, problem, unknown, warning

#: ms; manager.conf.example says it. Asterisk waits only once the kernel's buffers (about 4 MB) are full, so this is
#: what a pause of the agent, or of its disk, may last beyond that.
WRITE_TIMEOUT_MS = 5000
_WRITE_TIMEOUT_DEFAULT_MS = 100
SKEW_MS = 1000
_GENERAL = "in manager.conf, under [general]: "
_SEE = "give the agent's user write=system,reporting, or run this on the PBX with --asterisk-etc"


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The settings of manager.conf, and the clock."""
    yield _stamps(evidence)
    for account in evidence.accounts:
        if not account.refused:
            yield _write_timeout(account)
    yield from _logins(evidence)
    yield from _reach(evidence)
    if evidence.skew_ms is not None:
        yield _clock(evidence.skew_ms, evidence.skew_within_ms)


def _stamps(evidence: Evidence) -> Finding:
    stamped = evidence.events_stamped
    if stamped is None and evidence.general is not None:
        stamped = evidence.general.yes("timestampevents", default=False)
    if stamped is None:
        return unknown("ami.timestampevents", "whether events carry the time at which they happened", _SEE)
    if stamped:
        return ok("ami.timestampevents", "events carry the time at which they happened")
    text = "events carry no Timestamp: every time that is kept is that of arrival, late when the network or agent is"
    return problem("ami.timestampevents", text, _GENERAL + "timestampevents=yes")


def _write_timeout(account: Account) -> Finding:
    id, fix = f"ami.writetimeout.{account.name}", f"in manager.conf, under [{account.name}]: writetimeout=5000"
    if account.section is None:
        return unknown(id, f"the writetimeout of user '{account.name}'", _SEE)
    value = account.section.get("writetimeout") or ""
    timeout_ms = int(value) if value.isascii() and value.isdigit() else _WRITE_TIMEOUT_DEFAULT_MS
    if timeout_ms >= WRITE_TIMEOUT_MS:
        return ok(id, f"Asterisk waits {timeout_ms} ms for user '{account.name}' to read")
    text = (
        f"writetimeout of user '{account.name}' is {timeout_ms} ms: in a burst of events Asterisk cuts off a reader"
        " that is busy for longer, perhaps in the middle of an event, and repeats nothing"
    )
    return warning(id, text, fix)


def _logins(evidence: Evidence) -> Iterator[Finding]:
    refused = {account.name for account in evidence.accounts if account.refused}
    for account in evidence.accounts:
        if len(account.sessions) < 2 or account.section is None or account.name in refused:
            continue
        everyone = evidence.general is None or evidence.general.yes("allowmultiplelogin", default=True)
        if not account.section.yes("allowmultiplelogin", default=everyone):
            text = (
                f"user '{account.name}' may log in only once (allowmultiplelogin=no): the agent needs two sessions, and"
                " after a cut its own half-open one would lock it out"
            )
            fix = f"in manager.conf, under [{account.name}]: allowmultiplelogin=yes"
            yield problem(f"ami.allowmultiplelogin.{account.name}", text, fix)


def _reach(evidence: Evidence) -> Iterator[Finding]:
    if not evidence.ami_loopback and not evidence.ami_tls:
        text = (
            "the agent speaks to Asterisk over a network without TLS: numbers, addresses and SIP passwords pass in"
            " clear, and this check asks for nothing that holds one, so that less could be seen"
        )
        fix = "in manager.conf, under [general]: tlsenable=yes, tlsbindaddr=0.0.0.0:5039, tlscertfile=…; in agent.toml,"
        yield problem("ami.tls", text, f"{fix} under [ami]: tls = true and port = 5039")
    if evidence.general is None:
        yield unknown("ami.bindaddr", "at which addresses AMI listens", _SEE)
        return
    address = evidence.general.get("bindaddr") or "0.0.0.0"  # noqa: S104 - what Asterisk takes without it
    if loopback(address):
        yield ok("ami.bindaddr", f"AMI without TLS listens at {address} only")
        return
    text = f"AMI listens without TLS at {address}, which other machines may reach"
    yield warning("ami.bindaddr", text, _GENERAL + "bindaddr=127.0.0.1 (others by TLS: tlsenable=yes, tlsbindaddr=…)")


def loopback(address: str) -> bool:
    """Whether ``address`` (a name, an IP address, either with a port) is reached from this machine only."""
    host = address.strip("[]") if address.count(":") != 1 else address.partition(":")[0]
    try:
        return host == "localhost" or ip_address(host.partition("]")[0]).is_loopback
    except ValueError:
        return False


def _clock(skew_ms: int, within_ms: int) -> Finding:
    if abs(skew_ms) <= SKEW_MS + within_ms:
        return ok("clock", f"Asterisk's clock and this machine's agree within {max(abs(skew_ms), within_ms)} ms")
    text = f"Asterisk's clock is {abs(skew_ms) / 1000:.1f} s {'ahead of' if skew_ms > 0 else 'behind'} this machine's"
    fix = "on both machines: timedatectl set-ntp true"
    return warning("clock", f"{text}: times that are kept, and times of arrival, do not fit together", fix)
