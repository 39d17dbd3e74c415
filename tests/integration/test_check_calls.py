"""What `check` says of the file of calls."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.core.cdr import FORMER, TEMPLATE
from agent.duties.check import Evidence, Severity, look_at_calls
from agent.duties.check.calls import judge
from agent.duties.check.evidence import CallFile, Endpoint, Host
from agent.duties.check.files import on_disk
from tests.integration.test_check_findings import healthy, section

EXAMPLE = Path(__file__).parents[2] / "dialplan" / "cdr_custom.conf.example"
FILE = "/var/log/asterisk/cdr-custom/telephony-agent.csv"
MODULES = {"cdr_custom": True, "func_env": True}
TRUNKS = ("trunk-a", "emergency-trunk-a")
RINGS = Endpoint(technology="PJSIP", name="201", context="phones")
TRUNK = Endpoint(technology="PJSIP", name="trunk-a", context="incoming", phone=False, message_context="texts-in")


def configured(file: CallFile | None = None, **changes: Any) -> Evidence:
    host = Host(store="/var/lib/x.sqlite", calls=file or CallFile(path=FILE, trunks=TRUNKS))
    mappings = section("mappings", **{"telephony-agent.csv": TEMPLATE})
    cdr = section("general", enable="yes", unanswered="no", congestion="yes", batch="no")
    endpoints = (
        Endpoint(technology="PJSIP", name="201", context="phones", message_context="texts"),
        TRUNK,
    )
    seen = healthy(host=host, modules=MODULES, mappings=mappings, cdr=cdr, endpoints=endpoints)
    return replace(seen, **changes)


def wrong(evidence: Evidence) -> list[tuple[str, Severity, str]]:
    return [(each.id, each.severity, each.text) for each in judge(evidence) if each.severity is not Severity.OK]


def test_nothing_is_said_where_no_calls_are_read() -> None:
    assert list(judge(healthy())) == []


def test_nothing_is_wrong_where_all_is_as_the_example_has_it(tmp_path: Path) -> None:
    assert wrong(configured()) == []
    (tmp_path / "cdr_custom.conf").write_text(EXAMPLE.read_text())
    (mappings,) = on_disk(tmp_path, "cdr_custom.conf") or []
    assert wrong(configured(mappings=mappings)) == []


@pytest.mark.parametrize(
    ("changes", "id", "severity", "words"),
    [
        ({"modules": {"cdr_custom": False, "func_env": True}}, "calls.module", Severity.PROBLEM, "is not loaded"),
        ({"modules": None}, "calls.module", Severity.UNKNOWN, "could not be seen"),
        ({"mappings": section("mappings")}, "calls.mapping", Severity.PROBLEM, "has no mapping telephony-agent.csv"),
        (
            {"mappings": section("mappings", **{"telephony-agent.csv": TEMPLATE.replace("billsec", "duration")})},
            "calls.mapping",
            Severity.PROBLEM,
            "otherwise than the agent reads it",
        ),
        (
            {"mappings": section("mappings", **{"telephony-agent.csv": FORMER})},
            "calls.mapping",
            Severity.PROBLEM,
            "numbers are kept that callers withhold",
        ),
        (
            {"contexts": {"caller-presentation": False}},
            "calls.presentation",
            Severity.WARNING,
            "numbers are kept that callers withhold",
        ),
        ({"mappings": None}, "calls.mapping", Severity.UNKNOWN, "could not be seen"),
        ({"cdr": section("general", enable="no")}, "calls.settings", Severity.PROBLEM, "turns all CDRs off"),
        ({"cdr": section("general", batch="yes")}, "calls.settings", Severity.WARNING, "are lost"),
        ({"cdr": section("general", unanswered="yes")}, "calls.settings", Severity.WARNING, "rings nobody"),
        ({"cdr": section("general")}, "calls.settings", Severity.WARNING, "found no way"),
        ({"cdr": None}, "calls.settings", Severity.UNKNOWN, "could not be seen"),
        ({"file": CallFile(path=FILE)}, "calls.trunks", Severity.PROBLEM, "no calls are read"),
        ({"file": CallFile(path=FILE, trunks=("other",))}, "calls.trunks", Severity.WARNING, "calls through trunk-a"),
        ({"endpoints": None}, "calls.trunks", Severity.UNKNOWN, "could not be seen"),
        ({"modules": {"cdr_custom": True}}, "texts.module", Severity.PROBLEM, "in no record"),
        ({"endpoints": (RINGS, TRUNK)}, "texts.contexts", Severity.WARNING, "in no record: PJSIP/201"),
    ],
)
def test_what_is_wrong(changes: dict[str, Any], id: str, severity: Severity, words: str) -> None:
    ((found, how, text),) = wrong(configured(changes.pop("file", None), **changes))
    assert (found, how) == (id, severity)
    assert words in text


def test_a_file_that_cannot_be_taken_is_told_before_the_agent_runs(tmp_path: Path) -> None:
    assert look_at_calls(None, TRUNKS) is None

    def fault(path: Path) -> str:
        seen = look_at_calls(path, TRUNKS)
        assert seen is not None
        return seen.fault

    assert fault(tmp_path / "calls.csv") == ""
    (tmp_path / "calls.csv").touch()
    assert fault(tmp_path / "calls.csv") == ""
    assert "there is no folder" in fault(tmp_path / "none" / "calls.csv")
    os.mkfifo(tmp_path / "pipe")
    assert fault(tmp_path / "pipe") == "it is no regular file"
    broken = configured(CallFile(path=FILE, trunks=TRUNKS, fault="it is no regular file"))
    (made,) = [each.fix.partition(", and")[0] for each in judge(broken) if each.id == "calls.file"]
    assert made == f"install -d -m 2770 -o asterisk -g asterisk {Path(FILE).parent}"
    for page in (EXAMPLE, EXAMPLE.with_name("README.md"), EXAMPLE.parents[1] / "docker" / "telephony-agent.service"):
        assert made in page.read_text(), "one folder, whoever tells of it"
    assert [found[:2] for found in wrong(broken)] == [("calls.file", Severity.PROBLEM)]
