"""The switches of the tenant. `GET /_admin/settings` shows them, `POST` merges new values in."""

from typing import Annotated, Literal

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the tenant behaves where real ones differ. The defaults are strict."""

    # Tokens
    expires_in: Whole = 3599
    token_lifetime_s: Seconds | None = None
    unknown_tenant: bool = False
    token_error: Literal["invalid_client", "unauthorized"] = "invalid_client"  # noqa: S105

    # Access
    strict_custom_auth: bool = True
    export_access: bool = True
    refused_status: Literal[400, 403] = 400
    unauthorized: Literal["json", "empty", "html"] = "json"
    latency_s: Seconds = 0.0

    # Queries
    strict_plus: bool = True
    aggregation: bool = True
    aggregation_rule: Literal["sum", "exception"] = "sum"
    aggregation_digits: Whole | None = None
    masters_in_metadata: bool = True
    refuse_count: bool = False
    refuse_count_with_select: bool = False
    unknown_set_status: Literal[400, 404] = 404
    max_url_bytes: Whole = 16_384

    # Pages
    link: Literal["absolute", "root", "service", "none"] = "absolute"
    default_page_size: Whole = 1000
    page_cap: Whole = 50_000
    top_disables_link: bool = True
    oversize_disables_link: bool = False
    shuffle_skip: bool = True
    shuffle_ties: bool = False
    volatile: bool | Literal["added", "removed", "changed", "moved"] = False

    # Delta
    track_changes: bool = True
    delta_reread: bool = True
    delta_retention_s: Seconds | None = None

    # Transfer
    gzip: bool = False
    chunked: bool = False

    # Spelling
    count_as_string: bool = False
    entities_as_string: bool = False
    numbers_as_strings: bool = False
    lower_case_annotations: bool = False
    message_as_object: bool = False


def merge(settings: Settings, changes: dict[str, object]) -> Settings:
    """Return the settings with changes merged in.

    Raises:
        msgspec.ValidationError: A switch is unknown or its value does not fit.
    """
    return msgspec.convert({**msgspec.to_builtins(settings), **changes}, Settings)
