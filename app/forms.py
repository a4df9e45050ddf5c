"""The forms that values of settings must have: pure functions from text to checked text.

Each returns the value in its final form, or raises `ValueError` with what was found instead, in
words that fit behind "found" and never quote a secret. `checked` puts whole sets of values
through a pydantic model of such forms, and tells all that is wrong with them at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from app import places
from app.errors import NOTHING, ConfigError, ConfigProblem
from app.text_files import NO_UTF8

# SAC shows the API base with this path, and people paste it as it stands.
# https://help.sap.com/doc/00f68c2e08b941f081002fd3691d86a7/2022.8/en-US/500b902d8a1b430c9895244331019bbb.html
_API_PATH: Final = "/api/v1/"
_PLACEHOLDER: Final = re.compile(r"<[^<>]*>|^(changeme|change-me|todo|xxx+)$", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'[^']*'")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SHOWN_CHARACTERS: Final = 80
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
# Controls, formats such as a byte order mark, and all kinds of blanks and line ends.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})

FormT = TypeVar("FormT", bound=BaseModel)


def replaced(value: str) -> str:
    """Return a text of the environment, bytes that are no UTF-8 replaced by the sign for them."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def text(value: str) -> str:
    """Refuse line breaks, control characters, and the placeholders of the examples."""
    if _REPLACED in value:
        raise ValueError(NO_UTF8)
    if any(ord(character) < ord(" ") for character in value):
        raise ValueError("a line break or control character in the middle")
    if _PLACEHOLDER.search(value):
        raise ValueError("the placeholder of the example")
    return value


def secret(value: str) -> str:
    """Refuse what nobody sees and no secret holds, as byte order marks and zero-width blanks.

    Only its place and its name are told, which say nothing of the rest.
    """
    for place, character in enumerate(text(value), 1):
        if unicodedata.category(character) in _UNSEEN and character != " ":
            name = unicodedata.name(character, "a control character")
            raise ValueError(f"U+{ord(character):04X} ({name}) as character {place}")
    return value


def url(value: str) -> str:
    """Refuse what is no full https address; http is for loopback alone."""
    value = secret(value)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("no valid URL") from error
    if parts.username or parts.password:
        raise ValueError("credentials inside the URL")
    if not host or parts.scheme not in {"http", "https"}:
        raise ValueError("no full URL")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError("an unencrypted http URL")
    return value


def tenant_url(value: str) -> str:
    """Cut a URL of the tenant down to scheme and host; a pasted export path may follow."""
    parts = urlsplit(url(value))
    path = parts.path.rstrip("/")
    if path and not f"{path}/".startswith(_API_PATH):
        raise ValueError(f"the path {path} behind the host")
    return f"{parts.scheme}://{parts.netloc}"


def token_url(value: str) -> str:
    """Cut what follows the path of a token URL; refuse the SAML one."""
    parts = urlsplit(url(value))
    path = parts.path.rstrip("/")
    if "/alias/" in path:
        raise ValueError("the OAuth2SAML token URL")
    if not path.endswith("/token"):
        raise ValueError(f"the path {path or '/'}")
    return f"{parts.scheme}://{parts.netloc}{path}"


def model_id(value: str) -> str:
    """Cut the package prefix off a model id: `t.X:CABC` means `CABC`."""
    bare = text(value).rsplit(":", 1)[-1]
    if not re.fullmatch(r"\w+", bare):
        raise ValueError(f"'{shown(value)}'")
    return bare


def client_id(value: str) -> str:
    """Refuse blanks and colons, which no client id holds."""
    if re.search(r"[\s:]", secret(value)):
        raise ValueError("a blank or colon inside")
    return value


def column(value: str) -> str:
    """Refuse what is no technical name."""
    if not re.fullmatch(r"[^\W\d][\w.]*", text(value)):
        raise ValueError(f"'{shown(value)}'")
    return value


def columns(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a list with a wrong or repeated technical name."""
    names = tuple(column(name) for name in value)
    if len(set(names)) != len(names):
        raise ValueError("a column named twice")
    return names


def split(value: object) -> object:
    """Split a text at commas and blanks; other values pass."""
    if isinstance(value, str):
        return tuple(part for part in re.split(r"[,\s]+", value) if part)
    return value


def row_filter(value: str) -> str:
    """Refuse a filter with an open quote or parenthesis.

    A filter that closes more than it opens would end the parentheses that a pull puts around it,
    and an `or` in it would undo the other conditions.
    """
    if text(value).count("'") % 2:
        raise ValueError("an odd number of quotes")
    depth = 0
    for sign in re.findall(r"[()]", _QUOTED.sub("", value)):
        depth += 1 if sign == "(" else -1
        if depth < 0:
            break
    if depth:
        raise ValueError("parentheses that do not match")
    return value


def cache_uri(value: str) -> str:
    """Return the one place that is meant; refuse those where no cache can be."""
    return places.cache_place(text(value))


def path(value: object) -> Path:
    """Return the absolute path of a file, which may begin with `~/` or be a `file:` address."""
    return places.local_path(text(str(value)))


def origin(value: str) -> str:
    """Refuse what is no origin as browsers write it: scheme, host, and a port if unusual."""
    parts = urlsplit(text(value))
    usual = {"http": ":80", "https": ":443"}
    if parts.scheme not in usual or not parts.hostname or "*" in value:
        raise ValueError("no origin")
    if value != f"{parts.scheme}://{parts.netloc}" or value != value.lower():
        raise ValueError("an origin with a path or in capitals")
    if "@" in parts.netloc or parts.netloc.endswith(usual[parts.scheme]):
        raise ValueError("an origin with credentials or its usual port")
    return value


def visible(value: object) -> str:
    """Return a value on one line, what nobody would see in it spelt out."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in " ".join(str(value).split())
    )


def shown(value: object) -> str:
    """Cut a value to what an error can show."""
    return visible(value)[:_SHOWN_CHARACTERS]


class Place(Protocol):
    """Where values stand; knows how errors speak of them."""

    def spelt(self, key: str) -> str:
        """Return the name of a field as it is written in this place."""
        ...

    def called(self, key: str) -> str:
        """Return the name of a field as it is found from anywhere."""
        ...

    def written(self, key: str, value: object) -> str:
        """Return a value as it is written in this place."""
        ...


def checked(form: type[FormT], values: Mapping[str, object], place: Place) -> FormT:
    """Return the values in their final form; a blank one counts as missing.

    Raises:
        ConfigError: Values are missing or malformed, or keys unknown; tells all of them.
    """
    given = {key: value for key, value in values.items() if not _blank(value)}
    try:
        return form.model_validate(given)
    except ValidationError as error:
        raise ConfigError(problems(form, error, place)) from None


def problems(
    form: type[BaseModel], error: ValidationError, place: Place
) -> tuple[ConfigProblem, ...]:
    """Say what pydantic found wrong, once for each field."""
    found: dict[str, ConfigProblem] = {}
    for item in error.errors():
        key = str(item["loc"][0])
        found.setdefault(key, _from_pydantic(form, key, item, place))
    return tuple(found.values())


def problem(form: type[BaseModel], key: str, found: str, place: Place) -> ConfigProblem:
    """Say of one field what was found, and what its form expects."""
    info = form.model_fields[key]
    return ConfigProblem(
        variable=place.called(key),
        found=found,
        expected=info.description or "",
        example=place.written(key, (info.examples or [""])[0]),
    )


@contextmanager
def noted(found: list[ConfigProblem]) -> Iterator[None]:
    """Collect the problems of a check instead of stopping at it."""
    try:
        yield
    except ConfigError as error:
        found.extend(error.problems)


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _from_pydantic(
    form: type[BaseModel],
    key: str,
    item: Any,  # noqa: ANN401 - pydantic's ErrorDetails
    place: Place,
) -> ConfigProblem:
    if item["type"] == "extra_forbidden":
        return _unknown(form, key, place)
    if item["type"] == "missing":
        return problem(form, key, NOTHING, place)
    if item["type"] == "value_error":
        return problem(form, key, str(item["ctx"]["error"]), place)
    return problem(form, key, f"'{shown(item['input'])}'", place)


def _unknown(form: type[BaseModel], key: str, place: Place) -> ConfigProblem:
    known = [place.spelt(name) for name in form.model_fields]
    return ConfigProblem(
        variable=place.called(key),
        found="an unknown name",
        expected="one of docs/configuration.md",
        example=get_close_matches(place.spelt(key), known, n=1, cutoff=0)[0],
    )
