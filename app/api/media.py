"""The forms in which a series is written, and which of them a caller prefers."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Final

from app.errors import FormatNotOfferedError

_LONGEST_REMEMBERED: Final = 300


class Format(StrEnum):
    """How a series is written."""

    JSON = "json"  # one object for each point
    COLUMNS = "columns"  # one list for each column
    NDJSON = "ndjson"  # one object a line
    CSV = "csv"  # RFC 4180
    EXCEL = "excel"  # CSV that Excel opens, and whose cells are no formulas
    ARROW = "arrow"
    PARQUET = "parquet"


MEDIA_TYPES: Final = {
    Format.JSON: "application/json",
    Format.COLUMNS: "application/vnd.sac-series.columns+json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8",
    Format.EXCEL: "text/csv; charset=utf-8",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
EXTENSIONS: Final = {
    Format.JSON: "json",
    Format.COLUMNS: "json",
    Format.NDJSON: "ndjson",
    Format.CSV: "csv",
    Format.EXCEL: "csv",
    Format.ARROW: "arrows",
    Format.PARQUET: "parquet",
}
# Excel's CSV has no media type of its own. The first of those a caller likes alike is taken.
_NEGOTIATED: Final = {
    MEDIA_TYPES[form].partition(";")[0]: form for form in Format if form is not Format.EXCEL
}


def preferred(accept: str | None) -> Format:
    """Return the format that an `Accept` header prefers (RFC 9110, 12.5.1); JSON if it has no say.

    >>> preferred("text/csv, */*;q=0.1")
    <Format.CSV: 'csv'>
    >>> preferred("text/html, */*")
    <Format.JSON: 'json'>

    Raises:
        FormatNotOfferedError: It excludes every format there is.
    """
    if accept is None or accept == "*/*":
        return Format.JSON
    if len(accept) > _LONGEST_REMEMBERED:
        return _preferred(accept)
    return _remembered(accept)


def _preferred(accept: str) -> Format:
    ranges = dict(filter(None, map(_weighted, accept.lower().split(","))))
    if not ranges:
        return Format.JSON
    weights = {form: _weight(kind, ranges) for kind, form in _NEGOTIATED.items()}
    best = max(weights, key=lambda form: weights[form])
    if not weights[best]:
        raise FormatNotOfferedError(
            f"Accept is '{accept[:80]}', and a series is not written so.",
            next_step=f"Accept one of {', '.join(_NEGOTIATED)}; or ask with format="
            f"{', '.join(Format)}, which wins over Accept.",
        )
    return best


_remembered: Final = lru_cache(maxsize=256)(_preferred)


def _weight(kind: str, ranges: dict[str, float]) -> float:
    """Return the weight that the most specific range gives a type; 0 if none speaks of it."""
    for one in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        if one in ranges:
            return ranges[one]
    return 0.0


def _weighted(part: str) -> tuple[str, float] | None:
    kind, *parameters = (piece.strip() for piece in part.split(";"))
    if not kind:
        return None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return kind, min(1.0, max(0.0, float(value)))
            except ValueError:
                # A weight that is none says nothing, so this range says nothing.
                return None
    return kind, 1.0
