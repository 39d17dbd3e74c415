"""A phone's site and how sure it is, told at registration: a phone that has moved is flagged before it calls."""

from collections.abc import Iterable
from ipaddress import ip_network

import pytest

from agent.core.engine import Output
from agent.core.records import Registration
from agent.core.sites import Placement, Site, Sites, Spot
from tests.scenarios.transcript import Agent

LEEDS = Site(id="leeds", name="A", number="1", street="B", town="Leeds", postcode="LS1 4AP")
YORK = Site(id="york", name="C", number="2", street="D", town="York", postcode="YO1 7HH")
LINES = {"201": Spot(site=LEEDS), "202": Spot(site=YORK)}
SITES = Sites(
    sites={"leeds": LEEDS, "york": YORK},
    networks={
        ip_network("203.0.113.0/24"): Spot(site=LEEDS),
        ip_network("198.51.100.0/24"): Spot(site=YORK),
        ip_network("192.168.1.0/24"): Spot(site=YORK),
    },
    lines=LINES,
)
#: Leeds has given up its network to York.
SWAPPED = Sites(sites=SITES.sites, networks={ip_network("203.0.113.0/24"): Spot(site=YORK)}, lines=LINES)

SNOM = "UserAgent=snomD785/10.1.184.14"
REGISTERED = f"""
    0.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
    0.002 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
    0.010 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 {SNOM}
    """


class Placed(Agent):
    """An agent with a table of sites, and every state of each registration in turn."""

    def __init__(self, sites: Sites | None = SITES) -> None:
        super().__init__()
        self.told: list[str] = []
        self.relocate(sites)

    def relocate(self, sites: Sites | None) -> "Placed":
        self._keep(self.engine.registrar.relocate(sites))
        return self

    def _keep(self, outputs: Iterable[Output]) -> None:
        outputs = list(outputs)
        spans = [output for output in outputs if isinstance(output, Registration)]
        self.told += [f"{span.line} {span.site} {span.certainty}{' ended' * bool(span.ended_at)}" for span in spans]
        super()._keep(outputs)


@pytest.mark.parametrize(
    ("transcript", "told"),
    [
        pytest.param(
            REGISTERED,
            # the contact's private address is of a network of York: nothing is told by it
            ["201 None None", "201 leeds expected"],
            id="where it is expected",
        ),
        pytest.param(
            REGISTERED + "60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=198.51.100.9",
            ["201 None None", "201 leeds expected", "201 leeds expected ended", "201 york moved"],
            id="it moves to another site",
        ),
        pytest.param(
            REGISTERED + "60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=100.64.0.1",
            ["201 None None", "201 leeds expected", "201 leeds expected ended", "201 leeds unknown"],
            id="it moves to a network that nobody knows: the address on file",
        ),
        pytest.param(
            REGISTERED + "60.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7",
            ["201 None None", "201 leeds expected", "201 leeds expected"],
            id="it refreshes",
        ),
        pytest.param(
            """
            0.000 ContactStatus ContactStatus=NonQualified aor=203 URI=sip:203@198.51.100.3
            1.000 tick
            5.000 tick
            6.000 tick
            7.000 tick
            """,
            ["203 None None", "203 york expected"],
            id="nobody describes it: by its contact's own word, once",
        ),
        pytest.param(
            """
            0.000 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@198.51.100.3
            0.010 ContactStatusDetail aor=201 URI=sip:201@198.51.100.3 CallID=reg-1 expires=100 UserAgent=
            """,
            ["201 None None", "201 york moved"],
            id="its description says nothing new",
        ),
        pytest.param(
            """
            0.000 ContactStatus ContactStatus=NonQualified aor=203 URI=sip:203@198.51.100.3
            1.000 tick
            2.000 ContactStatus ContactStatus=Removed aor=203 URI=sip:203@198.51.100.3
            9.000 tick
            """,
            ["203 None None", "203 None None ended"],
            id="it goes before anybody describes it",
        ),
        pytest.param(
            f"""
            0.000 ContactStatusDetail aor=202 URI=sip:202@203.0.113.9 CallID=reg-1 expires=100 {SNOM}
            """,
            ["202 leeds moved"],
            id="the full list at a start",
        ),
        pytest.param(
            """
            0.000 PeerStatus ChannelType=SIP Peer=SIP/201 PeerStatus=Registered Address=198.51.100.9:5060
            60.000 PeerStatus ChannelType=SIP Peer=SIP/201 PeerStatus=Registered Address=203.0.113.9:5060
            """,
            ["201 york moved", "201 york moved ended", "201 leeds expected"],
            id="chan_sip",
        ),
        pytest.param(
            "0.000 PeerStatus ChannelType=IAX2 Peer=IAX2/202 PeerStatus=Registered Address=203.0.113.9:4569",
            ["202 leeds moved"],
            id="IAX2",
        ),
    ],
)
def test_each_state_is_placed(transcript: str, told: list[str]) -> None:
    agent = Placed()
    agent.play(transcript)
    assert agent.told == told


def test_without_a_table_nothing_is_said() -> None:
    agent = Placed(None)
    agent.play(REGISTERED)
    assert agent.told == ["201 None None", "201 None None"]


def test_another_table_tells_only_what_it_changes() -> None:
    agent = Placed()
    agent.play(REGISTERED)
    agent.play("1.000 PeerStatus ChannelType=SIP Peer=SIP/202 PeerStatus=Registered Address=198.51.100.9:5060")
    agent.play("2.000 ContactStatus ContactStatus=NonQualified aor=203 URI=sip:203@192.168.1.9")
    before = len(agent.told)
    agent.relocate(SITES)
    assert agent.told[before:] == []
    agent.relocate(SWAPPED)
    assert agent.told[before:] == ["201 york moved", "202 york unknown"]
    agent.relocate(None)
    assert agent.told[before + 2 :] == ["201 None None", "202 None None"]


def test_other_signals_may_come_in_between() -> None:
    agent = Placed()
    agent.play(REGISTERED)
    agent.play("1.000 PeerStatus ChannelType=SIP Peer=SIP/202 PeerStatus=Registered Address=198.51.100.9:5060")
    agent.play("1.000 PeerStatus ChannelType=SIP Peer=SIP/203 PeerStatus=Registered Address=198.51.100.9:5060")
    slowly = agent.engine.registrar.relocate(SWAPPED)
    assert next(slowly).site == "york"
    agent.play("2.000 PeerStatus ChannelType=SIP Peer=SIP/202 PeerStatus=Registered Address=198.51.100.9:5060")
    agent.play("3.000 PeerStatus ChannelType=SIP Peer=SIP/203 PeerStatus=Unregistered Address=198.51.100.9:5060")
    (rest,) = slowly
    assert (rest.line, rest.certainty, rest.refreshes) == ("202", "unknown", 1)


def test_what_changed_while_the_agent_was_away_is_told_at_its_start() -> None:
    agent = Placed()
    agent.play(REGISTERED + "10.000 restart")
    before = len(agent.told)
    agent.relocate(SITES)
    assert agent.told[before:] == []
    agent.play("11.000 restart")
    agent.relocate(SWAPPED)
    agent.play(f"12.000 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 {SNOM}")
    assert agent.told[before:] == ["201 york moved"]


def test_a_closed_span_stays_as_it_was() -> None:
    agent = Placed()
    agent.play(REGISTERED + "90.000 ContactStatus ContactStatus=Removed aor=201 URI=sip:201@192.168.1.20")
    agent.relocate(SWAPPED)
    assert agent.told[-1] == "201 leeds expected ended"


def test_a_refresh_asks_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    place = Sites.place

    def counted(sites: Sites, line: str | None, ip: str | None) -> Placement:
        asked.append(ip)
        return place(sites, line, ip)

    monkeypatch.setattr(Sites, "place", counted)
    agent = Placed()
    agent.play(REGISTERED)
    for at in range(60, 600, 60):
        agent.play(f"{at} SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7")
    assert asked == ["203.0.113.7"]
    assert agent.told[-1] == "201 leeds expected"
