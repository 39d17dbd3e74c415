"""What a User-Agent tells of a phone's kind, and that nothing which tells one phone apart comes through."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.core.devices import MAKES, MAX_CHARS, OTHER, UNKNOWN, VENDORS, Device, Make, identify

# After makers' manuals, provisioning servers, scanners' signatures and published traces: many were seen in HTTP
# provisioning, not in SIP, and a few are put together from a published pattern. MACs and serials are not anybody's.
SEEN = [
    ("Yealink SIP-T46U 108.86.0.20", "Yealink", "T46U", "108"),
    ("Yealink SIP-T54W 96.85.0.5", "Yealink", "T54W", "96"),
    ("Yealink SIP-T53W 96.87.0.16 001565112233", "Yealink", "T53W", "96"),
    ("Yealink SIP-T38G  38.70.0.125 00:15:65:11:22:33", "Yealink", "T38G", "38"),
    ("Yealink SIP-T21P_E2 52.83.0.35", "Yealink", "T21P E2", "52"),
    ("Yealink SIP VP-T49G 51.80.0.100", "Yealink", "VP-T49G", "51"),
    ("Yealink W70B 146.85.0.5 80:5e:0c:11:22:33", "Yealink", "W70B", "146"),
    ("Yealink W80DM 103.83.0.122 24:9a:d8:11:22:33", "Yealink", "W80DM", "103"),
    ("Yealink CP960 73.83.0.30 00:15:65:11:22:33", "Yealink", "CP960", "73"),
    ("Yealink-T46G 28.71.0.81 28.1.0.128.0.0.0", "Yealink", "T46G", "28"),
    ("yealink SIP-T28P 2.70.0.140 00:15:65:11:22:33", "Yealink", "T28P", "2"),
    ("VP530P 23.70.0.40 00:15:65:11:22:33", "Yealink", "VP530P", "23"),
    ("W52P 25.30.0.2 00:15:65:11:22:33", "Yealink", "W52P", "25"),
    ("snomD785/10.1.84.12", "snom", "D785", "10"),
    ("snomD785-SIP 10.1.169.16", "snom", "D785", "10"),
    ("snomD785-SIP 10.1.169.16 2010.12-00001-gd311851f1 000413112233 SXM:0", "snom", "D785", "10"),
    ("snom710-SIP 8.7.5.35 1.1.5-IFX-05.01.12 000413112233", "snom", "710", "8"),
    ("snom370/8.7.5.48", "snom", "370", "8"),
    ("snom821/873_19_20130321", "snom", "821", ""),
    ("snomPA1/8.7.3.19", "snom", "PA1", "8"),
    ("Snom M900 05.20.0001 000413112233", "snom", "M900", "05"),
    ("Grandstream GXP2170 1.0.11.57", "Grandstream", "GXP2170", "1"),
    ("Grandstream GXP1625 1.0.2.25 000b82112233", "Grandstream", "GXP1625", "1"),
    ("Grandstream HT802 1.0.17.5", "Grandstream", "HT802", "1"),
    ("Grandstream HT-503  V1.1B 1.0.10.9  chip V2.2", "Grandstream", "HT-503", "1"),
    ("Grandstream GXV3175v2 0.0.1.31", "Grandstream", "GXV3175v2", "0"),
    ("Grandstream Wave 1.2.14", "Grandstream", "Wave", "1"),
    ("PolycomVVX-VVX_450-UA/6.4.3.5018", "Polycom", "VVX 450", "6"),
    ("PolycomVVX-VVX_150-UA/6.4.1.2280_482567112233", "Polycom", "VVX 150", "6"),
    ("PolycomSoundPointIP-SPIP_335-UA/3.2.1.0078", "Polycom", "SPIP 335", "3"),
    ("PolycomSoundPointIP-SPIP_550-UA/3.2.3.1734_0004f2112233", "Polycom", "SPIP 550", "3"),
    ("PolycomSoundStationIP-SSIP_6000-UA/4.0.4.2906", "Polycom", "SSIP 6000", "4"),
    ("PolycomRealPresenceTrio-Trio_8500-UA/5.9.2.7727", "Polycom", "Trio 8500", "5"),
    ("PolyEdge-Edge_E350-UA/8.3.1.0614", "Poly", "Edge E350", "8"),
    ("PolyEdge-Edge_E220-UA/8.0.0.13670_482567112233", "Poly", "Edge E220", "8"),
    ("Cisco/SPA504G-7.6.2c", "Cisco", "SPA504G", "7"),
    ("Cisco/SPA525G2-7.6.1(ES_RC01)", "Cisco", "SPA525G2", "7"),
    ("Cisco/SPA508G-7.4.8a (0002FD112233)(CBT000000AA)", "Cisco", "SPA508G", "7"),
    ("Cisco/SPA122-1.4.1(SR5)", "Cisco", "SPA122", "1"),
    ("Cisco-CP-8841-3PCC/11.0 (00562b112233)", "Cisco", "CP-8841", "11"),
    ("Cisco-CP8865NR/14.2.1", "Cisco", "CP8865NR", "14"),
    ("Cisco-CP7960G/8.0", "Cisco", "CP7960G", "8"),
    ("Cisco-ATA191-MPP/11-1-0MSR3-9", "Cisco", "ATA191", "11"),
    ("Cisco ATA 186  v3.1.0 atasip (040211A)", "Cisco", "ATA 186", "3"),
    ("SEP00562B043615", OTHER, "", ""),
    ("Linksys/SPA942-6.1.5(a)", "Linksys", "SPA942", "6"),
    ("Linksys/SPA-942-6.1.5(a) (88019F112233)", "Linksys", "SPA-942", "6"),
    ("Linksys/PAP2T-3.1.15(LS)", "Linksys", "PAP2T", "3"),
    ("Linksys/RT31P2-2.0.10(LIc)", "Linksys", "RT31P2", "2"),
    ("Gigaset N870 IP PRO/83.V2.11.0+build.a546b91;7C2F80112233", "Gigaset", "N870 IP PRO", "83"),
    ("Gigaset N870E IP PRO/83.V2.43.0+build.5f0a106;7C2F80112233", "Gigaset", "N870E IP PRO", "83"),
    ("Gigaset N720 DM PRO/70.108.00.000.000", "Gigaset", "N720 DM PRO", "70"),
    ("N510 IP PRO/42.258.00.000.000;7C2F80112233", "Gigaset", "N510 IP PRO", "42"),
    ("N720-DM-PRO/70.040.00.000.000", "Gigaset", "N720-DM-PRO", "70"),
    ("C590_IP", "Gigaset", "C590 IP", ""),
    ("Panasonic_KX-UT113/01.133 (0080f0112233)", "Panasonic", "KX-UT113", "01"),
    ("Panasonic_KX-UT670/01.022 (0080f0112233)", "Panasonic", "KX-UT670", "01"),
    ("Fanvil X4U 2.12.7.6", "Fanvil", "X4U", "2"),
    ("Fanvil X303 2.12.18.9 0c383e112233", "Fanvil", "X303", "2"),
    ("Fanvil X5U-V2 2.12.1 0c3800112233", "Fanvil", "X5U-V2", "2"),
    ("Fanvil i16SV 2.4.0", "Fanvil", "i16SV", "2"),
    ("Mitel 6930/6.4.0.132", "Mitel", "6930", "6"),
    ("Mitel-5312-SIP-Phone 8.0.0.11 08000F112233", "Mitel", "5312", "8"),
    ("Mitel6920 MAC:14-00-11-22-33-EA V:6.4.0.140-SIP", "Mitel", "6920", ""),
    ("Aastra 6731i/3.2.2.3077", "Aastra", "6731i", "3"),
    ("Aastra 51i/2.5.1.41", "Aastra", "51i", "2"),
    ("Aastra6863i MAC:00-08-11-22-33-5F V:4.1.0.128-SIP", "Aastra", "6863i", ""),
    ("Htek UC924E V3.0.4.5", "Htek", "UC924E", "3"),
    ("Htek UC903 2.0.4.2 00:1f:c1:11:22:33", "Htek", "UC903", "2"),
    ("Htek UC912G 001fc1112233", "Htek", "UC912G", ""),
    ("Htek UC V20 V5.22.10.25.245 f26dcc112233", "Htek", "UC V20", "5"),
    ("OBIHAI/OBi202-3.2.2.5921", "Obihai", "OBi202", "3"),
    ("OBIHAI/OBi1032-5.1.11", "Obihai", "OBi1032", "5"),
    ("Zoiper v2.10.20.4_1", "Zoiper", "", "2"),
    ("Zoiper rv2.10.8.2", "Zoiper", "", "2"),
    ("Zoiper for Windows 2.38 rev.16635", "Zoiper", "", "2"),
    ("Zoiper rev.5415", "Zoiper", "", ""),
    ("LinphoneiOS/4.3.0 (Bob's iPhone) LinphoneSDK/4.4.0", "Linphone", "", "4"),
    ("Linphone Desktop/4.2.5 (macOS 10.15, Qt 5.15.2) LinphoneCore/4.4.19", "Linphone", "", "4"),
    ("Linphone/3.6.1 (eXosip2/4.1.0)", "Linphone", "", "3"),
    ("MicroSIP/3.20.5", "MicroSIP", "", "3"),
    ("Bria 3 release 3.5.5 stamp 71243", "Bria", "", "3"),
    ("Bria iOS 3.1.1", "Bria", "", "3"),
    ("X-Lite release 1011s stamp 41150", "X-Lite", "", ""),
    ("eyeBeam release 1011d stamp 40820", "eyeBeam", "", ""),
    ("3CXPhone 6.0.26523.0", "3CX", "", "6"),
    ("3CXPhoneSystem 14.0.44198.522 (44097)", "3CX", "", "14"),
    ("Acrobits SIPIS", "Acrobits", "", ""),
    ("Sangoma Connect/1.0.1", "Sangoma", "", "1"),
    ("Asterisk PBX", "Asterisk", "", ""),
    ("Asterisk PBX 16.28.0~dfsg-0+deb11u4", "Asterisk", "", "16"),
    ("FreeSWITCH-mod_sofia/1.10.11-release", "FreeSWITCH", "", "1"),
    ("AVM FRITZ!Box Fon WLAN 7170 29.04.88 (Feb  9 2014)", "AVM", "7170", "29"),
    ("FRITZ!OS", "AVM", "", ""),
    ("optiPoint 410_420/V7 V7 R0.11.0 M5T SIP Stack/4.0.24.24", "Siemens", "", ""),
    ("Avaya one-X Deskphone 7.1.15.1.3 b4475e112233", "Avaya", "", "7"),
    ("Avaya H175 Collaboration Station H1xx_SIP-R1_0_2_3_3050.tar", "Avaya", "H175", ""),
    ("Alcatel IP Touch 4028/2.01.20", "Alcatel-Lucent", "4028", "2"),
    ("ALE M3-CE 2.11.01.1604 3c28a6112233", "Alcatel-Lucent", "M3-CE", "2"),
    ("Patton SN4638 5BIS MxSF v3.2.8.45 00A0BA112233 R5.2 2008-09-18 H323 SIP BRI", "Patton", "SN4638", ""),
    ("Audiocodes-Sip-Gateway-Mediant 1000/v.5.80A.055.002", "AudioCodes", "Mediant 1000", "5"),
    ("Akuvox R20B 220.30.2.28", "Akuvox", "R20B", "220"),
    ("THOMSON ST2030 hw5 fw2.74 00-14-7F-11-22-33", "Thomson", "ST2030", ""),
    ("Jitsi2.10.5550Mac OS X", "Jitsi", "", "2"),
    ("Blink 0.2.5 (Windows)", "Blink", "", "0"),
    ("PortSIP UC - Call Manager 16.0.0.302", "PortSIP", "", ""),
    ("Telephone 1.5.2", "Telephone", "", "1"),
    ("baresip v1.1.0 (x86_64/linux)", "baresip", "", "1"),
    ("PJSUA v2.12 Darwin-19.5/x86_64", "PJSUA", "", "2"),
    ("Twinkle/1.4.2", "Twinkle", "", "1"),
    ("kamailio (4.2.3 (x86_64/linux))", "Kamailio", "", "4"),
    ("friendly-scanner", OTHER, "", ""),
    ("Algolia Crawler", OTHER, "", ""),
    ("BriaSkills/1.3.7", "Bria", "", ""),
    ("", UNKNOWN, "", ""),
    (" \r\n", UNKNOWN, "", ""),
]

# No table of ours: what a dashboard label may look like, whatever MAKES says.
MODEL = re.compile(r"(?:[A-Z][A-Za-z]*|i)?[ -]?[A-Za-z0-9]+(?:[ -][A-Za-z0-9]+){0,2}|", re.ASCII)
FIRMWARE = re.compile(r"[0-9]{0,3}", re.ASCII)
HEX_RUN = re.compile(r"[0-9a-f]{6}", re.ASCII | re.IGNORECASE)

user_agents = st.sampled_from([ua for ua, *_ in SEEN])
macs = st.binary(min_size=6, max_size=6).map(bytes.hex)


def spellings(mac: str) -> list[str]:
    octets = [mac[i : i + 2] for i in range(0, 12, 2)]
    plain = [mac, ":".join(octets), "-".join(octets), ".".join((mac[:4], mac[4:8], mac[8:]))]
    return plain + [spelling.upper() for spelling in plain]


def assert_only_a_kind(device: Device) -> None:
    assert device.vendor in VENDORS
    assert len(device.model) <= 16
    assert MODEL.fullmatch(device.model)
    assert FIRMWARE.fullmatch(device.firmware)
    assert not HEX_RUN.search(device.model)
    if device.vendor in (OTHER, UNKNOWN):
        assert (device.model, device.firmware) == ("", "")


@pytest.mark.parametrize(("user_agent", "vendor", "model", "firmware"), SEEN)
def test_a_real_user_agent_gives_its_kind(user_agent: str, vendor: str, model: str, firmware: str) -> None:
    device = identify(user_agent)
    assert device == Device(vendor=vendor, model=model, firmware=firmware)
    assert_only_a_kind(device)


@pytest.mark.parametrize("vendor", sorted({make.vendor for make in MAKES}))
def test_every_make_is_known_by_its_bare_name_and_takes_nothing_more_from_a_stranger(vendor: str) -> None:
    name = {"AVM": "AVM FRITZ!Box", "Unify": "OpenStage"}.get(vendor, vendor)
    assert identify(name) == Device(vendor=vendor)
    for secret in ("alice", "pc-of-alice.example.net", "0004F2112233", "CBT141400UK", "alice@example.net"):
        assert identify(f"{name} {secret}") == Device(vendor=vendor)
        assert identify(f"{name}/{secret}") == Device(vendor=vendor)


@given(user_agent=st.text() | st.text(alphabet="0123456789abcdefSPTXUVW_-:./ ()", max_size=60))
def test_any_text_gives_only_a_kind(user_agent: str) -> None:
    assert_only_a_kind(identify(user_agent))


@given(make=st.sampled_from(MAKES), rest=st.text(max_size=40))
def test_any_text_after_a_makes_name_gives_only_a_kind(make: Make, rest: str) -> None:
    assert_only_a_kind(identify(make.vendor + rest))


@given(user_agent=user_agents, mac=macs, data=st.data())
def test_a_mac_anywhere_never_comes_through(user_agent: str, mac: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(user_agent)))
    for spelling in spellings(mac):
        device = identify(user_agent[:at] + spelling + user_agent[at:])
        kept = f"{device.vendor}|{device.model}|{device.firmware}".lower()
        assert mac not in re.sub(r"[^0-9a-z]", "", kept)
        assert spelling.lower() not in kept
        assert_only_a_kind(device)


@given(user_agent=user_agents, mac=macs)
def test_a_mac_at_the_end_changes_nothing_about_the_kind(user_agent: str, mac: str) -> None:
    assume(identify(user_agent).vendor != UNKNOWN)
    for spelling in spellings(mac):
        assert identify(f"{user_agent} ({spelling})") == identify(user_agent)


@given(user_agent=user_agents, mac=macs)
def test_a_mac_glued_to_a_model_takes_the_model_away(user_agent: str, mac: str) -> None:
    device = identify(user_agent)
    raw = next((m for m in (device.model, device.model.replace(" ", "_")) if m and m in user_agent), "")
    assume(raw)
    head = user_agent[: user_agent.index(raw) + len(raw)]
    for spelling in spellings(mac):
        left = identify(head + spelling).model
        assert left != device.model
        assert device.model.startswith(left)


@pytest.mark.parametrize(
    "hostile",
    [
        "A" * 10_000,
        "Yealink SIP-T" + "4" * 10_000,
        "Polycom/" + "1." * 5_000 + "PolycomVVX-VVX_450-UA/6.4",
        "Polycom" + "a-" * 5_000,
        "Linphone" + " " * 10_000 + "/4.3",
        " " * 10_000 + "Yealink SIP-T46U 108.86.0.20",
        "snom\x00D785/10.1\r\nEvent: forged",
        "Yealink SIP-T46U\x1b[31m 108.86.0.20",
        "Yealink SIP-T\uff14\uff16U 108.86",
        "\uff39ealink SIP-T46U 108.86",
        "Yealink SIP-T46Ü 108.86",
        "\ud800Yealink",
    ],
)
def test_hostile_text_gives_no_model(hostile: str) -> None:
    device = identify(hostile)
    assert_only_a_kind(device)
    assert device.model == ""


def test_text_past_the_limit_is_never_looked_at() -> None:
    assert identify("Yealink SIP-T46U 108.86.0.20".rjust(MAX_CHARS + 28)) == Device(vendor=UNKNOWN)
    assert identify("Yealink SIP-T46U 108.86.0.20 " + "x" * 10_000) == identify("Yealink SIP-T46U 108.86.0.20")
