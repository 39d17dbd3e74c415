"""Which voicemail goes, in which order of files, and what is never touched."""

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from agent.duties.voicemail import Report, SpoolError, Terms, lock
from tests.integration.voicemails import DAY_MS, NOW, Nobody, counted, files, leave, purged, rest, sounds


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A mailbox with greetings."""
    box = tmp_path / "spool" / "default" / "201"
    box.mkdir(parents=True)
    for name in ("unavail.wav", "busy.wav", "greet.wav", "temp.gsm"):
        (box / name).write_bytes(name.encode())
        os.utime(box / name, (1, 1))
    return box


def spool(box: Path) -> Path:
    return box.parents[1]


def shown(report: Report) -> dict[str, int]:
    return {name: count for name, count in report.counts.document().items() if count}


@pytest.mark.parametrize(
    ("folder", "stays", "goes", "counted_as"),
    [
        *[(name, 29, 31, "unheard") for name in ("INBOX", "Urgent")],
        *[
            (name, 13, 15, "heard")
            for name in ("Old", "Work", "Family", "Friends", "Cust1", "Cust2", "Cust3", "Cust4", "Cust5")
        ],
        ("Deleted", 0.9, 1.1, "trashed"),
    ],
)
def test_each_folder_has_its_term(box: Path, folder: str, stays: float, goes: float, counted_as: str) -> None:
    leave(box / folder, 0, days=goes)
    kept = leave(box / folder, 1, days=stays)
    report = purged(spool(box))
    assert sounds(box / folder) == [kept]
    assert counted(box / folder) == [0]
    expected = {"mailboxes": 1, counted_as: 1, "kept": 1}
    assert shown(report) == (expected if counted_as == "trashed" else expected | {"due": 1})


def test_a_heard_message_stays_from_when_it_was_saved_on(box: Path) -> None:
    leave(box / "Old", 0, days=29, saved_days=1)
    leave(box / "Old", 1, days=29, saved_days=15)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "heard": 1, "kept": 1}
    assert counted(box / "Old") == [0]


def test_a_message_moved_back_to_the_inbox_is_new_there(box: Path) -> None:
    leave(box / "INBOX", 0, days=40, saved_days=2)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "kept": 1}


def test_times_set_back_do_not_make_a_new_message_old(box: Path) -> None:
    leave(box / "INBOX", 0, days=2, saved_days=400)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "kept": 1}


def test_a_clock_that_was_wrong_keeps_nothing_for_ever(box: Path) -> None:
    leave(box / "INBOX", 0, days=40, saved_days=-4000)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "unheard": 1}


@pytest.mark.parametrize("text", ["", "\0" * 9, "origtime=canary\n", "origtime=99999999999999999999\n", "[" * 100_000])
def test_an_index_of_rubbish_counts_by_the_files_time(box: Path, text: str) -> None:
    leave(box / "INBOX", 0, days=40, text=text)
    leave(box / "INBOX", 1, days=3, text=text)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "unheard": 1, "kept": 1}


def test_greetings_prompts_and_music_are_never_touched(box: Path) -> None:
    for name in ("tmp", "greetings", "moh", "sounds"):
        leave(box / name, 0, days=4000)
    (box / "INBOX").mkdir()
    for name in (
        "msg0000",
        "msg0000-bkp.wav",
        "xmsg0000.txt",
        "msg00001.txt",
        "msg0000.txt.old",
        "unavail.wav",
        "greet",
    ):
        (box / "INBOX" / name).write_text("a prompt")
        os.utime(box / "INBOX" / name, (1, 1))
    leave(box.parent, 0, days=4000)
    before = files(spool(box))
    assert shown(purged(spool(box))) == {"mailboxes": 1}
    assert files(spool(box)) == before


def test_the_numbers_are_put_in_order(box: Path) -> None:
    kept = {}
    for number, days in enumerate([40, 3, 50, 2, 60, 1]):
        sound = leave(box / "INBOX", number, days=days)
        if days < 30:
            kept[number] = sound
    asterisk = Nobody()
    purged(spool(box), asterisk=asterisk)
    assert sounds(box / "INBOX") == list(kept.values())
    assert counted(box / "INBOX") == [0, 1, 2]
    assert asterisk.refreshes == [("default", "201")]


def test_a_dry_run_tells_the_same_and_changes_nothing(box: Path) -> None:
    for number, days in enumerate([40, 28, 2]):
        leave(box / "INBOX", number, days=days)
    leave(box / "Old", 0, days=15)
    (box / "Old" / "msg0007.wav").write_bytes(b"left")
    rest(box / "Old")
    before, times = files(spool(box)), [path.stat().st_mtime_ns for path in sorted(spool(box).rglob("*"))]
    asterisk = Nobody()
    dry = shown(purged(spool(box), dry_run=True, asterisk=asterisk))
    assert files(spool(box)) == before
    assert [path.stat().st_mtime_ns for path in sorted(spool(box).rglob("*"))] == times
    assert asterisk.refreshes == []
    expected = {"mailboxes": 1, "unheard": 1, "heard": 1, "leftover": 1, "kept": 2, "due": 1}
    assert dry == expected == shown(purged(spool(box)))


def test_the_terms_are_the_operators(box: Path) -> None:
    leave(box / "INBOX", 0, days=6)
    leave(box / "Old", 0, days=3)
    leave(box / "Deleted", 0, days=8)
    terms = Terms(heard_days=2, unheard_days=5, deleted_days=7)
    assert shown(purged(spool(box), terms=terms)) == {"mailboxes": 1, "heard": 1, "unheard": 1, "trashed": 1}


# -- who is in a mailbox -----------------------------------------------------------------------------------------


def test_a_mailbox_that_was_opened_since_somebody_called_is_put_off(box: Path) -> None:
    leave(box / "INBOX", 0, days=40)
    leave(box / "INBOX", 1, days=2)
    before = files(spool(box))
    opened_at = int((box / "INBOX").stat().st_mtime * 1000)
    report = purged(spool(box), asterisk=Nobody(since=opened_at - 1))
    assert shown(report) == {"mailboxes": 1, "kept": 2, "due": 1, "in_use": 1}
    assert report.in_use == [("default", "201")]
    assert files(spool(box)) == before
    rest(box / "INBOX")
    assert shown(purged(spool(box)))["unheard"] == 1


# -- Asterisk's lock -----------------------------------------------------------------------------------------------


def test_asterisks_own_lock_is_respected_and_never_removed(box: Path) -> None:
    for folder in ("INBOX", "Old"):
        leave(box / folder, 0, days=40)
    (box / "INBOX" / ".lock").write_bytes(b"")
    rest(box / "INBOX")
    assert shown(purged(spool(box))) == {"mailboxes": 1, "failed": 1, "heard": 1}
    assert counted(box / "INBOX") == [0]
    assert (box / "INBOX" / ".lock").exists()


@pytest.mark.parametrize("name", [".lock", "lock"])
def test_who_had_the_lock_may_be_in_the_mailbox_now(box: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    leave(box / "INBOX", 0, days=40)
    held = (box / "INBOX" / name).open("wb")
    fcntl.flock(held, fcntl.LOCK_EX)
    rest(box / "INBOX")

    def let_go(_: float) -> None:
        (box / "INBOX" / name).unlink()
        held.close()

    monkeypatch.setattr("agent.duties.voicemail.lock.time.sleep", let_go)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "kept": 1, "due": 1, "in_use": 1}
    assert counted(box / "INBOX") == [0]


def test_nothing_of_a_lock_stays(box: Path) -> None:
    leave(box / "INBOX", 0, days=40)
    purged(spool(box))
    assert [path for path in spool(box).rglob("*") if "lock" in path.name or "agent" in path.name] == []


def test_asterisk_of_another_user_can_wait_for_the_lock(box: Path) -> None:
    """With lockmode=flock it opens the very file, and loses the message that it cannot lock for."""
    (box / "INBOX").mkdir(parents=True, exist_ok=True)
    of_spool, of_folder = (os.open(place, os.O_RDONLY | os.O_DIRECTORY) for place in (spool(box), box / "INBOX"))
    try:
        with lock.only(of_spool, 1.0) as locked, locked.folder(of_folder):
            assert (box / "INBOX" / "lock").stat().st_mode & 0o777 == 0o666
    finally:
        os.close(of_spool)
        os.close(of_folder)


def test_two_purges_at_once_are_refused(box: Path) -> None:
    leave(box / "INBOX", 0, days=40)
    told: list[str] = []

    def another() -> None:
        with pytest.raises(SpoolError) as refused:
            purged(spool(box))
        told.append(str(refused.value))

    def meanwhile() -> None:
        if not told:
            thread = threading.Thread(target=another)
            thread.start()
            thread.join()

    purged(spool(box), pace=meanwhile)
    assert told == ["the voicemail spool is being purged already"]


# -- hostile files ---------------------------------------------------------------------------------------------------


def test_a_link_leads_nowhere(box: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    leave(elsewhere / "INBOX", 0, days=4000)
    (box.parent / "202").symlink_to(elsewhere)
    (spool(box) / "other").symlink_to(tmp_path)
    (box / "Old").symlink_to(elsewhere / "INBOX")
    (box / "INBOX").mkdir()
    (box / "INBOX" / "msg0000.wav").symlink_to(elsewhere / "INBOX" / "msg0000.wav")
    leave(box / "Work", 0, days=4000)
    (box / "Work" / "msg0000.wav").unlink()
    (box / "Work" / "msg0000.wav").symlink_to(elsewhere / "INBOX" / "msg0000.wav")
    rest(box / "INBOX")
    rest(box / "Work")
    before = files(elsewhere)
    leave(box / "Family", 0, days=40)
    assert shown(purged(spool(box))) == {"mailboxes": 1, "heard": 1, "failed": 5}
    assert files(elsewhere) == before
    assert len(before) == 4


def test_each_oddity_costs_itself_alone(box: Path) -> None:
    (box / "INBOX" / "msg0000.txt").mkdir(parents=True)
    os.mkfifo(box / "INBOX" / "msg0001.wav")
    leave(box / "INBOX", 2, days=40)
    leave(box / "INBOX", 3, days=4)
    (box.parent / "202").write_text("a file where a mailbox is expected")
    odd = Path(os.fsdecode(os.fsencode(box.parent) + b"/\xff\n\x1b[2J"))
    leave(odd / "INBOX", 0, days=40)
    report = purged(spool(box))
    assert shown(report) == {"mailboxes": 2, "unheard": 2, "kept": 1, "failed": 2, "gapped": 1}
    assert stat.S_ISFIFO((box / "INBOX" / "msg0001.wav").stat().st_mode)
    assert sorted(path.name for path in (box / "INBOX").glob("msg000[23]*")) == [
        f"msg0003.{ending}" for ending in ("WAV", "gsm", "txt", "wav")
    ]


def test_without_a_spool_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="the voicemail spool cannot be used: No such file or directory"):
        purged(tmp_path / "canary")
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="Not a directory"):
        purged(tmp_path / "file")


def test_the_day_on_which_it_goes(box: Path) -> None:
    leave(box / "INBOX", 0, days=30)
    assert shown(purged(spool(box), terms=Terms(warn_days=0))) == {"mailboxes": 1, "unheard": 1}
    assert NOW % 1000 == 0
    assert DAY_MS == 24 * 3600 * 1000
