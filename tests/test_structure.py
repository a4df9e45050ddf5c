"""The shape of the code: small modules and functions, each with its test, each call in its room."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = sorted((ROOT / "app").rglob("*.py"))
SHIPPED = [*APP, *sorted((ROOT / "demo").rglob("*.py"))]
LONGEST_MODULE = 400
LONGEST_BODY = 40
# Modules that hold names alone, or a part of another; what uses them is what tests them.
TESTED_ELSEWHERE = {
    "app/pipeline/series_table.py",  # test_cache.py
    "app/api/series_schemas.py",  # writing/test_points.py
    "app/api/version_schemas.py",  # routes/test_versions.py
    "app/api/model_schemas.py",  # routes/test_models.py
    "app/api/operation_schemas.py",  # routes/test_operations.py
    "app/api/report_schemas.py",  # routes/test_datasets.py, routes/test_refresh.py
    "app/records.py",
    "app/reports.py",
    "app/pipeline/ports.py",
    "app/errors/base.py",
    "app/errors/callers.py",
    "app/errors/local.py",
    "app/errors/operations.py",
    "app/errors/source.py",
}
# Where a call may stand, and nowhere else.
ROOMS = {
    r"AsyncClient\(": {"app/wiring.py", "app/client/aio.py"},
    r"Depends\(": {"app/api/deps.py"},
    r"HTTPException": set[str](),
    r"\(BaseModel\)": {
        "app/api/schemas.py",
        "app/api/series_schemas.py",
        "app/api/model_schemas.py",
        "app/api/operation_schemas.py",
        "app/api/picker_schemas.py",
        "app/api/report_schemas.py",
        "app/api/version_schemas.py",
        "app/datasets.py",
        "app/access_settings.py",
        "app/http_settings.py",
        "app/login_settings.py",
        "app/config.py",
    },
    r"\(BaseSettings\)": {"app/config.py"},
    r"unittest\.mock": set[str](),
    r"raise Exception": set[str](),
}


def named(path: Path) -> str:
    """Return a path as the project writes it."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield all functions of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function behind its docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", SHIPPED, ids=named)
def test_modules_and_functions_are_small(path: Path) -> None:
    """A module of more than 400 lines, or a body of more than 40, holds two things."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE
    long = [function.name for function in functions(path) if body_lines(function) > LONGEST_BODY]
    assert not long


@pytest.mark.parametrize("call", ROOMS)
def test_calls_stay_in_their_rooms(call: str) -> None:
    """What opens clients, injects, or makes models stands in one place."""
    found = {named(path) for path in APP if re.search(call, path.read_text(encoding="utf-8"))}
    assert found <= ROOMS[call]


def test_every_module_has_its_test_file() -> None:
    """The tree of tests mirrors the tree of the app."""
    missing = [
        named(path)
        for path in APP
        if path.name != "__init__.py"
        and named(path) not in TESTED_ELSEWHERE
        and not (ROOT / "tests" / path.relative_to(ROOT / "app"))
        .with_name(f"test_{path.name}")
        .exists()
    ]
    assert not missing
