"""`GET /problems` and `GET /problems/{name}`: where the `type` of a problem leads."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.api.openapi import problems, text_answer
from app.api.problem_pages import index_response, page_response, problem_page

router = APIRouter(prefix="/problems", tags=["problems"])


@router.get(
    "",
    summary="List the kinds of problems",
    response_class=Response,
    responses={200: text_answer("All kinds, one a line")},
)
async def index(request: Request) -> Response:
    """List what may go wrong: address, status and title; as a web page for a browser."""
    return index_response(request.headers.get("Accept"))


@router.get(
    "/{name}",
    summary="Explain a kind of problem",
    response_class=Response,
    responses={200: text_answer("What it means and what to do"), **problems(404)},
)
async def explain(name: str, request: Request) -> Response:
    """Say what a kind of problem means and what to do; the `type` of a problem leads here."""
    return page_response(problem_page(name), request.headers.get("Accept"))
