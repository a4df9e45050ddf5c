"""Turns pages of a source into a series and keeps it; knows nothing of SAC or HTTP."""
