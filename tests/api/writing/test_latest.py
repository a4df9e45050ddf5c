"""What was made is made again as soon as it would be made of something else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.api.writing.latest import Latest

PARTS = [[1], [1], [2]]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(range(3)), st.sampled_from(range(3))))
)
def test_it_is_what_would_be_made_now(asked: list[tuple[str, int, int]]) -> None:
    """Whatever is asked for in whatever order, equal objects are not taken for the same."""
    latest = Latest[tuple[int, int]]()
    for dataset, one, other in asked:
        made_of = PARTS[one], PARTS[other]
        found = latest.of(dataset, made_of, lambda *parts: tuple(map(id, parts)))
        assert found == tuple(map(id, made_of))
        assert latest.of(dataset, made_of, lambda *_: (0, 0)) is found


def test_it_is_bounded() -> None:
    """Datasets come and go; those of long ago are forgotten."""
    latest = Latest[int]()
    made_of = ([1],)
    for number in range(100):
        latest.of(f"d{number}", made_of, lambda _: 1)
    assert latest.of("d99", made_of, lambda _: 2) == 1
    assert latest.of("d0", made_of, lambda _: 2) == 2
