"""A configuration comes from a file, the environment and secrets, and is frozen."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agent.config import Config, ConfigError, Listen, load, reference
from agent.config.environment import variable
from agent.config.model import FILES, sections
from agent.core.policy import Policy
from agent.core.records import ContentClass, RetentionClass

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-c4nary"

#: For every key a value that is not its default: as TOML, as an environment variable, as the model holds it.
OTHER: dict[tuple[str, str], tuple[str, str, Any]] = {
    ("ami", "host"): ('"192.0.2.5"', "pbx.example", "pbx.example"),
    ("ami", "port"): ("5039", "5040", 5040),
    ("ami", "username"): ('"one"', "12345", "12345"),
    ("ami", "secret_file"): ('"/from/file"', "/from/environment", Path("/from/environment")),
    ("ami", "tls"): ("false", "true", True),
    ("ami", "ca_file"): ('"a.pem"', "b.pem", "b.pem"),
    ("ami", "express_username"): ('"one"', "two", "two"),
    ("ami", "express_secret_file"): ('"/from/file"', "/from/environment", Path("/from/environment")),
    ("ami", "silent_after_s"): ("5", "2.5", 2.5),
    ("store", "url"): ('"sqlite:///a"', "sqlite:///b", "sqlite:///b"),
    ("store", "reserve_mb"): ("4", "64", 64),
    ("store", "last_resort_file"): ('"/from/file"', "/from/environment", Path("/from/environment")),
    ("http", "allow_remote"): ("false", "yes", True),
    ("http", "listen"): ('"127.0.0.1:1"', "[::1]:2", Listen(host="::1", port=2)),
    ("emergency", "numbers"): ('["911"]', "999, 000", ("999", "000")),
    ("emergency", "prefixes"): ('["0"]', "[]", ()),
    ("registration", "proxies"): ('["192.0.2.1"]', '["2001:db8::/32"]', (ip_network("2001:db8::/32"),)),
    ("retention", "registration_days"): ("1", "3653", 3653),
    ("retention", "emergency_days"): ("2", "366", 366),
    ("retention", "recording_days"): ("3", "367", 367),
    ("retention", "operations_days"): ("4", "368", 368),
    ("retention", "audit_days"): ("4", "368", 368),
    ("retention", "audit_root_days"): ("4", "368", 368),
    ("retention", "consent_days"): ("4", "368", 368),
    ("retention", "account_days"): ("4", "368", 368),
    ("retention", "content_user_days"): ("5", "91", 91),
    ("retention", "content_pa_days"): ("6", "31", 31),
    ("retention", "content_customer_service_days"): ("7", "181", 181),
    ("retention", "detail_minutes"): ("4", "30", 30),
    ("emergency", "callback_hours"): ("4", "5", 5),
    ("emergency", "sites_file"): ('"a.toml"', "b.toml", "b.toml"),
    ("emergency", "address_export"): ('"a.csv"', "b.csv", "b.csv"),
    ("emergency", "address_stale_days"): ("4", "30", 30),
    ("emergency", "carrier"): ('"A"', "B Telecom", "B Telecom"),
    ("alerts", "channels_file"): ('"a.toml"', "b.toml", "b.toml"),
    ("alerts", "escalate_after_s"): ("4", "30.5", 30.5),
    ("assurance", "paths_every_s"): ("4", "15.5", 15.5),
    ("assurance", "probe_every_s"): ("4", "2", 2.0),
    ("assurance", "rehearse_every_h"): ("4", "24", 24),
    ("recording", "enforce"): ("true", "false", False),
    ("recording", "socket"): ('"a.sock"', "b.sock", "b.sock"),
    ("recording", "socket_group"): ('"a"', "asterisk", "asterisk"),
    ("recording", "monitor_dir"): ('"a"', "b", "b"),
    ("recording", "store_dir"): ('"a"', "b", "b"),
    ("recording", "min_free_mb"): ("4", "5", 5),
    ("recording", "quarantine_minutes"): ("4", "0", 0),
    ("recording", "emergency_basis"): ('"basis one"', "basis two", "basis two"),
    ("calls", "trunks"): ('["a"]', "b, c", ("b", "c")),
    ("calls", "cdr_file"): ('"a"', "b", "b"),
    ("calls", "helplines"): ('["123"]', "08001234567", ("08001234567",)),
    ("retention", "call_days"): ("4", "367", 367),
    ("retention", "request_days"): ("4", "2193", 2193),
    ("retention", "unbilled_days"): ("4", "31", 31),
    ("retention", "planning_days"): ("4", "2193", 2193),
    ("retention", "vat_days"): ("4", "2193", 2193),
    ("subjects", "bundle_dir"): ('"a"', "b", "b"),
    ("subjects", "canary_every_h"): ("4", "0", 0),
    ("subjects", "search"): ('["/a"]', "/b, /c", ("/b", "/c")),
    ("subjects", "bundle_days"): ("4", "8", 8),
    ("voicemail", "spool_dir"): ('"a"', "b", "b"),
    ("voicemail", "heard_days"): ("4", "15", 15),
    ("voicemail", "unheard_days"): ("5", "31", 31),
    ("voicemail", "deleted_days"): ("6", "2", 2),
    ("voicemail", "warn_days"): ("4", "0", 0),
    ("voicemail", "warn"): ('"off"', "message", "message"),
    ("voicemail", "every_h"): ("4", "12", 12),
    ("keys", "site_key_file"): ('"a"', "b", "b"),
    ("keys", "keyring_file"): ('"a"', "b", "b"),
    ("log", "level"): ('"debug"', "error", "error"),
    ("log", "format"): ('"json"', "console", "console"),
}
KEYS = [(section, name) for section, model in sections().items() for name in model.model_fields]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


def secret_file(
    folder: Path, content: bytes = SECRET.encode() + b"\n", *, name: str = "secret", mode: int = 0o600
) -> Path:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(("section", "name"), KEYS)
def test_the_environment_beats_the_file(file: Path, section: str, name: str) -> None:
    toml, variable_text, expected = OTHER[section, name]
    file.write_text(f"[{section}]\n{name} = {toml}\n")
    default = getattr(getattr(Config(), section), name)

    beaten = load(file, {variable(section, name): variable_text}, secrets_required=False)
    alone = load(None, {variable(section, name): variable_text}, secrets_required=False)
    plain = load(file, {variable(section, name): ""}, secrets_required=False)

    if isinstance(expected, str) and name in FILES - {"secret_file", "express_secret_file"}:
        assert getattr(getattr(beaten, section), name) == file.parent / expected
        assert getattr(getattr(alone, section), name) == Path.cwd() / expected
    else:
        assert getattr(getattr(beaten, section), name) == expected != default
        assert getattr(getattr(alone, section), name) == expected
    assert getattr(getattr(plain, section), name) != expected


def test_the_process_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEPHONY_AGENT_AMI__PORT", "1234")
    assert Config().ami.port == load(None, {}, secrets_required=False).ami.port == 5038


def test_nothing_can_be_changed() -> None:
    config = Config()
    with pytest.raises(ValidationError):
        config.ami.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.ami = config.ami  # type: ignore[misc]


def test_the_reference_sets_every_key_to_its_default(file: Path) -> None:
    file.write_text(reference())
    assert load(file, {}, secrets_required=False).model_dump() == Config().model_dump()
    for section, name in KEYS:
        assert f"\n[{section}]\n" in reference()
        assert f"\n{name} = " in reference() or f"\n#{name} = " in reference()


def test_every_example_in_the_reference_is_valid(file: Path) -> None:
    file.write_text(reference().replace("\n#", "\n").replace("\n ", "\n# "))
    config = load(file, {}, secrets_required=False)
    assert config.ami.express_username == "agent-express"
    assert config.ami.secret_file == Path("/etc/telephony-agent/ami-secret")


def test_the_example_file_is_the_reference() -> None:
    assert (ROOT / "docker" / "agent.toml.example").read_text() == reference()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/lib/x.sqlite", "/var/lib/x.sqlite"),
        ("sqlite:////var/lib/x.sqlite", "/var/lib/x.sqlite"),
        ("sqlite:///./x.sqlite", "{folder}/x.sqlite"),
        ("sqlite:///../x.sqlite", "{folder}/../x.sqlite"),
        ("sqlite:///with space/ü.sqlite", "/with space/ü.sqlite"),
    ],
)
def test_the_store_has_a_path(file: Path, url: str, path: str) -> None:
    file.write_text(f'[store]\nurl = "{url}"\n')
    config = load(file, {}, secrets_required=False)
    assert config.store.path == Path(path.format(folder=file.parent))


def test_relative_files_are_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_file(tmp_path)
    (tmp_path / "agent.toml").write_text('[ami]\nsecret_file = "secret"\n')
    monkeypatch.chdir(tmp_path)
    config = load(Path("agent.toml"), {})
    monkeypatch.chdir("/")
    assert config.ami.secret_file == tmp_path / "secret"
    assert config.ami.secret() == SECRET


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("off", None),
        ("127.0.0.1:0", Listen(host="127.0.0.1", port=0)),
        ("localhost:80", Listen(host="localhost", port=80)),
        ("[::1]:65535", Listen(host="::1", port=65535)),
    ],
)
def test_listening_stays_on_this_machine(listen: str, expected: Listen | None) -> None:
    config = load(None, {"TELEPHONY_AGENT_HTTP__LISTEN": listen}, secrets_required=False)
    assert config.http.listen == expected
    assert str(expected) == listen or expected is None


def test_listening_for_others_is_asked_for() -> None:
    environ = {"TELEPHONY_AGENT_HTTP__LISTEN": "[::]:9199", "TELEPHONY_AGENT_HTTP__ALLOW_REMOTE": "true"}
    assert load(None, environ, secrets_required=False).http.listen == Listen(host="::", port=9199)


def test_the_policy_is_what_the_core_takes() -> None:
    environ = {"TELEPHONY_AGENT_REGISTRATION__PROXIES": "192.0.2.1,2001:db8::/32"}
    policy = load(None, environ, secrets_required=False).policy()
    assert policy.proxies == (ip_network("192.0.2.1/32"), ip_network("2001:db8::/32"))
    assert Config().policy() == Policy()


@pytest.mark.parametrize("kind", sorted(set(RetentionClass) - {RetentionClass.DETAIL, RetentionClass.REGISTER}))
def test_every_retention_class_has_days(kind: RetentionClass) -> None:
    config = load(None, {f"TELEPHONY_AGENT_RETENTION__{kind.upper()}_DAYS": "77"}, secrets_required=False)
    assert config.retention.days(kind) == 77
    assert sum(config.retention.days(each) == 77 for each in RetentionClass) == 1


@pytest.mark.parametrize("content", [b"x y", b"x y\n", b"x y\r\n"])
def test_a_secret_comes_from_a_file(tmp_path: Path, content: bytes) -> None:
    path = secret_file(tmp_path, content)
    assert load(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(path)}).ami.secret() == "x y"


def test_a_secret_comes_from_the_environment() -> None:
    config = load(None, {"TELEPHONY_AGENT_AMI__SECRET": SECRET})
    assert config.ami.secret() == SECRET
    for session in ("express", "bulk"):
        assert config.ami.credentials(session).username == "agent"
        assert config.ami.credentials(session).secret.get_secret_value() == SECRET


def test_a_secret_comes_from_systemd(tmp_path: Path) -> None:
    # systemd grants the service's user by an ACL, which shows as mode 0440
    secret_file(tmp_path, name="ami-secret", mode=0o440)
    secret_file(tmp_path, b"other", name="ami-express-secret", mode=0o440)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TELEPHONY_AGENT_AMI__EXPRESS_USERNAME": "fast"}
    ami = load(None, environ).ami
    assert ami.secret() == SECRET
    assert ami.credentials("express").secret.get_secret_value() == "other"
    named = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TELEPHONY_AGENT_AMI__SECRET_FILE": str(tmp_path / "ami-secret")}
    assert load(None, named).ami.secret() == SECRET
    elsewhere = {"CREDENTIALS_DIRECTORY": str(tmp_path), "TELEPHONY_AGENT_AMI__SECRET": "mine"}
    assert load(None, elsewhere).ami.secret() == "mine"


def test_the_express_session_may_have_its_own_login(tmp_path: Path) -> None:
    environ = {
        "TELEPHONY_AGENT_AMI__SECRET": SECRET,
        "TELEPHONY_AGENT_AMI__EXPRESS_USERNAME": "fast",
        "TELEPHONY_AGENT_AMI__EXPRESS_SECRET_FILE": str(secret_file(tmp_path, b"other")),
    }
    ami = load(None, environ).ami
    assert (ami.credentials("bulk").username, ami.secret()) == ("agent", SECRET)
    express = ami.credentials("express")
    assert (express.username, express.secret.get_secret_value()) == ("fast", "other")


def test_what_never_logs_in_needs_no_secret(tmp_path: Path) -> None:
    environ = {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(tmp_path / "none"), "TELEPHONY_AGENT_AMI__CA_FILE": "/none"}
    config = load(None, environ, secrets_required=False)
    with pytest.raises(LookupError):
        config.ami.secret()


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    config = load(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(secret_file(tmp_path))})
    credentials = config.ami.credentials("express")
    for shown in (repr, str, lambda x: str(x.model_dump()), lambda x: x.model_dump_json(), lambda x: repr(vars(x))):
        assert SECRET not in shown(config)
        assert SECRET not in shown(config.ami)
    assert SECRET not in repr(credentials) + str(credentials)


def test_the_example_in_a_mistake_mends_it(file: Path) -> None:
    """Each key's example, put where the mistake was, is accepted."""
    for section, name in KEYS:
        file.write_text(f"[{section}]\n{name} = {{}}\n")
        with pytest.raises(ConfigError) as caught:
            load(file, {}, secrets_required=False)
        (mistake,) = caught.value.mistakes
        assert (mistake.key, mistake.line) == (f"{section}.{name}", 2)
        file.write_text(f"[{section}]\n{mistake.example}\n")
        load(file, {}, secrets_required=False)


@pytest.mark.parametrize("kind", ContentClass)
def test_every_class_of_content_has_days(kind: ContentClass) -> None:
    config = load(None, {f"TELEPHONY_AGENT_RETENTION__CONTENT_{kind.upper()}_DAYS": "77"}, secrets_required=False)
    assert config.retention.content_days(kind) == 77
    assert sum(config.retention.content_days(each) == 77 for each in ContentClass) == 1
