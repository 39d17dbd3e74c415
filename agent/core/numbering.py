"""What kind of number a number is, in the United Kingdom's plan; so much is kept where the number itself may not be.

Sources: Ofcom, The National Telephone Numbering Plan (ranges by their first digits), and its designations of 116
numbers; BT's price list, section 2 part 23, for text relay (18001 from a textphone, 18002 to one, charged as the number
behind it is); the charities' own pages for their freephone numbers. Configuration adds to the helplines; it takes none
away.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from agent.core.numbers import SOS, emergency_number
from agent.core.policy import Policy
from agent.core.records import NumberClass

#: The classes that are charged to nobody who calls.
FREE = frozenset((NumberClass.FREEPHONE, NumberClass.HELPLINE, NumberClass.INTERNAL, NumberClass.EMERGENCY))

#: Charities' freephone helplines outside the ranges that are helplines as a whole.
_HELPLINES = frozenset(
    (
        "08001111",  # Childline
        "08082000247",  # National Domestic Abuse Helpline
        "08000271234",  # Scotland's Domestic Abuse and Forced Marriage Helpline
        "08005999247",  # Karma Nirvana
        "08009995428",  # Galop
        "08000684141",  # Papyrus HOPELINE247
        "08000121700",  # Modern Slavery & Exploitation Helpline
        "08004708090",  # The Silver Line
        "08005858588",  # Campaign Against Living Miserably
        "08006781602",  # Age UK
        "08085002222",  # Rape Crisis
        "08081689111",  # Victim Support
        "08081000900",  # Stop It Now
    )
)
#: 116 numbers are European numbers for services of social value; 0808 80 is set aside for charities' helplines.
_HELPLINE_RANGES = re.compile(r"116\d{3}|080880\d{5}")

#: First match wins; a number is written as it is dialled within the country. 03 is charged as a geographic number is,
#: 070 and 076 (but the Isle of Man's 07624) are personal and paging numbers with tariffs of their own.
_RANGES = tuple(
    (kind, re.compile(shape))
    for kind, shape in (
        (NumberClass.FREEPHONE, r"080\d{5,8}|101|105|111|119"),
        (NumberClass.MOBILE, r"07(?:[1-57-9]\d{8}|624\d{6})"),
        (NumberClass.PREMIUM, r"(?:070|076|09\d|084|087)\d{4,8}|118\d{3}|123"),
        (NumberClass.GEOGRAPHIC, r"0[123]\d{7,9}"),
        (NumberClass.INTERNATIONAL, r"00\d{4,15}"),
    )
)
#: What is dialled within a PBX is shorter than any number of a network but the special ones above.
_INTERNAL = re.compile(r"[0-9*#]{1,6}")
_DIGITS = re.compile(r"\+?[0-9*#]{1,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The numbering plan as the operator uses it; ``helplines`` are his own, as they are dialled in the country."""

    policy: Policy = field(default_factory=Policy)
    helplines: Collection[str] = ()

    def national(self, dialled: str) -> str:
        """``dialled`` as it is dialled within the country, abroad with 00, what stands before it taken off.

        ``""`` where it is no number at all: a name, a withheld one, or longer than any.
        """
        number = dialled.partition(";")[0].translate(_LAYOUT)
        if not _DIGITS.fullmatch(number):
            return ""
        return _within(self._bare(number))

    def kind(self, dialled: str) -> NumberClass:
        """What kind of number it is, whoever dialled or shows it."""
        number = self.national(dialled)
        if dialled == SOS or any(emergency_number(text, self.policy) for text in (dialled, number)):
            return NumberClass.EMERGENCY
        if number in _HELPLINES or number in self.helplines or _HELPLINE_RANGES.fullmatch(number):
            return NumberClass.HELPLINE
        for kind, shape in _RANGES:
            if shape.fullmatch(number):
                return kind
        return NumberClass.INTERNAL if _INTERNAL.fullmatch(number) else NumberClass.UNKNOWN

    def _bare(self, number: str) -> str:
        """Without an outside line, a withheld or released number and text relay before it, where a number follows."""
        number = self._inland(number)
        relayed = self._inland(number[_RELAY_DIGITS:]) if number.startswith(_RELAY) else ""
        called = _BEHIND_RELAY.fullmatch(relayed) or emergency_number(relayed, self.policy)
        return relayed if called else number

    def _inland(self, number: str) -> str:
        prefixes = sorted(self.policy.prefixes, key=len, reverse=True)
        once = [number.removeprefix(prefix) for prefix in prefixes if number.startswith(prefix)]
        twice = [rest.removeprefix(prefix) for rest in once for prefix in prefixes if rest.startswith(prefix)]
        return next((rest for rest in (*twice, *once) if _BEHIND_PREFIX.fullmatch(rest)), number)


#: Behind 18000 nothing follows: it is the emergency number of text relay.
_RELAY, _RELAY_DIGITS = ("18001", "18002"), 5
_BEHIND_RELAY = re.compile(r"0\d{6,}|11[68]\d{3}|10[15]|11[19]|123")
_BEHIND_PREFIX = re.compile(r"0\d{6,}|\+\d{6,}|116\d{3}|1800[12]\d{3,}")
_LAYOUT = str.maketrans("", "", " -().")


def _within(number: str) -> str:
    for abroad in ("+44", "0044"):
        if number.startswith(abroad):
            return _own(number.removeprefix(abroad))
    if number.startswith("+"):
        return f"00{number[1:]}"
    return _own(number[2:]) if re.fullmatch(r"44[1-9]\d{8,9}", number) else number


def _own(rest: str) -> str:
    """A number of the country behind its code: 116 numbers and the like have no 0 before them."""
    return rest if rest.startswith("0") or len(rest) < 7 else f"0{rest}"
