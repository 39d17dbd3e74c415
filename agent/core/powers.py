"""The legal powers by which data about a customer may leave, and those by which none does; a third way is consent.

What stands here was looked up on legislation.gov.uk and in the codes of practice. It is no legal advice: the register
holds a disclosure to it, and two people answer for each. A power that is not here is refused: whoever holds one asks
counsel, and adds it.

Content (what is said in a recording) leaves by none of them: the register knows communications data alone.
"""

from dataclasses import dataclass
from enum import StrEnum


class Authority(StrEnum):
    """Who may hold a power."""

    POLICE = "police"
    NATIONAL_CRIME_AGENCY = "national_crime_agency"
    INTELLIGENCE_SERVICE = "intelligence_service"
    HMRC = "hmrc"
    LOCAL_AUTHORITY = "local_authority"
    SCHEDULE_4 = "schedule_4"
    COURT = "court"
    CORONER = "coroner"
    OFCOM = "ofcom"
    FIRE = "fire"
    AMBULANCE = "ambulance"
    COASTGUARD = "coastguard"
    EMERGENCY_OPERATOR = "emergency_operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """One power: where it stands, who may hold it, and which kinds of record it covers.

    ``secret``: to tell anybody of it is an offence without a reasonable excuse, so its entries have a date before which
    nobody is told. ``of_emergency``: it covers one emergency call alone, until an hour after its end.
    """

    source: str
    authorities: frozenset[Authority]
    kinds: frozenset[str]
    secret: bool = False
    of_emergency: bool = False


#: What a disclosure may be of, by the kind of its records: entity and events data of IPA 2016 s.261, no content.
KINDS = ("registration", "emergency", "detail", "recording", "call", "text", "service")

#: The exemption ends so long after the end of the call.
EMERGENCY_MS = 3_600_000

_EVERYTHING = frozenset(KINDS) - {"detail"}
_OFFICERS = frozenset(
    (
        Authority.POLICE,
        Authority.NATIONAL_CRIME_AGENCY,
        Authority.INTELLIGENCE_SERVICE,
        Authority.HMRC,
        Authority.SCHEDULE_4,
    )
)

POWERS: dict[str, Power] = {
    # The Investigatory Powers Commissioner, by the Office for Communications Data Authorisations. Not to be told: s.82.
    "ipa_60a": Power(
        source="Investigatory Powers Act 2016 s.60A (authorised by OCDA)",
        authorities=_OFFICERS | {Authority.LOCAL_AUTHORITY},
        kinds=_EVERYTHING,
        secret=True,
    ),
    "ipa_61": Power(
        source="Investigatory Powers Act 2016 s.61 (authorised by a designated senior officer)",
        authorities=_OFFICERS,
        kinds=_EVERYTHING,
        secret=True,
    ),
    "ipa_61a": Power(
        source="Investigatory Powers Act 2016 s.61A (urgent, authorised by a designated senior officer)",
        authorities=_OFFICERS,
        kinds=_EVERYTHING,
        secret=True,
    ),
    # Orders of a court are outside the restriction of general information powers: IPA 2016 s.12(2)(b).
    "court_order": Power(
        source="order of a court (CPR 31.17; Norwich Pharmacal)",
        authorities=frozenset({Authority.COURT}),
        kinds=_EVERYTHING,
    ),
    "production_order": Power(
        source="production order (Police and Criminal Evidence Act 1984 s.9 and sch.1 para.4, by a circuit judge)",
        authorities=frozenset({Authority.COURT}),
        kinds=_EVERYTHING,
    ),
    "coroner": Power(
        source="notice of a senior coroner (Coroners and Justice Act 2009 s.32 and sch.5 para.1)",
        authorities=frozenset({Authority.CORONER}),
        kinds=_EVERYTHING,
    ),
    # About communications providers in particular, and so no general information power: IPA 2016 s.12(6).
    "ofcom": Power(
        source="information requirement (Communications Act 2003 s.135, within the limits of s.137)",
        authorities=frozenset({Authority.OFCOM}),
        kinds=_EVERYTHING - {"service"},
    ),
    # Communications data code of practice, on emergency calls; PECR 2003 reg.16.
    "emergency": Power(
        source="emergency call, until one hour after its end (code of practice for communications data; PECR reg.16)",
        authorities=frozenset(
            (
                Authority.POLICE,
                Authority.FIRE,
                Authority.AMBULANCE,
                Authority.COASTGUARD,
                Authority.EMERGENCY_OPERATOR,
            )
        ),
        kinds=frozenset(("emergency", "detail", "registration")),
        of_emergency=True,
    ),
}

_GENERAL = (
    "it is a general information power, which compels no communications data (IPA 2016 s.12(2)) but as a regulatory or"
    " supervisory power of a specified public authority, outside a criminal investigation (s.12(2B)), which this"
    " register cannot judge: ask for an authorisation or an order of a court"
)

#: Powers that are often cited, and why nothing leaves by them.
REFUSED: dict[str, str] = {
    "ipa_62": "IPA 2016 s.62 is about internet connection records, and none are kept",
    "ipa_87": "IPA 2016 s.87 makes an operator keep data and gives nobody any: place a hold instead",
    "dpa_sch2_2": "DPA 2018 sch.2 para.2 (crime and taxation) permits and compels nothing: name a consent or a power",
    "dpa_sch2_5": "DPA 2018 sch.2 para.5 (legal proceedings) lifts duties where a rule of law or an order of a court"
    " requires disclosure: name that rule or order",
    "ssaa_109b": f"Social Security Administration Act 1992 s.109B: {_GENERAL}",
    "fsma_165": f"Financial Services and Markets Act 2000 s.165: {_GENERAL}",
    "hswa_20": f"Health and Safety at Work etc. Act 1974 s.20: {_GENERAL}",
    "fa2008_sch36": "Finance Act 2008 sch.36: whether a tax-related power (IPA 2016 s.12(2A)) compels communications"
    " data is for counsel: ask for an authorisation or an order of a court",
}


def refusal(power: str, authority: str, kinds: tuple[str, ...]) -> str | None:
    """Why nothing of these ``kinds`` leaves to ``authority`` by ``power``, in one sentence; None where it may."""
    if power in REFUSED:
        return REFUSED[power]
    known = POWERS.get(power)
    if known is None:
        return f"there is no such power in the list; powers: {', '.join(POWERS)}"
    if authority not in known.authorities:
        who = ", ".join(sorted(known.authorities))
        return f"that authority does not hold this power ({known.source}); those that do: {who}"
    if wider := [kind for kind in kinds if kind not in known.kinds]:
        return f"this power does not cover {', '.join(wider)}; it covers {', '.join(sorted(known.kinds))}"
    return None
