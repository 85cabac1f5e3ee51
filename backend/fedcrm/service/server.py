"""The service as a process: a socket, TLS where it was given, and a clean end on SIGTERM."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable

import uvicorn

from fedcrm.errors import SettingsError
from fedcrm.service.app import create_app
from fedcrm.service.core import Service
from fedcrm.service.logs import set_up

__all__ = ["run"]


def run(service: Service, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to end. ready: called with the URL once calls are answered.

    Raises SettingsError where the address cannot be had.
    """
    settings = service.settings
    set_up(settings.log_level)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol said: asyncio turns Nagle's delay off only where it sees that this is TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        raise SettingsError(f"{settings.host}:{settings.port}: {error.strerror}") from error
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.tls_certificate is not None else "http"
    url = f"{scheme}://{host}:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=10,
        limit_concurrency=256,
    )
    _Server(config, lambda: ready(url)).run([listening])


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            # What was loaded stays: the collector need not walk through all of it in the middle of a call.
            gc.collect()
            gc.freeze()
            self._ready()
