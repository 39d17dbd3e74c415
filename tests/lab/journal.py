"""What the dialplan told of emergencies, out of its journal in AstDB."""

import asyncio
import re

from tests.lab.asterisk import Asterisk


async def stages(lab: Asterisk, *wanted: str) -> list[dict[str, str]]:
    """The entries of the journal in the order of their times, or those of the stages `wanted` only.

    Waits for what is being written beside a call: of one that is up that takes 5 s.
    Raises TimeoutError after a minute.
    """
    async with asyncio.timeout(60):
        while any("@emergency-saved" in channel["Channel"] for channel in await lab.channels()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    shown = await lab.cli("database show emergency-journal")
    values = re.findall(r"^/emergency-journal/\S+ *: (.*)$", shown, re.M)
    entries = [dict(fact.split("=", 1) for fact in value.split("|")) for value in values]
    return [entry for entry in sorted(entries, key=lambda entry: entry["At"]) if not wanted or entry["Stage"] in wanted]
