"""What stays of a number when it is cut: its area, its kind of service or its country, shared by thousands of people.

Sources: Ofcom, The National Telephone Numbering Plan, and its area codes: 02x, 011x and 01x1, the others 01xxx. The
twelve areas with a code of one digit more (01387 3, 01524 2, 01539 4 to 6, 01697 3, 4 and 7, 01768 3, 4 and 7, 01946 7)
lie within one of 01xxx and are cut to that: fewer people share the longer code. ITU-T, List of E.164 assigned country
codes: 1 and 7 have one digit, those below have two, all others three.
"""

import re

_TWO_DIGITS = frozenset(
    "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90"
    " 91 92 93 94 95 98".split()
)
#: First match wins; what is behind the group goes, and is at the least so long that it says little without it.
_AREAS = (
    re.compile(r"(01(?:1\d|[2-9]1))\d{4,}"),
    re.compile(r"(01\d{3})\d{4,}"),
    re.compile(r"(02\d)\d{4,}"),
    re.compile(r"(03)\d{5,}"),
    re.compile(r"(07)\d{5,}"),
    re.compile(r"(0[89]\d)\d{4,}"),
    re.compile(r"(118)\d{3}"),
)
_ABROAD = re.compile(r"00([1-9]\d\d)\d+")


def area(number: str) -> str | None:
    """The area of a number as it is dialled within the country (`agent.core.numbering.Plan.national`).

    ``01134960100`` is cut to ``0113``, a mobile's to ``07``, one abroad to its country, ``0033``; None where nothing
    can be left of it.
    """
    if found := _ABROAD.fullmatch(number):
        code = found[1]
        digits = 1 if code[0] in "17" else 2 if code[:2] in _TWO_DIGITS else 3
        return f"00{code[:digits]}"
    return next((found[1] for shape in _AREAS if (found := shape.fullmatch(number))), None)
