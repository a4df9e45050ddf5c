"""How a client is set up."""

from __future__ import annotations

import httpx

from app.client.options import KeyAuth, http_options
from tests.client.wire import KEY, URL


def test_a_key_is_sent_and_not_shown() -> None:
    """Each request carries it; nothing that is printed does."""
    options = http_options(URL + "/", KEY, 5)
    request = next(options["auth"].auth_flow(httpx.Request("GET", URL)))
    assert request.headers["Authorization"].split() == ["Bearer", KEY]
    assert KEY not in repr(options)
    assert KEY not in repr(request.headers)
    assert options["base_url"] == URL
    assert isinstance(options["auth"], KeyAuth)


def test_without_a_key_none_is_sent() -> None:
    """An open service needs none."""
    assert http_options(URL, None, 5)["auth"] is None
