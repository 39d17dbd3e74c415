"""What the check asks Asterisk, and what of the answers it keeps."""

from collections.abc import Mapping
from pathlib import Path

from agent.core.wire import Message
from agent.duties.check import Evidence, Login, Sight, findings, gather
from agent.duties.check.evidence import Host, Reachability, Recordings
from agent.sources.ami import Answer

CANARY = "canary-71be"
NOW_MS = 1_795_382_756_000

#: Actions whose answer holds passwords, seen on Asterisk 16 and 22: all of a file.
TELLING = {"GetConfig"}
#: Nothing else: whatever a check asks must change nothing.
HARMLESS = TELLING | {
    *("ListCommands", "Ping", "Filter", "ShowDialPlan", "Getvar", "ModuleCheck", "TelephonyAgentCheck"),
    *("PJSIPShowEndpoints", "PJSIPShowAors", "SIPpeers", "IAXpeerlist", "CoreSettings"),
}
#: A secret besides those of files: PJSIPShowEndpoint tells the endpoint's password (AuthDetail).
MAY = (HARMLESS - {"ListCommands", "Ping", "TelephonyAgentCheck"}) | {"PJSIPShowEndpoint", "PJSIPShowAuths"}
EVENTS = {
    "PJSIPShowEndpoints": [Message("EndpointList", {"ObjectName": "201", "Auths": "201", "Contacts": CANARY})],
    "PJSIPShowAors": [Message("AorList", {"ObjectName": "201", "Contacts": CANARY})],
    "SIPpeers": [Message("PeerEntry", {"ObjectName": "401/401", "Dynamic": "yes", "Description": CANARY})],
    "IAXpeerlist": [Message("PeerEntry", {"ObjectName": "501", "Dynamic": "no"})],
    "ShowDialPlan": [
        Message(
            "ListDialplan",
            {"Context": "phones", "Extension": "_9.", "Application": "Dial", "AppData": f"IAX2/u:{CANARY}@trunk"},
        )
    ],
}
ANSWERS = {
    "ListCommands": dict.fromkeys(MAY, "What it does.  (Priv: system,all)") | {"ActionID": CANARY},
    "Ping": {"Timestamp": f"{(NOW_MS + 4000) / 1000:.6f}"},
    "GetConfig": {"Category-000000": "agent", "Line-000000-000000": f"secret={CANARY}"},
}
#: What Getvar tells, by the beginning of what is asked for; EVAL as it stands in the code, and no other setting.
VALUES = {
    "EVAL(${PJSIP_ENDPOINT(201,context)}|": "phones|true|on|off|30|texts|201@default",
    "SIPPEER(401,context)": "phones",
    "EMERGENCY_TRUNKS": "trunk-a",
    "PJSIP_ENDPOINT(trunk-a,aors)": "trunk-a",
    "PJSIP_ENDPOINT(trunk-a,context)": "incoming",
    "PJSIP_AOR(trunk-a,contact)": "trunk-a@@1f",
    "PJSIP_CONTACT(trunk-a@@1f,status)": "Unreachable",
}


class Pbx:
    """A login that answers from the tables above, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, action: Mapping[str, str]) -> Answer:
        self.asked.append(action["Action"])
        if action["Action"] == "Getvar":
            told = [value for name, value in VALUES.items() if action["Variable"].startswith(name)]
            return Answer(ok=True, headers={"Value": told[0] if told else ""})
        return Answer(ok=True, headers=ANSWERS.get(action["Action"], {}))

    async def ask_list(
        self, action: Mapping[str, str], complete: str, items: frozenset[str]
    ) -> tuple[Answer, list[Message]]:
        answer = await self.ask(action)
        return answer, [event for event in EVENTS[action["Action"]] if event.name in items]

    async def heard(self, name: str) -> Message | None:
        return None


async def seen(
    pbx: Pbx,
    *,
    loopback: bool = True,
    tls: bool = False,
    etc: Path | None = None,
    recordings: Recordings | None = None,
) -> Evidence:
    login = Login(name="agent", sessions=("express", "bulk"), pbx=pbx)
    host = Host(store="/x", recordings=recordings)
    sight = Sight(
        logins=[login], etc=etc, numbers=("999",), forms=("999", "9999"), loopback=loopback, tls=tls, host=host
    )
    return await gather(sight, lambda: NOW_MS)


async def test_nothing_is_asked_that_changes_anything() -> None:
    pbx = Pbx()
    await seen(pbx)
    assert set(pbx.asked) <= HARMLESS
    assert pbx.asked[-1] == "Filter"


async def test_what_is_kept_holds_no_personal_value_and_no_password() -> None:
    evidence = await seen(Pbx())
    assert CANARY not in repr(evidence)
    assert not [finding for finding in findings(evidence) if CANARY in f"{finding.text}{finding.fix}"]
    assert evidence.routes is not None
    assert [step.application for step in evidence.routes["phones", "999"].steps] == ["Dial"]
    assert evidence.endpoints is not None
    assert [(each.technology, each.name, each.context) for each in evidence.endpoints] == [
        ("PJSIP", "201", "phones"),
        ("SIP", "401", "phones"),
    ]
    assert (evidence.endpoints[0].rtp_timeout_s, evidence.endpoints[0].mailboxes) == (30, ("201@default",))
    assert evidence.endpoints[0].message_context == "texts"
    assert evidence.trunks is not None
    assert [(trunk.name, trunk.exists, trunk.contacts) for trunk in evidence.trunks] == [
        ("trunk-a", True, (Reachability.UNREACHABLE,))
    ]


async def test_over_a_network_in_clear_no_password_is_asked_for() -> None:
    pbx = Pbx()
    evidence = await seen(pbx, loopback=False)
    assert not TELLING & set(pbx.asked)
    assert (evidence.general, evidence.pjsip, evidence.settings) == (None, None, None)
    assert evidence.endpoints
    safe = Pbx()
    assert (await seen(safe, loopback=False, tls=True)).endpoints
    assert "GetConfig" in safe.asked


async def test_the_clocks_are_compared() -> None:
    evidence = await seen(Pbx())
    assert (evidence.skew_ms, evidence.skew_within_ms) == (4000, 0)


async def test_where_recordings_are_kept_what_they_need_is_asked_too(tmp_path: Path) -> None:
    (tmp_path / "asterisk.conf").write_text(f"[directories]\nastspooldir => /srv/spool\nastkeydir => {CANARY}\n")
    pbx = Pbx()
    evidence = await seen(pbx, loopback=False, etc=tmp_path, recordings=Recordings(monitor="/srv/spool/monitor"))
    assert evidence.directories is not None
    assert evidence.directories.items == (("astspooldir", "/srv/spool"),)
    assert evidence.variables is not None
    assert evidence.variables.keys() >= {"RECORDING_SOCKET", "RECORDING_SAY_start_pa", "RECORDING_SAY_party"}
    said = {finding.id: finding.text for finding in findings(evidence)}
    assert said["recording.monitor.asterisk"] == "Asterisk captures in /srv/spool/monitor"
    assert "RECORDING_SOCKET" not in ((await seen(Pbx())).variables or {})
