"""What was heard, typed: still personal, so it lives only for the step that turns it into a record.

``at`` is the event's own time in ms since 1970 UTC. ``line`` is the endpoint's name out of a channel's name
(``PJSIP/201-0000001a`` is line ``201``), None where the channel has none (``Local/…``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A question to Asterisk: describe the contacts of ``endpoint`` (technology ``PJSIP`` or ``SIP``)."""

    technology: str
    endpoint: str
