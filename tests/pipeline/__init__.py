"""Tests of app.pipeline."""
