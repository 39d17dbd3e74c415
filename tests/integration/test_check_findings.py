"""What each piece of evidence makes the check say: one healthy PBX, and one row for each thing wrong with it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from agent.duties.check import Evidence, Finding, Severity, findings, json_lines, loopback, print_findings
from agent.duties.check.calls import PRESENTATION
from agent.duties.check.emergency import CONTEXTS, HELPFUL, MODULES, PARTS
from agent.duties.check.evidence import (
    Account,
    Endpoint,
    FilterForm,
    Host,
    Reachability,
    Route,
    Section,
    Step,
    Trunk,
)
from agent.duties.check.recording import CONTEXTS as RECORDING_CONTEXTS
from agent.duties.check.recording import FEATURES
from agent.duties.check.recording import MODULES as RECORDING_MODULES
from agent.duties.check.rights import granted

COMMANDS = frozenset(
    (
        *("Filter", "CoreShowChannels", "PJSIPShowEndpoints", "PJSIPShowRegistrationInboundContactStatuses"),
        *("ShowDialPlan", "Getvar", "GetConfig", "ModuleCheck", "UserEvent", "Originate", "MessageSend"),
        "VoicemailRefresh",
    )
)
USER = {
    "read": "system,call,security,user",
    "write": "system,reporting,user,originate,message",
    "writetimeout": "5000",
}
OURS = Step(context="phones", extension="999", application="Gosub", target="emergency")
WAY = {
    "emergency": Route(
        steps=(
            Step(context="emergency", extension="_X.", application="Gosub", target="emergency-tell", number="s"),
            Step(context="emergency", extension="_X.", application="Dial"),
            Step(context="emergency", extension="_X.", application="Goto"),
        )
    ),
    "emergency-tell": Route(steps=(Step(context="emergency-tell", extension="s", application="UserEvent"),)),
}
PHONE = Endpoint(
    technology="PJSIP",
    name="201",
    context="phones",
    one_touch_recording=True,
    on_feature="record-button-on",
    off_feature="record-button-off",
)


def section(name: str, **items: str) -> Section:
    return Section(name=name, items=tuple(items.items()))


def account(**changes: Any) -> Account:
    healthy = Account(
        name="agent", commands=COMMANDS, section=section("agent", **USER), filter_form=FilterForm.CRITERIA
    )
    return replace(healthy, **changes)


def user(**changes: str | None) -> Account:
    """The agent's section of manager.conf with some keys changed, or (None) without them."""
    return account(section=section("agent", **{key: value for key, value in (USER | changes).items() if value}))


def healthy(**changes: Any) -> Evidence:
    evidence = Evidence(
        host=Host(store="/var/lib/x.sqlite", listen="127.0.0.1:9199"),
        accounts=(account(),),
        numbers=("999",),
        general=section("general", bindaddr="127.0.0.1", timestampevents="yes"),
        events_stamped=True,
        skew_ms=0,
        endpoints=(PHONE, trunk("trunk-a"), trunk("trunk-b")),
        routes={("phones", "999"): Route(steps=(OURS,))},
        contexts=dict.fromkeys((*CONTEXTS, *PARTS, *RECORDING_CONTEXTS, PRESENTATION), True),
        way=dict(WAY),
        trunks=(Trunk(name="trunk-a", exists=True, contacts=(Reachability.REACHABLE,)),),
        aors=("201", "trunk-a", "trunk-b"),
        variables={"EMERGENCY_TRUNKS": "trunk-a,trunk-b", "DYNAMIC_FEATURES": "#".join(FEATURES)},
        features=section("applicationmap", **dict.fromkeys(FEATURES, "*31,self/both,Gosub")),
        pjsip=section("global", ignore_uri_user_options="yes"),
        modules=dict.fromkeys((*MODULES, *HELPFUL, *RECORDING_MODULES), True),
        version="22.10.1",
    )
    return replace(evidence, **changes)


def trunk(name: str) -> Endpoint:
    return Endpoint(technology="PJSIP", name=name, context="incoming", phone=False)


def route(*steps: Step, switch: bool = False) -> dict[str, Any]:
    return {"routes": {("phones", "999"): Route(steps=steps, switch=switch)}}


def step(context: str, extension: str, application: str = "Dial", target: str = "") -> Step:
    return Step(context=context, extension=extension, application=application, target=target)


def way(*applications: str) -> dict[str, Route]:
    """A way of these applications, one after the other, in [emergency] itself."""
    return {"emergency": Route(steps=tuple(step("emergency", "_X.", application) for application in applications))}


def found(evidence: Evidence) -> dict[str, Finding]:
    return {finding.id: finding for finding in findings(evidence) if finding.severity is not Severity.OK}


def test_nothing_is_wrong_with_a_healthy_pbx() -> None:
    assert found(healthy()) == {}
    assert all(finding.severity is Severity.OK and not finding.fix for finding in findings(healthy()))


PROBLEM, WARNING, UNKNOWN = Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN
READ_FIX, WRITE_FIX = "under [agent]: read=system,call,security,user", "under [agent]: write=system,reporting"
INCLUDE = "under [phones] itself: #include telephony-agent/emergency-numbers.conf"

#: What is changed in a healthy PBX, and the one finding that this makes: id, severity, words of its text, of its fix.
WRONG: list[tuple[dict[str, Any], str, Severity, str, str]] = [
    # missing read classes
    (
        {"accounts": (user(read="call,security,user"),)},
        "rights.agent.read.system",
        PROBLEM,
        "no ContactStatus",
        READ_FIX,
    ),
    (
        {"accounts": (user(read="system,security,user"),)},
        "rights.agent.read.call",
        PROBLEM,
        "no emergency call is seen where the dialplan is not ours",
        READ_FIX,
    ),
    (
        {"accounts": (user(read="system,call,security"),)},
        "rights.agent.read.user",
        PROBLEM,
        "opted in to a recording",
        READ_FIX,
    ),
    # over-broad rights
    (
        {"accounts": (user(read=f"{USER['read']},dtmf"),)},
        "rights.agent.read.dtmf",
        PROBLEM,
        "card digits and PINs",
        READ_FIX,
    ),
    ({"accounts": (user(read="all"),)}, "rights.agent.read.all", PROBLEM, "card digits and PINs", READ_FIX),
    *(
        ({"accounts": (user(read=f"{USER['read']},{name}"),)}, f"rights.agent.read.{name}", WARNING, "", READ_FIX)
        for name in ("dialplan", "verbose", "log", "agi", "cc", "cdr", "command", "reporting")
    ),
    *(
        ({"accounts": (user(write=f"{USER['write']},{name}"),)}, f"rights.agent.write.{name}", how, "", WRITE_FIX)
        for name, how in {
            **dict.fromkeys(("command", "config", "all"), PROBLEM),
            **dict.fromkeys(("call", "agi"), WARNING),
        }.items()
    ),
    # the login of the second session
    (
        {"accounts": (account(), account(sessions=("express",), commands=frozenset(), refused="refused: in use"))},
        "login.agent",
        PROBLEM,
        "in use",
        "allowmultiplelogin=yes",
    ),
    (
        {"accounts": (user(allowmultiplelogin="no"),)},
        "ami.allowmultiplelogin.agent",
        PROBLEM,
        "the agent needs two sessions",
        "under [agent]: allowmultiplelogin=yes",
    ),
    (
        {"general": section("general", bindaddr="127.0.0.1", allowmultiplelogin="no")},
        "ami.allowmultiplelogin.agent",
        PROBLEM,
        "may log in only once",
        "allowmultiplelogin=yes",
    ),
    # filters
    (
        {"accounts": (account(filter_form=FilterForm.REFUSED),)},
        "filter.agent",
        WARNING,
        "a 999 waits behind every other event",
        WRITE_FIX,
    ),
    (
        {
            "accounts": (
                account(
                    filter_form=FilterForm.REFUSED,
                    section=section("agent", **USER, **{"eventfilter(name(UserEvent))": "Emergency"}),
                ),
            )
        },
        "filter.agent",
        WARNING,
        "by 1 eventfilter lines of manager.conf",
        WRITE_FIX,
    ),
    # settings of AMI
    ({"events_stamped": False}, "ami.timestampevents", PROBLEM, "no Timestamp", "under [general]: timestampevents=yes"),
    (
        {"events_stamped": None, "general": section("general", bindaddr="127.0.0.1")},
        "ami.timestampevents",
        PROBLEM,
        "that of arrival",
        "timestampevents=yes",
    ),
    (
        {"accounts": (user(writetimeout=None),)},
        "ami.writetimeout.agent",
        WARNING,
        "is 100 ms",
        "under [agent]: writetimeout=5000",
    ),
    ({"accounts": (user(writetimeout="4999"),)}, "ami.writetimeout.agent", WARNING, "is 4999 ms", "writetimeout=5000"),
    (
        {"general": section("general", bindaddr="0.0.0.0", timestampevents="yes")},
        "ami.bindaddr",
        WARNING,
        "without TLS at 0.0.0.0",
        "under [general]: bindaddr=127.0.0.1",
    ),
    (
        {"general": section("general", timestampevents="yes")},
        "ami.bindaddr",
        WARNING,
        "other machines may reach",
        "bindaddr=127.0.0.1",
    ),
    ({"ami_loopback": False}, "ami.tls", PROBLEM, "over a network without TLS", "tls = true"),
    ({"skew_ms": 1500, "skew_within_ms": 2}, "clock", WARNING, "1.5 s ahead", "set-ntp true"),
    ({"skew_ms": -61_000}, "clock", WARNING, "61.0 s behind", "set-ntp true"),
    # what a number does
    (route(), "number.999.phones", PROBLEM, "nothing answers it", INCLUDE),
    (
        route(step("phones", "_9.")),
        "number.999.phones",
        PROBLEM,
        "swallowed by the pattern _9. of [phones] (it runs Dial)",
        INCLUDE,
    ),
    (
        route(step("outbound", "_X.")),
        "number.999.phones",
        PROBLEM,
        "swallowed by the pattern _X. of [outbound]",
        INCLUDE,
    ),
    (
        route(step("phones", "_9."), step("good", "999", "Gosub", "emergency")),
        "number.999.phones",
        PROBLEM,
        "_9. of [phones] (it runs Dial) beats 999 of [good]",
        INCLUDE,
    ),
    (
        route(step("good", "999", "Gosub", "emergency"), step("outbound", "_9.")),
        "number.999.phones",
        WARNING,
        "only by include of good",
        INCLUDE,
    ),
    (
        route(step("phones", "999")),
        "number.999.phones",
        WARNING,
        "the PBX's own 999 of [phones] (it runs Dial)",
        "take the 999 of [phones] away",
    ),
    (route(switch=True), "number.999.phones", UNKNOWN, "a switch of it decides", INCLUDE),
    (
        route(step("good", "999", "Gosub", "emergency"), switch=True),
        "number.999.phones",
        UNKNOWN,
        "a switch of it decides",
        INCLUDE,
    ),
    (
        {"numbers": ("101",), "routes": {("phones", "101"): Route()}},
        "number.101.phones",
        PROBLEM,
        "nothing answers it",
        "exten => 101,1,Gosub(emergency,${EXTEN},1(${CONTEXT})) and then same => n,Hangup())",
    ),
    # emergency.conf
    (
        {"contexts": dict.fromkeys(CONTEXTS, False) | dict.fromkeys(RECORDING_CONTEXTS, True)},
        "emergency.contexts",
        WARNING,
        "is not included",
        "at the top level: #include telephony-agent/emergency.conf",
    ),
    (
        {"contexts": dict.fromkeys((*CONTEXTS[:-1], *RECORDING_CONTEXTS), True)},
        "emergency.contexts",
        PROBLEM,
        "missing: emergency-tell",
        "#include telephony-agent/emergency.conf",
    ),
    *(
        ({"variables": {**healthy().variables, "EMERGENCY_TRUNKS": value}}, "emergency.trunks", how, text, "[globals]")  # type: ignore[dict-item]
        for value, how, text in (
            ("", PROBLEM, "every emergency call fails at once"),
            (" ,", PROBLEM, "fails at once"),
            ("trunk-a,trunk-z", PROBLEM, "no PJSIP endpoint: 'trunk-z'"),
            (" ,trunk-a", WARNING, "one trunk only"),
        )
    ),
    (
        {"modules": {**dict.fromkeys(MODULES, True), "func_cut": False}},
        "module.func_cut",
        PROBLEM,
        "cannot place a call",
        "in modules.conf: load=func_cut.so",
    ),
    # what an emergency call comes through
    (
        {"way": {**WAY, "emergency-x": None}},
        "emergency.way",
        PROBLEM,
        "sent into emergency-x, which is not there",
        "#include",
    ),
    ({"way": way("Goto", "UserEvent")}, "emergency.way", PROBLEM, "no Dial stands anywhere", "#include"),
    ({"way": way("UserEvent", "Goto", "Dial")}, "emergency.way", PROBLEM, "tries the next trunk", "#include"),
    ({"way": way("Dial", "Goto")}, "emergency.way", PROBLEM, "tells nobody", "#include"),
    (
        {
            "contexts": dict.fromkeys(
                (*CONTEXTS, *RECORDING_CONTEXTS, "emergency-capacity", "emergency-callback", "text"), True
            )
        },
        "emergency.part.emergency-rehearsal",
        WARNING,
        "nothing can be rehearsed",
        "copy the whole of dialplan/",
    ),
    *(
        (
            {"trunks": (Trunk(name="trunk-a", exists=True, contacts=contacts),)},
            "emergency.trunk.trunk-a",
            WARNING,
            text,
            fix,
        )
        for contacts, text, fix in (
            ((Reachability.NOT_QUALIFIED,), "is not qualified", "under the AOR of trunk-a: qualify_frequency=30"),
            ((Reachability.UNREACHABLE,), "does not answer now", "look at the trunk"),
        )
    ),
    (
        {"settings": section("globals", **{"EMERGENCY_LIMIT_trunk-z": "4", "EMERGENCY_LIMIT_trunk-a": "4"})},
        "emergency.setting.EMERGENCY_LIMIT_trunk-z",
        WARNING,
        "'trunk-z', which is no endpoint",
        "under [globals]",
    ),
    (
        {"modules": {**dict.fromkeys(MODULES, True), "func_pjsip_contact": False}},
        "module.func_pjsip_contact",
        WARNING,
        "not seen whether the trunks answer",
        "load=func_pjsip_contact.so",
    ),
    (
        {"forms": ("999", "9999"), "routes": {("phones", "999"): Route(steps=(OURS,)), ("phones", "9999"): Route()}},
        "number.forms.phones",
        WARNING,
        "9999 in context phones has no extension",
        INCLUDE,
    ),
    # who may be called by an emergency number, and whose silence is cut off
    *(
        (
            {"endpoints": (PHONE, trunk("trunk-a"), trunk("trunk-b"), endpoint), "aors": aors},
            id,
            PROBLEM,
            "has an emergency number for its name",
            "another name",
        )
        for endpoint, aors, id in (
            (trunk("999"), (), "identity.endpoint.999"),
            (trunk("x"), ("999",), "identity.AOR.999"),
            (replace(trunk("x"), auths=("999",)), (), "identity.auth.999"),
            (replace(trunk("x"), mailboxes=("999@default",)), (), "identity.mailbox.999"),
        )
    ),
    (
        {"endpoints": (replace(PHONE, rtp_timeout_s=30), trunk("trunk-a"), trunk("trunk-b"))},
        "phones.rtp-timeout",
        WARNING,
        "(201) is on",
        "rtp_timeout=0",
    ),
    # what is off, or not there
    (
        {"accounts": (account(commands=COMMANDS - {"UserEvent"}),)},
        "feature.user",
        WARNING,
        "no probe is sent",
        "write=system,reporting,user",
    ),
    (
        {"version": "16.28.0~dfsg", "modules": {**dict.fromkeys(MODULES, True), "app_softhangup": False}},
        "version.dial-timer",
        WARNING,
        "without app_softhangup nothing stands in",
        "load=app_softhangup.so",
    ),
    # recording
    (
        {"contexts": dict.fromkeys((*CONTEXTS, *PARTS), True)},
        "recording.contexts",
        WARNING,
        "no context recording and recording-control",
        "#include telephony-agent/recording.conf",
    ),
    (
        {"features": Section(name="applicationmap")},
        "recording.features",
        WARNING,
        "lacks record-start",
        "in features.conf: #include telephony-agent/features-recording.conf",
    ),
    (
        {"variables": {**healthy().variables, "DYNAMIC_FEATURES": "record-start"}},  # type: ignore[dict-item]
        "recording.dynamic-features",
        WARNING,
        "lacks record-stop",
        "DYNAMIC_FEATURES=record-start#record-stop#",
    ),
    (
        {"endpoints": (replace(PHONE, on_feature="automixmon"), trunk("trunk-a"), trunk("trunk-b"))},
        "recording.button",
        PROBLEM,
        "(201) starts a recording that no opt-in goes before",
        "record_on_feature=record-button-on",
    ),
    (
        {"endpoints": (replace(PHONE, one_touch_recording=False), trunk("trunk-a"), trunk("trunk-b"))},
        "recording.button",
        WARNING,
        "works on no PJSIP phone",
        "one_touch_recording=yes",
    ),
    (
        {"modules": {"app_mixmonitor": False}},
        "module.app_mixmonitor",
        WARNING,
        "recording on request does not work",
        "load=app_mixmonitor.so",
    ),
    # registrations
    (
        {"pjsip": Section(name="global")},
        "numbers.uri-options",
        WARNING,
        "sip:999;phone-context=+44",
        "type=global: ignore_uri_user_options=yes",
    ),
    (
        {"accounts": (account(commands=COMMANDS - {"PJSIPShowRegistrationInboundContactStatuses"}),)},
        "registrations.snapshot",
        PROBLEM,
        "no device type",
        "load=res_pjsip_registrar.so",
    ),
    # this machine
    (
        {"host": Host(store="/x", store_fault="there is no folder /")},
        "store",
        PROBLEM,
        "no folder",
        "under [store]: url",
    ),
    (
        {"host": Host(store="/x", listen="127.0.0.1:1", listen_fault="Address already in use")},
        "http",
        PROBLEM,
        "at 127.0.0.1:1: Address already in use",
        "under [http]: listen",
    ),
    # what could not be seen
    ({"general": None}, "ami.bindaddr", UNKNOWN, "at which addresses", "--asterisk-etc"),
    ({"routes": None}, "numbers", UNKNOWN, "what the dialplan does", "write=system,reporting"),
    ({"routes": {}}, "number.999.phones", UNKNOWN, "what 999 does in context phones", "write=system,reporting"),
    ({"features": None}, "recording.features", UNKNOWN, "features-recording.conf", "--asterisk-etc"),
    ({"pjsip": None}, "numbers.uri-options", UNKNOWN, "ignore_uri_user_options", "--asterisk-etc"),
    ({"modules": None}, "emergency.modules", UNKNOWN, "modules", "write=system,reporting"),
    (
        {
            "endpoints": (
                PHONE,
                trunk("trunk-a"),
                trunk("trunk-b"),
                Endpoint(technology="IAX2", name="501", context=None),
            )
        },
        "numbers.contexts",
        UNKNOWN,
        "IAX2/501",
        "write=system,reporting",
    ),
]


@pytest.mark.parametrize(
    ("changes", "id", "severity", "text", "fix"), WRONG, ids=[f"{row[1]}-{row[2]}" for row in WRONG]
)
def test_one_thing_wrong_makes_one_finding(
    changes: dict[str, Any], id: str, severity: Severity, text: str, fix: str
) -> None:
    only = found(healthy(**changes))
    assert list(only) == [id]
    assert only[id].severity is severity
    assert text in only[id].text
    assert fix in only[id].fix


#: What makes several findings at once: their ids and severities.
SEVERAL: dict[str, tuple[dict[str, Any], dict[str, Severity]]] = {
    "no class security, so refreshes are unseen": (
        {"accounts": (user(read="system,call,user"),)},
        {"rights.agent.read.security": PROBLEM, "registrations.refresh": WARNING},
    ),
    "no class security, but refreshes are told": (
        {
            "accounts": (user(read="system,call,user"),),
            "pjsip": section(
                "global", send_contact_status_on_update_registration="yes", ignore_uri_user_options="true"
            ),
        },
        {"rights.agent.read.security": PROBLEM},
    ),
    "no write class at all": (
        {"accounts": (account(commands=frozenset(), filter_form=FilterForm.REFUSED),)},
        {"rights.agent.write.system": PROBLEM, "rights.agent.write.reporting": PROBLEM, "filter.agent": WARNING},
    ),
    "manager.conf unseen": (
        {"accounts": (account(section=None, proven=frozenset(("system", "security"))),)},
        {"rights.agent.read": UNKNOWN, "rights.agent.read.dtmf": UNKNOWN, "ami.writetimeout.agent": UNKNOWN},
    ),
    "manager.conf unseen, but a command gives the right away": (
        {
            "accounts": (
                account(section=None, proven=frozenset(USER["read"].split(",")), commands=COMMANDS | {"Command"}),
            )
        },
        {
            "rights.agent.write.command": PROBLEM,
            "rights.agent.read.dtmf": UNKNOWN,
            "ami.writetimeout.agent": UNKNOWN,
        },
    ),
    "endpoints unseen": (
        {"endpoints": None},
        {"numbers": UNKNOWN, "recording.button": UNKNOWN},
    ),
    "dialplan unseen": (
        {"contexts": None, "routes": None},
        {"numbers": UNKNOWN, "emergency.contexts": UNKNOWN, "recording.contexts": UNKNOWN},
    ),
    "variables unseen": (
        {"variables": None},
        {"emergency.trunks": UNKNOWN, "recording.dynamic-features": UNKNOWN},
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_findings_go_together(name: str) -> None:
    changes, expected = SEVERAL[name]
    assert {id: finding.severity for id, finding in found(healthy(**changes)).items()} == expected


def test_what_is_fine_in_its_own_way_is_not_reported() -> None:
    assert not found(healthy(**route(OURS, step("outbound", "_9."))))
    assert not found(healthy(**route(step("phones", "_9XX", "Set"), step("phones", "_9XX", "Goto", "emergency"))))
    assert not found(healthy(**route(OURS, switch=True)))
    assert not found(healthy(skew_ms=1100, skew_within_ms=200))
    assert not found(healthy(ami_loopback=False, ami_tls=True))
    assert not found(healthy(host=Host(store="/x", listen="127.0.0.1:1", listen_fault="in use", agent_runs=True)))
    assert not found(healthy(accounts=(account(section=None, proven=frozenset(USER["read"].split(","))),))).keys() - {
        *("ami.writetimeout.agent", "rights.agent.read.dtmf"),
    }


def test_an_express_user_of_its_own_needs_less() -> None:
    bulk = account(sessions=("bulk",))
    express = account(
        name="express",
        sessions=("express",),
        commands=frozenset(("Filter",)),
        section=section("express", read="user", write="system", writetimeout="5000"),
    )
    assert not found(healthy(accounts=(bulk, express)))
    deaf = replace(express, section=section("express", read="call", write="system", writetimeout="5000"))
    wrong = found(healthy(accounts=(bulk, deaf)))
    assert "hears no emergency at all" in wrong["rights.express.read.user"].text
    assert "under [express]: read=user" in wrong["rights.express.read.user"].fix


@pytest.mark.parametrize(
    ("line", "classes"),
    [
        (None, set()),
        ("", set()),
        (" System , call,", {"system", "call"}),
        ("no", set()),
        ("yes", {"all"}),
        ("all", {"all"}),
    ],
)
def test_classes_are_read_as_asterisk_reads_them(line: str | None, classes: set[str]) -> None:
    assert granted(line) == frozenset(classes)


def test_a_bare_mask_is_not_guessed_at() -> None:
    assert granted("255") is None


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1:5038", True),
        ("::1", True),
        ("[::1]:5038", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("pbx.example", False),
        ("192.0.2.5:5038", False),
    ],
)
def test_loopback_addresses(address: str, local: bool) -> None:
    assert loopback(address) is local


def test_the_worst_comes_first_as_text_and_as_json() -> None:
    wrong = findings(healthy(skew_ms=9000, modules=None, **route()))
    severities = [finding.severity for finding in wrong]
    assert severities == sorted(severities, key=list(Severity).index)
    assert severities[:4] == [PROBLEM, WARNING, UNKNOWN, Severity.OK]
    objects = [json.loads(line) for line in json_lines(wrong)]
    assert objects[0].keys() == {"id", "severity", "text", "fix"}
    assert (objects[0]["id"], objects[0]["severity"]) == ("number.999.phones", "problem")


def test_colour_on_a_terminal_only_and_never_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(*, terminal: bool) -> str:
        console = Console(force_terminal=terminal, width=80)
        with console.capture() as capture:
            print_findings(console, findings(healthy(**route(step("a\x1b[31m", "_9.")))))
        return capture.get()

    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;31mproblem" in shown(terminal=True)
    assert "\x1b" not in shown(terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in shown(terminal=True).replace(r"a\x1b[31m", "")


def test_what_a_version_lacks_is_said_and_is_no_fault() -> None:
    def lacks(version: str) -> bool:
        return any(finding.id == "version.dial-timer" for finding in findings(healthy(version=version)))

    assert [
        version
        for version in ("16.28.0", "18.25.0", "18.26.0", "20.10.1", "20.11.0", "22.0.0", "22.10.1", "23.0.0")
        if lacks(version)
    ] == [
        *("16.28.0", "18.25.0", "20.10.1", "22.0.0"),
    ]
    assert not found(healthy(version="16.28.0"))
    assert not found(healthy(version=None))


def test_an_express_user_has_no_use_for_what_the_bulk_user_may_have() -> None:
    bulk = account(sessions=("bulk",))
    section_ = section("express", read="user", write="system,user,originate", writetimeout="5000")
    express = account(name="express", sessions=("express",), commands=frozenset(("Filter",)), section=section_)
    assert found(healthy(accounts=(bulk, express))).keys() == {
        "rights.express.write.user",
        "rights.express.write.originate",
    }
