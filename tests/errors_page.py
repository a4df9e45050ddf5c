"""Writes the table of all codes in `docs/errors.md` anew: `python -m tests.errors_page`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.api.problem_pages import meaning_of, remedy_of
from app.api.problems import PROBLEMS, type_of
from app.errors import SeriesError

PATH: Final = Path(__file__).parent.parent / "docs" / "errors.md"
_HEAD: Final = "| code | class | status | meaning | what to do |\n|---|---|---|---|---|\n"


def row_of(kind: type[SeriesError]) -> str:
    """Return the line of the page that an error must have."""
    name = type_of(kind.code).rpartition("/")[2]
    cells = [
        f'<a id="{name}"></a>`{kind.code}`',
        f"`{kind.__name__}`",
        str(PROBLEMS[kind].status.value),
        meaning_of(kind),
        remedy_of(kind),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write the table, which is the last thing on the page."""
    above, _, _ = PATH.read_text(encoding="utf-8").partition("\n| code | class |")
    table = _HEAD + "".join(f"{row_of(kind)}\n" for kind in PROBLEMS)
    PATH.write_text(f"{above}\n{table}", encoding="utf-8")


if __name__ == "__main__":
    main()
