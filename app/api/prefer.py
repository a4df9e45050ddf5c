"""How a caller wants to be answered: the header `Prefer` (RFC 7240); pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

# A proxy gives up sooner; whoever wants to wait longer asks again.
LONGEST_WAIT_S: Final = 300
_PREFERENCE: Final = re.compile(
    r"""\s*(?P<name>[!#$%&'*+.^_`|~\w-]+)\s*(?:=\s*(?:"(?P<text>[^"]*)"|(?P<word>[^\s",;]+)))?\s*"""
    r"""(?:;[^,"]*(?:"[^"]*"[^,"]*)*)?$""",
    re.ASCII,
)
_PARTS: Final = re.compile(r'(?:[^,"]|"[^"]*")+')
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Preference:
    """Whether a caller waits for the end of a refresh.

    Attributes:
        respond_async: Whether it asks not to.
        wait_s: Seconds that it waits all the same; None if it does not say.
    """

    respond_async: bool = False
    wait_s: int | None = None

    @property
    def longest_s(self) -> int | None:
        """Seconds after which it is answered; None for the end of the refresh."""
        if self.wait_s is not None:
            return self.wait_s
        return 0 if self.respond_async else None

    @property
    def applied(self) -> str:
        """What `Preference-Applied` says; empty if there is nothing to say."""
        words = ["respond-async"] if self.respond_async else []
        return ", ".join([*words, f"wait={self.wait_s}"] if self.wait_s is not None else words)


def preference(headers: Iterable[str]) -> Preference:
    """Read the header, which may come several times.

    As the standard has it, what is unknown or malformed is passed over, and of two preferences of
    one name the first counts. A longer wait than the service grants is shortened.

    >>> preference(["respond-async, wait=10"])
    Preference(respond_async=True, wait_s=10)
    """
    found: dict[str, str] = {}
    for part in _PARTS.findall(",".join(headers)):
        if (match := _PREFERENCE.match(part)) is not None:
            value = match["word"] if match["text"] is None else match["text"]
            found.setdefault(match["name"].lower(), value or "")
    wait = found.get("wait", "")
    return Preference(
        respond_async=found.get("respond-async") == "",
        wait_s=min(int(wait), LONGEST_WAIT_S) if _SECONDS.fullmatch(wait) else None,
    )
