"""One GET: with the right headers, a checked answer, and never beyond the deadline."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from app.errors import (
    DeadlineExceededError,
    ExportNotAllowedError,
    LoginPageError,
    SourceAnswerError,
)
from app.sac_connector import transport
from app.sac_connector.faults import XML
from tests.sac_connector.rig import PAGE_URL, FakeTenant, a_page, connected, metadata, refusal

JSON_TYPE = {"content-type": "application/json"}


async def test_a_request_says_what_it_takes_and_who_asks() -> None:
    """Each request names its type, carries the bearer, and asks SAC not to start a session."""
    tenant = FakeTenant([a_page(), metadata()])
    async with connected(tenant) as rig:
        await rig.get()
        await rig.transport.get(f"{PAGE_URL}/$metadata", rig.budget(), XML)
    accepts = [request.headers["accept"] for request in tenant.asked]
    assert accepts == ["application/json", "application/xml"]
    assert {request.headers["x-sap-sac-custom-auth"] for request in tenant.asked} == {"true"}
    assert {request.method for request in tenant.asked} == {"GET"}


@pytest.mark.parametrize(
    "kind", ["application/json", "application/JSON;odata.metadata=minimal", "text/json"]
)
async def test_any_spelling_of_json_is_taken(kind: str) -> None:
    """Parameters and letter case of the content type do not matter."""
    reply = httpx.Response(200, content=b"{}", headers={"content-type": kind})
    async with connected(FakeTenant([reply])) as rig:
        assert await rig.get() == b"{}"


async def test_a_byte_order_mark_is_no_part_of_an_answer() -> None:
    """Some gateways put one before JSON or XML, where it says nothing."""
    marked = [
        httpx.Response(200, content=b"\xef\xbb\xbf{}", headers=JSON_TYPE),
        metadata("\ufeff<a/>"),
    ]
    async with connected(FakeTenant(marked)) as rig:
        assert await rig.get() == b"{}"
        assert await rig.transport.get(PAGE_URL, rig.budget(), XML) == b"<a/>"


async def test_a_byte_order_mark_hides_no_refusal() -> None:
    """The number of an error and a web page are known behind it."""
    number = refusal(400, "3401")
    page = httpx.Response(
        200, content=b"\xef\xbb\xbf<html>", headers={"content-type": "text/plain"}
    )
    tenant = FakeTenant([httpx.Response(400, content=b"\xef\xbb\xbf" + number.content), page, page])
    async with connected(tenant) as rig:
        with pytest.raises(ExportNotAllowedError):
            await rig.get()
        with pytest.raises(LoginPageError):
            await rig.get()


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"content-type": "text/plain"}, "'text/plain'"),
        ({"content-type": "application/xml"}, "'application/xml'"),
        ({}, "''"),
        ({"content-type": "x" * 500}, f"'{'x' * 60}'"),
    ],
    ids=["text", "xml", "none", "long"],
)
async def test_another_content_type_is_refused(headers: dict[str, str], shown: str) -> None:
    """What does not call itself JSON is not read as JSON; the sentence shows what it was called."""
    tenant = FakeTenant([httpx.Response(200, content=b"{}", headers=headers)])
    async with connected(tenant) as rig:
        with pytest.raises(SourceAnswerError) as caught:
            await rig.get()
    assert f"the content type {shown} instead of json. Check SAC_TENANT_URL" in str(caught.value)
    assert len(tenant.asked) == 1


async def test_a_pull_ends_at_its_deadline_while_it_waits_for_an_answer() -> None:
    """A login that never answers is given up when the time of the pull is over."""
    tenant = FakeTenant()
    tenant.gate = asyncio.Event()
    async with connected(tenant) as rig:
        with pytest.raises(DeadlineExceededError, match=r"longer than 0\.01 seconds"):
            await rig.transport.get(PAGE_URL, rig.budget(0.01))
        tenant.gate.set()
        assert (await rig.tokens.token()).value == "tok-1"


async def test_a_pull_ends_at_its_deadline_between_two_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Waits count: a tenant that asks for a long wait does not get more than the deadline."""
    tenant, loop = FakeTenant([refusal(503)] * 5), asyncio.get_running_loop()
    async with connected(tenant) as rig:
        budget = rig.budget()

        async def wait(_: float) -> None:
            late = loop.time() + 61
            monkeypatch.setattr(loop, "time", lambda: late)
            await asyncio.Event().wait()

        budget.retrier.sleep = wait
        with pytest.raises(DeadlineExceededError, match="Narrow SAC_FILTER, or raise SAC_PULL"):
            await rig.transport.get(PAGE_URL, budget)
    assert len(tenant.asked) == 1


async def test_one_deadline_covers_all_requests_of_a_pull() -> None:
    """When the time is over, the next request of the same pull fails at once."""
    tenant = FakeTenant([a_page()])
    async with connected(tenant) as rig:
        budget = rig.budget(0)
        tenant.gate = asyncio.Event()
        for _ in range(2):
            with pytest.raises(DeadlineExceededError):
                await rig.transport.get(PAGE_URL, budget)
    assert not tenant.asked


@pytest.mark.parametrize("coding", [None, "gzip"])
async def test_an_answer_that_would_fill_the_memory_is_refused(
    coding: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is that of the body as it is held: a small compressed body may hide a large one."""
    monkeypatch.setattr(transport, "LARGEST_BODY_BYTES", 3 << 20)
    fits, exceeds = (b"{" + b" " * ((3 << 20) - 2 + more) + b"}" for more in (0, 1))
    headers = {"content-type": "application/json", "content-encoding": coding or "identity"}
    replies = [
        httpx.Response(200, content=gzip.compress(body) if coding else body, headers=headers)
        for body in (fits, exceeds)
    ]
    async with connected(FakeTenant(replies)) as rig:
        assert await rig.get() == fits
        with pytest.raises(SourceAnswerError, match=r"more than 3 MB\. Lower SAC_PAGE_SIZE\.$"):
            await rig.get()
