"""What the answers of `GET /models` look like on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from pydantic import BaseModel, Field, JsonValue

from app.api.schemas import example
from app.catalogue import FoundBy, ModelInfo, ModelSummary, Role, suggested


class ModelSummaryModel(BaseModel):
    """One model that the tenant offers."""

    model_config = example(
        id="C1A2B3C4D5E6F7A8B9C0D1E2F3",
        name="Sales plan",
        description="Monthly plan",
        name_is_unique=False,
    )

    id: str = Field(description="The id to bind a dataset to, case-sensitive.")
    name: str
    description: str
    name_is_unique: bool = Field(description="False if another model has the same name.")


class ModelsResponse(BaseModel):
    """All models that the tenant offers."""

    models: list[ModelSummaryModel]

    @classmethod
    def of(cls, models: Sequence[ModelSummary]) -> Self:
        """Translate records."""
        return cls(models=[ModelSummaryModel.model_validate(model) for model in models])


class SampleMemberModel(BaseModel):
    """One member of a dimension."""

    id: str = Field(description="As rows and filters write it.")
    description: str


class ColumnModel(BaseModel):
    """One column of a model."""

    name: str
    role: Role
    found_by: FoundBy = Field(
        description="`master`: the master of the dimension says so; `name`: only its name does; "
        "`key`: it is no key of the facts, so it is a measure."
    )
    label: str
    type: str
    members: list[SampleMemberModel] = Field(description="Some members, where they can be read.")
    attributes: list[str] = Field(
        description="Further columns of its master. One that holds dates may be the "
        "`date_attribute` of a dataset."
    )


class ModelResponse(BaseModel):
    """What one model is made of, and a dataset definition to start from."""

    id: str
    columns: list[ColumnModel]
    entity_sets: list[str]
    definition: dict[str, JsonValue] = Field(
        description="A definition to paste into the file of DATASETS_FILE, as TOML keys."
    )

    @classmethod
    def of(cls, model: ModelInfo) -> Self:
        """Translate a record."""
        return cls.model_validate({**asdict(model), "definition": suggested(model)})
