"""Hypothesis without a deadline: the first call into Arrow loads it, which is slow once."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("pipeline", parent=settings.default, deadline=None)
settings.load_profile("pipeline")
