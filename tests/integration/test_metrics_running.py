"""`/metrics` of a running agent: everything is handed over, and a restart counts nothing twice."""

import asyncio
import time
from pathlib import Path

import pytest

from agent import app, world
from agent.config import Config, load
from agent.core.records import Emergency, Outcome, Purge
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.views.metrics import Metrics
from tests.integration.exposition import Samples, samples
from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, event, list_of

DESK = '[channels.desk]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = "0123456789abcdef"\n'


class Caught:
    """The metrics of the agents that ran, the last one last."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.all: list[Metrics] = []
        made = Metrics
        monkeypatch.setattr(app, "Metrics", lambda snapshot: self._keep(made(snapshot)))

    def _keep(self, metrics: Metrics) -> Metrics:
        self.all.append(metrics)
        return metrics

    async def until(self, name: str, labels: tuple[str, ...], value: float) -> Samples:
        """Poll, as Prometheus does, until a sample of the last agent has this value."""
        async with asyncio.timeout(60):
            while not self.all or (found := samples(self.all[-1])).get((name, labels)) != value:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return found


async def test_every_part_of_the_agent_is_there_from_the_first_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = Caught(monkeypatch)
    async with FakeAsterisk() as fake:
        agent = app.Agent(_config(tmp_path, fake.port))
        running = asyncio.create_task(agent.run())
        found = await caught.until("telephony_ami_session_in_step", ("bulk",), 1)
        agent.stop()
        await running
    assert found["telephony_emergencies_total", ("failed", "dialplan", "false")] == 0
    assert found["telephony_notices_total", ("desk", "sent")] == 0
    assert found["telephony_notice_failures_total", ("desk",)] == 0
    assert found["telephony_path_check_interval_seconds", ()] == 30
    assert found["telephony_probe_late_after_seconds", ()] == 15
    assert found["telephony_phones_by_reach", ("yes",)] == 0
    assert found["telephony_emergency_trunks", ("down",)] == 0
    assert found["telephony_journal_read_timestamp_seconds", ()] > 0
    assert found["telephony_recording_refusals_total", ("unsafe",)] == 0
    assert found["telephony_recording_marks_refused", ()] == 0
    assert ("telephony_voicemail_purge_interval_seconds", ()) not in found, "none is configured"


async def test_what_recordings_and_voicemail_need_is_seen_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = Caught(monkeypatch)
    for name in ("monitor", "spool"):
        (tmp_path / name).mkdir()
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    last_at = world.now_ms() - 3_600_000
    await store.commit([Purge(id="p", at=last_at, done_at=last_at + 1)], durable=True)
    await store.close()
    more = (
        '[recording]\nsocket = "door.sock"\nmonitor_dir = "monitor"\nstore_dir = "missing/store"\n'
        '[keys]\nsite_key_file = "key"\n[voicemail]\nspool_dir = "spool"\nevery_h = 12\n'
    )
    (tmp_path / "key").write_text("ab" * 32)
    (tmp_path / "key").chmod(0o600)
    async with FakeAsterisk() as fake:
        agent = app.Agent(_config(tmp_path, fake.port, more))
        running = asyncio.create_task(agent.run())
        await caught.until("telephony_recording_door_open", (), 1)
        assert await _asked(tmp_path / "door.sock", b"gibberish\n") == b'{"why": "odd"}\n'
        found = await caught.until("telephony_recording_refusals_total", ("odd",), 1)
        assert found["telephony_recording_vault_usable", ()] == 0
        assert found["telephony_voicemail_purge_interval_seconds", ()] == 43_200
        assert found["telephony_voicemail_purge_timestamp_seconds", ()] == last_at / 1000
        found = await caught.until("telephony_recording_free_needed_bytes", ("monitor",), 64 << 20)
        assert found["telephony_recording_free_bytes", ("monitor",)] > 0
        assert ("telephony_recording_free_bytes", ("store",)) not in found
        agent.stop()
        await running


async def _asked(place: Path, line: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(place)
    writer.write(line)
    answer = await reader.read()
    writer.close()
    return answer


async def test_an_emergency_is_counted_with_its_alarm_and_not_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught = Caught(monkeypatch)
    async with FakeAsterisk() as fake:
        agent = app.Agent(_config(tmp_path, fake.port))
        running = asyncio.create_task(agent.run())
        await caught.until("telephony_ami_session_in_step", ("bulk",), 1)
        await fake.until(lambda: sum(peer.listens for peer in fake.peers) >= 2)
        await fake.emit(*(_stage(stage) for stage in ("Dialled", "Failed", "Ended")))
        await caught.until("telephony_emergencies_total", ("failed", "dialplan", "false"), 1)
        found = await caught.until("telephony_notices_waiting", ("desk",), 1)
        assert found["telephony_alarms_open", ("emergency", "critical")] == 1
        assert ("telephony_alarm_unacknowledged_timestamp_seconds", ("emergency",)) in found
        await caught.until("telephony_notice_failures_total", ("desk",), 1)
        agent.stop()
        await running

        fake.replies["DBGetTree"] = _journal
        agent = app.Agent(_config(tmp_path, fake.port))
        running = asyncio.create_task(agent.run())
        found = await caught.until("telephony_journal_entries_waiting", (), 1)
        assert found["telephony_emergencies_total", ("failed", "dialplan", "false")] == 0
        assert found["telephony_emergencies_dialled_total", ("false",)] == 0
        assert found["telephony_alarms_open", ("emergency", "critical")] == 1
        assert found["telephony_journal_entries_recovered_total", ()] == 0, "it was heard before"
        agent.stop()
        await running
    with SqliteReader(tmp_path / "agent.sqlite") as reader:
        (call,) = (record for record in reader.read("emergency") if isinstance(record, Emergency))
    assert call.outcome is Outcome.FAILED


def _config(folder: Path, port: int, more: str = "") -> Config:
    for name, text in (("secret", SECRET), ("channels.toml", DESK)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    file = folder / "agent.toml"
    file.write_text(
        f'[ami]\nport = {port}\nsecret_file = "secret"\n[store]\nurl = "sqlite:///./agent.sqlite"\n'
        f'[http]\nlisten = "127.0.0.1:0"\n[alerts]\nchannels_file = "channels.toml"\n{more}'
    )
    return load(file, {})


FACTS = {
    "Stage": "Dialled",
    "Call": "1.0",
    "Number": "999",
    "At": f"{time.time():.3f}",
    "Uniqueid": "1.0",
    "Linkedid": "1.0",
}


def _stage(stage: str) -> bytes:
    channel = {"Channel": "PJSIP/201-00000001", "Uniqueid": FACTS["Uniqueid"], "Linkedid": FACTS["Linkedid"]}
    return event("UserEvent", **{**channel, "UserEvent": "Emergency", **FACTS, "Stage": stage})


def _journal(_: Peer, action: Action) -> list[bytes]:
    if action.get("Family") != "emergency-journal":
        return list_of(action, "DBGetTreeComplete")
    value = "|".join(f"{name}={text}" for name, text in FACTS.items())
    told = event("DBGetTreeResponse", Key="/emergency-journal/1.0/1.0-Dialled-0", Val=value)
    return list_of(action, "DBGetTreeComplete", told)
