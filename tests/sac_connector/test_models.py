"""What is kept of a model, and the requests of one pull."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app.errors import AccessDeniedError, SourceUnavailableError
from app.records import PullMode
from app.sac_connector.answers import RowDecoder
from app.sac_connector.edmx import EntitySchema
from app.sac_connector.models import Model, ModelReader
from app.sac_connector.plan import plan_pull
from app.sac_connector.retry import RetryPolicy
from app.sac_connector.wire import SetQuery
from tests.sac_connector.rig import (
    DEFINITION,
    ROOT,
    FakeTenant,
    Reply,
    Rig,
    a_page,
    connected,
    counted,
    refusal,
)

QUERY = SetQuery(ROOT, "FactData", ("Date",), ("Date",), None, 2)
ONCE = RetryPolicy(attempts=1)


async def read(rig: Rig, reader: ModelReader, model_id: str = DEFINITION.model_id) -> Model:
    """Read a model as a pull does."""
    return await reader.read(model_id, rig.source.session(DEFINITION.model_id))


async def test_a_model_is_kept_for_five_minutes() -> None:
    """Columns and entity sets are read once in a while, for each model by itself."""
    tenant = FakeTenant(sets=("FactData", "RegionMaster"))
    async with connected(tenant) as rig:
        reader = ModelReader(rig.clock)
        first = await read(rig, reader)
        rig.clock.tick(timedelta(minutes=4, seconds=59))
        assert await read(rig, reader) is first
        assert await read(rig, reader, "COTHER") is not first
        rig.clock.tick(timedelta(seconds=1))
        assert await read(rig, reader) is not first
    assert first.schema.dimensions == ("Date", "Region")
    assert first.entity_sets == {"FactData", "RegionMaster"}
    assert tenant.shapes == ["metadata", "service"] * 3


async def test_a_model_that_was_forgotten_is_read_anew() -> None:
    """Forgetting what is not known does nothing."""
    tenant = FakeTenant()
    async with connected(tenant) as rig:
        reader = ModelReader(rig.clock)
        reader.forget("CMODEL")
        await read(rig, reader)
        reader.forget("CMODEL")
        await read(rig, reader)
    assert tenant.shapes == ["metadata", "service"] * 2


async def test_a_model_whose_description_fails_is_not_kept() -> None:
    """A failure leaves nothing behind that would be taken for a model."""
    tenant = FakeTenant(described=[refusal(503)])
    async with connected(tenant, policy=ONCE) as rig:
        reader = ModelReader(rig.clock)
        with pytest.raises(SourceUnavailableError):
            await read(rig, reader)
        assert (await read(rig, reader)).schema.measures == ("Amount",)


@pytest.mark.parametrize(
    ("reply", "count"),
    [
        (a_page(0, count=7), 7),
        (a_page(0), None),
        (refusal(400), None),
        (refusal(406), None),
        (httpx.Response(200, text="17", headers={"content-type": "text/plain"}), None),
        (httpx.Response(200, json={"value": [], "@odata.count": "many"}), None),
    ],
    ids=["number", "none", "refused", "not acceptable", "no JSON", "no number"],
)
async def test_a_size_that_is_not_told_is_none(reply: Reply, count: int | None) -> None:
    """The probe is a courtesy of the tenant: without it a pull proves itself by other means."""
    async with connected(FakeTenant([reply])) as rig:
        assert await rig.source.session(DEFINITION.model_id).count(QUERY) == count


async def test_numbers_of_rows_may_be_left_unasked() -> None:
    """Of a tenant whose numbers are not trusted none is asked for, and tables are read on."""
    tenant = FakeTenant([a_page(2), a_page(0)])
    async with connected(tenant) as rig:
        session = replace(rig.source.session(DEFINITION.model_id), trusting=False)
        assert await session.count(QUERY) is None
        assert (await session.table(QUERY, ("Date",))).num_rows == 2
    assert tenant.shapes == ["first", "skip 2"]


async def test_ranges_ask_for_their_size_before_their_first_page() -> None:
    """A chain asks for the number of its rows if it is told to."""
    tenant = FakeTenant([counted(2), a_page(2)])
    async with connected(tenant) as rig:
        session = rig.source.session(DEFINITION.model_id)
        decode = RowDecoder(("Date",), None).decode
        assert (await session.chain(QUERY, decode, probed=True).table()).num_rows == 2
    assert tenant.shapes == ["count", "first"]


@pytest.mark.parametrize(
    ("replies", "rows"),
    [
        ([a_page(2, count=2)], 2),
        ([a_page(2, count=9), a_page(0), a_page(2), a_page(0)], 2),
        ([a_page(2, count=1), a_page(2, count=1), a_page(0)], 2),
        ([a_page(2, count=1), refusal(400)], None),
        ([refusal(400), refusal(400)], None),
        ([refusal(404, "3707")], None),
        ([httpx.Response(200, json={"value": 1})], None),
        ([httpx.Response(200, json={"value": [], "@des.entitiesInPage": 1})] * 2, None),
    ],
    ids=["counted", "records counted", "a page counted", "then refused", "refused", "no set",
         "no rows", "not whole"],
)  # fmt: skip
async def test_sums_are_read_or_there_are_none(replies: list[Reply], rows: int | None) -> None:
    """A tenant may count the records behind sums; they end by themselves as well."""
    plan = plan_pull(
        replace(DEFINITION, mode=PullMode.AGGREGATES),
        EntitySchema(("Date", "Region"), ("Amount",)),
        frozenset({"FactDataAggregation"}),
    )
    async with connected(FakeTenant(replies)) as rig:
        sums = await rig.source.session(DEFINITION.model_id).sums(plan, ("Date",), 2)
    assert (None if sums is None else sums.num_rows) == rows


async def test_a_size_that_may_not_be_asked_for_is_an_error() -> None:
    """No access to the probe is no access to the rows."""
    async with connected(FakeTenant([refusal(403)])) as rig:
        with pytest.raises(AccessDeniedError):
            await rig.source.session(DEFINITION.model_id).count(QUERY)


async def test_a_small_set_is_read_to_its_end() -> None:
    """A table and a master come whole, page by page, with the columns that were asked for."""
    pages = [a_page(2, count=3), a_page(1, first=2)] * 2
    tenant = FakeTenant(pages)
    async with connected(tenant) as rig:
        session = rig.source.session(DEFINITION.model_id)
        query = SetQuery(ROOT, "FactData", (), ("Date",), None, 2, counted=True)
        table = await session.table(query, ("Date",), "Amount")
        master = await session.master("RegionMaster", ("Region", "Date"), 2)
    assert table["Amount"].to_pylist() == ["0", "1", "2"]
    assert (master.column_names, master.num_rows) == (["Region", "Date"], 3)
    assert [request.url.path.rpartition("/")[2] for request in tenant.asked] == [
        *["FactData"] * 2,
        *["RegionMaster"] * 2,
    ]
