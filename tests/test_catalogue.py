"""A definition to start from: it pins what must be pinned, and is never wrong about names."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.catalogue import ColumnInfo, FoundBy, Member, ModelInfo, Role, may_be_weeks, suggested
from app.sac_connector.filters import pinned

ROLES = st.sampled_from([Role.DATE, Role.VERSION, Role.ACCOUNT, Role.DIMENSION, Role.MEASURE])
MEMBERS = st.lists(st.builds(Member, st.text(min_size=1, max_size=6), st.just("")), max_size=3)


def column(name: str, role: Role, *ids: str) -> ColumnInfo:
    """Return a column with members."""
    members = tuple(Member(one, "") for one in ids)
    return ColumnInfo(name=name, role=role, found_by=FoundBy.MASTER, members=members)


SALES = ModelInfo(
    id="C1",
    columns=(
        column("Version", Role.VERSION, "public.Plan", "public.Actual"),
        column("Date", Role.DATE, "202601"),
        column("AddedDate", Role.DATE, "20260101"),
        column("Region", Role.DIMENSION, "EMEA"),
        column("Revenue", Role.MEASURE),
        column("Headcount", Role.MEASURE),
    ),
    entity_sets=("FactData",),
)


def test_a_measure_model_starts_with_its_first_measure_and_date() -> None:
    """The usual version is pinned if it exists, and no dimension is kept."""
    assert suggested(SALES) == {
        "model_id": "C1",
        "date_column": "Date",
        "value_column": "Revenue",
        "dimensions": [],
        "filter": "Version eq 'public.Actual'",
        "grain": "month",
    }


def test_the_grain_follows_the_date_ids() -> None:
    """Ids that all fit one grain name it; six digits are weeks if they are no months."""
    for ids, grain in (
        (("2026",), "year"),
        (("20261",), "quarter"),
        (("202601", "202612"), "month"),
        (("#", "0000", "202601"), "month"),
        (("#", "0000", ""), None),
        (("202601", "202644"), "week"),
        (("20260101",), "day"),
        (("FY26",), None),
        (("2026", "202601"), None),
        ((), None),
    ):
        model = replace(SALES, columns=(column("Date", Role.DATE, *ids), SALES.columns[4]))
        assert suggested(model).get("grain") == grain


def test_ids_of_the_customer_s_own_get_their_date_from_the_master() -> None:
    """A grain that cannot be read from the ids is none; an attribute that sounds like dates is."""
    for ids, attributes, found in (
        (("FY26P01",), ("Half", "START_DATE", "EndDate"), "START_DATE"),
        (("FY26P01",), ("Half",), None),
        (("202601",), ("START_DATE",), None),
        (("#",), ("START_DATE",), None),
    ):
        date = replace(column("Date", Role.DATE, *ids), attributes=attributes)
        model = replace(SALES, columns=(date, SALES.columns[4]))
        assert suggested(model).get("date_attribute") == found


def test_six_digits_that_fit_both_may_be_weeks() -> None:
    """`202601` to `202612` are months and weeks alike; whoever pastes it must be told."""
    for ids, both in (
        (("202601", "202612"), True),
        (("#", "202601"), True),
        (("202644",), False),
        (("20261",), False),
        ((), False),
    ):
        model = replace(SALES, columns=(column("Date", Role.DATE, *ids), SALES.columns[4]))
        assert may_be_weeks(model) is both


def test_a_model_without_version_or_measure_is_still_described() -> None:
    """What a model lacks is left out rather than made up."""
    bare = replace(SALES, columns=(column("When", Role.DIMENSION),))
    assert suggested(bare) == {"model_id": "C1", "date_column": "When", "dimensions": []}
    assert suggested(replace(SALES, columns=())) == {"model_id": "C1", "dimensions": []}


@given(
    st.lists(
        st.builds(
            ColumnInfo,
            name=st.from_regex(r"[A-Z][a-z]{1,5}", fullmatch=True),
            role=ROLES,
            found_by=st.just(FoundBy.NAME),
            members=MEMBERS.map(tuple),
        ),
        max_size=6,
        unique_by=lambda one: one.name,
    )
)
def test_every_version_is_pinned(columns: list[ColumnInfo]) -> None:
    """Whatever the model, no version dimension is left to be added up."""
    definition = suggested(ModelInfo(id="C1", columns=tuple(columns), entity_sets=()))
    row_filter = definition.get("filter")
    for one in columns:
        if one.role is Role.VERSION:
            assert isinstance(row_filter, str)
            assert pinned(row_filter, one.name) is not None
