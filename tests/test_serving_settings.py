"""How series are served is set by variables, and what is wrong with them is said."""

from __future__ import annotations

import pytest

from app.config import load_settings
from app.errors import ConfigError


def test_the_limits_of_queries_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and seconds are taken as they are set."""
    monkeypatch.setenv("QUERY_MAX_ROWS", "1000")
    monkeypatch.setenv("QUERY_TIMEOUT_S", "0.5")
    settings = load_settings(None)
    assert (settings.query_max_rows, settings.query_timeout_s) == (1000, 0.5)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("QUERY_MAX_ROWS", "0"), ("QUERY_TIMEOUT_S", "0"), ("CORS_ORIGINS", "https://a.example/x")],
)
def test_a_malformed_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """What cannot be served so is refused at the start, by name."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable):
        load_settings(None)
