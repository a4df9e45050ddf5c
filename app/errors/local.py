"""What goes wrong on our side: data that breaks the contract, the cache, a caller's request."""

from __future__ import annotations

from app.errors.base import SeriesError
from app.reports import DriftReport


class DataError(SeriesError):
    """The data arrived whole but breaks the contract of a series."""

    code = "data_error"


class BadValueError(DataError):
    """A value of the measure is no finite number that a double holds.

    Attributes:
        page: 1-based page of the pull.
        row: 1-based row within the page.
        column: The source's name of the column.
    """

    code = "bad_value"

    def __init__(
        self, problem: str, *, page: int, row: int, column: str, next_step: str = ""
    ) -> None:
        super().__init__(problem, next_step=next_step)
        self.page = page
        self.row = row
        self.column = column


class GrainError(DataError):
    """A date of the source does not fit the grain of the dataset, or may mean several things."""

    code = "grain_mismatch"


class UnknownColumnError(DataError):
    """The dataset definition names columns that the source does not have."""

    code = "unknown_column"


class MixedDataError(DataError):
    """Members that do not belong together would be added up without having been asked for."""

    code = "mixed_data"


class EmptyPullError(DataError):
    """The pull succeeded and holds no row that a series could show."""

    code = "empty_pull"


class DriftRejectedError(DataError):
    """The data differs from the last good version more than the dataset allows.

    Attributes:
        drift: What changed.
    """

    code = "drift_rejected"

    def __init__(self, problem: str, *, drift: DriftReport, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.drift = drift


class CacheError(SeriesError):
    """The cache cannot be read or written."""

    code = "cache_error"


class CacheMissingError(CacheError):
    """Nothing was ever saved for this dataset."""

    code = "cache_missing"


class CacheCorruptError(CacheError):
    """What the cache holds is not what was saved."""

    code = "cache_corrupt"


class CacheUnavailableError(CacheError):
    """The place of the cache fails: permission, full disk, network."""

    code = "cache_unavailable"


class ExpiredError(CacheError):
    """The cache holds data, but it is older than may be shown."""

    code = "expired"


class RequestError(SeriesError):
    """A caller asked for something that does not exist or cannot be done."""

    code = "bad_request"


class UnknownDatasetError(RequestError):
    """No dataset has this name."""

    code = "unknown_dataset"


class UnknownVersionError(RequestError):
    """The series has no such version: it never had, or it was cleaned away."""

    code = "unknown_version"


class UnknownDimensionError(RequestError):
    """The series has no dimension of this name."""

    code = "unknown_dimension"


class UnknownModelError(RequestError):
    """The tenant has no model of the id that a caller asked about."""

    code = "unknown_model"


class BadQueryError(RequestError):
    """A query parameter is malformed, or names what the series does not have.

    Attributes:
        parameter: The name of the query parameter.
    """

    code = "bad_query"

    def __init__(self, problem: str, *, parameter: str, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.parameter = parameter


class QueryTooLargeError(RequestError):
    """The answer to a query would have more rows than are served at once."""

    code = "query_too_large"


class QueryTooSlowError(RequestError):
    """A query took longer than it may, and was given up."""

    code = "query_too_slow"


class CursorGoneError(RequestError):
    """The version that a cursor reads is gone: cleaned away, or the cache was filled anew."""

    code = "cursor_gone"


class FormatNotOfferedError(RequestError):
    """The `Accept` header excludes every form in which a series is written."""

    code = "format_not_offered"


class UnknownProblemError(RequestError):
    """No kind of problem has this code."""

    code = "unknown_problem"


class SourceConflictError(RequestError):
    """A refresh from sample data would replace data that came from a tenant."""

    code = "source_conflict"
