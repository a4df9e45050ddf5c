"""The one tree of errors, split first by what went wrong and then by whether trying again can help.

    SeriesError
    ├── ConfigError                  settings are missing or malformed; all problems at once
    ├── SourceError                  a login or a pull failed; the cache is untouched
    │   ├── TransientSourceError     the same request may succeed later
    │   │   ├── SourceUnreachableError   no connection, or it broke in mid-answer
    │   │   │   └── HostNotFoundError    the name of the host is not known
    │   │   ├── ProxyUnavailableError    the proxy is dead, or does not reach the tenant
    │   │   ├── SourceTimeoutError       no answer in time
    │   │   ├── RateLimitedError         429; may carry the wait the tenant asked for
    │   │   ├── SourceUnavailableError   5xx without a number of the export service
    │   │   └── SourcePausedError        it failed too often, and was not asked
    │   ├── ProxyLoginError          a proxy, or the network, wants a login of its own
    │   ├── ProxyRefusedError        a proxy, firewall or gateway refused the request
    │   ├── TlsError                 no encrypted connection comes about
    │   │   └── CertificateError         the server's certificate cannot be trusted
    │   ├── CredentialsRefusedError  the token endpoint knows no such client and secret
    │   ├── GrantRefusedError        the client may not use client credentials
    │   │   └── GrantMissingError    the token endpoint saw no grant type at all
    │   ├── TokenEndpointError       the token URL is not a token endpoint, or answers nonsense
    │   │   └── IdentityZoneError    no tenant of SAC has this name
    │   ├── BearerRefusedError       a fresh token was refused by the export service
    │   ├── AccessDeniedError        the client lacks access to the export service or the model
    │   │   └── ExportNotAllowedError    the Data Export Service is not in its access list
    │   ├── LoginPageError           a web page or a redirect where data was expected
    │   │   └── RedirectedError      a redirect, which was not followed
    │   ├── ModelNotFoundError       no such model, entity set or address
    │   │   ├── EndpointNotValidError    the address is none of the export service
    │   │   └── EntitySetMissingError    the model has no such entity set
    │   ├── QueryRefusedError        the tenant refused the query (columns, filter)
    │   │   ├── KeysNotSelectedError     the model has changed since it was read
    │   │   ├── FilterNotPreparedError   the filter cannot be prepared
    │   │   └── NotAcceptableError   the form of answer is not served
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
    │   ├── EmptyPullError           the pull succeeded and holds no usable row
    │   └── DriftRejectedError       the data changed more than the dataset allows
    ├── UnexpectedError              a fault of this program
    ├── RefreshCancelledError        a caller cancelled it
    ├── ServiceStoppingError         the service starts nothing any more
    ├── CacheError                   the cache cannot be read or written
    │   ├── CacheMissingError        nothing was ever saved
    │   ├── CacheCorruptError        what is there is not what was saved
    │   ├── CacheUnavailableError    the place itself fails (permission, disk, network)
    │   └── ExpiredError             the data is older than may be shown
    ├── IssuerUnavailableError       a caller's token cannot be checked for now
    └── RequestError                 a caller asked for what does not exist
        ├── UnknownDatasetError
        ├── UnknownVersionError      the series has no such version
        ├── UnknownDimensionError    the series has no such dimension
        ├── UnknownModelError        the tenant has no such model
        ├── BadQueryError
        ├── QueryTooLargeError       its answer would have too many rows
        ├── QueryTooSlowError        it took too long
        ├── CursorGoneError          the version that a cursor reads is gone
        ├── UnknownProblemError      no kind of problem has this code
        ├── FormatNotOfferedError    the Accept header excludes every form of a series
        ├── UnknownOperationError    there is no such operation, or it was forgotten
        ├── OperationEndedError      it is too late to cancel it
        ├── SourceConflictError      sample data would overwrite data of a tenant
        └── CallerError              the caller may not do this, or not now
            ├── LoginRequiredError       neither a key nor a token was shown
            ├── BadCredentialError       it is not valid
            ├── CredentialConflictError  there was more than one
            ├── ForbiddenError           the caller has no role that may do this
            └── TooManyRequestsError     the caller asks too often

Every leaf has a stable `code` for machines, and two sentences for people: what is wrong, and the
next step. Both may be shown as they stand, so neither ever holds a secret, a token or a body.
"""

from app.errors.base import (
    CLIENT_ID_VARIABLE,
    NOTHING,
    SECRET_VARIABLE,
    ConfigError,
    ConfigProblem,
    SeriesError,
    UnexpectedError,
    shortened,
)
from app.errors.callers import (
    BadCredentialError,
    CallerError,
    CredentialConflictError,
    ForbiddenError,
    IssuerUnavailableError,
    LoginRequiredError,
    TooManyRequestsError,
)
from app.errors.local import (
    BadQueryError,
    BadValueError,
    CacheCorruptError,
    CacheError,
    CacheMissingError,
    CacheUnavailableError,
    CursorGoneError,
    DataError,
    DriftRejectedError,
    EmptyPullError,
    ExpiredError,
    FormatNotOfferedError,
    GrainError,
    MixedDataError,
    QueryTooLargeError,
    QueryTooSlowError,
    RequestError,
    SourceConflictError,
    UnknownColumnError,
    UnknownDatasetError,
    UnknownDimensionError,
    UnknownModelError,
    UnknownProblemError,
    UnknownVersionError,
)
from app.errors.operations import (
    OperationEndedError,
    RefreshCancelledError,
    ServiceStoppingError,
    UnknownOperationError,
)
from app.errors.source import (
    AccessDeniedError,
    BearerRefusedError,
    CertificateError,
    CredentialsRefusedError,
    DataChangedError,
    DeadlineExceededError,
    EndpointNotValidError,
    EntitySetMissingError,
    ExportNotAllowedError,
    FilterNotPreparedError,
    GrantMissingError,
    GrantRefusedError,
    HostNotFoundError,
    IdentityZoneError,
    IncompletePullError,
    KeysNotSelectedError,
    LoginPageError,
    ModelNotFoundError,
    NotAcceptableError,
    ProxyLoginError,
    ProxyRefusedError,
    ProxyUnavailableError,
    QueryRefusedError,
    RateLimitedError,
    RedirectedError,
    SourceAnswerError,
    SourceError,
    SourcePausedError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TlsError,
    TokenEndpointError,
    TransientSourceError,
    UnsafeLinkError,
)

__all__ = [
    "CLIENT_ID_VARIABLE",
    "NOTHING",
    "SECRET_VARIABLE",
    "AccessDeniedError",
    "BadCredentialError",
    "BadQueryError",
    "BadValueError",
    "BearerRefusedError",
    "CacheCorruptError",
    "CacheError",
    "CacheMissingError",
    "CacheUnavailableError",
    "CallerError",
    "CertificateError",
    "ConfigError",
    "ConfigProblem",
    "CredentialConflictError",
    "CredentialsRefusedError",
    "CursorGoneError",
    "DataChangedError",
    "DataError",
    "DeadlineExceededError",
    "DriftRejectedError",
    "EmptyPullError",
    "EndpointNotValidError",
    "EntitySetMissingError",
    "ExpiredError",
    "ExportNotAllowedError",
    "FilterNotPreparedError",
    "ForbiddenError",
    "FormatNotOfferedError",
    "GrainError",
    "GrantMissingError",
    "GrantRefusedError",
    "HostNotFoundError",
    "IdentityZoneError",
    "IncompletePullError",
    "IssuerUnavailableError",
    "KeysNotSelectedError",
    "LoginPageError",
    "LoginRequiredError",
    "MixedDataError",
    "ModelNotFoundError",
    "NotAcceptableError",
    "OperationEndedError",
    "ProxyLoginError",
    "ProxyRefusedError",
    "ProxyUnavailableError",
    "QueryRefusedError",
    "QueryTooLargeError",
    "QueryTooSlowError",
    "RateLimitedError",
    "RedirectedError",
    "RefreshCancelledError",
    "RequestError",
    "SeriesError",
    "ServiceStoppingError",
    "SourceAnswerError",
    "SourceConflictError",
    "SourceError",
    "SourcePausedError",
    "SourceTimeoutError",
    "SourceUnavailableError",
    "SourceUnreachableError",
    "TlsError",
    "TokenEndpointError",
    "TooManyRequestsError",
    "TransientSourceError",
    "UnexpectedError",
    "UnknownColumnError",
    "UnknownDatasetError",
    "UnknownDimensionError",
    "UnknownModelError",
    "UnknownOperationError",
    "UnknownProblemError",
    "UnknownVersionError",
    "UnsafeLinkError",
    "shortened",
]
