"""One run of SIPp."""

import asyncio
import contextlib
import itertools
import secrets
from pathlib import Path

from tests.lab import tone
from tests.lab.conversation import SILENCE, SPEECH
from tests.lab.ports import udp_is_bound
from tests.lab.provision import die_with_parent
from tests.lab.wire import Request, requests

_runs = itertools.count(1)


class SipError(Exception):
    """A SIP conversation went otherwise than its scenario; says what SIPp saw."""


class SippRun:
    """A SIPp process under way; it dies with the process that started it."""

    def __init__(self, process: asyncio.subprocess.Process, path: Path, title: str, local: tuple[str, int]) -> None:
        self._process = process
        self._path = path
        self._title = title
        self._local = local

    async def listening(self) -> None:
        """Waits until it takes calls.

        Raises SipError when it ended instead, TimeoutError after a minute.
        """
        async with asyncio.timeout(60):
            while not udp_is_bound(*self._local):
                if self._process.returncode is not None:
                    raise self._failure(self._process.returncode)
                # SIPp does not say when it listens
                await asyncio.sleep(0.01)

    def received(self, method: str) -> list[Request]:
        """The requests of this method that it has received so far, repetitions left out."""
        return requests(self._path.with_suffix(".messages"), method)

    async def done(self) -> None:
        """Waits for the end of the scenario.

        Raises SipError when it did not go as written.
        """
        code = await self._process.wait()
        if code != 0:
            raise self._failure(code)

    def _failure(self, code: int) -> SipError:
        errors = self._path.with_suffix(".errors")
        seen = errors.read_text(errors="replace") if errors.exists() else "SIPp wrote no error log"
        return SipError(f"{self._title}: SIPp ended with {code}\n{seen[-4000:]}")

    async def stop(self) -> None:
        """Ends it at once, whatever it is at."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _written(scenario: str, folder: Path, title: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{next(_runs)}-{title}.xml"
    path.write_text(scenario)
    for name in (SPEECH, SILENCE, *tone.FILES):
        file = folder / name
        # another run may be reading it
        if name in scenario and not file.exists():
            part = file.with_suffix(f".{secrets.token_hex(4)}")
            part.write_bytes(_sound(name))
            part.rename(file)
    return path


def _sound(name: str) -> bytes:
    """What a phone says again and again, in A-law."""
    if name in tone.FILES:
        return tone.said(tone.FILES.index(name))
    return tone.SPEECH * 500 if name == SPEECH else tone.SILENCE * tone.RATE


async def run_sipp(
    scenario: str,
    *,
    folder: Path,
    title: str,
    local: tuple[str, int],
    remote: tuple[str, int],
    call_id: str | None = None,
    calls: int | None = 1,
    timeout_s: int = 120,
    tcp: bool = False,
) -> SippRun:
    """Starts SIPp from `local` to `remote`; with calls=None it takes calls until it is stopped.

    Writes the scenario and SIPp's logs into `folder`.
    """
    path = _written(scenario, folder, title)
    process = await asyncio.create_subprocess_exec(
        *(*die_with_parent(), "sipp", f"{remote[0]}:{remote[1]}", "-sf", str(path)),
        *("-i", local[0], "-p", str(local[1]), "-mi", local[0], "-nostdin"),
        *("-t", "t1" if tcp else "u1", "-cid_str", call_id or f"{secrets.token_hex(8)}-%u-{local[0]}"),
        *(("-m", str(calls)) if calls else ()),
        *(("-timeout", f"{timeout_s}s", "-timeout_error") if calls else ()),
        *("-trace_err", "-error_file", str(path.with_suffix(".errors"))),
        *("-trace_msg", "-message_file", str(path.with_suffix(".messages"))),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=folder,
    )
    return SippRun(process, path, title, local)
