"""Very many lines that are new to the store: how often their keys wait for the disk, in counts."""

from contextlib import AbstractContextManager, closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Registration
from agent.core.wire import parse
from agent.pipeline import Pipeline
from agent.stores.sqlite import Fields, SqliteReader, SqliteStore
from agent.stores.vault import Keyring
from agent.stores.vault.ring import Ring
from agent.world import new_id
from tests.lab.events import made

NOON = 1_795_348_800_000
PHONES = 600


async def test_the_keys_of_all_that_waits_are_made_in_few_trips_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips: list[bool] = []
    change = Ring.change

    def counted(ring: Ring, *, destroys: bool = False) -> AbstractContextManager[Connection]:
        trips.append(destroys)
        return change(ring, destroys=destroys)

    monkeypatch.setattr(Ring, "change", counted)
    path = tmp_path / "agent.sqlite"
    with closing(Keyring(tmp_path / "keys", bytes(32))) as keyring:
        fields = Fields(path, lambda: keyring, lambda: NOON)
        store = await SqliteStore.open(path, fields=fields)
        pipeline = Pipeline(Engine(policy=Policy(), link=Linker(b"salt"), new_id=new_id), store)
        for number in range(PHONES):
            pipeline.hear("bulk", parse(made(number).described(NOON // 1000 + 3600)), NOON)
        assert await pipeline.drain() == []
        with SqliteReader(path, fields) as reader:
            lines = {record.line for record in reader.read(Registration.KIND) if isinstance(record, Registration)}
        await store.close()
    assert lines == {made(number).line for number in range(PHONES)}
    # The lines' own keys, those of what is stored of them, and an epoch or two: not one for each transaction of 64.
    assert len(trips) <= 6
