"""Where help is sent: the address that the call itself tells, its site, and the fuller view for the hour after."""

from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from agent.core.policy import Policy
from agent.core.sites import Site, Sites, Spot
from tests.scenarios.transcript import NOON, Agent, expected

LEEDS = Site(
    id="leeds", name="Acme", number="1", street="Park Row", town="Leeds", postcode="LS1 5HN", contact="Reception, 0113"
)
YORK = Site(id="york", name="Acme", number="2", street="Coney Street", town="York", postcode="YO1 9QL")
SITES = Sites(
    sites={"leeds": LEEDS, "york": YORK},
    networks={
        ip_network("203.0.113.0/24"): Spot(site=LEEDS, floor="2"),
        ip_network("198.51.100.0/24"): Spot(site=YORK),
    },
    lines={"201": Spot(site=LEEDS, floor="2", room="2.14")},
)
POLICY = Policy(proxies=(ip_network("192.0.2.0/24"),))


@dataclass(slots=True)
class Placed(Agent):
    """An agent with a table of sites, also after a restart."""

    sites: Sites = field(default_factory=lambda: SITES)

    def _start(self) -> None:
        Agent._start(self)
        self.engine.relocate(self.sites, NOON)


REGISTERED = """
    -9.000 SuccessfulAuth AccountID=201 SessionID=reg-1 from=203.0.113.7
    -8.999 ContactStatus ContactStatus=NonQualified aor=201 URI=sip:201@192.168.1.20
    -8.990 ContactStatusDetail aor=201 URI=sip:201@192.168.1.20 CallID=reg-1 expires=100 UserAgent=snomD785/10.1
    """
DIALLED = "0.000 UserEvent on=201#1 UserEvent=Emergency Stage=Dialled Call=#1 Number=999"
TRYING = "UserEvent on=201#1 UserEvent=Emergency Stage=Trying Call=#1 Number=999"
AT_HOME = "address=Acme,_room_2.14,_floor_2,_1_Park_Row,_Leeds,_LS1_5HN contact=Reception,_0113"

SCENARIOS = {
    "before any registration was heard, on the express session alone": f"""
        {DIALLED} Address=203.0.113.9
        => emergency line=201 number=999 ip=203.0.113.9 started_at=0 outcome=in_progress seen_by=dialplan \
                site=leeds certainty=expected
        => detail emergency=id-1 {AT_HOME}
        """,
    "at the other site: its address, and a warning": f"""
        {DIALLED} Address=198.51.100.9
        => emergency line=201 number=999 ip=198.51.100.9 started_at=0 outcome=in_progress seen_by=dialplan \
                site=york certainty=moved
        => detail emergency=id-1 address=Acme,_2_Coney_Street,_York,_YO1_9QL
        """,
    "from a network that nobody knows: the address on file, for what it is worth": f"""
        {DIALLED} Address=2001:db8::1
        => emergency line=201 number=999 ip=2001:db8::1 started_at=0 outcome=in_progress seen_by=dialplan \
                site=leeds certainty=unknown
        => detail emergency=id-1 {AT_HOME}
        """,
    "an address of nonsense is none": f"""
        {DIALLED} Address=203.0.113.9,x
        => emergency line=201 number=999 started_at=0 outcome=in_progress seen_by=dialplan site=leeds certainty=unknown
        => detail emergency=id-1 {AT_HOME}
        """,
}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_where_help_is_sent(scenario: str) -> None:
    assert Placed(policy=POLICY).play(scenario).shown() == expected(scenario)


def emergency(agent: Agent) -> str:
    return next(line for line in agent.shown() if line.startswith("emergency"))


ELSEWHERE = f"{DIALLED} Address=198.51.100.9"
INVITED = """
    0.000 SuccessfulAuth AccountID=201 SessionID=invite-1 from=203.0.113.7
    0.001 Newchannel on=201#1 Exten=999
    """


@pytest.mark.parametrize("calls", [f"{ELSEWHERE}\n{INVITED}", f"{INVITED}\n{ELSEWHERE}"], ids=["before", "after"])
def test_the_address_that_the_call_tells_beats_the_registrations(calls: str) -> None:
    """Whichever session is the quicker."""
    shown = emergency(Placed(policy=POLICY).play(REGISTERED).play(calls))
    assert "ip=198.51.100.9" in shown
    assert "site=york certainty=moved" in shown


def test_but_a_proxys_does_not() -> None:
    shown = emergency(Placed(policy=POLICY).play(f"{REGISTERED}\n{DIALLED} Address=192.0.2.5"))
    assert "ip=203.0.113.7 vendor=snom model=D785" in shown
    assert "site=leeds certainty=expected" in shown


def test_the_device_is_that_of_the_phone_at_the_address() -> None:
    shown = emergency(Placed(policy=POLICY).play(f"{REGISTERED}\n{DIALLED} Address=203.0.113.7"))
    assert "ip=203.0.113.7 vendor=snom model=D785" in shown


def test_a_journal_says_nothing_of_who_registered_later() -> None:
    agent = Placed(policy=POLICY).play(f"{REGISTERED}\n-500 Journal on=201#1 Stage=Dialled Call=#1 Number=999")
    assert "ip=" not in emergency(agent)


def details(agent: Agent) -> list[str]:
    return [line for line in agent.shown() if line.startswith("detail")]


CALL = f"""
    {DIALLED} Address=203.0.113.9
    0.001 {TRYING} Trunk=trunk-a Attempt=1 Cli=+441134960000
    0.300 {TRYING} Trunk=trunk-b Attempt=2 Cli=+441134960999
    """


@pytest.mark.parametrize("then", ["", "61.000 restart"], ids=["", "and one after it"])
@pytest.mark.parametrize("restart", ["", "0.400 restart"], ids=["", "over a restart"])
def test_the_fuller_view_is_kept_for_an_hour(restart: str, then: str) -> None:
    agent = Placed(policy=POLICY).play(
        f"""
        {CALL}
        {restart}
        0.001 Journal on=201#1 Stage=Trying Call=#1 Number=999 Trunk=trunk-a Attempt=1 Cli=+441134960000
        60.000 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1 Number=999
        {then}
        0.300 Journal on=201#1 Stage=Trying Call=#1 Number=999 Trunk=trunk-b Attempt=2 Cli=+441134960999
        """
    )
    (detail,) = details(agent)
    assert detail == f"detail emergency=id-1 cli=+441134960999 {AT_HOME} until_at=3660"


def test_when_its_hour_is_over_nothing_brings_it_back() -> None:
    agent = Placed(policy=POLICY).play(f"{CALL}\n60 UserEvent on=201#1 UserEvent=Emergency Stage=Ended Call=#1")
    (detail,) = [id for id, record in agent.records.items() if record.KIND == "detail"]
    agent.play("3661 tick")
    del agent.records[detail]  # as retention does
    call = next(iter(agent.engine.desk.book.states.values()))
    assert (call.cli, call.address, call.contact) == (None, None, None)
    agent.play("0.300 Journal on=201#1 Stage=Trying Call=#1 Number=999 Trunk=trunk-b Attempt=2 Cli=+441134960999")
    agent.play("3700 UserEvent on=201#6~5 UserEvent=Emergency Stage=CallbackAnswered Call=#1 Number=999")
    assert details(agent) == []
