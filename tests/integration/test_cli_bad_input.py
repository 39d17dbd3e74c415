"""Every wrong start is one clear sentence and a non-zero exit, and changes nothing that is stored."""

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from agent.core.records import Outcome, SeenBy
from agent.stores.sqlite import SqliteStore
from agent.world import link_key
from tests.integration.commands import COMMAND, one_sentence, telephony_agent, told
from tests.integration.fake_asterisk import FakeAsterisk
from tests.scenarios.made import emergency


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A right configuration, and a store with one record in it."""
    secret = tmp_path / "secret"
    secret.write_text("right")
    secret.chmod(0o600)
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    await store.commit([emergency(outcome=Outcome.ANSWERED, seen_by=SeenBy.CALLS)], durable=True)
    await store.close()
    config = tmp_path / "agent.toml"
    config.write_text(
        '[ami]\nport = 5038\nsecret_file = "secret"\n'
        '[store]\nurl = "sqlite:///./agent.sqlite"\n[http]\nlisten = "off"\n'
    )
    return config


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "agent.sqlite").read_bytes()).hexdigest()


def test_a_missing_secret_file(config: Path) -> None:
    before = digest(config.parent)
    (config.parent / "secret").unlink()
    one_sentence(telephony_agent("run", cwd=config.parent), 2, "agent.toml:3", "secret_file")
    assert digest(config.parent) == before


def test_several_mistakes_are_told_at_once(config: Path) -> None:
    config.write_text(config.read_text() + 'listen_on = "x"\n[emergancy]\nnumbers = ["999"]\n')
    done = telephony_agent("run", cwd=config.parent)
    assert done.returncode == 2
    assert "agent.toml:8" in done.stderr
    assert "emergency" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_wrong_password(config: Path) -> None:
    before = digest(config.parent)
    async with FakeAsterisk() as fake:
        (config.parent / "secret").write_text("wrong-canary")
        config.write_text(config.read_text().replace("5038", str(fake.port)))
        done = await asyncio.to_thread(telephony_agent, "run", cwd=config.parent)
    one_sentence(done, 4, "refused the login")
    assert "wrong-canary" not in done.stderr + done.stdout
    assert digest(config.parent) == before


async def test_a_port_that_is_not_ami(config: Path) -> None:
    async with await asyncio.start_server(_http, "127.0.0.1", 0) as server:
        config.write_text(config.read_text().replace("5038", str(server.sockets[0].getsockname()[1])))
        done = await asyncio.to_thread(telephony_agent, "run", cwd=config.parent)
    one_sentence(done, 4, "127.0.0.1")


async def _http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("command", [("migrate",), ("list", "emergencies")], ids=lambda words: str(words[0]))
def test_a_corrupt_database(config: Path, command: tuple[str, ...]) -> None:
    store = config.parent / "agent.sqlite"
    data = bytearray(store.read_bytes())
    data[100:4000] = os.urandom(3900)
    store.write_bytes(data)
    one_sentence(telephony_agent(*command, cwd=config.parent), 3, str(store))
    assert store.read_bytes() == data


def test_a_store_in_a_place_that_cannot_be_written(config: Path) -> None:
    # a folder that is a file, which root cannot write to either
    (config.parent / "file").write_text("")
    config.write_text(config.read_text().replace("./agent.sqlite", "./file/agent.sqlite"))
    one_sentence(telephony_agent("run", cwd=config.parent), 3, "file")


def test_a_read_only_disk(config: Path) -> None:
    link_key(config.parent / "agent.sqlite")  # It has run before.
    before = digest(config.parent)
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && exec "$2" -m agent run'
    agent = subprocess.Popen(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh", str(config.parent), sys.executable],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert agent.stderr is not None
        while "store_refuses" not in (said := agent.stderr.readline()):
            assert said, "it ended before it said that"
        assert "read-only" in said
    finally:
        agent.terminate()
        _, rest = agent.communicate(timeout=60)
    assert agent.returncode == 3
    assert "read-only" in rest.splitlines()[-1]
    assert digest(config.parent) == before


def test_a_second_agent_on_the_same_store(config: Path) -> None:
    # the first waits for an Asterisk that is not there, and holds the store
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config.write_text(config.read_text().replace("5038", str(port)))
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    first = subprocess.Popen([*COMMAND, "run"], cwd=config.parent, stderr=subprocess.PIPE, env=environ, text=True)
    try:
        assert first.stderr is not None
        while "is down" not in first.stderr.readline():
            assert first.poll() is None
        one_sentence(telephony_agent("run", cwd=config.parent), 3, "agent.sqlite")
    finally:
        first.terminate()
        first.communicate(timeout=20)
    assert first.returncode == 0


def test_no_store_yet(tmp_path: Path) -> None:
    done = telephony_agent("list", "emergencies", cwd=tmp_path, TELEPHONY_AGENT_STORE__URL="sqlite:///./none.sqlite")
    one_sentence(done, 3, "none.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-13-01", "7 d", "-1d", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"]
)
def test_a_time_that_is_none(config: Path, since: str) -> None:
    one_sentence(telephony_agent("list", "emergencies", f"--since={since}", cwd=config.parent), 2, "--since")


def test_list_shows_what_is_stored(config: Path) -> None:
    done = telephony_agent("list", "emergencies", "--json", cwd=config.parent)
    assert done.returncode == 0
    assert '"outcome": "answered"' in done.stdout
    assert telephony_agent("list", "recordings", "--json", cwd=config.parent).stdout == ""
    later = telephony_agent("list", "emergencies", "--json", "--since=2990-01-01", cwd=config.parent)
    assert later.stdout == ""


def test_options_come_from_the_environment_too(config: Path) -> None:
    elsewhere = config.parent / "elsewhere"
    elsewhere.mkdir()
    environ = {"TELEPHONY_AGENT_CONFIG": str(config), "TELEPHONY_AGENT_JSON": "1"}
    done = telephony_agent("list", "emergencies", cwd=elsewhere, **environ)
    assert '"outcome": "answered"' in done.stdout


def test_the_configuration_may_be_named_before_the_command_or_after(config: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for words in (("--config", str(config), "list", "emergencies"), ("list", "emergencies", "-c", str(config))):
        done = telephony_agent(*words, cwd=elsewhere)
        assert (done.returncode, done.stderr) == (0, "")
        assert "answered" in done.stdout


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (("--config", "{right}", "list", "emergencies"), True),
        (("list", "emergencies", "--config", "{right}"), True),
        (("--config", "{wrong}", "list", "emergencies", "--config", "{right}"), True),
        (("--config", "{right}", "list", "emergencies", "--config", "{wrong}"), False),
    ],
)
def test_a_configuration_that_the_command_line_names_beats_the_environments(
    config: Path, tmp_path: Path, words: tuple[str, ...], read: bool
) -> None:
    named = [word.format(right=config, wrong=tmp_path / "none.toml") for word in words]
    done = told(*named, cwd=tmp_path, TELEPHONY_AGENT_CONFIG=str(tmp_path / "another.toml"))
    if read:
        assert (done.returncode, "answered" in done.stdout) == (0, True), done.stderr
    else:
        assert done.returncode == 2
        assert "none.toml" in done.stderr


def test_help_names_every_command(tmp_path: Path) -> None:
    help_text = telephony_agent("--help", cwd=tmp_path).stdout
    for command in ("run", "check", "replay", "list", "migrate", "reload", "version"):
        assert command in help_text
        assert "--config" in telephony_agent(command, "--help", cwd=tmp_path).stdout


@pytest.mark.parametrize("words", [("-h",), ("list", "-h"), ("emergency", "list", "-h")])
def test_help_is_a_short_option_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = told(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, told(*words[:-1], "--help", cwd=tmp_path).stdout)


def test_the_version_is_an_option_too(tmp_path: Path) -> None:
    done = told("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, told("version", cwd=tmp_path).stdout)


def test_a_time_before_all_time_is_all(config: Path) -> None:
    done = telephony_agent("list", "emergencies", "--since=999999d", "--json", cwd=config.parent)
    assert done.returncode == 0
    assert "answered" in done.stdout


def test_a_locale_without_the_letters_costs_no_table(config: Path) -> None:
    environ = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = telephony_agent("list", "emergencies", cwd=config.parent, **environ)
    assert (done.returncode, done.stderr) == (0, "")
