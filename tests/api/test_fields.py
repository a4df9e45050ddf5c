"""A field in several lines means the same as in one."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.fields import joined, whole
from tests.api.bench import Bench
from tests.api.doors import client_of, entered

LINES = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))


@given(LINES)
def test_all_lines_count(lines: list[str]) -> None:
    """However a field is split, nothing of it is lost."""
    raw = [line.encode() for line in lines]
    headers = [(b"host", b"x"), *((b"accept", line) for line in raw)]
    expected = ", ".join(lines) if lines else None
    assert whole(headers, b"accept") == expected
    assert reduce(joined, raw, b"") == (expected or "").encode()


@pytest.mark.parametrize("room_bytes", [0, 1_000_000], ids=["bare", "laned"])
@pytest.mark.parametrize(
    "lines",
    [
        [("Accept", "text/csv"), ("Accept", "application/json;q=0.1")],
        [("Accept", "image/png"), ("Accept", "text/csv")],
        [("Accept-Encoding", "zstd"), ("Accept-Encoding", "identity")],
        [("Accept-Encoding", "identity"), ("Accept-Encoding", "gzip")],
    ],
)
async def test_lines_are_answered_as_one_line(
    filled: Bench, lines: list[tuple[str, str]], room_bytes: int
) -> None:
    """What is negotiated is the same, and nobody who sends the last line alone gets it instead."""
    app = entered(filled, room_bytes=room_bytes)
    name = lines[0][0]
    url = "/series?fill=zero&start=2000&limit=500"
    async with client_of(app) as client:
        several = await client.get(url, headers=lines)
        one = await client.get(url, headers={name: ", ".join(text for _, text in lines)})
        assert (several.status_code, several.headers["etag"]) == (200, one.headers["etag"])
        alone = {name: lines[-1][1]}
        kept = await client.get(url, headers=alone)
        fresh = await client_of(entered(filled)).get(url, headers=alone)
        assert kept.headers["etag"] == fresh.headers["etag"]


@pytest.mark.parametrize("room_bytes", [0, 1_000_000], ids=["bare", "laned"])
async def test_a_copy_is_recognised_in_any_line(filled: Bench, room_bytes: int) -> None:
    """`If-None-Match` in two lines is a list of both."""
    async with client_of(entered(filled, room_bytes=room_bytes)) as client:
        etag = (await client.get("/series")).headers["etag"]
        for tags in ([etag, '"other"'], ['"other"', etag]):
            headers = [("If-None-Match", tag) for tag in tags]
            assert (await client.get("/series", headers=headers)).status_code == 304
