"""Registrations, as Asterisk tells of them and as they are kept."""

from ipaddress import ip_network
from itertools import permutations

import pytest

from agent.core.policy import Policy
from tests.scenarios.transcript import Agent, expected

SCENARIOS = {
    "a phone registers: its address from the security event, its device from the description": """
        0.000 SuccessfulAuth Service=PJSIP AccountID=201 SessionID=reg-1 RemoteAddress=IPV4/UDP/203.0.113.7/5060
        0.002 ContactStatus ContactStatus=NonQualified AOR=201 EndpointName=201 URI=sip:201@192.168.1.20:5060
        0.010 ContactStatusDetail AOR=201 EndpointName=201 URI=sip:201@192.168.1.20:5060 CallID=reg-1
              ...
        => registration line=201 ip=203.0.113.7 ip_source=security transport=udp vendor=Yealink model=T46U firmware=108
           ...
    """,
}

AUTH = "SuccessfulAuth Service=PJSIP AccountID=201 SessionID=reg-1 RemoteAddress=IPV4/UDP/203.0.113.7/5060"
STATUS = "ContactStatus ContactStatus=NonQualified AOR=201 EndpointName=201 URI=sip:201@192.168.1.20:5060"
DETAIL = (
    "ContactStatusDetail AOR=201 EndpointName=201 URI=sip:201@192.168.1.20:5060 CallID=reg-1"
    " UserAgent='Yealink SIP-T46U 108.86.0.45' ViaAddress=192.168.1.20:5060 RegExpire=1795352700"
)
