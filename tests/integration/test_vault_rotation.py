"""A new site key: everything opens with it and nothing with the old, wherever the rotation was cut off."""

import os
import random
import signal
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import load, site_key_in, site_keys
from agent.ports import StoreError
from agent.stores.vault import Keyring, Locks, examine
from agent.stores.vault.rotation import KeyFile, Rotated, retire, rotate
from tests.integration.test_vault import fill, small_disk

LINE, NUMBER = "+441134960000", "+447700900123"
NOVEMBER = 1_795_380_280_123
OLD = bytes(range(32))
#: Before the remains of an earlier rotation go, before and after each of three files, before and after the keys change,
#: and after that is committed.
STEPS = 7


class Place:
    """A keyring with everything in it, and the site key's file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.sqlite.keys"
        self.file = KeyFile(path=folder / "site-key", former=folder / "site-key.old", read=site_key_in)
        self.file.path.write_text(OLD.hex() + "\n")
        self.file.path.chmod(0o600)
        (folder / "agent.toml").write_text(
            '[store]\nurl = "sqlite:///./agent.sqlite"\n[keys]\nsite_key_file = "site-key"\n'
        )
        self.config = load(folder / "agent.toml", {}, secrets_required=False)
        with closing(Keyring(self.path, OLD)) as keyring:
            locks = Locks(keyring, lambda: NOVEMBER)
            self.key, _ = keyring.seal("0123456789abcdef", LINE)
            self.values = [locks.lock(f"line-{n}", NOVEMBER - n * 2_600_000_000, f"{NUMBER}{n}") for n in range(5)]
            self.index = locks.index(NUMBER)
            keyring.note_escrow(OLD, NOVEMBER)

    def keyring(self) -> Keyring:
        """As an agent opens it that starts now."""
        others = site_keys(self.config, {})
        return Keyring(self.path, others[0], lambda: site_keys(self.config, {}))

    def rotate(self, pace: Callable[[], None] = lambda: None) -> Rotated:
        with closing(self.keyring()) as keyring:
            return rotate(keyring, self.file, pace)

    def whole(self, keyring: Keyring) -> None:
        """All that was there opens."""
        locks = Locks(keyring, lambda: NOVEMBER)
        assert keyring.open("0123456789abcdef") == self.key
        assert [locks.open(value) for value in self.values] == [f"{NUMBER}{n}" for n in range(5)]
        assert locks.index(NUMBER) == self.index
        assert keyring.seal("0123456789abcdef", LINE)[1] in accounts(self.path)  # the account is found by its hash
        self.key = keyring.open("0123456789abcdef")
        assert keyring.counts().accounts == 6


def accounts(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM accounts")]


def under_the_site_key(path: Path) -> list[bytes]:
    """What stands in the file for each key that the site key wraps."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT wrapped FROM slots WHERE NOT free AND slot NOT IN (SELECT slot FROM recordings)"
        ).fetchall()
        return [row[0] for row in rows]


def every_byte(folder: Path) -> bytes:
    return b"\0\0".join(file.read_bytes() for file in sorted(folder.iterdir()))


def killed(place: Place, step: int) -> bool:
    """A rotation by a process that is killed before this step; False: it has no such step, and ended well."""
    left = step

    def pace() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            place.rotate(pace)
            os._exit(0)
        finally:
            os._exit(1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_everything_opens_with_the_new_site_key_and_nothing_with_the_old(place: Place, tmp_path: Path) -> None:
    before = under_the_site_key(place.path)
    assert place.rotate() == Rotated(keys=len(before), resumed=False)
    assert len(before) == 1 + 6 + 5 + 1  # the hashing key, accounts, periods, the epoch
    new = site_key_in(place.file.path)
    assert new not in (None, OLD)
    assert stat.S_IMODE(place.file.path.stat().st_mode) == 0o600
    content = every_byte(tmp_path)
    assert not [key for key in before if key in content or key[12:28] in content]
    with pytest.raises(StoreError, match="is not the one"):
        Keyring(place.path, OLD)
    with closing(place.keyring()) as keyring:
        place.whole(keyring)
    seen = examine(place.path, new)
    assert seen is not None
    assert (seen.opens, seen.escrowed_at) == (True, None)  # that was the old one's


def test_the_old_one_stays_until_the_new_one_has_proved_itself(place: Place) -> None:
    with closing(place.keyring()) as keyring:
        assert not retire(keyring, place.file)
    place.rotate()
    assert site_key_in(place.file.former) == OLD
    with closing(place.keyring()) as keyring:
        assert retire(keyring, place.file)
        assert not place.file.former.exists()
        assert not retire(keyring, place.file)
        place.whole(keyring)


@pytest.mark.parametrize("step", range(STEPS))
def test_killed_at_any_step_the_keyring_opens_and_the_next_rotation_ends_well(place: Place, step: int) -> None:
    assert killed(place, step)
    assert [key for key in site_keys(place.config, {}) if (seen := examine(place.path, key)) and seen.opens]
    with closing(place.keyring()) as keyring:  # an agent starts
        place.whole(keyring)
        retire(keyring, place.file)
    with closing(place.keyring()) as keyring:
        place.whole(keyring)
    unfinished = step in (4, 5)  # the file holds the new one, the keyring not yet
    assert place.rotate().resumed is unfinished
    new = site_key_in(place.file.path)
    assert new not in (None, OLD)
    assert not place.file.coming.exists()
    with closing(place.keyring()) as keyring:
        place.whole(keyring)
        retire(keyring, place.file)
    assert not place.file.former.exists()
    assert new is not None
    with closing(Keyring(place.path, new)) as keyring:
        place.whole(keyring)


def test_that_is_every_step(place: Place) -> None:
    steps: list[None] = []
    place.rotate(lambda: steps.append(None))
    assert len(steps) == STEPS


@pytest.mark.parametrize("seed", range(12))
def test_killed_again_and_again_it_is_never_shut_out(place: Place, seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(8):
        killed(place, draw.randrange(STEPS))
        with closing(place.keyring()) as keyring:
            if draw.random() < 0.5:
                retire(keyring, place.file)
            place.whole(keyring)
    place.rotate()
    new = site_key_in(place.file.path)
    assert new is not None
    with closing(Keyring(place.path, new)) as keyring:
        place.whole(keyring)


@pytest.mark.parametrize("step", [4, 5])
def test_a_step_that_fails_leaves_the_old_one_in_its_place(place: Place, step: int) -> None:
    steps = iter(range(STEPS))

    def fail() -> None:
        if next(steps) == step:
            raise StoreError("the disk failed")

    with pytest.raises(StoreError, match="the disk failed"):
        place.rotate(fail)
    assert site_key_in(place.file.path) == OLD
    assert not place.file.former.exists()
    assert not place.file.coming.exists()
    with closing(place.keyring()) as keyring:
        place.whole(keyring)


def test_an_agent_that_runs_meanwhile_goes_on_with_the_new_one(place: Place) -> None:
    with closing(place.keyring()) as running:
        locks = Locks(running, lambda: NOVEMBER)
        assert locks.open(place.values[0]) == f"{NUMBER}0"
        assert not killed(place, STEPS)  # by another process, to its end
        value = locks.lock("a new account", NOVEMBER, NUMBER)
        place.key, _ = running.seal("0123456789abcdef", LINE)
        running.destroy_account("a new account")
        assert locks.open(value) is None
        place.whole(running)
    with closing(place.keyring()) as keyring:
        place.whole(keyring)


def test_an_agent_that_is_not_given_the_new_one_says_so_and_changes_nothing(place: Place, tmp_path: Path) -> None:
    with closing(Keyring(place.path, OLD)) as running:
        locks = Locks(running, lambda: NOVEMBER)
        locks.open(place.values[0])
        assert not killed(place, STEPS)  # by another process, to its end
        before = place.path.read_bytes()
        for attempt in (
            lambda: locks.lock("line-0", NOVEMBER, NUMBER),
            lambda: locks.open(place.values[0]),
            lambda: running.seal("fedcba9876543210", LINE),
            lambda: running.open("0123456789abcdef"),
        ):
            with pytest.raises(StoreError, match="the site key is not the one"):
                attempt()
        assert place.path.read_bytes() == before


def test_two_rotations_at_once_are_one_after_the_other(place: Place) -> None:
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            try:
                place.rotate()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert 0 in ended
    with closing(place.keyring()) as keyring:
        place.whole(keyring)
        retire(keyring, place.file)
    new = site_key_in(place.file.path)
    assert new is not None
    with closing(Keyring(place.path, new)) as keyring:
        place.whole(keyring)


def test_a_full_disk_leaves_the_old_one_in_its_place(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256):
        place = Place(tmp_path / "disk")
        fill(tmp_path / "disk")
        with pytest.raises(StoreError, match="no room left"):
            place.rotate()
        names = sorted(path.name for path in (tmp_path / "disk").iterdir())
        assert names == ["agent.sqlite.keys", "agent.sqlite.keys-journal", "agent.toml", "ballast", "site-key"]
        assert site_key_in(place.file.path) == OLD
        (tmp_path / "disk" / "ballast").unlink()
        with closing(place.keyring()) as keyring:
            place.whole(keyring)


def test_a_site_key_that_opens_nothing_changes_nothing(place: Place) -> None:
    with closing(place.keyring()) as keyring:
        place.file.path.write_text(bytes(32).hex())
        with pytest.raises(StoreError, match="does not open the keyring"):
            rotate(keyring, place.file)
        assert site_key_in(place.file.path) == bytes(32)
        place.whole(keyring)
    assert not place.file.former.exists()


@pytest.mark.parametrize("what", ["link", "folder"])
def test_something_strange_in_the_place_of_the_old_one_is_left_alone(place: Place, tmp_path: Path, what: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    if what == "link":
        place.file.former.symlink_to(precious)
    else:
        place.file.former.mkdir()
    with pytest.raises(StoreError, match="no regular file"):
        place.rotate()
    with closing(place.keyring()) as keyring:
        with pytest.raises(StoreError, match="no regular file"):
            retire(keyring, place.file)
        place.whole(keyring)
    assert precious.read_text() == "precious"
    assert site_key_in(place.file.path) == OLD


def test_what_a_rotation_wrote_is_not_overwritten_again_at_every_change(place: Place) -> None:
    """The journal held every key; what is left of it is small, and holds none."""
    with closing(place.keyring()) as keyring:
        for number in range(500):
            keyring.seal(f"{number:016x}", f"line-{number}")
    before = under_the_site_key(place.path)
    place.rotate()
    journal = place.path.with_name(place.path.name + "-journal").read_bytes()
    assert len(journal) <= 1 << 15
    assert not [key for key in before if key[12:28] in journal]
