"""What the dialplan told of emergencies, out of its journal in AstDB."""

import re

from tests.lab.asterisk import Asterisk


async def stages(lab: Asterisk, *wanted: str) -> list[dict[str, str]]:
    """The entries of the journal in the order of their times, or those of the stages `wanted` only."""
    shown = await lab.cli("database show emergency-journal")
    values = re.findall(r"^/emergency-journal/\S+ *: (.*)$", shown, re.M)
    entries = [dict(fact.split("=", 1) for fact in value.split("|")) for value in values]
    return [entry for entry in sorted(entries, key=lambda entry: entry["At"]) if not wanted or entry["Stage"] in wanted]
