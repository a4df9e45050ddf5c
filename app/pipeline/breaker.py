"""Leaves a source alone that keeps failing, and finds out now and then whether it is back.

A tenant that is down, or refuses the login, is not helped by being asked more often: callers get
the cache at once. After a cool-down one pull, and one alone, may try; each further failure doubles
the cool-down, up to a limit. What the source answers in order, if only "no such model", is no
failure of the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from app.errors import (
    BearerRefusedError,
    ConfigError,
    CredentialsRefusedError,
    DeadlineExceededError,
    GrantRefusedError,
    LoginPageError,
    ProxyLoginError,
    ProxyRefusedError,
    SeriesError,
    SourcePausedError,
    TlsError,
    TokenEndpointError,
    TransientSourceError,
)
from app.pipeline.freshness import moment
from app.pipeline.ports import Clock
from app.reports import BreakerState, BreakerStatus

LONGEST_COOL_DOWN: Final = timedelta(minutes=15)
FAILURES: Final = (
    TransientSourceError,
    DeadlineExceededError,
    ProxyLoginError,
    ProxyRefusedError,
    TlsError,
    CredentialsRefusedError,
    GrantRefusedError,
    TokenEndpointError,
    BearerRefusedError,
    LoginPageError,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens, and for how long.

    Attributes:
        failures: So many in a row open it; 0 for never.
        cool_down: How long it stays open at first; it doubles up to `LONGEST_COOL_DOWN`.
    """

    failures: int = 3
    cool_down: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Circuit:
    """A state of a breaker; what happens makes another one.

    Attributes:
        failures: Failures in a row.
        since: When the last of them came, if they opened it; None if it is closed.
        until: When it may be tried again; None if it is closed.
        probing: Whether one pull is trying now.
    """

    failures: int = 0
    since: datetime | None = None
    until: datetime | None = None
    probing: bool = False

    def state(self, now: datetime) -> BreakerState:
        """Return whether the source may be asked."""
        if self.since is None or self.until is None:
            return BreakerState.CLOSED
        # A clock that was set back must not keep it open for longer.
        cooling = self.since <= now < self.until
        return BreakerState.OPEN if cooling else BreakerState.HALF_OPEN

    def admits(self, now: datetime) -> bool:
        """Return whether one more pull may start."""
        state = self.state(now)
        return state is BreakerState.CLOSED or (
            state is BreakerState.HALF_OPEN and not self.probing
        )

    def failed(self, limits: BreakerLimits, now: datetime) -> Circuit:
        """Return the state after a failure."""
        failures = self.failures + 1
        beyond = failures - limits.failures
        if not limits.failures or beyond < 0:
            return Circuit(failures)
        # The exponent is bounded, because a timedelta is.
        wait = min(limits.cool_down * 2 ** min(beyond, 20), LONGEST_COOL_DOWN)
        return Circuit(failures, since=now, until=now + wait)


class Breaker:
    """Stands before one source, in one process.

    Args:
        limits: When it opens, and for how long.
        clock: Tells the time.
    """

    def __init__(self, limits: BreakerLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._circuit = Circuit()
        self._last: SeriesError | None = None

    def status(self) -> BreakerStatus:
        """Return whether the source is asked, and when it will be asked again."""
        now = self._clock.now()
        state = self._circuit.state(now)
        return BreakerStatus(state, self._circuit.until if state is BreakerState.OPEN else None)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let a pull through, and learn from how it ends.

        Raises:
            SourcePausedError: The source is left alone for now; nothing was sent.
        """
        self._admit()
        try:
            yield
        except ConfigError:
            # Nothing was sent, so nothing was learnt.
            self._circuit = replace(self._circuit, probing=False)
            raise
        except SeriesError as error:
            self._ended(error)
            raise
        except BaseException:
            self._circuit = replace(self._circuit, probing=False)
            raise
        self._ended(None)

    def _admit(self) -> None:
        now = self._clock.now()
        if not self._circuit.admits(now):
            raise self._paused(now)
        if self._circuit.state(now) is BreakerState.HALF_OPEN:
            self._circuit = replace(self._circuit, probing=True)
            log.info("breaker_half_open", failures=self._circuit.failures)

    def _ended(self, error: SeriesError | None) -> None:
        now, before = self._clock.now(), self._circuit
        if isinstance(error, FAILURES):
            self._last = error
            self._circuit = before.failed(self._limits, now)
            if self._circuit.until is not None:
                log.warning(
                    "breaker_open",
                    failures=self._circuit.failures,
                    until=self._circuit.until.isoformat(),
                    code=error.code,
                )
        else:
            self._circuit = Circuit()
            if before.until is not None:
                log.info("breaker_closed", failures=before.failures)

    def _paused(self, now: datetime) -> SourcePausedError:
        until = self._circuit.until or now
        last = "" if self._last is None else f" The last time: {self._last.sentence}"
        left = max(0.0, (until - now).total_seconds())
        when = f"until {moment(until)}" if left else "while one pull finds out whether it is back"
        return SourcePausedError(
            f"The source failed {self._circuit.failures} times in a row and is left alone "
            f"{when}.{last}",
            retry_after_s=left,
        )
