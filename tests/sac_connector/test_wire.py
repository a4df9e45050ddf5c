"""URLs, query strings and links as pure functions: exact, or refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ModelNotFoundError, UnsafeLinkError
from app.sac_connector.edmx import FACT_DATA
from app.sac_connector.filters import literal
from app.sac_connector.wire import SetQuery, origin, provider_url, query_string, resolve_link
from tests.sac_connector.rig import PAGE_URL, ROOT, TENANT_URL

# Lone surrogates have no bytes, so no URL can hold them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,9}")
NAMES = st.from_regex(NAME, fullmatch=True)


@given(st.dictionaries(NAMES.map(lambda name: f"${name}"), TEXTS, min_size=1))
def test_a_query_string_decodes_to_what_was_meant(options: dict[str, str]) -> None:
    """Whatever stands in an option, decoding gives it back, and no `+` or bare `#` appears."""
    query = query_string(options)
    parts = [part.partition("=") for part in query.split("&")]
    assert {unquote(name): unquote(value) for name, _, value in parts} == options
    assert not set(query) & set('+# "<>\\')
    assert query.isascii()


@given(TEXTS)
def test_the_client_sends_a_query_as_it_was_written(text: str) -> None:
    """The HTTP client encodes nothing a second time and decodes nothing on the way."""
    query = query_string({"$filter": f"Region eq {literal(text)}", "pagesize": 10})
    assert httpx.URL(f"{PAGE_URL}?{query}").raw_path.decode() == (
        f"/api/v1/dataexport/providers/sac/CMODEL/FactData?{query}"
    )


def test_a_query_is_encoded_as_the_service_reads_it() -> None:
    """A blank is `%20`, a number sign `%23`, an ampersand `%26`, and names keep their `$`."""
    options: dict[str, str | int] = {"$filter": "R&D eq '#' and A+B gt 5%", "pagesize": 5}
    assert query_string(options) == (
        "$filter=R%26D%20eq%20'%23'%20and%20A%2BB%20gt%205%25&pagesize=5"
    )


@given(st.one_of(TEXTS, NAMES))
def test_a_model_is_one_step_of_the_path(model_id: str) -> None:
    """No id of a model can reach another path or a query."""
    try:
        url = provider_url(TENANT_URL, model_id)
    except ModelNotFoundError:
        assert not NAME.fullmatch(model_id)
        return
    assert unquote(urlsplit(url).path.split("/")[6]) == model_id
    assert url.count("/") == ROOT.count("/")


@given(
    st.lists(NAMES, min_size=1, unique=True),
    st.one_of(st.none(), TEXTS.filter(bool)),
    st.integers(1, 9),
    st.integers(0, 9),
    st.booleans(),
    st.one_of(st.none(), st.just("M")),
)
def test_a_query_says_on_each_page_what_it_is_about(
    keys: list[str], row_filter: str | None, size: int, skip: int, counted: bool, tie: str | None
) -> None:
    """Pages and the size probe ask for the same rows; the value orders rows of one key."""
    query = SetQuery(ROOT, FACT_DATA, (*keys, "M"), tuple(keys), row_filter, size, counted, tie)
    options = parse_qs(urlsplit(query.page(skip)).query)
    assert options.pop("$filter", [None]) == [row_filter]
    assert options.pop("$skip", ["0"]) == [str(skip)]
    assert ("$count" in options) == (counted and not skip)
    options.pop("$count", None)
    assert options == {
        "$select": [",".join([*keys, "M"])],
        "$orderby": [",".join([*keys, tie] if tie else keys)],
        "pagesize": [str(size)],
    }
    probe = parse_qs(urlsplit(query.count()).query)
    assert probe.pop("$filter", [None]) == [row_filter]
    assert probe == {"$count": ["true"], "$top": ["0"]}
    assert query.plain == replace(query, counted=False, tie=None)


HOSTS = st.sampled_from(["tenant.example", "TENANT.example", "evil.example", "tenant.example.evil"])
PORTS = st.sampled_from(["", ":443", ":80", ":0", ":8443", ":65536", ":x"])
USERS = st.sampled_from(["", "", "user@", "user:pw@", "tenant.example@", "evil.example\\@"])
SCHEMES = st.sampled_from(["https:", "http:", "ftp:", "", "HTTPS:", "javascript:", "https"])
SLASHES = st.sampled_from(["//", "/", "\\\\", "/\\", "///", "////", ""])
TAILS = st.sampled_from(["", "/x", "?$skiptoken=a", "/FactData?$skiptoken=a:b//c@d\\e", "#f"])
LINKS = st.one_of(
    TEXTS,
    st.builds(lambda *parts: "".join(parts), SCHEMES, SLASHES, USERS, HOSTS, PORTS, TAILS),
)


@given(LINKS)
def test_a_link_leads_to_the_tenant_or_nowhere(link: str) -> None:
    """Whatever the link: refused, or the HTTP client too reads it as the tenant's own origin."""
    try:
        target = resolve_link(PAGE_URL, link)
    except UnsafeLinkError:
        return
    assert urlsplit(target).netloc.lower() in {"tenant.example", "tenant.example:443"}
    assert "\\" not in target.partition("?")[0]
    try:
        url = httpx.URL(target)
    except httpx.InvalidURL:
        return
    assert (url.scheme, url.host, url.port, url.userinfo) == ("https", "tenant.example", None, b"")


@given(st.from_regex(r"[A-Za-z0-9_=-]{1,40}", fullmatch=True), st.sampled_from(["", ":443"]))
def test_a_link_may_have_three_shapes(token: str, port: str) -> None:
    """Absolute, relative to the host, or relative to the service root: all name one page."""
    tail = f"FactData?$skiptoken={token}"
    path = "/api/v1/dataexport/providers/sac/CMODEL/"
    assert resolve_link(PAGE_URL, f"{TENANT_URL}{path}{tail}") == f"{ROOT}{tail}"
    assert resolve_link(f"{PAGE_URL}?pagesize=9", f"{path}{tail}") == f"{ROOT}{tail}"
    assert resolve_link(f"{PAGE_URL}?$skiptoken=b", tail) == f"{ROOT}{tail}"
    assert resolve_link(PAGE_URL, f"https://TENANT.example{port}{path}{tail}").endswith(tail)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/FactData?$skiptoken=a",
        "http://tenant.example/FactData?$skiptoken=a",
        "//evil.example/api/v1/dataexport/providers/sac/CMODEL/FactData?$skiptoken=a",
        "https://[fe80::1%25eth0]/FactData?$skiptoken=a",
        "https://[fe80::1%eth0]/FactData?$skiptoken=a",
        "https://evil.example/FactData",
        "http://tenant.example/FactData",
        "https://tenant.example:8443/FactData",
        "https://tenant.example:0/FactData",
        "https://tenant.example:99999/FactData",
        "https://user@tenant.example/FactData",
        "https://user:pw@tenant.example/FactData",
        "https://tenant.example@evil.example/FactData",
        "https://evil.example\\@tenant.example/FactData",
        "//evil.example/FactData",
        "//user@tenant.example/FactData",
        "/\\evil.example/FactData",
        "\\\\evil.example/FactData",
        "https:\\\\evil.example/FactData",
        "https://tenant.example./FactData",
        "https://tenant\u3002example/FactData",
        "https://[bad",
        "ftp://tenant.example/FactData",
        "javascript:alert(1)",
        "ht\ntp://tenant.example/",
    ],
)
def test_a_link_that_could_carry_the_bearer_away_is_refused(link: str) -> None:
    """Another host, scheme or port, a user, or a backslash: refused, and the link not quoted."""
    with pytest.raises(UnsafeLinkError, match="no token was sent there") as caught:
        resolve_link(PAGE_URL, link)
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "link",
    [
        "FactData",
        "FactData?",
        "",
        " ",
        "MasterData?$skiptoken=a",
        "FactData/x?$skiptoken=a",
        "FactData(1)?$skiptoken=a",
        "FactData#a?$skiptoken=a",
        "FactData%23?$skiptoken=a",
        "../COTHER/FactData?$skiptoken=a",
        "%2e%2e/CMODEL/FactData?$skiptoken=a",
        "/FactData?$skiptoken=a",
        "https://tenant.example?$skiptoken=a",
        "/api/v1/dataexport/providers/sac/COTHER/FactData?$skiptoken=a",
        "/api/v1/dataexport/providers/sac//CMODEL/FactData?$skiptoken=a",
    ],
)
def test_a_link_to_other_data_is_refused(link: str) -> None:
    """The next page is one of the same rows; another set or model, or all rows, is none."""
    with pytest.raises(UnsafeLinkError, match="something else than further rows of FactData"):
        resolve_link(PAGE_URL, link, "Region ne '#'")


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("./FactData?$skiptoken=a", "$skiptoken=a"),
        ("../CMODEL/FactData?$skiptoken=a", "$skiptoken=a"),
        ("%46actData?$skiptoken=a", "$skiptoken=a"),
        ("?$skiptoken=a#b", "$skiptoken=a%23b"),
        ('?$skiptoken=a b&c=Ä\\"', "$skiptoken=a%20b&c=%C3%84%5C%22"),
        ("?$skiptoken=a+b%2Bc%2523", "$skiptoken=a+b%2Bc%2523"),
        ("?$skiptoken=100%", "$skiptoken=100%25"),
        ("?$skiptoken=it's|x&&pagesize=2&", "$skiptoken=it's%7Cx&&pagesize=2&"),
        ("?$skip=1?x", "$skip=1?x"),
        ("?a", "a"),
    ],
)
def test_what_a_link_may_not_hold_is_encoded(link: str, asked: str) -> None:
    """A sign that can mean one thing only is written so; a token is asked for as it is."""
    assert resolve_link(PAGE_URL, link, "Region ne '#'") == f"{PAGE_URL}?{asked}"


OURS = "Region ne '#' and Name eq 'R&D 50%'"


@pytest.mark.parametrize(
    "query",
    [
        "$skiptoken=a\nb",
        "$skiptoken=\x00",
        "$skiptoken=\x7f",
        "$skiptoken=\ud800",
        "$skiptoken=50%&x=%20",
        "$skiptoken='R&D'",
        "$filter=Region%20ne%20'",
        "$filter=Region ne '%23' and Name eq 'R",
        "$filter=Region%20ne%20'%23'&$skiptoken=a",
        "$filter=Region ne '#' and Name eq 'R%26D 50+'&$skiptoken=a",
        "%24filter=Region%20eq%20'EMEA'&$skiptoken=a",
        f"$filter={OURS}&$filter=Region eq 'EMEA'&$skiptoken=a",
    ],
)
def test_a_link_that_may_mean_several_things_is_refused(query: str) -> None:
    """Control characters, values cut at an `&`, other filters: nobody can tell what was meant."""
    with pytest.raises(UnsafeLinkError, match="nobody can tell what it asks for"):
        resolve_link(PAGE_URL, f"FactData?{query}", OURS)


@pytest.mark.parametrize(
    "row_filter",
    ["(Region ne '#') and (Name eq 'R&D 50%') and Date gt '202401'", OURS.replace(" and", "  and")],
)
def test_a_tenant_may_write_the_filter_in_its_own_words(row_filter: str) -> None:
    """What names all members of ours may be the same rows, or those behind the last one."""
    query = query_string({"$filter": row_filter, "$top": 5})
    assert resolve_link(PAGE_URL, f"FactData?{query}", OURS) == f"{PAGE_URL}?{query}"
    assert resolve_link(PAGE_URL, f"FactData?{query}") == f"{PAGE_URL}?{query}"


WRITTEN = st.sampled_from(
    [
        str,
        quote,
        lambda text: text.replace(" ", "%20"),
        lambda text: quote(text, safe="#&+'$,;/?:@=!*()"),
        lambda text: quote(text, safe="").replace("%20", "+"),
        lambda text: quote(quote(text)),
    ]
)
SIGNS = st.text(st.sampled_from("#&+%=2350 'aä\\?/$\u200b\n"), max_size=8)


@given(SIGNS, st.text("ab#&%=+' ", max_size=6), WRITTEN)
def test_a_link_asks_with_our_filter_or_not_at_all(
    member: str, name: str, written: Callable[[str], str]
) -> None:
    """However a link writes the filter: what arrives is the filter, or nothing is asked for."""
    row_filter = f"Region ne {literal(member)} and Name eq {literal(name)}"
    link = f"FactData?$count=true&$filter={written(row_filter)}&$skiptoken=a"
    try:
        target = resolve_link(PAGE_URL, link, row_filter)
    except UnsafeLinkError:
        return
    options = parse_qs(urlsplit(target).query, strict_parsing=True)
    assert options == {"$count": ["true"], "$filter": [row_filter], "$skiptoken": ["a"]}
    assert httpx.URL(target).raw_path.decode() == target.removeprefix(TENANT_URL)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.sampled_from(["$skiptoken", "x"]),
)
def test_a_token_arrives_as_it_was_written(token: str, name: str) -> None:
    """Whatever a tenant names its pages by, and encodes as it should be, is not touched."""
    query = f"{name}={quote(token)}"
    target = resolve_link(PAGE_URL, f"FactData?{query}", OURS)
    assert target == f"{PAGE_URL}?{query}"
    assert httpx.URL(target).raw_path.decode() == target.removeprefix(TENANT_URL)


@given(
    st.sampled_from(["http", "https"]), NAMES, st.one_of(st.none(), st.integers(0, 65_535)), TEXTS
)
def test_an_origin_is_scheme_host_and_port(
    scheme: str, host: str, port: int | None, tail: str
) -> None:
    """Neither path nor letter case of the host plays a part; the scheme's port is filled in."""
    written = "" if port is None else f":{port}"
    tail = re.sub(r"[\\@\[\]]", "", tail)
    usual = {"http": 80, "https": 443}[scheme]
    assert origin(f"{scheme}://{host.upper()}{written}/{tail}") == (
        scheme,
        host.lower(),
        usual if port is None else port,
    )
