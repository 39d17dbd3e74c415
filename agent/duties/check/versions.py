"""What this version of Asterisk lacks that a newer one has, and what comes of it; nothing of it stops a call."""

import re
from collections.abc import Iterator

from agent.duties.check.evidence import Evidence
from agent.duties.check.finding import Finding, ok, warning

#: Dial's second timer, of early media, by the line of releases: the first in which it works.
_SECOND_TIMER = {18: 26, 20: 11, 21: 6, 22: 1}
#: What emergency.conf has in its place.
STAND_IN = ("app_originate", "app_softhangup", "func_hangupcause")


def judge(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each feature that is left out."""
    found = re.match(r"(\d+)\.(\d+)", evidence.version or "")
    if found is not None and not has_second_timer(int(found[1]), int(found[2])):
        yield _timer(found[0], [name for name in STAND_IN if not (evidence.modules or {}).get(name, True)])
    if evidence.modules is not None and not evidence.modules.get("res_geolocation", True):
        text = (
            "without the module res_geolocation no location is sent with an emergency call: left out, the call goes on"
        )
        yield ok("version.geolocation", text)


def _timer(version: str, missing: list[str]) -> Finding:
    id, text = "version.dial-timer", f"Asterisk {version} has no second timer in Dial that works"
    if not missing:
        return ok(id, f"{text}: emergency.conf watches the trunk itself, and gives it up when it says nothing for 4 s")
    text += f", and without {', '.join(missing)} nothing stands in: a trunk that says nothing holds a 999 up for 32 s"
    return warning(id, text, f"in modules.conf: {', '.join(f'load={name}.so' for name in missing)}")


def has_second_timer(major: int, minor: int) -> bool:
    """Whether ``Dial(…,60^4)`` has a meaning in this version."""
    return major > 22 or minor >= _SECOND_TIMER.get(major, 1 << 30)
