"""`GET /metrics`, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from app.api.deps import ServicesDep
from app.api.metrics import MEDIA_TYPE, metrics_text, standing

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text form",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
    },
)
async def metrics(services: ServicesDep) -> Response:
    """Tell what was counted since the start, and how the service and each dataset stand."""
    text = metrics_text(services.meters.registry, await standing(services))
    return Response(text, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
