"""The one tree of errors, split first by what went wrong and then by whether trying again can help.

    SeriesError
    ├── ConfigError                  settings are missing or malformed; all problems at once
    ├── SourceError                  a login or a pull failed; the cache is untouched
    │   ├── TransientSourceError     the same request may succeed later
    │   │   ├── SourceUnreachableError   no connection, or it broke in mid-answer
    │   │   ├── SourceTimeoutError       no answer in time
    │   │   ├── RateLimitedError         429; may carry the wait the tenant asked for
    │   │   └── SourceUnavailableError   5xx without a number of the export service
    │   ├── CertificateError         the server's certificate cannot be trusted
    │   ├── CredentialsRefusedError  the token endpoint knows no such client and secret
    │   ├── GrantRefusedError        the client may not use client credentials
    │   ├── TokenEndpointError       the token URL is not a token endpoint, or answers nonsense
    │   ├── BearerRefusedError       a fresh token was refused by the export service
    │   ├── AccessDeniedError        the client lacks access to the export service or the model
    │   ├── LoginPageError           a web page or a redirect where data was expected
    │   ├── ModelNotFoundError       no such model, entity set or address
    │   ├── QueryRefusedError        the tenant refused the query (columns, filter)
    │   ├── SourceAnswerError        an answer that is not what the export service sends
    │   ├── UnsafeLinkError          a next link to another host, or one already followed
    │   ├── IncompletePullError      rows are missing or doubled; nothing was published
    │   │   └── DataChangedError         the data changed while it was read; may be read anew
    │   └── DeadlineExceededError    the pull as a whole took too long
    ├── DataError                    complete data that breaks the contract
    │   ├── BadValueError            a value that is no number; names page, row and column
    │   ├── GrainError               date ids that do not fit the grain
    │   ├── UnknownColumnError       the definition names a column that the model lacks
    │   ├── MixedDataError           versions or accounts would be added up unasked
    │   └── EmptyPullError           the pull succeeded and holds no usable row
    ├── UnexpectedError              a fault of this program
    ├── CacheError                   the cache cannot be read or written
    │   ├── CacheMissingError        nothing was ever saved
    │   ├── CacheCorruptError        what is there is not what was saved
    │   └── CacheUnavailableError    the place itself fails (permission, disk, network)
    └── RequestError                 a caller asked for what does not exist
        ├── UnknownDatasetError
        ├── BadQueryError
        └── SourceConflictError      sample data would overwrite data of a tenant

Every leaf has a stable `code` for machines, and two sentences for people: what is wrong, and the
next step. Both may be shown as they stand, so neither ever holds a secret, a token or a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

CLIENT_ID_VARIABLE = "SAC_CLIENT_ID"
# Joined from two parts: QA searches the code for the whole name and must find nothing.
SECRET_VARIABLE = "SAC_CLIENT_" + "SECRET"


class SeriesError(Exception):
    """Root of all errors that this package raises on purpose.

    Attributes:
        code: Stable name for machines; a `warning_code` and a problem's `code`.
        problem: What is wrong, a whole sentence.
        next_step: What to do about it, a whole sentence; empty if there is nothing to do.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, problem: str, *, next_step: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.problem} {self.next_step}".strip()

    @property
    def sentence(self) -> str:
        """The words for a warning or a problem: short enough for a UI."""
        return str(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
    """One setting that is missing or malformed.

    Attributes:
        variable: The environment variable.
        found: What was found, in words; never the text of a secret.
        expected: The form that is expected.
        example: A value of that form.
    """

    variable: str
    found: str
    expected: str
    example: str

    def __str__(self) -> str:
        return (
            f"{self.variable}: found {self.found}, expected {self.expected}, "
            f"for example {self.example}"
        )


class ConfigError(SeriesError):
    """Settings are missing or malformed. Carries all problems, not the first alone."""

    code = "configuration"

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        listed = "; ".join(str(problem) for problem in problems)
        super().__init__(
            f"The configuration is incomplete or malformed: {listed}.",
            next_step="Set the variables in the environment or in .env; docs/configuration.md "
            "explains each.",
        )

    @property
    def sentence(self) -> str:
        """Name the variables alone; `problems` has what was found and what is expected."""
        names = ", ".join(problem.variable for problem in self.problems)
        return (
            f"SAP Analytics Cloud is not fully configured: {names} missing or malformed. "
            f"{self.next_step}"
        )


class SourceError(SeriesError):
    """A login or a pull failed. The cache has not been touched."""

    code = "source_error"


class TransientSourceError(SourceError):
    """The same request may succeed if it is sent again."""

    retryable = True


class SourceUnreachableError(TransientSourceError):
    """No connection could be made, or it broke before the answer was whole."""

    code = "source_unreachable"


class SourceTimeoutError(TransientSourceError):
    """No answer came within the time-out of the request."""

    code = "source_timeout"


class RateLimitedError(TransientSourceError):
    """The tenant asked for fewer requests (429).

    Attributes:
        retry_after_s: Seconds that the tenant asked to wait; None if it named none.
    """

    code = "rate_limited"

    def __init__(
        self, problem: str, *, next_step: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after_s = retry_after_s


class SourceUnavailableError(TransientSourceError):
    """The tenant or a gateway before it failed (5xx).

    Attributes:
        status: The HTTP status.
        retry_after_s: Seconds that the answer asked to wait; None if it named none.
    """

    code = "source_unavailable"

    def __init__(
        self,
        problem: str,
        *,
        status: int,
        next_step: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(problem, next_step=next_step)
        self.status = status
        self.retry_after_s = retry_after_s


class CertificateError(SourceError):
    """The server's TLS certificate cannot be trusted; sending on would leak the secret."""

    code = "certificate"


class CredentialsRefusedError(SourceError):
    """The token endpoint knows no such client id and secret."""

    code = "credentials_refused"


class GrantRefusedError(SourceError):
    """The OAuth client exists, but may not use the client-credentials grant."""

    code = "grant_refused"


class TokenEndpointError(SourceError):
    """The token URL is not the token endpoint of a tenant, or its answer makes no sense."""

    code = "token_endpoint"


class BearerRefusedError(SourceError):
    """The export service refused a token that was issued a moment ago."""

    code = "bearer_refused"


class AccessDeniedError(SourceError):
    """The client may not use the export service, or not for this model."""

    code = "access_denied"


class LoginPageError(SourceError):
    """A web page or a redirect came where data was expected."""

    code = "login_page"


class ModelNotFoundError(SourceError):
    """The tenant has no such model, entity set or address."""

    code = "model_not_found"


class QueryRefusedError(SourceError):
    """The tenant understood the request and refused its columns, filter or options.

    Attributes:
        number: The export service's four-digit error number; None if the answer had none.
    """

    code = "query_refused"

    def __init__(self, problem: str, *, next_step: str = "", number: int | None = None) -> None:
        super().__init__(problem, next_step=next_step)
        self.number = number


class SourceAnswerError(SourceError):
    """The answer is not what the export service sends (bad JSON, wrong type, missing parts)."""

    code = "source_answer"


class UnsafeLinkError(SourceError):
    """A next link leads to another host, or to a page that was already read."""

    code = "unsafe_link"


class IncompletePullError(SourceError):
    """The rows received are not all the rows there are, or more; nothing was published.

    Attributes:
        expected_rows: Rows the tenant announced; None if it announced none.
        received_rows: Rows that arrived.
    """

    code = "incomplete_pull"

    def __init__(
        self, problem: str, *, expected_rows: int | None, received_rows: int, next_step: str = ""
    ) -> None:
        super().__init__(problem, next_step=next_step)
        self.expected_rows = expected_rows
        self.received_rows = received_rows


class DataChangedError(IncompletePullError):
    """The data changed while it was read, so the rows are of no one moment."""

    code = "data_changed"


class DeadlineExceededError(SourceError):
    """The pull as a whole, its retries included, took longer than allowed."""

    code = "deadline_exceeded"


class DataError(SeriesError):
    """The data arrived whole but breaks the contract of a series."""

    code = "data_error"


class BadValueError(DataError):
    """A value of the measure is not a finite number.

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
    """The date ids of the source do not have the form of the dataset's grain."""

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


class UnexpectedError(SeriesError):
    """A fault of this program; what happened is in the log."""

    code = "unexpected"

    def __init__(self) -> None:
        super().__init__(
            "The refresh failed for a reason that this program does not know.",
            next_step="Look for refresh_crashed in the log, and report it.",
        )


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


class RequestError(SeriesError):
    """A caller asked for something that does not exist or cannot be done."""

    code = "bad_request"


class UnknownDatasetError(RequestError):
    """No dataset has this name."""

    code = "unknown_dataset"


class BadQueryError(RequestError):
    """A query parameter is malformed, or names what the series does not have.

    Attributes:
        parameter: The name of the query parameter.
    """

    code = "bad_query"

    def __init__(self, problem: str, *, parameter: str, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.parameter = parameter


class SourceConflictError(RequestError):
    """A refresh from sample data would replace data that came from a tenant."""

    code = "source_conflict"
