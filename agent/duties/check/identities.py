"""Nobody can be given an emergency number: no endpoint, AOR, auth or mailbox may have one for its name."""

from collections.abc import Collection, Iterator

from agent.duties.check.evidence import Endpoint, Evidence
from agent.duties.check.finding import Finding, ok, problem, warning


def judge(evidence: Evidence) -> Iterator[Finding]:
    """The names that phones register and authenticate by; and phones whose silence is cut off."""
    if evidence.endpoints is None:
        return
    taken = sorted(_taken(evidence.endpoints, evidence.aors or (), frozenset(evidence.forms) | set(evidence.numbers)))
    for what, name in taken:
        text = f"{what} {name} has an emergency number for its name: who registers as it could take calls meant for 999"
        yield problem(f"identity.{what}.{name}", text, f"in the PBX's configuration: give {what} {name} another name")
    if not taken:
        yield ok("identity", "no endpoint, AOR, auth or mailbox is named as an emergency number")
    cut = [each.name for each in evidence.endpoints if each.phone and each.rtp_timeout_s > 0]
    if cut:
        names = ", ".join(cut[:8]) + (f" and {len(cut) - 8} more" if len(cut) > 8 else "")
        text = (
            f"rtp_timeout of {len(cut)} phones ({names}) is on: a 999 call in which nobody can speak would be cut off"
        )
        yield warning("phones.rtp-timeout", text, "in pjsip.conf, under these endpoints: rtp_timeout=0")


def _taken(
    endpoints: Collection[Endpoint], aors: Collection[str], numbers: Collection[str]
) -> Iterator[tuple[str, str]]:
    for endpoint in endpoints:
        if endpoint.name in numbers:
            yield "endpoint", endpoint.name
        yield from {("auth", name) for name in endpoint.auths if name in numbers}
        boxes = {box.partition("@")[0] for box in endpoint.mailboxes}
        yield from {("mailbox", name) for name in boxes if name in numbers}
    yield from (("AOR", name) for name in aors if name in numbers)
