"""Writes down the raw bytes of an AMI session of the agent's user while traffic runs.

python -m tests.lab.capture FILE --version 22 --traffic demo
"""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.lab.ami import AmiSession
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.traffic import TRAFFIC, idle


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.capture", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--version", choices=("22", "16"))
    parser.add_argument("--traffic", choices=sorted(TRAFFIC), default="demo")
    options = parser.parse_args()
    raw = asyncio.run(capture(options.version, options.traffic))
    options.file.write_bytes(raw)
    _say(f"{len(raw)} bytes in {options.file}")


async def capture(version: str | None, traffic: str) -> bytes:
    """Every byte that the agent's AMI session was sent during one of TRAFFIC, snapshots after login included."""
    async with (
        Asterisk(installation(version, _say)) as lab,
        AmiSession("127.0.0.1", lab.ami_port, lab.agent_user, lab.agent_secret) as session,
    ):
        for snapshot in ("PJSIPShowRegistrationInboundContactStatuses", "CoreShowChannels"):
            await session.action(snapshot)
        reading = asyncio.create_task(_read(session))
        await TRAFFIC[traffic](lab, _say)
        await idle(lab)
        for snapshot in ("PJSIPShowRegistrationInboundContactStatuses", "CoreShowChannels"):
            await session.send(snapshot)
        await session.send("Logoff")
        await reading
    return bytes(session.raw)


async def _read(session: AmiSession) -> None:
    async for _ in session.messages():
        pass


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
