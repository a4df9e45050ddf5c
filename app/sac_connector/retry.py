"""One retry policy for all requests to a tenant, which are all safe to repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from app.errors import SourceError

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[None]]
_EXPONENT: Final = 2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is sent again.

    Attributes:
        attempts: Tries in all, the first included.
        base_s: Upper bound of the first random wait, in seconds; doubles with each try.
        longest_wait_s: No wait is longer, whatever `Retry-After` asks for.
    """

    attempts: int = 5
    base_s: float = 0.5
    longest_wait_s: float = 60.0


def retry_delay(error: BaseException) -> bool | float:
    """Decide whether to send a request again.

    Returns:
        False: never. True: after a random wait. A number: after that many seconds, as the
        tenant asked.
    """
    if not isinstance(error, SourceError) or not error.retryable:
        return False
    asked = getattr(error, "retry_after_s", None)
    return True if asked is None else float(asked)


@dataclass(slots=True)
class Retrier:
    """Runs a request until it succeeds, is refused for good, or tries run out.

    Attributes:
        policy: How often and how patiently.
        sleep: Waits; tests hand in one that does not.
        retries: Requests sent again so far.
        told: Called with each of them.
    """

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    sleep: Sleep = asyncio.sleep
    retries: int = 0
    told: Callable[[], None] = lambda: None

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Call `request` until it returns.

        Raises:
            SourceError: The last try's own error.
        """

        async def attempt() -> T:
            # Not the caller's lambda itself: tenacity awaits coroutine functions only.
            return await request()

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.policy.attempts),
            wait=self._wait,
            retry=retry_if_exception(lambda error: retry_delay(error) is not False),
            sleep=self.sleep,
            before_sleep=self._count,
            reraise=True,
        )
        return await retrying(attempt)

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        delay = retry_delay(error) if error else True
        if isinstance(delay, bool):
            backoff = wait_random_exponential(
                multiplier=self.policy.base_s, max=self.policy.longest_wait_s, exp_base=_EXPONENT
            )
            return backoff(state)
        return min(delay, self.policy.longest_wait_s)

    def _count(self, _: RetryCallState) -> None:
        self.retries += 1
        self.told()
