"""Cells that a spreadsheet takes for text, and that come back as they were."""

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.spreadsheet import original, row, safe


@pytest.mark.parametrize("text", ["=1+1", "+441134960100", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=1"])
def test_no_cell_begins_a_formula_and_each_comes_back(text: str) -> None:
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert original(safe(text)) == text


@given(st.lists(st.none() | st.integers() | st.text(), min_size=1))
def test_a_row_is_one_row_whose_cells_come_back(cells: list[object]) -> None:
    (found,) = csv.reader(StringIO(row(cells), newline=""), strict=True)
    texts = ["" if cell is None else str(cell) for cell in cells]
    assert [
        original(cell) if isinstance(known, str) else cell for cell, known in zip(found, cells, strict=True)
    ] == texts
