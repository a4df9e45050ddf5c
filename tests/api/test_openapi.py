"""The OpenAPI page says what the service does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from app.api import schemas, series_schemas
from app.api.media import MEDIA_TYPES
from tests.api.bench import Bench

EXAMPLES = [
    model
    for model in {**vars(schemas), **vars(series_schemas)}.values()
    if isinstance(model, type)
    and issubclass(model, BaseModel)
    and isinstance(model.model_config.get("json_schema_extra"), dict)
]


@pytest.fixture
def document(bench: Bench) -> dict[str, Any]:
    """The OpenAPI document of the app."""
    return bench.app.openapi()


def test_all_routes_are_listed(document: dict[str, Any]) -> None:
    """Each route stands there with a summary and a description."""
    assert set(document["paths"]) == {
        "/series",
        "/refresh",
        "/refreshes",
        "/refreshes/{operation_id}",
        "/refreshes/{operation_id}/events",
        "/refreshes/{operation_id}/cancel",
        "/datasets",
        "/datasets/{name}",
        "/datasets/{name}/dimensions/{dimension}",
        "/metrics",
        "/datasets/{name}/versions",
        "/datasets/{name}/diff",
        "/datasets/{name}/rollback",
        "/models",
        "/models/{model_id}",
        "/problems",
        "/problems/{name}",
        "/health/auth",
        "/health/live",
        "/health/ready",
    }
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["summary"].strip("?")
            assert operation["description"]
            assert operation["tags"]


def test_every_query_parameter_is_described(document: dict[str, Any]) -> None:
    """All parameters of /series are listed and explained, also those named after dimensions."""
    parameters = document["paths"]["/series"]["get"]["parameters"]
    assert {one["name"] for one in parameters} == {
        "dataset",
        "start",
        "end",
        "first",
        "last",
        "grain",
        "agg",
        "group_by",
        "fill",
        "transform",
        "sort",
        "limit",
        "cursor",
        "format",
        "version",
        "as_of",
        "allow_expired",
        "dimensions",
    }
    assert all(one["description"] for one in parameters)


async def test_the_listed_parameters_are_those_that_are_taken(
    filled: Bench, document: dict[str, Any]
) -> None:
    """The service takes no other parameter than the page lists."""
    listed = {one["name"] for one in document["paths"]["/series"]["get"]["parameters"]}
    refused = (await filled.get("/series?nonsense=1")).json()["detail"]
    named = refused.split("Use one of: ")[1].rstrip(".").split(", ")
    assert set(named) == listed - {"dimensions"} | {"dim_<name>"}


def test_problems_have_their_media_type(document: dict[str, Any]) -> None:
    """Every answer that is a problem is declared as problem+json, and no other answer is."""
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                for media_type, content in answer.get("content", {}).items():
                    is_problem = content["schema"].get("$ref", "").endswith("/Problem")
                    assert is_problem == (media_type == "application/problem+json")
                    assert not (is_problem and status == "200")


def test_the_page_is_the_same_when_asked_twice(bench: Bench) -> None:
    """Describing problems does not depend on how often the page is read."""
    first = str(bench.app.openapi())
    assert str(bench.app.openapi()) == first


def test_every_form_of_a_series_is_declared(document: dict[str, Any]) -> None:
    """JSON has its model, CSV an example, and the headers their texts."""
    answer = document["paths"]["/series"]["get"]["responses"]["200"]
    for kind, models in {
        "application/json": ["SeriesResponse", "SeveralSeriesResponse"],
        "application/vnd.sac-series.columns+json": ["ColumnsResponse", "SeveralColumnsResponse"],
    }.items():
        listed = answer["content"][kind]["schema"]["anyOf"]
        assert [one["$ref"].rpartition("/")[2] for one in listed] == models
    assert set(answer["content"]) == {kind.partition(";")[0] for kind in MEDIA_TYPES.values()}
    assert answer["content"]["text/csv"]["example"].startswith("date,value,dim_")
    assert "X-Series-Warning" in answer["headers"]


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_every_example_is_valid(model: type[BaseModel]) -> None:
    """An example on the page is an answer that the model accepts."""
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    assert examples
    for example in examples:
        assert isinstance(example, dict)
        model.model_validate(example)
        assert set(example) <= set(model.model_fields)


async def test_the_page_is_served(bench: Bench) -> None:
    """The document and its page can be fetched."""
    assert (await bench.get("/openapi.json")).json()["info"]["title"] == "sac-series"
    assert (await bench.get("/docs")).status_code == 200
