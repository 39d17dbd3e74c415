"""What the operator decided that the core must know."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``prefixes`` may stand before an emergency number (outside line, CLI withheld); ``proxies`` are SIP proxies and
    session border controllers, behind which the phones' own addresses are to be found. ``callback_ms`` is how long
    after an emergency the emergency services may call back; ``detail_ms`` how long its fuller view is kept.
    ``emergencies_recorded``: the calls of a line with the recording service are recorded when they are emergencies too.
    ``optins_told``: an opt-in that the dialplan tells is believed though nobody granted it, as in a capture replayed.
    """

    emergency_numbers: frozenset[str] = frozenset(("999", "112", "18000"))
    prefixes: tuple[str, ...] = ("9", "141", "1470")
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    callback_ms: int = 3 * 3_600_000
    detail_ms: int = 3_600_000
    emergencies_recorded: bool = False
    optins_told: bool = False
