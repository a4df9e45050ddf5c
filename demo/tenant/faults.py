"""Faults by rule: which calls go wrong, and how.

A rule names the calls it means, the first of them that goes wrong, how many do, and a kind with
its arguments.
"""

import asyncio
import codecs
import datetime as dt
import gzip
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from demo.tenant.errors import error_answer, login_page
from demo.tenant.pages import read_token

Kind = Literal[
    "status", "html_login", "redirect", "truncate", "truncate_json", "reset", "slow", "hang",
    "hold", "invalid_json", "content_type", "gzip", "next_link", "drop_rows", "entities",
    "not_json_value", "drop_column", "mutate", "revoke", "aggregation_drops", "mark",
]  # fmt: skip
CATEGORIES = frozenset(
    {"any", "token", "page", "count", "metadata", "catalogue", "master", "service", "subscription"}
)
ROW_KINDS = frozenset({"next_link", "drop_rows", "entities", "not_json_value", "drop_column"})


class Rule(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One rule; only the arguments of its kind are read.

    Attributes:
        match: A category, a part of the raw path and query, or `re:` and a regular expression.
        nth: The first of the matching calls that goes wrong, counted from 1.
        times: How many in a row go wrong; `None` for all that follow.
        calls: How many calls have matched; counted by the tenant.
    """

    kind: Kind
    match: str = "any"
    nth: int = 1
    times: int | None = 1
    status: int = 503
    headers: dict[str, str] = {}
    json: object = None
    html: str | None = None
    text: str | None = None
    retry_after: int | str | None = None
    url: str = "https://idp.example/saml2/idp/sso"
    delay_s: float = 0.1
    at: Literal["start", "middle"] = "middle"
    value: str | int | None = None
    column: str | None = None
    rows: int = 1
    added: int = 0
    removed: int = 0
    changed: int = 0
    moved: int = 0
    calls: int = 0

    def __post_init__(self) -> None:
        """Refuse an expression that does not compile, while the one who wrote it still listens."""
        if self.match.startswith("re:"):
            try:
                re.compile(self.match[3:])
            except re.error as error:
                raise ValueError(str(error)) from None

    def meets(self, category: str, target: str) -> bool:
        """Tell whether a call is one of those that the rule means."""
        if self.match in CATEGORIES:
            return self.match in {"any", category}
        if self.match.startswith("re:"):
            return re.search(self.match[3:], target) is not None
        return self.match in target

    def strikes(self) -> bool:
        """Count a matching call; tell whether it goes wrong."""
        self.calls += 1
        late = self.times is not None and self.calls >= self.nth + self.times
        return self.calls >= self.nth and not late


class FaultBook:
    """The rules in force. Each counts its own calls; of several that strike, the oldest wins."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._cleared = asyncio.Event()

    def clear(self) -> None:
        """Drop every rule; calls that one of them held go on."""
        self.rules.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def until_dropped(self, rule: Rule) -> None:
        """Wait until a rule is no longer in force."""
        if any(each is rule for each in self.rules):
            await self._cleared.wait()

    def pick(self, category: str, target: str) -> Rule | None:
        """Return the rule that strikes this call, if one does."""
        struck = [rule for rule in self.rules if rule.meets(category, target) and rule.strikes()]
        return struck[0] if struck else None


class CutResponse(Response):
    """Promises the whole body and sends half; `reset` then ends the connection with a TCP reset."""

    def __init__(self, whole: Response, *, reset: bool = False, at: str = "middle") -> None:
        super().__init__(bytes(whole.body), whole.status_code, dict(whole.headers))
        self._reset = reset
        self._at = at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send what is to be sent, then give up."""
        if self._at == "middle":
            head = {"type": "http.response.start", "status": self.status_code}
            await send({**head, "headers": self.raw_headers})
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        if self._reset:
            _reset(scope)


class HangingResponse(Response):
    """Never answers; ends when the caller hangs up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Wait for the caller to leave."""
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            # The tenant is stopping: hang up, lest the server answers 500 in the place of nothing.
            _reset(scope)
            raise


def _reset(scope: Scope) -> None:
    """End the connection of a request with a TCP reset."""
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionResetError("the simulated tenant reset the connection")
    # Closing with a linger time of zero makes the kernel send RST in place of FIN.
    raw: socket.socket = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def faulty_answer(
    rule: Rule, request: Request, make: Callable[[], Awaitable[Response]]
) -> Response:
    """Answer a call that goes wrong.

    Args:
        rule: The rule that struck.
        request: The call.
        make: Makes the right answer; not called when nothing of it is needed.
    """
    if rule.kind == "slow":
        await asyncio.sleep(rule.delay_s)
        return await make()
    early = _instead(rule)
    return early if early is not None else _spoiled(rule, request, await make())


def _instead(rule: Rule) -> Response | None:
    """Return the answer that stands in place of the right one, if the kind needs no right one."""
    match rule.kind:
        case "status":
            return _status(rule)
        case "html_login":
            return login_page()
        case "redirect":
            return Response(None, 302, {"Location": rule.url})
        case "hang":
            return HangingResponse()
        case _:
            return None


def _status(rule: Rule) -> Response:
    """Return a bare status with the body and headers of the rule."""
    headers = dict(rule.headers)
    if rule.retry_after is not None:
        headers["Retry-After"] = _retry_after(rule.retry_after)
    if rule.html is not None:
        return HTMLResponse(rule.html, rule.status, headers)
    if rule.text is not None:
        return Response(rule.text, rule.status, headers, "text/plain")
    if rule.json is not None:
        return JSONResponse(rule.json, rule.status, headers)
    return error_answer(rule.status, "A fault was asked for", headers)


def _retry_after(value: int | str) -> str:
    """Write Retry-After: seconds, any text, or an HTTP date for `date+<seconds>`."""
    if isinstance(value, str) and value.startswith("date+"):
        ahead = dt.timedelta(seconds=float(value.removeprefix("date+")))
        return format_datetime(dt.datetime.now(dt.UTC) + ahead, usegmt=True)
    return str(value)


def _spoiled(rule: Rule, request: Request, whole: Response) -> Response:
    """Return the right answer with something wrong about it."""
    if rule.kind in {"truncate", "reset"}:
        reset = rule.kind == "reset"
        return CutResponse(whole, reset=reset, at=rule.at if reset else "middle")
    body, headers = bytes(whole.body), {}
    match rule.kind:
        case "truncate_json":
            body = body[: len(body) // 2]
        case "invalid_json":
            body = b'{"@odata.context":"$metadata","value":[{"Version":public}]}'
        case "content_type":
            headers = {"content-type": str(rule.value or "text/plain")}
        case "mark":
            body = codecs.BOM_UTF8 + body
        case "gzip":
            body, headers = gzip.compress(body, 1), {"content-encoding": "gzip"}
        case kind if kind in ROW_KINDS and whole.status_code == 200:  # noqa: PLR2004
            body = _tampered(rule, request, body)
    return _like(whole, body, headers)


def _like(whole: Response, body: bytes, headers: Mapping[str, str]) -> Response:
    """Return an answer with the status and headers of another, and a body of its own."""
    kept = {name: value for name, value in whole.headers.items() if name != "content-length"}
    return Response(body, whole.status_code, {**kept, **headers})


def _tampered(rule: Rule, request: Request, body: bytes) -> bytes:
    """Change one thing in a page and leave all other text of it as it is."""
    page = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    rows = msgspec.json.decode(page["value"], type=list[dict[str, msgspec.Raw]])
    names = {name.lower(): name for name in page}
    match rule.kind:
        case "drop_rows":
            middle = max(0, (len(rows) - rule.rows) // 2)
            del rows[middle : middle + rule.rows]
        case "entities":
            wrong = len(rows) + 1 if rule.value is None else rule.value
            page[names.get("@des.entitiesinpage", "@des.entitiesInPage")] = _raw(wrong)
        case "next_link":
            name = names.get("@odata.nextlink", "@odata.nextLink")
            page[name] = _raw(_link(rule.url, request))
            if rule.url == "none":
                del page[name]
        case "not_json_value" if rows:
            column = rule.column or list(rows[0])[-1]
            rows[len(rows) // 2][column] = msgspec.Raw(str(rule.value or "NaN").encode())
        case "drop_column":
            for row in rows:
                row.pop(rule.column or next(iter(row)), None)
    page["value"] = _raw(rows)
    return msgspec.json.encode(page)


def _raw(value: object) -> msgspec.Raw:
    """Return a value as JSON text that is copied as it is."""
    return msgspec.Raw(msgspec.json.encode(value))


def _link(url: str, request: Request) -> str:
    """Return where a false next link leads: to this page, to the first page, or anywhere."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    if url == "first" and query.startswith("$skiptoken="):
        query = read_token(query.removeprefix("$skiptoken=")).raw_query
    if url in {"self", "first"}:
        return f"{request.url.scheme}://{request.url.netloc}{path}?{query}"
    return url
