"""Figures for planning: nobody can be read from any of them, alone or together."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.aggregates import SETTLED_MS, Calls, Cell, by_day, devices, folded, settled, traffic
from agent.core.instants import from_rfc3339
from agent.core.purging import DAY_MS
from agent.core.records import Direction, NumberClass, Traffic

DAY = from_rfc3339("2026-11-20T00:00:00Z")
K = 3

KEYS = st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.sampled_from("ef"))
CELLS = st.dictionaries(
    KEYS,
    st.builds(
        lambda lines, count: Cell(lines=frozenset(lines), counts=(count,)),
        st.sets(st.integers(0, 8).map(str), max_size=5),
        st.integers(1, 9),
    ),
)
Key = tuple[str | None, str | None, str | None]
STEPS = (lambda key: (key[0], key[1], None), lambda key: (key[0], None, None), lambda _: (None, None, None))


def within(fine: Key, coarse: Key) -> bool:
    return all(part is None or part == mine for mine, part in zip(fine, coarse, strict=True))


@given(CELLS)
def test_no_cell_is_of_too_few_and_folding_loses_nothing_but_what_is_left_out(cells: dict[Key, Cell]) -> None:
    shown = folded(cells, STEPS, K)
    assert all(len(cell.lines) >= K for cell in shown.values())
    everything, kept = sum(cell.counts[0] for cell in cells.values()), sum(cell.counts[0] for cell in shown.values())
    # what is left out is of too few lines altogether, and the same for whoever looks
    if kept < everything:
        whole = {key for key, cell in cells.items() if len(cell.lines) >= K}
        assert whole <= set(shown)
        assert (None, None, None) not in shown
    for key, cell in cells.items():
        if len(cell.lines) >= K:
            assert shown[key] == cell


@given(CELLS)
def test_each_cell_is_in_one_figure_at_the_most(cells: dict[Key, Cell]) -> None:
    shown = folded(cells, STEPS, K)
    for key, figure in shown.items():
        inside = [
            cell
            for fine, cell in cells.items()
            if within(fine, key)
            and (fine == key or fine not in shown)
            # not in a finer figure already
            and not any(other != key and within(fine, other) and _finer(other, key) for other in shown)
        ]
        assert figure.counts[0] == sum(cell.counts[0] for cell in inside)
        assert figure.lines == frozenset().union(*(cell.lines for cell in inside))


def _finer(one: Key, other: Key) -> bool:
    return sum(part is None for part in one) < sum(part is None for part in other)


@given(CELLS)
def test_no_difference_of_figures_is_of_too_few(cells: dict[Key, Cell]) -> None:
    """A total is the sum of what is shown: taking any shown ones away from it leaves shown ones."""
    shown = folded(cells, STEPS, K)
    total = sum(cell.counts[0] for cell in shown.values())
    left_out = [cell for fine, cell in cells.items() if not any(within(fine, key) for key in shown)]
    assert total <= sum(cell.counts[0] for cell in cells.values()) - sum(cell.counts[0] for cell in left_out)


CALLS = st.lists(
    st.builds(
        Calls,
        hour=st.integers(0, 3),
        direction=st.sampled_from(Direction),
        number_class=st.sampled_from([NumberClass.MOBILE, NumberClass.GEOGRAPHIC]),
        line=st.none() | st.integers(0, 12).map(str),
        attempts=st.integers(1, 5),
        answered=st.integers(0, 1),
        carried_s=st.integers(0, 500),
    ),
    max_size=60,
)


@given(CALLS)
def test_no_figure_of_traffic_is_of_fewer_than_ten_lines(calls: Sequence[Calls]) -> None:
    figures = traffic(DAY, calls)
    assert all(figure.lines >= 10 for figure in figures)
    assert len({figure.id for figure in figures}) == len(figures)
    assert sum(figure.attempts for figure in figures) <= sum(each.attempts for each in calls)
    if any(figure.direction is None for figure in figures):
        assert sum(figure.attempts for figure in figures) == sum(each.attempts for each in calls)
    assert traffic(DAY, reversed(calls)) == figures or Counter(traffic(DAY, reversed(calls))) == Counter(figures)


def calls(lines: int, hour: int = 9, **changes: object) -> list[Calls]:
    values: dict[str, object] = {
        "direction": Direction.OUTGOING,
        "number_class": NumberClass.MOBILE,
        "attempts": 2,
        "answered": 1,
        "carried_s": 180,
    }
    return [Calls(hour=hour, line=f"{n}", **(values | changes)) for n in range(lines)]  # type: ignore[arg-type]


def test_what_is_too_few_for_its_hour_is_told_for_the_day_and_else_not_at_all() -> None:
    figures = traffic(
        DAY,
        [
            *calls(12),
            *calls(6, 10),
            *calls(11, 11)[6:],
            *calls(3, 12, direction=Direction.INCOMING),
        ],
    )
    assert [(each.clock_hour, each.direction, each.lines, each.attempts) for each in figures] == [
        (9, "outgoing", 12, 24),
        (None, "outgoing", 11, 22),
    ]


def test_a_day_is_summed_up_from_what_is_shown_alone() -> None:
    (day,) = by_day(traffic(DAY, [*calls(10), *calls(20, 10), *calls(9, 11, direction=Direction.INTERNAL)]))
    assert (day.day_at, day.attempts, day.asr, day.unplaced) == (DAY, 60, 0.5, 0)
    assert (day.busy_hour, day.busy_erlangs, day.erlangs) == (10, 1.0, 0.062)


def test_a_day_of_which_no_hour_is_shown_has_no_busy_hour() -> None:
    figures = traffic(DAY, [*calls(6, 10), *calls(12, 11)[6:]])
    (day,) = by_day(figures)
    assert (day.busy_hour, day.busy_erlangs, day.unplaced, day.attempts) == (None, None, 24, 24)
    assert by_day([]) == []


def test_a_make_of_device_that_few_have_is_told_with_others() -> None:
    phones = [
        *(("Yealink", "T46S", "66", f"{n}") for n in range(10)),
        *(("Yealink", "T46S", "65", f"{n}") for n in range(5)),
        *(("Yealink", "T46S", "64", f"{n}") for n in range(5, 11)),
        *(("Snom", "D785", "10", f"{n}") for n in range(9)),
    ]
    found = {(each.vendor, each.model, each.firmware): each.lines for each in devices(DAY, phones)}
    assert found == {("Yealink", "T46S", "66"): 10, ("Yealink", "T46S", None): 11}
    # the same line on two firmwares is one line
    assert devices(DAY, [("Snom", "D785", str(n), "201") for n in range(50)]) == []


@pytest.mark.parametrize(
    ("now", "term_ms", "expected"),
    [
        (DAY + DAY_MS - 1, DAY_MS, False),
        (DAY + DAY_MS, DAY_MS, True),
        (DAY + DAY_MS, 30 * DAY_MS, False),
        (DAY + DAY_MS + SETTLED_MS - 1, 30 * DAY_MS, False),
        (DAY + DAY_MS + SETTLED_MS, 30 * DAY_MS, True),
    ],
)
def test_a_day_waits_for_what_is_told_late_but_not_until_it_goes(now: int, term_ms: int, expected: bool) -> None:
    assert settled(DAY, term_ms, now) is expected


def test_a_figure_says_of_how_many_lines_it_is() -> None:
    (figure,) = traffic(DAY, calls(10))
    assert isinstance(figure, Traffic)
    assert figure.lines == 10
