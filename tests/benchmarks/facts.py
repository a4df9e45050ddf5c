"""The rows that all contenders read, and what they must add up to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

MODEL: Final = "CBENCH0000000000000000001"
DATE: Final = "Date"
VALUE: Final = "Amount"
FEW: Final = ("Region", "Product")
ALL: Final = ("Version", "Account", *FEW, "Customer", "CostCenter", "Currency", "Channel")
COLUMNS: Final = ("Version", DATE, *ALL[1:], VALUE, "Quantity")
FILTER: Final = "Version eq 'public.Actual'"

_MONTHS: Final = 60
_FIRST_YEAR: Final = 2022
_REGIONS: Final = ("EMEA", "APJ", "LATAM", "NORAM", "MEE", "GCN", "SEA", "DACH")
_PRODUCTS: Final = 50
_CUSTOMERS: Final = 42
_CURRENCIES: Final = ("EUR", "USD", "JPY", "GBP")
_CHANNELS: Final = ("Direct", "Online", "Partner")
# A prime and a bound without a common divisor: the amounts look random and are known anywhere.
_STEP: Final = 48_271_003
_BOUND: Final = 100_000_007
_LOSSES: Final = 20_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows as `FactData` has them: nine keys, two numbers, about 236 bytes of JSON each.

    All keys together tell every row apart, as in a model.

    Attributes:
        pages: Pages to cut them into.
        page_rows: Rows of a page.
    """

    pages: int = 20
    page_rows: int = 50_000

    @property
    def rows(self) -> int:
        """Rows of all pages."""
        return self.pages * self.page_rows

    @property
    def total(self) -> Decimal:
        """The exact sum of all amounts."""
        return Decimal(sum(_cents(row) for row in range(self.rows))) / 100

    def page(self, number: int, next_link: str | None) -> bytes:
        """Return a page as the export service words it; the first is number 0."""
        first = number * self.page_rows
        rows = ",".join(self._row(row) for row in range(first, first + self.page_rows))
        link = f'"@odata.nextLink":"{next_link}",' if next_link else ""
        return (
            f'{{"@odata.context":"$metadata#FactData",{link}'
            f'"@des.entitiesInPage":{self.page_rows},"value":[{rows}]}}'
        ).encode()

    def _row(self, row: int) -> str:
        month = row * _MONTHS // self.rows
        region = _REGIONS[row % len(_REGIONS)]
        product = row // len(_REGIONS) % _PRODUCTS
        customer = row // (len(_REGIONS) * _PRODUCTS) % _CUSTOMERS
        return (
            f'{{"Version":"public.Actual","Date":"{_FIRST_YEAR + month // 12}{month % 12 + 1:02}",'
            f'"Account":"ACC-{400_000 + product % 20}","Region":"{region}",'
            f'"Product":"PRODUCT-{product:04}","Customer":"CUSTOMER-{customer:05}",'
            f'"CostCenter":"CENTER-{1000 + customer * 7 % 30}",'
            f'"Currency":"{_CURRENCIES[row % len(_CURRENCIES)]}",'
            f'"Channel":"{_CHANNELS[customer % len(_CHANNELS)]}",'
            f'"Amount":{_cents(row) / 100!r},"Quantity":{row % 9973 / 4!r}}}'
        )


def _cents(row: int) -> int:
    return row * _STEP % _BOUND - _LOSSES
