"""OData query options as the export service takes them: pure functions over text."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from demo.tenant.filters import Expression, QueryError, parse_filter

# `$apply` and `$deltatoken` are taken and ignored by the real service: a caller gets leaf rows, no
# error.
KNOWN_OPTIONS = frozenset(
    {
        "$select", "$filter", "$orderby", "$top", "$skip", "$count", "$format", "$skiptoken",
        "$apply", "$deltatoken",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one query; `None` means that the caller did not say."""

    select: tuple[str, ...] | None = None
    filter: Expression | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int | None = None
    count: bool = False
    page_size: int | None = None
    package: int | None = None
    csv: bool = False
    delimiter: str = ","
    skip_token: str | None = None
    delta_id: str | None = None
    external_id: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the caller asked for a part of the rows only."""
        return self.top is not None or self.skip is not None or self.package is not None


def parse_orderby(text: str) -> tuple[tuple[str, bool], ...]:
    """Parse the text of `$orderby` into columns, each with whether it descends.

    Raises:
        QueryError: A part is not `column`, `column asc` or `column desc`.
    """
    keys: list[tuple[str, bool]] = []
    for part in text.split(","):
        match part.split():
            case [name] | [name, "asc"]:
                keys.append((name, False))
            case [name, "desc"]:
                keys.append((name, True))
            case _:
                raise QueryError(f"'{part}' is not a column with a direction in $orderby")
    return tuple(keys)


def parse_select(text: str) -> tuple[str, ...]:
    """Parse the text of `$select`.

    Raises:
        QueryError: The list has an empty or a doubled entry.
    """
    names = tuple(part.strip() for part in text.split(","))
    if not all(names) or len(set(names)) != len(names):
        raise QueryError("$select has an empty or a doubled column")
    return names


def split_query(raw: str, *, refuse_plus: bool) -> dict[str, str]:
    """Split a query string as it came over the wire into decoded names and values.

    Args:
        raw: The query string, still percent-encoded.
        refuse_plus: Whether a `+` is an error rather than a blank.

    Raises:
        QueryError: A `+`, broken UTF-8, a name given twice, or an option that is not known.
    """
    if "+" in raw and refuse_plus:
        raise QueryError("the query string holds a '+'; a blank is %20 and a plus is %2B")
    options: dict[str, str] = {}
    for part in filter(None, raw.split("&")):
        name, _, value = part.partition("=")
        try:
            name, value = (unquote(x.replace("+", " "), errors="strict") for x in (name, value))
        except UnicodeDecodeError:
            raise QueryError("the query string is not UTF-8") from None
        if name in options:
            raise QueryError(f"the option {name} is given twice")
        if name.startswith("$") and name not in KNOWN_OPTIONS:
            raise QueryError(f"the option {name} is not supported")
        options[name] = value
    return options


def _whole(options: dict[str, str], name: str, least: int) -> int | None:
    """Read a whole number of at least `least`, or `None` when the option is absent."""
    text = options.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text) or int(text) < least:
        raise QueryError(f"{name} must be a whole number of at least {least}, not '{text}'")
    return int(text)


def _csv(name: str) -> bool:
    """Tell whether `$format` asks for CSV rather than JSON."""
    if name.lower() not in {"json", "application/json", "csv", "text/csv"}:
        raise QueryError(f"the format {name} is not served")
    return name.lower() in {"csv", "text/csv"}


@lru_cache(maxsize=512)
def parse_query(raw: str, *, refuse_plus: bool = True) -> Options:
    """Parse a raw query string into options.

    Raises:
        QueryError: Any part of it is refused.
        UnpreparedError: The filter uses `in (...)`.
    """
    options = split_query(raw, refuse_plus=refuse_plus)
    if "$skiptoken" in options and len(options) > 1:
        raise QueryError("a next link is used as it is, without further options")
    if "deltaid" in options and options.keys() - {"deltaid", "pagesize"}:
        raise QueryError("a delta link is used as it is, without further options")
    count = options.get("$count", "false")
    if count not in {"true", "false"}:
        raise QueryError(f"$count must be true or false, not '{count}'")
    if len(options.get("delimiter", ",")) != 1:
        raise QueryError("delimiter takes one character")
    return Options(
        select=parse_select(options["$select"]) if "$select" in options else None,
        filter=parse_filter(options["$filter"]) if "$filter" in options else None,
        orderby=parse_orderby(options["$orderby"]) if "$orderby" in options else (),
        top=_whole(options, "$top", 0),
        skip=_whole(options, "$skip", 0),
        count=count == "true",
        page_size=_whole(options, "pagesize", 1),
        package=_whole(options, "package", 1),
        csv=_csv(options.get("$format", "json")),
        delimiter=options.get("delimiter", ","),
        skip_token=options.get("$skiptoken"),
        delta_id=options.get("deltaid"),
        external_id=options.get("externalid"),
    )
