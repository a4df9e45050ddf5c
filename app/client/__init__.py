"""A client of this service for Python: `from app.client import SeriesClient`.

It knows nothing of the service's insides and needs httpx, msgspec and pyarrow alone.
"""

from app.client.aio import AsyncSeriesClient
from app.client.answers import (
    DatasetInfo,
    DatasetState,
    Dimension,
    Freshness,
    Member,
    Members,
    Operation,
    Problem,
    ProblemError,
    RefreshResult,
    ServiceError,
)
from app.client.series import Series
from app.client.sync import SeriesClient

__all__ = [
    "AsyncSeriesClient",
    "DatasetInfo",
    "DatasetState",
    "Dimension",
    "Freshness",
    "Member",
    "Members",
    "Operation",
    "Problem",
    "ProblemError",
    "RefreshResult",
    "Series",
    "SeriesClient",
    "ServiceError",
]
