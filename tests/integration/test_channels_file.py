"""The table of channels: what is read, every mistake with its line, and nothing secret in any of them."""

import traceback
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from agent.assembly import alerts
from agent.config import ConfigError, Mistake
from agent.config.channel import (
    AlertmanagerChannel,
    AnyChannel,
    AppriseChannel,
    MessageChannel,
    RingChannel,
    WebhookChannel,
)
from agent.config.channels import load
from agent.config.model import Key
from agent.core.records import Cause, News

ROOT = Path(__file__).parents[2]
SECRET = "hidden-password-of-16"
PEM = Path(__file__).parent / "tls" / "loopback.pem"

WEBHOOK = f'kind = "webhook"\nurl = "https://desk.example.com/"\nsecret = "{SECRET}"\n'
APPRISE = f'kind = "apprise"\nurls = ["json://user:{SECRET}@127.0.0.1"]\n'
#: An emergency must be told to somebody at once.
TOLD = f"[channels.told]\n{WEBHOOK}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "channels.toml"
    file.touch(mode=0o600)
    return file


def mistakes(path: Path) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    told = "".join(traceback.format_exception(error))
    assert SECRET not in told
    assert "pydantic" not in str(error)
    return error.mistakes


def mistake(file: Path, channel: str) -> Mistake:
    """The one mistake of a file with this channel."""
    file.write_text(f"{TOLD}[channels.x]\n{channel}")
    (only,) = mistakes(file)
    return only


def test_the_example(tmp_path: Path) -> None:
    text = (ROOT / "docker" / "channels.toml.example").read_text()
    secret = tmp_path / "desk-webhook-secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    file = tmp_path / "channels.toml"
    file.write_text(text.replace("/etc/telephony-agent/desk-webhook-secret", "desk-webhook-secret"))
    file.chmod(0o600)
    channels = load(file)
    assert {name: channel.kind for name, channel in channels.items()} == {
        "desk": "webhook",
        "mail": "apprise",
        "alertmanager": "alertmanager",
        "text": "message",
        "night": "ring",
    }
    desk = channels["desk"]
    assert isinstance(desk, WebhookChannel)
    assert desk.secret == SecretStr(SECRET)
    # what it calls defaults are the defaults
    assert (desk.level, desk.timeout_s, set(desk.causes), set(desk.news)) == (1, 10, set(Cause), set(News))
    night = channels["night"]
    assert isinstance(night, RingChannel)
    assert (night.level, night.causes, night.ring_s) == (2, (Cause.EMERGENCY, Cause.PATH), 20)


def test_every_line_that_the_example_has_commented_out_is_a_key(tmp_path: Path) -> None:
    text = (ROOT / "docker" / "channels.toml.example").read_text()
    assert "#ca_file" in text
    file = tmp_path / "channels.toml"
    file.write_text(text.replace("#ca_file", "ca_file"))
    file.chmod(0o600)
    assert [each.key for each in mistakes(file)] == ["channels.desk.secret_file"]


def test_defaults(file: Path) -> None:
    file.write_text(f"{TOLD}[channels.mail]\n{APPRISE}[channels.am]\nkind = 'alertmanager'\nurl = 'http://am:9093'\n")
    channels = load(file)
    assert channels["mail"].news == (News.RAISED, News.WORSENED, News.ESCALATED)
    assert channels["told"].news == channels["am"].news == tuple(News)
    policy = alerts.policy(channels, 60)
    assert policy.escalate_after_ms == 60_000
    assert [(rule.name, rule.level) for rule in policy.channels] == [("told", 1), ("mail", 1), ("am", 1)]


def test_others_may_not_read_it(file: Path) -> None:
    file.write_text(TOLD)
    file.chmod(0o640)
    (only,) = mistakes(file)
    assert "0640" in only.found
    assert only.example == f"chmod 600 {file}"


@pytest.mark.parametrize(
    ("channel", "line", "key", "expected"),
    [
        (WEBHOOK.replace("https://desk", "http://desk"), 7, "url", "https"),
        (WEBHOOK.replace("https://desk.example.com/", f"ftp://{SECRET}@desk"), 7, "url", "https"),
        (WEBHOOK.replace("https://desk.example.com/", "https://"), 7, "url", "https"),
        (WEBHOOK.replace("https://desk.example.com/", "https://desk:99999/"), 7, "url", "https"),
        (WEBHOOK.replace(SECRET, SECRET[:15]), 8, "secret", "16 to 900"),
        (WEBHOOK.replace(SECRET, SECRET + " " + SECRET), 8, "secret", "16 to 900"),
        (WEBHOOK.partition("secret")[0], 5, "secret", "16 to 900"),
        (WEBHOOK + 'secret_file = "x"\n', 8, "secret", "not both"),
        (WEBHOOK + "level = 6\n", 9, "level", "1 to 5"),
        (WEBHOOK + "level = true\n", 9, "level", "1 to 5"),
        (WEBHOOK + 'causes = ["emergncy"]\n', 9, "causes", '"emergency"'),
        (WEBHOOK + "causes = []\n", 9, "causes", '"emergency"'),
        (WEBHOOK + 'news = ["risen"]\n', 9, "news", '"raised"'),
        (WEBHOOK + "timeout_s = 0\n", 9, "timeout_s", "1 to 60"),
        (WEBHOOK + "timeout = 3\n", 9, "timeout", "did you mean `timeout_s`?"),
        (APPRISE.replace("json:", "jsn:"), 7, "urls", "Apprise understands"),
        ('kind = "apprise"\nurls = []\n', 7, "urls", "Apprise understands"),
        ('kind = "apprise"\n', 5, "urls", "Apprise understands"),
        (APPRISE + "most_characters = 69\n", 8, "most_characters", "70 to 4000"),
        ('kind = "message"\nendpoint = "201\\r\\nAction: x"\n', 7, "endpoint", "name of an endpoint"),
        ('kind = "message"\nendpoint = "201&PJSIP/202"\n', 7, "endpoint", "name of an endpoint"),
        ('kind = "ring"\nendpoint = "201"\nnumber = "1;2"\n', 8, "number", "digits"),
        ('kind = "ring"\nendpoint = "201"\ncaller = "a\\" <1>"\n', 8, "caller", "letters"),
        ('kind = "ring"\nendpoint = "201"\nsound = "../../etc"\n', 8, "sound", "sound file"),
        ('kind = "alertmanager"\nurl = "http://am:9093"\ndetails = true\n', 7, "url", "https"),
        ('kind = "alertmanager"\nurl = "http://am:9093"\nnews = ["raised"]\n', 8, "news", "known are"),
        ('kind = "teapot"\n', 6, "kind", '"webhook"'),
        ("level = 1\n", 5, "kind", '"webhook"'),
    ],
)
def test_a_mistake_is_told_with_its_line(file: Path, channel: str, line: int, key: str, expected: str) -> None:
    only = mistake(file, channel)
    assert (only.line, only.key) == (line, f"channels.x.{key}")
    assert expected in f"{only.expected} {only.example}"
    assert only.origin == str(file)


def test_every_mistake_is_told_at_once(file: Path) -> None:
    file.write_text("[channels.x]\nlevel = 9\nkind = 'webhook'\n[channels.y]\nkind = 'ring'\n")
    assert {(each.line, each.key) for each in mistakes(file)} == {
        (2, "channels.x.level"),
        (1, "channels.x.url"),
        (1, "channels.x.secret"),
        (4, "channels.y.endpoint"),
    }


@pytest.mark.parametrize("text", ["", "[channels]\n", f"{TOLD}level = 2\n", f'{TOLD}causes = ["path"]\n'])
def test_somebody_must_be_told_of_an_emergency_at_once(file: Path, text: str) -> None:
    file.write_text(text)
    (only,) = mistakes(file)
    assert only.key == "channels"


def test_secrets_in_files_beside_it(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\r\n")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "urls").write_text(f"# who\n\n  json://user:{SECRET}@127.0.0.1  \nxml://127.0.0.1\n")
    (tmp_path / "urls").chmod(0o600)
    file.write_text(
        "[channels.a]\nkind='webhook'\nurl='https://desk.example.com'\nsecret_file='key'\n"
        f"ca_file='{PEM}'\n[channels.b]\nkind='apprise'\nurls_file='urls'\n"
    )
    channels = load(file)
    a, b = channels["a"], channels["b"]
    assert isinstance(a, WebhookChannel)
    assert isinstance(b, AppriseChannel)
    assert a.secret == SecretStr(SECRET)
    assert b.urls == (SecretStr(f"json://user:{SECRET}@127.0.0.1"), SecretStr("xml://127.0.0.1"))
    assert SECRET not in repr(channels)


@pytest.mark.parametrize(
    ("content", "mode", "found"),
    [
        (None, 0o600, "No such file"),
        (SECRET, 0o644, "0644"),
        ("too-short", 0o600, "holds no such secret"),
        ("", 0o600, "is empty"),
        (f"{SECRET}\n{SECRET}", 0o600, "line break"),
    ],
)
def test_a_secret_file_that_cannot_be_used(file: Path, content: str | None, mode: int, found: str) -> None:
    if content is not None:
        key = file.with_name("key")
        key.write_text(content)
        key.chmod(mode)
    only = mistake(file, "kind='webhook'\nurl='https://desk.example.com'\nsecret_file='key'\n")
    assert (only.line, only.key) == (8, "channels.x.secret_file")
    assert found in only.found


@pytest.mark.parametrize(
    ("content", "mode", "found"),
    [
        (None, 0o600, "No such file"),
        ("json://127.0.0.1", 0o644, "0644"),
        ("# nobody\n", 0o600, "no URL"),
        (f"json://127.0.0.1\nnonesuch://{SECRET}\n", 0o600, "line 2"),
    ],
)
def test_a_file_of_urls_that_cannot_be_used(file: Path, content: str | None, mode: int, found: str) -> None:
    if content is not None:
        urls = file.with_name("urls")
        urls.write_text(content)
        urls.chmod(mode)
    only = mistake(file, "kind='apprise'\nurls_file='urls'\n")
    assert (only.line, only.key) == (7, "channels.x.urls_file")
    assert found in only.found


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_used(file: Path, content: str | None) -> None:
    if content is not None:
        file.with_name("ca").write_text(content)
    only = mistake(file, "kind='alertmanager'\nurl='https://am.example.com'\nca_file='ca'\n")
    assert (only.line, only.key) == (8, "channels.x.ca_file")


@pytest.mark.parametrize(
    "model",
    [AppriseChannel, WebhookChannel, AlertmanagerChannel, MessageChannel, RingChannel],
    ids=lambda m: m.__name__,
)
def test_every_example_of_a_key_is_valid(file: Path, model: type[AnyChannel]) -> None:
    (kind,) = get_args(model.model_fields["kind"].annotation)
    needed = {
        "webhook": {"url": '"https://desk.example.com"', "secret": f'"{SECRET}"'},
        "apprise": {"urls": '["json://127.0.0.1"]'},
        "alertmanager": {"url": '"http://127.0.0.1:9093"'},
    }.get(kind, {"endpoint": '"201"'})
    for name, field in model.model_fields.items():
        keys = [item for item in field.metadata if isinstance(item, Key)]
        if name == "kind" or name.endswith("_file"):
            continue
        assert len(keys) == 1, name
        settings = needed | {name: keys[0].example}
        file.write_text(
            f"{TOLD}[channels.x]\nkind = '{kind}'\n" + "".join(f"{key} = {text}\n" for key, text in settings.items())
        )
        load(file)


@pytest.mark.parametrize("channel", ["kind='apprise'\nurls_file='%s'\n", f"{WEBHOOK}ca_file='%s'\n"])
@pytest.mark.parametrize("name", ["a\u202egent", "a\x9b31m", "a\u2028b"])
def test_what_would_turn_a_terminal_round_is_escaped_in_a_files_name_too(file: Path, channel: str, name: str) -> None:
    told = str(mistake(file, channel % name))
    assert told.isprintable()
    assert ascii(name)[1:-1] in told


def test_a_secrets_file_with_such_a_name_is_escaped_too(file: Path) -> None:
    channel = "kind='webhook'\nurl='https://desk.example.com'\nsecret_file='a\u202egent'\n"
    assert "a\\u202egent cannot be read" in str(mistake(file, channel))
