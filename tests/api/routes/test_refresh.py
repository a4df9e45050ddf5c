"""POST /refresh over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from app.api.schemas import RefreshResponse
from app.errors import (
    ConfigError,
    ConfigProblem,
    CredentialsRefusedError,
    RateLimitedError,
    SeriesError,
    SourceTimeoutError,
)
from tests.api.bench import Bench, problem

REFUSED = CredentialsRefusedError(
    "SAP Analytics Cloud refused the client credentials.", next_step="Check the client's secret."
)
UNCONFIGURED = ConfigError(
    (
        ConfigProblem(
            variable="SAC_TENANT_URL", found="nothing", expected="an address", example="https://x"
        ),
        ConfigProblem(variable="SAC_MODEL_ID", found="''", expected="an id", example="C5qd9BA0"),
    )
)


async def test_no_body_refreshes_the_default_dataset(bench: Bench) -> None:
    """`curl -X POST /refresh` pulls the default dataset and reports what came of it."""
    response = await bench.refresh()
    assert response.status_code == 200
    body = response.json()
    assert RefreshResponse.model_validate(body).dataset == "default"
    assert body["status"] == "refreshed"
    assert (body["warning"], body["warning_code"]) == (None, None)
    assert body["metadata"]["last_refresh_time"] == "2026-11-21T14:05:00Z"
    assert body["metadata"]["min_date"] == "2026-01-01"
    assert body["metadata"]["dimensions"] == {"dim_region": "Region", "dim_product": "Product"}
    assert body["report"]["received"] == 4
    assert list(body) == list(RefreshResponse.model_fields)


@pytest.mark.parametrize(
    "body", [{}, {"dataset": "default"}, {"dataset": None, "source": "sac"}], ids=str
)
async def test_every_field_may_be_left_out(bench: Bench, body: dict[str, str]) -> None:
    """An empty object, a dataset alone, and nulls are all a refresh."""
    assert (await bench.refresh(body)).json()["status"] == "refreshed"


async def test_the_source_can_be_named(bench: Bench) -> None:
    """Sample data can be asked for; the answer says that it is sample data."""
    body = (await bench.refresh({"source": "fixture"})).json()
    assert body["metadata"]["source"] == "fixture"
    assert body["warning_code"] == "sample_data"


async def test_a_second_refresh_is_unchanged(filled: Bench) -> None:
    """The same rows again answer `unchanged` with the same version's content."""
    assert (await filled.refresh()).json()["status"] == "unchanged"


@pytest.mark.parametrize("error", [REFUSED, UNCONFIGURED], ids=lambda error: error.code)
async def test_with_a_cache_a_failure_is_stale(filled: Bench, error: SeriesError) -> None:
    """With a wrong secret or no configuration the answer is 200, stale, with a warning."""
    fail(filled, error)
    body = (await filled.refresh()).json()
    assert body["status"] == "stale"
    assert body["warning"] == f"Showing data of 21 Nov 2026, 14:05 UTC: {error.sentence}"
    assert body["warning_code"] == error.code
    assert body["report"] is None
    assert body["metadata"]["row_count"] == 4


@pytest.mark.parametrize(
    ("error", "status"),
    [(REFUSED, 502), (UNCONFIGURED, 503), (SourceTimeoutError("No answer came."), 503)],
    ids=["refused", "unconfigured", "down"],
)
async def test_without_a_cache_a_failure_is_a_problem_in_the_same_words(
    bench: Bench, error: SeriesError, status: int
) -> None:
    """With nothing to serve, the words of the warning come as a problem; never as a 401."""
    fail(bench, error)
    body = problem(await bench.refresh(), status)
    assert body["detail"] == error.sentence
    assert body["code"] == error.code


async def test_all_settings_that_are_wrong_are_listed(bench: Bench) -> None:
    """A service that is not configured says for each variable what is found and expected."""
    bench.catalogue.error = UNCONFIGURED
    body = problem(await bench.refresh(), 503)
    assert [one["variable"] for one in body["problems"]] == ["SAC_TENANT_URL", "SAC_MODEL_ID"]
    assert body["problems"][0] == {
        "variable": "SAC_TENANT_URL",
        "found": "nothing",
        "expected": "an address",
        "example": "https://x",
    }


async def test_the_wait_that_the_tenant_asks_for_is_passed_on(bench: Bench) -> None:
    """`Retry-After` is what the tenant named, rounded up."""
    bench.source.error = RateLimitedError("Too many requests.", retry_after_s=12.2)
    response = await bench.refresh()
    problem(response, 503)
    assert response.headers["retry-after"] == "13"


async def test_sample_data_over_a_tenants_data_is_a_conflict(filled: Bench) -> None:
    """Sample data does not replace real data."""
    body = problem(await filled.refresh({"source": "fixture"}), 409)
    assert body["code"] == "source_conflict"


@pytest.mark.parametrize(
    "asked", [{"dataset": "other"}, {"dataset": ""}, {"source": "ftp"}], ids=str
)
async def test_unknown_names_are_not_found(bench: Bench, asked: dict[str, str]) -> None:
    """A dataset or source that does not exist is a 404 problem."""
    assert problem(await bench.refresh(asked), 404)["code"] == "unknown_dataset"


async def test_unknown_fields_are_refused(bench: Bench) -> None:
    """A misspelt field is named, with those that there are, rather than ignored."""
    (error,) = problem(await bench.refresh({"data_set": "x"}), 422)["errors"]
    assert error["name"] == "data_set"
    assert error["detail"].startswith("There is no such field. Use one of: dataset, ")


@pytest.mark.parametrize(
    ("content", "media_type", "said"),
    [
        ('{"dataset": ', "application/json", "The body is not valid JSON."),
        ('{"source": "fixture"}', "text/plain", "Content-Type: application/json."),
        ('["default"]', "application/json", "Send a JSON object"),
        ('{"dataset": 7}', "application/json", "dataset: Input should be a valid string."),
    ],
    ids=["broken", "no type", "list", "number"],
)
async def test_malformed_bodies_are_refused_in_words(
    bench: Bench, content: str, media_type: str, said: str
) -> None:
    """What is wrong with a body is said; nothing is pulled."""
    headers = {"Content-Type": media_type}
    response = await bench.client.post("/refresh", content=content, headers=headers)
    body = problem(response, 422)
    assert body["code"] == "invalid_request"
    assert said in body["detail"]
    assert bench.source.pulls == []


async def test_calls_that_arrive_together_share_one_pull(bench: Bench) -> None:
    """Five requests at once cause one pull, and all are answered by it."""
    bench.source.gate = asyncio.Event()
    calls = [asyncio.create_task(bench.refresh()) for _ in range(5)]
    await bench.source.started.wait()
    bench.source.gate.set()
    answers = {(await call).text for call in calls}
    assert len(answers) == 1
    assert len(bench.source.pulls) == 1


def fail(bench: Bench, error: SeriesError) -> None:
    """Let the next refresh fail."""
    if isinstance(error, ConfigError):
        bench.catalogue.error = error
    else:
        bench.source.error = error
