"""Clocks that differ: a token that is valid only in a moment, or only by another clock; pure."""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

SHORTEST_WAIT: Final = timedelta(seconds=2)
LONGEST_WAIT: Final = timedelta(seconds=10)
# `Date` has whole seconds, and an answer is on its way for a moment.
_TOLERANCE: Final = timedelta(seconds=2)
_OURS_MAY_DIFFER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Refusal:
    """When a token was refused, and when it says that it is valid.

    Attributes:
        valid_from: When the token begins to be valid, by the clock of the login; None if it is no
            JWT, or does not say so.
        valid_until: When it ends.
        theirs: The time by the clock of the tenant that refused it; None if it does not say so.
        ours: The time by our own clock.
    """

    valid_from: datetime | None
    valid_until: datetime | None
    theirs: datetime | None
    ours: datetime

    @property
    def wait(self) -> timedelta:
        """How long to wait before the token is shown once more."""
        ahead = self._ahead + timedelta(seconds=1)
        return min(max(ahead, SHORTEST_WAIT), LONGEST_WAIT)

    @property
    def reason(self) -> str:
        """What the clocks have to do with it, a sentence; empty if they agree, or nobody knows."""
        theirs, ours = self.theirs, self.ours
        if theirs is None:
            return ""
        if self.valid_from is not None and self._ahead > _TOLERANCE:
            return (
                f"The token is valid from {self.valid_from:%H:%M:%S} UTC, and the tenant's clock "
                f"says {theirs:%H:%M:%S}: the clocks of SAP's login and tenant differ."
            )
        if self.valid_until is not None and theirs >= self.valid_until:
            return (
                f"The token ended at {self.valid_until:%H:%M:%S} UTC, and the tenant's clock says "
                f"{theirs:%H:%M:%S}: the clocks of SAP's login and tenant differ."
            )
        if abs(theirs - ours) > _OURS_MAY_DIFFER:
            return (
                f"The tenant's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC, and ours "
                f"{ours:%Y-%m-%d %H:%M:%S}: set the clock of this machine."
            )
        return ""

    @property
    def _ahead(self) -> timedelta:
        if self.valid_from is None:
            return timedelta()
        return self.valid_from - (self.theirs or self.ours)


def refusal(authorization: str, headers: Mapping[str, str], ours: datetime) -> Refusal:
    """Return what a request and the answer that refused its token say of the time.

    Args:
        authorization: The header that the request had.
        headers: Those of the answer, names in lower case.
        ours: The time by our own clock.
    """
    token = authorization.rpartition(" ")[2]
    claims = _claims(token)
    starts = [one for name in ("nbf", "iat") if (one := _time(claims.get(name))) is not None]
    return Refusal(
        valid_from=max(starts, default=None),
        valid_until=_time(claims.get("exp")),
        theirs=_date(headers.get("date")),
        ours=ours,
    )


def _claims(token: str) -> dict[str, object]:
    try:
        _, payload, _ = token.split(".")
        raw = urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
        return msgspec.json.decode(raw, type=dict[str, object])
    except (ValueError, RecursionError, msgspec.DecodeError):
        return {}


def _time(seconds: object) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else None
    except (ValueError, OverflowError, OSError):
        return None


def _date(header: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
