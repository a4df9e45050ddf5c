"""SAC's URLs, query strings and next links, as pure functions.

Facts about the service carry the address of SAP's page, or the word "observed" where public
clients that ran against live tenants are the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote, unquote_plus, urljoin, urlsplit

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
# RFC 3986, section 3.4: what a query may hold, and the sign of a code. No `#`: where a link has one
# it is a value's, for a place within a page of data has no meaning to a service.
_LINK_SAFE: Final = "!$&'()*+,;=:@/?%"
_NEVER_IN_A_LINK: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_FILTER_OPTION: Final = re.compile(r"(?:^|&)(?:\$|%24)filter=", re.IGNORECASE)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
_CODE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REPORT_LINK: Final = (
    "Raise SAC_PAGE_SIZE, so that fewer links are needed; if it stays, report it to SAP with the "
    "model's id."
)


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


def resolve_link(page: str, link: str, row_filter: str | None = None) -> str:
    """Return the address of the next page, in a form that no reader takes for another.

    What a link may not hold as it stands is encoded where only one thing can be meant. A filter
    that can be read as ours is written as we write it, whatever the link made of `#`, `&`, `+` or
    `%` in it. The rest of a link is the tenant's own, and is asked for as it is.

    Args:
        page: The address of the page that carried the link.
        link: Absolute, relative to the host, or relative to the model's service root.
        row_filter: The filter that was asked with; None if all rows were.

    Raises:
        UnsafeLinkError: The link leads to another scheme, host or port, where the bearer must not
            go; to something else than further rows of what was asked for; or it is written so that
            two readers may disagree where it leads.
    """
    place, _, query = link.partition("?")
    root = page.partition("?")[0]
    try:
        target = urljoin(root, place) if place else root
        # Browsers read `\\` as `/`; nobody needs it, or a user's name, to name a page.
        plain = "@" not in urlsplit(target).netloc and "\\" not in target
        same = plain and origin(target) == origin(root)
    except ValueError:
        same = False
    if not same:
        raise UnsafeLinkError(
            "A page of SAP Analytics Cloud links to another host as its next page; it was not "
            "followed, and no token was sent there.",
            next_step="Check SAC_TENANT_URL and any proxy between here and the tenant.",
        )
    if "#" in place or not query or unquote(urlsplit(target).path) != unquote(urlsplit(root).path):
        raise UnsafeLinkError(
            "A page of SAP Analytics Cloud links to something else than further rows of "
            f"{root.rpartition('/')[2]} as its next page; it was not followed.",
            next_step=_REPORT_LINK,
        )
    meant = None if _NEVER_IN_A_LINK.search(link) else _meant(query, row_filter)
    if meant is None:
        raise UnsafeLinkError(
            "A page of SAP Analytics Cloud names its next page by a link with another filter than "
            "was asked with, or with a sign that is not encoded (`&` or `%` within a value, or a "
            "control character), so that nobody can tell what it asks for; it was not followed.",
            next_step=_REPORT_LINK,
        )
    return f"{root}?{meant}"


def _meant(query: str, row_filter: str | None) -> str | None:
    """Return the query of a link as it was meant; None if that cannot be told."""
    names = list(_FILTER_OPTION.finditer(query))
    if len(names) > 1:
        return None
    if names:
        start = names[0].end()
        ends = [*(sign.start() for sign in re.finditer("&", query[start:])), len(query) - start]
        for end in (start + length for length in ends):
            if row_filter in _readings(query[start:end]):
                before, behind = _encoded(query[:start]), _encoded(query[end:])
                written = quote(row_filter or "", safe=_QUERY_SAFE)
                return None if None in (before, behind) else f"{before}{written}{behind}"
        found = unquote(query[start : start + ends[0]])
        # A tenant may write the filter in other words, and add to it; but of our members only.
        ours = set(_TEXT.findall(row_filter or ""))
        if found.count("'") % 2 or not ours <= set(_TEXT.findall(found)):
            return None
    # What follows an `&` that was meant as a part of a value is no option.
    if any(option and "=" not in option for option in query.split("&")[1:]):
        return None
    return _encoded(query)


def _readings(text: str) -> tuple[str, ...]:
    """Return what a value in a link may stand for: not encoded or nearly so, once, or twice."""
    once = unquote(text)
    return text, text.replace("%20", " "), once, unquote_plus(text), unquote(once)


def _encoded(text: str) -> str | None:
    """Encode what an address may not hold as it stands; None if a `%` may or may not be a code."""
    if _BARE_PERCENT.search(text):
        if _CODE.search(text):
            return None
        text = text.replace("%", "%25")
    return quote(text, safe=_LINK_SAFE)


def top_url(root: str, entity_set: str, rows: int, select: tuple[str, ...] = ()) -> str:
    """Return the address of the first rows of a set."""
    options: dict[str, str | int] = {"$select": ",".join(select)} if select else {}
    return f"{root}{entity_set}?{query_string({**options, '$top': rows})}"


def providers_url(tenant_url: str) -> str:
    """Return the address of the list of models."""
    return f"{tenant_url}{EXPORT_PATH}/administration/Namespaces(NamespaceID='sac')/Providers"
