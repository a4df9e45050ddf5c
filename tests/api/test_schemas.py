"""Records become answers without loss."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pydantic import ValidationError

from app.api.schemas import AuthResponse, MetadataModel, PullReportModel, RefreshRequest
from app.records import AuthStatus, PullReport, SeriesMetadata
from app.reports import BreakerState, BreakerStatus
from tests.fakes import START


def test_no_field_of_the_metadata_is_forgotten() -> None:
    """Every field of the record is shown, but the name and the report, which stand beside it."""
    shown = set(MetadataModel.model_fields)
    assert shown == {one.name for one in fields(SeriesMetadata)} - {"dataset", "report"}


def test_no_field_of_the_report_is_forgotten() -> None:
    """Every field of the pull report is shown."""
    assert set(PullReportModel.model_fields) == {one.name for one in fields(PullReport)}


def test_times_are_written_in_utc() -> None:
    """A time ends with Z, as UIs parse it best."""
    status = AuthStatus(ok=True, checked_at=START, detail="A token was issued.", expires_at=START)
    written = AuthResponse.of(status, BreakerStatus(BreakerState.CLOSED)).model_dump(mode="json")
    assert written["checked_at"] == written["expires_at"] == "2026-11-21T14:05:00Z"


def test_a_refresh_request_takes_no_other_field() -> None:
    """A misspelt field is refused."""
    with pytest.raises(ValidationError):
        RefreshRequest.model_validate({"datset": "x"})
