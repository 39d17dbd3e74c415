"""P10: of a phone, its address and the type of device are kept, and nothing else of its REGISTER."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from ipaddress import ip_address

from agent.core.devices import VENDORS
from agent.core.personal import is_locked
from agent.core.records import Registration
from agent.duties.promises.result import Result, Scene, judged, some

_TRANSPORT = re.compile(r"[a-z0-9_]{1,12}")
#: What is no model or generation: a User-Agent is longer, a MAC or serial has its digits, a URI its sign.
_MODEL = re.compile(r"(?!.*[0-9A-Fa-f]{12})(?!.*(?:[0-9A-Fa-f]{2}[:-]){5})[^@:;<>]{0,40}")
_FIRMWARE = re.compile(r"[0-9]{0,3}")


def p10(scene: Scene) -> Result:
    """The columns of registrations, and each value in them."""
    declared = {item.name for item in fields(Registration)}
    wrong: Counter[str] = Counter()
    rows = 0
    with scene.survey() as survey:
        besides = [name for name in survey.columns()[survey.table(Registration.KIND)] if name not in declared]
        for row in survey.raw(Registration.KIND, "ip", "transport", "vendor", "model", "firmware"):
            rows += 1
            wrong.update(_wrong(*map(str, ("" if value is None else value for value in row))))
    faults = [some(len(besides), "columns besides those of a registration")]
    faults += [some(count, f"spans whose {name} is none") for name, count in sorted(wrong.items())]
    return judged("P10", faults, f"{len(declared)} columns and {rows} spans looked at")


def _wrong(ip: str, transport: str, vendor: str, model: str, firmware: str) -> Iterator[str]:
    if ip and not is_locked(ip) and not _is_address(ip):
        yield "address"
    if transport and not _TRANSPORT.fullmatch(transport):
        yield "transport"
    if vendor not in VENDORS:
        yield "make"
    if not _MODEL.fullmatch(model):
        yield "model"
    if not _FIRMWARE.fullmatch(firmware):
        yield "firmware generation"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
