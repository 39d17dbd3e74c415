"""Registrations, as Asterisk tells of them and as they are kept."""

from ipaddress import ip_network
from itertools import permutations

import pytest

from agent.core.policy import Policy
from agent.core.records import Registration
from agent.core.registrar import Registrar
from agent.core.signals import Lookup, PeerDescribed, PeerHeard
from tests.scenarios.transcript import Agent, expected

YEALINK = "'Yealink SIP-T46U 108.86.0.45'"
SNOM = "snomD785/10.1.184.14"

SCENARIOS = {
    "a phone registers behind a NAT: its address from the security event, its device from the description": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20:5060
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20:5060 CallID=reg-1 expires=100 UserAgent={YEALINK}
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=Yealink model=T46U \
                firmware=108 first_seen=0.002 last_seen=0.002
        """,
    "nobody describes it: the contact's own address, marked so": """
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@[2001:db8::7]:5060;transport=TLS
        => registration line=201 ip=2001:db8::7 ip_source=contact transport=tls vendor=unknown \
                first_seen=0 last_seen=0
        """,
    "it refreshes under the same Call-ID": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        120.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=120 refreshes=2
        """,
    "it registers anew with a new Call-ID, of which Asterisk says nothing: the agent asks": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=203.0.113.7
        61.000 tick
        62.000 tick
        62.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-2 expires=100 UserAgent={SNOM}
        120.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=203.0.113.7
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=120 refreshes=2
        """,
    "the same contact from another address is another span": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=198.51.100.9
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=0.002 ended_at=60
        => registration line=201 ip=198.51.100.9 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=60 last_seen=60
        """,
    "the same contact on another device is another span": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-2 from=203.0.113.7
        60.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-2 expires=100 UserAgent={YEALINK}
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=0.002 ended_at=60.01
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=Yealink model=T46U \
                firmware=108 first_seen=60.01 last_seen=60.01
        """,
    "it goes: the REGISTER that removes it is no refresh": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        90.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        90.003 ContactStatus ContactStatus=Removed aor=201 URI=sip:201@192.168.1.20
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=90 refreshes=1 ended_at=90.003
        """,
    "it expires: its last refresh was one": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        180.000 ContactStatus ContactStatus=Removed aor=201 URI=sip:201@192.168.1.20
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=60 refreshes=1 ended_at=180
        """,
    "it comes again after it went: two spans": """
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        10.000 ContactStatus ContactStatus=Removed aor=201 URI=sip:201@192.168.1.20
        20.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=10
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=unknown \
                first_seen=20 last_seen=20
        """,
    "a removal of a contact that nobody knew says nothing": """
        0.000 ContactStatus ContactStatus=Removed aor=201 URI=sip:201@192.168.1.20
        """,
    "qualify finds it reachable, unreachable, reachable: no refresh, no end": """
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=Reachable aor=201 URI=sip:201@192.168.1.20
        30.000 ContactStatus ContactStatus=Unreachable aor=201 URI=sip:201@192.168.1.20
        60.000 ContactStatus ContactStatus=Reachable aor=201 URI=sip:201@192.168.1.20
        60.001 PeerStatus Peer=PJSIP/201 PeerStatus=Reachable
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=unknown \
                first_seen=0.002 last_seen=0.002
        """,
    "qualify finds a trunk that the operator wrote into pjsip.conf: nobody registered": """
        0.000 ContactStatus ContactStatus=Reachable aor=trunk-a URI=sip:198.51.100.1:5060
        0.010 ContactStatusDetail aor=trunk-a URI=sip:198.51.100.1:5060 RegExpire=0 UserAgent=
        30.000 ContactStatus ContactStatus=Unreachable aor=trunk-a URI=sip:198.51.100.1:5060
        """,
    "a full list after a new login: what it lacks has gone, what it holds goes on": f"""
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.000 ContactStatus ContactStatus=NonQualified aor=202 URI=sip:202@192.168.1.21
        100.000 back
        100.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        100.020 ContactStatusDetailComplete
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0 last_seen=0
        => registration line=202 ip=192.168.1.21 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=100.02
        """,
    "a phone that registers while the list runs is not ended by it": f"""
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        100.000 back
        100.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        100.015 ContactStatus ContactStatus=NonQualified aor=202 URI=sip:202@192.168.1.21
        100.020 ContactStatusDetailComplete
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0 last_seen=0
        => registration line=202 ip=192.168.1.21 ip_source=contact transport=udp vendor=unknown \
                first_seen=100.015 last_seen=100.015
        """,
    "a look-up of all contacts without a new login ends nothing": """
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        100.020 ContactStatusDetailComplete
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0
        """,
    "Asterisk has booted: its list is empty": """
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        100.000 FullyBooted Status='Fully Booted'
        100.020 ContactStatusDetailComplete
        => registration line=201 ip=192.168.1.20 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=100.02
        """,
    "the agent restarts: the span goes on, and a refresh finds it": f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
        0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        50.000 restart
        50.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}
        50.020 ContactStatusDetailComplete
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 \
                firmware=10 first_seen=0.002 last_seen=60 refreshes=1
        """,
    "an INVITE is authenticated as well: no refresh": """
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@203.0.113.7
        9.000 SuccessfulAuth AccountID=201 SessionID=invite-1 from=203.0.113.7
        9.001 Newchannel on=201#1 Exten=202
        12.000 tick
        => registration line=201 ip=203.0.113.7 ip_source=contact transport=udp vendor=unknown \
                first_seen=0.002 last_seen=0.002
        """,
    "the agent's own login and a manager's wrong password are nobody's registration": """
        0.000 SuccessfulAuth Service=AMI AccountID=agent RemoteAddress=IPV4/TCP/127.0.0.1/55000
        0.001 ChallengeResponseFailed Service=AMI AccountID=agent RemoteAddress=IPV4/TCP/127.0.0.1/55000
        """,
    "refused attempts are counted by hour and cause, whose they are is not kept": """
        0.000 ChallengeResponseFailed Service=PJSIP AccountID=203 RemoteAddress=IPV4/UDP/198.51.100.66/5060
        1.000 InvalidPassword Service=IAX2 AccountID=204 RemoteAddress=IPV4/UDP/198.51.100.66/4569
        1.500 tick
        2.000 InvalidAccountID Service=PJSIP AccountID=admin RemoteAddress=IPV4/UDP/198.51.100.66/5060
        3599.999 InvalidAccountID Service=PJSIP AccountID=root RemoteAddress=IPV4/UDP/198.51.100.66/5060
        3600.000 InvalidAccountID Service=PJSIP AccountID=test RemoteAddress=IPV4/UDP/198.51.100.66/5060
        => failure hour=0 cause=wrong_secret count=2
        => failure hour=0 cause=unknown_account count=2
        => failure hour=3600 cause=unknown_account count=1
        """,
    "failures are counted by the PBX's clock, though the agent's own is hours ahead": """
        0.000 InvalidAccountID Service=PJSIP AccountID=admin RemoteAddress=IPV4/UDP/198.51.100.66/5060
        9000.000 tick
        1.000 InvalidAccountID Service=PJSIP AccountID=root RemoteAddress=IPV4/UDP/198.51.100.66/5060
        => failure hour=0 cause=unknown_account count=2
        """,
    "chan_sip: a peer registers, refreshes, says its device when asked, goes": f"""
        0.000 PeerStatus ChannelType=SIP Peer=SIP/211 PeerStatus=Registered Address=203.0.113.7:5060
        0.010 Response ObjectName=211 SIP-Useragent={YEALINK}
        60.000 PeerStatus ChannelType=SIP Peer=SIP/211 PeerStatus=Registered Address=203.0.113.7:5060
        70.000 PeerStatus ChannelType=SIP Peer=SIP/211 PeerStatus=Lagged Time=900
        90.000 PeerStatus ChannelType=SIP Peer=SIP/211 PeerStatus=Unregistered
        => registration line=211 ip=203.0.113.7 ip_source=contact transport=udp vendor=Yealink model=T46U \
                firmware=108 first_seen=0 last_seen=60 refreshes=1 ended_at=90
        """,
    "IAX2: a peer registers, and from another address": """
        0.000 PeerStatus ChannelType=IAX2 Peer=IAX2/far-office PeerStatus=Registered Address=203.0.113.7:4569
        60.000 PeerStatus ChannelType=IAX2 Peer=IAX2/far-office PeerStatus=Registered Address=198.51.100.9:4569
        => registration line=far-office ip=203.0.113.7 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=60
        => registration line=far-office ip=198.51.100.9 ip_source=contact transport=udp vendor=unknown \
                first_seen=60 last_seen=60
        """,
    "lists of chan_sip and IAX2 peers: each ends its own technology's only": """
        0.000 PeerStatus ChannelType=SIP Peer=SIP/211 PeerStatus=Registered Address=203.0.113.7:5060
        0.000 PeerStatus ChannelType=SIP Peer=SIP/212 PeerStatus=Registered Address=203.0.113.8:5060
        0.000 PeerStatus ChannelType=IAX2 Peer=IAX2/213 PeerStatus=Registered Address=203.0.113.9:4569
        0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@203.0.113.6
        50.000 back
        50.001 PeerEntry Channeltype=SIP ObjectName=211 IPaddress=203.0.113.7 IPport=5060 Dynamic=yes
        50.001 PeerEntry Channeltype=SIP ObjectName=212 IPaddress=-none- IPport=0 Dynamic=yes
        50.001 PeerEntry Channeltype=SIP ObjectName=trunk-c IPaddress=198.51.100.1 IPport=5060 Dynamic=no
        50.002 PeerlistComplete ListItems=3
        50.003 PeerEntry Channeltype=IAX ObjectName=213/213 IPaddress=0.0.0.0 IPport=0 Dynamic=yes
        50.004 PeerlistComplete ListItems=1
        => registration line=211 ip=203.0.113.7 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=50.001
        => registration line=212 ip=203.0.113.8 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=50.002
        => registration line=213 ip=203.0.113.9 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0 ended_at=50.004
        => registration line=201 ip=203.0.113.6 ip_source=contact transport=udp vendor=unknown \
                first_seen=0 last_seen=0
        """,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_registrations(scenario: str) -> None:
    assert Agent().play(scenario).shown() == expected(scenario)


VOICES = {
    "request": "SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7",
    "contact": "ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20",
    "description": f"ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent={SNOM}",
}


@pytest.mark.parametrize("order", list(permutations(VOICES)), ids=" ".join)
def test_the_three_voices_make_one_span_in_every_order(order: tuple[str, ...]) -> None:
    agent = Agent().play("\n".join(f"0.00{place} {VOICES[voice]}" for place, voice in enumerate(order)))
    (shown,) = agent.shown()
    assert "line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=snom model=D785 firmware=10" in shown
    assert "ended_at" not in shown


SBC = Policy(proxies=(ip_network("192.0.2.0/28"),))


@pytest.mark.parametrize(
    ("via", "contact", "kept"),
    [
        ("203.0.113.7:5060", "203.0.113.8", "ip=203.0.113.7 ip_source=proxy"),
        ("192.0.2.3:5060", "203.0.113.8", "ip=203.0.113.8 ip_source=proxy"),
        # nothing better is known than the contact's own address
        ("192.0.2.3:5060", "192.0.2.2", "ip=192.0.2.2 ip_source=contact"),
    ],
)
def test_behind_a_proxy_the_phones_own_address_is_kept(via: str, contact: str, kept: str) -> None:
    agent = Agent(policy=SBC).play(f"""
        0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=192.0.2.2
        0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@{contact}
        0.010 ContactStatusDetail aor=201 URI=sip:201@{contact} CallID=reg-1 expires=100 ViaAddress={via}
        60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=192.0.2.4
        """)
    (shown,) = agent.shown()
    assert kept in shown
    assert "refreshes=1" in shown


def test_what_is_asked() -> None:
    """A new contact is asked for its description at once; an unexplained request after a while, a call's never."""
    agent = Agent().play("0 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@203.0.113.7")
    assert agent.lookups == ["PJSIP 201"]
    agent.play("""
        10.0 SuccessfulAuth AccountID=201 SessionID=invite from=203.0.113.7
        10.1 Newchannel on=201#1 Exten=202
        20.0 tick
        """)
    assert agent.lookups == ["PJSIP 201"]
    agent.play("""
        30.0 SuccessfulAuth AccountID=201 SessionID=reg-2 from=203.0.113.7
        31.9 tick
        """)
    assert agent.lookups == ["PJSIP 201"]
    agent.play("32.0 tick")
    assert agent.lookups == ["PJSIP 201", "PJSIP 201"]
    agent.play("40 PeerStatus Peer=SIP/211 PeerStatus=Registered Address=203.0.113.7:5060")
    assert agent.lookups[2:] == ["SIP 211"]


def test_a_chan_sip_peer_is_asked_again_where_its_device_was_not_written_down_yet() -> None:
    registrar = Registrar(Policy(), lambda: "id")
    heard = PeerHeard(at=0, technology="SIP", line="401", contact="c", ip="192.0.2.1", gone=False)
    assert Lookup(technology="SIP", endpoint="401") in list(registrar.hear(heard))
    for tick in range(1, 4):
        assert not list(registrar.hear(PeerDescribed(at=tick, contact="c", user_agent="")))
        assert list(registrar.tick(tick)) == [Lookup(technology="SIP", endpoint="401")]
    # a peer that has none is left in peace
    assert not list(registrar.hear(PeerDescribed(at=5, contact="c", user_agent="")))
    assert not list(registrar.tick(5))
    (record,) = registrar.hear(PeerDescribed(at=6, contact="c", user_agent="snomD785/10.1.184.14"))
    assert isinstance(record, Registration)
    assert record.vendor == "snom"
