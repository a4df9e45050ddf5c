"""The variables that say who may call; a part of the settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from app import forms
from app.access.callers import Role
from app.access.keys import StoredKey, read_stored
from app.access.limiting import USUAL, Bucket, pace
from app.access.signing_keys import ALGORITHMS
from app.access.tokens import TokenRules
from app.errors import ConfigError, ConfigProblem

PRODUCTION: Final = "production"
WELL_KNOWN: Final = "/.well-known/openid-configuration"


def _hashes(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        read_stored(value, Role.READ)
    return values


def _pace(value: str) -> str:
    pace(value)
    return value


def _algorithms(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in ALGORITHMS:
            raise ValueError(f"'{forms.shown(value)}'")
    if not values:
        raise ValueError("nothing")
    return values


_Split = BeforeValidator(forms.split)
Hashes = Annotated[tuple[str, ...], NoDecode, _Split, AfterValidator(_hashes)]
Words = Annotated[tuple[str, ...], NoDecode, _Split]
Algorithms = Annotated[tuple[str, ...], NoDecode, _Split, AfterValidator(_algorithms)]
Pace = Annotated[str, AfterValidator(_pace)]
Url = Annotated[str, AfterValidator(forms.url)]

_HASHES: Final = "ids and hashes of keys as `python -m demo.keys make --print-hash` writes them"
_AN_ID_AND_HASH: Final = f"k7m2p9q4r5s8:{'0123456789abcdef' * 4}"
_SCOPES: Final = "names of scopes, authorities or roles of the issuer, separated by commas"
_PACE: Final = "a number per second, minute, hour or day, or none"


class AccessVariables(BaseModel):
    """Who may call. Attribute names are the variables' in lower case."""

    environment: Literal["development", "production"] = Field(
        "development", description="development or production", examples=["production"]
    )
    api_keys_file: Annotated[Path, BeforeValidator(forms.path)] | None = Field(
        None, description="the path of a file that demo.keys wrote", examples=["keys.json"]
    )
    api_read_keys: Hashes = Field((), repr=False, description=_HASHES, examples=[_AN_ID_AND_HASH])
    api_refresh_keys: Hashes = Field(
        (), repr=False, description=_HASHES, examples=[_AN_ID_AND_HASH]
    )
    api_operate_keys: Hashes = Field(
        (), repr=False, description=_HASHES, examples=[_AN_ID_AND_HASH]
    )
    api_monitor_keys: Hashes = Field(
        (), repr=False, description=_HASHES, examples=[_AN_ID_AND_HASH]
    )
    oidc_issuer: Url | None = Field(
        None,
        description="the issuer's https address, exactly as its tokens name it in `iss`",
        examples=["https://mytenant.accounts.ondemand.com"],
    )
    oidc_discovery_url: Url | None = Field(
        None,
        description="the https address of the issuer's openid-configuration",
        examples=["https://mytenant.accounts.ondemand.com/.well-known/openid-configuration"],
    )
    oidc_audience: Words = Field(
        (),
        description="what tokens for this service name in `aud`, separated by commas",
        examples=["sac-series"],
    )
    oidc_algorithms: Algorithms = Field(
        ("RS256", "ES256"), description=f"some of {', '.join(ALGORITHMS)}", examples=["RS256"]
    )
    oidc_leeway_s: int = Field(
        30, ge=0, le=300, description="whole seconds, 0 to 300", examples=["30"]
    )
    oidc_read_scopes: Words = Field(
        ("sac-series.read",), description=_SCOPES, examples=["sac-series.read"]
    )
    oidc_refresh_scopes: Words = Field(
        ("sac-series.refresh",), description=_SCOPES, examples=["sac-series.refresh"]
    )
    oidc_operate_scopes: Words = Field(
        ("sac-series.operate",), description=_SCOPES, examples=["sac-series.operate"]
    )
    oidc_monitor_scopes: Words = Field(
        ("sac-series.monitor",), description=_SCOPES, examples=["sac-series.monitor"]
    )
    oidc_scope_claims: Words = Field(
        ("scope", "scp", "authorities", "roles"),
        description="names of claims, separated by commas; dots lead into nested ones",
        examples=["scope,realm_access.roles"],
    )
    oidc_datasets_claim: str | None = Field(
        None, description="the name of one claim", examples=["datasets"]
    )
    rate_limit: Pace | None = Field(None, description=_PACE, examples=["3000/minute"])
    rate_limit_refresh: Pace | None = Field(None, description=_PACE, examples=["10/minute"])
    rate_limit_health_auth: Pace | None = Field(None, description=_PACE, examples=["30/minute"])
    rate_limit_failures: Pace | None = Field(None, description=_PACE, examples=["30/minute"])

    @property
    def is_open(self) -> bool:
        """Whether nobody has to show a key or a token."""
        return not (self.stored_keys or self.api_keys_file or self.oidc_issuer)

    @property
    def stored_keys(self) -> tuple[StoredKey, ...]:
        """The keys of the variables."""
        listed = {
            Role.READ: self.api_read_keys,
            Role.REFRESH: self.api_refresh_keys,
            Role.OPERATE: self.api_operate_keys,
            Role.MONITOR: self.api_monitor_keys,
        }
        return tuple(read_stored(one, role) for role, texts in listed.items() for one in texts)

    @property
    def limits(self) -> dict[Bucket, str]:
        """How often things may happen: as set, else as usual, else, if it is open, at will."""
        asked = {
            Bucket.CALLS: self.rate_limit,
            Bucket.REFRESHES: self.rate_limit_refresh,
            Bucket.LOGIN_CHECKS: self.rate_limit_health_auth,
            Bucket.FAILURES: self.rate_limit_failures,
        }
        usual = {} if self.is_open else USUAL
        return {**usual, **{bucket: text for bucket, text in asked.items() if text is not None}}

    def check_access(self) -> None:
        """Make sure that the variables make sense together, and that production is not open.

        Raises:
            ConfigError: They do not, or it is.
        """
        wrong = []
        if self.environment == PRODUCTION and self.is_open:
            wrong.append(
                ConfigProblem(
                    variable="ENVIRONMENT",
                    found="production, and neither keys nor an issuer, so that anybody may call",
                    expected="API_KEYS_FILE, API_READ_KEYS or OIDC_ISSUER beside it",
                    example="API_KEYS_FILE=keys.json",
                )
            )
        if self.oidc_issuer and not self.oidc_audience:
            wrong.append(self._missing("oidc_audience", "OIDC_ISSUER"))
        if not self.oidc_issuer:
            wrong += [
                self._missing("oidc_issuer", name.upper())
                for name in ("oidc_audience", "oidc_discovery_url")
                if getattr(self, name)
            ]
        if wrong:
            raise ConfigError(tuple(wrong))

    def _missing(self, field: str, other: str) -> ConfigProblem:
        info = type(self).model_fields[field]
        return ConfigProblem(
            variable=field.upper(),
            found=f"nothing, while {other} is set",
            expected=info.description or "",
            example=(info.examples or [""])[0],
        )

    @property
    def discovery_url(self) -> str:
        """Where the issuer describes itself: as set, else the standard place."""
        return self.oidc_discovery_url or f"{(self.oidc_issuer or '').rstrip('/')}{WELL_KNOWN}"

    @property
    def token_rules(self) -> TokenRules | None:
        """What a token must be like; None if no issuer is trusted."""
        if self.oidc_issuer is None:
            return None
        grants: dict[str, frozenset[Role]] = {}
        for role, scopes in (
            (Role.READ, self.oidc_read_scopes),
            (Role.REFRESH, self.oidc_refresh_scopes),
            (Role.OPERATE, self.oidc_operate_scopes),
            (Role.MONITOR, self.oidc_monitor_scopes),
        ):
            for scope in scopes:
                grants[scope] = grants.get(scope, frozenset()) | {role}
        return TokenRules(
            issuer=self.oidc_issuer,
            audiences=self.oidc_audience,
            algorithms=self.oidc_algorithms,
            leeway=timedelta(seconds=self.oidc_leeway_s),
            grants=grants,
            scope_claims=self.oidc_scope_claims,
            datasets_claim=self.oidc_datasets_claim,
        )
