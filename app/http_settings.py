"""The settings of what is served over HTTP, and to whose web pages."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_settings import NoDecode

from app import forms

Origins = Annotated[
    tuple[Annotated[str, AfterValidator(forms.origin)], ...],
    NoDecode,
    BeforeValidator(forms.split),
]


class HttpVariables(BaseModel):
    """How answers are served. Attribute names are the variables' in lower case."""

    cors_origins: Origins = Field(
        (),
        description="origins as https://bi.example.com, separated by commas",
        examples=["https://bi.example.com"],
    )
    answer_cache_mb: int = Field(
        64, ge=0, le=65_536, description="megabytes, 0 to 65536", examples=["64"]
    )
    query_max_rows: int = Field(
        5_000_000, ge=1, le=1_000_000_000, description="rows, at least 1", examples=["5000000"]
    )
    query_timeout_s: float = Field(
        30, gt=0, le=3600, description="seconds, more than 0, at most 3600", examples=["30"]
    )
