"""`GET /models`: what the tenant offers, for binding a dataset."""

from app.errors import CredentialsRefusedError
from tests.api.bench import Bench


async def test_models_are_listed_and_double_names_told(bench: Bench) -> None:
    """Every model has its id, and a name that others share is marked."""
    body = (await bench.client.get("/models")).json()
    assert [model["id"] for model in body["models"]] == ["C1", "C2"]
    assert not any(model["name_is_unique"] for model in body["models"])


async def test_a_model_is_described_with_a_definition_to_start_from(bench: Bench) -> None:
    """Columns come with role, finding and members; the definition pins what must be pinned."""
    body = (await bench.client.get("/models/C2")).json()
    assert body["columns"][0] == {
        "name": "Version",
        "role": "version",
        "found_by": "master",
        "label": "",
        "type": "",
        "members": [{"id": "public.Actual", "description": "Actual"}],
        "attributes": [],
    }
    assert body["definition"] == {
        "model_id": "C2",
        "date_column": "Date",
        "value_column": "SignedData",
        "dimensions": [],
        "filter": "Version eq 'public.Actual' and Account eq 'O''NEILL'",
        "grain": "month",
    }


async def test_a_tenant_that_refuses_is_a_problem(bench: Bench) -> None:
    """The words of the failure reach the caller as a problem document."""
    bench.models.error = CredentialsRefusedError("SAC refused us.", next_step="Check the secret.")
    for path in ("/models", "/models/C2"):
        answer = await bench.client.get(path)
        assert answer.status_code == 502
        assert answer.json()["detail"] == "SAC refused us. Check the secret."
