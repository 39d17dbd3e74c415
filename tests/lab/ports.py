"""Free ports of the loopback interface."""

import random
import socket
from contextlib import closing

RTP_PORTS = 400
_chooser = random.SystemRandom()


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, host: str = "127.0.0.1") -> int:
    """A port that nothing on `host` uses now; the kernel seldom hands the same one out twice in a row."""
    with closing(socket.socket(socket.AF_INET, kind)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port


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
    """The first of RTP_PORTS ports, chosen at random below the range that the kernel hands out by itself."""
    return _chooser.randrange(12000, 32000 - RTP_PORTS, 2)


def udp_is_bound(host: str, port: int) -> bool:
    """Whether a socket listens on this UDP port of `host`."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
