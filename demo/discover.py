"""Look around in the tenant: `python -m demo.discover` lists the models.

`python -m demo.discover <id>` describes one: its columns, what each is for and how that was found,
labels and sample members; then it prints a dataset definition to paste into the file that
DATASETS_FILE names.
"""

import asyncio
import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.catalogue import ColumnInfo, ModelInfo, ModelSummary, may_be_weeks, suggested
from app.config import Settings, load_settings
from app.errors import SeriesError
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.wiring import open_services

_WIDE = 200
_WEEKS = '# six digits may be weeks as well: then grain = "week"'

# Ids must not be cut when the output goes to a file.
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)


async def look(settings: Settings, model_id: str | None) -> tuple[ModelSummary, ...] | ModelInfo:
    """Ask the tenant for its models, or for one of them.

    Raises:
        SeriesError: The settings or the tenant do not allow it.
    """
    masker = Masker()
    configure_logging("error", settings.log_format, masker)
    async with open_services(settings, masker) as services:
        if model_id is None:
            return await services.models.models()
        return await services.models.model(model_id)


def show_models(models: tuple[ModelSummary, ...]) -> None:
    """Print all models, and say which names do not tell them apart."""
    table = Table("id", "name", "description")
    table.columns[0].no_wrap = True
    for model in models:
        name = model.name if model.name_is_unique else f"{model.name} (not unique)"
        table.add_row(model.id, name, model.description)
    out.print(table)
    if not all(model.name_is_unique for model in models):
        out.print("Some models share a name: bind a dataset to the id.")
    out.print("Describe one: python -m demo.discover <id>")


def show_model(model: ModelInfo) -> None:
    """Print what a model is made of, and a definition to start from."""
    table = Table("column", "role", "found by", "label", "type", "sample members", "attributes")
    for column in model.columns:
        table.add_row(
            *(column.name, column.role, column.found_by, column.label, column.type),
            *(_members(column), ", ".join(column.attributes)),
        )
    out.print(table)
    out.print(f"entity sets: {', '.join(model.entity_sets)}\n")
    out.print("# paste into the file that DATASETS_FILE names, and adjust", markup=False)
    out.print(definition(model), markup=False)
    if may_be_weeks(model):
        out.print(_WEEKS)


def definition(model: ModelInfo) -> str:
    """Return a dataset definition to start from, as TOML."""
    # What JSON writes for texts and lists of texts is TOML as well.
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in suggested(model).items()
    ]
    return "\n".join(["[datasets.my-series]", *lines])


def _members(column: ColumnInfo) -> str:
    return ", ".join(member.id for member in column.members)


def main(
    model_id: Annotated[str | None, typer.Argument(help="The model to describe.")] = None,
) -> None:
    """List the tenant's models, or describe one."""
    try:
        found = asyncio.run(look(load_settings(), model_id))
    except SeriesError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    if isinstance(found, ModelInfo):
        show_model(found)
    else:
        show_models(found)


if __name__ == "__main__":
    typer.run(main)
