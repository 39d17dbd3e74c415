"""The file systems that the lab mounts: they fill up as a real disk does, and none outlives its run for long."""

import asyncio
import errno
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.lab.asterisk import Asterisk
from tests.lab.memory import Disk
from tests.lab.provision import installation
from tests.lab.tone import found_in, said

KINDS: tuple[Literal["tmpfs", "ext4"], ...] = ("tmpfs", "ext4")


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_nothing_when_it_is_full_and_all_again_when_it_is_freed(
    tmp_path: Path, kind: Literal["tmpfs", "ext4"]
) -> None:
    with Disk(tmp_path / "disk", megabytes=4, kind=kind) as disk:
        assert disk.folder.stat().st_dev != tmp_path.stat().st_dev
        disk.fill()
        with pytest.raises(OSError, match="No space left") as refused:
            (disk.folder / "more").write_bytes(b"x" * 4096)
        assert refused.value.errno == errno.ENOSPC
        disk.free()
        assert disk.free_bytes > 3 << 20
        (disk.folder / "more").write_bytes(b"x" * (2 << 20))
    assert list(tmp_path.rglob("*")) == [tmp_path / "disk"]


def test_what_was_deleted_from_it_is_still_found_on_its_image(tmp_path: Path) -> None:
    with Disk(tmp_path / "disk", megabytes=4, kind="ext4") as disk:
        (disk.folder / "call.wav").write_bytes(said())
        disk.sync()
        (disk.folder / "call.wav").unlink()
        disk.sync()
        assert found_in(disk.folder) == []
        assert found_in(tmp_path) == [disk.image]


KILLED = """
import asyncio, sys
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation

async def main():
    async with Asterisk(installation(sys.argv[1], lambda line: None)) as lab:
        print(lab.folder, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_the_next_run_clears_what_a_killed_one_left_mounted(version: str) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, version, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert killed.stdout is not None
    folder = (await killed.stdout.readline()).decode().strip()
    killed.kill()
    await killed.wait()
    mounts = Path("/proc/self/mountinfo")
    assert folder in mounts.read_text()
    async with Asterisk(installation(version, print)):
        assert folder not in mounts.read_text()
        assert not Path(folder).exists()
