"""The examples of the OpenAPI page are answers that the service could give."""

from __future__ import annotations

import pytest

from app.api.picker_schemas import DatasetResponse, DimensionModel, MembersResponse


@pytest.mark.parametrize("model", [DatasetResponse, DimensionModel, MembersResponse])
def test_examples_are_valid(
    model: type[DatasetResponse | DimensionModel | MembersResponse],
) -> None:
    """Each one has all the fields of its model and no other."""
    extra = model.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    for example in examples:
        assert isinstance(example, dict)
        assert set(example) == set(model.model_fields)
        model.model_validate(example)
