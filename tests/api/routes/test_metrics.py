"""`GET /metrics` shows the breaker that failures have opened."""

from app.errors import SourceUnreachableError
from tests.api.bench import Bench


async def test_an_open_breaker_is_seen(filled: Bench) -> None:
    """After repeated failures the tenant is left alone, and the metrics say so."""
    filled.source.error = SourceUnreachableError("No connection to the tenant.")
    for _ in range(10):
        await filled.client.post("/refresh")
    text = (await filled.get("/metrics")).text
    assert 'sac_series_breaker_state{state="open"} 1.0' in text
    assert 'sac_series_breaker_state{state="closed"} 0.0' in text
