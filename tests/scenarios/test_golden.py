"""What each capture of a real Asterisk gives, record by record, however its bytes are cut.

After a new capture, or a change that is meant to change records: python -m tests.scenarios.golden --write
"""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scenarios.golden import CAPTURES, golden, replayed


def test_there_are_captures_of_both_versions() -> None:
    assert {capture.name.split("-")[1] for capture in CAPTURES} == {"16", "22"}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_gives_the_records_beside_it(capture: Path) -> None:
    assert replayed([capture.read_bytes()]) == golden(capture).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("size", [1, 7, 1400])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_the_size_of_the_chunks_does_not_matter(capture: Path, size: int) -> None:
    raw = capture.read_bytes()
    assert replayed(raw[at : at + size] for at in range(0, len(raw), size)) == replayed([raw])


@settings(max_examples=25, deadline=None, print_blob=True)
@given(st.sampled_from(CAPTURES), st.lists(st.integers(0, 1 << 30), max_size=30))
def test_where_the_chunks_are_cut_does_not_matter(capture: Path, places: list[int]) -> None:
    raw = capture.read_bytes()
    edges = sorted({place % len(raw) for place in places} | {0, len(raw)})
    assert replayed(raw[start:end] for start, end in pairwise(edges)) == replayed([raw])


@settings(max_examples=25, deadline=None, print_blob=True)
@given(st.sampled_from(CAPTURES), st.integers(0, 1 << 30))
def test_a_capture_that_breaks_off_gives_the_beginning_of_the_same_records(capture: Path, place: int) -> None:
    raw = capture.read_bytes()
    whole = replayed([raw])
    assert len(replayed([raw[: max(40, place % len(raw))]])) <= len(whole)
