"""Builds the services from the settings: the one place that knows all parts."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog

from app import network
from app.access.callers import visible
from app.access.fetching import TIMEOUT_S, IssuerFetch
from app.access.guard import Guard
from app.access.keyfile import WatchedKeys
from app.access.keys import KeyRing
from app.access.limiting import Limiter, pace
from app.access.signing_keys import SigningKeys
from app.access.tokens import TokenVerifier
from app.access_settings import AccessVariables
from app.api.deps import Services
from app.api.meters import Meters
from app.config import FIXTURE_PATH, Settings
from app.datasets import SAC_SOURCE
from app.errors import CacheError, ConfigError, UnknownDatasetError
from app.login_settings import Connection
from app.observability.masking import Masker
from app.pipeline.attempts import StoredAttempts
from app.pipeline.breaker import Breaker, BreakerLimits
from app.pipeline.cache import DeltaCache
from app.pipeline.contract import nearest_first
from app.pipeline.fixture import CsvSource, fixture_definition
from app.pipeline.freshness import SAMPLE_SOURCE
from app.pipeline.labels import LabelKeeper, StoredLabels
from app.pipeline.overview import Overview
from app.pipeline.picking import Pickers
from app.pipeline.place import CachePlace
from app.pipeline.ports import AuthProbe, LabelSource, ModelCatalogue, SeriesSource
from app.pipeline.refresh import RefreshService
from app.pipeline.retention import Retention
from app.pipeline.schedule import Schedule, Timetable
from app.pipeline.series import QueryLimits, SeriesReader
from app.pipeline.standing import Standing
from app.pipeline.turns import OncePerTurn
from app.records import DEFAULT_DATASET, DatasetDefinition
from app.reports import DatasetPolicy
from app.sac_connector.auth import BearerAuth, Credentials, TokenProbe, TokenProvider
from app.sac_connector.export import SacSource
from app.sac_connector.pull import PullLimits
from app.sac_connector.retry import Retrier, RetryPolicy
from app.sac_connector.traced import TracedClient
from app.sac_connector.transport import ExportTransport
from app.unconfigured import UnconfiguredTenant

log = structlog.get_logger(__name__)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present, aware, in UTC."""
        return datetime.now(UTC)


class SettingsCatalogue:
    """The datasets that the settings define: the default one, and those of the file.

    A malformed dataset of the file is told to the log here, and to whoever asks for it.

    Args:
        settings: Where the definitions stand.
        kept: Names of further datasets, which can be read, though nobody knows their definition.
    """

    def __init__(self, settings: Settings, kept: Iterable[str] = ()) -> None:
        self._settings = settings
        # Readers ask for these with every answer, and settings never change.
        self._names = tuple(dict.fromkeys((*settings.dataset_names, *kept)))
        self._policies = {name: settings.policy(name) for name in self._names}
        self._fingerprints = {name: _fingerprint(settings, name) for name in self._names}
        for problem in settings.malformed_datasets():
            log.warning("dataset_malformed", reason=str(problem))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all datasets, the default one first, then the file's in its order.

        Those that whoever is being served may not see are left out, so that they do not exist
        for anything that goes by this catalogue.
        """
        return visible(self._names)

    def definition(self, dataset: str, source: str | None = None) -> DatasetDefinition:
        """Return how a dataset is pulled.

        Raises:
            UnknownDatasetError: No dataset, or no source of it, has this name.
            ConfigError: The dataset's settings are missing or malformed.
        """
        if dataset not in self.names:
            near = ", ".join(nearest_first(dataset, self.names))
            raise UnknownDatasetError(
                f"There is no dataset '{dataset}'.", next_step=f"Ask for one of: {near}."
            )
        # The sample stands in for the one dataset that every installation has.
        known = (SAC_SOURCE, SAMPLE_SOURCE) if dataset == DEFAULT_DATASET else (SAC_SOURCE,)
        if source is not None and source not in known:
            raise _no_source(dataset, source, known)
        if source == SAMPLE_SOURCE:
            return fixture_definition()
        return self._settings.dataset(dataset)

    def policy(self, dataset: str) -> DatasetPolicy:
        """Return what a dataset's refreshes and readers must keep to."""
        return self._policies.get(dataset) or self._settings.policy(dataset)

    def fingerprint(self, dataset: str) -> str | None:
        """Return the fingerprint of a dataset as it is defined now; None if it is malformed."""
        return self._fingerprints.get(dataset)


def _fingerprint(settings: Settings, name: str) -> str | None:
    try:
        return settings.definition(name).fingerprint
    except ConfigError:
        return None


def _no_source(dataset: str, source: str, known: tuple[str, ...]) -> UnknownDatasetError:
    why = f"; it is for '{DEFAULT_DATASET}' alone" if source == SAMPLE_SOURCE else ""
    return UnknownDatasetError(
        f"The dataset '{dataset}' has no source '{source}'{why}.",
        next_step=f"Ask for one of: {', '.join(known)}.",
    )


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return the retry policy that the settings ask for."""
    return RetryPolicy(
        settings.sac_retry_attempts, settings.sac_retry_base_s, settings.sac_retry_max_wait_s
    )


def retention(settings: Settings) -> Retention:
    """Return how long the settings keep versions."""
    days = settings.cache_retention_days
    return Retention(
        age=None if days is None else timedelta(days=days),
        versions=settings.cache_retention_versions,
    )


def breaker_limits(settings: Settings) -> BreakerLimits:
    """Return when the settings ask for leaving the tenant alone."""
    return BreakerLimits(settings.breaker_failures, timedelta(seconds=settings.breaker_cool_down_s))


def paces(catalogue: SettingsCatalogue) -> dict[str, timedelta]:
    """Return how often each dataset is refreshed that has a schedule."""
    policies = {name: catalogue.policy(name) for name in catalogue.names}
    return {name: one.refresh_every for name, one in policies.items() if one.refresh_every}


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Open the HTTP client: a time-out on every phase, and no redirect is followed.

    Raises:
        ConfigError: A proxy or the certificates that the environment names cannot be used.
    """
    timeout = httpx.Timeout(settings.sac_read_timeout_s, connect=settings.sac_connect_timeout_s)
    options = network.client_options(settings.sac_tenant_url, settings.sac_token_url)
    async with TracedClient(timeout=timeout, follow_redirects=False, **options) as client:
        yield client


def issuer_client(url: str) -> httpx.AsyncClient:
    """Open a client for the issuer of our callers' tokens; it knows nothing of the tenant's.

    Raises:
        ConfigError: A proxy or the certificates that the environment names cannot be used.
    """
    return httpx.AsyncClient(
        timeout=TIMEOUT_S, follow_redirects=False, **network.client_options(url)
    )


def guard_of(settings: Settings) -> Guard:
    """Build what stands before the service; nothing is asked yet but the file of keys.

    Raises:
        ConfigError: The settings contradict each other, or would leave production open.
    """
    settings.check_access()
    clock = SystemClock()
    rules = settings.token_rules
    tokens = None
    if rules is not None:
        fetch = IssuerFetch(issuer_client)
        signing = SigningKeys(rules.issuer, settings.discovery_url, fetch, clock)
        tokens = TokenVerifier(rules, signing, clock)
    file = settings.api_keys_file
    return Guard(
        KeyRing(settings.stored_keys),
        None if file is None else WatchedKeys(file),
        tokens,
        Limiter({bucket: pace(text) for bucket, text in settings.limits.items()}),
        clock,
        knows_callers=settings.env.hidden.isdisjoint(AccessVariables.model_fields),
    )


def token_provider(
    client: httpx.AsyncClient,
    connection: Connection,
    masker: Masker,
    issued: Callable[[], None] = lambda: None,
) -> TokenProvider:
    """Build the login, and let the logs mask its secret and every token.

    Args:
        client: Sends requests.
        connection: What a login needs; a secret in a file is read for each login.
        masker: Learns what to mask.
        issued: Called with every token.
    """

    def credentials() -> Credentials:
        secret = connection.read_secret().get_secret_value()
        masker.add(secret, user=connection.client_id)
        return Credentials(connection.token_url, connection.client_id, secret)

    def on_token(token: str) -> None:
        masker.add_token(token)
        issued()

    try:
        # The logs mask the secret from the start on.
        credentials()
    except ConfigError as error:
        # Its file may still come, or be mended.
        log.warning("setting_malformed", reason=str(error.problems[0]))
    return TokenProvider(client, credentials, SystemClock(), on_token=on_token)


@dataclass(frozen=True, slots=True)
class Tenant:
    """The faces of a tenant that the pipeline and the API see.

    Attributes:
        source: Where series come from.
        labels: What people call their members.
        models: Which models there are.
        auth: Whether it lets us in.
    """

    source: SeriesSource
    labels: LabelSource
    models: ModelCatalogue
    auth: AuthProbe


@asynccontextmanager
async def _open_tenant(settings: Settings, masker: Masker, meters: Meters) -> AsyncIterator[Tenant]:
    """Open the way to the tenant; if there is none, what stands in its place says why."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        try:
            connection = settings.connection()
            client = await stack.enter_async_context(open_client(settings))
        except ConfigError as error:
            nobody = UnconfiguredTenant(error, clock)
            yield Tenant(nobody, nobody, nobody, nobody)
            return
        tokens = token_provider(client, connection, masker, meters.token_issued)
        auth, parallel = BearerAuth(tokens, connection.tenant_url, clock), settings.sac_max_parallel
        source = SacSource(
            ExportTransport(client, auth, clock, parallel=parallel),
            tokens,
            connection.tenant_url,
            limits=PullLimits(settings.sac_page_size, settings.sac_pull_deadline_s, parallel),
            retrier=lambda: Retrier(retry_policy(settings), told=meters.retried),
            clock=clock,
        )
        yield Tenant(source, source, source.directory, TokenProbe(tokens, clock))


def _reader(
    settings: Settings,
    catalogue: SettingsCatalogue,
    cache: DeltaCache,
    standing: Standing,
    looks: OncePerTurn[Any],
) -> SeriesReader:
    return SeriesReader(
        catalogue,
        cache,
        standing.of,
        tell_at_once=standing.at_once,
        limits=QueryLimits(settings.query_max_rows, settings.query_timeout_s),
        looks=looks,
    )


@asynccontextmanager
async def open_services(
    settings: Settings,
    masker: Masker,
    meters: Meters | None = None,
) -> AsyncIterator[Services]:
    """Build everything the API and the demo scripts call, and close it afterwards.

    Missing settings of the tenant do not stop it: the cache is served all the same.

    Args:
        settings: What is wanted.
        masker: Learns what to mask in the logs.
        meters: Count what happens; None for a count that nobody sees.
    """
    if not gc.get_freeze_count():
        # Imports never go away, and to look through them takes 80 ms, for which requests wait.
        gc.freeze()
    meters = meters or Meters()
    malformed = (*settings.malformed(), *network.malformed())
    for problem in (*settings.env.notes, *malformed):
        log.warning("setting_malformed", reason=str(problem))
    async with _open_tenant(settings, masker, meters) as tenant:
        services = _services(settings, tenant, meters)
        listed = (*malformed, *settings.malformed_datasets())
        services = replace(services, malformed=tuple(problem.variable for problem in listed))
        try:
            yield services
        finally:
            await services.operations.close()


def _services(settings: Settings, tenant: Tenant, meters: Meters) -> Services:
    looks, clock = OncePerTurn[Any](), SystemClock()
    cache = DeltaCache(settings.cache_uri, retention=retention(settings), looks=looks)
    catalogue = SettingsCatalogue(settings, _kept(settings, cache))
    attempts = StoredAttempts(settings.cache_uri, looks=looks)
    breaker = Breaker(breaker_limits(settings), clock)
    timetable = Timetable(breaker)
    standing = Standing(catalogue, attempts, clock, timetable.next_attempt)
    labels = StoredLabels(settings.cache_uri)
    refresh = RefreshService(
        catalogue,
        {SAC_SOURCE: tenant.source, SAMPLE_SOURCE: CsvSource(FIXTURE_PATH)},
        cache,
        clock,
        standing=standing,
        breakers={SAC_SOURCE: breaker},
        ended=meters.ended,
        labels=LabelKeeper({SAC_SOURCE: tenant.labels}, labels, clock),
    )
    return Services(
        catalogue=catalogue,
        refresh=refresh,
        reader=_reader(settings, catalogue, cache, standing, looks),
        overview=Overview(catalogue, cache, standing),
        pickers=Pickers(catalogue, cache, labels, standing),
        models=tenant.models,
        auth=tenant.auth,
        breaker=breaker,
        schedule=Schedule(refresh.refresh, paces(catalogue), attempts, timetable, clock),
        cache=cache,
        clock=clock,
        place=CachePlace(settings.cache_uri),
        meters=meters,
    )


def _kept(settings: Settings, cache: DeltaCache) -> tuple[str, ...]:
    """Return what the cache holds, if the file that should name the datasets cannot be read."""
    file = settings.datasets_file
    if file is None or file.unusable is None:
        return ()
    try:
        return cache.datasets()
    except CacheError:
        return ()
