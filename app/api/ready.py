"""Answers at once what is at hand: a question of a known form whose answer is small.

It is what the long way answers, but nothing on it has to wait, so no task or response must be made
for it. It is made by the same functions, but for the points of one key, which are found without a
query (`app.api.key_answers`). Whatever is not so simple goes the long way. An answer that somebody
wants coded passes the door that codes it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.types import Scope

from app.api.answer_headers import data_time
from app.api.answers import AT_ONCE_ROWS, NOT_MODIFIED, READ, small_answer, unchanged_headers
from app.api.deps import Services
from app.api.fields import Conditions
from app.api.key_answers import key_answers_of
from app.api.lane import Ready, Slip
from app.api.params import SeriesRequest
from app.api.prepared import PreparedForms, PreparedRequest
from app.api.validators import etag_of, matching
from app.errors import SeriesError
from app.pipeline.series import SeriesAnswer

_OK: Final = HTTPStatus.OK.value


class ReadyAnswers:
    """Makes them.

    Args:
        forms: Where forms of query strings are remembered.
    """

    def __init__(self, forms: PreparedForms) -> None:
        self._forms = forms

    def uncoded(self, scope: Scope, known: Conditions, services: Services) -> Ready | None:
        """Return the answer to a `GET /series` that nobody wants coded, as `find`; else None."""
        return None if known.accept_encoding else self.find(scope, known, services)

    def coded(self, scope: Scope, known: Conditions, services: Services) -> Ready | None:
        """Return the answer to all others, as `find`; not coded yet."""
        return self.find(scope, known, services) if known.accept_encoding else None

    def find(self, scope: Scope, known: Conditions, services: Services) -> Ready | None:
        """Return the answer to a `GET /series`; None if it must go the long way.

        Args:
            scope: The request.
            known: Its headers.
            services: Those of the app.
        """
        if (met := self._forms.met(scope, known)) is None:
            return None
        prepared, texts = met
        try:
            if known.if_none_match is None and (ready := _of_key(prepared, texts, services)):
                return ready
            asked = prepared.request(texts, known.if_none_match)
            datasets = asked.datasets or (services.dataset(),)
            answer = services.reader.read_at_once(
                datasets, asked.query, asked.pin, allow_expired=asked.allow_expired
            )
        except SeriesError:
            # The long way finds the same, and has the words for it.
            return None
        return None if answer is None else _ready(scope, datasets, asked, answer)


def _of_key(prepared: PreparedRequest, texts: list[str], services: Services) -> Ready | None:
    reader, datasets = services.reader, prepared.asked.datasets
    loaded = reader.at_hand(datasets[0] if datasets else services.dataset())
    if loaded is None:
        return None
    answers = key_answers_of(prepared, loaded, min(reader.max_rows, AT_ONCE_ROWS))
    if answers is None:
        return None
    return answers.answer(prepared.members(texts), *prepared.window(texts))


def _ready(
    scope: Scope, datasets: tuple[str, ...], asked: SeriesRequest, answer: SeriesAnswer
) -> Ready | None:
    etag = etag_of(answer, asked)
    slip = Slip(datasets, asked.pin, answer.stamp, etag, data_time(answer))
    if (known := matching(asked.if_none_match, etag)) is not None:
        return slip, NOT_MODIFIED, unchanged_headers(answer, asked.format, known), b""
    if (small := small_answer(answer, asked.format, scope, etag)) is None:
        # The long way writes it, and need not read it anew.
        scope[READ] = answer
        return None
    return slip, _OK, *small
