"""Can this phone reach 999 with the right address?"""

from collections.abc import Collection
from enum import StrEnum

from agent.core.records import Certainty, Verdict
from agent.duties.assurance.addresses import Address


class Reach(StrEnum):
    """The answer, worst first."""

    NO_PATH = "no_path"
    UNSEEN = "unseen"
    WRONG_ADDRESS = "wrong_address"
    UNKNOWN_NETWORK = "unknown_network"
    YES = "yes"


def reach(paths: Collection[Verdict], certainty: Certainty | None, address: Address | None) -> Reach:
    """Join what is known of one phone.

    ``paths`` are the verdicts on the emergency numbers in its context, ``certainty`` that of its registration's place
    (None: there is no table of sites), ``address`` the entry of its CLI in the carrier's export (None: not looked up).
    """
    if Verdict.BROKEN in paths:
        return Reach.NO_PATH
    if not paths or Verdict.UNSEEN in paths:
        return Reach.UNSEEN
    if certainty is Certainty.MOVED or address in (Address.MISSING, Address.WRONG):
        return Reach.WRONG_ADDRESS
    return Reach.YES if certainty is Certainty.EXPECTED else Reach.UNKNOWN_NETWORK
