"""Metadata as they stand in a commit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import CacheCorruptError
from app.pipeline.series_metadata import decode_metadata, described, encode_metadata
from app.records import CONTRACT_VERSION, Grain, PullReport, SeriesMetadata, TimeAggregation
from tests.pipeline.samples import metadata_of, three_months

counts = st.integers(0, 2**53)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
reports = st.builds(
    PullReport,
    expected=counts | st.none(),
    received=counts,
    pages=counts,
    proof=texts,
    mode=texts,
    bytes=counts,
    seconds=st.floats(0, 1e6),
    retries=counts,
    token_renewals=counts,
)
metadata = st.builds(
    SeriesMetadata,
    dataset=texts,
    source=texts,
    last_refresh_time=st.datetimes(timezones=st.just(UTC)),
    row_count=counts,
    min_date=st.dates() | st.none(),
    max_date=st.dates() | st.none(),
    model_id=texts,
    grain=st.sampled_from(Grain),
    time_aggregation=st.sampled_from(TimeAggregation),
    value_column=texts,
    dimensions=st.dictionaries(texts, texts, max_size=3),
    definition_hash=texts,
    content_hash=texts,
    contract_version=st.integers(1, CONTRACT_VERSION),
    mode=texts,
    rows_read=counts,
    skipped=st.dictionaries(texts, counts, max_size=3),
    report=reports | st.none(),
)


@given(metadata)
def test_metadata_survive_json(whole: SeriesMetadata) -> None:
    """What is written is read back equal, every field of it."""
    assert decode_metadata(encode_metadata(whole)) == whole


@given(metadata)
def test_fields_of_a_later_release_are_ignored(whole: SeriesMetadata) -> None:
    """A key that this release does not know changes nothing."""
    later = json.loads(encode_metadata(whole)) | {"mood": "sunny"}
    assert decode_metadata(json.dumps(later)) == whole


@given(texts)
def test_text_that_is_no_metadata_is_corrupt(text: str) -> None:
    """No text raises anything but a cache error."""
    with pytest.raises(CacheCorruptError):
        decode_metadata(text)


def test_a_newer_contract_is_not_guessed_at() -> None:
    """A series of a later contract is refused, and the way out is a newer program."""
    newer = replace(metadata_of(three_months()), contract_version=CONTRACT_VERSION + 1)
    with pytest.raises(CacheCorruptError) as caught:
        decode_metadata(encode_metadata(newer))
    assert "Install the release" in caught.value.next_step


def test_describing_is_idempotent() -> None:
    """What describes the rows already is left as it is."""
    rows = three_months()
    whole = described(rows, metadata_of(rows))
    assert described(rows, whole) == whole
