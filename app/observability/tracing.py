"""Decides whether anything is traced.

Off unless the usual variables of OpenTelemetry ask for it; until then none of it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.errors import ConfigError, ConfigProblem
from app.observability.masking import Masker
from app.spans import UNTRACED, Tracing

EXPORTERS: Final = ("otlp", "console")
_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS")
_DISABLED: Final = "OTEL_SDK_DISABLED"


def tracing_from(environment: Mapping[str, str], masker: Masker) -> Tracing:
    """Return what the variables of OpenTelemetry ask for.

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
        return UNTRACED
    exporter = exporter or EXPORTERS[0]
    if exporter not in EXPORTERS:
        raise _cannot(f"'{exporter}'")
    for name in _HEADERS:
        for pair in environment.get(name, "").split(","):
            masker.add(pair.partition("=")[2].strip())
    try:
        from app.observability import otel  # noqa: PLC0415 - only where it is asked for
    except ImportError as error:
        raise _cannot("a wish for traces, while the extra 'otel' is not installed") from error
    return otel.exporting(exporter)


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
