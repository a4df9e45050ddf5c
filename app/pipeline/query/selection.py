"""Which keys of a series the filters of a query select."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.errors import BadQueryError
from app.pipeline.contract import COMPARED_CHARACTERS, DIMENSION_PREFIX, nearest_first
from app.pipeline.query.asked import SeriesQuery
from app.pipeline.query.index import Members, Places, SeriesIndex, all_keys

SHOWN: Final = 20
EXCLUDED_MARK: Final = "!"
PREFIX_MARK: Final = "^"
# Likeness costs microseconds a name, so that a dimension of many members is not compared in whole.
_COMPARED: Final = 500
# From here on one pass over all keys is cheaper than putting lists together.
_FEW_CODES: Final = 8


@dataclass(frozen=True, slots=True)
class Selection:
    """The codes that a query asks for, in those dimensions that it filters.

    Attributes:
        codes: By the place of the dimension: the codes that may stand there, ascending.
    """

    codes: Mapping[int, tuple[int, ...]]

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The places of the dimensions that are filtered."""
        return tuple(sorted(self.codes))


def selection_of(index: SeriesIndex, query: SeriesQuery) -> Selection:
    """Find the members that a query asks for.

    Raises:
        BadQueryError: A filter names a dimension or a member that the series does not have.
    """
    codes: dict[int, tuple[int, ...]] = {}
    for name, wanted in query.filters.items():
        place = index.place_of.get(name)
        if place is None:
            place = dimension_place(name, index.dimensions, name)
        if len(wanted) == 1 and place not in codes:
            code = _code(index, place, wanted[0])
            if index.sizes[place] > 1:
                codes[place] = (code,)
        else:
            _narrow(codes, place, {_code(index, place, member) for member in wanted}, index)
    for name, beginnings in query.prefixes.items():
        place = dimension_place(name, index.dimensions, name + PREFIX_MARK)
        spans = (_beginning(index, place, prefix) for prefix in beginnings)
        _narrow(codes, place, {code for span in spans for code in span}, index)
    for name, unwanted in query.excluded.items():
        place = dimension_place(name, index.dimensions, name + EXCLUDED_MARK)
        gone = {_code(index, place, member, EXCLUDED_MARK) for member in unwanted}
        _narrow(codes, place, set(range(index.sizes[place])) - gone, index)
    return Selection(codes)


def keys_of(index: SeriesIndex, codes: Mapping[int, tuple[int, ...]]) -> Places:
    """Return the keys that have one of the codes in each of the dimensions, ascending.

    Args:
        index: The series.
        codes: By the place of the dimension in this index.
    """
    if not codes:
        return all_keys(index)
    if (run := _run(index, codes)) is not None:
        return run
    first, *others = sorted(codes, key=lambda place: _expected(index, place, codes[place]))
    keys = _with_codes(index, first, codes[first])
    for place in others:
        keys = keys[_is_one_of(index.codes[place][keys], codes[place], index.sizes[place])]
    return keys


def share(index: SeriesIndex, codes: Mapping[int, tuple[int, ...]]) -> float:
    """Guess which share of the keys has one of the codes in each of the dimensions."""
    found = 1.0
    sizes = index.sizes
    for place, wanted in codes.items():
        found *= len(wanted) / (sizes[place] or 1)
    return found


def dimension_place(name: str, dimensions: tuple[str, ...], parameter: str) -> int:
    """Return the place of a dimension that is named as `dim_region` or `region`.

    Args:
        name: The name as written.
        dimensions: Those of the series.
        parameter: The query parameter, for the message.

    Raises:
        BadQueryError: There is no such dimension.
    """
    for candidate in (name, DIMENSION_PREFIX + name):
        if candidate in dimensions:
            return dimensions.index(candidate)
    wanted = name if name.startswith(DIMENSION_PREFIX) else DIMENSION_PREFIX + name
    listed = ", ".join(nearest_first(wanted, dimensions, SHOWN)) or "none"
    raise BadQueryError(
        f"{parameter} names the dimension '{name[:80]}', which the series does not have.",
        parameter=parameter,
        next_step=f"Dimensions of the series: {listed}.",
    )


def _narrow(
    codes: dict[int, tuple[int, ...]], place: int, found: set[int], index: SeriesIndex
) -> None:
    before = codes.get(place)
    if before is None and len(found) == index.sizes[place]:
        return
    codes[place] = tuple(sorted(found if before is None else found.intersection(before)))


def _code(index: SeriesIndex, place: int, member: str, mark: str = "") -> int:
    members = index.members[place]
    code = members.codes.get(member)
    if code is None:
        raise _unknown(index.dimensions[place], mark, f"no member '{member[:80]}'", members, member)
    return code


def _beginning(index: SeriesIndex, place: int, prefix: str) -> range:
    members = index.members[place]
    found = members.beginning_with(prefix)
    if not found:
        what = f"no member that begins with '{prefix[:80]}'"
        raise _unknown(index.dimensions[place], PREFIX_MARK, what, members, prefix)
    return found


def _unknown(dimension: str, mark: str, what: str, members: Members, wanted: str) -> BadQueryError:
    listed = ", ".join(_nearest(wanted, members)) or "none"
    more = f" and {len(members) - SHOWN} more" if len(members) > SHOWN else ""
    return BadQueryError(
        f"{dimension} has {what}.",
        parameter=dimension + mark,
        next_step=f"Members: {listed}{more}.",
    )


def _nearest(wanted: str, members: Members) -> list[str]:
    """Return the members most like a text; of many, those that begin like it are compared."""
    texts: Sequence[str] = members.texts
    if len(texts) > _COMPARED:
        begin = wanted[:COMPARED_CHARACTERS]
        tries = {begin, begin.upper(), begin.lower(), begin.title()}
        starts: Iterable[int] = (_similar_start(members, text) for text in tries)
        part = _COMPARED // len(tries) // 2
        near = {
            place
            for start in starts
            for place in range(max(start - part, 0), min(start + part, len(texts)))
        }
        texts = [members.texts[place] for place in sorted(near)]
    return nearest_first(wanted, texts, SHOWN)


def _similar_start(members: Members, text: str) -> int:
    """Return where the members stand that share the longest beginning with a text."""
    for length in range(len(text), 0, -1):
        if found := members.beginning_with(text[:length]):
            return found.start
    return 0


def _run(index: SeriesIndex, codes: Mapping[int, tuple[int, ...]]) -> slice | None:
    """Return the keys if they stand side by side: one member in each of the first dimensions."""
    sizes, fixed = index.sizes, len(codes)
    rank = 0
    for place in range(fixed):
        wanted = codes.get(place, ())
        if len(wanted) != 1:
            return None
        rank = rank * sizes[place] + wanted[0]
    if (ranks := index.ranks) is None:
        return None
    width = prod(sizes[fixed:])
    start, stop = ranks.searchsorted((rank * width, (rank + 1) * width)).tolist()
    return slice(start, stop)


def _expected(index: SeriesIndex, place: int, wanted: tuple[int, ...]) -> float:
    return len(wanted) / max(index.sizes[place], 1)


def _with_codes(index: SeriesIndex, place: int, wanted: tuple[int, ...]) -> npt.NDArray[Any]:
    if len(wanted) == 1:
        return index.posting(place, wanted[0])
    if 0 < len(wanted) <= _FEW_CODES:
        return np.sort(np.concatenate([index.posting(place, code) for code in wanted]))
    return np.flatnonzero(_is_one_of(index.codes[place], wanted, index.sizes[place]))


def _is_one_of(
    column: npt.NDArray[Any], wanted: tuple[int, ...], size: int
) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_]
    if len(wanted) == 1:
        found = column == wanted[0]
        return found
    allowed = np.zeros(size, np.bool_)
    allowed[list(wanted)] = True
    found = allowed[column]
    return found
