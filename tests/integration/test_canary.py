"""A marker in every header of every event, through a running agent: to be found in nothing that it leaves."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from agent.core.normalise import READERS
from agent.core.wire import Framer, Message, name_of, parse
from tests.core.test_privacy import marked
from tests.integration.fake_asterisk import SECRET, FakeAsterisk

ROOT = Path(__file__).parents[2]
CAPTURE = ROOT / "tests" / "scenarios" / "captures" / "asterisk-22-demo.ami"
MARKERS = (b"canary", b"0004f2abcdef", SECRET.encode())


async def test_no_marker_comes_to_rest_anywhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    async with FakeAsterisk() as fake:
        config = tmp_path / "agent.toml"
        config.write_text(
            f'[ami]\nport = {fake.port}\nsecret_file = "secret"\n[store]\nurl = "sqlite:///./agent.sqlite"\n'
            '[http]\nlisten = "127.0.0.1:0"\n[log]\nlevel = "debug"\n'
        )
        with (tmp_path / "log").open("wb") as log:
            agent = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "agent", "run", "--config", str(config)),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            async with asyncio.timeout(60):
                await fake.until(lambda: sum(peer.listens for peer in fake.peers) == 2)
                await fake.emit(*_events())
                await _stored(tmp_path / "agent.sqlite", emergencies=2, recordings=2, registrations=6)
            # while it runs, what it wrote stands in the WAL as well
            _search(tmp_path, await _pages_and_commands(tmp_path))
        finally:
            agent.terminate()
            async with asyncio.timeout(60):
                assert await agent.wait() == 0
    _search(tmp_path, {})


def _events() -> Iterator[bytes]:
    for raw in Framer().feed(CAPTURE.read_bytes()):
        if name_of(raw).decode() in READERS and raw.startswith(b"Event"):
            message: Message = marked(parse(raw))
            headers = {**message.headers, "Event": message.name}
            lines = [f"Event: {headers.pop('Event')}", *(f"{key}: {value}" for key, value in headers.items())]
            yield ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _stored(store: Path, **wanted: int) -> None:
    """Waits until so many records are there that are over, or of phones that are known."""
    over = {"emergencies": "ended_at IS NOT NULL", "recordings": "state = 'stopped'", "registrations": "vendor != ''"}
    with closing(sqlite3.connect(store)) as database:
        for table, count in wanted.items():
            while True:
                ((found,),) = database.execute(f"SELECT count(*) FROM {table} WHERE {over[table]}")
                if found >= count:
                    break
                await asyncio.sleep(0.05)


async def _pages_and_commands(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for kind in (
        "registrations",
        "emergencies",
        "recordings",
        "failures",
        "blind",
        "alarms",
        "notices",
        "paths",
        "looks",
    ):
        command = [sys.executable, "-m", "agent", "list", kind, "--json", "--config", str(folder / "agent.toml")]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        found[f"list {kind}"] = (await process.communicate())[0]
    assert b"127.0.2.1" in found["list registrations"], "the search would not find what is kept on purpose"
    port = (folder / "log").read_text().split('"port": ')[1].split(",")[0].rstrip("}")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    found["/metrics"] = await reader.read()
    assert b"telephony_emergencies_total" in found["/metrics"]
    writer.close()
    return found


def _search(folder: Path, more: dict[str, bytes]) -> None:
    kept = [path for path in folder.iterdir() if path.is_file() and path.name not in ("secret", "agent.toml")]
    files = {str(path): path.read_bytes() for path in kept}
    assert any(path.endswith(".sqlite") for path in files)
    for where, data in (files | more).items():
        for marker in MARKERS:
            assert marker not in data.lower(), f"{marker!r} in {os.path.basename(where)}"
