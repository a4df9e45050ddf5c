"""Every error has a status, and every problem one form."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

import pytest
from starlette.exceptions import HTTPException as HttpError

from app import errors
from app.api.problems import PROBLEMS, kind_of, problem_of
from tests.api.bench import Bench, problem


def descendants(parent: type[errors.SeriesError]) -> Iterator[type[errors.SeriesError]]:
    """Yield a class of `app.errors` and all that descend from it there."""
    yield parent
    for child in parent.__subclasses__():
        if child.__module__.startswith(f"{errors.__name__}."):
            yield from descendants(child)


TREE = sorted(set(descendants(errors.SeriesError)), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("error", TREE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_row_of_its_own(error: type[errors.SeriesError]) -> None:
    """A new class of errors must be given a status and a title before it can be merged."""
    assert error in PROBLEMS
    assert PROBLEMS[error].title


@pytest.mark.parametrize("error", TREE, ids=lambda kind: kind.__name__)
def test_statuses_follow_whose_fault_it_is(error: type[errors.SeriesError]) -> None:
    """A caller's mistake is a 4xx; what may pass is a 503; a refused login of ours is no 401."""
    status = kind_of(error).status
    assert (status < HTTPStatus.INTERNAL_SERVER_ERROR) == issubclass(error, errors.RequestError)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        assert issubclass(error, errors.CallerError)
    if error.retryable:
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert kind_of(error).retry_after_s
    elif issubclass(error, errors.SourceError) and error is not errors.SourceError:
        assert status == HTTPStatus.BAD_GATEWAY or error is errors.TransientSourceError


def test_codes_and_titles_tell_kinds_apart() -> None:
    """No two kinds of errors share a code or a title."""
    leaves = [error for error in TREE if not error.__subclasses__()]
    assert len({error.code for error in leaves}) == len(leaves)
    assert len({kind.title for error, kind in PROBLEMS.items() if error in leaves}) == len(leaves)


def test_a_class_without_a_row_is_answered_like_its_parent() -> None:
    """An error that another package derives has its parent's status and its own words."""

    class OddValueError(errors.DataError):
        """Not in the table."""

    described = problem_of(OddValueError("Odd.", next_step="Even it out."))
    assert described.status == HTTPStatus.BAD_GATEWAY
    assert described.detail == "Odd. Even it out."


async def test_an_unknown_address_is_a_problem(bench: Bench) -> None:
    """A path that nobody serves is a 404 problem that says where to look."""
    body = problem(await bench.get("/serie"), 404)
    assert body["code"] == "not_found"
    assert "/docs" in body["detail"]


async def test_a_method_that_is_not_served_is_a_problem(bench: Bench) -> None:
    """A wrong method is a 405 problem that names the right one, in words and in `Allow`."""
    response = await bench.get("/refresh")
    body = problem(response, 405)
    assert body["code"] == "method_not_allowed"
    assert response.headers["allow"] == "OPTIONS, POST"
    assert body["detail"] == "This address does not take GET. Use OPTIONS, POST."


async def test_any_other_http_error_is_a_problem(bench: Bench) -> None:
    """What the framework refuses has the same form, under a code of its own."""

    @bench.app.get("/teapot")
    async def teapot() -> None:
        raise HttpError(418, "Short and stout", headers={"X-Kind": "tea"})

    response = await bench.get("/teapot")
    body = problem(response, 418)
    assert (body["code"], body["detail"]) == ("http_418", "Short and stout.")
    assert response.headers["x-kind"] == "tea"


async def test_a_method_error_without_allow_has_words_too(bench: Bench) -> None:
    """A 405 that names no method is still a whole sentence."""

    @bench.app.get("/odd")
    async def odd() -> None:
        raise HttpError(405)

    assert problem(await bench.get("/odd"), 405)["detail"].endswith("Use another method.")


async def test_members_without_a_value_are_left_out(bench: Bench) -> None:
    """A problem holds only the members that its kind has."""
    body = problem(await bench.get("/series"), 503)
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id"}
