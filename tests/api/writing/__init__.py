"""Tests of app.api.writing."""
