"""The forms of settings: pure, idempotent, and strict about what leaves the machine."""

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app import forms
from app.errors import ConfigError, ConfigProblem

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
        forms.secret,
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


@pytest.mark.parametrize("uri", ["/var/cache", "s3://b/c", "az://b", "gs://b/c"])
def test_known_places_of_a_cache_pass(uri: str) -> None:
    """Folders and the object stores of delta-rs are accepted as they are."""
    assert forms.cache_uri(uri) == uri


def test_a_path_is_absolute(tmp_path: Path) -> None:
    """Whoever reads it later need not know where the service was started."""
    assert forms.cache_uri("data/cache") == str(tmp_path / "data" / "cache")
    assert forms.path("keys.json") == forms.path((tmp_path / "keys.json").as_uri())
    with pytest.raises(ValueError, match="placeholder"):
        forms.path("<keys>")


@given(st.text())
def test_what_is_shown_fits_on_a_line(value: str) -> None:
    """A value in an error breaks no line and is cut to a readable length."""
    shown = forms.shown(value)
    assert len(shown.splitlines()) <= 1
    assert len(shown) <= 80


@given(st.text())
def test_what_is_visible_can_be_printed(value: str) -> None:
    """No sign in an error is one that nobody sees."""
    assert forms.visible(value).isprintable()
    assert forms.shown("a\ufeffb\udce9") == "a\\ufeffb\\udce9"


@pytest.mark.parametrize("sign", list("\ufeff\u200b\u2060\u00a0\u00ad\u2028\x7f"))
def test_what_nobody_sees_is_named_and_nothing_else(sign: str) -> None:
    """In a secret, an address and a client's id; odd letters and blanks may be meant."""
    for form in (forms.secret, forms.url, forms.client_id):
        with pytest.raises(ValueError, match=rf"U\+{ord(sign):04X} \(.+\) as character 10$"):
            form(f"https://t{sign}.example")
    assert forms.secret("p\u00e4ss w\u00f6rd\u20ac") == "p\u00e4ss w\u00f6rd\u20ac"


def test_bytes_that_are_no_text_are_told() -> None:
    """As the environment may hold them."""
    assert forms.replaced("café") == "café"
    with pytest.raises(ValueError, match="bytes that are no UTF-8 text"):
        forms.text(forms.replaced("caf\udce9"))


class Shelf(BaseModel):
    """A form of two fields."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, AfterValidator(forms.model_id)] = Field(
        description="letters and digits", examples=["C1"]
    )
    boards: int = Field(3, ge=1, description="1 or more", examples=[4])


class Workshop:
    """A place whose fields are spelt in capitals."""

    def spelt(self, key: str) -> str:
        """Return the field in capitals."""
        return key.upper()

    def called(self, key: str) -> str:
        """Return the field with the place."""
        return f"{key.upper()} of the workshop"

    def written(self, key: str, value: object) -> str:
        """Return what sets the field."""
        return f"{key.upper()}={value}"


def test_checked_values_come_in_their_final_form() -> None:
    """Values that fit are returned as the form has them, and blank ones as its defaults."""
    shelf = forms.checked(Shelf, {"model": "t.X:C1", "boards": " "}, Workshop())
    assert (shelf.model, shelf.boards) == ("C1", 3)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, {"MODEL": "nothing"}),
        ({"model": None}, {"MODEL": "nothing"}),
        ({"model": "a b", "boards": 0}, {"MODEL": "'a b'", "BOARDS": "'0'"}),
        ({"model": "C1", "boards": "many"}, {"BOARDS": "'many'"}),
        ({"model": "C1", "bords": 2}, {"BORDS": "an unknown name"}),
    ],
)
def test_all_that_is_wrong_is_told(values: dict[str, object], found: dict[str, str]) -> None:
    """Missing, malformed and unknown fields are told together, each with what was found."""
    with pytest.raises(ConfigError) as error:
        forms.checked(Shelf, values, Workshop())
    told = {problem.variable: problem.found for problem in error.value.problems}
    assert told == {f"{name} of the workshop": words for name, words in found.items()}


def test_a_problem_shows_the_form_and_an_example() -> None:
    """The expected form and the example are the field's, written as the place writes them."""
    assert forms.problem(Shelf, "boards", "'0'", Workshop()) == ConfigProblem(
        variable="BOARDS of the workshop", found="'0'", expected="1 or more", example="BOARDS=4"
    )


def test_an_unknown_field_suggests_the_nearest() -> None:
    """Whatever is written, the example is the known field most like it."""
    with pytest.raises(ConfigError) as error:
        forms.checked(Shelf, {"model": "C1", "bord": 2}, Workshop())
    assert error.value.problems[0].example == "BOARDS"


@pytest.mark.parametrize(
    "value",
    [
        "A eq '1') or (B eq '2'",
        "(A eq '1'",
        "A eq '1')",
        "((A eq '1') and B eq '2'",
        ")(",
    ],
)
def test_a_filter_closes_what_it_opens_and_no_more(value: str) -> None:
    """A pull puts parentheses around a filter; one that ends them would undo other conditions."""
    with pytest.raises(ValueError, match="parentheses that do not match"):
        forms.row_filter(value)


@pytest.mark.parametrize(
    "value", ["A eq 'x)'", "A eq ':-(' and (B eq 'it''s )')", "contains(A,'(') and not (B eq '')"]
)
def test_parentheses_in_texts_do_not_count(value: str) -> None:
    """What stands in quotes is a text, whatever it holds."""
    assert forms.row_filter(value) == value
