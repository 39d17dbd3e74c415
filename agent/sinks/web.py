"""One HTTP POST: verified, bounded, straight to where it is meant to go."""

import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx

from agent.ports import ChannelError

#: Longer than any channel is given: who calls it sets the limit that counts.
_LONGEST_S = 60.0


class Poster:
    """POSTs JSON to one URL: TLS verified, no redirect followed, no proxy of the environment, each over a connection of
    its own, for one kept open may be dead when it is needed. ``ca_file`` is in PEM, None for the system's own.
    """

    def __init__(self, url: str, *, ca_file: Path | None = None) -> None:
        self._url = url
        self._tls = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Return when the server has taken it (2xx).

        Raises:
            ChannelError: ``http_<status>``, ``tls``, ``unreachable``, ``broken`` (no HTTP, or cut off).
        """
        sent = {"Content-Type": "application/json", "User-Agent": "telephony-agent", **(headers or {})}
        try:
            async with (
                httpx.AsyncClient(
                    verify=self._tls, trust_env=False, follow_redirects=False, timeout=_LONGEST_S
                ) as client,
                client.stream("POST", self._url, content=body, headers=sent) as answer,
            ):
                # Its body is of no use, and may be without end.
                status = answer.status_code
        except httpx.ConnectError as error:
            raise ChannelError("tls" if isinstance(_root(error), ssl.SSLError) else "unreachable") from None
        except httpx.HTTPError:
            raise ChannelError("broken") from None
        if not 200 <= status < 300:
            raise ChannelError(f"http_{status}")


def _root(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
