"""A reverse proxy that cuts a prefix off every path, as gateways do; over real sockets."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

PREFIX: Final = "/sac"
# Of one connection only.
_HOPS: Final = {"connection", "transfer-encoding", "host"}


class CuttingProxy(ThreadingHTTPServer):
    """Passes `/sac/x` on to a service as `/x`; all else is not found, in words of its own.

    Args:
        host: Where the service listens.
        port: Where the service listens.

    Attributes:
        change: What becomes of a path with its query on the way.
        hidden: Beginnings, in lower case, of headers of answers that are taken away.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = host, port
        self.change: Callable[[str], str] = str
        self.hidden: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The address of the service for whoever stands before the proxy."""
        return f"http://127.0.0.1:{self.server_address[1]}{PREFIX}"


class _Handler(BaseHTTPRequestHandler):
    server: CuttingProxy

    def do_GET(self) -> None:
        """Pass a request on."""
        if not self.path.startswith(f"{PREFIX}/"):
            self.send_error(404, "no such route on this gateway")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {n: text for n, text in self.headers.items() if n.lower() not in _HOPS}
        path = self.server.change(self.path.removeprefix(PREFIX))
        with contextlib.closing(http.client.HTTPConnection(*self.server.service)) as service:
            service.request(self.command, path, body, headers)
            answer = service.getresponse()
            content = answer.read()
        self.send_response_only(answer.status)
        for name, text in answer.getheaders():
            if name.lower() not in _HOPS and not name.lower().startswith(self.server.hidden):
                self.send_header(name, text)
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        """Pass a request on."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def cutting_proxy(host: str, port: int) -> Iterator[CuttingProxy]:
    """Run such a proxy before a service."""
    with CuttingProxy(host, port) as proxy, contextlib.ExitStack() as stack:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        stack.callback(thread.join)
        stack.callback(proxy.shutdown)
        yield proxy
