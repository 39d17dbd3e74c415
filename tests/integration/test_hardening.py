"""What a running agent leaves about: the modes of its files, its sockets, its secrets."""

import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace

from tests.integration.fake_asterisk import SECRET, FakeAsterisk, event
from tests.lab.agent import AgentProcess

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
_LISTENS, _UNCONNECTED = "0A", "07"


async def test_nobody_else_can_read_reach_or_dump_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with FakeAsterisk() as fake:
            pbx = SimpleNamespace(agent_user="agent", agent_secret=SECRET, ami_port=fake.port)
            folder = tmp_path / "agent"
            agent = AgentProcess(pbx, folder=folder, site_key=True)
            made = set(folder.rglob("*")) | {folder / "log"}
            last_resort = f'last_resort_file = "{folder / "aside"}"\n[http]'
            agent.config.write_text(agent.config.read_text().replace("[http]", last_resort, 1))
            async with agent:
                for stage in ("Dialled", "Failed", "Ended"):
                    headers = {"UserEvent": "Emergency", "Stage": stage, "Call": "1.0", "Number": "999"}
                    await fake.emit(
                        event("UserEvent", Channel="PJSIP/201-01", Uniqueid="1.0", Linkedid="1.0", **headers)
                    )
                await agent.one("emergency", outcome="failed")
                assert agent.pid is not None
                process = Path(f"/proc/{agent.pid}")
                assert _listening(process) - LOOPBACK == set()
                assert _listening(process)
                assert re.search(r"Max core file size\s+0\s+0", (process / "limits").read_text())
                assert int((process / "coredump_filter").read_text(), 16) == 0
                seen = [(process / name).read_bytes() for name in ("cmdline", "environ")]
                open_to_others = {path: mode for path in folder.rglob("*") if (mode := _mode(path)) & 0o077}
            assert {path: oct(mode) for path, mode in open_to_others.items() if path not in made} == {}
            assert {path.name for path in folder.rglob("*")} >= {"agent.sqlite.reserve", "agent.sqlite.keys", "aside"}
            seen.append(agent.log.encode())
            secrets = (SECRET.encode(), (folder / "site-key").read_bytes())
            assert [secret for secret in secrets if any(secret in text for text in seen)] == []
    finally:
        os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _listening(process: Path) -> set[str]:
    """The addresses, as the kernel writes them, at which others can reach this process."""
    own = {os.readlink(file) for file in (process / "fd").iterdir() if file.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for row in (process / "net" / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if f"socket:[{inode}]" in own and state in (_LISTENS, _UNCONNECTED):
                found.add(local.partition(":")[0])
    return found
