"""Two locks: a field opens with both of its keys and nowhere else, and what was destroyed opens in no copy."""

import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from hmac import digest as hmac_digest
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.instants import from_rfc3339
from agent.ports import StoreError
from agent.stores.vault import Counts, Keyring, Locks, examine
from agent.stores.vault.wrapping import SiteKeys, unwrap, wrap

SITE = bytes(range(32))
LINE, OTHER = "+441134960000", "+441134960001"
NUMBER = "+447700900123"
NOVEMBER = from_rfc3339("2026-11-22T20:44:40Z")
OCTOBER = from_rfc3339("2026-10-31T23:59:59.999Z")
NEXT = from_rfc3339("2026-12-01T00:00:00Z")

any_text = st.text(st.characters(exclude_categories=())) | st.text("+0123456789", max_size=20)
same_fixture = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


class Clock:
    now = NOVEMBER

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sqlite.keys"


@pytest.fixture
def keyring(path: Path) -> Iterator[Keyring]:
    with closing(Keyring(path, SITE)) as keyring:
        yield keyring


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def locks(keyring: Keyring, clock: Clock) -> Locks:
    return Locks(keyring, clock)


def opened(locks: Locks, value: str, field: str = "") -> str | None:
    """The text; None when it does not open, for whatever reason."""
    try:
        return locks.open(value, field=field)
    except StoreError:
        return None


def slots(path: Path, table: str) -> list[bytes]:
    """What stands in the file for each key of a table."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT wrapped FROM {table} JOIN slots USING (slot)").fetchall()
        return [row[0] for row in rows]


def every_byte(folder: Path) -> bytes:
    return b"\0\0".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file())


@same_fixture
@given(text=any_text, account=any_text, field=st.sampled_from(["", "calls.other", "calls.forwarded"]))
def test_any_text_opens_again_here_and_after_a_restart(
    locks: Locks, path: Path, text: str, account: str, field: str
) -> None:
    value = locks.lock(account, NOVEMBER, text, field=field)
    assert locks.open(value, field=field) == text
    assert locks.lock(account, NOVEMBER, text, field=field) != value  # equal texts are not seen to be
    with closing(Keyring(path, SITE)) as again:
        assert Locks(again, lambda: NOVEMBER).open(value, field=field) == text


@same_fixture
@given(numbers=st.lists(st.text("+0123456789", max_size=31), min_size=2, max_size=2))
def test_a_value_says_nothing_of_the_length_of_a_number(locks: Locks, numbers: list[str]) -> None:
    assert len({len(locks.lock(LINE, NOVEMBER, number)) for number in numbers}) == 1


@same_fixture
@given(data=st.data())
def test_with_one_bit_flipped_it_does_not_open(locks: Locks, data: st.DataObject) -> None:
    value = locks.lock(LINE, NOVEMBER, data.draw(any_text)).encode()
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    flipped = bytearray(value)
    flipped[bit // 8] ^= 1 << bit % 8
    assert opened(locks, flipped.decode("latin-1")) is None


@pytest.mark.parametrize("text", ["", "x" * 40, "x" * 70])
def test_no_bit_of_a_value_is_without_meaning(locks: Locks, text: str) -> None:
    """Base64 has bits to spare at its end."""
    value = locks.lock(LINE, NOVEMBER, text)
    for bit in range(len(value) * 7):
        flipped = value[: bit // 7] + chr(ord(value[bit // 7]) ^ 1 << bit % 7) + value[bit // 7 + 1 :]
        assert opened(locks, flipped) is None


@same_fixture
@given(value=any_text | st.from_regex(r"\A1\.[0-9a-f]{16}\.[0-9a-f]{16}\.[0-9A-Za-z_-]*\Z"))
def test_what_is_no_locked_value_opens_as_none_and_breaks_nothing(locks: Locks, value: str) -> None:
    assert opened(locks, value) is None


def test_a_value_in_the_place_of_another_does_not_open(locks: Locks) -> None:
    first, second = locks.lock(LINE, NOVEMBER, NUMBER), locks.lock(OTHER, NOVEMBER, NUMBER)
    earlier = locks.lock(LINE, OCTOBER, NUMBER)

    def mixed(ids: str, sealed: str) -> str:
        return ids.rpartition(".")[0] + "." + sealed.rpartition(".")[2]

    for ids in (first, second, earlier):
        for sealed in (first, second, earlier):
            if ids is not sealed:
                with pytest.raises(StoreError, match="a locked value was changed"):
                    locks.open(mixed(ids, sealed))
    with pytest.raises(StoreError, match="stands in another field"):
        locks.open(locks.lock(LINE, NOVEMBER, NUMBER, field="calls.other"), field="calls.forwarded")


def test_a_destroyed_account_is_unreadable_in_every_copy_and_the_others_are_not(
    locks: Locks, keyring: Keyring, path: Path, tmp_path: Path
) -> None:
    gone, kept = locks.lock(LINE, NOVEMBER, NUMBER), locks.lock(OTHER, NOVEMBER, NUMBER)
    before = {*slots(path, "accounts")}
    assert keyring.destroy_account(LINE) == []
    (lost,) = before - {*slots(path, "accounts")}
    assert lost not in every_byte(tmp_path)
    assert lost[12:28] not in every_byte(tmp_path)
    assert locks.open(gone) is None
    assert locks.open(kept) == NUMBER
    new = locks.lock(LINE, NOVEMBER, NUMBER)  # a customer who comes back
    assert locks.open(new) == NUMBER
    assert locks.open(gone) is None


def test_expiry_takes_the_months_that_ended_and_no_other(
    locks: Locks, keyring: Keyring, path: Path, tmp_path: Path
) -> None:
    old, young = locks.lock(LINE, OCTOBER, NUMBER), locks.lock(LINE, OCTOBER + 1, NUMBER)
    before = {*slots(path, "months")}
    assert keyring.expire_periods(OCTOBER) == []
    assert locks.open(old) == NUMBER
    assert keyring.expire_periods(OCTOBER + 1) == ["2026-10"]
    (lost,) = before - {*slots(path, "months")}
    assert lost not in every_byte(tmp_path)
    assert lost[12:28] not in every_byte(tmp_path)
    assert locks.open(old) is None
    assert locks.open(young) == NUMBER
    late = locks.lock(LINE, OCTOBER, NUMBER)  # a record that comes after its month's end
    assert locks.open(late) == NUMBER
    assert locks.open(old) is None
    assert keyring.expire_periods(OCTOBER + 1) == ["2026-10"]
    assert locks.open(late) is None


@pytest.mark.parametrize("destroyed", ["account", "period"])
def test_an_earlier_copy_of_the_database_opens_with_no_later_keyring(
    path: Path, tmp_path: Path, destroyed: str
) -> None:
    """The values are in the copy, their key nowhere any more."""
    with closing(Keyring(path, SITE)) as keyring:
        backup = Locks(keyring, Clock()).lock(LINE, OCTOBER, NUMBER)
        if destroyed == "account":
            keyring.destroy_account(LINE)
        else:
            keyring.expire_periods(NOVEMBER)
    with closing(Keyring(path, SITE)) as keyring:
        assert Locks(keyring, Clock()).open(backup) is None


def test_a_recording_and_a_field_keep_the_account_for_one_another(locks: Locks, keyring: Keyring) -> None:
    keyring.seal("0123456789abcdef", LINE)
    value = locks.lock(LINE, NOVEMBER, NUMBER)
    keyring.destroy("0123456789abcdef")
    assert locks.open(value) == NUMBER
    key, _ = keyring.seal("fedcba9876543210", LINE)
    keyring.expire_periods(from_rfc3339("2029-01-01T00:00:00Z"))
    assert keyring.open("fedcba9876543210") == key
    keyring.destroy("fedcba9876543210")
    assert keyring.counts() == Counts(accounts=0, recordings=0)


def test_erasing_an_account_takes_its_fields_and_its_recordings(locks: Locks, keyring: Keyring) -> None:
    keyring.seal("0123456789abcdef", LINE)
    value = locks.lock(LINE, NOVEMBER, NUMBER)
    assert keyring.destroy_account(LINE) == ["0123456789abcdef"]
    assert locks.open(value) is None
    assert keyring.counts() == Counts(accounts=0, recordings=0)


def test_an_account_goes_with_the_last_period_in_which_it_may_have_fields(locks: Locks, keyring: Keyring) -> None:
    locks.lock(LINE, NOVEMBER, NUMBER)
    keyring.expire_periods(NEXT)
    assert keyring.counts().accounts == 1  # until it would be renewed
    keyring.expire_periods(from_rfc3339("2027-12-01T00:00:00Z"))
    assert keyring.counts().accounts == 0


def test_each_term_expires_by_itself_and_keeps_the_accounts_of_the_others(keyring: Keyring, clock: Clock) -> None:
    long, short = Locks(keyring, clock, term="itemised"), Locks(keyring, clock, term="unbilled")
    kept = long.lock(LINE, OCTOBER, NUMBER)
    late = from_rfc3339("2027-09-15T00:00:00Z")  # within the account's year
    later, gone = long.lock(LINE, late, NUMBER), short.lock(LINE, late, NUMBER)
    assert short.open(kept) == NUMBER  # a value tells its keys by itself
    indexes = long.index(NUMBER), short.index(NUMBER)
    assert indexes[0] != indexes[1]
    after = from_rfc3339("2027-12-01T00:00:00Z")
    assert keyring.expire_periods(after, "unbilled") == ["2027-09"]
    assert keyring.expire_epochs(after, "unbilled") == ["2026-11"]
    assert [long.open(kept), long.open(later), short.open(gone)] == [NUMBER, NUMBER, None]
    assert long.indexes(NUMBER) == [indexes[0]]
    assert indexes[1] not in short.indexes(NUMBER)
    assert keyring.expire_periods(after, "itemised") == ["2026-10", "2027-09"]
    assert keyring.counts().accounts == 0


def test_an_account_that_goes_on_is_kept(locks: Locks, keyring: Keyring) -> None:
    locks.lock(LINE, NOVEMBER, NUMBER)
    at = from_rfc3339("2027-12-15T00:00:00Z")
    value = locks.lock(LINE, at, NUMBER)
    keyring.expire_periods(at)
    assert locks.open(value) == NUMBER


def test_no_calendar_has_such_an_instant(locks: Locks) -> None:
    with pytest.raises(ValueError, match="no calendar"):
        locks.lock(LINE, 10**18, NUMBER)


@same_fixture
@given(first=any_text, second=any_text)
def test_indexes_are_equal_when_the_texts_are(locks: Locks, first: str, second: str) -> None:
    assert (locks.index(first) == locks.index(second)) == (first == second)
    assert locks.indexes(first) == [locks.index(first)]


def test_a_search_goes_over_every_epoch_that_is_alive(locks: Locks, keyring: Keyring, clock: Clock) -> None:
    written = []
    for month in range(1, 5):
        clock.now = from_rfc3339(f"2027-0{month}-15T00:00:00Z")
        written.append(locks.index(NUMBER))
    assert len(set(written)) == 4
    assert locks.indexes(NUMBER) == written[::-1]
    assert set(locks.indexes(OTHER)).isdisjoint(written)
    assert keyring.expire_epochs(from_rfc3339("2027-03-31T00:00:00Z")) == ["2027-01", "2027-02"]
    assert locks.indexes(NUMBER) == [written[3], written[2]]
    assert locks.index(NUMBER) == written[3]


def test_what_is_indexed_by_its_own_month_is_found_and_expires_with_it(locks: Locks, keyring: Keyring) -> None:
    index = locks.index(NUMBER, OCTOBER)
    assert index != locks.index(NUMBER)
    assert {index, locks.index(NUMBER)} == {*locks.indexes(NUMBER)}
    keyring.expire_epochs(NOVEMBER)
    assert [locks.index(NUMBER)] == locks.indexes(NUMBER)


def test_an_index_is_not_known_without_the_keyring(locks: Locks, tmp_path: Path) -> None:
    with closing(Keyring(tmp_path / "another", SITE)) as another:
        mine, theirs = locks.index(NUMBER), Locks(another, lambda: NOVEMBER).index(NUMBER)
    assert mine.partition(".")[2] != theirs.partition(".")[2]


def test_another_program_that_destroys_is_noticed_at_once(locks: Locks, path: Path) -> None:
    first, second = locks.lock(LINE, NOVEMBER, NUMBER), locks.lock(OTHER, OCTOBER, NUMBER)
    assert [locks.open(first), locks.open(second)] == [NUMBER, NUMBER]
    in_another_process(path, "keyring.destroy_account(LINE)")
    assert locks.open(first) is None
    assert locks.open(second) == NUMBER
    again = locks.lock(LINE, NOVEMBER, NUMBER)
    assert locks.open(again) == NUMBER
    in_another_process(path, "keyring.expire_periods(NOVEMBER)")
    assert locks.open(second) is None
    assert locks.open(again) == NUMBER


def test_two_programs_lock_with_the_same_keys(path: Path) -> None:
    """Both begin with nothing, at the same time; what either locked and indexed the other opens and finds."""
    children = [in_the_background(path, f"work({n})") for n in range(4)]
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with closing(Keyring(path, SITE)) as keyring:
        locks = Locks(keyring, lambda: NOVEMBER)
        lines = [line for n in range(4) for line in Path(f"{path}.{n}").read_text().splitlines()]
        assert len(lines) == 4 * 40
        for line in lines:
            text, value, index = line.split(" ")
            assert locks.open(value) == text
            assert index == locks.index(text)
        assert keyring.counts().accounts == 5
        assert len(slots(path, "months")) == 3  # two periods, one epoch


def in_the_background(path: Path, code: str) -> int:
    child = os.fork()
    if child:
        return child
    try:
        with closing(Keyring(path, SITE)) as keyring:

            def work(number: int) -> None:
                locks, lines = Locks(keyring, lambda: NOVEMBER), []
                for n in range(40):
                    value = locks.lock(f"line-{n % 5}", (NOVEMBER, OCTOBER)[n % 2], f"{number}-{n}")
                    lines.append(f"{number}-{n} {value} {locks.index(f'{number}-{n}')}\n")
                Path(f"{path}.{number}").write_text("".join(lines))

            exec(code, {**globals(), "keyring": keyring, "work": work})
        os._exit(0)
    finally:
        os._exit(1)


def in_another_process(path: Path, code: str) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(in_the_background(path, code), 0)[1]) == 0


def test_threads_that_lock_open_and_erase_do_not_mix_up_keys(locks: Locks, keyring: Keyring) -> None:
    def work(number: int) -> bool:
        account, text = f"line-{number % 7}", f"{number}"
        if number % 10 == 0:
            keyring.destroy_account(f"line-{number % 3}")
        value = locks.lock(account, (NOVEMBER, OCTOBER)[number % 2], text)
        return opened(locks, value) in (text, None)  # None: erased meanwhile

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(400)))
    for number in range(7):
        assert locks.open(locks.lock(f"line-{number}", NOVEMBER, NUMBER)) == NUMBER


@pytest.mark.parametrize("who", ["this", "another"])
def test_an_account_that_is_known_waits_for_no_change_of_the_keyring(
    locks: Locks, keyring: Keyring, path: Path, who: str
) -> None:
    """Calls are recorded where emergencies are, and a disk may take seconds for another's change."""
    value = locks.lock(LINE, NOVEMBER, NUMBER)
    index = locks.index(NUMBER)
    assert locks.open(value) == NUMBER
    with ThreadPoolExecutor(1) as thread, closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if who == "another":
            connection.execute("BEGIN EXCLUSIVE")
        with keyring.ring.change() if who == "this" else nullcontext(connection) as changing:
            if who == "this":
                changing.execute("UPDATE keyring SET escrowed_at = 1")
                changing.execute("COMMIT")  # the change is in the file, and not over yet
            assert thread.submit(locks.open, locks.lock(LINE, NOVEMBER, "")).result(30) == ""
            assert thread.submit(locks.open, value).result(30) == NUMBER
            assert thread.submit(locks.index, NUMBER).result(30) == index
            if who == "this":
                changing.execute("BEGIN IMMEDIATE")


def test_more_accounts_than_are_at_hand_are_locked_all_the_same(keyring: Keyring) -> None:
    locks = Locks(keyring, lambda: NOVEMBER, most_keys=3)
    values = [locks.lock(f"line-{n}", NOVEMBER, f"{n}") for n in range(8)] * 2
    assert [locks.open(value) for value in values] == [f"{n}" for n in range(8)] * 2


@pytest.mark.parametrize("damage", ["accounts", "months"])
def test_a_changed_key_is_told_and_opens_nothing(path: Path, damage: str) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        value = Locks(keyring, Clock()).lock(LINE, NOVEMBER, NUMBER)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE slots SET wrapped = randomblob(60) WHERE slot IN (SELECT slot FROM {damage})")
        connection.commit()
    with closing(Keyring(path, SITE)) as keyring, pytest.raises(StoreError, match="is damaged"):
        Locks(keyring, Clock()).open(value)


def test_exchanged_months_open_nothing(path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        value = Locks(keyring, Clock()).lock(LINE, NOVEMBER, NUMBER)
        Locks(keyring, Clock()).lock(LINE, OCTOBER, NUMBER)
    with closing(sqlite3.connect(path)) as connection:
        for old, new in (("2026-11", "x"), ("2026-10", "2026-11"), ("x", "2026-10")):
            connection.execute("UPDATE months SET month = ? WHERE month = ?", (new, old))
        connection.commit()
    with closing(Keyring(path, SITE)) as keyring, pytest.raises(StoreError, match="is damaged"):
        Locks(keyring, Clock()).open(value)


def test_a_closed_keyring_locks_nothing(path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        locks = Locks(keyring, Clock())
        locks.lock(LINE, NOVEMBER, NUMBER)
    with pytest.raises(StoreError):
        locks.lock(LINE, NOVEMBER, NUMBER)


def test_a_death_while_a_key_is_made_leaves_a_keyring_that_opens(path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        value = Locks(keyring, Clock()).lock(LINE, NOVEMBER, NUMBER)
    child = os.fork()
    if child == 0:
        try:
            dying = Keyring(path, SITE)
            with dying.ring.change():
                dying.ring.put(bytes(32), "half a key")
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with closing(Keyring(path, SITE)) as keyring:
        assert Locks(keyring, Clock()).open(value) == NUMBER
        assert keyring.counts().accounts == 1


def first_schema(path: Path) -> None:
    """Make of today's keyring, which has one account, one as the first agents made them."""
    with closing(sqlite3.connect(path)) as connection:
        (salt,) = connection.execute("SELECT salt FROM keyring").fetchone()
        site = SiteKeys(SITE, salt)
        slot, id, hashed, wrapped = connection.execute(
            "SELECT slot, id, account, wrapped FROM accounts JOIN slots USING (slot)"
        ).fetchone()
        key = unwrap(wrapped, site.wrapping, f"account {id} {hashed.hex()}")
        hashed = hmac_digest(site.hashing, LINE.encode(), "sha256")
        wrapped = wrap(key, site.wrapping, f"account {id} {hashed.hex()}")
        connection.execute("UPDATE accounts SET account = ?", (hashed,))
        connection.execute("UPDATE slots SET wrapped = ? WHERE slot = ?", (wrapped, slot))
        connection.executescript(
            "PRAGMA foreign_keys = OFF; ALTER TABLE accounts DROP COLUMN fields_until; DROP TABLE months;"
            "DELETE FROM slots WHERE slot = (SELECT hashing FROM keyring);"
            "CREATE TABLE k (salt BLOB NOT NULL, proof BLOB NOT NULL) STRICT;"
            "INSERT INTO k SELECT salt, proof FROM keyring; DROP TABLE keyring; ALTER TABLE k RENAME TO keyring;"
            "PRAGMA user_version = 1"
        )


def test_the_keyring_of_an_earlier_agent_opens_and_learns_of_fields(path: Path, tmp_path: Path) -> None:
    with closing(Keyring(path, SITE)) as keyring:
        key, account = keyring.seal("0123456789abcdef", LINE)
    first_schema(path)
    seen = examine(path, SITE)
    assert seen is not None
    assert (seen.opens, seen.counts, seen.periods) == (True, Counts(accounts=1, recordings=1), ())
    shutil.copy(path, tmp_path / "wrong")
    before = (tmp_path / "wrong").read_bytes()
    with pytest.raises(StoreError, match="is not the one"):
        Keyring(tmp_path / "wrong", bytes(32))
    assert (tmp_path / "wrong").read_bytes() == before
    with closing(Keyring(path, SITE)) as keyring:
        assert keyring.open("0123456789abcdef") == key
        assert keyring.seal("fedcba9876543210", LINE)[1] == account  # the same account, found by its old hash
        locks = Locks(keyring, Clock())
        assert locks.open(locks.lock(LINE, NOVEMBER, NUMBER)) == NUMBER
