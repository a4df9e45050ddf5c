"""How often a caller may ask. Counts are kept in memory: each replica has its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from app.errors import TooManyRequestsError

OFF: Final = "none"
# One household or machine commonly has a whole /64 of addresses to itself.
_HOST_BITS: Final = 64


class Bucket(StrEnum):
    """What is counted, each by itself."""

    CALLS = "calls"  # everything that one caller asks for
    REFRESHES = "refreshes"
    LOGIN_CHECKS = "login_checks"
    FAILURES = "failures"  # refused keys and tokens of one address


USUAL: Final[Mapping[Bucket, str]] = {
    Bucket.CALLS: "3000/minute",
    Bucket.REFRESHES: "10/minute",
    Bucket.LOGIN_CHECKS: "30/minute",
    Bucket.FAILURES: "30/minute",
}


def pace(text: str) -> RateLimitItem | None:
    """Read how often something may happen; None for as often as one likes.

    >>> pace("10/minute").amount
    10

    Raises:
        ValueError: The text has another form.
    """
    if text.strip().lower() == OFF:
        return None
    try:
        item = parse(text)
    except ValueError:
        raise ValueError(f"'{text[:40]}'") from None
    if item.amount < 1:
        raise ValueError(f"'{text[:40]}'")
    return item


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much of a limit is left after a request.

    Attributes:
        bucket: What is limited.
        limit: How many requests a window has.
        window_s: How long it is.
        remaining: How many are left in it.
        reset_s: Seconds until it ends.
    """

    bucket: Bucket
    limit: int
    window_s: int
    remaining: int
    reset_s: int


class Limiter:
    """Counts requests in windows of fixed length; a caller's first request opens one.

    Args:
        paces: How often each thing may happen; what is absent is not limited.
    """

    def __init__(self, paces: Mapping[Bucket, RateLimitItem | None] | None = None) -> None:
        self._paces = {bucket: item for bucket, item in (paces or {}).items() if item is not None}

    @cached_property
    def _windows(self) -> FixedWindowRateLimiter:
        # Not before the first count: this storage starts threads to forget windows that ended.
        return FixedWindowRateLimiter(MemoryStorage())

    def limits(self, bucket: Bucket) -> bool:
        """Tell whether a kind of requests has a limit."""
        return bucket in self._paces

    def count(self, bucket: Bucket, who: str) -> None:
        """Count a request.

        Raises:
            TooManyRequestsError: It is one too many.
        """
        item = self._paces.get(bucket)
        if item is not None and not self._windows.hit(item, bucket, who):
            raise self._too_many(bucket, item, who)

    def check(self, bucket: Bucket, who: str) -> None:
        """Make sure, without counting, that one more request would be let through.

        Raises:
            TooManyRequestsError: It would not.
        """
        item = self._paces.get(bucket)
        if item is not None and not self._windows.test(item, bucket, who):
            raise self._too_many(bucket, item, who)

    def left(self, bucket: Bucket, who: str) -> Allowance | None:
        """Tell how much is left; None if there is no limit."""
        item = self._paces.get(bucket)
        if item is None:
            return None
        stats = self._windows.get_window_stats(item, bucket, who)
        reset = max(1, ceil(stats.reset_time - time.time()))
        return Allowance(bucket, item.amount, item.get_expiry(), stats.remaining, reset)

    def _too_many(self, bucket: Bucket, item: RateLimitItem, who: str) -> TooManyRequestsError:
        reset = self._windows.get_window_stats(item, bucket, who).reset_time
        wait = max(1.0, reset - time.time())
        return TooManyRequestsError(
            f"There were more than {item.amount} {_CALLED[bucket]} in {item.get_expiry()} seconds.",
            retry_after_s=wait,
            next_step=f"Try again in {ceil(wait)} seconds.",
        )


_CALLED: Final[Mapping[Bucket, str]] = {
    Bucket.CALLS: "requests",
    Bucket.REFRESHES: "refreshes",
    Bucket.LOGIN_CHECKS: "checks of the login",
    Bucket.FAILURES: "refused keys or tokens",
}


@lru_cache(maxsize=4_096)
def network(address: str | None) -> str:
    """Return what stands for an address when requests are counted.

    >>> network("2001:db8::1") == network("2001:db8::2")
    True
    """
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return f"{int(found) >> _HOST_BITS:x}::/64"
    return str(found)
