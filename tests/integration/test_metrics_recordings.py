"""Recordings and voicemail in `/metrics`: what the agent says of itself, and folds over contents, uses and purges."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.assembly.status import Folders, purges
from agent.config import load
from agent.core.records import Access, Content, ContentClass, ContentState, Purge, Reason, Use
from agent.ports import StoreError
from agent.stores.monitor import Monitor
from agent.stores.sqlite import SqliteReader, SqliteStore
from agent.views.metrics import Metrics
from tests.integration.exposition import RECORDER, SNAPSHOT, Samples, after, samples, snapshot

KEPT = Content(
    id="0123456789abcdef",
    line="201",
    kept_as=ContentClass.USER,
    state=ContentState.KEPT,
    began_at=500,
    stored_at=1_000,
    size_bytes=8_044,
    duration_ms=500,
    sha256="ab",
    key="k",
)
EXPIRED = replace(KEPT, state=ContentState.DELETED, deleted_at=9_000, reason=Reason.EXPIRED)
PURGE = Purge(id="p1", at=50_000)
DONE = replace(PURGE, done_at=60_000, mailboxes=9, heard=3, unheard=2, trashed=1, leftover=4, kept=7, due=5, failed=6)


def test_what_the_agent_says_of_recordings() -> None:
    found = after()
    assert found["telephony_recording_grants_total", ()] == 21
    assert found["telephony_recording_refusals_total", ("unsafe",)] == 22
    assert found["telephony_recording_refusals_total", ("odd",)] == 23
    assert found["telephony_recording_refusals_total", ("emergency",)] == 0
    assert found["telephony_recording_optins_standing", ("service",)] == 24
    assert found["telephony_recording_optins_standing", ("pa",)] == 0
    assert found["telephony_recording_optins_unbelieved_total", ()] == 25
    assert found["telephony_recordings_unasked_total", ()] == 26
    assert found["telephony_recordings_unasked_unstopped_total", ()] == 27
    assert found["telephony_recordings_unasked_undestroyed_total", ()] == 28
    assert found["telephony_recording_order_failures_total", ()] == 29
    assert found["telephony_recordings_sealed_total", ()] == 30
    assert found["telephony_recordings_sealing", ()] == 31
    assert found["telephony_recording_seal_failures_total", ()] == 32
    assert found["telephony_recording_keeping", ()] == 1
    assert found["telephony_recording_strays_total", ()] == 33
    assert found["telephony_recording_sweep_failures_total", ()] == 34
    assert found["telephony_recording_vault_usable", ()] == 1
    assert found["telephony_recording_door_open", ()] == 1
    assert found["telephony_recording_monitor_in_memory", ()] == 1
    assert found["telephony_recording_free_bytes", ("monitor",)] == 35
    assert found["telephony_recording_free_bytes", ("store",)] == 36
    assert found["telephony_recording_free_needed_bytes", ("store",)] == 37
    assert found["telephony_recording_marks_refused", ()] == 0


def test_what_is_not_configured_raises_no_alert_by_a_zero() -> None:
    recorder = replace(RECORDER, vault_usable=None, door_open=None, in_memory=None, free_bytes={})
    found = samples(Metrics(lambda: replace(SNAPSHOT, recorder=recorder, purged_every_s=None)))
    names = {name for name, _ in found}
    assert "telephony_recording_grants_total" in names
    assert not names & {
        "telephony_recording_vault_usable",
        "telephony_recording_door_open",
        "telephony_recording_monitor_in_memory",
        "telephony_recording_free_bytes",
        "telephony_recording_free_needed_bytes",
        "telephony_voicemail_purge_timestamp_seconds",
        "telephony_voicemail_purge_interval_seconds",
    }


def gone(found: Samples, state: str, reason: str) -> float:
    return found["telephony_recording_contents_gone_total", (reason, state)]


def test_an_alert_sees_the_zero_before_the_first() -> None:
    found = after()
    assert (
        gone(found, "lost", "missing") == gone(found, "shredded", "unasked") == gone(found, "deleted", "erasure") == 0
    )
    assert found["telephony_recording_contents_kept_total", ("pa",)] == 0
    assert found["telephony_recording_accesses_total", ("exported",)] == 0
    assert found["telephony_recording_unasked_stop_seconds_count", ()] == 0
    assert found["telephony_voicemail_deleted_total", ("unheard",)] == 0


def test_a_content_counts_once_when_it_is_kept_and_once_when_it_goes() -> None:
    found = after(KEPT, KEPT, EXPIRED, EXPIRED)
    assert found["telephony_recording_contents_kept_total", ("user",)] == 1
    assert gone(found, "deleted", "expired") == 1
    other = replace(KEPT, id="f" * 16, kept_as=None, state=ContentState.SHREDDED, reason=Reason.UNASKED)
    lost = replace(KEPT, id="e" * 16, state=ContentState.LOST, reason=Reason.MISSING)
    found = after(other, lost)
    assert gone(found, "shredded", "unasked") == gone(found, "lost", "missing") == 1
    assert found["telephony_recording_contents_kept_total", ("user",)] == 0


def test_each_use_counts() -> None:
    played = Access(id="a", at=1, by="Ann", recording=KEPT.id, use=Use.PLAYED, reason="asked")
    found = after(played, replace(played, id="b"), replace(played, id="c", use=Use.DELETED))
    assert found["telephony_recording_accesses_total", ("played",)] == 2
    assert found["telephony_recording_accesses_total", ("deleted",)] == 1


def test_how_soon_what_nobody_asked_for_is_stopped() -> None:
    metrics = Metrics(snapshot)
    metrics.stopped(0.004)
    found = samples(metrics)
    assert found["telephony_recording_unasked_stop_seconds_bucket", ("0.005",)] == 1
    assert found["telephony_recording_unasked_stop_seconds_bucket", ("0.0025",)] == 0


def test_a_purge_counts_when_it_is_through() -> None:
    found = after(PURGE)
    assert found["telephony_voicemail_purge_timestamp_seconds", ()] == 0
    assert found["telephony_voicemail_purge_interval_seconds", ()] == 86_400
    assert ("telephony_voicemail_kept", ()) not in found
    found = after(PURGE, DONE, DONE)
    assert found["telephony_voicemail_purge_timestamp_seconds", ()] == 50
    deleted = {name: found["telephony_voicemail_deleted_total", (name,)] for name in ("heard", "unheard", "trashed")}
    assert deleted == {"heard": 3, "unheard": 2, "trashed": 1}
    assert found["telephony_voicemail_kept", ()] == 7
    assert found["telephony_voicemail_due", ()] == 5
    assert found["telephony_voicemail_failed", ()] == 6


def test_a_short_purge_of_a_few_mailboxes_says_nothing_of_the_rest() -> None:
    short = replace(DONE, id="p2", at=70_000, mailboxes=1, heard=1, kept=1, due=0, failed=0)
    found = after(PURGE, DONE, short)
    assert found["telephony_voicemail_kept", ()] == 7
    assert found["telephony_voicemail_failed", ()] == 6
    assert found["telephony_voicemail_deleted_total", ("heard",)] == 4
    fewer = replace(short, id="p3", at=90_000)
    found = after(PURGE, DONE, Purge(id="p3", at=90_000), fewer)
    assert found["telephony_voicemail_failed", ()] == 0, "a whole one, though a mailbox is not there any more"


def test_a_restart_remembers_when_the_last_purge_was_and_counts_it_no_more() -> None:
    found = after(DONE, restored=(DONE, Purge(id="p0", at=80_000)))
    assert found["telephony_voicemail_purge_timestamp_seconds", ()] == 50
    assert found["telephony_voicemail_deleted_total", ("heard",)] == 0


async def test_the_purges_on_record_are_read_at_the_start(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "agent.sqlite")
    await store.commit([DONE], durable=True)
    await store.close()
    assert purges(lambda: SqliteReader(tmp_path / "agent.sqlite")) == [DONE]
    assert purges(lambda: SqliteReader(tmp_path / "none.sqlite")) == []


class Disk:
    """A store of recordings that has so many bytes free, or (None) cannot be looked at."""

    def __init__(self, free: int | None) -> None:
        self.free = free

    def free_bytes(self) -> int:
        if self.free is None:
            raise StoreError("the folder of recordings cannot be read")
        return self.free


class Parts:
    """What `Folders` looks at."""

    def __init__(self, folder: Path, vault: Disk | None) -> None:
        self.folder = Monitor(folder, min_free_bytes=1)
        self.vault = vault


@pytest.mark.parametrize("made", [True, False])
def test_a_store_that_breaks_is_seen_at_the_next_look(tmp_path: Path, made: bool) -> None:
    """`made`: it could be used at the start."""
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    file = tmp_path / "agent.toml"
    secret = tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o600)
    file.write_text(
        f'[ami]\nsecret_file = "{secret}"\n[recording]\nstore_dir = "{tmp_path}"\nmin_free_mb = 3\n'
        f'[keys]\nsite_key_file = "{key}"\n'
    )
    disk = Disk(5_000)
    parts = Parts(tmp_path, disk if made else None)
    folders = Folders(parts, load(file, {}))  # type: ignore[arg-type]
    assert folders.vault_usable is made
    folders.look()
    assert (folders.vault_usable, folders.min_free_bytes) == (made, 3 << 20)
    assert folders.free_bytes["monitor"] > 0
    assert folders.free_bytes.get("store") == (5_000 if made else None)
    disk.free = None
    folders.look()
    assert folders.vault_usable is False
    assert folders.free_bytes.get("store") == (0 if made else None)
    assert Folders(parts, load(None, {}, secrets_required=False)).vault_usable is None  # type: ignore[arg-type]
