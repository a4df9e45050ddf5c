"""Faults that stay, over a real socket: each is told in its own words, in each way to pull.

No secret, pair or token shows in an error, a trace-back or a log line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pytest

from app.errors import (
    AccessDeniedError,
    BadValueError,
    BearerRefusedError,
    CredentialsRefusedError,
    DeadlineExceededError,
    IdentityZoneError,
    IncompletePullError,
    LoginPageError,
    ModelNotFoundError,
    QueryRefusedError,
    RateLimitedError,
    SeriesError,
    SourceAnswerError,
    SourceTimeoutError,
    SourceUnavailableError,
    SourceUnreachableError,
    TokenEndpointError,
    UnknownColumnError,
    UnsafeLinkError,
)
from app.records import DatasetDefinition
from demo.tenant.bulk import DAILY
from tests.e2e.faulty import (
    DAYS,
    WAYS,
    Fault,
    Output,
    loose_tasks,
    numbered,
    pulled,
    status,
)
from tests.sac_connector.rig import ATTEMPTS, reaching
from tests.simulated_tenant import SimulatedTenant


@dataclass(frozen=True)
class Failure:
    """What goes wrong for good, and what must be said of it.

    Where the time-out is short, on a busy machine a good answer may be too late, too.
    """

    error: type[SeriesError]
    words: str
    faults: tuple[Fault, ...] = ()
    switches: dict[str, object] = field(default_factory=dict)
    definition: DatasetDefinition = DAYS
    reach: dict[str, str | float] = field(default_factory=dict)
    waits: int = 0
    short: bool = False


AGAIN = ATTEMPTS - 1
ALWAYS = {"times": None}
CREDENTIALS = "refused the client credentials. Check SAC_CLIENT_ID and "
FAILURES = {
    "401 for ever": Failure(
        BearerRefusedError,
        # What is said of clocks before it depends on ours, which stands still here.
        "Check that SAC_TENANT_URL and SAC_TOKEN_URL belong to the same tenant.",
        (status(401, None),),
        waits=1,
    ),
    "401 without a body": Failure(
        BearerRefusedError,
        "refused a token that was issued a moment ago (401)",
        (status(401, None, text=""),),
        waits=1,
    ),
    "web page": Failure(
        LoginPageError,
        "answered with a web page instead of data: it wants a login in a browser.",
        (Fault("html_login", times=None),),
    ),
    "redirect": Failure(
        LoginPageError, "answered with a redirect (302) instead", (Fault("redirect", times=None),)
    ),
    "429": Failure(
        RateLimitedError,
        "asks for fewer requests (429). It is tried again at the next refresh.",
        (status(429, None, retry_after=2),),
        waits=AGAIN,
    ),
    "500": Failure(
        SourceUnavailableError, "is not available (500).", (status(500, None),), waits=AGAIN
    ),
    "503 with a page": Failure(
        SourceUnavailableError,
        "is not available (503).",
        (status(503, None, html="<html>gateway</html>"),),
        waits=AGAIN,
    ),
    "500 [1205]": Failure(
        QueryRefusedError,
        "cannot prepare the filter (500 [1205]). Write `in (...)` in the filter",
        (status(500, None, json=numbered("1205")),),
    ),
    "400 [1402]": Failure(
        QueryRefusedError,
        "refused a query without all key columns; the model has changed since it was read (400 [",
        (status(400, None, json=numbered("1402")),),
    ),
    "403": Failure(
        AccessDeniedError, "does not let this OAuth client export data (403).", (status(403, None),)
    ),
    "no access": Failure(
        AccessDeniedError,
        "use the export API (400 [3401]). In System > Administration > App Integration, the OAuth",
        switches={"export_access": False},
    ),
    "truncated": Failure(
        SourceUnreachableError,
        "The connection to 127.0.0.1 broke before the answer was whole.",
        (Fault("truncate", times=None),),
        waits=AGAIN,
    ),
    "reset": Failure(
        SourceUnreachableError,
        "The connection to 127.0.0.1 broke before the answer was whole.",
        (Fault("reset", times=None),),
        waits=AGAIN,
    ),
    "hangs": Failure(
        SourceTimeoutError,
        "No answer from 127.0.0.1 in time.",
        (Fault("hang", times=None),),
        reach={"read_timeout_s": 0.3},
        waits=AGAIN,
        short=True,
    ),
    "too slow": Failure(
        DeadlineExceededError,
        "The pull took longer than 0.3 seconds and was stopped; nothing was published.",
        (Fault("slow", nth=2, times=None, more={"delay_s": 9.0}),),
        reach={"deadline_s": 0.3},
    ),
    "truncated JSON": Failure(
        SourceUnreachableError,
        "The answer of 127.0.0.1 does not end as it should: it was cut off.",
        (Fault("truncate_json", times=None),),
        waits=AGAIN,
    ),
    "no JSON": Failure(
        SourceAnswerError, "answered with malformed JSON (", (Fault("invalid_json"),)
    ),
    "NaN": Failure(
        SourceAnswerError,
        "answered with malformed JSON (",
        (Fault("not_json_value", more={"value": "NaN"}),),
    ),
    "another type": Failure(
        SourceAnswerError,
        "answered with the content type 'text/plain' instead of json.",
        (Fault("content_type", more={"value": "text/plain"}),),
    ),
    "no number": Failure(
        BadValueError,
        "Page 5, row 101, column 'Amount': found 'abc' instead of a finite number",
        (Fault("not_json_value", more={"value": '"abc"', "column": "Amount"}),),
    ),
    "a list": Failure(
        SourceAnswerError,
        "sent a row that cannot be read (page 5, row 101, column Region): Expected `str | null`",
        (Fault("not_json_value", more={"value": "[1]", "column": "Region"}),),
    ),
    "lost column": Failure(
        SourceAnswerError,
        "(page 5, row 1): Object missing required field `Amount`.",
        (Fault("drop_column", more={"column": "Amount"}),),
    ),
    "lost rows": Failure(
        IncompletePullError,
        "Page 5 announced 200 rows and holds 193; nothing was published.",
        (Fault("drop_rows", more={"rows": 7}),),
    ),
    "wrong size": Failure(
        IncompletePullError,
        "Page 5 announced 201 rows and holds 200; nothing was published.",
        (Fault("entities"),),
    ),
    "link elsewhere": Failure(
        UnsafeLinkError,
        "links to another host as its next page; it was not followed, and no token was sent",
        (Fault("next_link", more={"url": "https://evil.example/FactData"}),),
    ),
    "link to itself": Failure(
        UnsafeLinkError, "link in a circle", (Fault("next_link", more={"url": "self"}),)
    ),
    "link to the first": Failure(
        UnsafeLinkError, "link in a circle", (Fault("next_link", more={"url": "first"}),)
    ),
    "no such model": Failure(
        ModelNotFoundError,
        "knows no such model or address (404). Check the model id of the dataset (case-sensitive)",
        definition=replace(DAYS, model_id=DAILY.lower()),
    ),
    "no such column": Failure(
        UnknownColumnError,
        "no value column 'amount' (it has Amount, Quantity)",
        definition=replace(DAYS, value_column="amount"),
    ),
    "bad filter": Failure(
        QueryRefusedError,
        "refused the query: a column, the filter or an option is wrong (400). Check the filter",
        definition=replace(DAYS, filter="Country eq 'DE'"),
    ),
    "wrong secret": Failure(CredentialsRefusedError, CREDENTIALS, reach={"secret": "wrong-secret"}),
    "wrong secret, older words": Failure(
        CredentialsRefusedError,
        CREDENTIALS,
        switches={"token_error": "unauthorized"},
        reach={"secret": "wrong-secret"},
    ),
    "no such tenant": Failure(
        IdentityZoneError,
        "SAC_TOKEN_URL names a tenant that SAP does not know (404 with a web page). Copy the Token",
        switches={"unknown_tenant": True},
    ),
    "login page": Failure(
        TokenEndpointError,
        "(it answered 200 with a web page)",
        (Fault("html_login", "token", 1, None),),
    ),
    "login redirects": Failure(
        TokenEndpointError,
        "(it answered 302, a redirect to idp.example)",
        (Fault("redirect", "token", 1, None),),
    ),
    "login is cut off": Failure(
        SourceUnreachableError,
        "The answer of 127.0.0.1 does not end as it should: it was cut off.",
        (Fault("truncate_json", "token", 1, None),),
        waits=AGAIN,
    ),
    "login is no JSON": Failure(
        TokenEndpointError,
        "The token endpoint answered without a usable token.",
        (Fault("invalid_json", "token", 1, None),),
    ),
    "login fails": Failure(
        SourceUnavailableError,
        "The token endpoint is not available (503).",
        (status(503, None, match="token"),),
        waits=AGAIN,
    ),
    "login breaks": Failure(
        SourceUnreachableError,
        "broke before the answer was whole",
        (Fault("reset", "token", 1, None),),
        waits=AGAIN,
    ),
    "login in mid-pull": Failure(
        CredentialsRefusedError,
        CREDENTIALS,
        (
            Fault("revoke"),
            Fault("status", "token", 2, None, {"status": 401, "json": {"error": "unauthorized"}}),
        ),
    ),
    "metadata": Failure(
        SourceUnreachableError,
        "The answer of 127.0.0.1 does not end as it should: it was cut off.",
        (Fault("truncate_json", "metadata", 1, None),),
        waits=AGAIN,
    ),
}


def without_numbers(text: str) -> str:
    """Leave out which page and row it was: in slices and aggregates these are others."""
    return re.sub(r"\s+", " ", re.sub(r"\d+", "N", text))


# What fails before the first page fails in the same way however the pages are read. A slice that
# fits in one page has all its rows before that page links to itself.
CASES = [
    (name, way)
    for name, failure in FAILURES.items()
    for way in WAYS
    if way == "chain" or any(fault.match == "page" for fault in failure.faults)
    if (name, way) != ("link to itself", "slices")
]


@pytest.mark.parametrize(("name", "way"), CASES)
async def test_each_failure_is_told_in_words_and_gives_no_secret_away(
    tenant: SimulatedTenant, output: Output, name: str, way: str
) -> None:
    """The exact error, its words, its retries; and its whole output holds no secret or token."""
    failure, taken = FAILURES[name], WAYS[way]
    tenant.settings(**taken.switches, **failure.switches)
    for fault in failure.faults:
        fault.cause(tenant, taken)
    async with reaching(tenant, parallel=taken.parallel, **failure.reach) as rig:  # type: ignore[arg-type]
        with pytest.raises(failure.error) as caught:
            await pulled(rig, taken.of(failure.definition))
        assert loose_tasks() == 0
    shown = re.sub(r"\s+", " ", str(caught.value))
    exact = taken is WAYS["chain"]
    assert (
        failure.words in shown
        if exact
        else without_numbers(failure.words) in without_numbers(shown)
    )
    # Slices meet the same failure side by side, each with its own tries, until the first gives up.
    assert failure.waits <= len(rig.waits.seconds)
    assert failure.short or len(rig.waits.seconds) <= failure.waits * taken.parallel
    output.keeps_quiet(tenant, rig, caught.value)


async def test_a_bad_value_names_its_place_for_machines_too(plain: SimulatedTenant) -> None:
    """Page, row and column of a value that is no number stand in the error."""
    plain.fault("not_json_value", match="page", nth=3, value='"1,5"', column="Amount")
    async with reaching(plain) as rig:
        with pytest.raises(BadValueError) as caught:
            await pulled(rig)
    assert (caught.value.page, caught.value.row, caught.value.column) == (3, 101, "Amount")
