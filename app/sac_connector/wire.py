"""SAC's URLs, query strings and next links, as pure functions.

Facts about the service carry the address of SAP's page, or the word "observed" where public
clients that ran against live tenants are the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from app.errors import ModelNotFoundError, UnsafeLinkError
from app.sac_connector.edmx import FACT_DATA

# https://help.sap.com/doc/00f68c2e08b941f081002fd3691d86a7/2022.8/en-US/500b902d8a1b430c9895244331019bbb.html
EXPORT_PATH: Final = "/api/v1/dataexport"
# Makes SAC authenticate the request itself instead of opening a cookie session; sent on each
# call by all clients that are known to run on live tenants (observed).
CUSTOM_AUTH_HEADERS: Final = {"x-sap-sac-custom-auth": "true"}
# `+` for a blank and a bare `#` are refused or cut, `$` must stay as it is.
# https://help.sap.com/doc/00f68c2e08b941f081002fd3691d86a7/2022.8/en-US/607f77a65c884c41a97d3f1e5a55109f.html
_QUERY_SAFE: Final = ",()'$"


def provider_url(tenant_url: str, model_id: str) -> str:
    """Return the service root of a model, with its closing slash.

    Raises:
        ModelNotFoundError: The id has characters that no model's id has.
    """
    if re.fullmatch(r"\w+", model_id) is None:
        raise ModelNotFoundError(
            f"'{model_id[:80]}' is no id of a model.",
            next_step="Ids are letters and digits; `python -m demo.discover` lists them.",
        )
    return f"{tenant_url}{EXPORT_PATH}/providers/sac/{quote(model_id, safe='')}/"


def query_string(options: Mapping[str, str | int]) -> str:
    """Encode query options as the service reads them: `%20` for blanks, `$` as it is.

    >>> query_string({"$filter": "Region ne '#'", "pagesize": 10})
    "$filter=Region%20ne%20'%23'&pagesize=10"
    """
    return "&".join(
        f"{quote(name, safe='$')}={quote(str(value), safe=_QUERY_SAFE)}"
        for name, value in options.items()
    )


@dataclass(frozen=True, slots=True)
class SetQuery:
    """A query of an entity set, page by page.

    Attributes:
        root: The model's service root.
        entity_set: What is read.
        select: Columns to ask for, empty for all; of `FactData` at least all key columns, as the
            service demands ([1402] otherwise).
        order: Columns that order the rows; without, `$skip` may lose or double some (observed).
        row_filter: Which rows; None for all.
        page_rows: Rows per page to ask for.
        counted: Ask the first page for the number of all rows as well.
        tie: A measure that orders rows of equal keys; records that still tie are the same to us.
    """

    root: str
    entity_set: str
    select: tuple[str, ...]
    order: tuple[str, ...]
    row_filter: str | None
    page_rows: int
    counted: bool = False
    tie: str | None = None

    @property
    def plain(self) -> SetQuery:
        """The same query without what some tenants may refuse."""
        return replace(self, counted=False, tie=None)

    def page(self, skip: int = 0) -> str:
        """Return the address of a page.

        Args:
            skip: Rows to leave out at the start; 0 starts the server's own paging.
        """
        options: dict[str, str | int] = {}
        if self.select:
            options["$select"] = ",".join(self.select)
        if self.row_filter:
            options["$filter"] = self.row_filter
        if self.order:
            options["$orderby"] = ",".join((*self.order, *filter(None, (self.tie,))))
        if self.counted and not skip:
            options["$count"] = "true"
        if skip:
            options["$skip"] = skip
        options["pagesize"] = self.page_rows
        return f"{self.root}{self.entity_set}?{query_string(options)}"

    def count(self) -> str:
        """Return the address of the size probe.

        For `FactData` it carries no `$select`: with one, some tenants do not count (observed). What
        is added up by the tenant has as many rows as the selected columns make it.
        """
        options: dict[str, str | int] = {"$count": "true", "$top": 0}
        if self.select and self.entity_set != FACT_DATA:
            options["$select"] = ",".join(self.select)
        if self.row_filter:
            options["$filter"] = self.row_filter
        return f"{self.root}{self.entity_set}?{query_string(options)}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port, with the scheme's own port written out."""
    parts = urlsplit(url)
    port = {"http": 80, "https": 443}.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, (parts.hostname or "").lower(), port


def resolve_link(page: str, link: str) -> str:
    """Return the address of the next page.

    Args:
        page: The address of the page that carried the link.
        link: Absolute, relative to the host, or relative to the model's service root.

    Raises:
        UnsafeLinkError: The link leads to another scheme, host or port, where the bearer must
            not go, or is written so that two readers may disagree where it leads.
    """
    try:
        target = urljoin(page, link)
        parts = urlsplit(target)
        # Browsers read `\\` as `/`; nobody needs it, or a user's name, to name a page.
        plain = "@" not in parts.netloc and "\\" not in target.partition("?")[0]
        same = plain and origin(target) == origin(page)
    except ValueError:
        same = False
    if not same:
        raise UnsafeLinkError(
            "A page of SAP Analytics Cloud links to another host as its next page; it was not "
            "followed, and no token was sent there.",
            next_step="Check SAC_TENANT_URL and any proxy between here and the tenant.",
        )
    return target


def top_url(root: str, entity_set: str, rows: int, select: tuple[str, ...] = ()) -> str:
    """Return the address of the first rows of a set."""
    options: dict[str, str | int] = {"$select": ",".join(select)} if select else {}
    return f"{root}{entity_set}?{query_string({**options, '$top': rows})}"


def providers_url(tenant_url: str) -> str:
    """Return the address of the list of models."""
    return f"{tenant_url}{EXPORT_PATH}/administration/Namespaces(NamespaceID='sac')/Providers"
