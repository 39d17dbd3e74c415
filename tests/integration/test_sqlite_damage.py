"""A damaged store: refused in one sentence and left as it was, or read right; never a traceback."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.records import RECORDS, Failure, IpSource, Registration
from agent.ports import StoreError
from agent.stores.sqlite import SqliteReader, SqliteStore

AT = 1_795_380_280_123
PAGE = 4096


async def filled(path: Path, seed: int) -> None:
    draw = random.Random(seed)
    store = await SqliteStore.open(path)
    records = [
        Registration(
            id=f"{draw.getrandbits(128):032x}",
            line=f"line-{n}",
            ip=f"203.0.113.{n % 250}",
            ip_source=IpSource.SECURITY,
            transport="udp",
            vendor="snom",
            model="D785",
            firmware="10",
            first_seen=AT + n,
            last_seen=AT + n,
            refreshes=1,
            ended_at=None if n % 3 else AT + n,
        )
        for n in range(2000)  # most of the file is rows, and not the empty pages of tables
    ]
    await store.commit(records, durable=True)
    await store.close()


def one_sentence(error: StoreError, path: Path) -> None:
    message = str(error)
    assert str(path) in message
    assert "\n" not in message
    assert "Error" not in message
    assert "line-" not in message
    assert error.hint


def bytes_of(path: Path) -> bytes:
    return path.read_bytes()


async def opened_or_refused(path: Path) -> bool:
    """Whether the store opens; either way it never breaks otherwise, and one refused is left byte for byte."""
    before = bytes_of(path)
    try:
        store = await SqliteStore.open(path)
    except StoreError as error:
        one_sentence(error, path)
        assert bytes_of(path) == before
        return False
    try:
        await store.open_records()
        with SqliteReader(path) as reader:
            for record in RECORDS:
                list(reader.read(record.KIND))
    except StoreError as error:
        one_sentence(error, path)
    await store.close()
    return True


async def test_random_bytes_in_the_middle_of_pages(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    await filled(whole, 1)
    good = whole.read_bytes()
    refused = 0
    for seed in range(40):
        draw = random.Random(seed)
        spoilt = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            start = draw.randrange(len(spoilt) - 200)
            length = draw.randint(1, 200)
            spoilt[start : start + length] = draw.randbytes(length)
        path = tmp_path / f"{seed}.db"
        path.write_bytes(spoilt)
        print("seed", seed)
        refused += not await opened_or_refused(path)
    print("refused", refused, "of 40")
    assert refused >= 20


@pytest.mark.parametrize("page", [1, 2, 5, 9])
async def test_a_page_of_noise_is_refused(tmp_path: Path, page: int) -> None:
    path = tmp_path / "store.db"
    await filled(path, 2)
    spoilt = bytearray(path.read_bytes())
    spoilt[page * PAGE : (page + 1) * PAGE] = random.Random(page).randbytes(PAGE)
    path.write_bytes(spoilt)
    with pytest.raises(StoreError, match=r"is damaged$") as refusal:
        await SqliteStore.open(path)
    one_sentence(refusal.value, path)
    assert path.read_bytes() == spoilt


async def test_a_damaged_store_that_was_not_closed_keeps_its_wal(tmp_path: Path) -> None:
    alive = tmp_path / "alive.db"
    await filled(alive, 6)
    store = await SqliteStore.open(alive)
    await store.commit([Failure(id="f", hour=AT, cause="invalid_password", count=1)], durable=True)
    path = tmp_path / "store.db"
    spoilt = bytearray(alive.read_bytes())
    spoilt[2 * PAGE : 3 * PAGE] = random.Random(6).randbytes(PAGE)
    path.write_bytes(spoilt)
    wal = tmp_path / "store.db-wal"
    wal.write_bytes((tmp_path / "alive.db-wal").read_bytes())
    await store.close()
    before = wal.read_bytes()
    assert before
    assert not await opened_or_refused(path)
    assert bytes_of(wal) == before


async def test_a_store_cut_short_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    await filled(whole, 3)
    good = whole.read_bytes()
    for length in (1, 50, 99, 100, 512, PAGE - 1, PAGE, 3 * PAGE, len(good) // 2, len(good) - PAGE, len(good) - 1):
        path = tmp_path / f"{length}.db"
        path.write_bytes(good[:length])
        print("length", length)
        assert not await opened_or_refused(path)


NOT_STORES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("[ami]\nhost = '127.0.0.1'\n" * 200),
    "noise": lambda path: path.write_bytes(random.Random(4).randbytes(3 * PAGE)),
    "zeros": lambda path: path.write_bytes(bytes(3 * PAGE)),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("make", NOT_STORES.values(), ids=NOT_STORES)
async def test_what_is_no_database_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    path = tmp_path / "store.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as refusal:
        await SqliteStore.open(path)
    one_sentence(refusal.value, path)
    with pytest.raises(StoreError):
        SqliteReader(path)
    assert before is None or path.read_bytes() == before


async def test_an_empty_file_is_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    with pytest.raises(StoreError, match="has the agent run yet"):
        SqliteReader(path)
    await (await SqliteStore.open(path)).close()
    with SqliteReader(path) as reader:
        assert reader.count("emergency") == 0


async def test_a_value_that_was_never_written_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await filled(path, 5)
    good = path.read_bytes()
    for old, new in ((b"2026-11-", b"2026-99-"), (b"line-5", b"\xff\xfe\xfd\xfc-5"), (b"[]", b"{]")):
        spoilt = good.replace(old, new)
        assert spoilt != good
        path.write_bytes(spoilt)
        with pytest.raises(StoreError, match=r"is damaged$") as refusal:
            await read_all(path)
        one_sentence(refusal.value, path)


async def read_all(path: Path) -> None:
    store = await SqliteStore.open(path)
    try:
        await store.open_records()
    finally:
        await store.close()
