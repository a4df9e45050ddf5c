"""The query string of GET /series is read strictly."""

from __future__ import annotations

import pytest

from app.api.media import Format
from app.api.params import series_request
from app.errors import BadQueryError
from tests.api.asking import a_request


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
