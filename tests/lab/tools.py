"""Gets promtool and prometheus for the tests: the machine's own, else out of Debian's package, without installing it.

Installed, the package would start a server on every address of the machine.

python -m tests.lab.tools FOLDER
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("promtool", "prometheus")


def provide(folder: Path) -> None:
    """Puts what is missing on PATH into ``folder``.

    Raises OSError or subprocess.CalledProcessError when Debian's package cannot be had.
    """
    missing = [name for name in NAMES if shutil.which(name) is None and not (folder / name).exists()]
    if not missing:
        return
    print(f"getting {' and '.join(missing)} out of Debian's package prometheus", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # apt's own user must be able to write there
        Path(scratch).chmod(0o777)
        download = ["apt-get", "download", "-qq", "prometheus"]
        if subprocess.run(download, cwd=scratch, capture_output=True).returncode:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(download, cwd=scratch, check=True)
        (package,) = Path(scratch).glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", str(package), scratch], check=True)
        for name in missing:
            (Path(scratch) / "usr" / "bin" / name).rename(folder / name)


if __name__ == "__main__":
    try:
        provide(Path(sys.argv[1]))
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        sys.exit(f"promtool cannot be had ({error}): apt-get install prometheus")
