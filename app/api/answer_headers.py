"""The headers of a series: what CSV has no other place for, and what caches and browsers ask."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from app.api.media import EXTENSIONS, MEDIA_TYPES, Format
from app.api.next_page import LONGEST_HEADER, next_link
from app.api.writing.envelope import least_fresh, notice_of_all
from app.api.writing.latest import Latest
from app.pipeline.freshness import CLOCK_SKEW
from app.pipeline.series import SeriesAnswer, SeriesView

WARNING_HEADER: Final = "X-Series-Warning"
WARNING_CODE_HEADER: Final = "X-Series-Warning-Code"
VERSION_HEADER: Final = "X-Series-Version"
FRESHNESS_HEADER: Final = "X-Series-Freshness"
TOTAL_HEADER: Final = "X-Series-Total"
NEXT_HEADER: Final = "X-Series-Next"
TOTAL: Final = TOTAL_HEADER.lower().encode()
# Both choose the form of an answer, so a cache must keep one for each.
VARY: Final = "Accept, Accept-Encoding"
# What a 304 tells beside its ETag. For all else the tag stands, and the caller has it already; a
# sender is asked not to repeat it (RFC 9110, 15.4.5).
OF_UNCHANGED: Final = frozenset({"age", "cache-control", "vary", FRESHNESS_HEADER.lower()})
RAW_OF_UNCHANGED: Final = frozenset(name.encode() for name in OF_UNCHANGED)
_SHOWN_IN_PLACE: Final = {Format.JSON, Format.COLUMNS}
_NAMES_IN_FILE_NAME: Final = 3
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9._+-]+")

# Names in lower case, and values.
RawHeaders = list[tuple[bytes, bytes]]
_shared_headers: Final = Latest[RawHeaders]()


def raw_headers(answer: SeriesAnswer, form: Format, path: str, query: str) -> RawHeaders:
    """Return all headers of an answer but its ETag and length, as they are sent.

    What all answers from one version share is made once.

    Args:
        answer: What is answered.
        form: How it is written.
        path: Path of the request, for the link to the next page.
        query: Its query string as it arrived.
    """
    if len(answer.views) != 1:
        shared = _shared(answer, form)
    else:
        (view,) = answer.views
        metadata = view.series.metadata
        made_of = (metadata, view.series.version, view.notice, view.freshness, form)
        shared = _shared_headers.of(
            metadata.dataset, (*made_of, view.result.grain), lambda *_: _shared(answer, form)
        )
    return [*shared, *_own(answer, path, query)]


def _shared(answer: SeriesAnswer, form: Format) -> RawHeaders:
    headers = {
        "Content-Type": MEDIA_TYPES[form],
        FRESHNESS_HEADER: least_fresh(answer.views).freshness.state.value,
        # Of the data's own time, never of the answer's.
        "Last-Modified": _http_time(
            max(view.series.metadata.last_refresh_time for view in answer.views)
        ),
        # The warning is part of the answer, so a copy must be checked before it is shown again.
        "Cache-Control": "no-cache",
        "Vary": VARY,
        "Content-Disposition": disposition(file_name(answer, form), form),
    }
    # Of a hundred datasets it may be too long for clients and proxies.
    if len(version := _version(answer.views)) <= LONGEST_HEADER:
        headers[VERSION_HEADER] = version
    notice = notice_of_all(answer.views)
    if notice.text is not None and notice.code is not None:
        headers[WARNING_HEADER] = header_text(notice.text)
        headers[WARNING_CODE_HEADER] = notice.code
    return [(name.lower().encode(), text.encode("latin-1")) for name, text in headers.items()]


def _own(answer: SeriesAnswer, path: str, query: str) -> RawHeaders:
    headers = [(TOTAL, b"%d" % answer.total)]
    ages = [view.freshness.age_s for view in answer.views]
    known = [age for age in ages if age is not None]
    if len(known) == len(ages):
        headers.append((b"age", b"%d" % max(known)))
    if answer.next is not None:
        headers.append((NEXT_HEADER.lower().encode(), answer.next.encode()))
        if (link := next_link(path, query, answer.next)) is not None:
            headers.append((b"link", link.encode("latin-1")))
    return headers


def data_time(answer: SeriesAnswer) -> datetime | None:
    """Return the time of the oldest data in an answer; None if a part has none that can be told."""
    if any(view.freshness.age_s is None for view in answer.views):
        return None
    return min(view.series.metadata.last_refresh_time for view in answer.views)


def age_at(data: datetime, now: datetime) -> int | None:
    """Return the `Age` of data in seconds; None if it lies further ahead than clocks may differ."""
    age = now - data
    return None if age < -CLOCK_SKEW else max(0, int(age.total_seconds()))


def file_name(answer: SeriesAnswer, form: Format) -> str:
    """Return what a saved answer is called: dataset, grain, version.

    A name ends in the version of one dataset; those of several may differ.
    """
    names = [view.series.metadata.dataset for view in answer.views]
    shown, hidden = names[:_NAMES_IN_FILE_NAME], len(names) - _NAMES_IN_FILE_NAME
    parts = ["-".join([*shown, f"and-{hidden}-more"] if hidden > 0 else shown)]
    if len(grains := {view.result.grain for view in answer.views}) == 1:
        parts.append(grains.pop().value)
    if len(names) == 1:
        parts.append(f"v{answer.views[0].series.version}")
    return f"{'_'.join(parts)}.{EXTENSIONS[form]}"


@lru_cache(maxsize=256)
def disposition(name: str, form: Format) -> str:
    """Return a `Content-Disposition` (RFC 6266) that carries any name (RFC 8187).

    >>> disposition("sales_month_v12.csv", Format.CSV)
    'attachment; filename="sales_month_v12.csv"'
    """
    kind = "inline" if form in _SHOWN_IN_PLACE else "attachment"
    if _PLAIN_NAME.fullmatch(name):
        return f'{kind}; filename="{name}"'
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def header_text(text: str) -> str:
    """Return text that a header can carry: percent-encoded where it is not printable ASCII.

    >>> header_text("100 % of Zürich")
    '100 %25 of Z%C3%BCrich'
    """
    encoded = quote(text, safe=_PRINTABLE)
    if len(encoded) > LONGEST_HEADER:
        whole_escapes = re.sub("%.?$", "", encoded[: LONGEST_HEADER - len("%E2%80%A6")])
        encoded = quote(f"{unquote(whole_escapes, errors='ignore')}…", safe=_PRINTABLE)
    return encoded


def _version(views: tuple[SeriesView, ...]) -> str:
    if len(views) == 1:
        return str(views[0].series.version)
    return ", ".join(f"{view.series.metadata.dataset}={view.series.version}" for view in views)


@lru_cache(maxsize=256)
def _http_time(time: datetime) -> str:
    return format_datetime(time.astimezone(UTC), usegmt=True)
