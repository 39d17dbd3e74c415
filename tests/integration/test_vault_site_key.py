"""The site key comes by file, environment or systemd credential, and never by the configuration file itself."""

from base64 import b64encode
from pathlib import Path

import pytest

from agent.config import ConfigError, Mistake, load, site_key

KEY = bytes(range(1, 33))
AMI = {"TELEPHONY_AGENT_AMI__SECRET": "secret"}
VARIABLE = "TELEPHONY_AGENT_KEYS__SITE_KEY"


def key_file(folder: Path, content: str = KEY.hex() + "\n", *, name: str = "site-key", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text(content)
    path.chmod(mode)
    return path


def mistake(path: Path | None, **environ: str) -> Mistake:
    with pytest.raises(ConfigError) as caught:
        load(path, AMI | environ)
    (found,) = caught.value.mistakes
    for secret in (KEY.hex(), b64encode(KEY).decode()):
        assert secret not in str(found)
    return found


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper(), b64encode(KEY).decode(), KEY.hex() + "\r\n"])
def test_a_site_key_comes_from_a_file_or_a_variable(tmp_path: Path, text: str) -> None:
    by_file = load(None, AMI | {f"{VARIABLE}_FILE": str(key_file(tmp_path, text))})
    by_variable = load(None, AMI | {VARIABLE: text})
    assert by_file.keys.site_key() == by_variable.keys.site_key() == KEY


def test_a_site_key_comes_from_systemd(tmp_path: Path) -> None:
    key_file(tmp_path, mode=0o440)
    environ = AMI | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(None, environ).keys.site_key() == KEY
    named = environ | {f"{VARIABLE}_FILE": str(tmp_path / "site-key")}
    assert load(None, named).keys.site_key() == KEY
    assert load(None, environ | {VARIABLE: "00" * 32}).keys.site_key() == bytes(32)


def test_without_a_site_key_the_agent_runs(tmp_path: Path) -> None:
    assert load(None, AMI).keys.site_key() is None
    assert load(None, AMI | {"CREDENTIALS_DIRECTORY": str(tmp_path)}).keys.site_key() is None


def test_what_needs_no_secret_looks_at_no_site_key(tmp_path: Path) -> None:
    environ = {f"{VARIABLE}_FILE": str(tmp_path / "none")}
    config = load(None, environ, secrets_required=False)
    assert config.keys.site_key() is None
    with pytest.raises(ConfigError, match="cannot be read"):
        site_key(config, environ)


def test_a_site_key_can_be_asked_for_afterwards(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    key_file(tmp_path)
    file.write_text('[keys]\nsite_key_file = "site-key"\n')
    assert site_key(load(file, {}, secrets_required=False), {}) == KEY
    assert site_key(load(None, {}, secrets_required=False), {VARIABLE: KEY.hex()}) == KEY
    assert site_key(load(None, {}, secrets_required=False), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == KEY
    assert site_key(load(None, {}, secrets_required=False), {}) is None
    with pytest.raises(ConfigError, match="given twice"):
        site_key(load(file, {}, secrets_required=False), {VARIABLE: KEY.hex()})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        (KEY.hex()[:-1], "is no site key"),
        (KEY.hex() + "00", "is no site key"),
        (b64encode(KEY[:31]).decode(), "is no site key"),
        (b64encode(KEY + b"x").decode(), "is no site key"),
        ("g" * 64, "is no site key"),
        ("é" * 44, "is no site key"),
        (KEY.hex() + "\n" + KEY.hex(), "line break"),
        ("x" * 5000, "longer than 900 bytes"),
    ],
)
def test_what_is_no_site_key_is_refused_and_not_repeated(tmp_path: Path, text: str, told: str) -> None:
    found = mistake(None, **{f"{VARIABLE}_FILE": str(key_file(tmp_path, text))})
    assert (found.origin, found.key) == (f"{VARIABLE}_FILE", "keys.site_key_file")
    assert told in found.found
    if text:
        found = mistake(None, **{VARIABLE: text})
        assert (found.origin, found.key) == (VARIABLE, "keys.site_key")
        assert told in found.found
        assert text not in str(found)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o666])
def test_a_site_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, mode=mode)
    found = mistake(None, **{f"{VARIABLE}_FILE": str(path)})
    assert f"has mode {mode:04o}" in found.found
    assert found.example == f"chmod 600 {path}"


def test_a_site_key_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    key_file(tmp_path)
    file.write_text('[log]\nlevel = "info"\n[keys]\nsite_key_file = "site-key"\n')
    found = mistake(file, **{VARIABLE: KEY.hex()})
    assert (found.line, found.key) == (4, "keys.site_key_file")
    assert "given twice" in found.found


def test_a_site_key_in_the_configuration_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    for text in (f'site_key = "{KEY.hex()}"', f'site_key_file = "{KEY.hex()}"'):
        file.write_text(f"[keys]\n{text}\n")
        assert mistake(file).line == 2
    file.write_text(f'[keys]\nsite_key = "{KEY.hex()}"\n')
    assert mistake(file).example == 'site_key_file = "/etc/telephony-agent/site-key"'


def test_a_site_key_is_never_shown() -> None:
    config = load(None, AMI | {VARIABLE: KEY.hex()})
    for shown in (repr, str, lambda x: str(x.model_dump()), lambda x: x.model_dump_json(), lambda x: repr(vars(x))):
        for text in (shown(config), shown(config.keys)):
            assert KEY.hex() not in text
            assert str(KEY)[2:-1] not in text


def test_the_keyring_lies_beside_the_store(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('[store]\nurl = "sqlite:///./a.sqlite"\n')
    assert load(file, {}, secrets_required=False).keyring == tmp_path / "a.sqlite.keys"
    file.write_text('[keys]\nkeyring_file = "elsewhere/keys"\n')
    assert load(file, {}, secrets_required=False).keyring == tmp_path / "elsewhere" / "keys"
