"""Lets callers in: finds out who calls, and whether they may do what they ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from app.access.callers import ANYONE, Caller, Role
from app.access.credentials import credential, refused
from app.access.keyfile import WatchedKeys, unreadable
from app.access.keys import KEY_PREFIX, KeyRing
from app.access.limiting import Allowance, Bucket, Limiter, network
from app.access.signing_keys import Clock
from app.access.tokens import TokenVerifier, looks_like_token
from app.errors import BadCredentialError, ForbiddenError, LoginRequiredError

Headers = Iterable[tuple[bytes, bytes]]


class Guard:
    """Stands before the service; without keys and issuer everybody is let in.

    Args:
        keys: Keys of the environment.
        file: Keys of a file; None if there is none.
        tokens: Checks tokens of an issuer; None if none is trusted.
        limiter: Counts requests.
        clock: Tells when a key has expired; None only for a guard that knows no keys.
        knows_callers: Whether what says who may call could be read. If not, and there are neither
            keys nor an issuer, nobody is let in.

    Attributes:
        is_open: Whether everybody is let in.
        counts_nothing: Whether, beside that, nobody's requests are counted.
    """

    def __init__(
        self,
        keys: KeyRing | None = None,
        file: WatchedKeys | None = None,
        tokens: TokenVerifier | None = None,
        limiter: Limiter | None = None,
        clock: Clock | None = None,
        *,
        knows_callers: bool = True,
    ) -> None:
        self._keys = keys or KeyRing()
        self._file = file
        self._tokens = tokens
        self._limiter = limiter or Limiter()
        self._clock = clock
        nobody = not self._keys and file is None and tokens is None
        self.is_open = nobody and knows_callers
        self._is_shut = nobody and not knows_callers
        self.counts_nothing = self.is_open and not self._limiter.limits(Bucket.CALLS)

    async def identify(self, headers: Headers, address: str | None) -> Caller:
        """Return who sent a request.

        Args:
            headers: Its headers, names in lower case.
            address: Where it came from; None if that is not known.

        Raises:
            CallerError: There is no valid key or token.
            IssuerUnavailableError: The token cannot be checked.
            ConfigError: What says who may call cannot be read.
            TooManyRequestsError: The address showed too many invalid ones.
        """
        if self.is_open:
            return ANYONE
        if self._is_shut:
            raise unreadable(".env")
        shown = credential(headers)
        if shown is None:
            raise LoginRequiredError(
                "This address needs an API key or a token.",
                next_step="Send the key as X-API-Key, or either of them as a Bearer.",
            )
        try:
            return await self._known(shown, address)
        except BadCredentialError:
            self._limiter.count(Bucket.FAILURES, network(address))
            raise

    async def _known(self, shown: str, address: str | None) -> Caller:
        if shown.startswith(KEY_PREFIX):
            return self._holder(shown)
        if self._tokens is None or not looks_like_token(shown):
            raise refused()
        known = self._tokens.known(shown)
        if known is not None:
            return known
        # A signature costs some work, and whoever guesses shall not have it done for ever.
        self._limiter.check(Bucket.FAILURES, network(address))
        return await self._tokens.check(shown)

    def _holder(self, key: str) -> Caller:
        if self._clock is None:
            raise refused()
        now = self._clock.now()
        found = self._keys.find(key, now)
        if found is None and self._file is not None:
            found = self._file.ring.find(key, now)
        if found is None:
            raise refused()
        return found

    def count(self, caller: Caller, address: str | None, bucket: Bucket) -> None:
        """Count a request of a kind.

        Raises:
            TooManyRequestsError: It is one too many.
        """
        if self._limiter.limits(bucket):
            self._limiter.count(bucket, self._counted(caller, address))

    def left(self, caller: Caller, address: str | None, bucket: Bucket) -> Allowance | None:
        """Tell how many requests of a kind are left; None if there is no limit."""
        return self._limiter.left(bucket, self._counted(caller, address))

    @staticmethod
    def _counted(caller: Caller, address: str | None) -> str:
        # Who has no name is known by where they are.
        return network(address) if caller is ANYONE else caller.name


def admit(caller: Caller, roles: frozenset[Role], *, whole: bool = False) -> None:
    """Make sure that a caller may do something.

    Args:
        caller: Who asks.
        roles: One of these is needed.
        whole: It tells of all datasets at once, so that nobody bound to some may have it.

    Raises:
        ForbiddenError: The caller may not.
    """
    if not caller.may(roles):
        listed = tuple(sorted(roles))
        raise ForbiddenError(
            f"This key or token may not do this; it takes the role {_either(listed)}.",
            roles=listed,
            next_step="Ask whoever runs the service for one that may.",
        )
    if whole and caller.datasets is not None:
        raise ForbiddenError(
            "This tells of all datasets, and the key or token is bound to some.",
            next_step="Use one that is not bound.",
        )


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(words)


OPEN: Final = Guard()
