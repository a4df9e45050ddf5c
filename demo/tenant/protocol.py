"""The server: uvicorn that can reset a connection, and that stops without a word."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from threading import Thread

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from demo.tenant.app import Tenant


class ResettableProtocol(H11Protocol):
    """Hands its transport to the application, in the state of each request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the transport of a new connection."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class QuietServer(uvicorn.Server):
    """Ends with status 0 on SIGINT and SIGTERM, where uvicorn would raise the signal again."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Turn the two signals into a wish to stop."""
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound and listens; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio does not see that it is TCP, and leaves every small answer to wait 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError:
        bound.close()
        raise
    return bound


def serve(tenant: Tenant, bound: socket.socket, *, until_eof: bool = False) -> None:
    """Serve until a signal comes, or standard input ends. Calls that hang are cut off then.

    Args:
        tenant: The application.
        bound: A socket that listens; it is closed in the end.
        until_eof: Whether the end of standard input stops the tenant, as it does when the process
            that holds the other end of a pipe dies without a last word.
    """
    config = uvicorn.Config(
        tenant,
        loop="asyncio",
        http=ResettableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    server = QuietServer(config)
    if until_eof:
        Thread(target=_stop_at_eof, args=[server], daemon=True).start()
    server.run(sockets=[bound])


def _stop_at_eof(server: uvicorn.Server) -> None:
    """Wait for the end of standard input, then stop the server."""
    # The descriptor itself: a daemon thread that waits in sys.stdin holds a lock at exit.
    while os.read(0, 1024):
        pass
    server.should_exit = True
