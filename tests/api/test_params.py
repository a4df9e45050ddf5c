"""The query string of GET /series is read strictly."""

from __future__ import annotations

import pytest

from app.api.media import Format
from app.api.params import series_request
from app.errors import BadQueryError
from tests.api.asking import a_request
from tests.api.bench import Bench, problem


async def test_a_name_that_is_not_known_is_refused() -> None:
    """The error names the parameter and what there is, nearest first."""
    with pytest.raises(BadQueryError) as error:
        await series_request(a_request("strat=2026"))
    assert error.value.parameter == "strat"
    assert "start" in error.value.next_step.partition(",")[0]


async def test_the_parameter_wins_over_the_accept_header() -> None:
    """`format=` decides even where Accept excludes every form."""
    request = a_request("format=csv", accept="image/png")
    assert (await series_request(request, format=Format.CSV)).format is Format.CSV


@pytest.mark.parametrize(
    ("method", "url", "parameter", "said"),
    [
        ("POST", "/refresh?dataset=other", "dataset", "none: send a JSON object as the body"),
        ("GET", "/datasets?limt=3", "limt", "takes none"),
        ("GET", "/datasets/default?x=1", "x", "takes none"),
        ("GET", "/datasets/default/versions?limt=3", "limt", "Use one of: limit."),
        ("GET", "/datasets/default/versions?limit=3&limit=4", "limit", "more than once"),
        ("GET", "/datasets/default/diff?form=0", "form", "Use one of: from, "),
        ("GET", "/datasets/default/diff?from=0&dim_region=EMEA", "dim_region", "Use one of: "),
        ("POST", "/datasets/default/rollback?version=0", "version", "send a JSON object"),
        ("GET", "/datasets/default/dimensions/region?serach=x", "serach", "Use one of: search"),
        ("GET", "/models?id=x", "id", "takes none"),
        ("GET", "/models/x?full=1", "full", "takes none"),
        ("GET", "/refreshes?state=running", "state", "takes none"),
        ("GET", "/refreshes/x?wait=1", "wait", "takes none"),
        ("POST", "/refreshes/x/cancel?force=1", "force", "takes none"),
    ],
)
async def test_a_parameter_that_means_nothing_is_refused(
    filled: Bench, method: str, url: str, parameter: str, said: str
) -> None:
    """No address of the data takes a parameter in silence that it does not know."""
    started = len(filled.cache.versions["default"])
    body = problem(await filled.client.request(method, url), 422)
    assert (body["code"], body["parameter"]) == ("bad_query", parameter)
    assert said in body["detail"]
    assert len(filled.cache.versions["default"]) == started


async def test_platforms_may_add_parameters(filled: Bench) -> None:
    """Probes and scrapers put words of their own into addresses, and must not fail by it."""
    for url in ("/health/live", "/health/ready", "/metrics", "/problems"):
        assert (await filled.get(f"{url}?nocache=1")).status_code == 200


@pytest.mark.parametrize(
    ("url", "body", "said"),
    [
        ("/refresh", {"datset": "x"}, "datset: There is no such field. Use one of: dataset, "),
        ("/datasets/default/rollback", {"verson": 0}, "Use one of: version."),
    ],
)
async def test_a_field_that_does_not_exist_is_told_with_those_that_do(
    filled: Bench, url: str, body: dict[str, object], said: str
) -> None:
    """The fields of the body are listed, nearest first."""
    found = problem(await filled.client.post(url, json=body), 422)
    assert found["code"] == "invalid_request"
    assert said in found["detail"]
