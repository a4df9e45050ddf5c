"""Nothing is traced unless the usual variables ask for it, and then it is said if it cannot be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.errors import ConfigError
from app.observability.masking import MASK, Masker
from app.observability.tracing import tracing_from

ROOT = Path(__file__).resolve().parents[2]
NOBODY = "http://127.0.0.1:9"
ASKED = {"OTEL_EXPORTER_OTLP_ENDPOINT": NOBODY}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {**ASKED, "OTEL_TRACES_EXPORTER": "none"},
        {**ASKED, "OTEL_SDK_DISABLED": "true"},
        {"OTEL_SERVICE_NAME": "mine"},
    ],
    ids=str,
)
def test_it_is_off_unless_it_is_asked_for(environment: Mapping[str, str]) -> None:
    """No variable, or one that says no, traces nothing."""
    assert tracing_from(environment, Masker()) is None


@pytest.mark.parametrize(
    "environment",
    [
        ASKED,
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NOBODY},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "Console"},
    ],
    ids=str,
)
def test_either_variable_asks_for_it(environment: Mapping[str, str]) -> None:
    """An address, or a kind of exporter, is a wish."""
    provider = tracing_from(environment, Masker())
    assert provider is not None
    assert provider.resource.attributes["service.name"] == "sac-series"
    provider.shutdown()


def test_a_name_of_the_service_is_taken_from_the_usual_variable() -> None:
    """Several services of one receiver can be told apart."""
    provider = tracing_from({**ASKED, "OTEL_SERVICE_NAME": "plan-series"}, Masker())
    assert provider is not None
    assert provider.resource.attributes["service.name"] == "plan-series"
    provider.shutdown()


def test_an_exporter_that_there_is_not_is_named() -> None:
    """What was found and what is expected is said, as of every setting."""
    with pytest.raises(ConfigError, match="OTEL_TRACES_EXPORTER: found 'zipkin', expected otlp or"):
        tracing_from({"OTEL_TRACES_EXPORTER": "zipkin"}, Masker())


def test_without_the_packages_a_wish_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said which extra to install, rather than traced in silence to nowhere."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    with pytest.raises(ConfigError, match=r"the extra 'otel' is not installed.*install -E otel"):
        tracing_from(ASKED, Masker())


def test_the_credentials_of_the_receiver_are_masked() -> None:
    """What is sent to the receiver as a header stands in no log."""
    masker = Masker()
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=abc,x-api=hunter2-hunter2"}
    provider = tracing_from({**ASKED, **headers}, masker)
    assert provider is not None
    provider.shutdown()
    assert masker.mask("sent hunter2-hunter2") == f"sent {MASK}"


@pytest.mark.parametrize(("variables", "imported"), [({}, False), (ASKED, True)], ids=["off", "on"])
def test_nothing_of_the_sdk_is_imported_before(
    variables: dict[str, str], imported: bool, tmp_path: Path
) -> None:
    """A service that does not trace neither needs the packages nor pays for them."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import app.main; app.main.app; print('opentelemetry.sdk' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(imported)
