"""GET /datasets/{name} and its dimensions over HTTP."""

from __future__ import annotations

from tests.api.bench import Bench, problem


async def test_a_dataset_is_described(filled: Bench) -> None:
    """Bounds, grains, dimensions and labels are those of the version that is served."""
    body = (await filled.get("/datasets/default")).json()
    assert body.pop("freshness")["state"] == "fresh"
    assert body.pop("labels_read_at") == "2026-11-21T14:05:00Z"
    assert body == {
        "name": "default",
        "source": "sac",
        "model_id": "C5qd9BA0n1x2",
        "value_column": "SignedData",
        "version": 0,
        "rows": 4,
        "min_date": "2026-01-01",
        "max_date": "2026-04-01",
        "grain": "month",
        "grains": ["month", "quarter", "year"],
        "time_aggregation": "sum",
        "dimensions": [
            {
                "name": "dim_region",
                "source": "Region",
                "label": "Sales region",
                "members": 2,
                "labelled": 1,
            },
            {
                "name": "dim_product",
                "source": "Product",
                "label": None,
                "members": 2,
                "labelled": 0,
            },
        ],
    }


async def test_members_are_listed_with_texts_and_counts(filled: Bench) -> None:
    """Search, filter, limit and after are parameters; null stands for no text."""
    url = "/datasets/default/dimensions/dim_region"
    body = (await filled.get(url, accept="application/json")).json()
    assert [(one["id"], one["label"], one["points"]) for one in body["members"]] == [
        ("APJ", None, 2),
        ("EMEA", "Europe", 2),
    ]
    assert (body["total"], body["next"]) == (2, None)
    narrowed = (await filled.get(f"{url}?dim_product=Car")).json()
    assert narrowed["members"] == [
        {
            "id": "APJ",
            "label": None,
            "points": 1,
            "min_date": "2026-04-01",
            "max_date": "2026-04-01",
        }
    ]
    for query in ("dim_product!=Bike", "dim_product^=Ca"):
        assert (await filled.get(f"{url}?{query}")).json()["members"] == narrowed["members"]
    first = (await filled.get(f"{url}?limit=1")).json()
    rest = (await filled.get(f"{url}?limit=1&after={first['next']}")).json()
    assert [first["members"][0]["id"], rest["members"][0]["id"]] == ["APJ", "EMEA"]
    assert [one["id"] for one in (await filled.get(f"{url}?search=euro")).json()["members"]] == [
        "EMEA"
    ]


async def test_wrong_questions_are_answered_with_the_right_names(filled: Bench) -> None:
    """Unknown datasets, dimensions, members and parameters each get a problem."""
    problem(await filled.get("/datasets/nothing"), 404)
    url = "/datasets/default/dimensions"
    assert "dim_region" in problem(await filled.get(f"{url}/regoin"), 404)["detail"]
    body = problem(await filled.get(f"{url}/region?serch=a"), 422)
    assert (body["parameter"], "search" in body["detail"]) == ("serch", True)
    assert problem(await filled.get(f"{url}/region?dim_product=Bik"), 422)["parameter"] == (
        "dim_product"
    )
    twice = problem(await filled.get(f"{url}/region?search=a&search=b"), 422)
    assert twice["parameter"] == "search"
    problem(await filled.get(f"{url}/region?limit=0"), 422)


async def test_an_empty_cache_says_so(bench: Bench) -> None:
    """Nothing was refreshed yet."""
    assert problem(await bench.get("/datasets/default"), 503)["code"] == "cache_missing"
