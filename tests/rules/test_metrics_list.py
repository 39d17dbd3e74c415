"""The list of metrics in docker/prometheus/metrics.md is the agent's own, and nothing else is spoken of anywhere."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.rules.agents import MadeUpAgent
from tests.rules.promql import DOCKER

LIST = DOCKER / "prometheus" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
SPEAKING = ["README.md", "dialplan/README.md", "docker/prometheus/metrics.md", "CHANGELOG.md"]


@pytest.fixture(scope="module")
def exposed() -> dict[str, tuple[str, str, str]]:
    """Every metric: its type, its labels and its help."""
    agent = MadeUpAgent(ill=True)
    agent.step()
    found = {}
    for family in text_string_to_metric_families(agent.metrics.text().decode()):
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, ", ".join(f"`{label}`" for label in sorted(labels)), family.documentation)
    return found


def test_the_list_is_the_agents(exposed: dict[str, tuple[str, str, str]]) -> None:
    rows = ROW.findall(LIST.read_text())
    listed = {name: (kind, labels, meaning) for name, kind, labels, meaning in rows}

    assert len(listed) == len(rows), "a metric is listed twice"
    assert listed == exposed


@pytest.mark.parametrize("file", SPEAKING)
def test_no_metric_is_spoken_of_that_is_not_there(file: str, exposed: dict[str, tuple[str, str, str]]) -> None:
    text = (Path(__file__).parents[2] / file).read_text()
    spoken = set(re.findall(r"\btelephony_[a-z_]+(?<!_)\b", text)) - {"telephony_agent"}

    assert {re.sub("_(bucket|sum|count)$", "", name) for name in spoken} <= exposed.keys()
