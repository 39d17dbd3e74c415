"""The monitor folder takes names as they come: none leads out of it, none is taken for a recording that it is not."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.stores.monitor import Monitor, Stray
from tests.integration.taped import forgotten, memory

ID = "0123456789abcdef"
NAMES = [
    *(
        "../precious",
        "../../precious",
        "/etc/hostname",
        "..",
        ".",
        "",
        "/",
        "a/../../precious",
        f"{ID}.wav\0",
        "x" * 300,
    ),
    *(f"../{ID}.wav/..", "\udcff", "\r\n", "x\0y"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Monitor:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "monitor").mkdir()
    return Monitor(tmp_path / "monitor", min_free_bytes=1)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_asterisk_gives_leads_out(folder: Monitor, name: str) -> None:
    assert folder.find(name) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet="./a\0", max_size=12))
def test_what_is_found_is_in_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    found = Monitor(tmp_path_factory.getbasetemp(), min_free_bytes=1).find(name)
    assert found is None or found.parent == tmp_path_factory.getbasetemp()


def test_a_link_is_no_file_of_it(folder: Monitor) -> None:
    folder.path(ID).symlink_to(folder.folder.parent / "precious")
    assert folder.find(f"{ID}.wav") is None
    assert folder.state(ID) is None
    (stray,) = folder.strays(())
    folder.shred(stray.path)
    assert (folder.folder.parent / "precious").read_bytes() == b"precious"
    assert os.listdir(folder.folder) == []


def test_only_a_whole_name_at_the_top_is_a_recordings(folder: Monitor) -> None:
    for name in (
        f"{ID}.wav",
        f"{ID}.WAV",
        f"{ID}.wav.wav",
        f"{ID}",
        f"{ID[:-1]}.wav",
        f"{ID.upper()}.wav",
        "²" * 16 + ".wav",
    ):
        (folder.folder / name).write_bytes(b"1")
    (folder.folder / "deeper").mkdir()
    (folder.folder / "deeper" / f"{ID}.wav").write_bytes(b"1")
    assert folder.named() == [ID]
    assert len(folder.strays({ID})) == 7
    assert folder.path(ID) not in [stray.path for stray in folder.strays({ID})]


def test_what_is_put_away_has_a_name_that_says_nothing(folder: Monitor) -> None:
    path = folder.folder / "+441632960001 to +441632960002.wav"
    path.write_bytes(b"1")
    folder.isolate(Stray(path=path, size_bytes=1, age_s=0))
    (held,) = folder.isolated()
    assert "4416" not in str(held.path.relative_to(folder.folder))
    assert held.path.parent.stat().st_mode & 0o777 == 0o700
    assert folder.strays(()) == []


def test_what_goes_meanwhile_is_no_failure(folder: Monitor) -> None:
    folder.shred(folder.path(ID))
    assert folder.state(ID) is None


def test_a_folder_that_is_not_there_has_nothing_and_no_room(tmp_path: Path) -> None:
    folder = Monitor(tmp_path / "none", min_free_bytes=0)
    assert (folder.named(), folder.strays(()), folder.isolated(), folder.free_bytes()) == ([], [], [], 0)
    assert not folder.in_memory()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    yield memory(tmp_path / "memory", kilobytes=256)
    forgotten(tmp_path / "memory")


def test_room_is_what_a_recording_may_still_take(mounted: Path) -> None:
    folder = Monitor(mounted, min_free_bytes=1 << 17)
    assert (folder.has_room(), folder.in_memory()) == (True, True)
    (mounted / "much").write_bytes(bytes(200_000))
    assert not folder.has_room()
    assert not Monitor(mounted / "much", min_free_bytes=0).in_memory()
