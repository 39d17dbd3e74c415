"""What `check` says of the folders, keys, door and prompts of recordings."""

import grp
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.duties.check import Evidence, Finding, Places, Severity, findings, look_at_recordings
from agent.duties.check.evidence import Host, Recordings
from agent.duties.check.files import on_disk
from agent.duties.check.folders import script_fault
from tests.integration.test_check_findings import COMMANDS, account, healthy, section

PROBLEM, WARNING, UNKNOWN = Severity.PROBLEM, Severity.WARNING, Severity.UNKNOWN
MONITOR = "/var/spool/asterisk/monitor"
SOCKET = "/run/telephony-agent/recording.sock"
SAFE = Recordings(
    monitor=MONITOR, in_memory=True, never_swapped=True, store="/var/lib/x/recordings", socket=SOCKET, group="asterisk"
)
VARIABLES = {
    "RECORDING_SOCKET": "",
    "RECORDING_AGI": "",
    "RECORDING_ANNOUNCEMENT": "this-call-is-recorded",
    "RECORDING_SAY_start": "",
    "RECORDING_SAY_start_button": "recorded-now",
    "RECORDING_SAY_party": "you-are-recorded",
}


def recorded(*, globals_: dict[str, str | None] | None = None, **changes: Any) -> Evidence:
    """A healthy PBX that records; changes of `Recordings`, of the dialplan's globals (None: unseen), or of all."""
    seen = replace(SAFE, **{key: value for key, value in changes.items() if hasattr(SAFE, key)})
    variables = {**(healthy().variables or {}), **VARIABLES, **(globals_ or {})}
    evidence = healthy(
        host=Host(store="/x", recordings=seen),
        variables={key: value for key, value in variables.items() if value is not None},
        directories=section("directories", astspooldir="/var/spool/asterisk"),
        script_fault="",
    )
    return replace(evidence, **{key: value for key, value in changes.items() if not hasattr(SAFE, key)})


def wrong(evidence: Evidence) -> dict[str, Finding]:
    return {finding.id: finding for finding in findings(evidence) if finding.severity is not Severity.OK}


def test_nothing_is_wrong_where_all_is_there() -> None:
    assert wrong(recorded()) == {}
    assert wrong(recorded(globals_={"RECORDING_SOCKET": SOCKET})) == {}


def test_what_is_off_is_said_and_no_fault() -> None:
    said = {finding.id: finding.text for finding in findings(healthy())}
    assert said["recording"].startswith("off: no call is recorded")
    said = {finding.id: finding.text for finding in findings(recorded(globals_={"RECORDING_ANNOUNCEMENT": ""}))}
    assert said["recording.announcement"].startswith("off: no call with customer services")


WRONG: list[tuple[Evidence, str, Severity, str, str]] = [
    (recorded(monitor=""), "recording.monitor", PROBLEM, "knows no monitor folder", f'monitor_dir = "{MONITOR}"'),
    (
        recorded(monitor_fault="there is no such folder"),
        "recording.monitor",
        PROBLEM,
        "nothing can be recorded",
        "in asterisk.service: UMask=0007",
    ),
    (
        recorded(in_memory=False, never_swapped=False),
        "recording.monitor",
        PROBLEM,
        f"{MONITOR} is on a disk",
        f"in /etc/fstab: tmpfs {MONITOR} tmpfs size=",
    ),
    (recorded(never_swapped=False), "recording.monitor", WARNING, "may be swapped to a disk", "noswap"),
    (
        recorded(directories=section("directories", astspooldir="/srv/spool")),
        "recording.monitor.asterisk",
        PROBLEM,
        f"captures in /srv/spool/monitor, and the agent looks in {MONITOR}",
        'monitor_dir = "/srv/spool/monitor"',
    ),
    (recorded(directories=None), "recording.monitor.asterisk", UNKNOWN, "asterisk.conf", "--asterisk-etc"),
    (recorded(store=""), "recording.store", PROBLEM, "no place where recordings are kept", "store_dir = "),
    (
        recorded(store_fault="it is no folder"),
        "recording.store",
        PROBLEM,
        "cannot be kept in /var/lib/x/recordings: it is no folder",
        "install -d -m 0700",
    ),
    (
        recorded(key_fault="there is no site key"),
        "recording.keys",
        PROBLEM,
        "nothing is recorded: there is no site key",
        "telephony-agent keys init",
    ),
    (recorded(socket=""), "recording.socket", PROBLEM, "every press is refused", f'socket = "{SOCKET}"'),
    (
        recorded(socket_fault="there is no group asterisk"),
        "recording.socket",
        PROBLEM,
        f"cannot ask at {SOCKET}: there is no group asterisk",
        "socket_group",
    ),
    (
        recorded(globals_={"RECORDING_SOCKET": "/tmp/other"}),
        "recording.socket",
        PROBLEM,
        f"asks at /tmp/other, and the agent answers at {SOCKET}",
        f"RECORDING_SOCKET={SOCKET}",
    ),
    (
        recorded(socket="/run/other.sock"),
        "recording.socket",
        PROBLEM,
        f"asks at {SOCKET}",
        "RECORDING_SOCKET=/run/other.sock",
    ),
    (recorded(globals_={"RECORDING_SOCKET": None}), "recording.socket", UNKNOWN, "RECORDING_SOCKET", "write=system"),
    (
        recorded(script_fault="there is no script"),
        "recording.script",
        WARNING,
        "may ask nobody for a recording: there is no script",
        "pip install --target",
    ),
    (recorded(script_fault=None), "recording.script", UNKNOWN, "agi/recording.py", "--asterisk-etc"),
    (
        recorded(globals_={"RECORDING_SAY_start_button": ""}),
        "recording.prompts",
        WARNING,
        "nobody is told when a recording begins",
        "RECORDING_SAY_start=",
    ),
    (
        recorded(globals_={"RECORDING_SAY_party": "no"}),
        "recording.party",
        WARNING,
        "who comes into a recorded call is told nothing",
        "RECORDING_SAY_party=",
    ),
    (
        recorded(accounts=(account(commands=COMMANDS - {"Originate"}),)),
        "recording.party",
        WARNING,
        "no write class originate",
        "under [agent]: write=system,reporting,user,originate",
    ),
    *(
        (recorded(modules={name: False}), f"recording.module.{name}", WARNING, text, f"load={name}.so")
        for name, text in {
            "app_playback": "no call with customer services is recorded",
            "app_chanspy": "told nothing",
            "app_originate": "told nothing",
        }.items()
    ),
    (recorded(modules={"res_agi": False}), "module.res_agi", WARNING, "recording on request", "load=res_agi.so"),
]


@pytest.mark.parametrize(("evidence", "id", "severity", "text", "fix"), WRONG)
def test_one_thing_wrong_is_told_with_the_line_that_mends_it(
    evidence: Evidence, id: str, severity: Severity, text: str, fix: str
) -> None:
    told = {key: finding for key, finding in wrong(evidence).items() if key != "module.app_originate"}
    assert list(told) == [id]
    assert (told[id].severity, text in told[id].text, fix in told[id].fix) == (severity, True, True), told[id]


def test_asterisk_in_a_root_of_its_own_has_the_same_folder() -> None:
    assert wrong(recorded(monitor=f"/srv/pbx{MONITOR}", socket=f"/srv/pbx{SOCKET}")) == {}


@pytest.mark.parametrize("text", ["[directories](!)\nastspooldir => /srv/spool\n", "[options]\nverbose = 3\n"])
def test_an_asterisk_that_names_no_spool_has_the_usual_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "asterisk.conf").write_text(text)
    named = on_disk(tmp_path, "asterisk.conf")
    assert named is not None
    assert [each for each in named if each.name == "directories"] == []
    assert wrong(recorded(directories=section("directories"))) == {}


def test_a_script_of_the_operators_own_is_not_judged() -> None:
    assert wrong(recorded(script_fault=None, globals_={"RECORDING_AGI": "/opt/own"})) == {}


def test_the_script_is_looked_for_where_recording_conf_calls_it(tmp_path: Path) -> None:
    assert script_fault(tmp_path) is None, "the dialplan may lie on another machine"
    agi = tmp_path / "telephony-agent" / "agi"
    agi.mkdir(parents=True)
    assert "there is no" in (script_fault(tmp_path) or "")
    (agi / "recording.py").touch(0o644)
    assert "is not executable" in (script_fault(tmp_path) or "")
    (agi / "recording.py").chmod(0o755)
    (agi / "asterisk").mkdir()
    (agi / "asterisk" / "agi.py").touch()
    assert "pyst2 does not lie beside" in (script_fault(tmp_path) or "")
    (agi / "six.py").touch()
    assert script_fault(tmp_path) == ""


def places(folder: Path, **changes: Any) -> Places:
    monitor, store, run = folder / "monitor", folder / "recordings", folder / "run"
    for each in (monitor, store, run):
        each.mkdir(mode=0o700)
    usual = {"monitor": monitor, "store": store, "socket": run / "door", "group": None, "key": ""}
    return Places(**{**usual, **changes})


def looked(seen: Places, *, memory: bool = True) -> Recordings:
    found = look_at_recordings(seen, in_memory=lambda _: memory, never_swapped=lambda _: memory)
    assert found is not None
    return found


def faults(seen: Recordings) -> tuple[str, str, str]:
    return seen.monitor_fault, seen.store_fault, seen.socket_fault


def test_nothing_is_looked_at_where_nothing_is_configured() -> None:
    nothing = Places(monitor=None, store=None, socket=None, group=None, key="there is no site key")
    assert look_at_recordings(nothing, in_memory=lambda _: True, never_swapped=lambda _: True) is None


def test_folders_that_will_do(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    seen = looked(places(tmp_path, group=group, key="no key"))
    assert faults(seen) == ("", "", "")
    assert (seen.in_memory, seen.never_swapped, seen.group, seen.key_fault) == (True, True, group, "no key")
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [], "nothing was made"
    (tmp_path / "recordings").rmdir()
    assert looked(replace_store(tmp_path)).store_fault == "", "the agent makes it"
    assert not (tmp_path / "recordings").exists()


def replace_store(folder: Path) -> Places:
    return Places(monitor=None, store=folder / "recordings", socket=None, group=None, key="")


def _no_monitor(folder: Path) -> dict[str, Any]:
    return {"monitor": folder / "none"}


def _open_store(folder: Path) -> dict[str, Any]:
    (folder / "open").mkdir()
    (folder / "open").chmod(0o755)
    return {"store": folder / "open"}


def _file_store(folder: Path) -> dict[str, Any]:
    (folder / "file").touch()
    return {"store": folder / "file"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (_no_monitor, ("there is no such folder", "", "")),
        (_open_store, ("", "others than its owner may enter it", "")),
        (_file_store, ("", "it is no folder", "")),
        (lambda folder: {"socket": folder / "none" / "door"}, ("", "", "there is no folder ")),
        (lambda _: {"group": "no-such-group"}, ("", "", "there is no group no-such-group")),
    ],
)
def test_a_folder_that_will_not_do(
    tmp_path: Path, changes: Callable[[Path], dict[str, Any]], expected: tuple[str, str, str]
) -> None:
    found = faults(looked(places(tmp_path, **changes(tmp_path))))
    assert all(
        fault.startswith(word) and bool(fault) == bool(word) for fault, word in zip(found, expected, strict=True)
    )


def test_what_asterisks_user_keeps_to_itself_is_told() -> None:
    # Not below pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        seen = places(folder)
        (folder / "monitor" / "x.wav").touch()
        (folder / "monitor" / "x.wav").chmod(0o444)
        (folder / "monitor").chmod(0o777)
        (folder / "run").chmod(0o555)
        (folder / "recordings").chmod(0o500)
        child = os.fork()
        if child == 0:
            if os.geteuid() == 0:
                os.setuid(65534)
            monitor, store, socket = faults(looked(seen))
            expected = (
                "may not read and overwrite 1 of the files in it" in monitor
                and "may not read it and write to it" in store
                and "may not write to the folder" in socket
            )
            os._exit(0 if expected else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
