"""The Accept header chooses the form of a series, and nothing that it holds breaks anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.media import EXTENSIONS, MEDIA_TYPES, Format, preferred
from app.errors import FormatNotOfferedError

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
NEGOTIATED = [form for form in Format if form is not Format.EXCEL]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Format.JSON),
        ("", Format.JSON),
        ("*/*", Format.JSON),
        (BROWSER, Format.JSON),
        ("application/*", Format.JSON),
        ("text/*", Format.CSV),
        ("text/csv", Format.CSV),
        ("Text/CSV; header=present", Format.CSV),
        ("text/csv, */*;q=0.1", Format.CSV),
        ("text/csv, application/json", Format.JSON),
        ("text/csv;q=0.4, application/json;q=0.5", Format.JSON),
        ("text/csv; q = 0.9, application/*;q=0.5", Format.CSV),
        ("text/csv;q=0, */*;q=0.1", Format.JSON),
        ("application/json;q=0, */*;q=0.1", Format.COLUMNS),
        ("application/*, application/json;q=0.1, text/csv;q=0.3", Format.COLUMNS),
        ("text/csv;q=high", Format.JSON),
        ("application/vnd.apache.arrow.stream, application/json;q=0.9", Format.ARROW),
        ("application/xml, application/x-ndjson;q=0.01", Format.NDJSON),
    ],
)
def test_the_best_loved_form_comes(accept: str | None, expected: Format) -> None:
    """The highest weight wins, the most specific range gives it, and JSON comes first of equals."""
    assert preferred(accept) is expected


@pytest.mark.parametrize("form", NEGOTIATED)
def test_every_form_comes_by_its_own_type(form: Format) -> None:
    """Who accepts the very type that a form is sent with gets it."""
    assert preferred(MEDIA_TYPES[form]) is form


@pytest.mark.parametrize("accept", ["application/xml", "image/*", "text/csv;q=0", "*/*;q=0"])
def test_a_header_that_excludes_everything_is_refused(accept: str) -> None:
    """The error names what there is, as types and as formats."""
    with pytest.raises(FormatNotOfferedError) as error:
        preferred(accept)
    assert all(form in error.value.next_step for form in Format)
    assert "application/vnd.apache.parquet" in error.value.next_step


@given(accept=st.text(max_size=400))
def test_no_accept_header_breaks_anything(accept: str) -> None:
    """Whatever the header holds, a format comes of it, or the one error that says so."""
    try:
        assert preferred(accept) in Format
    except FormatNotOfferedError as error:
        assert error.problem.endswith(".")  # noqa: PT017 - both ways are right


@given(
    weights=st.lists(
        st.tuples(st.sampled_from(NEGOTIATED), st.integers(0, 1000)),
        unique_by=lambda pair: pair[0],
        min_size=1,
    ).filter(lambda pairs: any(weight for _, weight in pairs))
)
def test_the_order_of_the_ranges_does_not_count(weights: list[tuple[Format, int]]) -> None:
    """Of plainly named types the heaviest comes, however the header lists them."""
    parts = [f"{MEDIA_TYPES[form].partition(';')[0]};q={q / 1000:.3f}" for form, q in weights]
    found = preferred(", ".join(parts))
    assert dict(weights)[found] == max(q for _, q in weights)
    assert preferred(",".join(reversed(parts))) is found


def test_every_form_has_a_type_and_an_extension() -> None:
    """A form that is added must be told how it is called in both worlds."""
    assert set(MEDIA_TYPES) == set(EXTENSIONS) == set(Format)
