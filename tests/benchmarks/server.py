"""A static export service: every answer is rendered before the first request.

It knows no query but the size probe and the mark of a page; whoever reads from it measures itself
and not the server. It runs as a process of its own, and ends with the process that started it.
"""

from __future__ import annotations

import argparse
import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import parse_qs, urlsplit

from typing_extensions import override

from app.sac_connector.wire import EXPORT_PATH
from tests.benchmarks.facts import ALL, COLUMNS, DATE, MODEL, Facts

TOKEN_PATH: Final = "/oauth/token"
ROOT_PATH: Final = f"{EXPORT_PATH}/providers/sac/{MODEL}/"
FACTS_PATH: Final = f"{ROOT_PATH}FactData"
TOKEN: Final = "bench-token"

_JSON: Final = "application/json"
_MARK: Final = "$skiptoken"


def metadata() -> bytes:
    """Return the description of the model."""
    keys = "".join(f'<PropertyRef Name="{name}"/>' for name in (DATE, *ALL))
    properties = "".join(f'<Property Name="{name}"/>' for name in COLUMNS)
    return (
        f'<Edmx><Schema><EntityType Name="FactData"><Key>{keys}</Key>{properties}'
        "</EntityType></Schema></Edmx>"
    ).encode()


class StaticTenant(ThreadingHTTPServer):
    """Serves facts on a free port of the loopback address.

    Args:
        facts: The rows to serve.
    """

    daemon_threads = True

    def __init__(self, facts: Facts) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.count = json.dumps({"@odata.count": facts.rows, "value": []}).encode()
        links = [f"{self.url}{FACTS_PATH}?{_MARK}={number}" for number in range(1, facts.pages)]
        self.pages = [facts.page(number, link) for number, link in enumerate([*links, None])]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: StaticTenant

    def do_POST(self) -> None:
        """Issue the token to whoever asks."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600}
        self._answer(json.dumps(token).encode())

    def do_GET(self) -> None:
        """Answer with what was rendered for this address."""
        address = urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(b"{}", status=HTTPStatus.UNAUTHORIZED)
        elif address.path == FACTS_PATH:
            query = parse_qs(address.query)
            probe = "$top" in query
            mark = int(query.get(_MARK, ["0"])[0])
            self._answer(self.server.count if probe else self.server.pages[mark])
        elif address.path == f"{ROOT_PATH}$metadata":
            self._answer(metadata(), kind="application/xml")
        elif address.path == ROOT_PATH:
            self._answer(json.dumps({"value": [{"name": "FactData"}]}).encode())
        else:
            self._answer(b"{}", status=HTTPStatus.NOT_FOUND)

    def _answer(self, body: bytes, status: HTTPStatus = HTTPStatus.OK, kind: str = _JSON) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line per request would be measured too."""


def main() -> None:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(description="A static export service for benchmarks.")
    parser.add_argument("--pages", type=int, default=Facts().pages)
    parser.add_argument("--page-rows", type=int, default=Facts().page_rows)
    arguments = parser.parse_args()
    with StaticTenant(Facts(arguments.pages, arguments.page_rows)) as tenant:
        Thread(target=tenant.serve_forever, daemon=True).start()
        sys.stdout.write(f"Static tenant on {tenant.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        tenant.shutdown()


if __name__ == "__main__":
    main()
