"""`telephony-agent replay`, as a shell runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.golden import CAPTURES, golden

CAPTURE = next(capture for capture in CAPTURES if capture.stem == "asterisk-22-demo")


def replay(*arguments: str, given: bytes = b"", folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run it in an empty folder, without anybody's configuration."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELEPHONY_AGENT_")}
    command = [sys.executable, "-m", "agent", "replay", *arguments]
    clean["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(command, input=given, capture_output=True, cwd=folder, env=clean, timeout=60, check=False)


def without_ids(lines: list[str]) -> list[object]:
    return [{**json.loads(line), "id": ""} for line in lines]


def expected() -> list[object]:
    return without_ids(golden(CAPTURE).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["piped", "--json"])
def test_a_file_gives_one_json_object_a_line(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = replay(str(CAPTURE), *options, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert without_ids(lines) == expected()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(set(ids)) == len(ids)


def test_standard_input(tmp_path: Path) -> None:
    done = replay("-", given=CAPTURE.read_bytes(), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert without_ids(done.stdout.decode().splitlines()) == expected()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("junk.bin", bytes(range(256)) * 10, "junk.bin holds no AMI message: record the bytes of an AMI session"),
        ("page.html", b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n<html>", "page.html holds no AMI message"),
        ("empty.ami", b"", "empty.ami holds no AMI message"),
        ("missing.ami", None, "missing.ami cannot be read: No such file or directory"),
        (".", None, ". cannot be read: Is a directory"),
    ],
)
def test_what_is_no_capture_gives_one_sentence(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = replay(name, folder=tmp_path)
    assert (done.returncode, done.stdout) == (5, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"telephony-agent: {sentence}")


def test_no_input_at_all(tmp_path: Path) -> None:
    done = replay("-", folder=tmp_path)
    assert (done.returncode, done.stdout) == (5, b"")
    assert done.stderr.decode().splitlines() == [
        "telephony-agent: standard input holds no AMI message: record the bytes of an AMI session as they come"
    ]


def test_a_capture_without_anything_of_interest_gives_nothing(tmp_path: Path) -> None:
    done = replay("-", given=b"Asterisk Call Manager/5.0.4\r\nResponse: Success\r\n\r\n", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_numbers_and_proxies_are_the_configurations(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('[emergency]\nnumbers = ["112"]\n', encoding="utf-8")
    stream = b"Event: Newchannel\r\nChannel: PJSIP/201-1\r\nUniqueid: 1\r\nLinkedid: 1\r\nExten: 999\r\n\r\n"
    assert replay("-", given=stream, folder=tmp_path).stdout == b""
    assert replay("-", given=stream.replace(b"999", b"112"), folder=tmp_path).stdout != b""


def test_it_writes_nothing(tmp_path: Path) -> None:
    replay(str(CAPTURE), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_capture_without_times_says_so(tmp_path: Path) -> None:
    event = b"Event: ContactStatus\r\nURI: sip:201@192.0.2.1\r\nAOR: 201\r\nEndpointName: 201\r\n\r\n"
    done = replay("-", given=event, folder=tmp_path)
    assert done.returncode == 0
    assert b"timestampevents=yes" in done.stderr


def test_an_emergency_before_the_first_time(tmp_path: Path) -> None:
    """What has no Timestamp came at second 0, for want of better; an alarm is of it all the same."""
    event = "Event: {}\r\nChannel: PJSIP/201-00000001\r\nExten: 999\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n{}\r\n"
    told = event.format("Newchannel", "") + event.format("Hangup", "Timestamp: 1795382590.608018\r\n")
    (tmp_path / "capture").write_text(told, newline="")
    done = replay("capture", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == ["201"]
