"""Much traffic, then time: the engine holds nothing of what is over."""

from itertools import count

import pytest

from agent.core.book import LINGER_MS
from agent.core.engine import Engine
from agent.core.policy import Policy
from tests.scenarios.transcript import NOON, Agent

CALL = """
    {t}.000 SuccessfulAuth AccountID=201 SessionID=invite-{n} from=203.0.113.7
    {t}.001 Newchannel on=201#{n}1 Exten=999
    {t}.002 UserEvent on=201#{n}1 UserEvent=Emergency Stage=Dialled Call=#{n}1 Number=999
    {t}.003 DialBegin on=201#{n}1 to=trunk-a#{n}2~{n}1 DialString=999@trunk-a
    {t}.004 DialEnd on=201#{n}1 to=trunk-a#{n}2~{n}1 DialStatus=ANSWER
    {t}.005 UserEvent on=201#{n}1 UserEvent=Recording Action=OptIn Trigger=code Call=#{n}1
    {t}.006 MixMonitorStart on=201#{n}1
    {t}.007 MixMonitorStop on=201#{n}1
    {t}.008 UserEvent on=201#{n}1 UserEvent=Recording Action=OptOut Trigger=code Call=#{n}1
    {t}.009 UserEvent on=201#{n}1 UserEvent=Recording Action=OptIn Trigger=button Call=#{n}1
    {t}.010 MixMonitorStart on=trunk-a#{n}2~{n}1
    {t}.011 Hangup on=trunk-a#{n}2~{n}1
    {t}.012 Hangup on=201#{n}1
    """
RECORDED = """
    {t}.000 Newchannel on=205#{n}1 Exten=206
    {t}.001 BridgeEnter on=206#{n}2~{n}1 BridgeUniqueid=b{n}
    {t}.002 BridgeEnter on=205#{n}1 BridgeUniqueid=b{n}
    {t}.003 granted on=205#{n}1 Trigger=code
    {t}.004 granted on=205#{n}1 Trigger=button
    {t}.005 MixMonitorStart on=205#{n}1
    {t}.006 BridgeEnter on=207#{n}3~{n}1 BridgeUniqueid=b{n}
    {t}.007 MixMonitorStop on=205#{n}1
    {t}.008 UserEvent on=205#{n}1 UserEvent=Recording Action=Pause Trigger=button Call=#{n}1
    {t}.009 MixMonitorStart on=205#{n}1
    {t}.010 MixMonitorStop on=205#{n}1
    {t}.011 granted on=205#{n}1 Trigger=code
    {t}.012 granted on=206#{n}2~{n}1 Line=help Calls=incoming Trigger=customer_service
    {t}.013 BridgeLeave on=206#{n}2~{n}1 BridgeUniqueid=b{n}
    {t}.014 Hangup on=206#{n}2~{n}1
    {t}.015 Hangup on=205#{n}1
    {t}.016 Hangup on=207#{n}3~{n}1
    {t}.017 granted on=205#{n}1 Trigger=code
    """
PHONE = """
    {t}.000 SuccessfulAuth AccountID=3{n} SessionID=reg-{n} from=203.0.113.7
    {t}.001 ContactStatus ContactStatus=NonQualified aor=3{n} URI=sip:3{n}@192.168.1.20
    {t}.002 ContactStatusDetail aor=3{n} URI=sip:3{n}@192.168.1.20 CallID=reg-{n} expires=60 UserAgent=snomD785/10.1
    {t}.003 SuccessfulAuth AccountID=3{n} SessionID=again-{n} from=203.0.113.7
    {t}.004 SuccessfulAuth AccountID=3{n} SessionID=reg-{n} from=203.0.113.7
    {t}.005 ContactStatus ContactStatus=Removed aor=3{n} URI=sip:3{n}@192.168.1.20
    {t}.006 InvalidAccountID Service=PJSIP AccountID=x{n}
    """


def parts(engine: Engine) -> tuple[object, ...]:
    """Every part of the engine that remembers."""
    tapes = engine.tapes
    recordings = (tapes, tapes.book, tapes.bridges, tapes.consents)
    return (engine, engine.registrar, engine.desk, engine.desk.book, *recordings)


def sizes(*parts: object) -> dict[str, int]:
    """Every container of each part, found and not listed."""
    found: dict[str, int] = {}
    for part in parts:
        for name in type(part).__slots__:  # type: ignore[attr-defined]
            if hasattr(value := getattr(part, name), "__len__"):
                found[f"{type(part).__name__}.{name}"] = len(value)
    return found


@pytest.mark.parametrize("traffic", [CALL, RECORDED, PHONE], ids=["calls", "recorded calls", "phones"])
def test_the_books_are_empty_afterwards(traffic: str) -> None:
    agent = Agent().play("0 optin Line=help Trigger=customer_service Calls=all")
    for n, t in zip(range(100, 400), count(), strict=False):
        agent.play(traffic.format(n=n, t=t))
        list(agent.engine.tick(NOON + t * 1000))
    assert len(agent.records) >= 300
    assert max(sizes(*parts(agent.engine)).values()) > 10, "it knew of them"
    ended_at = NOON + 300_000
    for later in (0, 1_000, LINGER_MS + 1_000, Policy().callback_ms + 2_000):
        list(agent.engine.tick(ended_at + later))
    assert len(agent.engine.desk.book.states) == (300 if traffic is CALL else 0), "the journal was not read yet"
    agent.engine.desk.reading()
    agent.engine.desk.read([])
    for later in (1_000, LINGER_MS):
        list(agent.engine.tick(ended_at + Policy().callback_ms + 2_000 + later))
    left = {name: size for name, size in sizes(*parts(agent.engine)).items() if size}
    assert left.pop("Engine._failures", 0) <= 1, "a counter a cause of failure"
    assert left.pop("Consents._standing") == left.pop("Consents._until") == 1, "until it is withdrawn"
    assert left == {}


def test_a_live_list_that_never_ends_is_forgotten_at_the_next_login() -> None:
    agent = Agent().play("0 CoreShowChannel on=201#1 Exten=202 Duration=00:00:01")
    agent.play("1 back")
    assert not any(sizes(*parts(agent.engine)).values())


def test_strangers_requests_are_bounded() -> None:
    agent = Agent()
    for n in range(300):
        agent.play(f"0 SuccessfulAuth AccountID=201 SessionID=call-{n} from=203.0.113.7")
    agent.play("120 tick")
    assert not any(sizes(*parts(agent.engine)).values())
