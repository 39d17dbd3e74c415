"""What a SIPp run received, out of its message log (`-trace_msg`)."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_ENTRY = re.compile(rb"^-{10,} (\S+)[ \t](\S+)\n(?:UDP|TCP) message received \[(\d+)\] bytes ?:\n\n", re.M)


@dataclass(frozen=True, slots=True)
class Request:
    """One SIP request as it came: `at` in seconds since 1970, headers in their order, the body as text."""

    at: float
    method: str
    uri: str
    headers: tuple[tuple[str, str], ...]
    body: str

    def header(self, name: str) -> str:
        """The first header of this name, in whichever case; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def number(self) -> str:
        """The user part of the request URI: what was dialled."""
        return _user(self.uri)

    @property
    def cli(self) -> str:
        """The user part of From: the number that is shown."""
        return _user(self.header("From").rpartition("<")[2])


def requests(log: Path, method: str) -> list[Request]:
    """The requests of this method that the log of a run holds, each once however often it was sent."""
    if not log.exists():
        return []
    data = log.read_bytes()
    found: dict[tuple[str, str], Request] = {}
    for entry in _ENTRY.finditer(data):
        message = data[entry.end() : entry.end() + int(entry[3])].decode("utf-8", "replace")
        if message.startswith(f"{method} "):
            request = _parsed(message, f"{entry[1].decode()} {entry[2].decode()}")
            found.setdefault((request.header("Call-ID"), request.header("CSeq")), request)
    return list(found.values())


def _parsed(message: str, at: str) -> Request:
    head, _, body = message.replace("\r\n", "\n").partition("\n\n")
    line, *lines = head.split("\n")
    method, uri, *_ = line.split(" ")
    headers = tuple((key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines))
    return Request(datetime.fromisoformat(at).timestamp(), method, uri, headers, body)


def _user(uri: str) -> str:
    return uri.partition(":")[2].rpartition("@")[0]
