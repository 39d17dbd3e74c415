"""What a PromQL expression asks for: its metrics, its matchers and its labels (promtool judges the syntax)."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).parents[2] / "docker"
RULES = DOCKER / "prometheus" / "rules.yml"
DASHBOARD = DOCKER / "grafana" / "dashboards" / "telephony.json"

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_TIMES = re.compile(r"\[[^\]]*\]|\boffset\s+\S+")
_NAME = re.compile(r"\b([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\}|(\())?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_WORDS = frozenset(("and", "or", "unless", "bool"))
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "=~": lambda value, wanted: re.fullmatch(wanted, value) is not None,
    "!~": lambda value, wanted: re.fullmatch(wanted, value) is None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """A metric with its matchers: (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a series of this metric with these labels is among what it asks for."""
        return all(_TESTS[operator](labels.get(label, ""), value) for label, operator, value in self.matchers)


def selectors(expression: str) -> list[Selector]:
    """Every selector, from left to right."""
    found = []
    for name, matchers, call in _NAME.findall(_TIMES.sub("", _GROUPING.sub("", expression))):
        if not call and name not in _WORDS:
            found.append(Selector(metric=name, matchers=tuple(_MATCHER.findall(matchers))))
    return found


def grouped(expression: str) -> set[str]:
    """Every label that something is grouped by."""
    return {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",")}


def rules() -> list[dict[str, Any]]:
    """Every alert rule as it stands in the file."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, Grafana's variables filled in, beside its panel's title."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$instance", ".*")
            yield panel["title"], query.replace("$__rate_interval", "1m").replace("$__range", "6h")
