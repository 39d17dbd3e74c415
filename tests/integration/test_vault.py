"""The vault: a recording is kept whole or not at all, comes back as it was, and once destroyed never."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from agent.ports import StoreError
from agent.stores.vault import Keyring, Vault
from tests.integration.waves import wave

SITE = bytes(range(32))
ID = "0123456789abcdef"
OTHER = "fedcba9876543210"
LINE = "201"


class Place:
    """A vault, its keyring, and a folder for plain files."""

    def __init__(self, root: Path, keyring: Keyring) -> None:
        self.root = root
        self.keyring = keyring
        self.folder = root / "recordings"
        self.vault = Vault(self.folder, keyring)

    def plain(self, content: bytes, name: str = "plain.wav") -> Path:
        path = self.root / name
        path.write_bytes(content)
        return path

    def files(self) -> list[str]:
        return sorted(os.listdir(self.folder))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(Keyring(tmp_path / "keys", SITE)) as keyring:
        yield Place(tmp_path, keyring)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    """`folder` as a file system of its own, of a few kilobytes (needs root)."""
    folder.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path) -> None:
    """Leave no room on it."""
    ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(ballast, bytes(4096)):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(ballast)


def refused(attempt: Callable[[], object]) -> StoreError:
    with pytest.raises(StoreError) as caught:
        attempt()
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_recording_comes_back_as_it_was(place: Place) -> None:
    content = wave(200_000)
    plain = place.plain(content)

    sealed = place.vault.seal(plain, ID, LINE)

    assert b"".join(place.vault.read(ID)) == content
    assert (sealed.size_bytes, sealed.duration_ms) == (len(content), 12_500)
    assert plain.read_bytes() == content
    file = place.folder / f"{ID}.sealed"
    assert sealed.sha256 == sha256(file.read_bytes()).hexdigest()
    assert place.vault.verify(ID, sealed.sha256)
    assert place.vault.ids() == [ID]
    assert place.files() == [file.name]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    data = file.read_bytes()
    assert not [at for at in range(0, len(content) - 16, 500) if content[at : at + 16] in data]


def test_a_recording_is_read_by_another_agent_on_the_same_files(place: Place) -> None:
    place.vault.seal(place.plain(wave(1000)), ID, LINE)
    place.keyring.close()
    with closing(Keyring(place.root / "keys", SITE)) as keyring:
        assert b"".join(Vault(place.folder, keyring).read(ID)) == wave(1000)


def test_an_empty_file_is_kept_and_read_as_one(place: Place) -> None:
    sealed = place.vault.seal(place.plain(b""), ID, LINE)
    assert (sealed.size_bytes, sealed.duration_ms) == (0, None)
    assert list(place.vault.read(ID)) == []


def test_recordings_of_one_account_share_its_key_and_no_other(place: Place) -> None:
    plain = place.plain(wave(1000))
    keys = [place.vault.seal(plain, f"{n:016x}", line).key for n, line in enumerate(("201", "201", "202"))]
    assert keys[0] == keys[1] != keys[2]
    first, second = ((place.folder / f"{n:016x}.sealed").read_bytes() for n in range(2))
    assert first[60:] != second[60:]  # the same sound, and nobody sees that it is


def test_sealing_again_after_a_crash_replaces_what_was_there(place: Place) -> None:
    plain = place.plain(wave(5000))
    place.vault.seal(plain, ID, LINE)
    (place.folder / f"{ID}.part").write_bytes(b"half of it")
    assert place.vault.strays() == [place.folder / f"{ID}.part"]

    sealed = place.vault.seal(plain, ID, LINE)

    assert place.files() == [f"{ID}.sealed"]
    assert place.vault.verify(ID, sealed.sha256)
    assert b"".join(place.vault.read(ID)) == wave(5000)
    assert place.keyring.ids() == [ID]


def test_a_destroyed_recording_cannot_be_read_even_from_a_copy(place: Place) -> None:
    place.vault.seal(place.plain(wave(5000)), ID, LINE)
    place.vault.seal(place.plain(wave(7000)), OTHER, LINE)
    copy = (place.folder / f"{ID}.sealed").read_bytes()

    assert place.vault.destroy(ID)
    assert not place.vault.destroy(ID)

    assert place.files() == [f"{OTHER}.sealed"]
    assert "no key" in str(refused(lambda: place.vault.read(ID)))
    (place.folder / f"{ID}.sealed").write_bytes(copy)
    assert "no key" in str(refused(lambda: place.vault.read(ID)))
    assert b"".join(place.vault.read(OTHER)) == wave(7000)


def test_destroying_goes_on_where_it_was_interrupted(place: Place) -> None:
    for id in (ID, OTHER):
        place.vault.seal(place.plain(wave(5000)), id, LINE)
    place.keyring.destroy(ID)  # the key went, and the agent with it
    assert place.vault.destroy(ID)
    (place.folder / f"{OTHER}.sealed").unlink()  # somebody took the file
    assert place.vault.destroy(OTHER)
    assert place.files() == []
    assert place.keyring.ids() == []


def test_a_damaged_recording_is_told_and_not_played(place: Place) -> None:
    sealed = place.vault.seal(place.plain(wave(200_000)), ID, LINE)
    file = place.folder / f"{ID}.sealed"
    data = bytearray(file.read_bytes())
    data[100_000] ^= 1
    file.write_bytes(data)

    assert not place.vault.verify(ID, sealed.sha256)
    heard = place.vault.read(ID)
    assert next(heard) == wave(200_000)[:65_536]
    assert "damaged" in str(refused(lambda: list(heard)))
    data[50] ^= 1
    file.write_bytes(data)
    assert "damaged" in str(refused(lambda: place.vault.read(ID)))
    file.unlink()
    assert "gone" in str(refused(lambda: place.vault.read(ID)))
    assert not place.vault.verify(ID, sealed.sha256)


def test_one_recording_under_anothers_name_is_not_played(place: Place) -> None:
    place.vault.seal(place.plain(wave(5000)), ID, LINE)
    place.vault.seal(place.plain(wave(7000)), OTHER, LINE)
    (place.folder / f"{ID}.sealed").replace(place.folder / f"{OTHER}.sealed")
    assert "damaged" in str(refused(lambda: place.vault.read(OTHER)))


@pytest.mark.parametrize("id", ["", "../keys", "/etc/passwd", ID.upper(), ID + "\0", ID + "\n", "*", "0" * 65])
def test_no_id_leads_out_of_the_folder(place: Place, id: str) -> None:
    place.vault.seal(place.plain(wave(10)), ID, LINE)
    for attempt in (
        lambda: place.vault.read(id),
        lambda: place.vault.destroy(id),
        lambda: place.vault.verify(id, "0" * 64),
        lambda: place.vault.seal(place.root / "plain.wav", id, LINE),
    ):
        refused(attempt)
    assert place.files() == [f"{ID}.sealed"]
    assert place.keyring.ids() == [ID]


def test_what_does_not_belong_is_found(place: Place) -> None:
    place.vault.seal(place.plain(wave(10)), ID, LINE)
    (place.folder / f"{OTHER}.part").touch()
    (place.folder / "notes.txt").touch()
    (place.folder / f"{OTHER}.sealed").symlink_to(place.folder / f"{ID}.sealed")
    (place.folder / f"{'a' * 16}.sealed").mkdir()
    assert place.vault.ids() == [ID]
    names = [path.name for path in place.vault.strays()]
    assert names == sorted([f"{OTHER}.part", "notes.txt", f"{OTHER}.sealed", f"{'a' * 16}.sealed"])
    refused(lambda: place.vault.read(OTHER))


def test_what_is_no_plain_file_is_not_sealed_and_costs_no_recording(place: Place) -> None:
    place.vault.seal(place.plain(wave(10)), ID, LINE)
    os.mkfifo(place.root / "pipe")
    (place.root / "link").symlink_to("plain.wav")
    for name in ("pipe", "link", "none", "recordings"):
        refused(lambda name=name: place.vault.seal(place.root / name, ID, LINE))  # type: ignore[misc]
    assert b"".join(place.vault.read(ID)) == wave(10)


def test_a_full_disk_keeps_nothing_and_takes_nothing_along(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    with small_disk(folder, 1024), closing(Keyring(tmp_path / "keys", SITE)) as keyring:
        place = Place(tmp_path, keyring)
        small = place.plain(wave(100_000), "small")
        big = place.plain(wave(2_000_000), "big")
        place.vault.seal(small, ID, LINE)
        free = place.vault.free_bytes()
        assert 0 < free < 1024 * 1024

        error = refused(lambda: place.vault.seal(big, OTHER, LINE))

        assert "no room" in str(error)
        assert str(folder) in str(error)
        assert place.files() == [f"{ID}.sealed"]
        assert keyring.ids() == [ID]
        assert place.vault.free_bytes() == free
        assert big.read_bytes() == wave(2_000_000)
        assert b"".join(place.vault.read(ID)) == wave(100_000)
        assert place.vault.destroy(ID)
        assert place.vault.free_bytes() > free


def test_a_full_disk_under_the_keyring_keeps_nothing_and_still_lets_keys_go(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, 256), closing(Keyring(disk / "keys", SITE)) as keyring:
        place = Place(tmp_path, keyring)
        plain = place.plain(wave(1000))
        place.vault.seal(plain, ID, LINE)
        fill(disk)
        kept = {ID}

        def keep_many() -> None:
            for n in range(200):
                place.vault.seal(plain, f"{n:016x}", LINE)
                kept.add(f"{n:016x}")

        assert "no room" in str(refused(keep_many))
        assert len(kept) < 200
        assert set(place.vault.ids()) == set(keyring.ids()) == kept
        assert b"".join(place.vault.read(ID)) == wave(1000)
        assert place.vault.destroy(ID)
        refused(lambda: place.vault.read(ID))


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    with closing(Keyring(tmp_path / "keys", SITE)) as keyring:
        (tmp_path / "file").touch()
        (tmp_path / "open").mkdir()
        (tmp_path / "open").chmod(0o755)
        assert "no folder" in str(refused(lambda: Vault(tmp_path / "file", keyring)))
        assert "mkdir -p" in refused(lambda: Vault(tmp_path / "a" / "b", keyring)).hint
        error = refused(lambda: Vault(tmp_path / "open", keyring))
        assert "mode 0755" in str(error)
        assert error.hint == f"chmod 700 {tmp_path / 'open'}"
        assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o755
