"""One figure of a benchmark, from its samples to the line that is printed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """`value` is the median where there are samples; percentiles are of `n` samples, in `unit`."""

    name: str
    value: float
    unit: str
    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None

    def line(self) -> str:
        """One JSON object; what does not apply is left out."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})


def of_samples(name: str, samples: Sequence[float], unit: str = "ms") -> Figure:
    """The figure of `samples`, nearest rank.

    Raises ValueError when there are none.
    """
    if not samples:
        raise ValueError(f"{name}: no samples")
    ranked = sorted(samples)

    def rank(percent: int) -> float:
        return round(ranked[max(0, -(-len(ranked) * percent // 100) - 1)], 3)

    return Figure(
        name=name, value=rank(50), unit=unit, n=len(ranked), p50=rank(50), p95=rank(95), p99=rank(99), max=rank(100)
    )


def ratio(name: str, above: Figure, below: Figure) -> Figure:
    """How many times `below` the median of `above` is, both of one run."""
    return Figure(name=name, value=round(above.value / below.value, 3), unit="ratio", n=min(above.n, below.n))


def p99_ratio(name: str, above: Figure, below: Figure) -> Figure:
    """As `ratio`, of the 99 % of both."""
    assert above.p99 is not None
    assert below.p99 is not None
    return Figure(name=name, value=round(above.p99 / below.p99, 3), unit="ratio", n=min(above.n, below.n))
