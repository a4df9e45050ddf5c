"""What goes wrong with our callers: who they are, what they may do, how often they ask."""

from __future__ import annotations

from app.errors.base import SeriesError
from app.errors.local import RequestError


class CallerError(RequestError):
    """The caller may not do this, or not now.

    Attributes:
        challenge: The `error` of RFC 6750 that tells the caller's software why; None if the
            caller showed no credentials at all, or if credentials are not what is wrong.
    """

    code = "caller"
    challenge: str | None = None


class LoginRequiredError(CallerError):
    """The caller showed neither a key nor a token."""

    code = "login_required"


class BadCredentialError(CallerError):
    """The key or token is not valid. Which part of it is wrong is told to nobody."""

    code = "bad_credential"
    challenge = "invalid_token"


class CredentialConflictError(CallerError):
    """The request holds more than one key or token, and it is unclear which one counts."""

    code = "credential_conflict"
    challenge = "invalid_request"


class ForbiddenError(CallerError):
    """The caller is known, and has no role that may do this.

    Attributes:
        roles: The roles of which one would do.
    """

    code = "forbidden"
    challenge = "insufficient_scope"

    def __init__(self, problem: str, *, roles: tuple[str, ...] = (), next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.roles = roles


class TooManyRequestsError(CallerError):
    """The caller asked more often than is allowed (429).

    Attributes:
        retry_after_s: Seconds until the next request is let through.
    """

    code = "too_many_requests"

    def __init__(self, problem: str, *, retry_after_s: float, next_step: str = "") -> None:
        super().__init__(problem, next_step=next_step)
        self.retry_after_s = retry_after_s


class IssuerUnavailableError(SeriesError):
    """The issuer of tokens gives no keys to check them with; the caller may be right."""

    code = "issuer_unavailable"
    retryable = True
