"""The files under docker/ keep what they promise: nothing beyond this machine, no secret inside, least rights."""

import os
import re
import stat
import subprocess
import tomllib
from configparser import ConfigParser
from ipaddress import ip_network
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml

from agent.config import channels, load, sites

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((DOCKER / "compose.alerts.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"] | {"alertmanager": ALERTS["services"]["alertmanager"]}
PHONES = ("201", "202", "203")


def settings(path: Path, section: str) -> dict[str, str]:
    """The settings of one section of an Asterisk file."""
    text = path.read_text().partition(f"[{section}]")[2].partition("\n[")[0]
    lines = [line.partition("=") for line in text.splitlines() if line and not line.startswith(("; ", "#"))]
    return {key.strip(): value.strip() for key, _, value in lines}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service.get("network_mode") != "host"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_published_on_loopback_alone(name: str) -> None:
    assert all(re.match(r"127\.0\.0\.1:\d+:\d+(/udp)?$", port) for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_environment(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search("SECRET|PASSWORD|TOKEN", key):
            assert key.endswith("__FILE")
            assert value.startswith("/run/secrets/")


def test_every_secret_is_made_at_random_and_out_of_others_reach(tmp_path: Path) -> None:
    copytree(DOCKER, tmp_path / "docker", symlinks=True, ignore=lambda folder, names: _made(Path(folder), names))
    for _ in range(2):
        subprocess.run([tmp_path / "docker" / "secrets.sh"], check=True)
    folder = tmp_path / "docker" / "secrets"
    made = {path.name: path for path in folder.iterdir() if path.name not in ("README", ".gitignore")}

    assert set(made) == set(COMPOSE["secrets"])
    assert {DOCKER / secret["file"] for secret in COMPOSE["secrets"].values()} == {
        DOCKER / "secrets" / name for name in made
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    values = {name: path.read_text().strip().rpartition("=")[2] for name, path in made.items()}
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in values.values())
    assert values["ami-secret"] == values["asterisk-manager"]
    assert len(set(values.values())) == 4


def _made(folder: Path, names: list[str]) -> list[str]:
    return [name for name in names if folder.name == "secrets" and name not in ("README", ".gitignore")]


def test_no_made_secret_is_committed() -> None:
    assert (DOCKER / "secrets" / ".gitignore").read_text().split() == ["*", "!.gitignore", "!README"]


def test_a_second_run_keeps_the_secrets(tmp_path: Path) -> None:
    copytree(DOCKER, tmp_path / "docker", symlinks=True, ignore=lambda folder, names: _made(Path(folder), names))
    runs = []
    for _ in range(2):
        subprocess.run([tmp_path / "docker" / "secrets.sh"], check=True)
        runs.append({path.name: path.read_text() for path in (tmp_path / "docker" / "secrets").iterdir()})

    assert runs[0] == runs[1]


def test_the_agents_login_has_the_rights_of_the_example() -> None:
    own = settings(DOCKER / "asterisk" / "etc" / "manager.conf", "agent")
    example = settings(ROOT / "dialplan" / "manager.conf.example", "agent")

    assert {key: own[key] for key in ("read", "deny", "writetimeout")} == {
        key: example[key] for key in ("read", "deny", "writetimeout")
    }
    # all that the agent can do: the line that the example leaves to choice
    assert own["write"] == example[";write"]


def test_only_the_agents_network_may_log_in() -> None:
    network = COMPOSE["networks"]["ami"]
    permitted = settings(DOCKER / "asterisk" / "etc" / "manager.conf", "agent")["permit"]

    assert network["internal"] is True
    assert ip_network(permitted) == ip_network(network["ipam"]["config"][0]["subnet"])
    assert {name for name, service in SERVICES.items() if "ami" in service["networks"]} == {"asterisk", "agent"}


def test_a_phone_has_no_password_but_the_made_one() -> None:
    text = (DOCKER / "asterisk" / "etc" / "pjsip.conf").read_text()

    assert "password=" not in text
    assert text.count("#include /run/secrets/asterisk-phones") == 1
    assert all(f"[{phone}](phone-auth)" in text for phone in PHONES)


def test_every_dialplan_file_that_is_included_is_there() -> None:
    etc = DOCKER / "asterisk" / "etc"
    text = "".join(path.read_text() for path in etc.glob("*.conf"))
    included = set(re.findall(r"#include telephony-agent/(\S+)", text))

    assert included == {"emergency.conf", "emergency-numbers.conf", "recording.conf", "features-recording.conf"}
    assert all((ROOT / "dialplan" / name).is_file() for name in included)
    # the files include one another by this name, which is where compose.yaml mounts them
    assert (etc / "telephony-agent").readlink() == Path("/dialplan")
    assert "../dialplan:/dialplan:ro" in COMPOSE["services"]["asterisk"]["volumes"]


def test_what_the_dialplan_calls_is_loaded() -> None:
    """The lab's dialplan, which every real call of the tests goes through, does not do without these."""

    def loaded(file: Path) -> set[str]:
        return set(re.findall(r"^load=((?:app|func|res_agi|res_speech|format)\w*)\.so", file.read_text(), re.M))

    needed = loaded(ROOT / "tests" / "lab" / "etc" / "modules.conf")
    assert "func_global" in needed
    assert needed <= loaded(DOCKER / "asterisk" / "etc" / "modules.conf")


def test_what_is_recorded_is_in_memory_that_both_use_and_nobody_else() -> None:
    volumes = COMPOSE["volumes"]
    for name, mode in (("captured", "2770"), ("door", "0750")):
        options = volumes[name]["driver_opts"]
        assert (options["type"], options["device"]) == ("tmpfs", "tmpfs")
        assert {"uid=9199", "gid=9199", f"mode={mode}"} <= set(options["o"].split(","))
        (target,) = {place["target"] for place in mounts(name).values()}
        assert mounts(name).keys() == {"asterisk", "agent"}
        # else Docker gives the folder the owner that it has in an image
        assert all(place["volume"]["nocopy"] for place in mounts(name).values())
        assert target == {"captured": "/var/spool/asterisk/monitor", "door": "/run/telephony-agent"}[name]
    # the agent's group in its image, which Asterisk's process is in
    assert SERVICES["asterisk"]["group_add"] == ["9199"]
    assert "USER 9199:9199" in (DOCKER / "Dockerfile").read_text()
    assert "umask 0007" in (DOCKER / "asterisk" / "Dockerfile").read_text()


def mounts(volume: str) -> dict[str, dict[str, Any]]:
    """Where each service has it."""
    return {
        name: mount
        for name, service in SERVICES.items()
        for mount in service.get("volumes", ())
        if isinstance(mount, dict) and mount["source"] == volume
    }


def test_asterisk_asks_where_the_agent_answers() -> None:
    recording = tomllib.loads((DOCKER / "agent" / "agent.toml").read_text())["recording"]
    settings_file = (DOCKER / "asterisk" / "etc" / "recording-settings.conf").read_text()
    (asked,) = re.findall(r"^;?RECORDING_SOCKET=(.*)$", settings_file, re.M)
    (group,) = re.findall(r"groupadd --gid 9199 (\S+)", (DOCKER / "Dockerfile").read_text())

    assert recording["socket"] == asked
    assert recording["socket_group"] == group
    assert recording["monitor_dir"] == "/var/spool/asterisk/monitor"
    assert recording["store_dir"].startswith("/var/lib/telephony-agent/")
    assert "site-key" in SERVICES["agent"]["secrets"]


def test_the_script_has_the_libraries_of_the_lock_file() -> None:
    pinned = (DOCKER / "asterisk" / "requirements.txt").read_text().partition("\n")[2]
    lock = re.sub(r"^ +# .*\n", "", (ROOT / "requirements.lock").read_text(), flags=re.M)

    parts = re.split(r"^(?=\w)", pinned, flags=re.M)[1:]
    assert [part.partition("==")[0] for part in parts] == ["pyst2", "six"]
    assert all(part in lock for part in parts)


def test_the_settings_of_a_recording_are_those_of_the_example() -> None:
    etc = DOCKER / "asterisk" / "etc"
    own, example = (
        [line for line in path.read_text().splitlines() if "=" in line and not line.startswith("; ")]
        for path in (etc / "recording-settings.conf", ROOT / "dialplan" / "recording-settings.conf.example")
    )

    assert own == example
    assert "#include recording-settings.conf" in (etc / "extensions.conf").read_text()


def test_the_settings_of_the_dialplan_are_those_that_it_has() -> None:
    etc = DOCKER / "asterisk" / "etc"
    example = (ROOT / "dialplan" / "emergency-settings.conf.example").read_text()
    known = set(re.findall(r"^;?(EMERGENCY_\w+?)(?:_trunk-a)?=", example, re.M))
    set_here = re.findall(r"^(EMERGENCY_\w+?)(?:_trunk-a)?=", (etc / "emergency-settings.conf").read_text(), re.M)

    assert "#include emergency-settings.conf" in (etc / "extensions.conf").read_text()
    assert "EMERGENCY_TRUNKS" in set_here
    assert set(set_here) <= known


def test_the_agents_files_are_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    # the folder where compose puts a secret: its files are readable by all inside the container
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(DOCKER / "agent"))
    config = load(DOCKER / "agent" / "agent.toml", {"TELEPHONY_AGENT_AMI__SECRET": "any"})
    sites_file = config.emergency.sites_file

    assert sites_file is not None
    assert set(sites.load(sites_file).sites) == {"leeds"}
    assert set(channels.load(DOCKER / "agent" / "channels.toml")) == {"alertmanager"}
    assert (ALERTS["secrets"], ALERTS["services"]["agent"]["secrets"]) == (
        {"channels.toml": {"file": "./agent/channels.toml"}},
        ["channels.toml"],
    )


def test_the_phones_of_this_machine_have_an_address() -> None:
    (subnet,) = COMPOSE["networks"]["phones"]["ipam"]["config"]
    table = tomllib.loads((DOCKER / "agent" / "sites.toml").read_text())

    assert subnet["subnet"] in table["networks"]
    assert set(table["lines"]) <= set(PHONES)
    for site in table["sites"].values():
        assert f"={site['cli']}\n" in (DOCKER / "asterisk" / "etc" / "emergency-settings.conf").read_text()


def test_the_unit_gives_the_agent_its_secret_as_a_credential_and_its_store_a_folder() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DOCKER / "telephony-agent.service")
    service = unit["Service"]

    assert service["LoadCredential"].startswith("ami-secret:")
    assert service["StateDirectory"] == "telephony-agent"
    assert service["User"] == "telephony-agent"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    # the door for Asterisk, which is given to its group
    assert service["RuntimeDirectory"] == "telephony-agent"
    assert "PrivateUsers" not in service
    assert (DOCKER / "telephony-agent.service").read_text().index("~@privileged") < (
        DOCKER / "telephony-agent.service"
    ).read_text().index("SystemCallFilter=@chown")
    # the control socket
    assert "AF_UNIX" in service["RestrictAddressFamilies"].split()
    assert service["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert "Requires" not in unit["Unit"]
    assert "BindsTo" not in unit["Unit"]


def test_the_image_runs_as_nobody_and_is_told_to_stop_in_order() -> None:
    final = (DOCKER / "Dockerfile").read_text().rpartition("\nFROM ")[2]

    assert re.search(r"^USER (?!0)\d+:\d+$", final, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in final
    assert "HEALTHCHECK" in final
    assert "pip" not in final.replace("--pip", "")


def test_nothing_but_the_agent_enters_its_image() -> None:
    kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert kept[0] == "*"
    assert {line[1:] for line in kept if line.startswith("!")} == {
        "agent",
        "pyproject.toml",
        "README.md",
        "requirements.lock",
    }
    assert os.access(DOCKER / "secrets.sh", os.X_OK)
