"""Private Debian roots with an Asterisk and a Python in them, made once by debootstrap and kept in the user's cache."""

import fcntl
import os
import platform
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Say = Callable[[str], None]

DEBIAN_OF = {"22": "sid", "16": "bullseye"}
# what has app_voicemail, where it is not in the package asterisk
VOICEMAIL = {"bullseye": ",asterisk-voicemail"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# where a machine that is not Debian's finds a mirror of Debian
MIRRORS = Path("/usr/share/python-apt/templates/Debian.info")
# Ubuntu's debootstrap comes without the keys and the mirror of Debian
DEBOOTSTRAP = {
    "/usr/sbin/debootstrap": "debootstrap",
    str(KEYRING): "debian-archive-keyring",
    str(MIRRORS): "python-apt-common",
}
_QUIET_S = 3.0


class RootError(Exception):
    """A private root cannot be made here; says what to install or run."""


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/telephony-agent, or the same under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telephony-agent"


def private_root(version: str, say: Say) -> Path:
    """The root with this Asterisk and the Python that its AGI scripts run on, made first if need be (a minute, 600 MB).

    Needs root's rights for debootstrap and for chroot.  Two runs at once: the second waits for the first.
    Raises RootError.
    """
    if os.geteuid() != 0:
        raise RootError(
            "no Asterisk here: install one (apt-get install asterisk sip-tester, where your Debian or Ubuntu has it),"
            " or run this as root, which makes a private one in the cache folder"
        )
    # not the name of the roots without Python: an older clone may be calling in one of those
    root = cache_folder() / f"asterisk-{version}-python"
    root.parent.mkdir(parents=True, exist_ok=True)
    with _lock(root.with_suffix(".lock"), say):
        if not root.exists():
            install(DEBOOTSTRAP, say)
            _make(root, DEBIAN_OF[version], say)
        _name_hosts(root)
    return root


@contextmanager
def _lock(path: Path, say: Say) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run that makes the same Asterisk")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(needed: dict[str, str], say: Say) -> None:
    """Has apt-get install the packages (by the file or command that each one brings) that are missing.

    Raises RootError when this user or machine cannot.
    """
    missing = [package for brings, package in needed.items() if not (shutil.which(brings) or Path(brings).exists())]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RootError(f"please install {names} (on Debian and Ubuntu: apt-get install {names})")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "-qq", "update"], f"installing {names}: package lists", say, environment)
    _run(["apt-get", "-qq", "-y", "install", *missing], f"installing {names}", say, environment)


def _make(root: Path, suite: str, say: Say) -> None:
    """Under another name until it is whole: a run that was cut short leaves nothing that looks ready."""
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    say(f"making a private Debian {suite} with Asterisk in {root} (about a minute, 600 MB)")
    started = time.monotonic()
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include=asterisk,python3{VOICEMAIL.get(suite, '')}",
        f"--keyring={KEYRING}",
        suite,
        str(partial),
        *_mirror(),
    ]
    try:
        _run(command, f"Debian {suite} with Asterisk", say, dict(os.environ))
    except RootError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(partial / "var" / "cache" / "apt" / "archives", ignore_errors=True)
    partial.rename(root)
    say(f"made in {time.monotonic() - started:.0f} s")


def _mirror() -> list[str]:
    """$DEBIAN_MIRROR; else nothing on Debian, whose debootstrap knows one; else what apt's own tools know."""
    if mirror := os.environ.get("DEBIAN_MIRROR"):
        return [mirror]
    if "debian" in platform.freedesktop_os_release()["ID"]:
        return []
    found = re.search(r"^BaseURI: (\S+)", MIRRORS.read_text(), re.MULTILINE)
    if found is None:
        raise RootError("no mirror of Debian is known here: set DEBIAN_MIRROR to one")
    return [found[1]]


def _run(command: list[str], title: str, say: Say, environment: dict[str, str]) -> None:
    """Runs a long command; tells `say` its latest line, but not more often than every few seconds."""
    started = told = time.monotonic()
    tail: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail = [*tail[-5:], line.strip()]
            now = time.monotonic()
            if now - told >= _QUIET_S:
                say(f"{title}: {now - started:.0f} s  {line.strip()[:60]}")
                told = now
    if process.returncode != 0:
        raise RootError(f"{' '.join(command)} failed: {'; '.join(tail)}")


def _name_hosts(root: Path) -> None:
    """Without these Asterisk waits 5 s at a time for a resolver that is not there."""
    names = ("localhost", socket.gethostname(), "A.ROOT-SERVERS.NET")
    wanted = "".join(f"127.0.0.1 {name}\n" for name in names)
    hosts = root / "etc" / "hosts"
    if not hosts.exists() or hosts.read_text() != wanted:
        hosts.write_text(wanted)
