"""The tenant as an ASGI application: every request is logged, checked, and answered or spoiled."""

import asyncio
import traceback

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from demo.tenant.admin import ADMIN, admin_answer
from demo.tenant.errors import Refusal, error_answer, login_page
from demo.tenant.export import BASE, export_answer, kind_of
from demo.tenant.faults import Rule, faulty_answer
from demo.tenant.oauth import TOKEN_PATH, Standing, token_answer
from demo.tenant.state import State


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
            answer = await self._answer(request, bearer, rule)
            await answer(scope, receive, noting)
        finally:
            state.journal.close(entry, status)

    async def _answer(self, request: Request, bearer: Standing, rule: Rule | None) -> Response:
        """Return the answer to a request, spoiled if a rule struck."""
        if rule is None:
            return await self._guarded(request, bearer)
        if rule.kind == "revoke":
            self.state.tokens.revoke()
            bearer = self.state.tokens.standing(request.headers.get("authorization"))
        if rule.kind == "mutate":
            self._mutate(request.scope["path"], rule)
        return await faulty_answer(rule, request, lambda: self._guarded(request, bearer))

    def _mutate(self, path: str, rule: Rule) -> None:
        """Change the rows of the model that a path names."""
        for model in self.state.models.values():
            if f"/{model.id}/" in path:
                model.change(rule.added, rule.removed)

    async def _guarded(
        self, request: Request, bearer: Standing, *, admin: bool = False
    ) -> Response:
        """Return the answer to a request; a refusal becomes the error envelope."""
        try:
            if admin:
                return await admin_answer(request, self.state)
            if request.scope["path"] == TOKEN_PATH:
                return await self._token(request)
            return self._export(request, bearer)
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

    def _export(self, request: Request, bearer: Standing) -> Response:
        """Answer below the base of the export service, or refuse."""
        settings = self.state.settings
        if not request.scope["path"].startswith(f"{BASE}/"):
            raise Refusal(404, "There is no such address")
        if settings.strict_custom_auth and request.headers.get("x-sap-sac-custom-auth") != "true":
            raise Refusal(403, "The header x-sap-sac-custom-auth is missing")
        if bearer != "valid":
            return self._unauthorized(bearer)
        if not settings.export_access:
            raise Refusal(
                settings.refused_status, "The client is not allowed to use this API [3401]"
            )
        if request.method != "GET":
            if request.headers.get("x-csrf-token", "fetch").lower() in {"fetch", "required"}:
                raise Refusal(403, "A CSRF token is needed", {"x-csrf-token": "required"})
            raise Refusal(405, "The export service is read with GET only", {"Allow": "GET"})
        return export_answer(request, self.state)

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
