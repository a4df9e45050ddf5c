"""Chains of pages: each to its proved end, or refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    DeadlineExceededError,
    IncompletePullError,
    SourceAnswerError,
    SourceUnavailableError,
    UnsafeLinkError,
)
from app.sac_connector.chain import MOST_IDLE_PAGES, Chain
from app.sac_connector.wire import SetQuery
from tests.sac_connector.chained import DECODE, Answers, Tenant, body, query, skipped
from tests.sac_connector.rig import ROOT, turns


def rows(*amounts: int) -> str:
    """Return rows as the service writes them."""
    written = [f'{{"Date":"202601","Amount":{amount}}}' for amount in amounts]
    return f"[{','.join(written)}]"


@pytest.mark.parametrize(
    "page",
    [
        '{"@odata.nextLink":"?next","value":%s}',
        '{"value":%s,"@odata.nextLink":"?next"}',
        '{"value":%s,"@odata.nextLink":"?next","more":["a"]}',
        '{"value":%s,"more":["a"],"@odata.nextLink":"?next"}',
        '{"value":%s,"@odata.nextLink":"?other","more":["a"],"@odata.nextLink":"?next"}',
        '{"@odata.nextLink":"?other","value":%s,"@odata.nextLink":"?next","more":["a"]}',
        '{"more":{"value":[1]},"@odata.nextLink":"?next","value":%s}',
        '{"value": %s, "@odata.nextLink": "?next"}',
    ],
)
async def test_a_link_is_followed_wherever_it_stands(page: str) -> None:
    """Before or after the rows, or among lists that are no rows: the same pages are read."""
    asked = []

    async def tenant(url: str) -> bytes:
        asked.append(url)
        await turns()
        last = url.endswith("?next")
        return (f'{{"value":{rows(3)}}}' if last else page % rows(1, 2)).encode()

    chain = Chain(tenant, query(), DECODE, expected=3)
    found = [text async for one in chain.pages() for text in one.rows["Amount"].to_pylist()]
    assert found == ["1", "2", "3"]
    assert asked[0] == query().page()
    assert asked[-1].endswith("?next")


@pytest.mark.parametrize(
    "page",
    [
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1},]}',
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1}}]}',
        '{"@odata.nextLink":"?next","value":[{"Date":"202601","Amount":1}],"more":1],"a":2}',
    ],
)
async def test_a_malformed_page_is_told_as_such(page: str) -> None:
    """Though its link was followed before its rows were read, the page is to blame."""

    async def tenant(url: str) -> bytes:
        if url.endswith("?next"):
            raise SourceUnavailableError("It failed.", status=503)
        return page.encode()

    with pytest.raises(SourceAnswerError, match="malformed JSON"):
        await Chain(tenant, query(), DECODE).table()
    await turns()


@given(st.integers(0, 9), st.integers(0, 9))
async def test_a_known_count_decides_when_a_chain_is_whole(rows: int, expected: int) -> None:
    """With as many rows as announced the chain ends well, with others it does not."""
    chain = Chain(Tenant({"FactData": rows}), query(), DECODE, expected=expected)
    # Pages of two rows, the first in any case; none behind the number that was announced. A number
    # of no rows is none if there are some.
    read = min(rows, max(2, expected + expected % 2)) if expected else rows
    if read == expected or not expected:
        expected = read
        assert (await chain.table()).num_rows == expected
        return
    with pytest.raises(IncompletePullError, match="Nothing was published"):
        await chain.table()


def linked(step: Callable[[int], dict[str, object]]) -> tuple[Answers, list[str]]:
    """Answer the n-th link with the n-th page, and `$skip` with nothing; note what was asked."""
    asked = []

    async def answer(url: str) -> bytes:
        asked.append(url)
        options = parse_qs(urlsplit(url).query)
        if "$skip" in options:
            return body(0, 0)
        return json.dumps(step(int(options.get("$skiptoken", ["0"])[0]))).encode()

    return answer, asked


def a_page(numbers: range, to: int | None = None) -> dict[str, object]:
    """Return a page of amounts and its link."""
    value = [{"Date": "202601", "Amount": number} for number in numbers]
    return {"value": value} | ({} if to is None else {"@odata.nextLink": f"?$skiptoken={to}"})


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.booleans(), st.booleans())
async def test_links_that_lead_on_behind_the_last_row_end(
    sizes: list[int], counted: bool, lists: bool
) -> None:
    """Pages without rows are gone through; with the count reached one of them is the end."""
    total = sum(sizes)

    def step(place: int) -> dict[str, object]:
        sized = sizes[place] if place < len(sizes) else 0
        before = sum(sizes[:place])
        found = a_page(range(before, before + sized), place + 1)
        return found if sized or lists else {**found, "value": None}

    tenant, asked = linked(step)
    chain = Chain(tenant, query(), DECODE, expected=total if counted else None)
    if counted:
        numbers = (await chain.table())["Amount"].to_pylist()
        assert numbers == [str(number) for number in range(total)]
        # The first page behind the last row, if that row is not known to be the last before.
        assert len(asked) <= len(sizes) + 1
        return
    with pytest.raises(IncompletePullError, match="nothing new") as caught:
        await chain.table()
    assert caught.value.received_rows == total
    assert len(asked) <= len(sizes) + MOST_IDLE_PAGES + 1


@pytest.mark.parametrize("counted", [True, False])
async def test_pages_that_bring_the_same_rows_again_end(counted: bool) -> None:
    """The last page under ever new names: too many rows, or nothing new."""
    tenant, asked = linked(lambda place: a_page(range(2), place + 1))
    chain = Chain(tenant, query(), DECODE, expected=5 if counted else None)
    with pytest.raises(IncompletePullError, match="came twice" if counted else "nothing new"):
        await chain.table()
    assert len(asked) == (4 if counted else MOST_IDLE_PAGES + 2)


async def test_a_link_back_behind_the_last_row_is_no_circle() -> None:
    """All rows that were announced are there, and a page that was read brings none."""
    tenant, asked = linked(lambda place: a_page(range(2 * place, 2 * place + 2), min(place + 1, 2)))
    assert (await Chain(tenant, query(), DECODE, expected=6).table()).num_rows == 6
    assert len(asked) == 3


async def test_a_page_that_links_to_itself_is_a_circle() -> None:
    """It is not read again and again."""
    tenant, asked = linked(lambda place: a_page(range(2), 1))
    with pytest.raises(UnsafeLinkError, match="in a circle"):
        await Chain(tenant, query(), DECODE, expected=9).table()
    assert len(asked) == 2


@pytest.mark.parametrize("rows", [2, 4])
async def test_a_tenant_that_does_not_hear_skip_doubles_no_row(rows: int) -> None:
    """As many rows as announced, but twice the same page: one more is asked for."""

    async def deaf(_: str) -> bytes:
        return body(0, 2)

    with pytest.raises(IncompletePullError, match=f"announced {rows + 2} rows and sent"):
        await Chain(deaf, query(), DECODE, expected=rows + 2).table()


@pytest.mark.parametrize("links", [False, True], ids=["no link", "the old link"])
async def test_a_cap_behind_links_and_no_ear_for_skip_double_no_row(links: bool) -> None:
    """The first page came by its address and comes again for `$skip`; the number fits, no more."""

    async def answer(url: str) -> bytes:
        if "$skiptoken" in url:
            return body(2, 2)
        linked = links or "$skip" not in url
        return body(0, 2, **({"@odata.nextLink": "?$skiptoken=b"} if linked else {}))

    with pytest.raises((IncompletePullError, UnsafeLinkError), match=r"came (twice|again)"):
        await Chain(answer, query(), DECODE, expected=6).table()


@pytest.mark.parametrize("cap", [1, 2, 4])
@pytest.mark.parametrize("links", [True, False])
async def test_without_a_number_the_last_link_is_the_word_of_a_tenant_that_hears_no_skip(
    cap: int, links: bool
) -> None:
    """The first page that comes again is left out; if nothing was linked there may be more."""

    async def answer(url: str) -> bytes:
        place = int(parse_qs(urlsplit(url).query).get("$skiptoken", ["0"])[0])
        linked = {"@odata.nextLink": f"?$skiptoken={place + cap}"} if place + cap < 8 else {}
        return body(place, cap, **(linked if links else {}))

    chain = Chain(answer, query(), DECODE)
    if links:
        numbers = (await chain.table())["Amount"].to_pylist()
        assert (numbers, chain.unheard) == ([str(number) for number in range(8)], True)
        return
    with pytest.raises(IncompletePullError, match=r"again whatever is to be|nothing new"):
        await chain.table()


async def test_pages_that_are_the_same_by_right_are_read() -> None:
    """Records of one key and value may fill whole pages."""
    total = 2 * MOST_IDLE_PAGES + 6
    tenant = Tenant({"FactData": total})

    async def alike(url: str) -> bytes:
        found = json.loads(await tenant(url))
        return json.dumps({"value": [{**row, "Amount": 7} for row in found["value"]]}).encode()

    assert (await Chain(alike, query(), DECODE, expected=total).table()).num_rows == total


async def test_numbers_of_rows_may_be_left_unheard() -> None:
    """A chain that trusts nobody is read to an empty page, whatever is announced."""

    async def answer(url: str) -> bytes:
        rows = max(0, min(2, 5 - skipped(url)))
        return body(skipped(url), rows, **{"@odata.count": 3, "@des.entitiesInPage": 9})

    chain = Chain(answer, query(), DECODE, trusting=False)
    assert (await chain.table()).num_rows == 5
    assert (chain.expected, chain.numbered) == (None, False)
    with pytest.raises(IncompletePullError, match=r"Page 1 announced 9 .*trust_count = false"):
        await Chain(answer, query(), DECODE).table()


@pytest.mark.parametrize("expected", [None, 9])
async def test_whoever_is_out_of_time_says_how_far_it_came(expected: int | None) -> None:
    """Pages may be without end, and narrowing the filter is no help then."""
    place = count()

    async def answer(_: str) -> bytes:
        if (number := next(place)) == 2:
            raise DeadlineExceededError("It took too long.", next_step="Raise the deadline.")
        return json.dumps(a_page(range(number, number + 1), number + 1)).encode()

    with pytest.raises(DeadlineExceededError) as caught:
        await Chain(answer, query(), DECODE, expected=expected).table()
    announced = "no number of" if expected is None else "9"
    assert str(caught.value) == (
        f"It took too long. It had 2 rows on 2 pages; {announced} rows had been announced. Raise "
        "the deadline. If the model has no more rows than that, its pages do not end: report it to "
        "SAP with the model's id."
    )

    async def never(_: str) -> bytes:
        raise DeadlineExceededError("It took too long.")

    with pytest.raises(DeadlineExceededError, match=r"^It took too long\.$") as first:
        await Chain(never, query(), DECODE).table()
    # An error that is its own cause would be walked through for ever.
    assert first.value.__cause__ is not first.value


async def test_the_count_of_the_first_page_is_the_one_that_counts() -> None:
    """A counted query learns its number from its own first page, and a probe from before it."""

    async def answer(url: str) -> bytes:
        return body(skipped(url), 2, **{"@odata.count": 4})

    counted = SetQuery(ROOT, "FactData", (), (), None, 2, counted=True)
    chain = Chain(answer, counted, DECODE)
    assert (await chain.table()).num_rows == chain.expected == 4

    async def probe() -> int:
        return 2

    assert (await Chain(answer, query(), DECODE, probe=probe).table()).num_rows == 2


async def test_a_page_that_was_read_before_is_not_asked_for_again() -> None:
    """The body of the first page may be handed in."""
    tenant = Tenant({"FactData": 3})
    chain = Chain(tenant, query(), DECODE, expected=3, first=body(0, 2))
    assert (await chain.table())["Amount"].to_pylist() == ["0", "1", "2"]
    assert [skipped(url) for url in tenant.asked] == [2]


async def test_links_in_a_circle_end() -> None:
    """A link to a page of this chain ends it, however many pages lie between."""

    async def answer(url: str) -> bytes:
        place = parse_qs(urlsplit(url).query).get("$skiptoken", ["0"])[0]
        return body(0, 1, **{"@odata.nextLink": f"FactData?$skiptoken={(int(place) + 1) % 3}"})

    with pytest.raises(UnsafeLinkError, match="link in a circle"):
        await Chain(answer, query(), DECODE, expected=99).table()
