"""From what the operator wrote to one checked value; a value that cannot be taken is a ValueError."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path

from pydantic import BeforeValidator


class Unfit(ValueError):
    """A value that cannot be taken; the message says what would be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address to listen on; port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback


def matching(pattern: str) -> BeforeValidator:
    """A text of exactly this shape."""
    shape = re.compile(pattern)

    def check(value: object) -> str:
        if not isinstance(value, str) or not shape.fullmatch(value):
            raise ValueError
        return value

    return BeforeValidator(check)


def not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    """One value or more.

    Raises:
        ValueError: there is none.
    """
    if not values:
        raise ValueError
    return values


def file_path(value: object) -> Path:
    """The path of a file.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError
    return Path(value)


def listen_address(value: object) -> Listen | None:
    """``address:port``, ``[IPv6 address]:port``; None for ``off``.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, Listen) or value == "off":
        return value if isinstance(value, Listen) else None
    if not isinstance(value, str):
        raise ValueError
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError
    if host.startswith("[") and host.endswith("]"):
        host = str(ip_address(host[1:-1]))
        if ":" not in host:
            raise ValueError
    elif host != "localhost":
        host = str(ip_address(host))
        if ":" in host:
            raise Unfit(f"an IPv6 address in brackets: [{host}]:{port}")
    return Listen(host=host, port=int(port))


def proxy_network(value: object) -> IPv4Network | IPv6Network:
    """An address or a network in CIDR notation.

    Raises:
        ValueError: it is neither, or every address there is.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError
    network = ip_network(value, strict=False)
    if network.prefixlen == 0:
        raise Unfit("a narrower network: this one takes every phone for a proxy")
    if "/" in value and str(network.network_address) != str(ip_address(value.partition("/")[0])):
        raise Unfit(f"a network without host bits: {network}")
    return network


def sqlite_url(url: object) -> str:
    """``sqlite:///path``.

    Raises:
        ValueError: it is another kind of URL, no file, or has options.
    """
    if not isinstance(url, str):
        raise ValueError
    path = url.removeprefix("sqlite://")
    if path == url or not path.startswith("/") or path.endswith("/") or re.search(r"[\0?#]|:memory:", path):
        raise ValueError
    return url
