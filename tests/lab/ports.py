"""Free ports of the loopback interface."""

import contextlib
import itertools
import os
import random
import socket
import sys
from contextlib import closing
from pathlib import Path

RTP_PORTS = 400
# both below the range that the kernel hands out by itself (32768 and up, on Linux)
RTP, SIGNALLING = (12000, 20000), (20000, 32000)
_chooser = random.SystemRandom()

# Between here and its use a port could go to a test beside this one: so each worker has a part of its own.
_PARTS = 8
_WIDTH = (SIGNALLING[1] - SIGNALLING[0]) // _PARTS
_part = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 0) % _PARTS
_turn = itertools.count(_chooser.randrange(_WIDTH))


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, host: str = "127.0.0.1") -> int:
    """A port that nothing on `host` uses now, and that the kernel gives to nobody who does not ask for it by number.

    One of the kernel's own choice could go to any other socket before it is taken into use here.
    Raises OSError when there is none among a hundred tries.
    """
    for _ in range(100):
        port = SIGNALLING[0] + _part * _WIDTH + next(_turn) % _WIDTH
        with closing(socket.socket(socket.AF_INET, kind)) as probe, contextlib.suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no port of {host} is free")


def free_sip_port() -> int:
    """A port that is free for UDP and TCP both.

    Raises OSError when there is none among twenty tries.
    """
    for _ in range(20):
        port = free_port()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no port of 127.0.0.1 is free for UDP and TCP both")


def rtp_start() -> int:
    """The first of RTP_PORTS ports, chosen at random; Asterisk passes over what is in use."""
    return _chooser.randrange(RTP[0], RTP[1] - RTP_PORTS, 2)


def udp_is_bound(host: str, port: int) -> bool:
    """Whether a socket listens on this UDP port of `host`.

    Linux is asked: to try the port oneself takes it, for a moment, from the one that is about to.
    """
    # proc(5): the address as the machine's own 32-bit number, the port as it is
    address = int.from_bytes(socket.inet_aton(host), sys.byteorder)
    wanted = f"{address:08X}:{port:04X}"
    rows = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(row.split()[1] == wanted for row in rows)
