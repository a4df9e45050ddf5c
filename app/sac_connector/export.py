"""The Data Export Service as a source of series, behind the port of all sources."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from app.catalogue import DimensionLabels
from app.records import DatasetDefinition, ProgressCallback
from app.sac_connector import wire
from app.sac_connector.auth import Clock, TokenProvider
from app.sac_connector.discovery import ModelDirectory
from app.sac_connector.labels import read_labels
from app.sac_connector.models import ModelReader, Session
from app.sac_connector.pull import PullLimits, SacPull
from app.sac_connector.retry import Retrier
from app.sac_connector.transport import ExportTransport, PullBudget


class SacSource:
    """A tenant's export service.

    Args:
        transport: Sends the requests.
        tokens: Counts the renewals.
        tenant_url: Scheme, host and port of the tenant.
        limits: What one pull may cost.
        retrier: Makes the retry counter of one pull.
        clock: Tells how old a model's columns are.

    Attributes:
        directory: The models that the tenant offers.
    """

    def __init__(
        self,
        transport: ExportTransport,
        tokens: TokenProvider,
        tenant_url: str,
        *,
        limits: PullLimits,
        retrier: Callable[[], Retrier],
        clock: Clock,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._tenant_url = tenant_url
        self._limits = limits
        self._retrier = retrier
        self._models = ModelReader(clock)
        self.directory = ModelDirectory(self._models, self.session, tenant_url)

    def pull(
        self,
        definition: DatasetDefinition,
        progress: ProgressCallback | None = None,
        *,
        since: date | None = None,
    ) -> SacPull:
        """Prepare a pull; nothing is sent before its pages are iterated."""
        return SacPull(
            self._models,
            lambda: self.session(definition.model_id, trusting=definition.trust_count),
            definition,
            limits=self._limits,
            issued=lambda: self._tokens.issued,
            progress=progress or (lambda _: None),
            since=since,
        )

    async def labels(self, definition: DatasetDefinition) -> dict[str, DimensionLabels]:
        """Return what people call a dataset's dimensions and their members, by column.

        Raises:
            SourceError: The tenant refuses or fails.
        """
        session = self.session(definition.model_id)
        await session.login()
        model = await self._models.read(definition.model_id, session)
        return await read_labels(session, model, definition, self._limits.page_rows)

    def session(self, model_id: str | None, *, trusting: bool = True) -> Session:
        """Start the clock of a pull of one model, or of a look at the tenant as a whole."""
        budget = PullBudget(self._retrier(), self._limits.deadline_s)
        root = wire.provider_url(self._tenant_url, model_id) if model_id else self._tenant_url
        return Session(self._transport, root, budget, self._tokens.token, trusting)
