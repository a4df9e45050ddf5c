"""The login's form, and a secret that may change in its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from app.errors import ConfigError
from app.login_settings import SECRET_FILE_VARIABLE, Connection

SECRET = "5d5e-made+up$c2VjcmV0/bWFkZQ=="


def connection(secret: SecretStr | Path) -> Connection:
    """Return what a login needs."""
    return Connection("https://t.example", "https://l.example/oauth/token", "sb-1", secret)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is to hold the secret."""
    return tmp_path / "secret"


def test_a_secret_of_a_variable_stays() -> None:
    """It is as it was set, and is not shown."""
    login = connection(SecretStr(SECRET))
    assert login.read_secret().get_secret_value() == SECRET
    assert SECRET not in repr(login)


@pytest.mark.parametrize(
    "raw",
    [
        SECRET.encode(),
        f"{SECRET}\n".encode(),
        f"{SECRET}\r\n".encode(),
        f" \t{SECRET}\u00a0\u2028".encode(),
        f"{SECRET}\r\n".encode("utf-8-sig"),
        f"{SECRET}\r\n".encode("utf-16"),
    ],
    ids=["bare", "line", "Windows line", "blanks", "mark", "UTF-16"],
)
def test_what_an_editor_puts_around_the_secret_is_cut(path: Path, raw: bytes) -> None:
    """Byte order marks, line ends and blanks at the ends are never meant."""
    path.write_bytes(raw)
    assert connection(path).read_secret().get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (f"\u200b{SECRET}".encode(), "U+200B (ZERO WIDTH SPACE) as character 1"),
        (f"{SECRET}\ufeff\n".encode(), "U+FEFF (ZERO WIDTH NO-BREAK SPACE) as character 31"),
        (f"{SECRET[:4]}\u00a0{SECRET[4:]}".encode(), "U+00A0 (NO-BREAK SPACE) as character 5"),
        (f"{SECRET}\u00ad".encode(), "U+00AD (SOFT HYPHEN) as character 31"),
        (f"{SECRET}\n# the new one".encode(), "a line break or control character in the middle"),
        (f"{SECRET}\xe9".encode("latin-1"), "line 1: bytes that are no UTF-8 text"),
        (b"\xef\xbb\xbf \n", "an empty file"),
    ],
    ids=["zero width", "late mark", "hard blank", "hyphen", "two lines", "Latin-1", "empty"],
)
def test_what_nobody_sees_in_a_secret_is_named(path: Path, raw: bytes, found: str) -> None:
    """SAC would refuse it as a wrong secret; the file, the sign and its place are told, no more."""
    path.write_bytes(raw)
    with pytest.raises(ConfigError) as error:
        connection(path).read_secret()
    (problem,) = error.value.problems
    assert (problem.variable, problem.found) == (SECRET_FILE_VARIABLE, f"{path}: {found}")
    assert "made+up" not in f"{error.value} {error.value.sentence}"


def test_a_secret_that_is_replaced_counts_at_once(path: Path, tmp_path: Path) -> None:
    """Also through a link that is led elsewhere, as Kubernetes does it."""
    login = connection(path)
    with pytest.raises(ConfigError, match="no such file"):
        login.read_secret()
    for name in ("first", "second"):
        (tmp_path / name).write_text(f"secret-{name}\n", encoding="utf-8")
        (tmp_path / "new").symlink_to(name)
        (tmp_path / "new").replace(path)
        assert login.read_secret().get_secret_value() == f"secret-{name}"
