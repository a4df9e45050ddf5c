"""Answers what a chart of one series asks for: the points of one key, in a window.

Such questions differ in members and days alone. All else that their answers have is made by those
who make it for every answer, and kept for each form of a query string until readers are told
otherwise: of another version, or of another age. What is left is to find the points and to put the
pieces together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Final

import numpy as np

from app.api.answer_headers import TOTAL, data_time, raw_headers
from app.api.lane import SERIES_PATH, Ready, Slip
from app.api.prepared import PreparedRequest
from app.api.validators import tag_base, tag_of
from app.api.writing.envelope import NO_CURSOR, around_total, head
from app.api.writing.objects import key_end, key_objects
from app.pipeline.at_hand import Loaded
from app.pipeline.query import Columns, KeyLookup, QueryResult, SeriesIndex, day_span
from app.pipeline.series import SeriesAnswer, SeriesView
from app.reports import FreshnessState

_OK: Final = HTTPStatus.OK.value
_FORMS_REMEMBERED: Final = 64


class KeyAnswers:
    """Answers to the questions of one form from one version, as it stands.

    They are kept with the version's index, so they must not hold the version: it would never go.

    Args:
        prepared: The form.
        loaded: The version, and how it stands.
        index: The index of the version.
        lookup: Finds the key of some members, in the order of the form.
        most_rows: Most rows of an answer.
    """

    __slots__ = (
        *("_around_total", "_before", "_data_time", "_dimensions", "_headers", "_lookup"),
        *("_most_rows", "_slip", "_tag_base", "_tag_order", "_total_at"),
    )

    def __init__(
        self,
        prepared: PreparedRequest,
        loaded: Loaded,
        index: SeriesIndex,
        lookup: KeyLookup,
        most_rows: int,
    ) -> None:
        answer, asked = _without_points(loaded), prepared.asked
        (view,) = answer.views
        self._lookup = lookup
        self._most_rows = most_rows
        self._dimensions = index.columns
        self._before = head(view) + b',"points":['
        # No copy: they are as long as the metadata, and the same for all forms.
        self._around_total = around_total(view)
        self._headers = raw_headers(answer, asked.format, SERIES_PATH, "")
        # Before them stands the ETag.
        self._total_at = [name for name, _ in self._headers].index(TOTAL) + 1
        self._tag_base = tag_base(answer, asked)
        self._tag_order = sorted((name, place) for place, name in enumerate(prepared.dimensions))
        self._slip = (loaded.dataset,), asked.pin, loaded.stamp
        self._data_time = data_time(answer)

    def answer(self, members: Sequence[str], start: date | None, end: date | None) -> Ready | None:
        """Return the answer to one question; None if it has no points, or too many.

        Args:
            members: In the order of the form.
            start: The first day; None for an open window.
            end: The last day.
        """
        found = self._lookup.find(members, *day_span(start, end))
        if found is None or (total := len(found.days)) > self._most_rows:
            return None
        count = b"%d" % total
        after, rest = self._around_total
        behind = b"],%b%b%b%b" % (after, count, rest, NO_CURSOR)
        body = key_objects(self._before, found, key_end(self._dimensions, found.key), behind)
        filters = [(name, (members[place],)) for name, place in self._tag_order]
        etag = tag_of(self._tag_base, start, end, filters)
        headers = [(b"etag", etag.encode()), *self._headers, (b"content-length", b"%d" % len(body))]
        headers[self._total_at] = TOTAL, count
        return Slip(*self._slip, etag, self._data_time), _OK, headers, body


def key_answers_of(prepared: PreparedRequest, loaded: Loaded, most_rows: int) -> KeyAnswers | None:
    """Return the answers to a form from what is served; None if they are no points of one key.

    Args:
        prepared: The form.
        loaded: What is served; its index remembers them until readers are told otherwise.
        most_rows: Most rows of an answer.
    """
    if not prepared.wants_points or (cube := loaded.cube) is None:
        return None
    known = cube.answers.get(prepared)
    if known is None or known[0] is not loaded.stamp:
        if len(cube.answers) >= _FORMS_REMEMBERED:
            cube.answers.clear()
        known = loaded.stamp, _made(prepared, loaded, cube.base, most_rows)
        cube.answers[prepared] = known
    answers: KeyAnswers | None = known[1]
    return answers


def _made(
    prepared: PreparedRequest, loaded: Loaded, index: SeriesIndex, most_rows: int
) -> KeyAnswers | None:
    is_expired = loaded.told.freshness.state is FreshnessState.EXPIRED
    lookup = KeyLookup.of(index, prepared.dimensions)
    if lookup is None or (is_expired and not prepared.asked.allow_expired):
        return None
    return KeyAnswers(prepared, loaded, index, lookup, most_rows)


def _without_points(loaded: Loaded) -> SeriesAnswer:
    """Return what all answers from a version have in common."""
    series, told = loaded.series, loaded.told
    nothing = Columns(np.empty(0, np.int32), np.empty(0), None, np.empty(0, np.int64), ())
    result = QueryResult(nothing, 0, series.metadata.grain)
    view = SeriesView(series, result, told.notice, told.freshness)
    return SeriesAnswer((view,), 0, None, loaded.stamp)
