"""Gets promtool, prometheus and alertmanager for the tests: the machine's own, else out of Debian's packages.

They are not installed: installed, each package would start a server on every address of the machine.

python -m tests.lab.tools FOLDER
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: Debian's package of each, and what it calls it.
PACKAGED = {
    "promtool": ("prometheus", "promtool"),
    "prometheus": ("prometheus", "prometheus"),
    "alertmanager": ("prometheus-alertmanager", "prometheus-alertmanager"),
}


def provide(folder: Path) -> None:
    """Puts what is missing on PATH into ``folder``.

    Raises OSError or subprocess.CalledProcessError when Debian's packages cannot be had.
    """
    missing = [name for name in PACKAGED if shutil.which(name) is None and not (folder / name).exists()]
    for package in {PACKAGED[name][0] for name in missing}:
        names = [name for name in missing if PACKAGED[name][0] == package]
        print(f"getting {' and '.join(names)} out of Debian's package {package}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            # apt's own user must be able to write there
            Path(scratch).chmod(0o777)
            download = ["apt-get", "download", "-qq", package]
            if subprocess.run(download, cwd=scratch, capture_output=True).returncode:
                subprocess.run(["apt-get", "update", "-qq"], check=True)
                subprocess.run(download, cwd=scratch, check=True)
            (archive,) = Path(scratch).glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", str(archive), scratch], check=True)
            for name in names:
                (Path(scratch) / "usr" / "bin" / PACKAGED[name][1]).rename(folder / name)
            if "alertmanager" in names:
                _relocate(folder / "alertmanager", Path(scratch))


def _relocate(alertmanager: Path, package: Path) -> None:
    """Lets it read its templates in the working folder: Debian's looks for them where they would be installed."""
    templates = "/usr/share/prometheus/alertmanager"
    here = "./" * (len(templates) // 2)
    alertmanager.write_bytes(alertmanager.read_bytes().replace(templates.encode(), here.encode()))
    for template in (package / templates.removeprefix("/")).glob("*.tmpl"):
        template.rename(alertmanager.parent / template.name)


if __name__ == "__main__":
    try:
        provide(Path(sys.argv[1]))
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        sys.exit(f"the tools cannot be had ({error}): apt-get install prometheus prometheus-alertmanager")
