"""The figures of growth, from standard input, as a picture on standard output (SVG)."""

import json
import sys
from collections.abc import Iterable
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 700, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 470, 20, 290
_CURVES = {
    "purge": ("#b5482e", "one day's purge, by the clock"),
    "export": ("#2f7d4f", "an account's year, processor time"),
    "query": ("#2b64b0", "an account's month, processor time"),
}
_SECONDS = {"ms": 0.001, "s": 1.0}
_TICKS = {-3: "1 ms", -2: "10 ms", -1: "0.1 s", 0: "1 s", 1: "10 s", 2: "100 s", 3: "1000 s", 4: "10,000 s"}


def svg(lines: Iterable[str]) -> str:
    """The picture of the ``growth_<what>_<rows>`` among ``lines`` (one figure as JSON each): seconds by rows, both
    axes logarithmic; dashed: what would grow with the rows.
    """
    curves: dict[str, list[tuple[float, float]]] = {what: [] for what in _CURVES}
    for figure in map(json.loads, lines):
        family, _, rest = figure["name"].partition("_")
        what, _, rows = rest.rpartition("_")
        if family == "growth" and what in curves:
            curves[what].append((log10(int(rows)), log10(figure["value"] * _SECONDS[figure["unit"]])))
    points = [point for curve in curves.values() for point in curve]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = floor(min(y for _, y in points)), ceil(max(y for _, y in points))

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        across, up = (x - first) / (last - first), (y - low) / (high - low)
        return round(_LEFT + 20 + across * (_RIGHT - _LEFT - 40), 1), round(_BOTTOM - up * (_BOTTOM - _TOP), 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"',
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for tick in range(low, high + 1):
        _, y = at((first, tick))
        parts += [
            f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#333">{_TICKS[tick]}</text>',
        ]
    for x in sorted({x for x, _ in points}):
        across, _ = at((x, low))
        parts.append(
            f'<text x="{across}" y="{_BOTTOM + 20}" text-anchor="middle" fill="#333">{round(10**x):,} calls</text>'
        )
    for what, (colour, words) in _CURVES.items():
        curve = sorted(curves[what])
        path = " ".join(f"{x},{y}" for x, y in map(at, curve))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in map(at, curve)]
        _, y = at(curve[-1])
        parts.append(f'<text x="{_RIGHT + 8}" y="{y + 4}" fill="{colour}">{words}</text>')
    from_x, from_y = min(curves["purge"])
    (x1, y1), (x2, y2) = at((from_x, from_y)), at((last, from_y + last - from_x))
    parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#888" stroke-dasharray="4 4"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(svg(sys.stdin))
