"""A refresh that is not waited for, its resource, its events, and its end."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest

from app.api.operation_schemas import OperationResponse
from app.errors import CredentialsRefusedError
from tests.api.bench import Bench, problem

REFUSED = CredentialsRefusedError("SAP Analytics Cloud refused the client credentials.")
ASYNC = {"Prefer": "respond-async"}


async def begun(bench: Bench, **headers: str) -> httpx.Response:
    """Ask for a refresh that stops at a gate, and do not wait for it."""
    bench.source.gate = asyncio.Event()
    bench.source.started.clear()
    answer = await bench.client.post("/refresh", headers={**ASYNC, **headers})
    await bench.source.started.wait()
    return answer


async def test_respond_async_answers_at_once_with_where_to_ask(bench: Bench) -> None:
    """202, the place of the operation, when to ask, and the operation itself."""
    answer = await begun(bench)
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"refreshes/{body['id']}"
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch("[0-9a-f]{32}", body["id"])
    assert body["state"] in {"queued", "running"}
    assert (body["dataset"], body["result"], body["problem"]) == ("default", None, None)
    assert list(body) == list(OperationResponse.model_fields)


async def test_polling_tells_how_far_it_has_come_and_what_came_of_it(bench: Bench) -> None:
    """While it runs `Retry-After` is set; at the end the result is what a refresh answers."""
    place = (await begun(bench)).headers["location"]
    running = await bench.get(place)
    assert (running.json()["state"], running.headers["retry-after"]) == ("running", "2")
    assert bench.source.gate is not None
    bench.source.gate.set()
    plain = (await bench.refresh()).json()
    ended = await bench.get(place)
    body = ended.json()
    assert (body["state"], body["result"], body["problem"]) == ("succeeded", plain, None)
    assert body["progress"] == {
        "rows": 4,
        "pages": 1,
        "bytes": 1000,
        "expected_rows": None,
        "elapsed_s": 0.0,
    }
    assert "retry-after" not in ended.headers


async def test_the_same_refresh_is_the_same_operation(bench: Bench) -> None:
    """Asked for again while it runs, it is told by the same place; other options are another."""
    first = await begun(bench)
    again = await bench.client.post("/refresh", headers=ASYNC)
    other = await bench.client.post("/refresh", headers=ASYNC, json={"full": True})
    assert again.headers["location"] == first.headers["location"] != other.headers["location"]
    listed = (await bench.get("/refreshes")).json()["refreshes"]
    assert [one["id"] for one in listed] == [other.json()["id"], first.json()["id"]]
    assert [one["full"] for one in listed] == [True, False]


@pytest.mark.parametrize("prefer", ["wait=60", "respond-async, wait=60"])
async def test_a_wait_that_suffices_gives_the_plain_answer(bench: Bench, prefer: str) -> None:
    """Done in time: 200 and the answer of a plain refresh."""
    answer = await bench.client.post("/refresh", headers={"Prefer": prefer})
    assert answer.status_code == 200
    assert answer.json()["status"] == "refreshed"
    assert answer.headers["preference-applied"] == prefer
    assert "location" not in answer.headers


async def test_a_wait_that_does_not_suffice_gives_the_operation(bench: Bench) -> None:
    """Not done in time: 202, and it goes on."""
    answer = await begun(bench, Prefer="wait=0")
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=0")


async def test_a_failure_in_time_is_the_plain_problem(bench: Bench) -> None:
    """What a plain refresh would refuse, one that is waited for refuses in the same words."""
    bench.source.error = REFUSED
    answer = await bench.client.post("/refresh", headers={"Prefer": "wait=60"})
    assert problem(answer, 502)["detail"] == REFUSED.sentence


async def test_a_failure_is_told_by_the_operation(filled: Bench) -> None:
    """It failed; why is a problem, and what is served all the same stands beside it."""
    filled.source.error = REFUSED
    answer = await filled.client.post("/refresh", headers=ASYNC)
    assert answer.status_code == 202
    await filled.refresh()
    body = (await filled.get(answer.headers["location"])).json()
    assert (body["state"], body["result"]["status"]) == ("failed", "stale")
    assert body["problem"]["type"] == "/problems/credentials-refused"
    assert (body["problem"]["status"], body["problem"]["detail"]) == (502, REFUSED.sentence)


async def test_a_callers_mistake_is_refused_at_once(bench: Bench) -> None:
    """A dataset that does not exist makes no operation."""
    answer = await bench.client.post("/refresh", headers=ASYNC, json={"dataset": "other"})
    assert problem(answer, 404)["code"] == "unknown_dataset"
    assert (await bench.get("/refreshes")).json() == {"refreshes": []}


async def test_the_path_that_a_proxy_cuts_is_kept(bench: Bench) -> None:
    """The place is relative; the kind of a problem leads to its page below the path."""
    bench.source.error = REFUSED
    transport = httpx.ASGITransport(app=bench.app, root_path="/s c")
    async with httpx.AsyncClient(transport=transport, base_url="http://service/s c") as client:
        answer = await client.post("/refresh", headers=ASYNC)
        place = answer.url.join(answer.headers["location"])
        assert str(place).startswith("http://service/s%20c/refreshes/")
        async with client.stream("GET", f"{place}/events") as stream:
            events = await stream.aread()
        told = [
            answer.json(),
            (await client.get(str(place))).json(),
            (await client.get("/refreshes")).json()["refreshes"][0],
            json.loads(events.rpartition(b"data: ")[2].splitlines()[0]),
        ]
        refused = (await client.get("/datasets/none")).json()
    kinds = {one["problem"]["type"] for one in told[1:]} | {refused["type"]}
    assert kinds == {
        "/s%20c/problems/credentials-refused",
        "/s%20c/problems/unknown-dataset",
    }


async def test_cancelling_ends_it_and_publishes_nothing(filled: Bench) -> None:
    """200 with the operation as it ended; whoever waits for it gets the old version and why."""
    place = (await begun(filled)).headers["location"]
    waiting = asyncio.create_task(filled.refresh())
    await asyncio.sleep(0)
    answer = await filled.client.post(f"{place}/cancel")
    body = answer.json()
    assert (answer.status_code, body["state"]) == (200, "cancelled")
    assert body["problem"]["code"] == "refresh_cancelled"
    plain = await waiting
    assert (plain.status_code, plain.json()["warning_code"]) == (200, "refresh_cancelled")
    series = (await filled.get("/series")).json()
    assert (series["version"], series["freshness"]["state"]) == (0, "fresh")
    assert (await filled.client.post(f"{place}/cancel")).json() == body


async def test_what_has_ended_cannot_be_cancelled(filled: Bench) -> None:
    """A 409 that says how it ended."""
    (one,) = (await filled.get("/refreshes")).json()["refreshes"]
    answer = await filled.client.post(f"/refreshes/{one['id']}/cancel")
    assert "it succeeded" in problem(answer, 409)["detail"]


@pytest.mark.parametrize("path", ["", "/events"])
async def test_an_unknown_operation_is_not_found(bench: Bench, path: str) -> None:
    """The words say that operations are forgotten, and where to look."""
    body = problem(await bench.get(f"/refreshes/{'0' * 32}{path}"), 404)
    assert body["code"] == "unknown_operation"
    assert "forgotten" in body["detail"]


async def test_events_of_what_has_ended_are_its_end(filled: Bench) -> None:
    """A reader that comes late gets one `done`, and the stream closes."""
    (one,) = (await filled.get("/refreshes")).json()["refreshes"]
    answer = await filled.get(f"/refreshes/{one['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.count("event: done") == 1
    number = re.findall(r"^id: (\d+)\r$", answer.text, re.MULTILINE)[-1]
    again = await filled.get(f"/refreshes/{one['id']}/events", Last_Event_ID=number)
    assert (again.status_code, again.text) == (204, "")


async def test_a_service_that_stops_begins_nothing(filled: Bench) -> None:
    """Refreshes are refused with a 503 that says when to come back; series are served."""
    await filled.services.operations.finish(0.0)
    for headers in ({}, ASYNC):
        answer = await filled.client.post("/refresh", headers=headers)
        assert problem(answer, 503)["code"] == "service_stopping"
        assert answer.headers["retry-after"] == "30"
    assert (await filled.get("/series")).status_code == 200
