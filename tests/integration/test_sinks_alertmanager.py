"""Alarms in a real Alertmanager: what it holds, what it calls over, and what is in no label."""

import asyncio
import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.core.instants import rfc3339
from agent.core.records import Cause, Severity
from agent.ports import ChannelError, Receipt, Reminded
from agent.sinks.alertmanager import Alertmanager
from tests.integration.notices import Words, alarm, notice
from tests.integration.web_ear import listening
from tests.lab.provision import die_with_parent

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
TOOLS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "telephony-agent" / "tools"


@dataclass(slots=True)
class Running:
    """An Alertmanager of the test's own."""

    url: str

    def _firing(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts") as answer:
            found: list[dict[str, Any]] = json.load(answer)
        return found

    async def until(self, count: int) -> list[dict[str, Any]]:
        """So many alerts that are firing, waited for."""
        async with asyncio.timeout(WAIT_S):
            while len(found := await asyncio.to_thread(self._firing)) != count:  # noqa: ASYNC110 - it does not say
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def running(folder: Path, settings: str) -> AsyncIterator[Running]:
    program = shutil.which("alertmanager", path=f"{os.environ['PATH']}:{TOOLS}")
    if program is None:
        pytest.fail("alertmanager is missing: make tools, or apt-get install prometheus-alertmanager")
    config = folder / "alertmanager.yml"
    config.write_text(settings)
    process = await asyncio.create_subprocess_exec(
        *(*die_with_parent(), program, f"--config.file={config}", f"--storage.path={folder}"),
        *("--web.listen-address=127.0.0.1:0", "--cluster.listen-address="),
        cwd=Path(program).parent,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    log = ""
    async with asyncio.timeout(WAIT_S):
        while (address := re.search(r'msg="Listening on" address=(127\.0\.0\.1:\d+)', log)) is None:
            line = (await process.stderr.readline()).decode()
            assert line, log
            log += line
    reading = asyncio.create_task(process.stderr.read())
    try:
        yield Running(f"http://{address[1]}")
    finally:
        process.kill()
        await process.wait()
        await reading


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[Running]:
    settings = "global: {resolve_timeout: 2s}\nroute: {receiver: desk}\nreceivers: [{name: desk}]\n"
    async with running(tmp_path, settings) as alertmanager:
        yield alertmanager


@pytest.fixture
def raised_at() -> int:
    """A moment ago: Alertmanager judges what fires by its own clock."""
    return time.time_ns() // 1_000_000 - 1_000


async def test_an_emergency_fires_and_says_nothing_of_a_person(alertmanager: Running, raised_at: int) -> None:
    channel = Alertmanager(alertmanager.url, every_s=60)
    assert await channel.send(Words(), alarm(raised_at=raised_at), notice()) is Receipt.DELIVERED
    (alert,) = await alertmanager.until(1)
    assert alert["labels"] == {
        "alertname": "TelephonyEmergency",
        "severity": "critical",
        "cause": "emergency",
        "alarm": "a1",
        "test": "false",
    }
    assert alert["annotations"] == {"summary": "call to 999: calling", "level": "1"}
    assert alert["startsAt"] == rfc3339(raised_at)
    assert not any(word in json.dumps(alert) for word in ("201", "Leeds", "Wellington"))


async def test_details_on_request_are_annotations(alertmanager: Running, raised_at: int) -> None:
    channel = Alertmanager(f"{alertmanager.url}/", every_s=60, details=True)
    await channel.send(Words(), alarm(raised_at=raised_at), notice())
    (alert,) = await alertmanager.until(1)
    assert alert["annotations"]["summary"] == Words().title
    assert alert["annotations"]["description"] == Words().body
    assert not any(word in json.dumps(alert["labels"]) for word in ("201", "Leeds", "Wellington"))


async def test_a_second_emergency_is_another_alert(alertmanager: Running, raised_at: int) -> None:
    channel = Alertmanager(alertmanager.url, every_s=60)
    await channel.send(Words(), alarm(raised_at=raised_at), notice())
    await channel.send(Words(), alarm("a2", raised_at=raised_at), notice("n2", alarm="a2"))
    await channel.send(Words(), alarm(raised_at=raised_at, level=2), notice("n3"))
    assert {alert["labels"]["alarm"] for alert in await alertmanager.until(2)} == {"a1", "a2"}


@pytest.mark.parametrize(
    "end",
    [
        {"cleared_at": 500, "closed_at": 600},
        {"cleared_at": 500, "acknowledged_at": 400},
        {"closed_at": 0},
        {"closed_at": -5},
    ],
)
async def test_what_ends_is_resolved(alertmanager: Running, raised_at: int, end: dict[str, int]) -> None:
    channel = Alertmanager(alertmanager.url, every_s=60)
    await channel.send(Words(), alarm(raised_at=raised_at), notice())
    await alertmanager.until(1)
    changes: dict[str, object] = {name: raised_at + after for name, after in end.items()}
    ended = alarm(**changes, raised_at=raised_at)
    await channel.send(Words(), ended, notice("n2"))
    await alertmanager.until(0)


async def test_an_emergency_that_nobody_has_seen_goes_on_firing_when_the_call_is_over(
    alertmanager: Running, raised_at: int
) -> None:
    channel = Alertmanager(alertmanager.url, every_s=60)
    over = alarm(raised_at=raised_at, cleared_at=raised_at + 500)
    trunk = alarm("a2", raised_at=raised_at, cleared_at=raised_at + 500, cause=Cause.TRUNK, severity=Severity.WARNING)
    await channel.send(Words(), over, notice())
    await channel.send(Words(), trunk, notice("n2", alarm="a2", cause=Cause.TRUNK))
    (alert,) = await alertmanager.until(1)
    assert alert["labels"]["alarm"] == "a1"


async def test_it_forgets_what_it_is_not_reminded_of(alertmanager: Running, raised_at: int) -> None:
    channel = Alertmanager(alertmanager.url, every_s=60)
    assert isinstance(channel, Reminded)
    told = [(Words(), alarm(id, raised_at=raised_at)) for id in ("a1", "a2")]
    await channel.remind(told)
    await alertmanager.until(2)
    # the fixture's resolve_timeout is 2 s
    await alertmanager.until(0)
    await channel.remind(told)
    assert {alert["startsAt"] for alert in await alertmanager.until(2)} == {rfc3339(raised_at)}


async def test_a_refusal() -> None:
    with listening() as ear:
        ear.answers = [400]
        with pytest.raises(ChannelError) as caught:
            await Alertmanager(ear.url("/am"), every_s=60).send(Words(), alarm(), notice())
        assert caught.value.kind == "http_400"
        assert ear.requests[0].path == "/am/api/v2/alerts"


async def test_under_the_example_route_every_emergency_is_called_over_by_itself(tmp_path: Path, raised_at: int) -> None:
    with listening() as desk:
        example = (ROOT / "docker" / "alertmanager.yml.example").read_text()
        assert "http://127.0.0.1:9095/desk" in example
        async with running(tmp_path, example.replace("http://127.0.0.1:9095/desk", desk.url())) as alertmanager:
            channel = Alertmanager(alertmanager.url, every_s=60)
            rehearsal = alarm("r1", raised_at=raised_at, test=True, cause=Cause.REHEARSAL)
            await channel.send(Words(), rehearsal, notice("n0"))
            await channel.send(Words(), alarm("a1", raised_at=raised_at), notice("n1"))
            await channel.send(Words(), alarm("a2", raised_at=raised_at), notice("n2"))
            for _ in range(2):
                assert await asyncio.to_thread(desk.came.acquire, timeout=WAIT_S)
    called = [json.loads(request.body) for request in desk.requests]
    assert sorted(body["groupLabels"]["alarm"] for body in called) == ["a1", "a2"]
    assert all(len(body["alerts"]) == 1 for body in called)
