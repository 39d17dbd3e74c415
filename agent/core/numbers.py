"""Dialled numbers: which of them is an emergency."""

from collections.abc import Iterable

from agent.core.policy import Policy

#: What a phone's own emergency key may dial (the user part of sip:sos@…).
SOS = "sos"


def emergency_number(dialled: str, policy: Policy) -> str | None:
    """The emergency number in what was dialled, or None.

    Knows the outside-line and withhold forms (``9999``, ``141999``, ``9141112``) and numbers that arrive with URI
    parameters (``999;phone-context=+44``, seen on Asterisk 16 and 22 without ``ignore_uri_user_options``).
    """
    number = dialled.partition(";")[0]
    if number in policy.emergency_numbers:
        return number
    if len(number) > 16:
        return None
    for first in policy.prefixes:
        rest = number.removeprefix(first)
        if rest == number:
            continue
        if rest in policy.emergency_numbers:
            return rest
        for second in policy.prefixes:
            if second != first and rest.startswith(second) and rest[len(second) :] in policy.emergency_numbers:
                return rest[len(second) :]
    return None


def forms(numbers: Iterable[str], prefixes: Iterable[str]) -> tuple[str, ...]:
    """Every form in which an emergency number may be dialled (dialplan/emergency-numbers.conf), ``numbers`` first.

    Behind each prefix; behind the digit for an outside line and a longer prefix; in international form; and ``sos``.
    """
    plain, first = tuple(numbers), tuple(prefixes)
    both = (line + withheld for line in first for withheld in first if len(line) == 1 < len(withheld))
    before = (*first, *both, "+44")
    return tuple(dict.fromkeys((*plain, *(prefix + number for number in plain for prefix in before), SOS)))


def number_of_dial_string(dial_string: str) -> str:
    """The number in what Dial was given: ``999@trunk``, ``trunk/sip:999@host``, ``trunk/999``.

    A bare name, ``201``, is an endpoint's and no number.
    """
    if "@" not in dial_string and "/" not in dial_string:
        return ""
    user = dial_string.partition("@")[0].partition(";")[0]
    return user.rpartition("/")[2].rpartition(":")[2]
