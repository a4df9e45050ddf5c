"""Masters are read where a definition needs them, and what they lack is told in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import httpx
import pytest

from app.errors import DataChangedError, MixedDataError, SourceError, UnknownColumnError
from app.records import DatasetDefinition, PullMode, Sign, TimeAggregation
from app.sac_connector.pull import PullLimits
from app.sac_connector.retry import RetryPolicy
from tests.sac_connector.rig import DEFINITION, FakeTenant, a_page, connected, metadata, refusal

PINNED = replace(DEFINITION, value_column="SignedData", dimensions=(), filter="GLAccount eq 'CASH'")
SETS = ("FactData", "GLAccountMaster", "DateMaster")


def described(accounts: Sequence[str] | None, dates: Sequence[str] | None = None) -> httpx.Response:
    """Describe an account model whose masters have these columns; None if it lists none."""
    masters = {"GLAccountMaster": accounts, "DateMaster": dates}
    listed = "".join(
        f'<EntityType Name="{name}">{properties(columns)}</EntityType>'
        for name, columns in masters.items()
        if columns is not None
    )
    keys = '<Key><PropertyRef Name="Date"/><PropertyRef Name="GLAccount"/></Key>'
    facts = properties(("Date", "GLAccount", "SignedData"))
    return metadata(f'<Edmx><EntityType Name="FactData">{keys}{facts}</EntityType>{listed}</Edmx>')


def properties(names: Sequence[str]) -> str:
    """Write properties."""
    return "".join(f'<Property Name="{name}"/>' for name in names)


def rows(*found: Mapping[str, object]) -> httpx.Response:
    """Answer with all rows of a set."""
    return httpx.Response(
        200, json={"value": found, "@odata.count": len(found), "@des.entitiesInPage": len(found)}
    )


FACTS = (
    a_page(0, count=1),
    rows({"Date": "202601", "GLAccount": "CASH", "SignedData": -5}),
)
CASH = {"ID": "CASH", "accType": "AST", "exceptionAggregationType": "LAST"}


async def pulled(
    tenant: FakeTenant, definition: DatasetDefinition
) -> tuple[list[str], TimeAggregation | None]:
    """Pull to the end; return the values and the rule over time."""
    async with connected(tenant, policy=RetryPolicy(attempts=1)) as rig:
        pull = rig.source.pull(definition)
        values = [v async for page in pull.pages() for v in page.rows["SignedData"].to_pylist()]
    return values, pull.report.time_aggregation


@pytest.mark.parametrize("listed", [("ID", "accType", "exceptionAggregationType", "scale"), None])
async def test_the_rule_of_a_pinned_account_is_that_of_its_master(
    listed: Sequence[str] | None,
) -> None:
    """Whether the metadata lists the master or not, the rule of the account is read."""
    tenant = FakeTenant([rows(CASH), *FACTS], described=[described(listed)], sets=SETS)
    assert await pulled(tenant, PINNED) == (["-5"], TimeAggregation.LAST)


async def test_a_master_without_rules_leaves_the_rule_open() -> None:
    """What the master does not say is not guessed."""
    tenant = FakeTenant(
        [rows({"ID": "CASH", "accType": "AST"}), *FACTS],
        described=[described(("ID", "accType"))],
        sets=SETS,
    )
    assert await pulled(tenant, PINNED) == (["-5"], None)


@pytest.mark.parametrize(
    "definition",
    [
        replace(PINNED, time_aggregation=TimeAggregation.MAX),
        replace(PINNED, filter=None, allow_mixed=True),
    ],
    ids=["stated", "no account decides"],
)
async def test_a_master_that_nothing_needs_is_not_read(definition: DatasetDefinition) -> None:
    """No request is sent for what would change nothing."""
    tenant = FakeTenant(FACTS, described=[described(("ID", "accType"))], sets=SETS)
    assert await pulled(tenant, definition) == (["-5"], None)


async def test_a_rule_is_not_looked_for_where_there_is_no_master() -> None:
    """A column that is an account by its name alone needs no master to be pulled."""
    tenant = FakeTenant(FACTS, described=[described(None)], sets=("FactData",))
    assert await pulled(tenant, PINNED) == (["-5"], None)


@pytest.mark.parametrize("sign", [Sign.DISPLAY, Sign.STORED])
async def test_a_master_that_is_offered_and_fails_fails_the_pull(sign: Sign) -> None:
    """Neither a sign nor a rule is guessed."""
    tenant = FakeTenant([refusal(503)], described=[described(("ID", "accType"))], sets=SETS)
    with pytest.raises(SourceError):
        await pulled(tenant, replace(PINNED, sign=sign))


@pytest.mark.parametrize("sign", [Sign.DISPLAY, Sign.STORED])
async def test_an_account_master_without_ids_is_told_in_words(sign: Sign) -> None:
    """Without ids no account can be looked up."""
    tenant = FakeTenant(described=[described(("accType", "Description"))], sets=SETS)
    with pytest.raises(UnknownColumnError, match="no column 'ID'; it has accType, Description"):
        await pulled(tenant, replace(PINNED, sign=sign))


async def test_kept_accounts_must_share_a_rule() -> None:
    """Accounts that are kept are those that the rows hold, not all of the master."""
    kept = replace(PINNED, filter=None, dimensions=("GLAccount",))
    listed = described(("ID", "accType", "exceptionAggregationType"))
    other = {"ID": "SALES", "accType": "INC", "exceptionAggregationType": ""}
    tenant = FakeTenant([rows(CASH, other), *FACTS], described=[listed], sets=SETS)
    assert await pulled(tenant, kept) == (["-5"], TimeAggregation.LAST)
    both = rows(
        {"Date": "202601", "GLAccount": "CASH", "SignedData": 1},
        {"Date": "202601", "GLAccount": "SALES", "SignedData": 2},
    )
    replies = [rows(CASH, other), a_page(0, count=2), both]
    tenant = FakeTenant(replies, described=[listed], sets=SETS)
    with pytest.raises(MixedDataError, match="CASH LAST"):
        await pulled(tenant, kept)


async def test_own_dates_and_signs_are_read_record_by_record() -> None:
    """Two masters may be needed at once; each is read once."""
    listed = described(("ID", "accType"), ("DATE", "START"))
    definition = replace(PINNED, sign=Sign.DISPLAY, date_attribute="START")
    tenant = FakeTenant(
        [
            rows({"ID": "CASH", "accType": "LEQ"}),
            rows({"DATE": "202601", "START": "2025-10-01"}),
            *FACTS,
        ],
        described=[listed],
        sets=SETS,
    )
    async with connected(tenant) as rig:
        pages = [page async for page in rig.source.pull(definition).pages()]
    assert pages[0].rows.to_pylist() == [{"Date": "2025-10-01", "SignedData": "5"}]


async def test_rows_are_held_against_the_sums_of_the_tenant_before_their_signs_are_turned() -> None:
    """A record that was read twice in place of another shows, whatever becomes of its sign."""
    turned = replace(
        PINNED, filter=None, allow_mixed=True, sign=Sign.DISPLAY, mode=PullMode.FACTS,
        time_aggregation=TimeAggregation.SUM,
    )  # fmt: skip
    masters = rows({"ID": "CASH", "accType": "LEQ"}, {"ID": "SALES", "accType": "INC"})
    sums = (
        rows({"Date": "202601", "SignedData": 10}),
        rows(*({"GLAccount": one, "SignedData": 5} for one in ("CASH", "SALES"))),
    )
    for second in ("SALES", "CASH"):
        pages = [
            rows({"Date": "202601", "GLAccount": account, "SignedData": 5})
            for account in ("CASH", second)
        ]
        look = (a_page(0, count=2), *sums)
        tenant = FakeTenant(
            [masters, *look, *pages, *look],
            described=[described(("ID", "accType"))],
            sets=(*SETS, "FactDataAggregation"),
        )
        async with connected(tenant, limits=PullLimits(1)) as rig:
            pull = rig.source.pull(turned)
            if second == "SALES":
                values = [v async for p in pull.pages() for v in p.rows["SignedData"].to_pylist()]
                assert values == ["-5", "-5"]
                continue
            with pytest.raises(DataChangedError):
                _ = [page async for page in pull.pages()]
