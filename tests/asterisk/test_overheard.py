"""What crosses the wire between Asterisk and the agent: never a phone's password, nor the agent's own."""

from pathlib import Path

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.etc import password
from tests.lab.relay import Relay
from tests.lab.sip import Phone
from tests.lab.traffic import MAKES, demonstrate, phones_of


async def test_no_password_crosses_the_wire(lab: Asterisk, tmp_path: Path) -> None:
    async with Relay(lab.ami_port) as relay:
        async with AgentProcess(lab, folder=tmp_path / "agent", ami_port=relay.port) as agent:
            phones = phones_of(lab)
            await demonstrate(lab, lambda _: None, phones)
            # a phone that starts anew is one that the agent has to ask about
            phones["202"].call_id = "another-call-id-after-a-reboot"
            await phones["202"].register()
            await agent.one("registration", line="202", refreshes=1)
            if "chan_sip.so" in lab.installation.modules:
                await Phone(lab, "401", user_agent=MAKES["202"], server_port=lab.chan_sip_port).register()
                await agent.one("registration", line="401", vendor="snom")
            assert {span["line"] for span in agent.stored("registration") if span["model"]} >= set(MAKES) - {"207"}
        heard = relay.heard
    # the proof that all of it was overheard: all logins, the phones that registered, and what was asked about them
    assert heard.count(b"Authentication accepted") == 3
    assert all(f"/registrar/contact/{line};@".encode() in heard for line in MAKES)
    assert b"Event: AuthDetail" not in heard
    for secret in (lab.agent_secret, *(password(line) for line in (*MAKES, "401"))):
        assert secret.encode() not in heard
