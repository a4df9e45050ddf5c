"""The versions of a dataset over HTTP."""

from __future__ import annotations

import pytest

from tests.api.bench import ROWS, Bench, problem
from tests.fakes import a_page

CHANGED = (("202601", "EMEA", "Bike", "12.25"), *ROWS[2:], ("202605", "APJ", "Car", "1"))


@pytest.fixture
async def twice(filled: Bench) -> Bench:
    """An app on fakes, with versions 0 and 1 of other rows."""
    filled.source.pages = (a_page(CHANGED),)
    assert (await filled.refresh()).json()["version"] == 1
    return filled


async def test_versions_are_listed(twice: Bench) -> None:
    """Each version comes with its time, rows, bounds, source, hashes and pull report."""
    body = (await twice.get("/datasets/default/versions")).json()
    assert body["dataset"] == "default"
    assert [one["version"] for one in body["versions"]] == [1, 0]
    newest = body["versions"][0]
    assert (newest["row_count"], newest["min_date"], newest["max_date"]) == (
        4,
        "2026-01-01",
        "2026-05-01",
    )
    assert (newest["source"], newest["mode"]) == ("sac", "FactData")
    assert newest["report"]["proof"] == "count"
    assert newest["definition_hash"] == body["versions"][1]["definition_hash"]
    assert newest["content_hash"] != body["versions"][1]["content_hash"]
    assert newest["restored_version"] is None
    assert len((await twice.get("/datasets/default/versions?limit=1")).json()["versions"]) == 1


async def test_a_difference_has_counts_points_and_exact_totals(twice: Bench) -> None:
    """Added, removed and changed points are counted and listed, with both totals as text."""
    body = (await twice.get("/datasets/default/diff?from=0&to=1")).json()
    assert (body["before"]["version"], body["after"]["version"]) == (0, 1)
    assert (body["before"]["total"], body["after"]["total"]) == ("31.5", "23.25")
    key = {"date": "2026-01-01", "dim_region": "EMEA", "dim_product": "Bike"}
    assert body["changed"] == {
        "count": 1,
        "first": [{"key": key, "before": 10.5, "after": 12.25}],
    }
    assert (body["added"]["count"], body["removed"]["count"], body["unchanged"]) == (1, 1, 2)
    newest = (await twice.get("/datasets/default/diff?from=0&limit=0")).json()
    assert newest["added"] == {"count": 1, "first": []}


async def test_a_rollback_is_served_until_the_next_refresh(twice: Bench) -> None:
    """The old rows are served as a new version that says so; a refresh publishes again."""
    before = (await twice.get("/series")).json()["points"]
    back = (await twice.client.post("/datasets/default/rollback", json={"version": 0})).json()
    assert back["version"] == 2
    assert back["metadata"]["restored_version"] == 0
    served = (await twice.get("/series")).json()
    assert (served["version"], served["meta"]["restored_version"]) == (2, 0)
    assert served["points"] != before
    again = (await twice.refresh()).json()
    assert (again["status"], again["version"]) == ("refreshed", 3)
    assert again["metadata"]["restored_version"] is None
    assert (await twice.get("/series")).json()["points"] == before


async def test_a_series_can_be_read_as_it_was(twice: Bench) -> None:
    """A version, or the one of a time, is served by /series with its own number."""
    old = (await twice.get("/series?version=0")).json()
    assert (old["version"], old["total"]) == (0, 4)
    assert old["points"] != (await twice.get("/series?version=1")).json()["points"]
    at = (await twice.get("/series?as_of=2026-11-21T15:05:00%2B01:00")).json()
    assert at["version"] == 1


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("/datasets/nope/versions", 404, "unknown_dataset"),
        ("/datasets/nope/diff?from=0", 404, "unknown_dataset"),
        ("/datasets/default/diff?from=7", 404, "unknown_version"),
        ("/datasets/default/diff", 422, "invalid_request"),
        ("/datasets/default/diff?from=-1", 422, "invalid_request"),
        ("/series?version=7", 404, "unknown_version"),
        ("/series?version=x", 422, "invalid_request"),
        ("/series?as_of=2020-01-01T00:00:00Z", 404, "unknown_version"),
        ("/series?as_of=yesterday", 422, "bad_query"),
        ("/series?as_of=2026-11-21T14:05:00Z&version=0", 422, "bad_query"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    twice: Bench, url: str, status: int, code: str
) -> None:
    """Unknown datasets and versions are a 404, malformed questions a 422."""
    assert problem(await twice.get(url), status)["code"] == code


async def test_a_rollback_to_nothing_is_a_problem(twice: Bench) -> None:
    """A version that never was cannot be brought back, and a typing error is named."""
    post = twice.client.post
    refused = await post("/datasets/default/rollback", json={"version": 9})
    assert problem(refused, 404)["code"] == "unknown_version"
    refused = await post("/datasets/default/rollback", json={"versoin": 0})
    assert problem(refused, 422)["code"] == "invalid_request"


@pytest.mark.parametrize("version", [True, "0", None, [0], 0.5, -1])
async def test_a_version_is_a_number(twice: Bench, version: object) -> None:
    """Nothing else is taken for one, and 0.0 is one."""
    post = twice.client.post
    refused = await post("/datasets/default/rollback", json={"version": version})
    assert problem(refused, 422)["code"] == "invalid_request"
    assert (await post("/datasets/default/rollback", json={"version": 0.0})).status_code == 200
