"""The HTTP side: metrics and health, on loopback unless the operator says otherwise."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from uvicorn.protocols.http.h11_impl import H11Protocol

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def application(*, metrics: Callable[[], bytes], ready: Callable[[], dict[str, bool]], version: str) -> FastAPI:
    """The routes; ``ready`` names each condition of readiness."""
    app = FastAPI(title="telephony-agent", version=version, docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/metrics", methods=["GET", "HEAD"])
    async def _metrics() -> Response:
        return Response(metrics(), media_type=METRICS_TYPE)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def _healthz() -> Response:
        return PlainTextResponse("up\n")

    @app.api_route("/readyz", methods=["GET", "HEAD"])
    async def _readyz() -> Response:
        conditions = ready()
        met = all(conditions.values())
        return JSONResponse({"ready": met, **conditions}, status_code=200 if met else 503)

    return app


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the agent has its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Http:
    """Serves ``app`` on a listening ``socket`` until cancelled."""

    def __init__(
        self, app: FastAPI, listening: socket.socket, *, protocol: type[asyncio.Protocol] = H11Protocol
    ) -> None:
        self._socket = listening
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
                # what it takes a client for is the client's own word
                proxy_headers=False,
            )
        )

    async def run(self) -> None:
        """Serve."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        try:
            await asyncio.shield(serving)
        finally:
            self._server.should_exit = True
            await serving


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
