"""A simulated tenant as a process of its own, for tests that want a real socket.

with SimulatedTenant() as tenant:
    tenant.fault("status", match="page", nth=2, status=503)
    ...
    assert tenant.log()["counts"]["page_calls"] == 3
"""

import contextlib
import select
import subprocess
import sys
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypedDict

import httpx

from demo.tenant.oauth import CLIENT_ID, SECRET, TOKEN_PATH

ROOT = Path(__file__).resolve().parent.parent
# Only bounds what is waited for; nothing depends on how long it takes.
PATIENCE_S = 60.0
PROMISE = "Simulated SAC tenant on "

Role = Literal["version", "date", "account", "generic"]
Cell = str | int | float | None


class Dimension(TypedDict, total=False):
    """A dimension of a model of a test's own; only the name is needed."""

    name: str
    role: Role
    members: list[str | dict[str, str | None]]
    hierarchy: str | None
    label: str | None
    attributes: list[str]


class Measure(TypedDict, total=False):
    """A measure of a model of a test's own; only the name is needed."""

    name: str
    type: str
    precision: int | None
    scale: int | str | None
    label: str | None
    exception: Literal["", "LAST", "AVG"]


class Log(TypedDict):
    """The request log: requests in their order of arrival, and counts over them."""

    requests: list[dict[str, Any]]
    counts: dict[str, Any]


def _end(process: "subprocess.Popen[str]") -> None:
    """Stop a tenant: politely, then by force; leave neither a zombie nor an open pipe."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


class SimulatedTenant:
    """Starts a tenant on a free port and speaks to its admin path.

    Attributes:
        url: Scheme, host and port, without a trailing slash.
        token_url: The token endpoint.
        client_id: The one client that the tenant knows.
        secret: Its secret.
    """

    def __init__(self, *, rows: int = 2_000, options: Sequence[str] = ()) -> None:
        # The pipe to its input ends with this process, however that ends; the tenant follows.
        command = [sys.executable, "-m", "demo.tenant", "--port", "0", "--quiet", "--until-eof"]
        self._process = subprocess.Popen(
            [*command, "--rows", str(rows), *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._end = weakref.finalize(self, _end, self._process)
        self.url = self._wait()
        self.token_url = self.url + TOKEN_PATH
        self.client_id = CLIENT_ID
        self.secret = SECRET
        # Loopback only: a proxy of the environment must not see these calls.
        self._client = httpx.Client(
            base_url=f"{self.url}/_admin", timeout=PATIENCE_S, trust_env=False
        )

    def _wait(self) -> str:
        """Return the address once the tenant has printed it."""
        out = self._process.stdout
        if out is None:
            raise RuntimeError("the tenant has no output")
        ready, _, _ = select.select([out], [], [], PATIENCE_S)
        line = out.readline() if ready else ""
        if not line.startswith(PROMISE):
            self._end()
            raise RuntimeError(f"the simulated tenant did not start: {line!r}")
        return line.removeprefix(PROMISE).strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id of the tenant."""
        return self._process.pid

    def stop(self) -> int:
        """Stop the tenant and return its exit status; a second call does nothing."""
        with contextlib.suppress(AttributeError):
            self._client.close()
        self._end()
        return self._process.returncode

    def _call(self, method: str, path: str, *, body: object = None, **query: str) -> Any:  # noqa: ANN401 - JSON
        """Make one admin call and return what it shows."""
        answer = self._client.request(method, path, json=body, params=query)
        if answer.is_error:
            raise ValueError(f"{method} {path}: {answer.text}")
        return answer.json()

    def reset(self) -> None:
        """Drop the log, faults, switches, own models and tokens."""
        self._call("POST", "/reset")

    def settings(self, **switches: object) -> dict[str, Any]:
        """Merge switches in and return all of them.

        Raises:
            ValueError: A switch is unknown or its value does not fit.
        """
        shown: dict[str, Any] = self._call("POST", "/settings", body=switches)
        return shown

    def fault(
        self,
        kind: str,
        *,
        match: str = "any",
        nth: int = 1,
        times: int | None = 1,
        **arguments: object,
    ) -> None:
        """Add one rule: of the calls that match, the nth and the next ones go wrong.

        Args:
            kind: What goes wrong; `demo.tenant` lists the kinds and their arguments.
            match: A category, a part of the raw path and query, or `re:` and an expression.
            nth: The first matching call that goes wrong, counted from 1 from now on.
            times: How many in a row; `None` for all that follow.
            arguments: The arguments of the kind.

        Raises:
            ValueError: The rule is not understood.
        """
        rule = {"kind": kind, "match": match, "nth": nth, "times": times, **arguments}
        self._call("POST", "/faults", body=[rule])

    def until_held(self, number: int = 1) -> None:
        """Wait until so many requests are held at once, by rules of the kind `hold`."""
        end = time.monotonic() + PATIENCE_S
        while sum(self._is_held(request) for request in self.log()["requests"]) < number:
            assert time.monotonic() < end, f"not {number} requests at once: {self.log()}"

    @staticmethod
    def _is_held(request: dict[str, Any]) -> bool:
        return request["fault"] == "hold" and request["finished"] is None

    def clear_faults(self) -> None:
        """Drop every rule."""
        self._call("DELETE", "/faults")

    def log(self) -> Log:
        """Return the requests since the last reset."""
        shown: Log = self._call("GET", "/log")
        return shown

    def rows(self, model: str, where: str | None = None) -> list[dict[str, str | None]]:
        """Return the raw rows of a model as text.

        Args:
            model: The id of the model.
            where: An OData filter, not encoded.
        """
        query = {} if where is None else {"filter": where}
        shown = self._call("GET", f"/rows/{model}", **query)
        return [dict(zip(shown["columns"], row, strict=True)) for row in shown["rows"]]

    def add_model(
        self,
        model: str,
        *,
        dimensions: Sequence[str | Dimension],
        measures: Sequence[str | Measure],
        rows: Sequence[Sequence[Cell]],
        name: str = "Custom model",
    ) -> None:
        """Add a model with these rows, or put it in place of one with its id.

        Args:
            model: The id.
            dimensions: Names, or objects with a role, members, a hierarchy, a label and further
                columns of the master.
            measures: Names, or objects with a type, a label and the exception over time.
            rows: For each row the texts of the dimensions, then the measures as decimal text,
                number or null. Text that is no number is served as a JSON string.
            name: The display name.
        """
        described = [{"name": x} if isinstance(x, str) else x for x in dimensions]
        body = {
            "id": model,
            "name": name,
            "dimensions": described,
            "measures": list(measures),
            "rows": [list(row) for row in rows],
        }
        self._call("POST", "/models", body=body)

    def revoke(self) -> int:
        """Revoke every token that is out; return how many were alive."""
        revoked: int = self._call("POST", "/revoke")["revoked"]
        return revoked
