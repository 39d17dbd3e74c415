"""What `check` says of voicemail that is to go."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.duties.check import Evidence, Severity, look
from agent.duties.check.evidence import Host
from agent.duties.check.files import on_disk
from agent.duties.check.voicemail import judge
from tests.integration.test_check_findings import COMMANDS, account, healthy, section

SPOOL = "/var/spool/asterisk/voicemail"


def configured(**changes: Any) -> Evidence:
    host = Host(store="/var/lib/x.sqlite", spool=SPOOL)
    modules = {"app_voicemail": True, "app_voicemail_odbc": False, "app_voicemail_imap": False}
    return replace(healthy(host=host, modules=modules), **changes)


def wrong(evidence: Evidence) -> list[tuple[str, Severity, str]]:
    return [(each.id, each.severity, each.text) for each in judge(evidence) if each.severity is not Severity.OK]


def test_nothing_is_said_where_none_is_to_go() -> None:
    assert list(judge(healthy())) == []


def test_nothing_is_wrong_with_files_and_rights() -> None:
    assert wrong(configured()) == []
    assert wrong(configured(version="16.28.0", voicemail=section("general", pollmailboxes="yes"))) == []


@pytest.mark.parametrize(
    ("changes", "id", "severity", "words"),
    [
        (
            {"host": Host(store="/x", spool=SPOOL, spool_fault="there is no such folder")},
            "voicemail.spool",
            Severity.PROBLEM,
            "no voicemail is deleted in",
        ),
        (
            {"modules": {"app_voicemail_odbc": True}},
            "voicemail.storage",
            Severity.PROBLEM,
            "app_voicemail_odbc keeps voicemail elsewhere",
        ),
        (
            {"voicemail": section("general", imapserver="localhost")},
            "voicemail.storage",
            Severity.WARNING,
            "voicemail.conf has imapserver",
        ),
        ({"modules": None}, "voicemail.storage", Severity.UNKNOWN, "keeps its messages as files"),
        ({"modules": {"app_voicemail": False}}, "voicemail.storage", Severity.WARNING, "not loaded"),
        (
            {"accounts": (account(commands=COMMANDS - {"VoicemailRefresh"}),)},
            "voicemail.lamps",
            Severity.WARNING,
            "no write class user",
        ),
        (
            {"version": "16.28.0", "voicemail": section("general")},
            "voicemail.lamps",
            Severity.WARNING,
            "only with pollmailboxes=yes",
        ),
        ({"version": "16.28.0"}, "voicemail.lamps", Severity.UNKNOWN, "pollmailboxes"),
    ],
)
def test_each_thing_wrong_is_one_finding(changes: dict[str, Any], id: str, severity: Severity, words: str) -> None:
    ((found, how, text),) = wrong(configured(**changes))
    assert (found, how) == (id, severity)
    assert words in text


def test_the_folder_is_looked_at_as_it_is(tmp_path: Path) -> None:
    spool = tmp_path / "voicemail"
    assert look(tmp_path / "x.sqlite", None).spool == ""
    assert look(tmp_path / "x.sqlite", None, spool).spool_fault == "there is no such folder"
    (spool / "default" / "201" / "INBOX").mkdir(parents=True)
    seen = look(tmp_path / "x.sqlite", None, spool)
    assert (seen.spool, seen.spool_fault) == (str(spool), "")


def test_a_folder_of_another_user_is_told() -> None:
    # Not below pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory() as name:
        spool = Path(name) / "voicemail"
        (spool / "default" / "201" / "INBOX").mkdir(parents=True)
        (spool / "default" / "201" / "INBOX").chmod(0o500)
        Path(name).chmod(0o755)
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            fault = look(Path(name, "x.sqlite"), None, spool).spool_fault
            os._exit(0 if "may not write to" in fault else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_pin_of_a_mailbox_is_ever_taken_from_voicemail_conf(tmp_path: Path) -> None:
    (tmp_path / "voicemail.conf").write_text("[general]\npollmailboxes=yes\n[default]\n201 => canary,A User\n")
    read = on_disk(tmp_path, "voicemail.conf")
    assert "canary" not in str(read)
    assert read is not None
    assert read[0].yes("pollmailboxes", default=False)
