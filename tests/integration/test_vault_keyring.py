"""The keyring: only the right site key opens it, no key stands in it in clear, and what was destroyed is gone."""

import random
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from agent.ports import StoreError
from agent.stores.vault import Counts, Examined, Keyring, examine

SITE = bytes(range(32))
OTHER = bytes(range(1, 33))
LINE = "+441134960000"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sqlite.keys"


@pytest.fixture
def keyring(path: Path) -> Iterator[Keyring]:
    with closing(Keyring(path, SITE)) as keyring:
        yield keyring


def recording(number: int) -> str:
    return f"{number:016x}"


def every_byte(folder: Path) -> bytes:
    return b"\0\0".join(file.read_bytes() for file in sorted(folder.iterdir()))


def wrapped(path: Path) -> dict[str, bytes]:
    """What stands in the file for each key."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT id, wrapped FROM (SELECT id, slot FROM recordings UNION SELECT id, slot FROM accounts)"
            " JOIN slots USING (slot)"
        )
        return dict(rows.fetchall())


def test_a_key_is_given_again_after_a_restart(path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        made = {recording(n): keyring.seal(recording(n), f"line-{n % 3}") for n in range(9)}
        assert len({key for key, _ in made.values()}) == 9
        assert len({account for _, account in made.values()}) == 3
        assert {len(key) for key, _ in made.values()} == {32}
    with closing(Keyring(path, SITE)) as keyring:
        assert {id: keyring.open(id) for id in keyring.ids()} == {id: key for id, (key, _) in made.items()}
        assert keyring.counts() == Counts(accounts=3, recordings=9)


def test_a_recording_sealed_again_has_another_key(keyring: Keyring) -> None:
    first, _ = keyring.seal(recording(1), LINE)
    second, _ = keyring.seal(recording(1), LINE)
    assert keyring.open(recording(1)) == second != first
    assert keyring.counts() == Counts(accounts=1, recordings=1)


def test_nothing_in_the_file_says_who_or_with_which_key(keyring: Keyring, tmp_path: Path) -> None:
    key, _ = keyring.seal(recording(1), LINE)
    content = every_byte(tmp_path)
    for secret in (LINE.encode(), SITE, key):
        assert secret not in content
        assert secret.hex().encode() not in content


def test_the_file_is_its_owners_alone(keyring: Keyring, path: Path, tmp_path: Path) -> None:
    keyring.seal(recording(1), LINE)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    path.chmod(0o644)
    with closing(Keyring(path, SITE)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_site_key_is_refused_and_changes_nothing(path: Path, tmp_path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        key, _ = keyring.seal(recording(1), LINE)
    before = every_byte(tmp_path)
    with pytest.raises(StoreError, match=r"the site key is not the one that the keyring .* was made with") as caught:
        Keyring(path, OTHER)
    assert "site key that belongs to it" in caught.value.hint
    assert every_byte(tmp_path) == before
    with closing(Keyring(path, SITE)) as keyring:
        assert keyring.open(recording(1)) == key


def test_two_keyrings_of_one_site_key_say_nothing_of_one_another(tmp_path: Path) -> None:
    hashes = []
    for name in ("a", "b"):
        with closing(Keyring(tmp_path / name, SITE)) as keyring:
            keyring.seal(recording(1), LINE)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            hashes += connection.execute("SELECT account FROM accounts").fetchall()
    assert hashes[0] != hashes[1]


def test_a_destroyed_key_is_gone(keyring: Keyring) -> None:
    keyring.seal(recording(1), LINE)
    kept, _ = keyring.seal(recording(2), LINE)
    assert keyring.destroy(recording(1))
    assert not keyring.destroy(recording(1))
    with pytest.raises(StoreError, match="no key to that recording"):
        keyring.open(recording(1))
    assert keyring.open(recording(2)) == kept


def test_an_account_goes_with_its_last_recording(keyring: Keyring) -> None:
    keyring.seal(recording(1), LINE)
    keyring.seal(recording(2), "another")
    keyring.destroy(recording(1))
    assert keyring.counts() == Counts(accounts=1, recordings=1)


def test_destroying_an_account_destroys_all_its_recordings_and_no_others(keyring: Keyring) -> None:
    for n in range(6):
        keyring.seal(recording(n), LINE if n % 2 else "another")
    assert keyring.destroy_account(LINE) == [recording(1), recording(3), recording(5)]
    assert keyring.destroy_account(LINE) == []
    assert keyring.ids() == [recording(0), recording(2), recording(4)]
    assert keyring.counts() == Counts(accounts=1, recordings=3)


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_a_destroyed_key_is_left_in_any_file(path: Path, tmp_path: Path, seed: int) -> None:
    """Through page splits and merges, the journal, and an account that goes."""
    order = random.Random(seed)
    ever: dict[str, bytes] = {}
    with closing(Keyring(path, SITE)) as keyring:
        for n in range(250):
            keyring.seal(f"{order.getrandbits(64):016x}", f"line-{order.randrange(20)}")
            ever |= wrapped(path)
            if order.random() < 0.6 or n > 200:
                keyring.destroy(order.choice(keyring.ids()))
            if n % 50 == 49:
                keyring.destroy_account(f"line-{order.randrange(20)}")
            if n % 5 == 0:
                left = wrapped(path)
                content = every_byte(tmp_path)
                assert all(key in content for key in left.values())
                gone = [ever[id] for id in ever.keys() - left.keys()]
                assert not [key for key in gone if any(key[at : at + 12] in content for at in range(0, 60, 12))]
        assert len(ever) > 250
    assert (tmp_path / "agent.sqlite.keys-journal").stat().st_size  # it stayed, so that it could be overwritten


def test_nothing_of_a_destroyed_account_is_left_in_any_file(keyring: Keyring, path: Path, tmp_path: Path) -> None:
    keyring.seal(recording(1), LINE)
    with closing(sqlite3.connect(path)) as connection:
        (hashed,) = connection.execute("SELECT account FROM accounts").fetchone()
    assert hashed in every_byte(tmp_path)
    keyring.destroy_account(LINE)
    assert hashed not in every_byte(tmp_path)
    assert recording(1).encode() not in every_byte(tmp_path)


def test_what_a_death_left_in_the_journal_goes_at_the_next_start(path: Path, tmp_path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        keyring.seal(recording(1), LINE)
        (key,) = (value for id, value in wrapped(path).items() if id == recording(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as dying:
            # the same change by hand, and no end to it
            dying.execute("PRAGMA journal_mode = PERSIST")
            dying.execute("PRAGMA secure_delete = ON")
            dying.execute("UPDATE slots SET wrapped = zeroblob(60) WHERE slot IN (SELECT slot FROM recordings)")
    assert key in every_byte(tmp_path)
    with closing(Keyring(path, SITE)):
        assert key not in every_byte(tmp_path)


def test_a_changed_or_exchanged_row_never_gives_a_wrong_key(path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        keyring.seal(recording(1), LINE)
        keyring.seal(recording(2), LINE)
        keyring.seal(recording(3), "another")
    of = "(SELECT slot FROM recordings WHERE id = '{}')"
    changes = [
        "UPDATE recordings SET slot = 99 WHERE slot = 3; UPDATE recordings SET slot = 3 WHERE slot = 4;"
        "UPDATE recordings SET slot = 4 WHERE slot = 99",
        "UPDATE slots SET wrapped = zeroblob(60)",
        f"UPDATE slots SET wrapped = (SELECT wrapped FROM slots WHERE slot = {of.format(recording(2))})",
        f"UPDATE slots SET wrapped = randomblob(60) WHERE slot = {of.format(recording(1))}",
        f"UPDATE recordings SET account = (SELECT account FROM recordings WHERE id = '{recording(3)}')",
        f"UPDATE recordings SET id = '{recording(9)}' WHERE id = '{recording(1)}';"
        f"UPDATE recordings SET id = '{recording(1)}' WHERE id = '{recording(2)}'",
        "UPDATE accounts SET account = randomblob(32)",
        "UPDATE accounts SET slot = 99 WHERE slot = 2; UPDATE accounts SET slot = 2 WHERE slot = 5;"
        "UPDATE accounts SET slot = 5 WHERE slot = 99",
        "UPDATE keyring SET hashing = 2",
        "UPDATE keyring SET hashing = NULL",
    ]
    for change in changes:
        copy = path.with_name("copy")
        shutil.copy(path, copy)
        with closing(sqlite3.connect(copy)) as connection:
            connection.executescript(change)
        with (
            pytest.raises(StoreError, match=r"the keyring .* is damaged"),
            closing(Keyring(copy, SITE)) as keyring,
        ):
            keyring.open(recording(1))


@pytest.mark.parametrize("content", [b"not a database, " * 600, b"SQLite format 3\0" + b"\xff" * 8000])
def test_what_is_no_keyring_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for attempt in (lambda: Keyring(path, SITE), lambda: examine(path, SITE)):
        with pytest.raises(StoreError, match=str(path)):
            attempt()
        assert path.read_bytes() == content


def test_another_programs_or_a_newer_agents_database_is_refused(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y)")
    with pytest.raises(StoreError, match="the database of another program"):
        Keyring(path, SITE)
    newer = tmp_path / "newer"
    Keyring(newer, SITE).close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="a newer agent's: its schema is 9"):
        Keyring(newer, SITE)


def test_a_keyring_in_no_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no folder for the keyring") as caught:
        Keyring(tmp_path / "a" / "b" / "keys", SITE)
    assert caught.value.hint == f"make it: mkdir -p {tmp_path / 'a' / 'b'}"


def test_threads_do_not_get_in_one_anothers_way(keyring: Keyring) -> None:
    def work(number: int) -> bool:
        key, _ = keyring.seal(recording(number), f"line-{number % 4}")
        right = keyring.open(recording(number)) == key
        return right and (number % 3 != 0 or keyring.destroy(recording(number)))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(120)))
    assert keyring.ids() == [recording(n) for n in range(120) if n % 3]


def test_looking_at_a_keyring_tells_whether_the_site_key_is_right(path: Path) -> None:
    assert examine(path, SITE) is None
    assert not path.exists()
    with closing(Keyring(path, SITE)) as keyring:
        keyring.seal(recording(1), LINE)
        counts = Counts(accounts=1, recordings=1)
        assert examine(path, SITE) == Examined(counts=counts, opens=True)
        assert examine(path, OTHER) == Examined(counts=counts, opens=False)
        assert examine(path, None) == Examined(counts=counts, opens=False)
        keyring.seal(recording(2), LINE)  # while the agent runs


def test_while_keys_are_kept_still_another_program_destroys_none(path: Path, keyring: Keyring) -> None:
    key, _ = keyring.seal(recording(1), LINE)
    with closing(Keyring(path, SITE)) as other:
        other.ring.connection.execute("PRAGMA busy_timeout = 0")
        with keyring.ring.still():
            with pytest.raises(StoreError):
                other.destroy(recording(1))
            assert keyring.open(recording(1)) == key
        assert other.destroy(recording(1))
        with keyring.ring.still(), pytest.raises(StoreError, match="no key to that recording"):
            keyring.open(recording(1))
