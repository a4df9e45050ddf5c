"""Stands in for the tenant while the settings do not suffice for one."""

from __future__ import annotations

from datetime import date

from app.catalogue import DimensionLabels, ModelInfo, ModelSummary
from app.errors import ConfigError
from app.pipeline.ports import Clock, Pull
from app.records import AuthStatus, DatasetDefinition, ProgressCallback


class UnconfiguredTenant:
    """Stands in for the tenant while the settings do not suffice for one; nothing is sent.

    Args:
        error: What is missing.
        clock: Tells when it was asked.
    """

    def __init__(self, error: ConfigError, clock: Clock) -> None:
        self._error = error
        self._clock = clock

    async def check(self) -> AuthStatus:
        """Say what is missing."""
        return AuthStatus(
            ok=False,
            checked_at=self._clock.now(),
            detail=self._error.sentence,
            code=self._error.code,
        )

    async def models(self) -> tuple[ModelSummary, ...]:
        """Raise what is missing."""
        raise self._error

    async def model(self, model_id: str) -> ModelInfo:
        """Raise what is missing."""
        del model_id
        raise self._error

    async def labels(self, definition: DatasetDefinition) -> dict[str, DimensionLabels]:
        """Raise what is missing."""
        del definition
        raise self._error

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> Pull:
        """Raise what is missing."""
        del definition, progress, since
        raise self._error
