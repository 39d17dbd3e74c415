"""A Unix socket that its owner alone may use, and who is at the other end."""

import asyncio
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Bytes of a path in a socket's address (unix(7)), without the NUL.
_LONGEST = 107
_ANSWER_S = 10.0
#: struct ucred of unix(7): process, user and group.
_UCRED = struct.Struct("iII")
#: What stands for no login: (uid_t)-1.
_NO_LOGIN = 0xFFFF_FFFF


class PeerProtocol(H11Protocol):
    """HTTP where the user id of the process at the other end stands in place of the client's address.

    In place of its port stands the user id that the process came in by (`login_of`).
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client connects."""
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        process, user, _ = _UCRED.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        self.client = (str(user), login_of(process))


def login_of(process: int) -> int:
    """The user id with which somebody logged in to what became this process, whatever they are now; -1 if unknown.

    The kernel keeps it over sudo and su (``/proc/<pid>/loginuid``, set by pam_loginuid); without PAM there is none.
    """
    try:
        user = int(Path(f"/proc/{process}/loginuid").read_bytes())
    except (OSError, ValueError):
        return -1
    return -1 if user == _NO_LOGIN else user


def beside(store: Path) -> Path:
    """The control socket of the agent that writes ``store``."""
    return store.with_name(store.name + ".sock")


@contextmanager
def address(path: Path) -> Iterator[str]:
    """What to bind or connect to for ``path``, which may be longer than an address can be."""
    if len(os.fsencode(path)) <= _LONGEST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path`` that its owner alone may use, from its first moment on.

    One that a killed agent left is removed.

    Raises:
        OSError: it cannot be made, another program answers there, or something else than a socket stands there.
    """
    with address(path) as name:
        _make_way(path, name)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Linux gives the file the mode that the socket has when it is bound.
            os.fchmod(listening.fileno(), 0o600)
            listening.bind(name)
            listening.listen(128)
            listening.setblocking(False)
        except OSError:
            listening.close()
            raise
        return listening


def peer(path: Path) -> int | None:
    """The process that listens at ``path``; None where none does, or it is another user's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, suppress(OSError), address(path) as name:
        asking.settimeout(_ANSWER_S)
        asking.connect(name)
        pid, _, _ = _UCRED.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
        return int(pid)
    return None


def remove(path: Path) -> None:
    """Take the socket away, so that who comes next finds none."""
    path.unlink(missing_ok=True)


def _make_way(path: Path, name: str) -> None:
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "something else than a socket stands there", str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.setblocking(False)
            try:
                other.connect(name)
            except ConnectionRefusedError:
                path.unlink()
                return
            except BlockingIOError:
                pass  # it is there, and has much to do
        raise OSError(errno.EADDRINUSE, "another program answers there", str(path))
