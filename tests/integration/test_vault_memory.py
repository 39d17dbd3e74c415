"""Sound on its way: whether it is in memory, how long it plays, and that it is gone when it is shredded."""

import os
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.ports import StoreError
from agent.stores.vault import is_memory, never_swapped, shred, swap_in_use, wave_ms
from agent.stores.vault import memory as module
from tests.integration.waves import wave


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """A file system of its own on `folder` (needs root)."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *arguments, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs"])
def test_a_folder_in_memory_is_told_from_one_on_a_disk(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / r"a folder \040 with spaces"
    folder.mkdir()
    assert not is_memory(folder)
    with mounted(folder, "-t", kind, kind):
        (folder / "deeper").mkdir()
        (tmp_path / "link").symlink_to(folder)
        assert is_memory(folder)
        assert is_memory(folder / "deeper")
        assert is_memory(tmp_path / "link")
        assert not is_memory(tmp_path)
        assert not is_memory(folder / "none")
    assert not is_memory(folder)


def test_a_folder_of_a_disk_within_one_in_memory_is_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with mounted(tmp_path / "memory", "-t", "tmpfs", "tmpfs"):
        (tmp_path / "memory" / "monitor").mkdir()
        with mounted(tmp_path / "memory" / "monitor", "--bind", str(tmp_path / "disk")):
            assert not is_memory(tmp_path / "memory" / "monitor")
        assert is_memory(tmp_path / "memory" / "monitor")


def test_a_bound_folder_of_memory_is_in_memory(tmp_path: Path) -> None:
    with (
        mounted(tmp_path / "memory", "-t", "tmpfs", "tmpfs"),
        mounted(tmp_path / "here", "--bind", str(tmp_path / "memory")),
    ):
        assert is_memory(tmp_path / "here")


@pytest.fixture
def swaps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    file = tmp_path / "swaps"
    monkeypatch.setattr(module, "_SWAPS", file)

    def write(lines: str) -> None:
        file.write_text("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + lines)

    return write


def test_swap_that_may_take_it_is_noticed(tmp_path: Path, swaps: Callable[[str], None]) -> None:
    assert swap_in_use()  # it cannot be told
    swaps("")
    assert not swap_in_use()
    with mounted(tmp_path / "memory", "-t", "tmpfs", "tmpfs"), mounted(tmp_path / "ram", "-t", "ramfs", "ramfs"):
        assert never_swapped(tmp_path / "memory")
        swaps("/dev/sda2                               partition\t8388604\t\t0\t\t-2\n")
        assert swap_in_use()
        assert not never_swapped(tmp_path / "memory")
        assert never_swapped(tmp_path / "ram")
    assert not never_swapped(tmp_path / "memory")


def test_a_tmpfs_that_refuses_swap_is_never_swapped(tmp_path: Path, swaps: Callable[[str], None]) -> None:
    swaps("/swapfile                               file\t\t8388604\t\t0\t\t-2\n")
    kernel = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if kernel < (6, 4):
        assert not never_swapped(tmp_path)  # there is no such option yet
        return
    with mounted(tmp_path / "memory", "-t", "tmpfs", "-o", "noswap", "tmpfs"):
        assert never_swapped(tmp_path / "memory")


@pytest.mark.parametrize("size", [0, 1, 44, 3 << 20, (3 << 20) + 7])
def test_a_shredded_file_is_gone_and_was_overwritten_first(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(os.urandom(size))
    with path.open("rb") as held:  # as Asterisk may hold it
        assert shred(path) == 0
        assert held.read() == bytes(size)
    assert list(tmp_path.iterdir()) == []
    assert shred(path) == 0


def test_another_name_of_a_shredded_file_is_noticed_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(b"sound")
    (tmp_path / "copy").hardlink_to(path)
    assert shred(path) == 1
    assert (tmp_path / "copy").read_bytes() == bytes(5)


def test_nothing_but_a_regular_file_is_shredded(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(precious)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "folder", "pipe"):
        with pytest.raises(StoreError) as caught:
            shred(tmp_path / name)
        assert str(caught.value) == f"something in {tmp_path} is no regular file"  # its name may be a number
        assert os.path.lexists(tmp_path / name)
    assert precious.read_bytes() == b"precious"


def test_a_second_of_sound_is_a_second(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    for made, expected in (
        (wave(16_000), 1000),
        (wave(16_000, declared=0), 1000),  # Asterisk has it open
        (wave(48_000, declared=16_000), 3000),  # and has gone on with one that was closed
        (wave(16_000, declared=0x7FFFFFFF), 1000),
        (wave(0), 0),
        (wave(64_000, rate=16_000, channels=2), 1000),
    ):
        path.write_bytes(made)
        assert wave_ms(path) == expected


def test_other_chunks_before_the_sound_are_not_sound(tmp_path: Path) -> None:
    plain, path = wave(16_000), tmp_path / "x.wav"
    chunk = b"LIST" + struct.pack("<I", 5) + b"INFO!" + b"\0"
    path.write_bytes(plain[:12] + chunk + plain[12:36] + chunk + plain[36:])
    assert wave_ms(path) == 1000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0AVI " + wave(100)[12:],
        wave(100)[:30],
        wave(100)[:40],
        wave(100)[:12] + wave(100)[36:],
        wave(100)[:28] + bytes(4) + wave(100)[32:],
        b"\xff" * 5000,
    ],
)
def test_what_is_no_wave_file_has_no_length(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    assert wave_ms(path) is None


def test_what_is_no_file_has_no_length(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/hostname")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "link", tmp_path / "none", Path("x\0y")):
        assert wave_ms(path) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda rest: wave(0)[:20] + rest))
def test_hostile_bytes_never_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.wav"
    path.write_bytes(content)
    found = wave_ms(path)
    assert found is None or 0 <= found < 2**63
