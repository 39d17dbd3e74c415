"""Gets an Asterisk to test with: the machine's own, a private Debian root, or Docker.

python -m tests.lab.provision 22 16
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.roots import DEBIAN_OF, RootError, install, private_root

Say = Callable[[str], None]
IMAGE = "telephony-agent-asterisk"
DOCKERFILE = Path(__file__).parents[2] / "docker" / "asterisk" / "Dockerfile"
_MODULE_DIRS = ("usr/lib/*/asterisk/modules", "usr/lib/asterisk/modules", "usr/lib64/asterisk/modules")
_DATA_DIRS = ("usr/share/asterisk", "var/lib/asterisk", "usr/local/share/asterisk")


class NoAsteriskError(Exception):
    """No Asterisk can be had on this machine; says what would give one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An Asterisk that can be started.

    `root` is what it sees as `/`, or None for the machine's own; `modules_dir` and `data_dir` are as it sees them;
    `version` such as "22.10.1"; `prefix` goes before the command `binary`.
    """

    root: Path | None
    binary: str
    modules_dir: Path
    data_dir: Path
    version: str
    modules: frozenset[str]
    prefix: tuple[str, ...] = ()
    in_docker: bool = False

    def command(self, folder: Path) -> list[str]:
        """What starts it in the foreground with the configuration in `folder`/etc, and ends it with its parent.

        `folder` is the path as this Asterisk sees it.
        """
        start = [self.binary, "-f", "-g", "-C", f"{folder}/etc/asterisk.conf"]
        if not self.in_docker:
            return [*die_with_parent(), *self.prefix, *start]
        # the container must end when its client is killed: then its standard input ends
        script = f"{' '.join(start)} & pid=$!; (cat >/dev/null; kill -9 $pid) & wait $pid"
        return [
            *("docker", "run", "--rm", "--init", "-i", "--network", "host", "--name", folder.name),
            *(
                "--user",
                f"{os.getuid()}:{os.getgid()}",
                "-v",
                f"{folder}:{folder}",
                IMAGE,
                "sh",
                "-c",
                f"exec 3<&0; {script.replace('cat >', 'cat <&3 >')}",
            ),
        ]

    def kill_command(self, folder: Path) -> list[str]:
        """What kills it where its own process is out of reach: empty if a signal to `command` does."""
        return ["docker", "kill", folder.name] if self.in_docker else []


def die_with_parent() -> list[str]:
    """The words before a command that let the kernel kill it when its parent ends, however that comes about."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def installation(version: str | None, say: Say) -> Installation:
    """The Asterisk of this major version ("22", "16"), or for None whichever can be had soonest.

    Takes up to some minutes the first time, and tells `say` how far it is.
    Raises NoAsteriskError with a sentence on what to do.
    """
    try:
        install({"sipp": "sip-tester"}, say)
    except RootError as error:
        raise NoAsteriskError(str(error)) from error
    own = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if own and (version is None or _version([own]).split(".")[0] == version):
        return _found(Path("/"), own, (), None)
    wanted = version or "22"
    if wanted not in DEBIAN_OF:
        raise NoAsteriskError(f"no Debian has Asterisk {wanted}: choose one of {', '.join(DEBIAN_OF)}")
    try:
        root = private_root(wanted, say)
    except RootError as error:
        if version in (None, "22") and docker_answers():
            return _docker(say)
        raise NoAsteriskError(str(error)) from error
    return _found(root, "/usr/sbin/asterisk", ("chroot", str(root)), root)


def docker_answers() -> bool:
    """Whether a Docker engine is there and lets this user in."""
    if shutil.which("docker") is None:
        return False
    answer = subprocess.run(["docker", "version"], capture_output=True, timeout=20, check=False)
    return answer.returncode == 0


def _docker(say: Say) -> Installation:
    started = time.monotonic()
    say("building an Asterisk in Docker; the first time takes a few minutes")
    build = ["docker", "build", "--quiet", "--network", "host", "--tag", IMAGE, str(DOCKERFILE.parent)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise NoAsteriskError(f"docker build failed: {built.stderr.strip()[-500:]}")
    say(f"built in {time.monotonic() - started:.0f} s")
    run = ("docker", "run", "--rm", IMAGE)
    find = "ls -d /usr/lib/*/asterisk/modules /usr/lib/asterisk/modules 2>/dev/null | head -1"
    folder = Path(_output([*run, "sh", "-c", find]))
    return Installation(
        root=None,
        binary="/usr/sbin/asterisk",
        modules_dir=folder,
        data_dir=Path("/usr/share/asterisk"),
        version=_version([*run, "asterisk"]),
        modules=frozenset(_output([*run, "ls", str(folder)]).split()),
        in_docker=True,
    )


def _found(base: Path, binary: str, prefix: tuple[str, ...], root: Path | None) -> Installation:
    modules = next((found for pattern in _MODULE_DIRS for found in sorted(base.glob(pattern))), None)
    data = next((base / name for name in _DATA_DIRS if (base / name / "documentation").is_dir()), None)
    if modules is None or data is None:
        raise NoAsteriskError(f"{base} has an Asterisk, but not its modules or documentation in the usual places")
    return Installation(
        root=root,
        binary=binary,
        modules_dir=Path("/") / modules.relative_to(base),
        data_dir=Path("/") / data.relative_to(base),
        version=_version([*prefix, binary]),
        modules=frozenset(os.listdir(modules)),
        prefix=prefix,
    )


def _version(command: list[str]) -> str:
    match = re.search(r"\d+\.\d+(\.\d+)?", _output([*command, "-V"]))
    return match.group() if match else "unknown"


def _output(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise NoAsteriskError(f"{' '.join(command)} failed: {answer.stderr.strip()[-300:]}")
    return answer.stdout.strip()


def main() -> None:
    """The command line: prepares the versions named, and says where they are."""
    versions: list[str | None] = [*sys.argv[1:]]
    for version in versions or [None]:
        try:
            found = installation(version, progress)
        except NoAsteriskError as error:
            sys.exit(f"provision: {error}")
        progress(f"Asterisk {found.version} is ready ({found.root or ('Docker' if found.in_docker else found.binary)})")


def progress(line: str) -> None:
    """One line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
