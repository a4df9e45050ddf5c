"""What goes wrong between us and the source: logins, requests, answers, whole pulls."""

from __future__ import annotations

from typing import Self

from app.errors.base import SeriesError


class SourceError(SeriesError):
    """A login or a pull failed. The cache has not been touched."""

    code = "source_error"


class TransientSourceError(SourceError):
    """The same request may succeed if it is sent again."""

    code = "transient"
    retryable = True


class SourceUnreachableError(TransientSourceError):
    """No connection could be made, or it broke before the answer was whole."""

    code = "source_unreachable"


class HostNotFoundError(SourceUnreachableError):
    """The name of the host is not known: a wrong address or region."""

    code = "host_not_found"


class ProxyUnavailableError(TransientSourceError):
    """The proxy between here and the tenant cannot be reached, or does not reach the tenant."""

    code = "proxy_unavailable"


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


class SourcePausedError(TransientSourceError):
    """The source failed so often in a row that it is left alone for a while; nothing was sent.

    Attributes:
        retry_after_s: Seconds until it may be asked again.
    """

    code = "source_paused"

    def __init__(self, problem: str, *, retry_after_s: float, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after_s = retry_after_s


class ProxyLoginError(SourceError):
    """A proxy, or the network, wants a login of its own before it lets requests through."""

    code = "proxy_login"


class ProxyRefusedError(SourceError):
    """A proxy, firewall or gateway on the way refused to let the request through."""

    code = "proxy_refused"


class TlsError(SourceError):
    """No encrypted connection comes about, though a host was reached."""

    code = "tls_failed"


class CertificateError(TlsError):
    """The server's TLS certificate cannot be trusted; sending on would leak the secret."""

    code = "certificate"


class CredentialsRefusedError(SourceError):
    """The token endpoint knows no such client id and secret."""

    code = "credentials_refused"


class GrantRefusedError(SourceError):
    """The OAuth client exists, but may not use the client-credentials grant."""

    code = "grant_refused"


class GrantMissingError(GrantRefusedError):
    """The token endpoint saw no grant type: what was sent did not reach it whole."""

    code = "grant_missing"


class TokenEndpointError(SourceError):
    """The token URL is not the token endpoint of a tenant, or its answer makes no sense."""

    code = "token_endpoint"


class IdentityZoneError(TokenEndpointError):
    """The token host is one of SAC, but no tenant has this name."""

    code = "identity_zone"


class BearerRefusedError(SourceError):
    """The export service refused a token that was issued a moment ago."""

    code = "bearer_refused"


class AccessDeniedError(SourceError):
    """The client may not use the export service, or not for this model."""

    code = "access_denied"


class ExportNotAllowedError(AccessDeniedError):
    """The client lacks access to the Data Export Service ([3401])."""

    code = "export_not_allowed"


class LoginPageError(SourceError):
    """A web page or a redirect came where data was expected."""

    code = "login_page"


class RedirectedError(LoginPageError):
    """A redirect came where data was expected; it was not followed."""

    code = "redirected"


class ModelNotFoundError(SourceError):
    """The tenant has no such model, entity set or address."""

    code = "model_not_found"


class EndpointNotValidError(ModelNotFoundError):
    """The address is none of the export service ([1305])."""

    code = "endpoint_not_valid"


class EntitySetMissingError(ModelNotFoundError):
    """The model has no such entity set ([3707])."""

    code = "entity_set_missing"


class QueryRefusedError(SourceError):
    """The tenant understood the request and refused its columns, filter or options."""

    code = "query_refused"


class KeysNotSelectedError(QueryRefusedError):
    """Not all key columns were selected ([1402]): the model has changed."""

    code = "keys_not_selected"


class FilterNotPreparedError(QueryRefusedError):
    """The tenant cannot prepare the filter ([1205])."""

    code = "filter_not_prepared"


class NotAcceptableError(QueryRefusedError):
    """The tenant does not serve this form of answer (406)."""

    code = "not_acceptable"


class SourceAnswerError(SourceError):
    """The answer is not what the export service sends (bad JSON, wrong type, missing parts)."""

    code = "source_answer"


class UnsafeLinkError(SourceError):
    """A next link leads elsewhere or back, or nobody can tell what it asks for."""

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

    @classmethod
    def while_read(cls, expected_rows: int | None, received_rows: int) -> Self:
        """Say so, and that nothing was published."""
        return cls(
            "The data of SAP Analytics Cloud changed while it was read. Nothing was published.",
            expected_rows=expected_rows,
            received_rows=received_rows,
            next_step="Refresh again when nobody is writing to the model.",
        )


class DeadlineExceededError(SourceError):
    """The pull as a whole, its retries included, took longer than allowed."""

    code = "deadline_exceeded"
