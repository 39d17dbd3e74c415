"""Every mistake in the configuration is told at once, each with its place, and without any secret."""

import os
import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.config import ConfigError, Mistake, load

SECRET = "s3cret-c4nary"
GIVEN = {"TELEPHONY_AGENT_AMI__SECRET": SECRET}


def mistakes(
    path: Path | None, environ: Mapping[str, str] = GIVEN, *, secrets_required: bool = True
) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ, secrets_required=secrets_required)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + str(error)
    assert SECRET not in told
    assert error.__cause__ is None
    assert error.__context__ is None
    assert len(str(error).split("\n")) == len(error.mistakes)
    assert str(error).isprintable() or len(error.mistakes) > 1
    return error.mistakes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "agent.toml"


@pytest.mark.parametrize(
    ("text", "line", "key", "told"),
    [
        ("[ami]\n\nprot = 1\n", 3, "ami.prot", "unknown key; did you mean `port`? Example: port = 5038"),
        ("[ami]\nzzz = 1\n", 2, "ami.zzz", "unknown key; keys are host, port,"),
        ("[recording]\nenforced = true\n", 2, "recording.enforced", "unknown key; did you mean `enforce`?"),
        ('[recording]\nemergency_basis = "x"\n', 2, "recording.emergency_basis", "8 to 200"),
        ("#\n[emergancy]\nx = 1\n", 2, "emergancy", "unknown section; did you mean [emergency]?"),
        ("[xyzzy]\n", 1, "xyzzy", "unknown section; sections are ami, store,"),
        ("port = 5038\n", 1, "", "port outside of any section; did you mean it to stand under [ami]?"),
        ("nonsense = 5038\n", 1, "", "nonsense outside of any section; every key stands under a [section]"),
        ("ami = 5\n", 1, "ami", "5 in place of a section; a section is a table, a line [ami] above its keys"),
        ("[[ami]]\nport = 1\n", 1, "ami", "an array in place of a section"),
        ('[ami]\nport = "abc"\n', 2, "ami.port", "found 'abc'; expected a whole number from 1 to 65535"),
        ('[ami]\nport = "5038"\n', 2, "ami.port", "found '5038'; expected a whole number"),
        ("[ami]\nport = true\n", 2, "ami.port", "found true; expected a whole number"),
        ("[ami]\nport = 65536\n", 2, "ami.port", "found 65536"),
        ("[ami]\nport = 0\n", 2, "ami.port", "found 0"),
        ("[ami]\nport = 1979-05-27\n", 2, "ami.port", "found 1979-05-27"),
        ("[ami]\nport.x = 1\n", 2, "ami.port", "found a table"),
        ('[ami]\ntls = "yes"\n', 2, "ami.tls", "found 'yes'; expected true or false"),
        ('[ami]\nhost = ""\n', 2, "ami.host", "found ''"),
        ('[ami]\nhost = "a\\r\\nb"\n', 2, "ami.host", "found 'a\\r\\nb'"),
        ('[ami]\nusername = "a\\r\\nAction: Command"\n', 2, "ami.username", "found 'a\\r\\nAction: Command'"),
        ("[ami]\nsilent_after_s = 10.1\n", 2, "ami.silent_after_s", "found 10.1; expected seconds from 0.1 to 10"),
        ("[ami]\nsilent_after_s = nan\n", 2, "ami.silent_after_s", "found nan"),
        ('[ami]\nca_file = ""\n', 2, "ami.ca_file", "found a text; expected the path of a file"),
        ('[store]\nurl = "postgresql:///x"\n', 2, "store.url", "expected sqlite:// and a path"),
        ('[store]\nurl = "sqlite://host/x"\n', 2, "store.url", "found 'sqlite://host/x'"),
        ('[store]\nurl = "sqlite:///:memory:"\n', 2, "store.url", "expected sqlite://"),
        ('[store]\nurl = "sqlite:///x?mode=ro"\n', 2, "store.url", "expected sqlite://"),
        ('[store]\nurl = "sqlite:///"\n', 2, "store.url", "expected sqlite://"),
        ('[http]\nlisten = "9199"\n', 2, "http.listen", "found '9199'; expected \"address:port\""),
        ('[http]\nlisten = "0.0.0.0:9199"\n', 2, "http.listen", "a loopback address, or allow_remote = true"),
        ('[http]\nlisten = "::1:9199"\n', 2, "http.listen", "an IPv6 address in brackets: [::1]:9199"),
        ('[http]\nlisten = "pbx:9199"\n', 2, "http.listen", "found 'pbx:9199'"),
        ('[http]\nlisten = "127.0.0.1:65536"\n', 2, "http.listen", "found '127.0.0.1:65536'"),
        ("[emergency]\nnumbers = []\n", 2, "emergency.numbers", "found an empty array; expected one or more numbers"),
        ('[emergency]\nnumbers = "999"\n', 2, "emergency.numbers", "found '999'"),
        ("[emergency]\nnumbers = [999]\n", 2, "emergency.numbers", "found 999;"),
        ('[emergency]\nnumbers = ["999", "9x"]\n', 2, "emergency.numbers", "found '9x'"),
        ('[emergency]\nnumbers = ["９９９"]\n', 2, "emergency.numbers", "found '\\uff19\\uff19\\uff19'; expected"),
        ('[emergency]\nprefixes = [""]\n', 2, "emergency.prefixes", "found ''"),
        ('[registration]\nproxies = ["10.0.0.1/8"]\n', 2, "registration.proxies", "without host bits: 10.0.0.0/8"),
        ('[registration]\nproxies = ["::/0"]\n', 2, "registration.proxies", "a narrower network"),
        ('[registration]\nproxies = ["10.0.0.300"]\n', 2, "registration.proxies", "addresses or networks (CIDR)"),
        ("[retention]\nregistration_days = 0\n", 2, "retention.registration_days", "whole days from 1 to 3653"),
        ("[retention]\nemergency_days = 3654\n", 2, "retention.emergency_days", "found 3654"),
        ("[retention]\nrecording_days = 1.5\n", 2, "retention.recording_days", "found 1.5"),
        ('[log]\nlevel = "INFO"\n', 2, "log.level", 'found \'INFO\'; expected "debug", "info"'),
        ('[log]\nformat = "xml"\n', 2, "log.format", "found 'xml'"),
        ("[log]\nlevel = loud\n", 2, "", "not TOML: invalid value"),
        ("[log]\nlevel 5\n", 2, "", "not TOML: expected '=' after a key"),
        ("[log\nlevel = 5\n", 1, "", "not TOML: expected ']'"),
        ('[log]\nlevel = "info"\nlevel = "info"\n', 3, "", "not TOML: cannot overwrite a value"),
        ('\n[log]\nlevel = """\n\n', 3, "", "not TOML: unterminated string, begun here"),
        ("\n[log]\nlevel = '\n\n", 3, "", "not TOML:"),
        ("[ami]\nport = " + "9" * 2000 + "\n", 2, "ami.port", "found 9999"),
        ("[ami]\nport = " + "[" * 2000, None, "", "not TOML: nested too deeply"),
    ],
)
def test_a_mistake_in_the_file(file: Path, text: str, line: int | None, key: str, told: str) -> None:
    file.write_text(text)
    (mistake,) = mistakes(file)
    assert (mistake.origin, mistake.line, mistake.key) == (str(file), line, key)
    assert str(mistake).startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert told in str(mistake)


def test_the_line_that_the_operator_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("agent.toml").write_text("#\n" * 5 + "[ami]\nprot = 5039\n")
    (mistake,) = mistakes(Path("agent.toml"))
    assert str(mistake) == "agent.toml:7: [ami] prot: unknown key; did you mean `port`? Example: port = 5038"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("AMI__PROT", "1", "no such key; did you mean TELEPHONY_AGENT_AMI__PORT?"),
        ("AMI__PORT__X", "1", "no such key; did you mean TELEPHONY_AGENT_AMI__PORT?"),
        ("AMI_PORT", "1", "no such key; did you mean TELEPHONY_AGENT_AMI__PORT?"),
        ("AMI__PASSWORD", SECRET, "no such key"),
        ("AMI", '{"port": 1}', "a whole section; set its keys one by one, as TELEPHONY_AGENT_AMI__KEY"),
        (
            "AMI__PORT",
            "abc",
            "[ami] port: found 'abc'; expected a whole number from 1 to 65535. Example: TELEPHONY_AGENT_AMI__PORT=5038",
        ),
        ("AMI__TLS", "maybe", "found 'maybe'"),
        ("AMI__PORT", "[" * 100_000, "found '[[["),
        ("AMI__PORT", "9" * 5000, "found '999"),
        ("EMERGENCY__NUMBERS", "999,,112", "found ''"),
        ("EMERGENCY__NUMBERS", "[999]", "found 999; "),
        ("EMERGENCY__NUMBERS", '["999"', "found '[\"999\"'"),
        ("EMERGENCY__NUMBERS", "[" * 100_000, "found '[[["),
        ("REGISTRATION__PROXIES", "10.0.0.0/8,x", "found 'x'"),
        ("LOG__LEVEL", "loud\udcff", "found 'loud\\udcff'"),
        ("HTTP__LISTEN", "0.0.0.0:80", "a loopback address, or allow_remote = true"),
    ],
)
@pytest.mark.parametrize("with_file", [True, False])
def test_a_mistake_in_the_environment(file: Path, name: str, value: str, told: str, with_file: bool) -> None:
    file.write_text("")
    (mistake,) = mistakes(file if with_file else None, {**GIVEN, f"TELEPHONY_AGENT_{name}": value})
    assert (mistake.origin, mistake.line) == (f"TELEPHONY_AGENT_{name}", None)
    assert told in str(mistake)


def test_what_is_no_key_is_left_to_the_command_line() -> None:
    load(None, {**GIVEN, "TELEPHONY_AGENT_CONFIG": "x", "TELEPHONY_AGENT_LIST_SINCE": "x", "OTHER__PROT": "1"})


def test_all_at_once(file: Path) -> None:
    file.write_text(
        'stray = 1\n[ami]\nprot = 1\nport = "x"\nsecret = "s3cret-c4nary"\nhost = oops\nsecret_file = "/none"\n'
        '[hppt]\n[http]\nlisten = "1.2.3.4:5"\n[emergency]\nnumbers = [\n  "999", # x\n  "9x", "y" ]\n[log]\nlevel=1\n'
    )
    told = mistakes(file, {"TELEPHONY_AGENT_LOG__FORMAT": "xml", "TELEPHONY_AGENT_LOG__NAME": "x"})
    assert [(each.line, each.key) for each in told] == [
        (1, ""),
        (3, "ami.prot"),
        (4, "ami.port"),
        (5, "ami.secret"),
        (6, ""),
        (7, "ami.secret_file"),
        (8, "hppt"),
        (10, "http.listen"),
        (12, "emergency.numbers"),
        (12, "emergency.numbers"),
        (16, "log.level"),
        (None, ""),
        (None, "log.format"),
    ]


@pytest.mark.parametrize("key", ["secret", "express_secret"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(file: Path, key: str) -> None:
    file.write_text(f'[ami]\n{key} = "{SECRET}"\n')
    for required in (True, False):
        (mistake,) = mistakes(file, secrets_required=required)
        assert mistake.line == 2
        assert "never stands in this file" in mistake.found
        assert mistake.example.startswith(f"{key}_file = ")


@pytest.mark.parametrize("value", [f'"{SECRET}"', f'["{SECRET}"]', f'{{ x = "{SECRET}" }}', f'"{SECRET}\\u0000"'])
def test_a_secret_in_the_place_of_its_file_is_not_repeated(file: Path, value: str) -> None:
    file.write_text(f"[ami]\nsecret_file = {value}\n")
    (mistake,) = mistakes(file, {})
    assert (mistake.line, mistake.key) == (2, "ami.secret_file")


def test_no_secret(file: Path) -> None:
    file.write_text("[ami]\nport = 1\n")
    (mistake,) = mistakes(file, {"CREDENTIALS_DIRECTORY": str(file.parent)})
    assert mistake.line == 1
    assert "no secret is given; name a file that holds it, or set TELEPHONY_AGENT_AMI__SECRET." in str(mistake)
    assert mistake.example == 'secret_file = "/etc/telephony-agent/ami-secret"'
    (mistake,) = mistakes(None, {})
    assert mistake.example == "TELEPHONY_AGENT_AMI__SECRET_FILE=/etc/telephony-agent/ami-secret"


def test_a_secret_given_twice(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (mistake,) = mistakes(None, {**GIVEN, "TELEPHONY_AGENT_AMI__SECRET_FILE": str(tmp_path / "secret")})
    assert "the secret is given twice" in mistake.found


def test_an_express_login_has_both_halves() -> None:
    (mistake,) = mistakes(None, {**GIVEN, "TELEPHONY_AGENT_AMI__EXPRESS_USERNAME": "fast"})
    assert mistake.key == "ami.express_secret_file"
    (mistake,) = mistakes(None, {**GIVEN, "TELEPHONY_AGENT_AMI__EXPRESS_SECRET": SECRET})
    assert (mistake.origin, mistake.key) == ("TELEPHONY_AGENT_AMI__EXPRESS_SECRET", "ami.express_secret")
    assert mistake.example == "TELEPHONY_AGENT_AMI__EXPRESS_USERNAME=agent-express"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o644, 0o666])
def test_a_secret_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "the secret"
    path.write_text(SECRET)
    path.chmod(mode)
    (mistake,) = mistakes(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(path)})
    assert f"has mode {mode:04o}" in mistake.found
    assert mistake.example == f"chmod 600 '{path}'"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"s3cret-c4nary\r\nAction: Command\n", "holds a line break or an unprintable character"),
        (b"s3cret-c4nary\x00", "holds a line break or an unprintable character"),
        (b"s3cret-c4nary\xff", "is not UTF-8 text"),
        (b"s3cret-c4nary" * 100, "is longer than 900 bytes"),
        (b"s3cret-c4nary" * 100_000, "is longer than 900 bytes"),
    ],
)
def test_a_secret_that_cannot_be_one(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_bytes(content)
    (mistake,) = mistakes(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(path)})
    assert (mistake.origin, mistake.key) == ("TELEPHONY_AGENT_AMI__SECRET_FILE", "ami.secret_file")
    assert told in mistake.found


def test_a_secret_variable_that_cannot_be_one() -> None:
    (mistake,) = mistakes(None, {"TELEPHONY_AGENT_AMI__SECRET": SECRET + "\r\nAction: Command"})
    assert (mistake.origin, mistake.key) == ("TELEPHONY_AGENT_AMI__SECRET", "ami.secret")


def test_a_secret_file_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "loop").symlink_to("loop")
    told = {"none": "No such file", "pipe": "is no regular file", "loop": "symbolic links", "x" * 300: "too long"}
    for name, reason in told.items():
        (mistake,) = mistakes(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(tmp_path / name)})
        assert reason in mistake.found
    (mistake,) = mistakes(None, {"TELEPHONY_AGENT_AMI__SECRET_FILE": str(tmp_path)})
    assert "cannot be read" in mistake.found


def test_certificates(file: Path) -> None:
    file.write_text('[ami]\nca_file = "ca.pem"\n')
    (mistake,) = mistakes(file)
    assert "certificates without TLS; set tls too" in str(mistake)
    file.write_text('[ami]\ntls = true\nca_file = "ca.pem"\n')
    (mistake,) = mistakes(file)
    assert (mistake.line, mistake.found) == (3, "no file 'ca.pem'")
    (file.parent / "ca.pem").touch()
    load(file, GIVEN)


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"[ami]\nhost = '" + b"x" * 2000 + b"'\n", 2, "found 'xxxx"),
        (b"[ami]\n" + b"x" * 2000 + b" = 1\n", 2, "unknown key"),
        (b"[ami]\n" + b"x." * 1000 + b"x = 1\n", 2, "unknown key"),
        (b"[ami]\n" + b"x" * 60_000 + b" = 1\n", 2, "longer than 2048 characters"),
        (b"x" * 1_000_000, None, "longer than 65536 bytes"),
        (b"[ami]\nhost = 'a\x00b'\n", 2, "not TOML"),
        (b"\x00" * 1000, 1, "not TOML"),
        (b"[ami]\n\nhost = '\xff'\n", 3, "not UTF-8 text"),
        (b"\xef\xbb\xbf[ami]\r\nport = 0\r\n", 2, "found 0"),
        (b'[ami]\n"po\\u0000rt\\n" = 1\n', 2, "unknown key"),
        (b'["a\\nb"]\n', 1, "unknown section"),
        (b"[ami]\nhost = '\xe2\x80\xae\xc2\x85'\n", 2, "found '\\u202e\\x85'"),
    ],
)
def test_a_hostile_file(file: Path, content: bytes, line: int | None, told: str) -> None:
    file.write_bytes(content)
    (mistake,) = mistakes(file)
    assert mistake.line == line
    assert told in str(mistake)
    assert len(str(mistake)) < 600


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in {
        "none": "No such file",
        "pipe": "not a regular file",
        "": "",
        "a\0b": "Invalid argument",
    }.items():
        (mistake,) = mistakes(tmp_path / name)
        assert mistake.line is None
        assert reason in mistake.found
    _, mistake = mistakes(tmp_path / "none", {"TELEPHONY_AGENT_LOG__LEVEL": "x"})
    assert mistake.key == "log.level"
