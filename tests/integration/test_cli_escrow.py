"""The escrow of the site key: only its passphrase opens it, which never comes by the command line."""

import json
import os
import pty
import re
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.stores.vault import Keyring
from agent.stores.vault.escrow import NoEscrow, WrongPassphrase, opened, sealed
from tests.integration.commands import COMMAND, ROOT, one_sentence, telephony_agent, told

SITE = bytes(range(32))
PASSPHRASE = "six random words, an é and a space"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.toml").write_text(
        '[store]\nurl = "sqlite:///./agent.sqlite"\n[keys]\nsite_key_file = "site-key"\n'
    )
    secret(tmp_path, "site-key", SITE.hex())
    secret(tmp_path, "passphrase", PASSPHRASE)
    with closing(Keyring(tmp_path / "agent.sqlite.keys", SITE)) as keys:
        keys.seal("0123456789abcdef", "line-1")
    return tmp_path


def secret(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text + "\n")
    (folder / name).chmod(0o600)


def escrow(folder: Path, *arguments: str, passphrase: str = "passphrase") -> subprocess.CompletedProcess[str]:
    return told("keys", "escrow", *arguments, "--passphrase-file", passphrase, cwd=folder)


def escrowed_at(folder: Path) -> object:
    return json.loads(told("keys", "status", "--json", cwd=folder).stdout)["escrowed_at"]


def test_a_lost_site_key_comes_back_from_its_escrow(folder: Path) -> None:
    assert escrowed_at(folder) is None
    done = escrow(folder, "export", "escrow")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((folder / "escrow").stat().st_mode) == 0o600
    text = (folder / "escrow").read_text()
    for word in (SITE.hex(), PASSPHRASE):
        assert word not in text + done.stdout + done.stderr
    assert escrowed_at(folder)
    assert "escrow: this site key was put there at 20" in told("keys", "status", cwd=folder).stdout
    assert escrow(folder, "check", "escrow").returncode == 0
    (folder / "site-key").unlink()
    assert escrow(folder, "check", "escrow").returncode == 0  # with the keyring alone
    done = escrow(folder, "restore", "escrow", "site-key")
    assert done.returncode == 0, done.stderr
    assert SITE.hex() not in done.stdout + done.stderr
    assert (folder / "site-key").read_text() == SITE.hex() + "\n"
    assert "the site key opens it" in told("keys", "status", cwd=folder).stdout


def test_an_escrow_of_an_earlier_site_key_is_told(folder: Path) -> None:
    assert escrow(folder, "export", "escrow").returncode == 0
    assert told("keys", "rotate", cwd=folder).returncode == 0
    assert escrowed_at(folder) is None
    one_sentence(escrow(folder, "check", "escrow"), 1, "the key in it is not this keyring's")
    assert escrow(folder, "export", "another").returncode == 0
    assert escrow(folder, "check", "another").returncode == 0


def test_a_wrong_passphrase_or_another_file_opens_nothing(folder: Path) -> None:
    escrow(folder, "export", "escrow")
    secret(folder, "wrong", PASSPHRASE + "x")
    for command in (("check", "escrow"), ("restore", "escrow", "new")):
        one_sentence(escrow(folder, *command, passphrase="wrong"), 2, "the passphrase does not open escrow")
    (folder / "long").write_bytes(b"x" * 5000)
    (folder / "bytes").write_bytes(b"\xff\0\n" * 100)
    os.mkfifo(folder / "fifo")
    for name in ("long", "bytes", "agent.toml"):
        one_sentence(escrow(folder, "restore", name, "new"), 2, f"{name} is no escrow of a site key")
    for name in ("fifo", "."):
        one_sentence(escrow(folder, "check", name), 2, "no regular file")
    one_sentence(escrow(folder, "check", "none"), 2, "none cannot be read: No such file")
    assert not (folder / "new").exists()


def test_nothing_is_ever_overwritten(folder: Path) -> None:
    secret(folder, "precious", "precious")
    one_sentence(escrow(folder, "export", "precious"), 2, "is there already")
    assert escrowed_at(folder) is None
    escrow(folder, "export", "escrow")
    one_sentence(escrow(folder, "restore", "escrow", "precious"), 2, "is there already")
    assert (folder / "precious").read_text() == "precious\n"
    one_sentence(escrow(folder, "export", "none/escrow"), 2, "cannot be made")


def test_what_cannot_be_put_in_escrow_is_one_sentence(folder: Path) -> None:
    secret(folder, "short", "fifteen letters")
    one_sentence(escrow(folder, "export", "escrow", passphrase="short"), 2, "fewer than 16 characters")
    (folder / "passphrase").chmod(0o644)
    one_sentence(escrow(folder, "export", "escrow"), 2, "mode 0644")
    one_sentence(escrow(folder, "export", "escrow", passphrase="none"), 2, "No such file")
    one_sentence(told("keys", "escrow", "export", "escrow", cwd=folder), 2, "there is no terminal")
    (folder / "passphrase").chmod(0o600)
    secret(folder, "site-key", bytes(32).hex())
    one_sentence(escrow(folder, "export", "escrow"), 3, "the site key is not the one")
    (folder / "agent.sqlite.keys").unlink()
    one_sentence(escrow(folder, "export", "escrow"), 3, "there is no keyring")
    assert not (folder / "escrow").exists()
    assert not (folder / "agent.sqlite.keys").exists()


def test_the_passphrase_comes_by_a_file_descriptor(folder: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    done = told("keys", "escrow", "export", "escrow", "--passphrase-fd", str(reading), cwd=folder)
    os.close(reading)
    assert done.returncode == 0, done.stderr
    assert escrow(folder, "check", "escrow").returncode == 0
    one_sentence(
        told("keys", "escrow", "check", "escrow", "--passphrase-fd", "987", cwd=folder), 2, "descriptor 987 cannot"
    )
    both = ("--passphrase-fd", "0", "--passphrase-file", "passphrase")
    one_sentence(told("keys", "escrow", "check", "escrow", *both, cwd=folder), 2, "given twice")


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"a\tb" * 9, b"one line\nand another", b"x" * 5000])
def test_what_is_no_passphrase_is_one_sentence(folder: Path, content: bytes) -> None:
    (folder / "input").write_bytes(content)
    with open(folder / "input", "rb") as file:
        done = told("keys", "escrow", "export", "escrow", "--passphrase-fd", str(file.fileno()), cwd=folder)
    one_sentence(done, 2, "passphrase")
    assert not (folder / "escrow").exists()


def at_a_terminal(folder: Path, *answers: str) -> tuple[int, str]:
    """Export to ``escrow`` by somebody who answers each prompt with these lines; the exit code, and what was shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(COMMAND[0], [*COMMAND, "keys", "escrow", "export", "escrow"], os.environ | {"PYTHONPATH": str(ROOT)})
    shown = b""
    try:
        for answer in answers:
            while not re.search(rb"(Passphrase|Once more): \Z", shown):
                shown += os.read(terminal, 1024)
            shown += b"\n"
            os.write(terminal, answer.encode() + b"\n")
        while more := os.read(terminal, 1024):
            shown += more
    except OSError:  # That is how a terminal ends.
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_the_terminal_asks_twice_and_shows_nothing(folder: Path) -> None:
    code, shown = at_a_terminal(folder, PASSPHRASE, PASSPHRASE + "x")
    assert (code, "are not the same" in shown) == (2, True)
    assert not (folder / "escrow").exists()
    code, shown = at_a_terminal(folder, PASSPHRASE, PASSPHRASE)
    assert code == 0, shown
    assert "six random" not in shown
    assert escrow(folder, "check", "escrow").returncode == 0


def test_no_option_takes_the_passphrase_itself(folder: Path) -> None:
    done = telephony_agent("keys", "escrow", "export", "escrow", "--passphrase", PASSPHRASE, cwd=folder)
    assert done.returncode == 2
    assert not (folder / "escrow").exists()


@pytest.mark.parametrize("change", range(6))
def test_a_changed_escrow_gives_no_key(change: int) -> None:
    text = sealed(SITE, PASSPHRASE, "2026-11-25")
    assert opened(text, PASSPHRASE) == SITE
    lines = text.splitlines()
    last = lines[-1]
    changed: list[Callable[[], str]] = [
        lambda: text.replace("escrow 1", "escrow 2", 1),
        lambda: "\n".join([*lines[:-1], last[:40] + ("A" if last[40] != "A" else "B") + last[41:]]),
        lambda: "\n".join([*lines[:-1], last[:-8]]),
        lambda: text + last + "\n",
        lambda: text[:-2] + "é",
        lambda: "",
    ]
    with pytest.raises((NoEscrow, WrongPassphrase)):
        opened(changed[change](), PASSPHRASE)


def test_the_same_words_typed_on_another_machine_open_it() -> None:
    """An é may be one character or two."""
    assert opened(sealed(SITE, "passphrase with e\u0301", "2026-11-25"), "passphrase with \u00e9") == SITE
