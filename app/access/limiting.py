"""How often a caller may ask. Counts are kept in memory: each replica has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import time
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from typing_extensions import override

from app.errors import TooManyRequestsError

OFF: Final = "none"
WINDOWS_KEPT: Final = 10_000
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


class Windows(Storage):
    """Counts in memory. The library's own such storage starts a thread at almost every count.

    Args:
        seconds: Tells the time of day.
    """

    STORAGE_SCHEME = None

    def __init__(self, seconds: Callable[[], float] = time) -> None:
        super().__init__()
        self._seconds = seconds
        self._open: dict[str, tuple[int, float]] = {}

    @property
    @override
    def base_exceptions(self) -> type[Exception]:
        """Nothing of what is done here fails."""
        return ArithmeticError

    @override
    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, in a new window if there is none or it has ended."""
        now = self._seconds()
        count, ends = self._open.get(key, (0, 0.0))
        if ends <= now:
            self._make_room(now)
            count, ends = 0, now + expiry
        self._open[key] = count + amount, ends
        return count + amount

    def _make_room(self, now: float) -> None:
        if len(self._open) < WINDOWS_KEPT:
            return
        self._open = {key: one for key, one in self._open.items() if one[1] > now}
        if len(self._open) >= WINDOWS_KEPT:
            # Whoever brings so many addresses together makes the oldest counts forgotten, and
            # not the memory full.
            self._open = dict(list(self._open.items())[WINDOWS_KEPT // 2 :])

    @override
    def get(self, key: str) -> int:
        """Return the count of the present window."""
        count, ends = self._open.get(key, (0, 0.0))
        return count if ends > self._seconds() else 0

    @override
    def get_expiry(self, key: str) -> float:
        """Return when the present window ends."""
        return self._open.get(key, (0, self._seconds()))[1]

    @override
    def check(self) -> bool:
        """Memory is always there."""
        return True

    @override
    def reset(self) -> int:
        """Forget everything."""
        forgotten = len(self._open)
        self._open.clear()
        return forgotten

    @override
    def clear(self, key: str) -> None:
        """Forget one window."""
        self._open.pop(key, None)


class Limiter:
    """Counts requests in windows of fixed length; a caller's first request opens one.

    Args:
        paces: How often each thing may happen; what is absent is not limited.
        seconds: Tells the time of day.
    """

    def __init__(
        self,
        paces: Mapping[Bucket, RateLimitItem | None] | None = None,
        seconds: Callable[[], float] = time,
    ) -> None:
        self._paces = {bucket: item for bucket, item in (paces or {}).items() if item is not None}
        self._seconds = seconds
        self._windows = FixedWindowRateLimiter(Windows(seconds))

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
        reset = max(1, ceil(stats.reset_time - self._seconds()))
        return Allowance(bucket, item.amount, item.get_expiry(), stats.remaining, reset)

    def _too_many(self, bucket: Bucket, item: RateLimitItem, who: str) -> TooManyRequestsError:
        reset = self._windows.get_window_stats(item, bucket, who).reset_time
        wait = max(1.0, reset - self._seconds())
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
