"""Tables: order and exact sums, against plain Python."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.tables import Table, encode

amounts = st.none() | st.one_of(
    st.decimals(-(10**25), 10**25, places=7).map("{:f}".format),
    st.integers(-50, 50).map(str),
    st.sampled_from(["1e3", "-2.5E-3", "0.0000001", "-0"]),
)
keys = st.sampled_from(["", "#", "a", "b", "ü"])
rows = st.lists(st.tuples(keys, keys, amounts), max_size=20)
Row = tuple[str, str, str | None]


def table_of(plain: list[Row]) -> Table:
    """Make a table of two keys and an amount."""
    columns = (
        encode("A", [row[0] for row in plain]),
        encode("B", [row[1] for row in plain]),
        encode("M", [row[2] for row in plain], numeric=True),
    )
    return Table(columns, len(plain))


def read(table: Table) -> list[tuple[str | None, ...]]:
    """Return the rows of a table."""
    return list(zip(*(column.texts() for column in table.columns), strict=True))


@given(rows, st.lists(st.sampled_from("AB"), unique=True))
def test_sums_are_exact_whatever_the_order(plain: list[Row], names: list[str]) -> None:
    """Each group sums to the last digit; a group of nulls sums to null; groups appear once."""
    wanted: dict[tuple[str, ...], Fraction | None] = defaultdict(lambda: None)
    for row in plain:
        key = tuple(str(row["AB".index(name)]) for name in names)
        total = wanted[key]
        if row[2] is not None:
            wanted[key] = (total or Fraction(0)) + Fraction(row[2])
    table = table_of(plain)
    found = read(table.group(table.where(None), [*names, "M"]))
    got = {
        tuple(map(str, row[:-1])): None if row[-1] is None else Fraction(row[-1]) for row in found
    }
    assert got == dict(wanted)
    assert len(found) == len(got)


def sort_key(row: Row, name: str) -> tuple[bool, str | Decimal]:
    """Return what a row sorts by: nulls before numbers, text by code point."""
    value = row["ABM".index(name)]
    return value is not None, Decimal(value or 0) if name == "M" else str(value)


@given(rows, st.lists(st.tuples(st.sampled_from("ABM"), st.booleans()), max_size=3))
def test_order_is_that_of_a_stable_sort(plain: list[Row], wanted: list[tuple[str, bool]]) -> None:
    """Text goes by code point, numbers by value, nulls first, ties keep their place."""
    table = table_of(plain)
    order = list(range(len(plain)))
    for name, descending in reversed(wanted):
        keys = [sort_key(row, name) for row in plain]
        order.sort(key=keys.__getitem__, reverse=descending)
    assert table.order(table.where(None), wanted).tolist() == order


def test_text_that_is_no_number_spoils_its_group_and_shows() -> None:
    """A planted `n/a` comes through aggregation in place of the sum, and only in its group."""
    table = table_of([("a", "x", "1"), ("b", "x", "2"), ("a", "x", "n/a"), ("b", "x", None)])
    summed = table.group(table.where(None), ["A", "M"])
    assert read(summed) == [("a", "n/a"), ("b", "2")]


def test_many_columns_of_many_members_still_make_one_key() -> None:
    """Grouping and ordering hold where the product of all members passes 64 bits."""
    size = 50
    columns = tuple(
        encode(f"C{c}", [f"{(r * 7 + c) % size:02d}" for r in range(size)]) for c in range(14)
    )
    table = Table(columns, size)
    names = [column.name for column in columns]
    assert table.group(table.where(None), names).length == size
    ordered = table.order(table.where(None), [(name, False) for name in names])
    assert columns[0].take(ordered).texts() == sorted(columns[0].texts(), key=str)
