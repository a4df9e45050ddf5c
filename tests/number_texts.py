"""A process that reads numbers of any digits and exponents, and compares them with `decimal`.

Run it with `python -m tests.number_texts SEED`. It is a process of its own, because a parser that
reads past its table may end the process that it runs in.
"""

from __future__ import annotations

import random
import sys
from decimal import Decimal
from typing import Final

import msgspec
import pyarrow as pa

from app.errors import BadValueError
from app.exact import LONGEST_CHARACTERS, read
from app.pipeline.normalize import Normalizer
from app.records import DatasetDefinition, Page
from app.sac_connector.answers import RowDecoder
from app.sac_connector.sums import ReadSums

DONE: Final = "as decimal says\n"
_ROUNDS: Final = 400
_DEFINITION: Final = DatasetDefinition(
    name="default", source="sac", model_id="M", date_column="Date", value_column="Amount"
)


def a_number(draw: random.Random) -> str:
    """Return a JSON number: short or long digits, no exponent or one of up to 25 digits."""
    size = draw.choice([1, 2, 9, 17, 18, 26, 27, 40, 76, 77, 200, 1_200])
    digits = "".join(draw.choices("0123456789", k=draw.randint(1, size)))
    text = draw.choice(["", "-"]) + (digits.lstrip("0") or "0")
    if draw.random() < 0.5:
        text += "." + "".join(draw.choices("0019", k=draw.randint(1, size)))
    if draw.random() < 0.8:
        reach = draw.choice([9, 19, 30, 60, 300, 400, 8_000, 10**7, 10**25])
        sign = draw.choice(["", "+", "-"])
        text += (
            draw.choice("eE") + sign + "0" * draw.choice([0, 0, 3]) + str(draw.randint(0, reach))
        )
    return text


def held(text: str) -> Decimal | None:
    """Return the number as Python has it; None if no double holds it."""
    if len(text) > LONGEST_CHARACTERS:
        return None
    digits = text.lower().partition("e")[0]
    if not digits.strip("-0."):
        return Decimal(0)
    nearest = float(text)
    return Decimal(text) if nearest not in {0.0, float("inf"), float("-inf")} else None


def check(found: list[str]) -> None:
    """Read a column, and then whole rows of it, in both ways and on to the sums."""
    numbers, expected = read(pa.array(found)), [held(text) for text in found]
    bad = expected.index(None) if None in expected else None
    assert numbers.bad == bad, (found, bad)
    if bad is None:
        usual = numbers.usual.to_pylist()
        assert [numbers.odd.get(at, one) for at, one in enumerate(usual)] == expected, found
    for blank in ("", " "):
        rows = ",".join(f'{{"Date":"202401",{blank}"Amount":{text}}}' for text in found)
        page = RowDecoder(("Date",), "Amount").decode(msgspec.Raw(f"[{rows}]".encode()), 1)
        assert page["Amount"].to_pylist() == found
        ReadSums(("Date",), "Amount").add(page)
        normalizer = Normalizer(_DEFINITION)
        place = None
        try:
            normalizer.add(Page(1, page, 0))
        except BadValueError as error:
            place = error.row - 1
        assert place == bad, found


def main() -> None:
    """Compare, and say so."""
    draw = random.Random(int(sys.argv[1]))
    for _ in range(_ROUNDS):
        check([a_number(draw) for _ in range(draw.choice([1, 1, 2, 5]))])
    sys.stdout.write(DONE)


if __name__ == "__main__":
    main()
