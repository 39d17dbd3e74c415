"""An IAX2 phone, as far as registering goes (RFC 5456): SIPp does not speak it."""

import asyncio
import hashlib
import socket
import struct
from contextlib import closing

from tests.lab.asterisk import Asterisk, LabError
from tests.lab.etc import password

_IAX_CONTROL = 6
_ACK, _REGREQ, _REGAUTH, _REGACK, _REGREL = 4, 13, 14, 15, 17
_USERNAME, _CHALLENGE, _MD5_RESULT, _REFRESH = 6, 15, 16, 19
_HEADER = struct.Struct("!HHIBBBB")
_CALL = 1
RETRANSMIT_S = 0.5


async def register_iax(lab: Asterisk, line: str = "501", *, local_ip: str = "127.0.0.1", refresh_s: int = 60) -> None:
    """Registers `line` by IAX2 from `local_ip`; with refresh_s=0 takes the registration back.

    Raises LabError when Asterisk refuses, TimeoutError when it says nothing for 5 s.
    """
    request = _REGREQ if refresh_s else _REGREL
    wanted = {_USERNAME: line.encode(), _REFRESH: struct.pack("!H", refresh_s or 60)}
    loop = asyncio.get_running_loop()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.setblocking(False)
        sock.bind((local_ip, 0))
        server = ("127.0.0.1", lab.iax_port)
        last = _frame(request, wanted, peer=0, sent=0, seen=0)
        sock.sendto(last, server)
        async with asyncio.timeout(5):
            while True:
                try:
                    frame = await asyncio.wait_for(loop.sock_recv(sock, 4096), RETRANSMIT_S)
                except TimeoutError:
                    sock.sendto(last, server)
                    continue
                source, _, _, sent, _, kind, subclass = _HEADER.unpack_from(frame)
                peer = source & 0x7FFF
                if kind != _IAX_CONTROL or subclass == _ACK:
                    continue
                if subclass == _REGAUTH:
                    challenge = _elements(frame)[_CHALLENGE]
                    digest = hashlib.md5(challenge + password(line).encode()).hexdigest()
                    answer = wanted | {_MD5_RESULT: digest.encode()}
                    last = _frame(request, answer, peer=peer, sent=1, seen=sent + 1)
                    sock.sendto(last, server)
                    continue
                sock.sendto(_frame(_ACK, {}, peer=peer, sent=2, seen=sent + 1), server)
                if subclass != _REGACK:
                    raise LabError(f"{line} was refused by IAX2 (frame {subclass})")
                return


def _frame(subclass: int, elements: dict[int, bytes], *, peer: int, sent: int, seen: int) -> bytes:
    header = _HEADER.pack(0x8000 | _CALL, peer, 3 + sent, sent, seen, _IAX_CONTROL, subclass)
    return header + b"".join(bytes((key, len(value))) + value for key, value in elements.items())


def _elements(frame: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = _HEADER.size
    while at + 2 <= len(frame):
        key, length = frame[at], frame[at + 1]
        found[key] = frame[at + 2 : at + 2 + length]
        at += 2 + length
    return found
