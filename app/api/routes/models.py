"""`GET /models` and `GET /models/{id}`: what the tenant offers, for binding a dataset."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.deps import KnownParameters, NotKept, ServicesDep
from app.api.model_schemas import ModelResponse, ModelsResponse
from app.api.openapi import problems

router = APIRouter(tags=["models"], dependencies=[NotKept, KnownParameters])


@router.get("/models", summary="List the tenant's models", responses=problems(422, 502, 503))
async def models(services: ServicesDep) -> ModelsResponse:
    """List all models that can be pulled. Names are not unique; ids are."""
    return ModelsResponse.of(await services.models.models())


@router.get(
    "/models/{model_id}",
    summary="Describe one model",
    responses=problems(404, 422, 502, 503),
)
async def model(services: ServicesDep, model_id: str) -> ModelResponse:
    """Name a model's columns, what each is for, and a dataset definition to start from."""
    return ModelResponse.of(await services.models.model(model_id))
