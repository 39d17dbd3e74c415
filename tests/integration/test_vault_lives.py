"""Any order of locking, sealing, expiring and erasing: what must open opens, and of what must not no key is left."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.instants import from_rfc3339
from agent.stores.vault import Keyring, Locks

SITE = bytes(range(32))
MONTHS = [from_rfc3339(f"2026-{month:02}-15T12:00:00Z") for month in range(1, 9)]
TERMS = ("itemised", "unbilled")
LINES = ("201", "202", "203")

actions = st.one_of(
    st.tuples(st.just("lock"), st.sampled_from(LINES), st.integers(0, 7), st.sampled_from(TERMS)),
    st.tuples(st.just("seal"), st.sampled_from(LINES), st.integers(0, 5), st.just("")),
    st.tuples(st.just("destroy"), st.just(""), st.integers(0, 5), st.just("")),
    st.tuples(st.just("erase"), st.sampled_from(LINES), st.just(0), st.just("")),
    st.tuples(st.just("expire"), st.just(""), st.integers(0, 7), st.sampled_from(TERMS)),
    st.tuples(st.just("restart"), st.just(""), st.just(0), st.just("")),
)


@dataclass
class Model:
    """What should open: locked values by line, month and term; recordings' keys by id."""

    values: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    keys: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)

    def end(self, line: str | None = None, before: int = 99, term: str | None = None) -> None:
        for value, (its_line, month, its_term) in list(self.values.items()):
            if line in (None, its_line) and month < before and term in (None, its_term):
                del self.values[value]
                self.gone.append(value)


def wrapped(path: Path) -> set[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT wrapped FROM slots WHERE NOT free")}


def act(keyring: Keyring, model: Model, what: str, line: str, number: int, term: str) -> None:
    id = f"{number:016x}"
    if what == "lock":
        value = Locks(keyring, lambda: MONTHS[0], term=term).lock(line, MONTHS[number], f"{line} {number}")
        model.values[value] = (line, number, term)
    elif what == "seal":
        model.keys[id] = (line, keyring.seal(id, line)[0])
    elif what == "destroy":
        assert keyring.destroy(id) == (model.keys.pop(id, None) is not None)
    elif what == "erase":
        theirs = sorted(id for id, (its, _) in model.keys.items() if its == line)
        assert keyring.destroy_account(line) == theirs
        for each in theirs:
            del model.keys[each]
        model.end(line=line)
    elif what == "expire":
        keyring.expire_periods(MONTHS[number], term)
        model.end(before=number, term=term)


@settings(deadline=None, max_examples=60)
@given(orders=st.lists(actions, min_size=5, max_size=40))
def test_what_must_open_opens_and_nothing_else_is_left(orders: list[tuple[str, str, int, str]]) -> None:
    with TemporaryDirectory(prefix="telephony-") as folder:
        path, model, ever = Path(folder, "keys"), Model(), set[bytes]()
        keyring = Keyring(path, SITE)
        for what, line, number, term in orders:
            if what == "restart":
                keyring.close()
                keyring = Keyring(path, SITE)
            act(keyring, model, what, line, number, term)
            ever |= wrapped(path)
            locks = Locks(keyring, lambda: MONTHS[0])
            for value, (its, month, _) in model.values.items():
                assert locks.open(value) == f"{its} {month}"
            assert [value for value in model.gone if locks.open(value) is not None] == []
            assert {id: keyring.open(id) for id in keyring.ids()} == {id: key for id, (_, key) in model.keys.items()}
        content = b"\0\0".join(file.read_bytes() for file in Path(folder).iterdir())
        assert [
            key for key in ever - wrapped(path) if any(key[at : at + 12] in content for at in range(0, 60, 12))
        ] == []
        keyring.close()
