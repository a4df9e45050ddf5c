"""The service as users run it, over real sockets, in good days and bad."""

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import SECRET_VARIABLE
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import SimulatedTenant

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this module, for a service and its cache."""
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def own_tenant() -> Iterator[SimulatedTenant]:
    """A tenant of this module."""
    with SimulatedTenant() as tenant:
        yield tenant


@pytest.fixture(scope="module")
def filled(folder: Path, own_tenant: SimulatedTenant) -> httpx.Response:
    """The answer of the first refresh, after which the folder holds a cache."""
    with running_service(folder, settings_for(own_tenant)) as service:
        return service.post("/refresh")


def refresh_and_read(folder: Path, settings: dict[str, str]) -> tuple[httpx.Response, ...]:
    """Start a service, and ask it for the login, a refresh, and the series."""
    with running_service(folder, settings) as service:
        login = service.get("/health/auth")
        refreshed = service.post("/refresh")
        return login, refreshed, service.get("/series", params={"limit": 3})


def test_the_first_refresh_pulls_everything(
    filled: httpx.Response, own_tenant: SimulatedTenant
) -> None:
    """A refresh through OAuth and OData publishes a series proved by the tenant's count."""
    body = filled.json()
    assert filled.status_code == 200
    assert (body["status"], body["warning"]) == ("refreshed", None)
    assert body["metadata"]["row_count"] > 0
    assert body["report"]["proof"] == "count"
    assert body["report"]["received"] == body["metadata"]["rows_read"]


@pytest.mark.usefixtures("filled")
def test_the_answers_in_the_readme_have_the_real_form(
    folder: Path, own_tenant: SimulatedTenant
) -> None:
    """Every field that the README shows is in the real answer, and none is left out unmarked."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", readme, re.DOTALL)]
    with running_service(folder, settings_for(own_tenant)) as service:
        real = [
            service.post("/refresh").json(),
            service.get("/series", params={"dim_region": "EMEA", "grain": "quarter"}).json(),
            service.get("/health/auth").json(),
        ]
    for left, right in zip([*shown, shown[0]], [*real, real[0], real[0]], strict=True):
        assert_same_form(left, right)


@pytest.mark.usefixtures("filled")
def test_pickers_show_the_texts_of_the_masters(folder: Path, own_tenant: SimulatedTenant) -> None:
    """Dimensions and members come with what the tenant calls them, and every point is counted."""
    with running_service(folder, settings_for(own_tenant)) as service:
        dataset = service.get("/datasets/default").json()
        lists = [
            service.get(f"/datasets/default/dimensions/{one['name']}").json()
            for one in dataset["dimensions"]
        ]
    assert lists
    for one, told in zip(dataset["dimensions"], lists, strict=True):
        assert one["label"]
        assert one["members"] == told["total"] == len(told["members"])
        assert sum(member["points"] for member in told["members"]) == dataset["rows"]
    assert any(member["label"] for told in lists for member in told["members"])


def assert_same_form(shown: object, real: object) -> None:
    """Hold the fields of a shown answer against a real one; `…` stands for what is left out."""
    if isinstance(shown, dict) and isinstance(real, dict):
        told = set(shown) - {"…"}
        assert told <= set(real) if "…" in shown else told == set(real)
        for name in told - {"skipped"}:
            assert_same_form(shown[name], real[name])
    elif isinstance(shown, list) and isinstance(real, list):
        for item in shown:
            assert_same_form({**item, "dim_product": ""}, real[0])


@pytest.mark.usefixtures("filled")
def test_a_second_refresh_changes_nothing(folder: Path, own_tenant: SimulatedTenant) -> None:
    """Refreshing twice gives the same rows and the same latest date, as unchanged."""
    with running_service(folder, settings_for(own_tenant)) as service:
        first, second = service.post("/refresh").json(), service.post("/refresh").json()
        live, ready = service.get("/health/live"), service.get("/health/ready")
        csv = service.get("/series", params={"format": "csv"})
        series = service.get("/series").json()
    assert second["status"] == "unchanged"
    for key in ("row_count", "max_date", "content_hash"):
        assert first["metadata"][key] == second["metadata"][key]
    assert (live.status_code, ready.status_code) == (200, 200)
    assert csv.text.splitlines()[0] == "date,value,dim_region,dim_product"
    assert len(csv.text.splitlines()) - 1 == len(series["points"]) == series["total"]


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (
            {"SAC_TENANT_URL": NOBODY, "SAC_TOKEN_URL": f"{NOBODY}/oauth/token"},
            "source_unreachable",
            "cannot be reached",
        ),
        (
            {SECRET_VARIABLE: "a-wrong-secret"},
            "credentials_refused",
            "refused the client credentials",
        ),
        (None, "configuration", "not fully configured"),
    ],
    ids=["tenant down", "wrong secret", "no configuration"],
)
def test_bad_days_show_the_cache_and_say_why(
    folder: Path,
    own_tenant: SimulatedTenant,
    changes: dict[str, str] | None,
    code: str,
    words: str,
) -> None:
    """Tenant down, wrong secret or no configuration: it starts, serves, and warns in words."""
    settings = {} if changes is None else settings_for(own_tenant, **changes)
    login, refreshed, series = refresh_and_read(folder, settings)
    body = refreshed.json()
    assert (login.status_code, login.json()["code"]) == (503, code)
    assert words in login.json()["detail"]
    assert (refreshed.status_code, body["status"]) == (200, "stale")
    assert body["warning"].startswith("Showing data of ")
    assert words in body["warning"]
    assert body["warning_code"] == code
    assert series.status_code == 200
    assert len(series.json()["points"]) == 3
    assert series.json()["warning"] == body["warning"]
    assert own_tenant.secret not in refreshed.text + series.text + login.text


def test_without_a_cache_the_same_words_are_a_problem(tmp_path: Path) -> None:
    """Nothing configured and nothing cached: problems that say what to do, and a live service."""
    login, refreshed, series = refresh_and_read(tmp_path, {})
    assert refreshed.status_code == 503
    assert refreshed.headers["content-type"].startswith("application/problem+json")
    assert refreshed.json()["code"] == "configuration"
    assert login.json()["code"] == "configuration"
    for name in ("SAC_TENANT_URL", "SAC_TOKEN_URL", "SAC_CLIENT_ID"):
        assert name in login.json()["detail"]
        assert name in refreshed.json()["detail"]
    assert (series.status_code, series.json()["code"]) == (503, "cache_missing")


@pytest.mark.parametrize(
    ("length", "status", "kind"),
    [(60_000, 422, "application/problem+json"), (66_000, 400, "text/plain; charset=utf-8")],
)
@pytest.mark.usefixtures("filled")
def test_a_long_address_is_answered_or_refused(
    folder: Path, length: int, status: int, kind: str
) -> None:
    """The service answers up to 64 KiB; what is longer the server refuses, as the page says."""
    with running_service(folder, {}) as service:
        url = service.base_url
        connection = http.client.HTTPConnection(url.host, url.port or 0, timeout=30)
        connection.request("GET", f"/series?dim_region={'x' * length}")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["content-type"]) == (status, kind)
        connection.close()
