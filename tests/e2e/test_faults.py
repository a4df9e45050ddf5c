"""Every fault over a real socket: the pull completes to the last digit, or says what is wrong.

Whichever it is, no secret, pair or token shows in an error, a trace-back or a log line.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import socket
import traceback
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta

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
from app.pipeline.normalize import NormalizedSeries, Normalizer
from app.records import DatasetDefinition, Grain, PullMode
from demo.tenant.bulk import DAILY
from demo.tenant.samples import PLAN
from tests.fakes import START, a_page
from tests.sac_connector.rig import ATTEMPTS, Rig, reaching, turns
from tests.simulated_tenant import SimulatedTenant

DAYS = DatasetDefinition(
    name="default",
    source="sac",
    model_id=DAILY,
    date_column="Date",
    value_column="Amount",
    dimensions=("Region", "Channel"),
    grain=Grain.DAY,
    mode=PullMode.FACTS,
    allow_mixed=True,
)
# Nulls, doubled keys, members with blanks, quotes and slashes, and numbers of thirty digits.
MONTHS = replace(
    DAYS, model_id=PLAN, value_column="Revenue", dimensions=("Region", "Product"), grain=Grain.MONTH
)
IN_HALF_A_MINUTE = "Sat, 21 Nov 2026 14:05:30 GMT"
RANDOM = None


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, at the fifth page if nothing else is said."""

    kind: str
    match: str = "page"
    nth: int = 5
    times: int | None = 1
    more: dict[str, object] = field(default_factory=dict)

    def cause(self, tenant: SimulatedTenant) -> None:
        """Tell the tenant."""
        tenant.fault(self.kind, match=self.match, nth=self.nth, times=self.times, **self.more)


def status(code: int, times: int | None = 1, match: str = "page", **more: object) -> Fault:
    """Answer with a status in place of the fifth page."""
    return Fault("status", match, 5 if match == "page" else 1, times, {"status": code, **more})


def numbered(number: str) -> dict[str, object]:
    """Return the body of an error with a number."""
    return {"error": {"code": "1", "message": f"It could not be done [{number}]"}}


async def pulled(rig: Rig, definition: DatasetDefinition = DAYS) -> NormalizedSeries:
    """Pull a dataset to its end and add it up."""
    normalizer = Normalizer(definition)
    async with aclosing(rig.source.pull(definition).pages()) as pages:
        async for page in pages:
            normalizer.add(page)
    return normalizer.finish()


def oracle(tenant: SimulatedTenant, definition: DatasetDefinition = DAYS) -> NormalizedSeries:
    """Add up what the tenant holds, without the connector."""
    rows = tenant.rows(definition.model_id, definition.filter)
    normalizer = Normalizer(definition)
    values = [[row[column] for column in definition.columns] for row in rows]
    normalizer.add(a_page(values, definition=definition))
    return normalizer.finish()


@dataclass
class Output:
    """All text that could give a secret away."""

    logs: pytest.LogCaptureFixture

    def keeps_quiet(self, tenant: SimulatedTenant, rig: Rig, error: Exception | None) -> None:
        """Search all texts for the secret, its pair and every token."""
        pair = base64.b64encode(f"{tenant.client_id}:{tenant.secret}".encode()).decode()
        hidden = [tenant.secret, pair.rstrip("="), *rig.seen_tokens]
        texts = [*(record.getMessage() for record in self.logs.records), self.logs.text]
        while error is not None:
            texts += [str(error), repr(error), *traceback.format_exception(error)]
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        shown = "\n".join(texts)
        # The log is not empty for want of looking.
        assert "connect_tcp.started" in shown
        assert [secret for secret in hidden if secret in shown] == []


@pytest.fixture
def plain(tenant: SimulatedTenant) -> SimulatedTenant:
    """Return a tenant that adds nothing up, so that the fifth page is a page of the pull itself."""
    tenant.settings(aggregation=False)
    return tenant


@pytest.fixture
def output(caplog: pytest.LogCaptureFixture) -> Output:
    """Capture all logs, also what the HTTP client says of its connections."""
    for name in ("", "httpx", "httpcore", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    return Output(caplog)


@pytest.mark.parametrize(
    ("faults", "waits", "renewals"),
    [
        ([status(401)], [], 1),
        ([status(401, match="count")], [], 1),
        ([status(401, match="metadata")], [], 1),
        ([Fault("revoke", nth=nth) for nth in (3, 6, 9)], [], 3),
        ([Fault("html_login")], [], 1),
        ([Fault("redirect")], [], 1),
        ([status(429, retry_after=2)], [2.0], 0),
        ([status(429, retry_after=IN_HALF_A_MINUTE)], [30.0], 0),
        ([status(429, retry_after=9_999)], [60.0], 0),
        ([status(429, retry_after="soon")], RANDOM, 0),
        ([status(429)], RANDOM, 0),
        ([status(408)], RANDOM, 0),
        ([status(500)], RANDOM, 0),
        ([status(502, html="<html>Bad gateway</html>")], RANDOM, 0),
        ([status(503)], RANDOM, 0),
        ([status(503, retry_after=7)], [7.0], 0),
        ([status(504)], RANDOM, 0),
        ([status(503, match="count")], RANDOM, 0),
        ([status(503, match="metadata")], RANDOM, 0),
        ([status(503, match="token")], RANDOM, 0),
        ([status(429, match="token", retry_after=3)], [3.0], 0),
        ([Fault("truncate")], RANDOM, 0),
        ([Fault("reset")], RANDOM, 0),
        ([Fault("reset", more={"at": "start"})], RANDOM, 0),
        ([Fault("reset", "token", 1)], RANDOM, 0),
        ([Fault("gzip", "any", 1, None)], [], 0),
        ([Fault("next_link", more={"url": "none"})], [], 0),
        (
            [status(503), Fault("status", nth=7, more={"status": 401}), Fault("truncate", nth=9)],
            RANDOM,
            1,
        ),
    ],
    ids=lambda value: None,
)
async def test_a_fault_that_passes_costs_no_digit(
    plain: SimulatedTenant,
    output: Output,
    faults: list[Fault],
    waits: list[float] | None,
    renewals: int,
) -> None:
    """The series is what the tenant holds, and what the fault cost is what the report says."""
    for fault in faults:
        fault.cause(plain)
    async with reaching(plain) as rig:
        found = await pulled(rig)
    expected = oracle(plain)
    assert found.rows.equals(expected.rows)
    assert (found.rows_read, found.skipped) == (expected.rows_read, expected.skipped)
    assert rig.tokens.issued == 1 + renewals
    if waits is RANDOM:
        assert rig.waits.seconds
        assert all(0 <= wait <= 2 for wait in rig.waits.seconds)
    else:
        assert rig.waits.seconds == waits
    output.keeps_quiet(plain, rig, None)


@pytest.mark.parametrize(
    "fault",
    [Fault("hang"), Fault("slow", more={"delay_s": 3.0}), Fault("hang", "token", 1)],
    ids=["page hangs", "page is slow", "login hangs"],
)
async def test_an_answer_that_does_not_come_is_asked_for_again(
    plain: SimulatedTenant, fault: Fault
) -> None:
    """A request that got no answer in time is sent again, and the series is whole."""
    fault.cause(plain)
    async with reaching(plain, read_timeout_s=0.4) as rig:
        found = await pulled(rig)
    assert found.rows.equals(oracle(plain).rows)
    assert rig.waits.seconds


@pytest.mark.parametrize(
    "switches",
    [
        {"link": "absolute"},
        {"link": "root"},
        {"link": "service"},
        {"link": "none"},
        {"link": "none", "page_cap": 150},
        {"link": "none", "refuse_count": True},
        {"link": "absolute", "page_cap": 77},
        {"refuse_count": True},
        {"refuse_count_with_select": True},
        {"count_as_string": True, "entities_as_string": True},
        {"numbers_as_strings": True},
        {"lower_case_annotations": True},
        {"oversize_disables_link": True, "page_cap": 150},
        {"aggregation": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("definition", [DAYS, MONTHS], ids=["days", "months"])
async def test_all_manners_of_tenants_give_the_same_series(
    tenant: SimulatedTenant, switches: dict[str, object], definition: DatasetDefinition
) -> None:
    """Links in each shape or none, hard caps, counts refused, odd spellings: every digit comes."""
    if definition is MONTHS:
        definition = replace(MONTHS, filter="Version ne 'public.Plan' and Region ne 'R&D + 50%'")
    tenant.settings(**switches)
    async with reaching(tenant, page_rows=400) as rig:
        found = await pulled(rig, definition)
    expected = oracle(tenant, definition)
    assert found.rows.equals(expected.rows)
    assert (found.rows_read, found.skipped) == (expected.rows_read, expected.skipped)
    assert rig.waits.seconds == []


async def test_rows_that_share_a_key_are_read_once_each(tenant: SimulatedTenant) -> None:
    """A tenant that caps pages and sorts anew for each `$skip` owes nothing to rows that tie.

    No count sees that one of them came twice and another never, so the order must leave no ties.
    """
    tenant.settings(link="none", shuffle_ties=True, aggregation=False)
    async with reaching(tenant, page_rows=150) as rig:
        found = await pulled(rig, MONTHS)
    assert found.rows.equals(oracle(tenant, MONTHS).rows)


async def test_a_token_that_expires_in_a_long_pull_is_renewed_before_it_does(
    plain: SimulatedTenant,
) -> None:
    """In a pull of two hours three tokens are fetched, and the tenant never sees a stale one."""
    async with reaching(plain) as rig:
        pull = rig.source.pull(DAYS, lambda _: rig.clock.tick(timedelta(minutes=12)))
        read = [page.rows.num_rows async for page in pull.pages()]
    assert sum(read) == len(plain.rows(DAILY))
    assert pull.report.token_renewals == 2
    assert set(plain.log()["counts"]["by_bearer"]) == {"none", "valid"}


async def test_a_pull_of_twelve_hundred_pages_comes_to_its_end(tenant: SimulatedTenant) -> None:
    """The depth of a pull has no limit but the deadline."""
    tenant.add_model(
        "CLONG",
        dimensions=[{"name": "Date", "role": "date"}, "Region"],
        measures=["Amount"],
        rows=[[f"{2000 + place // 12}{place % 12 + 1:02}", "EMEA", place] for place in range(1200)],
    )
    long = replace(MONTHS, model_id="CLONG", value_column="Amount", dimensions=("Region",))
    async with reaching(tenant, page_rows=1) as rig:
        found = await pulled(rig, long)
    assert found.rows["value"].to_pylist() == list(range(1200))
    assert tenant.log()["counts"]["page_calls"] >= 1200


@dataclass(frozen=True)
class Failure:
    """What goes wrong for good, and what must be said of it."""

    error: type[SeriesError]
    words: str
    faults: tuple[Fault, ...] = ()
    switches: dict[str, object] = field(default_factory=dict)
    definition: DatasetDefinition = DAYS
    reach: dict[str, str | float] = field(default_factory=dict)
    waits: int = 0


AGAIN = ATTEMPTS - 1
ALWAYS = {"times": None}
CREDENTIALS = "refused the client credentials. Check SAC_CLIENT_ID and "
FAILURES = {
    "401 for ever": Failure(
        BearerRefusedError,
        "refused a token that was issued a moment ago (401). Check that SAC_TENANT_URL and "
        "SAC_TOKEN_URL belong to the same tenant.",
        (status(401, None),),
    ),
    "401 without a body": Failure(
        BearerRefusedError,
        "refused a token that was issued a moment ago (401)",
        (status(401, None, text=""),),
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
    ),
    "too slow": Failure(
        DeadlineExceededError,
        "The pull took longer than 0.3 seconds and was stopped; nothing was published.",
        (Fault("slow", nth=2, times=None, more={"delay_s": 9.0}),),
        reach={"deadline_s": 0.3},
    ),
    "truncated JSON": Failure(
        SourceAnswerError, "answered with malformed JSON (", (Fault("truncate_json"),)
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
    "changing data": Failure(
        IncompletePullError,
        "changed",
        (Fault("mutate", "any", 5, None, {"added": 1}),),
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
        TokenEndpointError, "(it answered 302)", (Fault("redirect", "token", 1, None),)
    ),
    "login is no JSON": Failure(
        TokenEndpointError,
        "The token endpoint answered without a usable token.",
        (Fault("truncate_json", "token", 1, None),),
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
        SourceAnswerError,
        "is not readable XML",
        (Fault("truncate_json", "metadata", 1, None),),
    ),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_each_failure_is_told_in_words_and_gives_no_secret_away(
    plain: SimulatedTenant, output: Output, name: str
) -> None:
    """The exact error, its words, its retries; and its whole output holds no secret or token."""
    failure = FAILURES[name]
    for fault in failure.faults:
        fault.cause(plain)
    plain.settings(**failure.switches)
    async with reaching(plain, **failure.reach) as rig:  # type: ignore[arg-type]
        with pytest.raises(failure.error) as caught:
            await pulled(rig, failure.definition)
    assert failure.words in re.sub(r"\s+", " ", str(caught.value))
    assert len(rig.waits.seconds) == failure.waits
    output.keeps_quiet(plain, rig, caught.value)


async def test_a_bad_value_names_its_place_for_machines_too(plain: SimulatedTenant) -> None:
    """Page, row and column of a value that is no number stand in the error."""
    plain.fault("not_json_value", match="page", nth=3, value='"1,5"', column="Amount")
    async with reaching(plain) as rig:
        with pytest.raises(BadValueError) as caught:
            await pulled(rig)
    assert (caught.value.page, caught.value.row, caught.value.column) == (3, 101, "Amount")


@pytest.mark.parametrize(
    "write",
    [
        lambda own, other: f"{other}/api/v1/dataexport/providers/sac/{DAILY}/FactData",
        lambda own, other: other.removeprefix("http:"),
        lambda own, other: other.replace("//", f"//{own.removeprefix('http://')}@"),
        lambda own, other: other.replace("//", "\\\\"),
        lambda own, other: own.replace("//", "//user@"),
        lambda own, other: own.replace("http:", "https:"),
        lambda own, other: own.replace("127.0.0.1", "localhost"),
    ],
    ids=["host", "no scheme", "user", "backslash", "own user", "scheme", "alias"],
)
async def test_a_link_to_another_host_carries_nothing_there(
    plain: SimulatedTenant,
    foreign: SimulatedTenant,
    output: Output,
    write: Callable[[str, str], str],
) -> None:
    """The pull ends, and the other server has seen neither a bearer nor a request."""
    plain.fault("next_link", match="page", nth=5, url=write(plain.url, foreign.url))
    async with reaching(plain) as rig:
        with pytest.raises(UnsafeLinkError, match="links to another host") as caught:
            await pulled(rig)
    assert foreign.log()["requests"] == []
    assert plain.log()["counts"]["page_calls"] == 5
    output.keeps_quiet(plain, rig, caught.value)


@pytest.mark.parametrize("match", ["page", "token", "metadata"])
async def test_a_redirect_to_another_host_carries_nothing_there(
    plain: SimulatedTenant, foreign: SimulatedTenant, match: str
) -> None:
    """Neither the pair nor a bearer follows a redirect."""
    plain.fault("redirect", match=match, times=None, url=f"{foreign.url}/oauth/token")
    async with reaching(plain) as rig:
        with pytest.raises((LoginPageError, TokenEndpointError)):
            await pulled(rig)
    assert foreign.log()["requests"] == []


async def test_a_foreign_tenant_never_sees_the_bearer_of_another(
    tenant: SimulatedTenant, foreign: SimulatedTenant, output: Output
) -> None:
    """With a tenant URL and a token URL of two tenants, the words say so."""
    async with reaching(tenant, token_url=foreign.token_url) as rig:
        with pytest.raises(BearerRefusedError, match="belong to the same tenant") as caught:
            await pulled(rig)
    assert tenant.log()["counts"]["foreign_bearer"]
    output.keeps_quiet(tenant, rig, caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_host_that_does_not_answer_is_named(
    tenant: SimulatedTenant, output: Output, scheme: str
) -> None:
    """A refused connection, and a server that speaks no TLS, are tried again and then told."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1] if scheme == "http" else tenant.url.rpartition(":")[2]
        async with reaching(tenant, token_url=f"{scheme}://127.0.0.1:{port}/oauth/token") as rig:
            with pytest.raises(SourceUnreachableError) as caught:
                await pulled(rig)
    why = "the connection was refused" if scheme == "http" else "there is no connection"
    assert str(caught.value).startswith(f"127.0.0.1 cannot be reached: {why}.")
    assert len(rig.waits.seconds) == AGAIN
    output.keeps_quiet(tenant, rig, caught.value)


async def test_the_next_page_is_under_way_and_stops_when_the_reader_leaves(
    plain: SimulatedTenant, caplog: pytest.LogCaptureFixture
) -> None:
    """While the first page is read the second is asked for; leaving ends that request as well."""
    plain.fault("hang", match="page", nth=2, times=None)
    async with reaching(plain) as rig:
        async with aclosing(rig.source.pull(DAYS).pages()) as pages:
            assert (await anext(pages)).number == 1
            while (await asyncio.to_thread(plain.log))["counts"]["page_calls"] < 2:
                await turns()
        assert len(asyncio.all_tasks()) == 1
    counts = plain.log()["counts"]
    assert (counts["page_calls"], counts["max_parallel"]) == (2, 1)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_no_more_than_one_page_is_asked_for_ahead(plain: SimulatedTenant) -> None:
    """However long a reader takes over a page, the tenant is asked for one more and not for two."""
    async with reaching(plain) as rig:
        number = 0
        async for page in rig.source.pull(DAYS).pages():
            number += 1
            await turns(100)
            calls = (await asyncio.to_thread(plain.log))["counts"]["page_calls"]
            assert calls <= page.number + 1
    assert number == 10
    assert plain.log()["counts"]["max_parallel"] == 1
    assert rig.clock.now() == START
