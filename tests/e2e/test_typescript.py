"""The TypeScript types are those of the API, and real answers fit them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo.openapi import document
from tests.service_process import running_service, settings_for
from tests.simulated_tenant import ROOT, SimulatedTenant

FOLDER = ROOT / "app" / "client" / "typescript"
TYPES = FOLDER / "series-api.d.ts"
COMPILER = FOLDER / "node_modules" / ".bin" / "tsc"

needs_compiler = pytest.mark.skipif(
    not COMPILER.exists(), reason="the TypeScript compiler is not installed (make test does it)"
)


def test_the_types_are_of_this_api() -> None:
    """The file names the document that it was generated from; `make typescript` renews it."""
    stamp = re.search(r"sha256 ([0-9a-f]{64})", TYPES.read_text(encoding="utf-8"))
    assert stamp is not None
    assert stamp[1] == hashlib.sha256(document()).hexdigest(), "run `make typescript`"


@needs_compiler
def test_the_types_are_what_the_generator_writes(tmp_path: Path) -> None:
    """Nobody has edited them by hand."""
    (tmp_path / "openapi.json").write_bytes(document())
    node = shutil.which("node") or "node"
    written = tmp_path / "series-api.d.ts"
    subprocess.run(
        [node, "generate.mjs", tmp_path / "openapi.json", written], cwd=FOLDER, check=True
    )
    assert written.read_bytes() == TYPES.read_bytes()


def compiled(folder: Path, constants: dict[str, tuple[str, Any]]) -> list[str]:
    """Return what the compiler says of JSON values that are declared to be of a type."""
    lines = ['import type { components } from "./series-api";']
    for name, (kind, value) in constants.items():
        lines.append(
            f'export const {name}: components["schemas"]["{kind}"] = '
            f"{json.dumps(value, ensure_ascii=False)};"
        )
    folder.mkdir(exist_ok=True)
    (folder / "answers.ts").write_text("\n".join(lines), encoding="utf-8")
    shutil.copy(TYPES, folder)
    found = subprocess.run(
        [COMPILER, "--noEmit", "--strict", "--pretty", "false", "answers.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in found.stdout.splitlines() if "error" in line]


@needs_compiler
def test_real_answers_fit_the_types(tmp_path: Path) -> None:
    """The compiler accepts the answers of a running service, and refuses a field too many."""
    with SimulatedTenant(rows=500) as tenant, running_service(tmp_path, settings_for(tenant)) as it:
        answers = {
            "refreshed": ("RefreshResponse", it.post("/refresh").json()),
            "series": ("SeriesResponse", it.get("/series", params={"limit": 3}).json()),
            "datasets": ("DatasetsResponse", it.get("/datasets").json()),
            "dataset": ("DatasetResponse", it.get("/datasets/default").json()),
            "members": (
                "MembersResponse",
                it.get("/datasets/default/dimensions/dim_region").json(),
            ),
            "versions": ("VersionsResponse", it.get("/datasets/default/versions").json()),
            "login": ("AuthResponse", it.get("/health/auth").json()),
            "problem": ("Problem", it.get("/series", params={"limt": 3}).json()),
        }
    assert compiled(tmp_path / "right", answers) == []
    kind, series = answers["series"]
    wrong = compiled(
        tmp_path / "wrong",
        {
            "extra": (kind, series | {"extra": 1}),
            "text": (kind, series | {"version": "4"}),
            "points": (kind, series | {"points": [{"date": "2026-01-01"}]}),
        },
    )
    assert {line.partition(",")[0] for line in wrong} == {f"answers.ts({n}" for n in (2, 3, 4)}
