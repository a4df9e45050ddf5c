"""The settings of HTTP are read strictly."""

from __future__ import annotations

import pytest

from app.config import load_settings
from app.errors import ConfigError


def test_nothing_is_open_by_default() -> None:
    """Without a setting no origin is listed, and some room is kept for answers."""
    settings = load_settings(None)
    assert (settings.cors_origins, settings.answer_cache_mb) == ((), 64)


def test_origins_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several origins stand side by side, with or without a port."""
    monkeypatch.setenv("CORS_ORIGINS", "https://bi.example.com, http://localhost:3000,")
    assert load_settings(None).cors_origins == ("https://bi.example.com", "http://localhost:3000")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.example.com",
        "bi.example.com",
        "https://bi.example.com/",
        "https://bi.example.com/app",
        "https://bi.example.com:443",
        "https://BI.example.com",
        "https://user@bi.example.com",
        "ftp://bi.example.com",
        "null",
    ],
)
def test_what_no_browser_sends_is_refused(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    """An origin that would never match is a mistake, and a wildcard a wider door than was meant."""
    monkeypatch.setenv("CORS_ORIGINS", f"https://bi.example.com,{origin}")
    with pytest.raises(ConfigError, match=r"CORS_ORIGINS: found .*origin"):
        load_settings(None)


@pytest.mark.parametrize("size", ["-1", "many", "1.5"])
def test_a_size_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    """The room for answers is a whole number of megabytes."""
    monkeypatch.setenv("ANSWER_CACHE_MB", size)
    with pytest.raises(ConfigError, match="ANSWER_CACHE_MB"):
        load_settings(None)


def test_the_limits_of_queries_are_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and seconds are taken as they are set."""
    monkeypatch.setenv("QUERY_MAX_ROWS", "1000")
    monkeypatch.setenv("QUERY_TIMEOUT_S", "0.5")
    settings = load_settings(None)
    assert (settings.query_max_rows, settings.query_timeout_s) == (1000, 0.5)


@pytest.mark.parametrize(("variable", "value"), [("QUERY_MAX_ROWS", "0"), ("QUERY_TIMEOUT_S", "0")])
def test_a_limit_that_allows_nothing_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """A query that may have no row, or take no time, could never be answered."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=variable):
        load_settings(None)
