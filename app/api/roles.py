"""Which role each address takes: one table, and what is not in it is for known callers alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.routing import compile_path

from app.access.callers import EVERY_ROLE, MONITORS, OPERATORS, READERS, REFRESHERS, Role
from app.access.limiting import Bucket


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call an address.

    Attributes:
        roles: One of these is needed; None if anybody may.
        whole: It tells of all datasets at once, so that nobody bound to some may have it.
        bucket: It has a limit of its own; None if it counts as a request like any other.
    """

    roles: frozenset[Role] | None
    whole: bool = False
    bucket: Bucket | None = None


_ANYBODY: Final = Rule(None)
_READ: Final = Rule(READERS)
_REFRESH: Final = Rule(REFRESHERS)
# Whoever asks for an address that does not exist is told so, if we know who it is.
UNLISTED: Final = Rule(EVERY_ROLE)

# `HEAD` is as `GET`. A bound caller finds other datasets absent wherever a dataset is named, so
# that only addresses that tell of all at once, or of the whole tenant, are `whole`.
ROUTES: Final[Mapping[tuple[str, str], Rule]] = {
    ("GET", "/series"): _READ,
    ("GET", "/datasets"): _READ,
    ("GET", "/datasets/{name}"): _READ,
    ("GET", "/datasets/{name}/dimensions/{dimension}"): _READ,
    ("GET", "/datasets/{name}/versions"): _READ,
    ("GET", "/datasets/{name}/diff"): _READ,
    ("POST", "/refresh"): Rule(REFRESHERS, bucket=Bucket.REFRESHES),
    ("GET", "/refreshes"): _READ,
    ("GET", "/refreshes/{operation_id}"): _READ,
    ("GET", "/refreshes/{operation_id}/events"): _READ,
    ("POST", "/refreshes/{operation_id}/cancel"): _REFRESH,
    ("POST", "/datasets/{name}/rollback"): Rule(OPERATORS),
    ("GET", "/models"): Rule(OPERATORS, whole=True),
    ("GET", "/models/{model_id}"): Rule(OPERATORS, whole=True),
    ("GET", "/metrics"): Rule(MONITORS, whole=True),
    ("GET", "/health/auth"): Rule(EVERY_ROLE, bucket=Bucket.LOGIN_CHECKS),
    # The platform has no key, and these tell no data.
    ("GET", "/health/live"): _ANYBODY,
    ("GET", "/health/ready"): _ANYBODY,
    ("GET", "/problems"): _ANYBODY,
    ("GET", "/problems/{name}"): _ANYBODY,
    # What the service can do is no secret; a page of explanations is worth most to who is refused.
    ("GET", "/openapi.json"): _ANYBODY,
    ("GET", "/docs"): _ANYBODY,
    ("GET", "/docs/oauth2-redirect"): _ANYBODY,
    ("GET", "/redoc"): _ANYBODY,
}

_TEMPLATES: Final = {path: compile_path(path)[0] for _, path in ROUTES if "{" in path}
_OPEN_PATHS: Final = {path for (_, path), rule in ROUTES.items() if rule.roles is None}
_PLAIN: Final = {key: rule for key, rule in ROUTES.items() if "{" not in key[1]}
_PATTERNS: Final = tuple(
    (method, _TEMPLATES[path], rule) for (method, path), rule in ROUTES.items() if "{" in path
)
_PLAIN_PATHS: Final = {path for _, path in _PLAIN}


def template_of(path: str) -> str | None:
    """Return the template of a path; None if nothing is served there.

    Args:
        path: The path below the root of the app, decoded, as the router sees it.
    """
    if path in _PLAIN_PATHS:
        return path
    return next((name for name, form in _TEMPLATES.items() if form.match(path)), None)


def rule_of(method: str, path: str) -> Rule:
    """Return who may send a request.

    Args:
        method: Its method.
        path: The path below the root of the app, decoded, as the router sees it.
    """
    method = "GET" if method == "HEAD" else method
    rule = _PLAIN.get((method, path))
    if rule is not None:
        return rule
    for listed, pattern, one in _PATTERNS:
        # Another method of an open address is answered with those that there are.
        if (listed == method or one.roles is None) and pattern.match(path):
            return one
    # Both are answered with the methods that there are.
    return _ANYBODY if method == "OPTIONS" or path in _OPEN_PATHS else UNLISTED
