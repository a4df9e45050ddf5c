"""How the export service says no."""

import uuid
from collections.abc import Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    '<body onload="document.forms[0].submit()">'
    '<form method="post" action="https://idp.example/saml2/idp/sso">'
    '<input type="hidden" name="SAMLRequest" value="c2ltdWxhdGVk"/>'
    '<noscript><button type="submit">Continue</button></noscript></form></body></html>'
)


class Refusal(Exception):  # noqa: N818 - it ends a request, not the tenant
    """An answer other than rows.

    Attributes:
        status: The HTTP status.
        text: A message in our own words; clients key on the number in brackets, if there is one.
        headers: Further headers.
    """

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = dict(headers or {})


def error_answer(
    status: int,
    text: str,
    headers: Mapping[str, str] | None = None,
    *,
    message_as_object: bool = False,
) -> Response:
    """Return the OData error envelope; its code is an id of the request, no name for the error."""
    message: object = {"lang": "en", "value": text} if message_as_object else text
    body = {"error": {"code": str(uuid.uuid4()), "message": message}}
    return JSONResponse(body, status, dict(headers or {}))


def login_page() -> Response:
    """Return the page, under status 200, for a caller that SAC takes for a browser."""
    return HTMLResponse(LOGIN_PAGE)
