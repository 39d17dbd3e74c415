"""`make run` without a PBX of one's own: one round of it shows the desk at work, and Ctrl-C leaves nothing behind."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: What stands on a line of its own.
SHOWN = [
    r"desk     999 CALL: line 201, Leeds office, room 2\.14, .*",
    r"desk     CLOSED: 999 call, answered, now over: line 201, .*",
    r"kept     kind=emergency .*line=204 number=112 .*outcome=abandoned .*",
    r"kept     kind=emergency .*line=201 number=999 .*trunk=trunk-b .*callbacks=1\b.*",
    r"kept     kind=call .*line=206 direction=internal .*outcome=answered.*",
    r"kept     kind=text .*line=203 direction=internal .*size=short outcome=sent",
    r"traffic    205: yes, but with a WRONG address",
    r"traffic    206: yes, but from a network of which no address is known",
    r"traffic    proved: routing, cli, alert, acknowledgement",
    r"kept     kind=emergency .*line=202 number=999 .*seen_by=journal .*",
]


async def started(**environ: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.lab.demo"),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", **environ},
        start_new_session=True,
    )


async def test_one_round_and_an_interruption() -> None:
    demo = await started()
    assert demo.stdout is not None
    lines: list[str] = []
    tried: list[tuple[int | None, str]] = []
    wanted = list(SHOWN)
    try:
        # what it waited for in vain is said below, with all that was seen
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(240):
                while wanted and not demo.stdout.at_eof():
                    line = (await demo.stdout.readline()).decode().rstrip()
                    lines.append(line)
                    wanted = [shown for shown in wanted if not re.fullmatch(shown, line)]
        # The agent has been killed and started anew by now.
        for line in lines:
            if " --config " in line:
                tried.append(await _run(*shlex.split(line)[1:]))
        (metrics,) = re.findall(r"http://\S+/metrics", "\n".join(lines))
        with urllib.request.urlopen(metrics) as answer:  # noqa: ASYNC210
            assert b"telephony_emergencies_total" in answer.read()
    finally:
        demo.send_signal(signal.SIGINT)
        rest, _ = await demo.communicate()
    lines += rest.decode().splitlines()
    assert wanted == [], "\n".join(lines)
    assert demo.returncode == 0
    emergencies, phones, calls, recordings, promises = tried
    assert (emergencies[0], calls[0], recordings[0]) == (0, 0, 0), tried
    assert " 201 " in emergencies[1]
    assert "WRONG address" in phones[1]
    assert "internal" in calls[1]
    assert "P18" in promises[1]
    assert "by others" not in promises[1]
    assert lines[-1] == "stopped: Asterisk, the agent and the phones are gone"
    (store,) = re.findall(r"store (/\S+)", "\n".join(lines))
    assert not Path(store).parent.exists()
    assert _left(demo.pid, str(Path(store).parent)) == []


async def test_a_terminal_that_is_closed_leaves_nothing_and_what_a_killed_one_left_goes(tmp_path: Path) -> None:
    gone = await asyncio.create_subprocess_exec("true")
    await gone.wait()
    left = tmp_path / f"telephony-agent-demo-{gone.pid}-x"
    left.mkdir()
    mine = tmp_path / f"telephony-agent-demo-{os.getpid()}-x"
    mine.mkdir()
    demo = await started(TMPDIR=str(tmp_path))
    assert demo.stdout is not None
    try:
        async with asyncio.timeout(120):
            while not (await demo.stdout.readline()).startswith((b"traffic", b"kept")):
                assert not demo.stdout.at_eof()
    finally:
        demo.send_signal(signal.SIGHUP)
        await demo.communicate()
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == [mine], "one whose process is there stays"
    assert _left(demo.pid, str(tmp_path)) == []


async def _run(*words: str) -> tuple[int | None, str]:
    """A command as it is shown, but for its own name: this may be another environment."""
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", *words), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await done.communicate()
    return done.returncode, out.decode()


def _left(session: int, folder: str) -> list[str]:
    """The processes of the demonstration's session, or with its folder in their command, that are there still."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (process / "stat").read_text(), (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if int(stat.rpartition(")")[2].split()[3]) == session or folder in command:
            found.append(command)
    return found
