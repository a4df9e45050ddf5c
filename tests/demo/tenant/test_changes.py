"""Changes of rows: pure, and seen by a reader between two pages."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.changes import Change, apply_change
from demo.tenant.samples import PLAN
from tests.demo.tenant.conftest import FACTS, Caller
from tests.demo.tenant.test_facts import truth
from tests.demo.tenant.test_tables import Row, read, table_of
from tests.demo.tenant.test_tables import rows as plain_rows

counts = st.integers(0, 25)


@given(plain_rows, counts, counts)
def test_rows_come_and_go_in_front(plain: list[Row], added: int, removed: int) -> None:
    """Copies of the first rows come, the first rows go, the rest stays as it was."""
    found = read(apply_change(table_of(plain), Change(added=added, removed=removed)))
    assert found == plain[:added] + plain[removed:]


@given(plain_rows, st.integers(1, 25))
def test_changed_rows_keep_their_keys_and_their_number(plain: list[Row], changed: int) -> None:
    """As many amounts as asked for, or all, grow by exactly one; null becomes one."""
    found = read(apply_change(table_of(plain), Change(changed=changed)))
    assert [row[:2] for row in found] == [row[:2] for row in plain]
    grown = [
        Decimal(new[2] or 0) - Decimal(old[2] or 0)
        for new, old in zip(found, plain, strict=True)
        if new[2] != old[2]
    ]
    assert len(grown) == min(changed, len(plain))


@given(plain_rows.filter(lambda rows: len(rows) > 1), st.integers(1, 25))
def test_moved_rows_change_their_keys_and_no_sum(plain: list[Row], moved: int) -> None:
    """They stand at the end, under the keys of the row that was last; no amount is lost."""
    found = read(apply_change(table_of(plain), Change(moved=moved)))
    size = min(moved, len(plain) - 1)
    assert found[:-size] == plain[size:]
    assert [row[:2] for row in found[-size:]] == [plain[-1][:2]] * size
    assert [row[2] for row in found[-size:]] == [row[2] for row in plain[:size]]


def test_text_that_is_no_number_stays_and_a_small_table_does_not_break() -> None:
    """A planted text has no successor; a table of one row has nowhere to move it."""
    table = apply_change(table_of([("a", "x", "n/a")]), Change(changed=3, moved=3))
    assert read(table) == [("a", "x", "n/a")]
    assert read(apply_change(table_of([]), Change(1, 1, 1, 1))) == []


def test_the_old_table_is_left_alone() -> None:
    """Who holds it goes on reading the old rows."""
    plain: list[Row] = [("a", "x", "1"), ("b", "y", "2"), ("c", "z", "3")]
    table = table_of(plain)
    apply_change(table, Change(1, 1, 1, 1))
    assert read(table) == plain


async def picture(caller: Caller) -> tuple[int, Decimal]:
    """Return how many plan rows there are, and the sum of their head counts."""
    rows = await truth(caller, PLAN)
    return len(rows), sum((Decimal(row["Headcount"] or 0) for row in rows), Decimal(0))


@pytest.mark.parametrize(
    ("change", "rows", "heads"),
    [
        ({"added": 2}, 2, None),
        ({"removed": 2}, -2, None),
        ({"changed": 5}, 0, 5),
        ({"moved": 3}, 0, 0),
    ],
)
async def test_a_fault_changes_rows_on_its_nth_call(
    caller: Caller, change: dict[str, int], rows: int, heads: int | None
) -> None:
    """Each kind leaves its mark on the number of rows and on their sum, and only then."""
    size, summed = await picture(caller)
    await caller.fault("mutate", match="page", nth=2, **change)
    await caller.get(FACTS)
    assert await picture(caller) == (size, summed)
    await caller.get(FACTS)
    new_size, new_sum = await picture(caller)
    assert new_size == size + rows
    assert heads is None or new_sum == summed + heads


@pytest.mark.parametrize("kind", ["added", "removed", "changed", "moved", True])
async def test_a_volatile_model_changes_before_every_page(caller: Caller, kind: str | bool) -> None:
    """No two pages show the same rows; a count or a master changes nothing."""
    before = caller.state.models[PLAN].facts
    caller.switch(volatile=kind)
    await caller.get(f"{FACTS}?$count=true&$top=0")
    assert caller.state.models[PLAN].facts is before
    first = await caller.page(f"{FACTS}?pagesize=50000")
    second = await caller.page(f"{FACTS}?pagesize=50000")
    assert first["value"] != second["value"]
    grown = {"added": 1, "removed": -1}.get(str(kind), 0)
    assert len(second["value"]) == len(first["value"]) + grown


async def test_a_moved_row_is_read_twice_or_never(caller: Caller) -> None:
    """With pages between, a pull has the right number of rows and yet the wrong ones."""
    stored = await truth(caller, PLAN)
    await caller.fault("mutate", match="page", nth=2, moved=10)
    rows = await caller.pull(FACTS)
    assert len(rows) == len(stored)
    heads = sum(Decimal(row["Headcount"] or 0) for row in rows)
    assert heads != (await picture(caller))[1]
