"""Which make and model of phone a SIP User-Agent names, and nothing else that it says."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

OTHER = "other"
UNKNOWN = "unknown"

# Patterns are anchored at the start and all their parts bounded; what lies past this is never looked at.
MAX_CHARS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The kind of a device, free of anything that tells one device from the next of its kind.

    vendor: a name out of VENDORS.
    model: as the make's row in MAKES allows it, 16 characters at most, or "".
    firmware: the major version, one to three digits, or "".
    """

    vendor: str
    model: str = ""
    firmware: str = ""


class Make(NamedTuple):
    """One row of MAKES: regular expressions for how a make's User-Agent (RFC 3261, 20.41) is written."""

    vendor: str
    opening: str
    model: str = ""


# To add a make, add a line, Make(vendor, opening, model), and real User-Agents of that make to the tests.
#   opening  how the string begins, in any case; a lower-case letter right after it makes it another word.
#   model    what joins the opening to the model, and the model as the ONE capturing group, cased as the make
#            writes it. List the families that the make sells, never \w+, .+ or a run that could hold a
#            serial, a MAC or a name. Leave it out where the make's strings carry no model, or none was seen yet.
# The first line that opens the string wins. Firmware has no column: all makes join it in the same few ways.
MAKES = (
    Make("Yealink", r"yealink", r"[ -](?:SIP[ -])?((?:VP-)?T\d\d[A-Z]?(?:_E\d)?|W\d\d[A-Z]{1,2}|[CV]P\d{3}P?)"),
    Make("Yealink", r"(?=VP530|W52P)", r"(VP530P?|W52P)"),
    Make("snom", r"snom", r"[- ]?([1-8]\d[05]|821|[CD]\d{3}[A-Z]?|HD\d{3}|[Mm]\d{2,3}|PA1)"),
    Make("Grandstream", r"grandstream", r" ((?:G[RX]P|G[XH]V|GXW|UCM|HT-?|DP|WP)\d{3,4}[A-Z]?(?:v\d)?|Wave)"),
    Make("Polycom", r"polycom", r"[A-Za-z]{2,20}-(VVX_?\d{3}|S[PS]IP_\d{3,4}|Trio_\d{4}|CCX_\d{3})"),
    Make("Poly", r"poly", r"[A-Za-z]{2,20}-(Edge_[BE]\d{2,3}|Trio_[C\d]\d{2,3}|VVX_?\d{3}|CCX_\d{3})"),
    Make("Cisco", r"cisco", r"[ /-](SPA-?\d{3,4}[A-Z]?\d?|CP-?\d{4}[A-Z]{0,2}|ATA ?\d{3})"),
    Make("Linksys", r"linksys", r"[ /](SPA-?\d{3,4}|PAP2T?|RT31P2|WRP400|WRTP54G)"),
    Make("Sipura", r"sipura", r"[ /](SPA-?\d{4})"),
    Make("Gigaset", r"gigaset", r" ?([NCSE]\d{3}[AE]?(?:[ _-]?(?:IP|DM|VI)(?:[ _-]PRO)?)?)"),
    Make("Gigaset", r"(?=[NCS]\d{3}A?[ _-]?(?:IP|DM))", r"([NCS]\d{3}A?[ _-]?(?:IP|DM)(?:[ _-]PRO)?)"),
    Make("Panasonic", r"panasonic", r"[_ -](KX-(?:UT|HDV|TGP|NTV|UDS|NT|NS)\d{3})"),
    Make("Fanvil", r"fanvil", r" ((?:[XV]\d{1,3}|[CHW]\d{2,3}|H\d|i\d{2})[A-Zi]{0,2}(?:-?V2)?(?: Pro)?)"),
    Make("Mitel", r"mitel", r"[ -]?((?:5[23]|6[789])\d\d[aiw]?)"),
    Make("Aastra", r"aastra", r" ?(6[78]\d\di|[59]\di|9\d{3}i(?:CT)?)"),
    Make("Htek", r"htek", r" (UC\d{3}[A-Z]?|UC V\d\d)"),
    Make("Obihai", r"obihai", r"/(OBi\d{3,4})"),
    Make("Zoiper", r"zoiper(?: for (?:windows|mac|linux))?"),
    Make("Linphone", r"linphone(?: ?(?:desktop|ios|iphone|android))?"),
    Make("MicroSIP", r"microsip"),
    Make("Bria", r"bria(?: (?:\d|ios|android|desktop))?"),
    Make("X-Lite", r"x-lite"),
    Make("eyeBeam", r"eyebeam"),
    Make("3CX", r"3cx ?(?:phone ?system|phone)?"),
    Make("Groundwire", r"(?:acrobits )?groundwire"),
    Make("Acrobits", r"acrobits"),
    Make("Sangoma", r"sangoma(?: connect| talk)?|zulu", r" (P\d{3}|S\d{3})"),
    Make("Asterisk", r"asterisk(?: pbx)?|fpbx"),
    Make("FreeSWITCH", r"freeswitch(?:-mod_sofia)?"),
    Make("AVM", r"(?:avm )?fritz!(?:box|os|fon)", r" (?:Fon )?(?:WLAN )?([3-7]\d{3})"),
    Make("DrayTek", r"draytek|vigor"),
    Make("Unify", r"openstage|openscape|unify"),
    Make("Siemens", r"siemens|optipoint", r" (410|420|600)"),
    Make("Avaya", r"avaya(?: one-x deskphone)?", r"[ /]([JHKB]\d{3}|96\d\dG?|SIP12x0)"),
    Make("Alcatel-Lucent", r"alcatel(?:-lucent)?", r" (?:IP Touch )?(40\d8|80\d8s?|8460)"),
    Make("Alcatel-Lucent", r"ale", r" (80\d8s?(?:-GE)?|[HM]\d(?:-[CD]E)?)"),
    Make("Patton", r"patton", r" (SN\d{4}[A-Z]?)"),
    Make("AudioCodes", r"audiocodes|audc", r"-(?:Sip-Gateway-|IPPhone-)(Mediant \d{3,4}|MP-\d{3}|4\d\dHD)"),
    Make("Spectralink", r"spectralink"),
    Make("Ascom", r"ascom"),
    Make("RTX", r"rtx"),
    Make("VTech", r"vtech"),
    Make("Escene", r"escene"),
    Make("Akuvox", r"akuvox", r" ([RESXC]\d{2,3}[A-Z]{0,2})"),
    Make("2N", r"2n"),
    Make("Algo", r"algo"),
    Make("Thomson", r"thomson", r" (ST20\d\d|TB30)"),
    Make("Jitsi", r"jitsi"),
    Make("Blink", r"blink"),
    Make("PortSIP", r"portsip"),
    Make("Telephone", r"telephone"),
    Make("baresip", r"baresip"),
    Make("PJSUA", r"pjsua"),
    Make("Twinkle", r"twinkle"),
    Make("SIPp", r"sipp"),
    Make("Microsoft", r"microsoft"),
    Make("Kamailio", r"kamailio"),
    Make("OpenSIPS", r"opensips"),
)

VENDORS = frozenset(make.vendor for make in MAKES) | {OTHER, UNKNOWN}

# All that may stand after a model: a MAC or serial glued to one takes the model away instead of joining it.
_MODEL_ENDS = r"(?=[ /,;()]|-(?:UA|SIP|3PCC|MPP)[ /-]|-\d{1,2}\.\d|\Z)"
_JOINT = r"(?:-UA|-SIP(?:-Phone)?|-3PCC|-MPP)?[ /(-]{0,2}(?:release |rv|v\.?)?"
# The dashes are Cisco's 11-1-0MSR3; a MAC cannot pass for them, it has two characters between its dashes.
_MAJOR = r"(\d{1,3})(?=\.\d|\.V\d|-\d-\d)"


def _compiled(make: Make) -> re.Pattern[str]:
    model = f"(?:{make.model}{_MODEL_ENDS})?" if make.model else "()"
    return re.compile(f"(?i:{make.opening})(?![a-z]){model}(?:(?i:{_JOINT}){_MAJOR})?", re.ASCII)


_PATTERNS = tuple((make.vendor, _compiled(make)) for make in MAKES)


@lru_cache(maxsize=1_000)
def known(vendor: str, model: str, firmware: str) -> Device:
    """The device of these, one object for all phones of its kind."""
    return Device(vendor=vendor, model=model, firmware=firmware)


def identify(user_agent: str) -> Device:
    """The device that a User-Agent names: UNKNOWN for an empty one, OTHER for a make not in MAKES.

    Takes any text of any length, raises nothing, and costs the same however long or hostile the text is.
    """
    return _identified(user_agent[:MAX_CHARS].strip())


# A PBX has few makes of phone, and many phones of each: they share one object, and are looked up once.
@lru_cache(maxsize=1_000)
def _identified(text: str) -> Device:
    if not text:
        return Device(vendor=UNKNOWN)
    for vendor, pattern in _PATTERNS:
        if found := pattern.match(text):
            model, major = found.groups(default="")
            return Device(vendor=vendor, model=model.replace("_", " "), firmware=major)
    return Device(vendor=OTHER)
