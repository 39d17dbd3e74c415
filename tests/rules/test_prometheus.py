"""A real Prometheus scrapes the agent's real metrics under the real configuration, and answers every panel."""

import json
import math
import re
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from tests.rules.agents import MadeUpAgent
from tests.rules.promql import RULES, panels, rules

WAIT_S = 60.0
#: What an agent that has no session and no store, and a call up, cannot have, answering all the same.
NOT_ILL = {"AgentDown", "ExpressSessionUnfiltered", "JournalNotDrained", "JournalNotRead"}
ALERTS = {rule["alert"] for rule in rules()}
#: Scrapes, a second apart, after which every rule has been evaluated.
JUDGED_WITHIN = 10


class Exposed:
    """A made-up agent's /metrics on a port of its own; each scrape is a step of the agent."""

    def __init__(self, agent: MadeUpAgent) -> None:
        self._scraped = threading.Condition()
        self._scrapes = 0
        exposed = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                agent.step()
                text = agent.metrics.text()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.end_headers()
                self.wfile.write(text)
                exposed._count()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.target = f"127.0.0.1:{self._server.server_port}"

    def _count(self) -> None:
        with self._scraped:
            self._scrapes += 1
            self._scraped.notify_all()

    def scraped(self, more: int) -> None:
        """Waits for so many more scrapes: all but the last are then stored."""
        with self._scraped:
            wanted = self._scrapes + more
            assert self._scraped.wait_for(lambda: self._scrapes >= wanted, WAIT_S), "Prometheus does not scrape"

    @contextmanager
    def running(self) -> Iterator["Exposed"]:
        """Serves until it is left."""
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class Api:
    """Prometheus' HTTP API."""

    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer, which must be a success."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            body = json.load(answer)
        assert body["status"] == "success", body
        return body["data"]

    def values(self, expression: str) -> list[float]:
        """The value of each series that an instant query finds."""
        return [float(found["value"][1]) for found in self.get("query", query=expression)["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its health and its alerts."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]


def configuration(targets: dict[str, list[str]], interval: str) -> str:
    """The shipped configuration, its targets replaced by job, its clock faster."""
    config = yaml.safe_load(RULES.with_name("prometheus.yml").read_text())
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    config["rule_files"] = [str(RULES.with_name(name)) for name in config["rule_files"]]
    for scrape in config["scrape_configs"]:
        scrape["static_configs"][0]["targets"] = targets[scrape["job_name"]]
    return yaml.safe_dump(config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A Prometheus, and the agents that it scrapes, by their label instance."""

    api: Api
    well: str
    ill: str

    def alerting(self, instance: str) -> set[str]:
        """The alerts of an instance that fire or are about to."""
        alerts = self.api.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["labels"]["instance"] == instance}


@pytest.fixture(scope="module")
def watched(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A Prometheus that has scraped an agent that is well and one that is ill, and has judged its rules."""
    folder = tmp_path_factory.mktemp("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with Exposed(MadeUpAgent(ill=False)).running() as well, Exposed(MadeUpAgent(ill=True)).running() as ill:
        targets = {"telephony-agent": [well.target, ill.target], "prometheus": [address]}
        (folder / "prometheus.yml").write_text(configuration(targets, "1s"))
        command = [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([*command, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            result = Watched(api=Api(address), well=well.target, ill=ill.target)
            well.scraped(4)
            ill.scraped(1)
            for _ in range(JUDGED_WITHIN):
                if result.alerting(ill.target) >= ALERTS - NOT_ILL:
                    break
                ill.scraped(1)
            yield result
        finally:
            process.terminate()
            process.wait(WAIT_S)


@pytest.mark.parametrize(("panel", "query"), list(panels()))
def test_a_panel_shows_something(watched: Watched, panel: str, query: str) -> None:
    values = watched.api.values(query)

    assert values
    assert all(math.isfinite(value) for value in values)


def test_every_rule_is_sound(watched: Watched) -> None:
    assert {rule["name"]: (rule["health"], rule.get("lastError")) for rule in watched.api.rules()} == dict.fromkeys(
        ALERTS, ("ok", None)
    )


def test_an_agent_that_is_ill_raises_every_alert(watched: Watched) -> None:
    assert watched.alerting(watched.ill) == ALERTS - NOT_ILL


def test_an_agent_that_is_well_raises_none(watched: Watched) -> None:
    assert watched.alerting(watched.well) == set()


def test_what_an_alert_says_is_filled_in(watched: Watched) -> None:
    for alert in watched.api.get("alerts")["alerts"]:
        for text in alert["annotations"].values():
            assert not re.search(r"\{\{|error expanding|no value|%!", text), text
            assert "  " not in text
