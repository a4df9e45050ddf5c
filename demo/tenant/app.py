"""The tenant as an ASGI application: every request is logged, checked, and answered or spoiled."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Literal, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from demo.tenant.admin import ADMIN, admin_answer
from demo.tenant.call import BASE, Call
from demo.tenant.changes import Change
from demo.tenant.errors import Refusal, error_answer, login_page
from demo.tenant.export import export_answer, kind_of
from demo.tenant.faults import Rule, faulty_answer
from demo.tenant.models import Model
from demo.tenant.oauth import TOKEN_PATH, Standing, token_answer
from demo.tenant.state import State
from demo.tenant.tracking import fetch_csrf
from demo.tenant.transfer import compress, in_pieces

CSRF_PATH = "/api/v1/csrf"
# Turns of the event loop that it takes to see that a caller is gone, and some to spare.
_TURNS = 10
Result = TypeVar("Result")


class Tenant:
    """The ASGI application over one state."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError("the simulated tenant serves plain HTTP only")
        request = Request(scope, receive)
        if scope["path"].startswith(f"{ADMIN}/"):
            answer = await self._guarded(request, "valid", admin=True)
            await answer(scope, receive, send)
            return
        await self._logged(request, receive, send)

    async def _logged(self, request: Request, receive: Receive, send: Send) -> None:
        """Serve a request under the eyes of the journal and the rules."""
        state, scope = self.state, request.scope
        raw_path, raw_query = (
            scope[name].decode("latin-1") for name in ("raw_path", "query_string")
        )
        kind = "token" if scope["path"] == TOKEN_PATH else kind_of(scope["path"], raw_query)
        bearer = state.tokens.standing(request.headers.get("authorization"))
        rule = state.faults.pick(kind, f"{raw_path}?{raw_query}" if raw_query else raw_path)
        # Requests whose callers hung up before this one came are no longer under way.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        entry = state.journal.open(
            request.method, (raw_path, raw_query), request.headers.items(), bearer, kind
        )
        entry.fault = rule.kind if rule else None
        status: int | None = None

        async def noting(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            # Requests that arrived together are all in the journal before one is answered.
            await asyncio.sleep(state.settings.latency_s)
            if kind == "page" and state.settings.volatile:
                await self._change(scope["path"], _restless(state.settings.volatile))
            answer = await self._answer(request, bearer, rule)
            chunked = state.settings.chunked
            await answer(scope, receive, in_pieces(noting) if chunked else noting)
        finally:
            state.journal.close(entry, status)

    async def _answer(self, request: Request, bearer: Standing, rule: Rule | None) -> Response:
        """Return the answer to a request, spoiled if a rule struck, compressed if that is on."""
        answer = await (
            self._spoiled(request, bearer, rule) if rule else self._guarded(request, bearer)
        )
        if self.state.settings.gzip:
            await compress(answer, request.headers.get("accept-encoding", ""))
        return answer

    async def _spoiled(self, request: Request, bearer: Standing, rule: Rule) -> Response:
        """Return the answer to a request that a rule struck."""
        if rule.kind == "hold":
            await self.state.faults.until_dropped(rule)
            return await self._guarded(request, bearer)
        if rule.kind == "revoke":
            self.state.tokens.revoke()
            bearer = self.state.tokens.standing(request.headers.get("authorization"))
        if rule.kind == "mutate":
            change = Change(rule.added, rule.removed, rule.changed, rule.moved)
            await self._change(request.scope["path"], change)
        hidden = rule.rows if rule.kind == "aggregation_drops" else 0
        return await faulty_answer(
            rule, request, lambda: self._guarded(request, bearer, hidden_groups=hidden)
        )

    async def _change(self, path: str, change: Change) -> None:
        """Change the rows of the model that a path names."""
        model = self.state.model_at(path)
        if model is not None:
            await self._aside(model, lambda: model.change(change))

    async def _aside(self, model: Model | None, work: Callable[[], Result]) -> Result:
        """Do work on a model; what would take long is done in a thread, so that others go on."""
        if model is not None and model.heavy:
            return await asyncio.to_thread(work)
        return work()

    async def _guarded(
        self, request: Request, bearer: Standing, *, admin: bool = False, hidden_groups: int = 0
    ) -> Response:
        """Return the answer to a request; a refusal becomes the error envelope."""
        try:
            if admin:
                return await admin_answer(request, self.state)
            if request.scope["path"] == TOKEN_PATH:
                return await self._token(request)
            call = Call(request, self.state, hidden_groups, await request.body())
            return await self._export(call, bearer)
        except Refusal as refusal:
            return error_answer(
                refusal.status,
                refusal.text,
                refusal.headers,
                message_as_object=self.state.settings.message_as_object,
            )
        except Exception:  # noqa: BLE001 - a bug of the tenant must not pass for a fault of the client
            traceback.print_exc()
            return error_answer(500, "The simulated tenant itself failed; see its standard error")

    async def _token(self, request: Request) -> Response:
        """Answer at the token endpoint and count what it issues."""
        answer = await token_answer(request, self.state.settings, self.state.tokens)
        self.state.journal.tokens_issued += answer.status_code == 200  # noqa: PLR2004
        return answer

    async def _export(self, call: Call, bearer: Standing) -> Response:
        """Answer below the base of the export service, or refuse."""
        settings, path = self.state.settings, call.request.scope["path"]
        if path != CSRF_PATH and not path.startswith(f"{BASE}/"):
            raise Refusal(404, "There is no such address")
        given = call.request.headers.get("x-sap-sac-custom-auth")
        if settings.strict_custom_auth and given != "true":
            raise Refusal(403, "The header x-sap-sac-custom-auth is missing")
        if bearer != "valid":
            return self._unauthorized(bearer)
        if path == CSRF_PATH:
            return fetch_csrf(call)
        if not settings.export_access:
            raise Refusal(
                settings.refused_status, "The client is not allowed to use this API [3401]"
            )
        return await self._aside(self.state.model_at(path), lambda: export_answer(call))

    def _unauthorized(self, bearer: Standing) -> Response:
        """Turn away a caller without a good token, in the way that the settings ask for."""
        headers = {"WWW-Authenticate": 'Bearer realm="sac"'}
        match self.state.settings.unauthorized:
            case "html":
                return login_page()
            case "empty":
                return Response(None, 401, headers)
            case _:
                reason = "missing" if bearer == "none" else bearer
                raise Refusal(401, f"The access token is {reason}", headers)


def _restless(kind: Literal["added", "removed", "changed", "moved"] | bool) -> Change:
    """Return the change that a volatile model goes through before each page."""
    if isinstance(kind, bool):
        return Change(added=1, removed=1, changed=1, moved=1)
    return Change(**{kind: 1})
