"""The forms of settings: pure, idempotent, and strict about what leaves the machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import forms

TENANT = "https://t.eu10.hcs.cloud.sap"
TOKEN = "https://t.authentication.eu10.hana.ondemand.com/oauth/token"


@pytest.mark.parametrize(
    "pasted",
    [
        TENANT,
        f"{TENANT}/",
        f"{TENANT}//",
        f"{TENANT}/api/v1",
        f"{TENANT}/api/v1/dataexport",
        f"{TENANT}/api/v1/dataexport/",
        f"{TENANT}/api/v1/dataexport/administration/Namespaces",
        f"{TENANT}/?x=1#y",
    ],
)
def test_a_pasted_tail_is_cut(pasted: str) -> None:
    """Whatever of the API's path is pasted, the tenant's host remains."""
    assert forms.tenant_url(pasted) == TENANT


@pytest.mark.parametrize("pasted", [TOKEN, f"{TOKEN}/", f"{TOKEN}?grant_type=client_credentials"])
def test_a_token_url_ends_in_its_path(pasted: str) -> None:
    """Slashes and a pasted query are cut from the token URL."""
    assert forms.token_url(pasted) == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090"])
def test_loopback_may_be_http(host: str) -> None:
    """The simulated tenant needs no certificate."""
    assert forms.tenant_url(f"http://{host}/") == f"http://{host}"


@given(st.from_regex(r"[a-z0-9-]{1,20}(\.[a-z0-9]{1,10}){1,3}(:[1-9][0-9]{1,3})?", fullmatch=True))
def test_cutting_a_tenant_url_twice_changes_nothing(host: str) -> None:
    """The form of a tenant URL is a fixed point."""
    once = forms.tenant_url(f"https://{host}/api/v1/dataexport/")
    assert forms.tenant_url(once) == once == f"https://{host}"


@given(st.from_regex(r"[a-z0-9-]{1,20}\.[a-z]{2,5}", fullmatch=True))
def test_no_http_leaves_the_machine(host: str) -> None:
    """A secret is never sent to another machine in clear text."""
    with pytest.raises(ValueError, match="unencrypted"):
        forms.url(f"http://{host}")


@given(st.text(max_size=30))
def test_any_text_passes_or_is_refused_in_words(value: str) -> None:
    """No form fails with anything but a `ValueError` that says something."""
    for form in (
        forms.text,
        forms.url,
        forms.tenant_url,
        forms.token_url,
        forms.client_id,
        forms.model_id,
        forms.column,
        forms.row_filter,
        forms.cache_uri,
    ):
        try:
            form(value)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - either outcome is right, silence is not


@given(st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), unique=True))
def test_names_survive_joining_and_splitting(names: list[str]) -> None:
    """A list of columns written with commas or blanks is the same list."""
    assert forms.split(", ".join(names)) == tuple(names)
    assert forms.split(tuple(names)) == forms.columns(tuple(names)) == tuple(names)


@pytest.mark.parametrize(
    ("pasted", "bare"), [("C1A2", "C1A2"), ("t.X:C1A2", "C1A2"), ("t.4:t.X:c1", "c1")]
)
def test_a_model_id_loses_its_package(pasted: str, bare: str) -> None:
    """Ids copied from an application work as they are."""
    assert forms.model_id(pasted) == bare


@pytest.mark.parametrize("uri", ["data/cache", "/var/cache", "s3://b/c", "az://b", "gs://b/c"])
def test_known_places_of_a_cache_pass(uri: str) -> None:
    """Folders and the object stores of delta-rs are accepted as they are."""
    assert forms.cache_uri(uri) == uri
