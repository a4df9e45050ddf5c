"""What all tests share: a clean environment, a simulated tenant, and how long Hypothesis looks."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.simulated_tenant import SimulatedTenant

ROOT = Path(__file__).resolve().parent.parent
# A developer's own settings must not decide what a test sees.
OURS = (
    *("SAC_", "CACHE_", "DATASETS_", "LOG_", "STALE_", "EXPIRE_", "REFRESH_", "BREAKER_"),
    *("QUERY_", "CORS_", "ANSWER_", "SHUTDOWN_", "OTEL_"),
    *("ENVIRONMENT", "API_", "OIDC_", "RATE_LIMIT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_"),
)

# No deadline per example: a busy machine is not a fault. An absolute path for the examples that
# failed once: tests run in folders of their own.
settings.register_profile(
    "default",
    max_examples=50,
    deadline=None,
    database=DirectoryBasedExampleDatabase(ROOT / ".hypothesis" / "examples"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("default"), max_examples=100)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def clean_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hide the developer's variables and `.env`, but not from tests of a real tenant."""
    if request.node.get_closest_marker("sac"):
        return
    for name in os.environ:
        if name.upper().startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


class _Sockets:
    """Counts sockets that were bound or connected; the pair of an event loop is neither."""

    used = 0


def _count_sockets(event: str, _: object) -> None:
    if event in {"socket.bind", "socket.connect"}:
        _Sockets.used += 1


sys.addaudithook(_count_sockets)


def pytest_collection_finish() -> None:
    """Take all that imports made out of the garbage collector's sight: it is looked at often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def sockets_closed() -> Iterator[None]:
    """Have a test that left a socket open fail by itself, and not whichever runs much later.

    What is left open warns when it is collected, and pytest makes that a failure of the test that
    is being torn down. What fixtures of a wider scope keep is not collected.
    """
    before = _Sockets.used
    yield
    if _Sockets.used != before:
        gc.collect()


@pytest.fixture(scope="session")
def tenant_process() -> Iterator[SimulatedTenant]:
    """Run one simulated tenant for each pytest worker."""
    with SimulatedTenant() as tenant:
        yield tenant


@pytest.fixture
def tenant(tenant_process: SimulatedTenant) -> SimulatedTenant:
    """Return the simulated tenant as it is after a fresh start."""
    tenant_process.reset()
    return tenant_process


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests recorded as their summary, one line each."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                found = dict(report.user_properties)
                if "summary" in found:
                    terminalreporter.write_line(f"{report.nodeid}: {found['summary']}")
