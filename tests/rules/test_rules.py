"""Alert rules and dashboard: sound, tested both ways, and about metrics that the agent really has."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer
import yaml
from prometheus_client.parser import text_string_to_metric_families

from agent.cli import cli
from tests.rules.agents import MadeUpAgent
from tests.rules.promql import DASHBOARD, RULES, Selector, grouped, panels, rules, selectors

UNIT_TESTS = sorted(Path(__file__).parent.glob("*.yml"))
#: Every label there may be: none of them tells of a person.
LABELS = frozenset(
    "session lane kind vendor cause outcome was seen_by test trigger opted_in state version le certainty trunk result"
    " severity channel verdict context reach proof why kept_as reason use folder direction promise ground".split(),
)
#: Labels that Prometheus puts on, and series that it makes itself.
SCRAPED = {"instance": "pbx1", "job": "telephony-agent"}
OWN = {"up": [SCRAPED], "ALERTS": [{"alertname": "AgentDown", "alertstate": "firing", "severity": "critical"}]}
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in rules()] + list(panels())


def run(*command: str | Path, text: str | None = None) -> str:
    """What a program says; it must succeed."""
    result = subprocess.run([*map(str, command)], input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def exposition() -> str:
    """The text of /metrics of two agents' worth of traffic."""
    agent = MadeUpAgent(ill=True)
    agent.step()
    agent.step()
    return agent.metrics.text().decode()


@pytest.fixture(scope="module")
def series(exposition: str) -> dict[str, list[dict[str, str]]]:
    """The labels of every series by its name, as Prometheus stores them."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, []).append({**sample.labels, **SCRAPED})
    return found


def test_the_metrics_pass_promtool(promtool: str, exposition: str) -> None:
    assert run(promtool, "check", "metrics", text=exposition) == ""


def test_no_label_tells_of_a_person(series: dict[str, list[dict[str, str]]]) -> None:
    found = {label for rows in series.values() for labels in rows for label in labels}

    assert found - set(SCRAPED) <= LABELS


def test_no_label_holds_a_value_of_the_traffic(series: dict[str, list[dict[str, str]]]) -> None:
    values = " ".join(value for rows in series.values() for labels in rows for value in labels.values())

    assert not re.search("20[123]|203[.]0|999|T46U|D785", values)


def test_the_rules_pass_promtool(promtool: str) -> None:
    run(promtool, "check", "rules", RULES)


def test_prometheus_takes_its_configuration(promtool: str) -> None:
    run(promtool, "check", "config", RULES.with_name("prometheus.yml"))


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_rules_do_as_their_unit_tests_say(promtool: str, file: Path) -> None:
    assert "SUCCESS" in run(promtool, "test", "rules", file)


@pytest.mark.parametrize("alert", [rule["alert"] for rule in rules()])
def test_an_alert_is_shown_firing_and_not_firing(alert: str) -> None:
    checks = [
        check
        for file in UNIT_TESTS
        for case in yaml.safe_load(file.read_text())["tests"]
        for check in case["promql_expr_test"]
    ]
    expected = [
        any(f'alertname="{alert}"' in sample["labels"] for sample in check.get("exp_samples", ()))
        for check in checks
        if re.fullmatch(_named(check["expr"]), alert)
    ]

    assert set(expected) == {True, False}


def _named(expression: str) -> str:
    (selector,) = selectors(expression)
    return next(value for label, _, value in selector.matchers if label == "alertname")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_to_do(rule: dict[str, dict[str, str]], series: dict[str, list[dict[str, str]]]) -> None:
    annotations = rule["annotations"]
    first = selectors(str(rule["expr"]))[0]
    kept = grouped(str(rule["expr"])) or set({**OWN, **series}[first.metric][0])

    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(annotations) == {"summary", "description"}
    assert annotations["summary"].endswith(".")
    assert annotations["description"].endswith((".", "?"))
    assert set(re.findall(r"\$labels\.(\w+)", " ".join(annotations.values()))) <= kept


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_names_commands_that_there_are(rule: dict[str, dict[str, str]]) -> None:
    description = rule["annotations"]["description"]
    named = re.findall(r'"telephony-agent ([^"]+)"', description)
    assert len(named) == description.count("telephony-agent ")
    for words in named:
        command, rest = typer.main.get_command(cli), words.split()
        while isinstance(command, typer.core.TyperGroup):
            command = command.commands[rest.pop(0)]
        # It is wrong usage to leave out what a command cannot do without.
        command.make_context(command.name, rest)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_an_expression_names_series_that_the_agent_has(
    where: str, expression: str, series: dict[str, list[dict[str, str]]]
) -> None:
    known = {**OWN, **series}
    asked = selectors(expression)

    assert asked
    for selector in asked:
        assert selector.metric in known
        labels = {label for row in known[selector.metric] for label in row}
        assert {label for label, _, _ in selector.matchers} <= labels
        assert any(selector.selects(row) for row in known[selector.metric]), selector
        assert grouped(expression) <= labels


def test_what_an_expression_asks_for_is_found() -> None:
    expression = 'sum by (instance, le) (increase(a_bucket{x="1", y=~"2|3"}[5m] offset 1h)) > 5 unless b and c{z!="4"}'

    assert grouped(expression) == {"instance", "le"}
    assert selectors(expression) == [
        Selector(metric="a_bucket", matchers=(("x", "=", "1"), ("y", "=~", "2|3"))),
        Selector(metric="b", matchers=()),
        Selector(metric="c", matchers=(("z", "!=", "4"),)),
    ]


def test_every_panel_query_is_promql(promtool: str, tmp_path: Path) -> None:
    recorded = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(panels())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))

    assert len(recorded) > 20
    run(promtool, "check", "rules", file)


def test_prometheus_keeps_as_much_as_is_asked_for() -> None:
    days = {int(found) for _, expression in EXPRESSIONS for found in re.findall(r"\[(\d+)d\]", expression)}
    compose = yaml.safe_load((DASHBOARD.parents[2] / "compose.yaml").read_text())
    (kept,) = re.findall(r"retention\.time=(\d+)d", " ".join(compose["services"]["prometheus"]["command"]))

    assert int(kept) > max(days)


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    own = {"row", "stat", "timeseries"}
    numbers = [panel["id"] for panel in dashboard["panels"]]
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    provisioned = yaml.safe_load(
        (DASHBOARD.parents[1] / "provisioning" / "datasources" / "prometheus.yaml").read_text()
    )

    assert {panel["type"] for panel in dashboard["panels"]} <= own
    assert len(numbers) == len(set(numbers))
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(x for x, _ in cells) < 24
    for panel in dashboard["panels"]:
        assert panel.get("description", "-"), panel["title"]
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == provisioned["datasources"][0]["uid"]
