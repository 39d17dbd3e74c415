"""The byte scan: it finds what is there wherever it lies, and of what the purge took it finds nothing in any file."""

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.records import RECORDS, Audit, Record, SegmentRoot
from agent.duties import retention
from agent.duties import traces as scanning
from agent.duties.traces import Trace, store_files, traces, traces_elsewhere
from agent.stores.sqlite import SqliteReader, SqliteStore
from tests.contract.stored import ENDED, month_of_audit
from tests.integration.purging import DAY_MS, purger
from tests.scenarios.made import AT

NEEDLE = "needle-5f3a9c"
#: Fields whose texts are words of the agent's own.
WORDS = ("of", "retention", "segment")


def test_each_needle_is_found_once_a_file_and_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    one, other = tmp_path / "a" / "one", tmp_path / "other"
    one.write_bytes(b"x" * 10 + NEEDLE.encode() + b"y" + NEEDLE.encode())
    other.write_bytes(b"nothing")
    found = traces([tmp_path], ["another", NEEDLE])
    assert found == [Trace(file=one, offset=10, needle=1)]
    assert NEEDLE not in repr(found)


@pytest.mark.parametrize("form", ["utf-8", "utf-16-le", "utf-16-be", "json"])
def test_a_text_is_found_in_any_form(tmp_path: Path, form: str) -> None:
    text = "Zoë Müller"
    file = tmp_path / "file"
    file.write_bytes(b'"Zo\\u00eb M\\u00fcller"' if form == "json" else b"  " + text.encode(form))
    assert [each.needle for each in traces([file], [text])] == [0]


@given(st.integers(0, 40), st.integers(1, 16))
def test_no_edge_of_a_piece_hides_anything(before: int, piece: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "PIECE_BYTES", piece)
        (Path(folder) / "file").write_bytes(b"." * before + NEEDLE.encode() + b"." * 7)
        assert [each.offset for each in traces([Path(folder)], [NEEDLE])] == [before]


def test_a_needle_that_could_stand_anywhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        traces([tmp_path], ["201"])


def test_a_file_that_goes_meanwhile_is_passed_over(tmp_path: Path) -> None:
    assert traces([tmp_path / "gone"], [NEEDLE]) == []
    assert store_files(tmp_path / "gone") == []


def marked(record: Record) -> Record:
    """``record`` with a needle of its kind in every text of it."""
    hints = get_type_hints(type(record))
    needle = f"{NEEDLE}-{record.KIND}"
    texts = {
        item.name: needle
        for item in fields(record)
        if str in (hints[item.name], *get_args(hints[item.name])) and item.name not in WORDS
    }
    lists = {item.name: (needle,) for item in fields(record) if hints[item.name] == tuple[str, ...]}
    changes: dict[str, Any] = texts | lists
    return replace(record, **changes)


async def test_of_what_was_purged_no_byte_is_left_in_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RESTS", 0)
    path = tmp_path / "agent.sqlite"
    store = await SqliteStore.open(path)
    ended = [marked(record) for record in ENDED]
    month = month_of_audit("2026-10", AT, 3)
    audits = [
        replace(marked(each), id=f"{NEEDLE}-audit-{n}") for n, each in enumerate(month) if isinstance(each, Audit)
    ]
    roots = [each for each in month if isinstance(each, SegmentRoot)]
    # written twice, as records are that become fuller: the first state is left somewhere
    await store.commit([*ended, *audits, *roots], durable=True)
    assert await store.checkpoint()
    await store.commit(ended, durable=True)
    kinds = sorted({record.KIND for record in [*ended, *audits]})
    assert len(kinds) > 20
    needles = [f"{NEEDLE}-{kind}" for kind in kinds]
    assert {each.needle for each in traces(store_files(path), needles)} == set(range(len(kinds)))
    await purger(store, path, AT + 4000 * DAY_MS).purge()
    assert await store.checkpoint()
    with SqliteReader(path) as reader:
        left = {record.KIND for record in RECORDS if reader.count(record.KIND)}
    found = traces([tmp_path], needles)
    assert {kinds[each.needle] for each in found} == set(), left
    assert left <= {"deletion", "segment_root"}
    await store.close()
    assert traces([tmp_path], needles) == []


def test_a_process_of_its_own_finds_the_same_and_says_what_it_could_not_read(tmp_path: Path) -> None:
    (tmp_path / "a\udcff").write_bytes(f"... {NEEDLE}".encode())
    assert traces_elsewhere([tmp_path], ["another", NEEDLE]) == traces([tmp_path], ["another", NEEDLE])
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        traces_elsewhere([tmp_path / "loop"], [NEEDLE])
