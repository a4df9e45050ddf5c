"""A pull: pages in order, one ahead, each row once, and proved complete or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain, islice, repeat
from urllib.parse import parse_qs

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    DataChangedError,
    IncompletePullError,
    KeysNotSelectedError,
    QueryRefusedError,
    SourceAnswerError,
    UnknownColumnError,
    UnsafeLinkError,
)
from app.records import Progress, PullMode
from app.sac_connector.pull import PullLimits
from app.sac_connector.sums import UNITS, tolerance
from tests.sac_connector.rig import (
    DEFINITION,
    METADATA,
    PAGE_URL,
    ROOT,
    FakeTenant,
    Reply,
    a_page,
    amounts,
    connected,
    counted,
    linked,
    metadata,
    refusal,
    shape,
)


@pytest.mark.parametrize(
    ("replies", "asked"),
    [
        (
            [counted(5), linked(2, "a"), linked(2, "b", 2), a_page(1, first=4), counted(5)],
            ["count", "first", "a", "b", "count"],
        ),
        (
            [counted(5), a_page(2), a_page(2, first=2), a_page(1, first=4), counted(5)],
            ["count", "first", "skip 2", "skip 4", "count"],
        ),
        (
            [counted(5), linked(2, "a"), a_page(2, first=2), a_page(1, first=4), counted(5)],
            ["count", "first", "a", "skip 4", "count"],
        ),
        (
            [counted(5), a_page(2), linked(2, "a", 2), a_page(1, first=4), counted(5)],
            ["count", "first", "skip 2", "a", "count"],
        ),
        (
            [counted(5), linked(5, "a"), a_page(0), counted(5)],
            ["count", "first", "a", "count"],
        ),
        (
            [counted(5), linked(0, "a"), linked(5, "b"), a_page(0), refusal(400)],
            ["count", "first", "a", "b", "count"],
        ),
        (
            [refusal(400), linked(2, "a"), a_page(3, first=2), a_page(0)],
            ["count", "first", "a", "skip 5"],
        ),
        (
            [a_page(0), a_page(2), a_page(2, first=2), a_page(1, first=4), a_page(0)],
            ["count", "first", "skip 2", "skip 4", "skip 5"],
        ),
        (
            [httpx.Response(200, text="?"), a_page(5), a_page(0)],
            ["count", "first", "skip 5"],
        ),
    ],
    ids=[
        "links", "capped in silence", "links, then a cap", "a cap, then links",
        "an empty last page", "an empty first page", "no count, links", "no count, capped",
        "no count, one page",
    ],
)  # fmt: skip
async def test_every_row_arrives_once_however_the_tenant_pages(
    replies: list[Reply], asked: list[str]
) -> None:
    """Links are followed, silent caps are read on behind, and the report says what proved it."""
    tenant = FakeTenant(replies)
    async with connected(tenant) as rig:
        pull = rig.source.pull(DEFINITION)
        assert await amounts(pull) == ["0", "1", "2", "3", "4"]
    assert tenant.shapes == ["metadata", "service", *asked]
    known = asked[-1] == "count"
    assert (pull.report.expected, pull.report.proof) == (
        (5, "count") if known else (None, "entities")
    )
    assert (pull.report.received, pull.report.retries, pull.report.token_renewals) == (5, 0, 0)
    assert (pull.report.mode, pull.report.seconds < 60) == ("FactData", True)
    last = replies[-1]
    again = known and isinstance(last, httpx.Response) and last.is_success
    assert pull.report.moment == ("count" if again else "none")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.booleans(), st.integers(-2, 2))
async def test_a_pull_is_whole_or_refused(sizes: list[int], counts: bool, wrong: int) -> None:
    """For any pages: all rows come in order, or, if the count speaks against it, an error does.

    A count of no rows speaks against nothing if there are rows.
    """
    total = sum(sizes)
    said = max(0, total + wrong)
    size_probe = counted(said) if counts else refusal(400)
    behind = {"metadata": metadata(), "count": size_probe, f"skip {total}": a_page(0)}
    for place, size in enumerate(sizes):
        link = f"FactData?$skiptoken={place + 1}" if place + 1 < len(sizes) else None
        behind[str(place or "first")] = a_page(size, first=sum(sizes[:place]), link=link)
    tenant = FakeTenant(repeat(lambda request: behind[shape(request)]))
    async with connected(tenant) as rig:
        pull = rig.source.pull(DEFINITION)
        if counts and said not in {0, total}:
            with pytest.raises(IncompletePullError, match="Nothing was published"):
                await amounts(pull)
            return
        assert await amounts(pull) == [str(number) for number in range(total)]
        assert pull.report.received == total


CHANGED = "changed while it was read. Nothing was published."


@pytest.mark.parametrize(
    ("replies", "kind", "words", "rows"),
    [
        (
            [counted(3), a_page(2), a_page(0), counted(3)],
            IncompletePullError,
            "3 rows and sent 2: rows are missing",
            2,
        ),
        (
            [counted(3), a_page(4), counted(3)],
            IncompletePullError,
            "3 rows and sent 4: rows came twice",
            4,
        ),
        ([counted(3), linked(2, "a"), a_page(1), counted(4)], DataChangedError, CHANGED, 3),
        ([counted(3), a_page(4), counted(4)], DataChangedError, CHANGED, 4),
        ([counted(3), a_page(2), a_page(0), counted(2)], DataChangedError, CHANGED, 2),
        (
            [counted(0), a_page(1), a_page(1), a_page(0), counted(1)],
            DataChangedError,
            CHANGED,
            1,
        ),
    ],
    ids=["missing", "doubled", "grown behind", "grown before", "shrunk", "filled meanwhile"],
)
async def test_a_pull_that_is_not_whole_is_refused(
    replies: list[Reply], kind: type[IncompletePullError], words: str, rows: int
) -> None:
    """Rows that are missing, doubled or new: nothing is published, and the numbers are told."""
    async with connected(FakeTenant(replies)) as rig:
        pull = rig.source.pull(DEFINITION)
        with pytest.raises(IncompletePullError) as caught:
            await amounts(pull)
        with pytest.raises(RuntimeError, match="only after its last page"):
            _ = pull.report
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert caught.value.received_rows == rows


async def test_one_answer_is_of_one_moment() -> None:
    """Rows that fit into one answer need no second look, and are asked for once."""
    tenant = FakeTenant([counted(2), a_page(2)], sets=("FactData", "FactDataAggregation"))
    async with connected(tenant) as rig:
        pull = rig.source.pull(replace(DEFINITION, mode=PullMode.FACTS))
        assert await amounts(pull) == ["0", "1"]
    assert tenant.shapes == ["metadata", "service", "count", "first"]
    report = pull.report
    assert (report.expected, report.proof, report.moment) == (2, "count", "answer")


def sums(value: float) -> httpx.Response:
    """Answer with the sum of one date and member."""
    row = {"Date": "202601", "Region": "EMEA", "Amount": value}
    return httpx.Response(200, json={"value": [row], "@des.entitiesInPage": 1, "@odata.count": 1})


@pytest.mark.parametrize("page_rows", [2, 9], ids=["large", "small, but capped in silence"])
@pytest.mark.parametrize("changes", [False, True])
async def test_values_that_change_between_two_pages_are_noticed_by_their_sums(
    page_rows: int, changes: bool
) -> None:
    """Where the tenant adds up, sums are noted before the first of several pages, and after."""
    early = [] if page_rows == 2 else [a_page(2)]
    pages = [a_page(2), a_page(1, first=2)]
    later = [counted(3), sums(3), sums(4 if changes else 3)]
    tenant = FakeTenant(
        [counted(3), *early, *[sums(3)] * 2, *pages, *later],
        sets=("FactData", "FactDataAggregation"),
    )
    async with connected(tenant, limits=PullLimits(page_rows)) as rig:
        pull = rig.source.pull(replace(DEFINITION, mode=PullMode.FACTS))
        if changes:
            with pytest.raises(DataChangedError):
                await amounts(pull)
            return
        assert await amounts(pull) == ["0", "1", "2"]
        assert pull.report.moment == "sums"
    first = ["first"] * len(early)
    both = ["sums", "sums"]
    assert tenant.shapes[2:] == ["count", *first, *both, "first", "skip 2", "count", *both]


DOUBLES = metadata(METADATA.replace('Name="Amount"', 'Name="Amount" Type="Edm.Double"'))
DOUBLE = UNITS["Edm.Double"]


@pytest.mark.parametrize("described", [metadata(), DOUBLES])
async def test_sums_of_doubles_may_differ_in_their_last_digit(described: httpx.Response) -> None:
    """Of three rows, whose order of additions nobody knows; decimals are equal or have changed."""
    later = [counted(3), sums(3.0000000000000004), sums(3)]
    pages = [a_page(2), a_page(1, first=2)]
    tenant = FakeTenant(
        [counted(3), *[sums(3)] * 2, *pages, *later],
        described=[described],
        sets=("FactData", "FactDataAggregation"),
    )
    async with connected(tenant) as rig:
        pull = rig.source.pull(replace(DEFINITION, mode=PullMode.FACTS))
        if described is not DOUBLES:
            with pytest.raises(DataChangedError):
                await amounts(pull)
            return
        assert await amounts(pull) == ["0", "1", "2"]
    assert (pull.report.moment, pull.report.tolerance) == ("sums", tolerance(DOUBLE, 3))


async def test_one_answer_of_doubles_tells_its_tolerance() -> None:
    """Nothing was compared, but the records of a second way may be held against it."""
    async with connected(FakeTenant([counted(2), a_page(2)], described=[DOUBLES])) as rig:
        pull = rig.source.pull(DEFINITION)
        await amounts(pull)
    assert (pull.report.moment, pull.report.tolerance) == ("answer", tolerance(DOUBLE, 2))


@pytest.mark.parametrize(("reply", "records"), [(counted(700), 700), (refusal(400), 1_000_000)])
async def test_how_many_records_were_added_up_bounds_sums_of_sums(
    reply: httpx.Response, records: int
) -> None:
    """The rows of an answer do not tell; the records are counted, or taken for many."""
    first = a_page(1, link="FactDataAggregation?$skiptoken=a")
    look = [counted(1), sums(0), sums(0)]
    tenant = FakeTenant(
        [first, *look, reply, first, a_page(0), *look],
        described=[DOUBLES],
        sets=("FactData", "FactDataAggregation"),
    )
    async with connected(tenant) as rig:
        pull = rig.source.pull(DEFINITION)
        assert await amounts(pull) == ["0"]
    probe = tenant.asked[6].url
    assert (probe.path, "$select" in str(probe)) == (httpx.URL(PAGE_URL).path, False)
    assert pull.report.tolerance == tolerance(DOUBLE, records + 1)


@pytest.mark.parametrize("whole", [True, False])
async def test_without_trust_in_numbers_the_sums_are_what_tells(whole: bool) -> None:
    """No number of rows is asked for; rows that the tenant adds up to something else are not all.

    The second date makes sure that these are sums.
    """
    dates = [{"Date": f"20260{n}", "Region": "EMEA", "Amount": 1} for n in (1, 2)]
    rows = dates if whole else [dates[0], {**dates[1], "Amount": 0}]

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qs(request.url.query.decode())
        if "$skip" in query:
            return a_page(0)
        by = query["$select"][0].split(",")[:-1]
        if len(by) > 1:
            return httpx.Response(200, json={"value": rows, "@odata.count": 9})
        found = [*dates] if by == ["Date"] else [{**dates[0], "Amount": 2}]
        return httpx.Response(200, json={"value": found, "@odata.count": 9})

    tenant = FakeTenant(repeat(answer), sets=("FactData", "FactDataAggregation"))
    untrusting = replace(DEFINITION, mode=PullMode.FACTS, trust_count=False)
    async with connected(tenant) as rig:
        pull = rig.source.pull(untrusting)
        if not whole:
            with pytest.raises(IncompletePullError, match="adds up to other sums than they do"):
                await amounts(pull)
            return
        assert await amounts(pull) == ["1", "1"]
    assert (pull.report.expected, pull.report.proof, pull.report.moment) == (
        None, "short_page", "sums",
    )  # fmt: skip
    assert not any("$count" in str(request.url) for request in tenant.asked)


async def test_a_measure_that_is_not_added_up_refuses_nothing() -> None:
    """Of a maximum the sums are others than ours; one date cannot tell, so none is refused."""
    noted, pages = [sums(2)] * 2, [a_page(2), a_page(1, first=2)]
    tenant = FakeTenant(
        [counted(3), *noted, *pages, counted(3), *noted, sums(2)],
        sets=("FactData", "FactDataAggregation"),
    )
    async with connected(tenant) as rig:
        pull = rig.source.pull(replace(DEFINITION, mode=PullMode.FACTS))
        assert len(await amounts(pull)) == 3


async def test_a_key_that_comes_twice_among_sums_is_a_change() -> None:
    """What the tenant has added up holds each key once, whatever it counted."""
    look = [counted(2), sums(1), sums(1)]
    tenant = FakeTenant(
        [linked(1, "a"), *look, linked(1, "a"), a_page(1, first=1), *look],
        sets=("FactData", "FactDataAggregation"),
    )
    async with connected(tenant) as rig:
        with pytest.raises(DataChangedError):
            await amounts(rig.source.pull(DEFINITION))
    assert tenant.shapes[2:] == [
        "first", "count", "sums", "sums", "first", "a", "count", "sums", "sums"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "replies",
    [
        [refusal(400), linked(2, "a"), a_page(1, first=2), a_page(0)],
        [httpx.Response(200, text="?"), linked(2, "a"), a_page(1, first=2), a_page(0)],
        [counted(3), linked(2, "a"), a_page(1, first=2), refusal(400)],
    ],
    ids=["before", "unreadable", "after"],
)
async def test_a_count_that_is_told_only_once_is_no_change(replies: list[Reply]) -> None:
    """A count on one side alone says nothing of a change."""
    async with connected(FakeTenant(replies)) as rig:
        pull = rig.source.pull(DEFINITION)
        assert await amounts(pull) == ["0", "1", "2"]
    assert pull.report.moment == "none"


async def test_a_page_that_holds_other_than_it_says_is_refused() -> None:
    """The page's own count of rows is held against its rows."""
    short = httpx.Response(200, json={"value": [], "@DES.entitiesinpage": "2"})
    async with connected(FakeTenant([counted(3), short, counted(3)])) as rig:
        with pytest.raises(IncompletePullError, match="Page 1 announced 2 rows and holds 0;"):
            await amounts(rig.source.pull(DEFINITION))


@pytest.mark.parametrize("link", ["a", "self"])
async def test_pages_that_link_in_a_circle_end(link: str) -> None:
    """A link to a page that was read before ends the pull at once."""
    page = "$select=Date,Region,Amount&$orderby=Date,Region,Amount&pagesize=2"
    first = a_page(2, link=f"FactData?{page if link == 'self' else f'$skiptoken={link}'}")
    tenant = FakeTenant([counted(9), first, *[first] * 5])
    async with connected(tenant) as rig:
        with pytest.raises(UnsafeLinkError, match="link in a circle"):
            await amounts(rig.source.pull(DEFINITION))
    assert len(tenant.asked) == 4 + (link == "a")


async def test_links_that_never_end_are_not_followed_for_ever() -> None:
    """A tenant that always names one more page is stopped as soon as it sent too many rows."""
    endless = (linked(2, str(number)) for number in range(1000))
    tenant = FakeTenant(chain([counted(3)], islice(endless, 100), repeat(counted(3))))
    async with connected(tenant) as rig:
        with pytest.raises(IncompletePullError, match="rows came twice"):
            await amounts(rig.source.pull(DEFINITION))
    assert len(tenant.shapes) < 10


@pytest.mark.parametrize("place", [0, 1])
async def test_what_a_delta_says_of_a_deleted_record_is_no_row(place: int) -> None:
    """An answer with deleted entities is one of changes, and is refused by its place."""
    gone = {"@odata.context": "$metadata#FactData/$deletedEntity", "id": "FactData(Date='202601')"}
    row = {"Date": "202601", "Region": "EMEA", "Amount": 1}
    value = [row, gone][:: 1 if place else -1]
    delta = httpx.Response(200, json={"value": value, "@des.entitiesInPage": "2"})
    async with connected(FakeTenant([counted(3), delta])) as rig:
        with pytest.raises(SourceAnswerError, match=f"page 1, row {place + 1}"):
            await amounts(rig.source.pull(DEFINITION))


async def test_a_link_to_another_host_is_not_followed() -> None:
    """A page that links away ends the pull; nothing reaches the other host."""
    away = a_page(2, link="https://evil.example/FactData")
    tenant = FakeTenant([counted(4), away])
    async with connected(tenant) as rig:
        with pytest.raises(UnsafeLinkError, match="links to another host"):
            await amounts(rig.source.pull(DEFINITION))
    assert {request.url.host for request in tenant.requests} == {
        "login.example",
        "tenant.example",
    }


async def test_progress_is_told_after_every_page() -> None:
    """Rows, pages and bytes add up, and what was announced stands beside them."""
    seen: list[Progress] = []
    replies = [linked(2, "a"), a_page(1, first=2)]
    sizes = [len(reply.content) for reply in replies]
    async with connected(FakeTenant([counted(3), *replies, counted(3)])) as rig:
        pull = rig.source.pull(DEFINITION, seen.append)
        pages = [page async for page in pull.pages()]
    assert [page.size_bytes for page in pages] == sizes
    assert seen == [
        Progress(rows=2, pages=1, bytes=sizes[0], expected_rows=3),
        Progress(rows=3, pages=2, bytes=sum(sizes), expected_rows=3),
    ]
    assert (pull.report.bytes, pull.report.pages) == (sum(sizes), 2)


async def test_retries_and_renewals_are_counted_without_the_first_token() -> None:
    """The report counts what was sent again and the tokens renewed in mid-pull."""
    replies = [counted(3), linked(2, "a"), refusal(503), refusal(401), a_page(1), counted(3)]
    async with connected(FakeTenant(replies)) as rig:
        pull = rig.source.pull(DEFINITION)
        await amounts(pull)
    assert (pull.report.retries, pull.report.token_renewals) == (1, 1)


async def test_columns_are_read_once_in_five_minutes() -> None:
    """Two pulls in a row read the description once, a later one reads it anew."""
    tenant = FakeTenant([counted(1), a_page(1)] * 3)
    async with connected(tenant) as rig:
        for _ in range(2):
            await amounts(rig.source.pull(DEFINITION))
        rig.clock.tick(timedelta(minutes=5))
        await amounts(rig.source.pull(DEFINITION))
    again = ["metadata", "service", "count", "first"]
    assert tenant.shapes == [*again, "count", "first", *again]


async def test_a_refused_query_makes_the_next_pull_read_the_columns_anew() -> None:
    """A dimension that was added meanwhile breaks one pull, not all of the next five minutes."""
    refused = [refusal(400, "1402")] * 2
    tenant = FakeTenant([counted(3), *refused, counted(1), a_page(1)])
    async with connected(tenant) as rig:
        with pytest.raises(KeysNotSelectedError, match="the model has changed"):
            await amounts(rig.source.pull(DEFINITION))
        assert await amounts(rig.source.pull(DEFINITION)) == ["0"]
    assert tenant.shapes.count("metadata") == 2


async def test_a_model_that_gains_a_dimension_breaks_no_pull() -> None:
    """What was read of the model a minute ago is read anew at once, and only once."""
    wider = METADATA.replace(
        '<PropertyRef Name="Region"/>', '<PropertyRef Name="Region"/><PropertyRef Name="Channel"/>'
    ).replace("<Property ", '<Property Name="Channel"/><Property ', 1)
    refused = [counted(3), *[refusal(400, "1402")] * 2]
    replies = [counted(1), a_page(1), *refused, counted(1), a_page(1), *refused, *refused]
    tenant = FakeTenant(replies, described=[metadata(), metadata(wider)])
    async with connected(tenant) as rig:
        for _ in range(2):
            assert await amounts(rig.source.pull(DEFINITION)) == ["0"]
        assert "$select=Date,Region,Channel,Amount" in str(tenant.asked[-1].url)
        assert tenant.shapes.count("metadata") == 2
        with pytest.raises(KeysNotSelectedError):
            await amounts(rig.source.pull(DEFINITION))
    assert tenant.shapes.count("metadata") == 3


async def test_a_refusal_in_the_middle_of_a_pull_is_not_begun_anew() -> None:
    """Rows that were handed over cannot be taken back."""
    known = [counted(1), a_page(1)]
    tenant = FakeTenant([*known, counted(3), linked(2, "a"), refusal(400)])
    async with connected(tenant) as rig:
        await amounts(rig.source.pull(DEFINITION))
        with pytest.raises(QueryRefusedError):
            await amounts(rig.source.pull(DEFINITION))
    assert tenant.shapes.count("metadata") == 1


async def test_an_unknown_column_makes_the_next_pull_read_the_columns_anew() -> None:
    """A column that was added to the model after the refusal is found at once."""
    old = metadata(METADATA.replace("Amount", "Betrag"))
    tenant = FakeTenant([counted(1), a_page(1)], described=[old])
    async with connected(tenant) as rig:
        with pytest.raises(UnknownColumnError, match=r"no value column 'Amount' \(it has Betrag\)"):
            await amounts(rig.source.pull(DEFINITION))
        assert await amounts(rig.source.pull(DEFINITION)) == ["0"]


async def test_a_tenant_that_refuses_to_order_by_a_value_is_asked_without() -> None:
    """The tie breaker is dropped, and with it nothing else of the query."""
    tenant = FakeTenant([counted(3), refusal(400), linked(2, "a"), a_page(1, first=2), counted(3)])
    async with connected(tenant) as rig:
        assert await amounts(rig.source.pull(DEFINITION)) == ["0", "1", "2"]
    orders = [parse_qs(request.url.query.decode()).get("$orderby") for request in tenant.asked]
    assert orders[3:5] == [["Date,Region,Amount"], ["Date,Region"]]


@pytest.mark.parametrize("linked_pages", [False, True])
async def test_records_of_one_key_are_not_cut_apart_without_a_tie_breaker(
    linked_pages: bool,
) -> None:
    """Between two answers by `$skip` their order may differ; a tenant's own links keep it."""
    pages = [linked(2, "a"), a_page(1, first=2)] if linked_pages else [a_page(2), a_page(1)]
    tenant = FakeTenant([counted(3), refusal(400), *pages, counted(3)])
    async with connected(tenant) as rig:
        pull = rig.source.pull(DEFINITION)
        if linked_pages:
            assert await amounts(pull) == ["0", "1", "2"]
            return
        with pytest.raises(IncompletePullError, match="cuts records of one key apart"):
            await amounts(pull)


async def test_the_date_may_be_kept_as_a_dimension() -> None:
    """A definition that names the date column among its dimensions is pulled like any other."""
    twice = replace(DEFINITION, dimensions=("Date", "Region"))
    async with connected(FakeTenant([counted(2), a_page(2)])) as rig:
        assert await amounts(rig.source.pull(twice)) == ["0", "1"]


async def test_the_filter_and_the_page_size_go_with_each_request() -> None:
    """The probe and the pages ask for the same rows, and the first page names its size."""
    narrow = replace(DEFINITION, filter="Region eq 'R&D + 50%'")
    tenant = FakeTenant([counted(3), a_page(2), a_page(1, first=2), counted(3)])
    async with connected(tenant) as rig:
        await amounts(rig.source.pull(narrow))
    queries = [request.url.query.decode() for request in tenant.asked[2:]]
    shared = "$filter=Region%20eq%20'R%26D%20%2B%2050%25'"
    count = f"$count=true&$top=0&{shared}"
    page = f"$select=Date,Region,Amount&{shared}&$orderby=Date,Region,Amount"
    assert queries == [count, f"{page}&pagesize=2", f"{page}&$skip=2&pagesize=2", count]
    assert str(tenant.asked[0].url) == f"{ROOT}$metadata"
