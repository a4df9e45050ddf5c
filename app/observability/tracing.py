"""Decides whether anything is traced.

Off unless the usual variables of OpenTelemetry ask for it; until then its SDK is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from app.errors import ConfigError, ConfigProblem
from app.observability.masking import Masker
from app.spans import NAME

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

EXPORTERS: Final = ("otlp", "console")
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_DISABLED: Final = "OTEL_SDK_DISABLED"


def tracing_from(environment: Mapping[str, str], masker: Masker) -> TracerProvider | None:
    """Return what the variables of OpenTelemetry ask for; None if they ask for no traces.

    Args:
        environment: The variables.
        masker: Learns the credentials of the receiver, lest they stand in a log.

    Raises:
        ConfigError: They ask for what cannot be had.
    """
    told = {name: environment.get(name, "").strip() for name in (_EXPORTER, _DISABLED, *_ENDPOINTS)}
    exporter = told[_EXPORTER].lower()
    asked = exporter or any(told[name] for name in _ENDPOINTS)
    if not asked or exporter == "none" or told[_DISABLED].lower() == "true":
        return None
    exporter = exporter or EXPORTERS[0]
    if exporter not in EXPORTERS:
        raise _cannot(f"'{exporter}'")
    for name in _HEADERS:
        for pair in environment.get(name, "").split(","):
            masker.add(pair.partition("=")[2].strip())
    return _provider(exporter, environment.get("OTEL_SERVICE_NAME") or NAME)


def _provider(exporter: str, service: str) -> TracerProvider:
    try:
        # Only where it is asked for: it is an extra, and takes its time.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk import trace  # noqa: PLC0415
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import export  # noqa: PLC0415
    except ImportError as error:
        raise _cannot("a wish for traces, while the extra 'otel' is not installed") from error
    # Without a name of its own the service would be called after the interpreter.
    provider = trace.TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    if exporter == "console":
        provider.add_span_processor(export.SimpleSpanProcessor(export.ConsoleSpanExporter()))
    else:
        provider.add_span_processor(export.BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _cannot(found: str) -> ConfigError:
    return ConfigError(
        (
            ConfigProblem(
                variable=_EXPORTER,
                found=found,
                expected="otlp or console with the extra 'otel' (poetry install -E otel), or none",
                example="none",
            ),
        )
    )
