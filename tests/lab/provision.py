"""Gets an Asterisk to test with."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    root: Path | None
    binary: str
    modules_dir: Path
    version: str
    prefix: tuple[str, ...] = ()

    def command(self, folder: str, *arguments: str) -> list[str]:
        return ["setpriv", "--pdeathsig", "KILL", *self.prefix, self.binary, *arguments]

    @property
    def modules(self) -> frozenset[str]:
        return frozenset(os.listdir((self.root or Path("/")) / self.modules_dir.relative_to("/")))


def installation(version: str | None, say: Callable[[str], None]) -> Installation:
    root = Path.home() / ".cache/telephony-agent" / f"asterisk-{version or '22'}"
    modules = {"22": "/usr/lib/x86_64-linux-gnu/asterisk/modules", "16": "/usr/lib/asterisk/modules"}
    return Installation(root=root, binary="/usr/sbin/asterisk", modules_dir=Path(modules[version or "22"]),
        version=version or "22", prefix=("chroot", str(root)))
